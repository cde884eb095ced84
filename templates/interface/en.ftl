### Interface in English. The same keys stand in es.ftl.

## page
to = to

## account

## web

## territory

## registry

## trial

## observation
crew-title = Next stop
crew-notice = Notice
crew-demo = Practice town: nothing you see is real
crew-needs-script = Recording on the phone needs JavaScript. Switch it on, or write on this list and hand it to your lead.
crew-paper = Stops of { $day }
crew-open-list = See the day's list
crew-undo = Undo
crew-question = What did you find at this home?
crew-not-made = Could not pass…
crew-why = Why could you not?
crew-back = Back to the home
crew-list = Stops of the day
crew-list-day = Round of { $day }. Touch a home to correct it.
crew-needs-attention = Needs attention
crew-enrol = Enrol this phone again
crew-change-route = Change route
crew-outcome-bien = Well separated
crew-outcome-medio = Partly
crew-outcome-mal = Mixed
crew-outcome-no = Not set out
crew-outcome-undone = Undone
crew-far = { $n } m away
crew-progress = { $n } of { $total }
crew-no-route = No route
crew-stream-organic = Today: organic
crew-stream-recyclable = Today: recyclable
crew-stream-residual = Today: residual
crew-stream-mixed = Today: all three bags, each apart
crew-finished = Route finished
crew-finished-help = { $n } of { $total } stops recorded. Open the list to correct one.
crew-choose = Which route is yours today?
crew-no-rounds = No routes today
crew-waiting = One moment…
crew-waiting-help = Today's route is not here yet. Find a signal and open again.
crew-refused = No permission: tell your lead
crew-refused-help = This phone may no longer send. What was saved is still here: tell your lead.
crew-correcting = Recorded: { $outcome }. Touch what is right.
crew-double = A second person looks too
crew-all-sent = All sent
crew-unsent = { $n } unsent
crew-since = since { $at }
crew-look-for-signal = Find a signal or tell your lead
crew-attention = Needs attention: { $n }
crew-nothing-yet = Nothing recorded yet
crew-saved-at = Saved on the phone, { $at }
crew-sent-at = Sent, { $at }
crew-not-saved = Not saved
crew-not-saved-help = The phone is full. Write on paper and tell your lead.
crew-route-choice = { $route }, { $from }–{ $to } ({ $n } stops)
crew-pending = To do
crew-state-waiting = Saved on the phone
crew-state-sent = Sent
crew-state-attention = Needs attention
crew-attention-row = { $home }, { $at }: { $outcome }. { $why }
crew-round = Round
crew-why-other = The server did not take it ({ $code }). Your lead will look.
crew-why-household-unknown = The server does not know this home on your route. Your lead will look.
crew-why-round-unknown = The server does not know this round. Your lead will look.
crew-why-observed-in-the-future = The phone's clock was ahead. Check it.
crew-why-op-other-content = It was received before with other content. Your lead decides which stays.
crew-persist-yes = The phone promises to keep what is saved.
crew-persist-no = The phone may delete what is saved when it is full. Send every day.
crew-persist-unknown = This browser does not say whether it keeps what is saved. Send every day.
reason-not_served = Has no service
reason-street_blocked = Street closed
reason-flood_or_landslide = Flood or landslide
reason-truck_full = Truck full
reason-truck_broken = Truck broken down
reason-dump_closed = Dump closed
reason-crew_short = Crew short
reason-refused = Household refused
reason-skipped = We missed it
rounds-heading = Who is out and what is missed?
rounds-answer = { $out } of { $rounds } routes have left. { $done } of { $planned } stops are made and { $missed } were not, with a reason.
rounds-none = No routes on this day.
rounds-caption = Stops made, not made with a reason, and without data. Updated { $at }.
rounds-route = Route
rounds-hours = Hours
rounds-done = Made
rounds-progress = Made, not made, no data
rounds-missed = Not made
rounds-last = Last stop
rounds-status = Status
rounds-of = { $n } of { $total }
rounds-waiting = Not left
rounds-late = { $minutes } min late
rounds-running = Under way
rounds-finished = Finished
rounds-missed-heading = Not made, by reason
rounds-missed-caption = Stops of { $day }. The cause excuses the route; it says nothing about the home.
rounds-missed-none = No stop was left with a reason.
rounds-reason = Reason
rounds-stops = Stops
rounds-phones = Phones that need attention
rounds-phones-caption = Sent and not taken, without permission, or silent during a round.
rounds-phones-none = All phones are up to date.
rounds-phone = Phone
rounds-problem = What is wrong
rounds-unsettled = { $n } records wait for a person
rounds-revoked = No permission since { $at }
rounds-silent = Silent since { $at }
rounds-never = Has sent nothing yet
rounds-previous = Day before
rounds-next = Day after

## norm

## analysis

## map

## coordinator

## errors
error-device-needed = This permission is not a phone's. Enrol the phone and try again.
