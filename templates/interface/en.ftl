### Interface in English. The same keys stand in es.ftl.

## page
to = to

## account

## web

## territory

## registry

## trial

## observation

## norm
norm-campaigns-heading = Do the messages arrive?
norm-campaigns-answer = { $delivered } of { $due } messages due so far arrived ({ $share } %). All arms together; one a week and home.
norm-campaigns-none = No messages yet. They start with the trial's messages phase and stop by themselves.
norm-campaign-empty = Campaign “{ $campaign }” has no messages here yet.
norm-campaign-caption = Campaign “{ $campaign }”: messages by week, all arms together
norm-column-week = Week
norm-column-due = Due
norm-column-delivered = Delivered
norm-column-failed = Not arrived
norm-column-waiting = Waiting
norm-column-withheld = No contact
norm-narrow = { $failed } not arrived · { $waiting } waiting · { $withheld } no contact
norm-trial-week = week { $n } of the trial
norm-paused = Paused since { $day }
norm-preview-open = See why a home gets its text
norm-search-heading = Why does a home get its text?
norm-search-answer = Write the home's code. You will see that week's message and every fact it follows from.
norm-field-municipality = Municipality
norm-field-household = Code of the home
norm-field-household-help = As on the door: SP-4821-K.
norm-field-week = Week
norm-preview-button = See the message
norm-preview-logged = This page shows an arm of the trial: who opens it is recorded.
norm-preview-heading = Why does this home get this text?
norm-week = week { $week }, { $from } to { $to }
norm-week-short = week { $week } ({ $from } to { $to })
norm-home = home { $code }
norm-text-sent = The message as it left
norm-text-waiting = The message that waits for its hour
norm-text-would = The message as it would leave
norm-text-none = This home is not written to this week. The row stays, because dose is an outcome.
norm-size = { $n } of 160 characters · 1 part · { $channel }
norm-size-full = { $n } letters · { $channel }
norm-channel-sms = SMS
norm-channel-whatsapp = WhatsApp
norm-channel-voice = Voice
norm-channel-paper = Paper
norm-channel-none = None
norm-state-withheld = No contact
norm-state-queued = Waiting
norm-state-sending = Leaving
norm-state-accepted = Accepted
norm-state-buffered = In the network
norm-state-delivered = Delivered
norm-state-failed = Did not arrive
norm-state-rejected = Rejected
norm-state-expired = Expired, not sent
norm-state-unknown = Not known; not repeated
norm-state-read = Read
norm-changed = With what is observed today another text would leave.
norm-changed-detail = Observations arrived or were corrected later. What left is kept as it left.
norm-why-heading = Why
norm-row-who = Who
norm-row-group = Group
norm-row-figure = Figure
norm-row-own = Its own record
norm-row-rule = Rule
norm-row-hour = Hour
norm-row-arm = Arm
norm-who-may = may receive: its consent to messages holds, { $channel }
norm-who-may-not = may not receive: { $reason }
norm-withheld-no-consent = it has given no consent
norm-withheld-consent-withdrawn = it withdrew its consent
norm-withheld-no-contact = it has no contact its consent covers
norm-withheld-not-served = it has no collection service
norm-withheld-contact-changed = its contact changed since
norm-withheld-no-text-in-language = the text is missing in its language and it did not accept Spanish
norm-withheld-cap-week = it has had the week's most
norm-withheld-cap-28-days = it has had the most of 28 days
norm-withheld-no-allowed-hour = its route has no day, or the whole week is quiet
norm-withheld-message-value = one of its values does not fit the message and is never cut
norm-withheld-message-character = one of its values has a letter SMS does not have
norm-withheld-message-text = the text does not fit one SMS
norm-group-segment = Block
norm-group-route = Route
norm-group-neighbourhood = Neighbourhood
norm-group-municipality = Municipality
norm-group-none = no group has enough observed homes
norm-homes = { $n } homes seen twice or more
norm-figure = “{ $tenth } of every 10”: { $share } %, { $low } to { $high } of homes, rounded down
norm-figure-none = none
norm-figure-source = Weeks { $from } to { $to }, { $n } observed collections. Computed { $day }, holds until { $until }.
norm-figure-rise = Before, { $before } of every 10: a change of { $rise } points, at least { $low }.
norm-figure-id = Norm { $id }.
norm-figure-unsaved = Computed now, not kept.
norm-own = complied in { $complied } of { $observed } observed collections of those weeks
norm-wording = Text { $name }
norm-rule-step = the same text for its whole arm this week
norm-rule-with-plan = recalls the home's plan, in its words
norm-rule-without-plan = no plan yet: it is asked
norm-rule-thanks = thanks only: the group is at the ceiling
norm-rule-approval = approval: the home complies as much as its group or more
norm-rule-approval-own = approval without a figure: the home complies and the group's level is low
norm-rule-majority = majority: the lower limit is above 50
norm-rule-static = static norm: the lower limit reaches 50
norm-rule-dynamic = dynamic norm: the level is low and the rise is sure
norm-rule-injunctive = what the national rule asks ({ $source }), true and sourced
norm-rule-service = service message: nothing else is true
norm-hour = { $weekday } { $time }; not sent after the collection of { $collection }
norm-hour-none = no allowed hour that week
norm-not-used-heading = Texts that were not used, and why
norm-not-used-caption = Every norm text there is, in order of preference
norm-groups-heading = Groups that were not used, and why
norm-groups-caption = From the nearest to the widest; a wider one is never taken because its figure is better
norm-column-text = Text
norm-column-why = Why not
norm-text-thanks = Thanks only
norm-text-approval = Approval with a figure
norm-text-approval-own = Approval without a figure
norm-text-majority = “The majority”
norm-text-static = “n of every 10”
norm-text-dynamic = “From n to m of every 10”
norm-text-injunctive = National rule
norm-text-service = Service message
norm-answer-withheld = This home is not written to: { $reason }.
norm-answer-stale = The figure expired { $days } days ago: it is not sent.
norm-answer-step = This week its whole arm gets the same text.
norm-answer-thanks = Nearly its whole group separates ({ $tenth } of every 10): it is only thanked.
norm-answer-approval = This home complies as much as its group or more: it is thanked and not compared.
norm-answer-approval-own = This home complies and its group is still low: it is thanked without a figure.
norm-answer-majority = It is told what its neighbours do: { $tenth } of every 10, surely more than half.
norm-answer-static = It is told what its neighbours do: { $tenth } of every 10, surely half or more.
norm-answer-dynamic = Its group is still low but surely rises: from { $before } to { $tenth } of every 10.
norm-answer-injunctive = No figure is both true and encouraging: it is told what the national rule asks.
norm-answer-service = No norm would be true: it gets the service message.
norm-why-preferred = preferred: { $text }
norm-why-turn = true as well; the two sentences take turns
norm-why-no-group = no group has enough observed homes
norm-why-lower-bound = the lower limit is { $low }; { $needs } is needed
norm-why-no-earlier-window = there are no four earlier weeks to compare with
norm-why-rise-too-small = the change is { $rise } points; { $needs } are needed
norm-why-rise-uncertain = the rise may be chance: its lower limit is { $low } points
norm-why-same-tenth = both figures are the same when rounded: { $tenth } of every 10
norm-why-tenth-too-low = it was { $tenth } of every 10 before: that is not told
norm-why-own-unknown = the home has { $observed } observed collections; 3 are needed
norm-why-own-below = the home complied in { $complied } of { $observed }: less than its group
norm-why-own-above = the home complied in { $complied } of { $observed }: a lower figure is not set before it
norm-why-own-not-half = the home complied in { $complied } of { $observed }: praise would not be true
norm-why-level-not-told = the group's level is low and is not told
norm-why-ceiling = the group is at { $tenth } of every 10: it is only thanked
norm-why-not-at-ceiling = the group is at { $tenth } of every 10; the ceiling is { $ceiling }
norm-why-no-source = a sourced rule is missing
norm-group-why-unobserved = nobody seen twice or more, or fewer than 20 homes
norm-group-why-few = { $homes } homes; { $needs } are needed
norm-group-why-wide = the margin is ±{ $half } points; ±{ $needs } is allowed
norm-group-why-nearer = a nearer one is enough: { $group }
visits-heading = Which door is next?
visits-answer = { $n } deliveries are left. Next is home { $code }. Delivered this week: { $done }.
visits-none = Nothing to hand over now.
visits-empty = Nothing waits. Delivered this week: { $done }. The next ones appear on Monday while the campaign lasts.
visits-before = before { $day }
visits-due = To hand over from { $day }
visits-ask-plan = Wait for the answer and note it on the sheet in the home's words. Do not propose a plan.
visits-delivered = Record delivery

## analysis

## map

## coordinator

## errors
error-household-unknown = There is no home { $household } in this municipality. Check the code on the door.
error-household-outside = Home { $household } is not in a segment of the trial that week: it gets no messages.
error-campaign-unknown = There is no campaign of that name.
error-campaign-phase = That week is outside the messages phase. Nothing is sent before or after it.
error-delivery-late = The collection has begun or the message was stopped. Do not hand it over.
