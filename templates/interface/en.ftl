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
accounts-phone-active = Active
accounts-phone-revoked = Revoked on { $day }
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
landing-logins-caption = They work on the sign-in page too. The password of all is
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

## norm

## analysis

## map

## coordinator

## errors
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
