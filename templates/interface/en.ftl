### Interface in English. The same keys stand in es.ftl.

## page
to = to

## account
accounts-heading = Who may sign in, and which phones send?
accounts-answer = { $people ->
    [one] One person may sign in
   *[other] { $people } people may sign in
} and { $phones ->
    [one] one phone may send.
   *[other] { $phones } phones may send.
}
accounts-people = People
accounts-caption = { $n } accounts, by role. Closing an account ends its sessions at once; what it did stays recorded.
accounts-login = User
accounts-login-help = 2 to 60 small letters without accents, digits, dots or dashes.
accounts-role = Role
accounts-reach = Reach
accounts-state = State
accounts-everywhere = Every municipality
accounts-operator = operator
accounts-operator-code = Operator
accounts-operator-help = Only for crew and crew lead: the code of the company or the municipality.
accounts-municipality = Municipality
accounts-active = Active
accounts-own = Your account
accounts-disabled = Closed on { $day }
accounts-disable = Close the account
accounts-renew = Give another password
accounts-add = Add a person
accounts-add-button = Add person
accounts-password = Password of { $login }:
accounts-password-once = Shown only once. Hand it over in person; it can be changed after signing in.
accounts-problem = The account was not added. Correct the form below and send it again.
accounts-problem-other = Something in the form could not be accepted.
accounts-devices = Phones
accounts-devices-caption = A revoked phone stops sending at once; what it still holds is recovered by the crew lead.
accounts-device = Phone
accounts-seen = Last heard of
accounts-never-seen = Not heard of yet
accounts-no-devices = There are no phones yet. Add one with «vecino token create --role crew --device NAME».
accounts-revoke = Revoke the phone
audit-heading = Who did what, and is the record whole?
audit-empty = There are no entries yet. The first appears when somebody signs in.
audit-installation = Installation
audit-whole = The record is whole.
audit-whole-detail = { $chains ->
    [one] One chain
   *[other] { $chains } chains
} with { $entries } entries were recomputed and all agree.
audit-broken = { $n ->
    [one] One chain does not agree.
   *[other] { $n } chains do not agree.
}
audit-broken-detail = Somebody changed or removed entries. Compare with a backup.
audit-broken-what = What does not agree
audit-unchecked = There are { $entries } entries in { $chains } chains. They have not been checked in this reading.
audit-chains = Chains
audit-chains-caption = Each entry carries the fingerprint of the one before: none is changed or removed unnoticed.
audit-chain = Chain
audit-entries = Entries
audit-state = State
audit-state-whole = Whole
audit-state-broken = Does not agree
audit-state-unchecked = Not checked
audit-check = Check now
audit-chain-heading = { $place }, { $stream }
audit-entries-caption = Newest first. Reading this page is recorded too.
audit-number = No.
audit-when = When
audit-what = What
audit-who = Who
audit-detail = Detail
audit-older = Show earlier
stream-account = accounts
stream-sync = collections
stream-trial = trial
action-signed-in = Signed in
action-signed-out = Signed out
action-account-added = Added an account
action-account-disabled = Closed an account
action-password-renewed = Gave another password
action-password-changed = Changed their password
action-device-revoked = Revoked a phone
action-token-created = Made a token
action-audit-read = Read the audit log
password-heading = Which password do you want to use?
password-answer = At least { $least } characters. A short phrase is easier to remember than an odd word.
password-current = Current password
password-new = New password
password-again = The new one, again
password-change = Change password
password-changed = Password changed
password-changed-next = Sign in again with the new one. Your other sessions have ended.
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
api-answer = With a token and three addresses. The whole document, for programs, is
api-sign-in = Token
api-token = Whoever runs the installation makes the token. It goes with every request and says which municipality and operator it reaches.
api-parameters = Parameters of the address
api-answers = Answers
api-name = Name
api-meaning = What it means
api-status = Status
api-shapes = Shapes of the data

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
rounds-answer = Routes that left: { $out } of { $rounds }. Stops made: { $done } of { $planned }; not made, with a reason: { $missed }.
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
rounds-unsettled = Records that wait for a person: { $n }
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
error-login = That user name cannot be used. Write 2 to 60 small letters, digits, dots or dashes.
error-login-taken = The user «{ $login }» exists already. Choose another.
error-role = There is no such role. Choose one from the list.
error-municipality-missing = That role works in one municipality. Choose it.
error-municipality-unknown = There is no municipality with the code { $code }.
error-operator-missing = That role belongs to one operator. Write its code.
error-operator-unknown = That municipality has no operator «{ $code }».
error-operator-without-municipality = For an operator choose its municipality first.
error-own-account = Nobody closes their own account. Ask another administrator.
error-practice-password = In the practice town passwords do not change.
error-password-short = The new password is too short: write at least { $least } characters.
error-password-differs = You did not write the same twice. Write the new one again.
error-password-wrong = The current password does not match.
error-credentials = User and password do not match.
error-too-many-attempts = Too many attempts. Try again at { $time }.
error-csrf = The form has expired. Load the page again and repeat.
error-foreign-origin = The request came from another site and was refused. Sign in from this page.
error-method = This address does not take that action. Go back to the start.
error-storage-full = The server's disk is full. Nothing was stored; tell the administration.
error-storage-read-only = The server cannot write. Nothing was stored; tell the administration.
