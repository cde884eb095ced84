### Interface in English. The same keys stand in es.ftl.

## page
to = to

## account
role-crew = Crew
role-crew-lead = Crew lead
role-coordinator = Sanitation
role-visitor = Visits
role-researcher = Research
role-mayor = Mayor's office
role-registrar = Registry
role-finance = Finance
role-school = School
role-gender = Gender
role-partner = Partner
role-auditor = Audit
role-admin = Administration

## web
nav-main = Main
nav-crew = Round
nav-today = Today
nav-rounds = Rounds
nav-map = Map
nav-visits = Visits
nav-indicators = Indicators
nav-campaigns = Messages
nav-trial = Trial
nav-registry = Registry
nav-finance = Finance
nav-school = School
nav-gender = Gender
nav-accounts = Accounts
nav-audit = Audit log
nav-api = Interface
web-skip = Skip to content
web-practice-label = Practice notice
web-practice = Practice town: nothing you see here is real.
web-sign-out = Sign out
web-foot = Times are Guatemala's. Weeks run from Monday to Sunday and carry their ISO 8601 number.
web-language = Language
web-theme = Colours
web-theme-auto = Automatic
web-theme-light = Light
web-theme-dark = Dark
web-theme-sun = Sunlight
web-login = User
web-password = Password
web-sign-in = Sign in
web-sign-in-heading = Who are you?
web-sign-in-help = Check for capital letters. If you forgot it, ask the administration for another.
web-back-home = Go to the start
web-error = Error
web-heading-not-found = There is nothing here
web-heading-forbidden = This page is not for your account
web-heading-failed = Not possible now
web-heading-refused = It could not be done
web-error-refused = Nothing was changed. Check what you wrote and try again.
web-error-not-found = The address does not exist or your account does not reach it.
web-error-unauthenticated = Sign in first.
web-error-forbidden = Your account does not open this page. If you need it, ask the administration.
web-error-conflict = Somebody changed it before you. Load the page again and repeat.
web-error-too-large = What you sent is too large. Split it and send each part.
web-error-too-many = Too many times in a row. Wait a few minutes and try again.
web-error-unavailable = Nothing was stored. Wait a moment and try again.
web-error-internal = Something failed here, not in what you did. It has been logged; try again.
landing-heading = Which door?
landing-answer = Each door is a role in the same pilot. Everybody sees the same town; each sees their own part.
landing-logins = Practice logins
landing-logins-caption = The same logins work on the sign-in page.
landing-role = Role
landing-reach = Reach
landing-everywhere = every municipality
landing-operator = operator
place-1202 = San Pedro Sacatepéquez
place-0114 = Amatitlán
door-crew = Which stop is next?
door-crew-lead = Who is out and what is missed?
door-coordinator = What is late today?
door-visitor = Which door is next?
door-researcher = May I look yet, and what does it say?
door-mayor = Where is it better or worse?
door-registrar = Who waits?
door-finance = Who receives financial advice?
door-school = Who is enrolled in the four schools?
door-gender = How many women and men take part?
door-partner = How does another system connect?
door-auditor = Who did what, and is the record whole?
door-admin = Who may sign in, and which phones send?
enter-crew = Enter as crew
enter-crew-lead = Enter as crew lead
enter-coordinator = Enter as sanitation
enter-visitor = Enter as visitor
enter-researcher = Enter as researcher
enter-mayor = Enter as mayor
enter-registrar = Enter as registrar
enter-finance = Enter as finance
enter-school = Enter as school
enter-gender = Enter as gender
enter-partner = Enter as partner
enter-auditor = Enter as auditor
enter-admin = Enter as administrator
api-heading = How does another system connect?

## territory

## registry

## trial

## observation

## norm

## analysis

## map
map-week = week { $week }
map-weeks = weeks { $from } to { $to }
map-days = { $from } to { $to }
map-period = { $weeks }, { $days }
map-phase-baseline = before the messages ({ $weeks })
map-phase-messages = with messages ({ $weeks })
map-phase-after = after the messages ({ $weeks })
map-heading-complied = Where is waste separated better?
map-heading-set-out = Where is waste set out more on the day?
map-published = published { $day } · revision { $revision }
map-answer-complied = Of every 100 observed collections, *{ $rate } complied* ~({ $low } to { $high })~.
map-answer-set-out = Of every 100 observed collections, in *{ $rate }* the home *set out its waste* ~({ $low } to { $high })~.
map-answer-places = { $below ->
    [0] No neighbourhood is
    [one] *1 neighbourhood* is
   *[other] *{ $below } neighbourhoods* are
} clearly below the municipality and { $above ->
    [0] none
   *[other] *{ $above }*
} clearly above{ $alike ->
    [0] .
    [one] ; in the other the difference may be chance.
   *[other] ; in the other { $alike } the difference may be chance.
}
map-answer-none = No neighbourhood clearly differs from the municipality: the differences may be chance.
map-answer-hidden = The municipality's figure is hidden in this period so that nobody is singled out.
map-empty = No week is published yet.
map-empty-first = The first one comes out on Wednesday { $day }.
map-empty-unknown = The first one comes out on the Wednesday after the first week with observed collections.
map-places = Neighbourhoods of the municipality
map-approximate = Approximate map: the borders and positions of the neighbourhoods are not official.
map-note-signs = The number leads to the table, which says the same in words. ▲ and ▼ mark clear differences.
map-note-breaks = The colour classes are provisional until the baseline is published.
map-points-approximate = Routes and points are approximate.
map-north = North is up
map-north-approximate = North is up. Approximate
map-inset = Town centre, enlarged
map-caption-complied = Of every 100 observed collections, how many complied
map-caption-set-out = Of every 100 observed collections, in how many waste was set out
map-picture-complied = { $place }: of every 100 observed collections, how many complied; { $period }
map-picture-set-out = { $place }: of every 100 observed collections, in how many waste was set out; { $period }
map-title = { $name }: { $rate } ({ $low } to { $high }), { $homes } homes, { $n } collections
map-title-hidden = { $name }: hidden so that nobody is singled out
map-hidden = Hidden so that nobody is singled out
map-measure = What is counted
map-measure-complied = Separated well
map-measure-set-out = Set out their waste
map-kind = Periods
map-kind-week = Each week
map-kind-block = Four weeks
map-kind-phase = Phases of the trial
map-slider = Published period:
map-see = Show this period
map-see-layers = Show the map so
map-layer-routes = Routes
map-layer-points = Points
map-legend-below = less than { $to }
map-legend-between = { $from } to { $to }
map-legend-above = { $from } or more
map-legend-hidden = hidden
map-legend-complied = Legend: complied of every 100
map-legend-set-out = Legend: set out of every 100
map-table-margin = In brackets, the margin: the true value falls inside in 95 of 100 cases.
map-table-whole = The grey line is the municipality: { $rate } ({ $low } to { $high }), { $homes } homes, { $n } collections.
map-table-number = Number on the map
map-table-place = Neighbourhood
map-table-complied = Complied
map-table-set-out = Set out
map-table-of-hundred = of every 100
map-table-scale = Margin on the
map-table-scale-ends = scale 0 to 100
map-table-change = Change
map-table-since-week = since the week before
map-table-since-block = since the 4 weeks before
map-table-since-phase = since the phase before
map-group-below = Clearly less than the municipality ▼: { $n }
map-group-alike = No clear difference from the municipality: { $n }
map-group-above = Clearly more than the municipality ▲: { $n }
map-group-shown = Neighbourhoods: { $n }
map-group-hidden = Hidden: { $n }
map-counts = { $homes } homes, { $n } collections
map-counts-sentence = { $homes } homes, { $n } collections.
map-change-first = first period
map-change-none = no comparison
map-csv = Download CSV
map-svg = Open the picture
map-print = Print one sheet
map-how = How to read this page
map-how-complied = A collection *complies* when the home set out its waste, of the day's class, separated and without gross mixing. If the home did not set it out, it does not comply. If the crew did not pass or did not see, it does not count.
map-how-set-out = A collection counts when the crew saw whether the home *set out its waste*, separated or not. If the crew did not pass or did not see, it does not count.
map-how-chance = With { $places } neighbourhoods, one or two may look different by chance.
map-how-hidden = Places with fewer than 10 observed homes are not shown, nor can they be worked out by subtraction: that is why another one is hidden too, and what is hidden in a week is hidden in longer periods.
map-place-heading = How is { $name } doing?
map-place-complied = In { $name }, of every 100 observed collections, *{ $rate } complied* ~({ $low } to { $high })~.
map-place-set-out = In { $name }, of every 100 observed collections, in *{ $rate }* the home set out its waste ~({ $low } to { $high })~.
map-place-below = That is clearly less than the municipality: *{ $rate }* ~({ $low } to { $high })~.
map-place-above = That is clearly more than the municipality: *{ $rate }* ~({ $low } to { $high })~.
map-place-alike = It does not differ clearly from the municipality: *{ $rate }* ~({ $low } to { $high })~.
map-place-hidden = The figures of { $name } are hidden in this period so that nobody is singled out.
map-back = Back to the map of { $place }
map-path-complied = Complied of every 100 observed collections, week by week
map-path-set-out = Set out their waste in every 100 observed collections, week by week
map-path-note = Full line: this neighbourhood, with its margin. Dashed line: the municipality. Where the line is missing, the week is hidden.
map-axis-week = week
map-axis-weeks = weeks since the first
map-as-table = Show as a table
map-week-column = Week
map-here = Here
map-municipality = Municipality
map-split = What was seen at each collection?
map-split-caption = Of { $n } collections observed in the period.
map-split-what = What was seen
map-split-complied = Well separated
map-split-set-out = Set out, but partly separated or mixed
map-split-none = Not set out
map-split-of = { $y } of { $n }
map-truck = When does the truck come?
map-truck-none = No route is recorded in this neighbourhood.
map-truck-caption = Routes with stops in this neighbourhood, Guatemala time.
map-truck-day = Day
map-truck-hours = Hours
map-truck-bags = What it takes
map-day-1 = Monday
map-day-2 = Tuesday
map-day-3 = Wednesday
map-day-4 = Thursday
map-day-5 = Friday
map-day-6 = Saturday
map-day-7 = Sunday
map-stream-organic = organic
map-stream-recyclable = recyclable
map-stream-residual = the rest
map-stream-mixed = all three classes, each apart

## coordinator

## errors
error-municipality-unknown = There is no such municipality within your reach. Check the address.
error-municipality-code = «{ $code }» is not a municipality code. Use the four digits of INE, such as 1202.
error-neighbourhood-unknown = There is no neighbourhood «{ $area }» here. Go back to the map and choose one.
error-measure = «{ $measure }» is not published. Choose complied or set_out.
error-period = «{ $period }» is not a period. Write a week like 2026-W44 or four weeks like 2026-B11.
error-period-unpublished = That period is not published. It comes out on the Wednesday after its last week.
error-period-kind = «{ $kind }» is not a kind of period. Choose week, block or phase.
error-period-step = «{ $step }» is not a step of the slider. Go back to the map and move it again.
error-credentials = User and password do not match.
error-too-many-attempts = Too many attempts. Try again at { $time }.
error-csrf = The form has expired. Load the page again and repeat.
error-foreign-origin = The request came from another site and was refused. Sign in from this page.
error-method = This address does not take that action. Go back to the start.
error-storage-full = The server's disk is full. Nothing was stored; tell the administration.
error-storage-read-only = The server cannot write. Nothing was stored; tell the administration.
