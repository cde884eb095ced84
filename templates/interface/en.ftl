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

## coordinator

## errors
error-credentials = User and password do not match.
error-too-many-attempts = Too many attempts. Try again at { $time }.
error-csrf = The form has expired. Load the page again and repeat.
error-foreign-origin = The request came from another site and was refused. Sign in from this page.
error-method = This address does not take that action. Go back to the start.
error-storage-full = The server's disk is full. Nothing was stored; tell the administration.
error-storage-read-only = The server cannot write. Nothing was stored; tell the administration.
