### Interface in English. The same keys stand in es.ftl.

## page
to = to

## account

## web

## territory

## registry
registry-eyebrow = Social registry
registry-heading = { $total ->
    [0] Nobody waits for the registry
    [one] One matter waits for the registry
   *[other] { $total } matters wait for the registry
  }
registry-answer = People proposed, enrolled without consent, or with a CUI to compare: { $total }. Served homes without consent to messages: { $homes }.
registry-no-pilot = There is no municipality with a pilot yet. Its registry will stand here.
registry-nobody-waits = Nobody waits. What is new appears here as soon as it is recorded.
registry-people-word = { $n ->
    [one] person
   *[other] people
  }
registry-homes-word = { $n ->
    [one] home
   *[other] homes
  }
registry-people-many = people
registry-candidates-waste = Proposed for waste service
registry-candidates-finance = Proposed for financial advice
registry-candidates-school = Proposed for school
registry-candidates-gender = Proposed for gender activities
registry-candidates-why = They wait for the module to enrol them. Until then they count in no indicator.
registry-see-candidates = See proposals
registry-enrolled-without = Enrolled without a consent that holds
registry-enrolled-without-why = The module does not see their names until the consent is recorded. Look for them in each module's list.
registry-cui-warnings = CUI to compare with the card
registry-cui-warnings-why = The number was kept as given. Its check digit or place does not fit.
registry-see-files = See files
registry-homes-consent = Without consent to messages
registry-homes-consent-why = They are not written to. Ask at the next visit; no is an answer too.
registry-homes-contact = Without a way to reach them
registry-homes-contact-why = They have service but neither phone nor paper delivery.
registry-see-homes = See homes
registry-and-more = and { $n } more
registry-cui-check_digit = the check digit does not fit
registry-cui-place = the place of registration does not exist
registry-cui-practice = practice number: nobody's
registry-search = Search the registry
registry-search-label = Name, surname, CUI or code of the home
registry-search-help = No accents or apostrophes needed: “akabal” finds “Ak’abal”. Each search goes on record.
registry-search-button = Search person
registry-search-logged = Your search went on record with your login and the time, without what you typed.
registry-search-none = Nobody with these words. Try fewer words, or one surname.
registry-search-caption = People who carry every word typed, by surname
registry-search-limit = The first { $n } of each municipality are shown. Add a word to shorten the list.
registry-found = { $n ->
    [0] Nobody matches
    [one] One person matches
   *[other] { $n } people match
  }
registry-back = Registry
registry-name = Name
registry-birth-year = Year of birth
registry-home = Home
registry-place = Municipality
registry-no-data = no data
registry-new = Register a person
registry-new-in = Register in { $place }
registry-new-answer = Only names and surnames are needed. The rest can be completed later.
registry-problems = { $n ->
    [one] Not saved: one entry to mend
   *[other] Not saved: { $n } entries to mend
  }
registry-save-person = Save person
registry-cancel = Back without saving
registry-yes = Yes
registry-no = No
registry-field-given_names = Given names
registry-field-surnames = Surnames
registry-field-cui = CUI
registry-field-birth_date = Birth
registry-field-sex = Sex
registry-field-language = Language of the home
registry-field-migration_status = Migration status
registry-field-household = Code of the home
registry-field-relation = Relation in the home
registry-field-since = Lives there since
registry-field-phone = Phone
registry-field-channel = Channel
registry-field-spanish_allowed = May messages be in Spanish?
registry-field-consent_messages = Does the home agree to messages?
registry-field-purpose = What for
registry-field-given_on = Day of the consent
registry-field-how = How it was given
registry-field-guardian = Given by a parent or guardian?
registry-field-on = From the day
registry-help-surnames = Both, if there are two. As on the card, with accents and apostrophes.
registry-help-cui = 13 digits, with or without spaces. May stay empty.
registry-help-birth_date = dd/mm/yyyy, only the year (1988) or the age (36).
registry-help-household = As on the label at the door: two letters, four digits and one character.
registry-help-since = dd/mm/yyyy. Empty: today.
registry-help-phone = Eight digits; with + and the country's code if from abroad.
registry-help-given_on = dd/mm/yyyy. Empty: today.
registry-sex-female = Woman
registry-sex-male = Man
registry-sex-other = Other
registry-sex-unknown = No data
registry-language-es = Spanish
registry-language-mam = Mam
registry-migration-host = Host community
registry-migration-migrant = Migrant
registry-migration-returnee = Returnee
registry-migration-displaced = Forcibly displaced
registry-migration-remittance_household = Home with remittances
registry-migration-unknown = No data
registry-relation-head = Head of the home
registry-relation-partner = Partner
registry-relation-child = Child
registry-relation-parent = Parent
registry-relation-sibling = Sibling
registry-relation-other_relative = Other relative
registry-relation-not_related = Not related
registry-relation-unknown = No data
registry-precision-year = only the year
registry-precision-age = from the age told
registry-age = { $n } years old
registry-file = File
registry-file-answer = Takes part in { $enrolled ->
    [0] no module
    [one] one module
   *[other] { $enrolled } services
  }. Consents that hold, their own and the home's: { $consents }. Opening this file went on record.
registry-identity = Identity
registry-identity-caption = As recorded
registry-recorded = Recorded
registry-homes = Where they live
registry-homes-caption = Homes with their dates; the last day does not count
registry-no-home = No home on record.
registry-from = From
registry-to = To
registry-present = today
registry-move = Record another home
registry-save-home = Save home
registry-contacts = How the home is reached
registry-contacts-caption = Only the last two digits of a number are shown
registry-no-contact = The home has no contact on record.
registry-number = Number
registry-ends-in = ends in
registry-no-number = no number
registry-new-contact = Record another contact
registry-save-contact = Save contact
registry-channel-sms = Text message
registry-channel-whatsapp = WhatsApp
registry-channel-voice = Call
registry-channel-paper = Paper, delivered at home
registry-consents = What they agreed to
registry-consents-why = A withdrawal counts at once: from then on nothing is sent or shared.
registry-consents-caption = Consents by purpose, the newest first
registry-no-consent = No consents. Without them nobody is written to or enrolled.
registry-given = Given
registry-state = State
registry-withdraw = Record withdrawal
registry-withdrawn = Withdrawn
registry-holds = Holds
registry-not-yet = Not yet
registry-of-home = of the home
registry-of-person = of the person
registry-by-guardian = by a guardian
registry-give-consent = Record a consent
registry-save-consent = Save consent
registry-purpose-messages = Messages to the home
registry-purpose-research = The pilot's study
registry-purpose-finance = Financial advice
registry-purpose-school = School
registry-purpose-gender = Gender activities
registry-purpose-sharing = Sharing with another institution
registry-how-paper_form = paper form
registry-how-visit = visit
registry-how-phone = call
registry-how-reply = reply to a message
registry-enrolments = What they take part in
registry-enrolments-caption = Enrolments of all modules: only the registry sees them together
registry-no-enrolment = Takes part in no module.
registry-module = Module
registry-module-waste = Waste
registry-module-finance = Finance
registry-module-school = School
registry-module-gender = Gender
registry-what = Service
registry-propose-waste = Propose for waste
registry-propose-finance = Propose for finance
registry-propose-school = Propose for school
registry-propose-gender = Propose for gender
registry-save-proposal = Save proposal
registry-detail-service = Service
registry-detail-partner = With
registry-detail-school = School
registry-detail-grade = Grade
registry-detail-school_year = School year
registry-detail-activity = Activity
registry-service-collection = Collection
registry-service-visit = Visit
registry-service-training = Training
registry-service-advice = Advice
registry-service-savings = Savings
registry-service-credit = Credit
registry-service-digital_wallet = Digital wallet
registry-service-entrepreneurship = Entrepreneurship
registry-activity-asset_building = Asset building
registry-activity-leadership = Leadership
registry-activity-dialogue = Dialogue
registry-activity-masculinities = Masculinities
registry-grade-n = Grade { $grade }
registry-history = What changed
registry-history-caption = Changes of this file, the newest first
registry-no-history = No changes since the first load.
registry-when = When
registry-change = Change
registry-change-this = Change
registry-who = Who
registry-action-person-registered = The file was registered
registry-action-person-moved = Moved home
registry-action-contact-added = A contact was recorded
registry-action-consent-given = A consent was given
registry-action-consent-withdrawn = A consent was withdrawn
registry-action-enrolment-changed = An enrolment changed
registry-question-waste = Who receives waste service?
registry-question-finance = Who receives financial advice?
registry-question-school = Who studies after school?
registry-question-gender = Who takes part in gender activities?
registry-roll-answer = Active enrolments: { $enrolled }. Paused: { $paused }. To be enrolled: { $candidates }.
registry-roll-caption = The code is valid in this module only. Seeing this list goes on record.
registry-roll-caption-no-names = No names: the code is valid in this module only
registry-filter = List
registry-list = List
registry-list-empty = No such enrolments. Proposals come from the registry.
registry-next-page = See the next ones
registry-person = Person
registry-status-all = All
registry-status-candidate = Proposed
registry-status-enrolled = Enrolled
registry-status-paused = Paused
registry-status-exited = Left
registry-statuses-candidate = Proposed
registry-statuses-enrolled = Enrolled
registry-statuses-paused = Paused
registry-statuses-exited = Left
registry-reason-started = started
registry-reason-resumed = resumed
registry-reason-returned = came back
registry-reason-absent = stopped coming
registry-reason-illness = illness
registry-reason-work = work
registry-reason-season = season
registry-reason-finished = finished
registry-reason-moved_away = moved away
registry-reason-own_wish = own wish
registry-reason-not_eligible = not eligible
registry-reason-consent_withdrawn = withdrew consent
registry-step = What changes and why
registry-save-step = Save change
registry-indicators = Indicators
registry-on-track-question = Are we on track?
registry-indicators-answer = { $n } of { $all } indicators are on track.
registry-programme-ended = The term ended on { $day }: compared with the whole target.
registry-logframe = Targets and progress
registry-logframe-caption = Distinct people of all municipalities; somebody in two modules counts once
registry-indicator = Indicator
registry-reached = Reached
registry-target = Target
registry-due-today = Due today
registry-by-day = By
registry-result-1 = Result 1: work
registry-result-2 = Result 2: basic services
registry-result-3 = Result 3: equality and youth
registry-indicator-services_for_work = People with services for new or better work
registry-indicator-work = People with new or better work
registry-indicator-basic_services = People with basic services
registry-indicator-students = Students in four schools
registry-indicator-advice_under_30 = Under 30 among those with financial advice, of 100
registry-definition-services_for_work = With a finance service or asset building begun
registry-definition-work = With new or better work on record and its evidence
registry-definition-basic_services = With waste collection, visit or training begun
registry-definition-students = Ever enrolled in the after-school programme
registry-definition-advice_under_30 = Aged 18 to 29 on the day the advice began
registry-on-track = On track
registry-below = Below
registry-cannot-know = Cannot be known yet
registry-missing-people = { $n } people missing
registry-missing-points = { $n ->
    [one] 1 point missing
   *[other] { $n } points missing
  }
registry-of-people = of { $n } people
registry-hidden = Fewer than 5 people: hidden
registry-rule = Rule: what is due grows in a straight line from the programme's first to its last day; the share is due from the start. It is a full count, without sampling margin. A range in brackets, if shown, comes from unknown ages.
registry-who-are-they = Who are they?
registry-hidden-rule = Groups under 5 people are hidden. Sometimes another one is hidden too, so that none can be found by subtraction.
registry-group = Group
registry-by-sex = By sex
registry-by-age = By age
registry-by-migration = By migration status
registry-by-language = By language
registry-by-municipality = By municipality of registration
registry-by-school = By school
registry-age-to_17 = Up to 17
registry-age-18_29 = 18 to 29
registry-age-30_44 = 30 to 44
registry-age-45_59 = 45 to 59
registry-age-from_60 = 60 or older
registry-age-unknown = No data
registry-source = Where the targets come from
registry-download-csv = Download table (CSV)

## trial

## observation

## norm

## analysis

## map

## coordinator

## errors
error-person-unknown = There is no such person here. Search again.
error-person-name = Write at least one word in names and one in surnames.
error-cui-length = The CUI has 13 digits. Compare it with the card, or leave it empty.
error-birth-date = Write dd/mm/yyyy, a year such as 1988 or an age such as 36. Not in the future.
error-phone = The phone has eight digits, or + and its country's code.
error-contact-address = A phone channel needs a number; paper takes none. Write the number or choose paper.
error-contact-unknown = There is no such contact here.
error-household-code = There is no home with this code. Compare it with the label at the door.
error-household-needed = Phone and consent to messages belong to a home. Write its code.
error-household-unknown = There is no such home in this municipality.
error-choice = Choose one of the listed options.
error-day = Write the day as dd/mm/yyyy, today or before.
error-no-home = This person has no home on record. Record their home first.
error-membership-order = Their present home counts from { $from }. Write a later day.
error-consent-day = A consent cannot be in the future. Write the day it was given.
error-consent-guardian = They are or may be under 18. Their guardian gives the consent.
error-consent-unknown = There is no such consent in this file. Open it again.
error-consent-withdrawn = This consent was withdrawn already.
error-enrolment-unknown = There is no such enrolment in this module. Go back to the list.
error-enrolment-step = This step is not possible from the present status. Look at the list: somebody may have changed it.
error-enrolment-reason = This reason does not fit this step. Choose one of the list.
error-enrolment-day = The day must lie between { $since } and today.
error-enrolment-consent = This person's consent is missing. Ask the registry to record it first.
error-enrolment-detail = Choose one of the listed options.
error-finance-minor = Credit is for adults. Choose another service.
error-school-year = Write a year, such as 2026.
