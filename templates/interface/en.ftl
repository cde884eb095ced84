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

## analysis
analysis-trials = Trials
analysis-no-trials = There are no trials yet. They appear here once their protocol is frozen.
analysis-trials-caption = Trials with a frozen protocol
analysis-trial = Trial
analysis-frozen = Protocol frozen
analysis-may-i = May I look yet?
analysis-what-changed = What changed when we told the truth about neighbours and asked for a plan?
analysis-look = look { $look }
analysis-eyebrow = Look { $look } of { $looks }, opened on { $day }
analysis-not-yet = Not yet. Look { $look } opens on { $day }, when week { $week } is published. Until then only figures of all homes together are shown.
analysis-waits = Not yet. Look { $look } waits for week { $week } to be published in every municipality.
analysis-no-looks = The protocol plans no looks: only figures of all homes together are shown.
analysis-empty = No week is published yet. The first comes out on Wednesday { $day }.
analysis-protocol = Protocol
analysis-frozen-on = frozen on { $day } before the draw
analysis-seed = seed { $seed }
analysis-no-amendments = No amendments.
analysis-amendments = { $n ->
    [one] One amendment.
   *[other] { $n } amendments.
  }
analysis-weeks = weeks { $from } to { $to } ({ $first } to { $last })
analysis-estimand = Effect of assignment, mean per observed collection, { $weeks }.
analysis-points = points
analysis-norm-up = Telling the truth about neighbours raised compliance by
analysis-norm-down = Telling the truth about neighbours lowered compliance by
analysis-norm-null = With the norm the difference was
analysis-plan-up = Asking for a plan raised compliance by
analysis-plan-down = Asking for a plan lowered compliance by
analysis-plan-null = With the plan the difference was
analysis-other-up = { $name }: compliance rose by
analysis-other-down = { $name }: compliance fell by
analysis-other-null = { $name }: the difference was
analysis-cannot-say = : the data do not allow us to say that it worked, nor that it did not.{" "}
analysis-not-computed = { $name }: the data are not enough to compute the difference.
analysis-no-number = cannot be computed
analysis-no-data = no data
analysis-contrast-norm = Norm
analysis-contrast-plan = Plan
analysis-contrast-norm-plan = Norm × plan (interaction)
analysis-contrast-norm_alone = Norm alone against reminder
analysis-contrast-plan_alone = Plan alone against reminder
analysis-contrast-norm_and_plan = Norm and plan against reminder
analysis-primary-label = { $name } (primary contrast)
analysis-primary = primary
analysis-forest-caption = Difference in percentage points, with 95 % interval
analysis-less = less compliance
analysis-more = more compliance
analysis-forest-note = Square: primary contrast. Circle: secondary.
analysis-interaction-note = The interaction has little power in this design (least detectable, { $points } points).
analysis-figure-up = Of every 100 collections, about { $n } more complied.
analysis-figure-down = Of every 100 collections, about { $n } fewer complied.
analysis-figure-null = The interval runs from { $low } to { $high } points: the data do not allow us to say that it worked, nor that it did not.
analysis-chance = By chance alone as much would be seen in { $n } of every { $of } draws.
analysis-chance-rare = By chance alone as much would be seen in fewer than 1 of every 1,000 draws.
analysis-all-contrasts = All contrasts
analysis-contrasts-caption = Percentage points of observed collections, { $weeks }. CR2 errors by segment, Satterthwaite degrees of freedom.
analysis-contrasts-counts = { $homes } homes, { $segments } segments, { $n } observed collections.
analysis-col-contrast = Contrast
analysis-col-difference = Difference (95 % CI)
analysis-col-se = Std. error
analysis-col-df = df
analysis-col-p = p
analysis-col-holm = p Holm
analysis-col-randomisation = p design
analysis-col-wild = p wild
analysis-sub-df = df { $df }
analysis-sub-holm = p Holm { $p }
analysis-group-primary = Primary, corrected by Holm
analysis-group-secondary = Secondary
analysis-group-ancova = Check by segment means (ANCOVA, for audit)
analysis-uncorrected = secondary, not corrected
analysis-check = check
analysis-icc = Likeness within the segment (ICC): { $icc }. Design effect: { $effect }. The design p replays the protocol's draw with the CR1 t; the wild p is WCR11.
analysis-flow = Who entered and who remained
analysis-segments = { $n ->
    [one] 1 segment
   *[other] { $n } segments
  }
analysis-flow-assessed = assessed, { $homes } served homes
analysis-flow-out = left out before the draw
analysis-out-few-homes = { $n } with few homes observed
analysis-out-no-baseline = { $n } without a baseline
analysis-flow-assigned = drawn in { $strata } strata, { $homes } homes
analysis-flow-caption = By arm, in the weeks of messages. “Not observed” is never “did not comply”.
analysis-flow-sub = { $segments } segments, { $homes } homes, { $n } collections
analysis-arm = Arm
analysis-all-arms = All
analysis-col-segments = Segments
analysis-col-homes = Homes
analysis-col-messaged = Messaged
analysis-col-analysed = Analysed
analysis-col-collections = Collections
analysis-col-observed = Observed
analysis-col-not-observed = Not observed
analysis-col-due-collections = Due
analysis-weekly = Week by week
analysis-weekly-what = Of every 100 observed collections, how many complied. The band is the 95 % interval by segment.
analysis-and-dashed = and { $arm } (dashed)
analysis-as-table = See as a table
analysis-path-caption = Complied of every 100 observed collections, with 95 % interval by segment
analysis-of-100 = of every 100
analysis-week = week
analysis-messages-start = messages start
analysis-messages-stop = messages stop
analysis-pooled = All homes together
analysis-through = Through week { $week } of the trial, the last published.
analysis-pooled-caption = Of every 100 observed collections, how many complied, with 95 % interval by segment
analysis-observed-heading = How much was observed?
analysis-observed-of = { $observed } of { $due } collections due
analysis-delivered-heading = Did the messages arrive?
analysis-habit = Did it become a habit?
analysis-habit-what = A home counts when it complied in at least 6 of its last 8 observed collections since messages began. It is a snapshot, not a time.
analysis-habit-caption = Homes of every 100 with the habit, with 95 % interval by segment. The line is the first arm.
analysis-col-of-100-homes = Of every 100 homes
analysis-habit-sub = { $homes } homes with 8 collections
analysis-bar = Bar
analysis-balance = Were they alike at the start?
analysis-balance-what = Standardised difference from { $arm }, by segment. { $legend }.
analysis-balance-p = Joint randomisation test: p = { $p }.
analysis-balance-caption = Standardised differences at baseline
analysis-col-variable = Variable
analysis-variable-complied = Collections that complied
analysis-variable-set-out = Collections in which the home set out waste
analysis-variable-observed = Due collections that were observed
analysis-variable-homes = Homes per segment
analysis-arrived = Did the messages arrive?
analysis-arrived-what = One a week in every arm; the line marks the least acceptable, 80 %.
analysis-fidelity-caption = Messages of the weeks of messages
analysis-col-delivered = Delivered
analysis-col-delivered-short = Deliv.
analysis-col-due = Due
analysis-col-sent = Sent
analysis-fidelity-sub = { $delivered } of { $due } due
analysis-missing = Were all arms observed alike?
analysis-missing-what = Between { $low } % and { $high } % of what was due was observed; the largest difference is { $difference } points.
analysis-missing-p = By randomisation, p = { $p }.
analysis-missing-caption = Collections due in the weeks of messages. “Not observed” is never “did not comply”.
analysis-before-quoting = Before quoting these figures
analysis-attention = Attention
analysis-explore = Explore
analysis-exploratory = Whatever is not in the protocol is exploratory
analysis-exploratory-what = Subgroups, other periods and other definitions are named so when published.
analysis-next-look = Look { $look } does not exist yet
analysis-next-look-what = Nothing on this page says whether the effect lasts. Until { $day } what follows is only shown for all arms together.
analysis-warning-no-registry-number = The protocol has no registry number yet.
analysis-warning-no-ethics-approval = The protocol names no ethics approval yet.
analysis-warning-amended = The protocol was amended { $n } times after the freeze: read the amendments.
analysis-warning-not-computed = Could not be computed ({ $what }): the data are not enough.
analysis-warning-no-messages-data = No week of messages is published: nothing is estimated.
analysis-warning-few-degrees = There are only { $df } degrees of freedom: do not quote a p without the design p beside it.
analysis-warning-empty-arm = No segment is in: { $arms }.
analysis-warning-silent-segments = { $n } assigned segments have no observed collection.
analysis-warning-missing-differs = The share observed differs between arms more than chance explains: read the contrasts with care.
analysis-warning-low-delivery = In { $arm } fewer than 80 of every 100 due messages were delivered.
analysis-warning-no-messages = No message was due in these weeks.
analysis-warning-not-the-end = The data end with trial week { $week }: nothing here says whether an effect lasts.
analysis-warning-habit-simple = Habit is shown as a snapshot; time to a habit and its p are for a later version.
analysis-warning-no-spillover = Spillover between arms by distance is not computed yet.
analysis-ask-heading = Ask for a look outside the plan
analysis-ask-what = Asking opens nothing: who asked, when and why is written down.
analysis-ask-reason = Why can it not wait?
analysis-ask-send = Record the request
analysis-asked = The request was recorded.
analysis-asked-what = Figures by arm stay closed until the next look.
analysis-download = Download report (JSON)
analysis-print = Print report
analysis-computed = Computed on { $at }, source

## map

## coordinator

## errors
error-look-reason = Write why the planned look cannot be waited for.
error-look-reason-long = The reason is longer than 2,000 characters. Shorten it.
error-trial-unknown = There is no trial of that name within your reach.
