//! Names, phones and CUI stay where they belong: never in the database file, a log, an error, or another module.

use crate::registry::{OTHER, PLACE, keys, now, registered, somebody, town};
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use std::path::Path;
use std::sync::{Arc, Mutex};
use tower::ServiceExt;
use vecino::account::access::{self, Routes, Who};
use vecino::account::{Actor, Role};
use vecino::app::App;
use vecino::clock::Clock;
use vecino::db::Db;
use vecino::id::{Mint, MunicipalityId};
use vecino::language::{Language, Words};
use vecino::page::{Page, Reader};
use vecino::registry::{export, import, practice};
use vecino::{all, one, run};

pub async fn app(folder: &Path) -> App {
    let db = Db::connect(&format!("sqlite:{}", folder.join("vecino.db").display())).await.unwrap().keyed(&keys());
    db.migrate().await.unwrap();
    App { db, clock: Clock::Fixed(now()), keys: keys(), data_dir: Arc::new(folder.to_owned()), demo: false }
}

pub fn actor(role: Role, municipality: Option<MunicipalityId>) -> Actor {
    Actor { role, name: format!("{role} 1"), account: None, municipality, operator: None, device: None }
}

/// One request through the registry's own router; the page's heading and body as HTML.
pub async fn ask(app: &App, language: Language, who: &Actor, method: Method, path: &str, form: &str) -> (StatusCode, String, Option<String>) {
    let router = vecino::registry::routes(Routes::default()).router.with_state(app.clone());
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()))
        .unwrap();
    request.extensions_mut().insert(who.clone());
    request.extensions_mut().insert(Reader { words: Words::new(language), csrf: "token".into() });
    let response = router.oneshot(request).await.unwrap();
    let status = response.status();
    let to = response.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
    let text = match (response.extensions().get::<Arc<Page>>(), response.extensions().get::<Arc<vecino::error::Error>>()) {
        (Some(page), _) => {
            format!("{}{}{}{}", page.heading, page.eyebrow.clone().unwrap_or_default().0, page.answer.clone().unwrap_or_default().0, page.body.0)
        }
        (_, Some(error)) => format!("ERROR {}", error.code),
        _ => String::from_utf8(axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap(),
    };
    (status, text, to)
}

/// A log that can be read back.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

const CANARIES: [&str; 6] = ["Kanaryname", "KANARYNAME", "kanaryname", "00007731", "2401928349902", "Q'anary"];

#[tokio::test]
async fn planted_names_never_reach_the_database_file_the_log_or_an_error() {
    let (folder, log) = (tempfile::tempdir().unwrap(), Log::default());
    let writer = log.clone();
    // For all threads: SQLite's own thread logs its statements.
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_writer(move || writer.clone()).finish();
    let listening = tracing::subscriber::set_global_default(subscriber).is_ok();
    let app = app(folder.path()).await;
    let mut tx = app.db.write().await.unwrap();
    town(&mut tx, 3).await;
    tx.commit().await.unwrap();
    let clerk = actor(Role::Registrar, None);
    let form = "given_names=Kanaryname&surnames=Q%27anary&cui=2401928349902&birth_date=1988&sex=female&language=mam&migration_status=host&household=SP-0001-X&relation=head&since=&phone=0000+7731&consent_messages=yes";
    let (status, _, to) = ask(&app, Language::Es, &clerk, Method::POST, "/registry/person/new/1202", form).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let (status, page, _) = ask(&app, Language::Es, &clerk, Method::GET, &to.unwrap(), "").await;
    assert!(status.is_success() && page.contains("Kanaryname") && page.contains("2401 92834 9902") && !page.contains("00007731"), "{page}");
    let (_, found, _) = ask(&app, Language::Es, &clerk, Method::POST, "/registry/search", "q=kanaryname+qanary").await;
    assert!(found.contains("Kanaryname Q&#39;anary") || found.contains("Kanaryname Q'anary"), "{found}");

    // A file with its columns in disorder: names stand under sex, cui, phone, an unknown heading; none is repeated.
    let mut errors = String::new();
    for file in [
        "given_names,surnames,sex,cui,phone,household\nA,B,Kanaryname,Q'anary,KANARYNAME,2401928349902\n",
        "Kanaryname,surnames\nA,B\n",
        "Q'anary 2401928349902\n",
        "given_names,surnames,birth_date,household\nA,B,Kanaryname,kanaryname\nA,B,1988,KANARYNAME\n",
        "given_names,surnames\nKanaryname,Q'anary,00007731\n",
        "given_names,surnames,consents,consent_on,guardian,finance,school\nA,B,Kanaryname,KANARYNAME,kanaryname,Q'anary,Q'anary\n",
    ] {
        let mut tx = app.db.write().await.unwrap();
        let refused =
            import::import(&mut tx, &app.keys, &mut Mint::system(), PLACE, "people.csv", file.as_bytes(), "clerk", now()).await.unwrap_err();
        assert!(refused.lines.iter().all(|line| line.starts_with("people.csv:")), "{refused}");
        errors += &format!("{refused:?}\n{refused}\n");
    }
    let (_, wrong, _) = ask(&app, Language::Es, &clerk, Method::POST, "/registry/person/new/1202", "given_names=&surnames=&cui=12").await;
    assert!(wrong.contains("aria-invalid") && wrong.contains("value=\"12\"") && wrong.contains("autofocus"));
    app.db.close().await;
    let logged = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(!listening || logged.len() > 1000, "the log listened: {logged}");
    let mut stored = Vec::new();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        stored.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    assert!(stored.len() > 10_000);
    for canary in CANARIES {
        assert!(!stored.windows(canary.len()).any(|window| window == canary.as_bytes()), "{canary} stands in the database file");
        assert!(!logged.contains(canary), "{canary} stands in the log");
        assert!(!errors.contains(canary), "{canary} stands in an error: {errors}");
    }
}

#[tokio::test]
async fn a_file_comes_in_whole_or_not_at_all_and_twice_changes_nothing() {
    crate::on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        town(&mut tx, 3).await;
        let good = "\u{feff}given_names,surnames,cui,sex,birth_date,language,household,relation,phone,consent_messages,consents,consent_on,guardian,finance,finance_partner,school,grade\n\
            María,Ak'abal,2401928349902,female,14/03/1988,mam,sp-0001-x,head,00001234,yes,finance,01/11/2026,no,advice,Banrural,,\n\
            Luis,Ak'abal,,male,2013,mam,SP-0001-X,child,,,school,01/11/2026,yes,,,Instituto de Educación Básica Por Cooperativa Palo Gordo,2\n\
            Rosa,Chuc,,female,40,es,,,,,,,,savings,Micoope,,\n";
        let bring = async |tx: &mut vecino::db::Tx, text: &str| import::import(tx, &keys(), &mut Mint::system(), PLACE, "p.csv", text.as_bytes(), "clerk", now()).await;
        let first = bring(&mut tx, good).await.unwrap();
        assert_eq!((first.rows, first.new_people, first.homes, first.contacts, first.consents, first.enrolled, first.candidates), (3, 3, 2, 1, 3, 2, 1), "{first:?}");
        let print = async |tx: &mut vecino::db::Tx| {
            let mut counts = Vec::new();
            for sql in ["SELECT COUNT(*) FROM person", "SELECT COUNT(*) FROM household_member", "SELECT COUNT(*) FROM contact", "SELECT COUNT(*) FROM consent",
                "SELECT COUNT(*) FROM finance_enrolment", "SELECT COUNT(*) FROM school_enrolment", "SELECT COUNT(*) FROM person_word"] {
                let (n,): (i64,) = one!(tx, sql).unwrap();
                counts.push(n);
            }
            counts
        };
        let before = print(&mut tx).await;
        let again = bring(&mut tx, good).await.unwrap();
        assert_eq!((again.new_people, again.known_people, again.homes, again.contacts, again.consents, again.enrolled + again.candidates), (0, 3, 0, 0, 0, 0));
        assert_eq!(print(&mut tx).await, before);
        let bad = format!("{good}Ana,Yos,123,woman,ayer,quechua,SP-9999-X,boss,12,maybe,love,01/01/2099,,gold,Bank,,\n");
        let refused = bring(&mut tx, &bad).await.unwrap_err();
        assert!(refused.lines.len() >= 10 && refused.lines.iter().all(|line| line.starts_with("p.csv:5: ")), "{refused}");
        assert_eq!(print(&mut tx).await, before);
        let unknown_home = bring(&mut tx, "given_names,surnames,household\nAna,Yos,SP-9999-X\n").await.unwrap_err();
        assert!(unknown_home.lines[0].starts_with("p.csv:2: household:"));

        let out = String::from_utf8(export::export(&mut tx, &keys(), PLACE, "clerk", now()).await.unwrap()).unwrap();
        assert!(out.contains("'+50200001234") && out.contains("Ak'abal"), "{out}");
        let back = bring(&mut tx, &out).await.unwrap();
        assert_eq!((back.new_people, back.homes, back.contacts, back.consents, back.enrolled), (0, 0, 0, 0, 0), "what was exported comes back as known");
        let (logged,): (i64,) = one!(tx, "SELECT COUNT(*) FROM audit_entry WHERE action = 'registry.exported'").unwrap();
        assert_eq!(logged, 1);
    });
}

#[test]
fn a_spreadsheet_takes_no_cell_of_an_export_for_a_formula() {
    for cell in ["=1+1", "+502", "-x", "@SUM(A1)", "\tx", "\rx"] {
        assert_eq!(export::neutral(cell), format!("'{cell}"));
    }
    assert_eq!(export::neutral("Ak'abal"), "Ak'abal");
}

#[tokio::test]
async fn every_page_speaks_both_languages_and_shows_names_only_to_whom_they_belong() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path()).await;
    let mut tx = app.db.write().await.unwrap();
    town(&mut tx, 400).await;
    practice::populate(&mut tx, &app.keys, &mut Mint::seeded(7, "registry"), 7, now()).await.unwrap();
    let elsewhere = registered(&mut tx, &mut Mint::system(), OTHER, &somebody("Ana", "Tzoc")).await;
    let enrolled: Vec<(vecino::id::PersonId, vecino::id::EnrolmentId)> = all!(
        tx,
        "SELECT person_id, enrolment_id FROM finance_enrolment WHERE municipality_id = $1 AND status = 'enrolled' ORDER BY enrolment_id LIMIT 1",
        PLACE
    )
    .unwrap();
    let (person, enrolment) = enrolled[0];
    let name = vecino::registry::person::find(&mut tx, &app.keys, PLACE, person).await.unwrap();
    tx.commit().await.unwrap();
    let clerk = actor(Role::Registrar, None);
    let file = format!("/registry/person/1202/{person}");
    for language in [Language::Es, Language::En] {
        for path in [
            "/registry",
            "/registry/person/new/1202",
            &file,
            "/registry/waste",
            "/registry/finance",
            "/registry/school?municipality=0114",
            "/registry/gender?status=enrolled",
            "/registry/indicators",
            "/registry/indicators.csv",
        ] {
            let (status, page, _) = ask(&app, language, &clerk, Method::GET, path, "").await;
            assert_eq!(status, StatusCode::OK, "{path}: {page}");
            let at = page.find("registry-").map(|at| &page[at..(at + 60).min(page.len())]);
            assert!(at.is_none() || path.ends_with(".csv"), "{path} lacks a string: {at:?}");
            assert!(!page.contains("style=") && !page.contains("<script"), "{path}");
        }
    }
    let (_, roll, _) = ask(&app, Language::Es, &actor(Role::Finance, Some(PLACE)), Method::GET, "/registry/finance?status=enrolled", "").await;
    let surname = name.surnames.replace('\'', "&#39;");
    assert!(roll.contains(&name.surnames) || roll.contains(&surname), "finance sees its own people");
    assert!(!roll.contains("/registry/person/"), "but not their files");
    for (role, path) in [(Role::Gender, "/registry/gender"), (Role::Coordinator, "/registry/waste")] {
        let (_, page, _) = ask(&app, Language::Es, &actor(role, Some(PLACE)), Method::GET, path, "").await;
        assert!(page.contains("Sin nombres"), "{path} shows codes only");
    }
    // The finance officer loses sight of a name with the consent, and the other municipality does not exist for them.
    let mut tx = app.db.write().await.unwrap();
    run!(tx, "UPDATE consent SET withdrawn_at = $3 WHERE municipality_id = $1 AND person_id = $2", PLACE, person, now()).unwrap();
    tx.commit().await.unwrap();
    let (_, roll, _) = ask(&app, Language::Es, &actor(Role::Finance, Some(PLACE)), Method::GET, "/registry/finance?status=enrolled", "").await;
    let code = vecino::registry::finance::MODULE.pseudonym(&app.keys, person);
    let at = roll.find(&code).unwrap();
    assert!(roll[..at].ends_with("<span class=\"junto\">"), "only the code is left");
    for path in ["/registry/finance?municipality=0114", &format!("/registry/person/0114/{elsewhere}")] {
        let (_, page, _) = ask(&app, Language::Es, &actor(Role::Finance, Some(PLACE)), Method::GET, path, "").await;
        assert_eq!(page, "ERROR municipality-unknown");
    }
    let step = format!("/registry/school/1202/{enrolment}");
    let (_, page, _) = ask(&app, Language::Es, &actor(Role::School, Some(PLACE)), Method::POST, &step, "step=paused:work&on=").await;
    assert_eq!(page, "ERROR enrolment-unknown", "an enrolment of another module does not exist here");
    let step = format!("/registry/finance/1202/{enrolment}");
    let (status, page, _) = ask(&app, Language::Es, &actor(Role::Finance, Some(PLACE)), Method::POST, &step, "step=enrolled:started&on=").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.contains("role=\"alert\""));
    let (status, ..) = ask(&app, Language::Es, &actor(Role::Finance, Some(PLACE)), Method::POST, &step, "step=paused:work&on=").await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let mut tx = app.db.read().await.unwrap();
    let (reads,): (i64,) =
        one!(tx, "SELECT COUNT(*) FROM audit_entry WHERE stream = 'registry_reads' AND action = 'file.opened' AND target = $1", person.to_string())
            .unwrap();
    assert_eq!(reads, 2, "every opened file is on record");
}

#[tokio::test]
async fn forms_on_a_file_change_it_and_refuse_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path()).await;
    let mut tx = app.db.write().await.unwrap();
    town(&mut tx, 3).await;
    let id = registered(&mut tx, &mut Mint::system(), PLACE, &somebody("Ana", "Tzoc")).await;
    tx.commit().await.unwrap();
    let clerk = actor(Role::Registrar, None);
    let base = format!("/registry/person/1202/{id}");
    let post = async |path: &str, form: &str| ask(&app, Language::Es, &clerk, Method::POST, &format!("{base}/{path}"), form).await;
    assert_eq!(post("contact", "channel=sms&phone=00001111").await.0, StatusCode::UNPROCESSABLE_ENTITY, "no home yet");
    let (status, page, _) = post("home", "household=ZZ-1&relation=head&since=").await;
    assert!(status == StatusCode::UNPROCESSABLE_ENTITY && page.contains("value=\"ZZ-1\"") && page.contains("household-error"));
    for (path, form) in [
        ("home", "household=sp-0001-x&relation=head&since="),
        ("contact", "channel=sms&phone=0000+1111&spanish_allowed=yes"),
        ("consent", "purpose=messages&given_on=&how=visit&guardian=no"),
        ("consent", "purpose=finance&given_on=&how=visit&guardian=no"),
        ("enrol", "module=finance&service=advice&partner=Micoope"),
        ("enrol", "module=school&school=Instituto+de+Educaci%C3%B3n+B%C3%A1sica+Por+Cooperativa+Palo+Gordo&grade=2&school_year=2026"),
    ] {
        let (status, page, _) = post(path, form).await;
        assert_eq!(status, StatusCode::SEE_OTHER, "{path} {form}: {page}");
    }
    assert_eq!(post("enrol", "module=finance&service=gold&partner=Micoope").await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let mut tx = app.db.read().await.unwrap();
    let homes: Vec<(vecino::id::HouseholdId,)> = all!(tx, "SELECT household_id FROM household WHERE code = 'SP-0001-X'").unwrap();
    let ask_contact = async |tx: &mut vecino::db::Tx| {
        vecino::registry::may_contact(tx, PLACE, homes[0].0, vecino::registry::Purpose::Messages, app.clock.today()).await.unwrap()
    };
    assert!(matches!(ask_contact(&mut tx).await, vecino::registry::Contact::May { .. }));
    let given = vecino::registry::consent::of_home(&mut tx, PLACE, homes[0].0).await.unwrap();
    drop(tx);
    assert_eq!(post("withdraw", &format!("consent={}&how=phone", given[0].consent_id)).await.0, StatusCode::SEE_OTHER);
    let mut tx = app.db.read().await.unwrap();
    assert_eq!(ask_contact(&mut tx).await, vecino::registry::Contact::MayNot { reason: "consent-withdrawn" });
    drop(tx);
    let (_, page, _) = ask(&app, Language::Es, &clerk, Method::GET, &base, "").await;
    assert!(page.contains("Retirado") && page.contains("Se retiró un consentimiento") && page.contains("Finanzas: Propuesta"), "{page}");
}

#[test]
fn crews_mayors_and_researchers_never_reach_the_registry() {
    let mounted = vecino::registry::routes(Routes::default()).mounted;
    assert!(mounted.len() >= 18);
    for (method, path) in mounted {
        let row = access::TABLE.iter().find(|row| row.method == method && row.path == path).unwrap_or_else(|| panic!("{method} {path} has no row"));
        let Who::Roles(roles) = row.who else { panic!("{method} {path} is open") };
        for role in [Role::Crew, Role::CrewLead, Role::Visitor, Role::Mayor, Role::Researcher, Role::Partner, Role::Auditor] {
            assert!(!roles.contains(&role), "{role} reaches {path}");
        }
        if path.contains("person") || path == "/registry" || path.contains("search") {
            assert_eq!(roles, [Role::Registrar], "{path}");
        }
        assert!(
            roles == [Role::Registrar] || path.contains("indicators") || !roles.contains(&Role::Admin),
            "an administrator reads no names: {path}"
        );
    }
}

fn sources(folder: &Path, out: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
        }
    }
}

const TABLES: [&str; 13] = [
    "person",
    "person_word",
    "person_likeness",
    "person_source",
    "import_under_way",
    "household_member",
    "contact",
    "consent",
    "waste_enrolment",
    "finance_enrolment",
    "school_enrolment",
    "gender_enrolment",
    "work_outcome",
];

fn touches(text: &str, table: &str) -> bool {
    ["FROM", "JOIN", "INTO", "UPDATE"].iter().any(|verb| {
        text.match_indices(&format!("{verb} {table}"))
            .any(|(at, found)| !text[at + found.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    })
}

#[test]
fn only_a_gateway_opens_an_address_and_only_the_registry_touches_its_tables() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut wrong = Vec::new();
    for (path, text) in &files {
        let inside = path.strip_prefix(&src.display().to_string()).unwrap().trim_start_matches('/').to_owned();
        if text.contains("open_address") && !inside.starts_with("registry/") && !inside.starts_with("norm/gateway") {
            wrong.push(format!("{inside} opens addresses"));
        }
        let blind = ["observation", "map", "analysis", "territory"].iter().any(|module| inside.starts_with(module));
        if blind && text.contains("registry::") {
            wrong.push(format!("{inside} knows the registry"));
        }
        if !inside.starts_with("registry/") {
            for table in TABLES {
                if touches(text, table) {
                    wrong.push(format!("{inside} touches {table}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The statements that cross municipalities, by a piece of their text; every other one names its municipality, or that of the rows asked.
const CROSSING: [(&str, &str); 15] = [
    // Where an import was killed, whatever it brought: the house asks once a minute.
    ("write.rs", "FROM import_under_way GROUP BY"),
    ("indicators.rs", "FROM finance_enrolment WHERE status <> 'candidate' AND started_on"),
    ("indicators.rs", "FROM work_outcome"),
    ("indicators.rs", "FROM waste_enrolment"),
    ("indicators.rs", "FROM school_enrolment WHERE"),
    ("indicators.rs", "AND service = 'advice' AND started_on"),
    ("indicators.rs", "FROM school_enrolment e"),
    ("indicators.rs", "FROM finance_enrolment e"),
    ("indicators.rs", "JOIN person p ON"),
    // Under whom somebody with two files is counted.
    ("indicators.rs", "JOIN person r ON r.municipality_id = e.municipality_id AND r.person_id = e.person_id) AS counted"),
    // Who lives in a home, wherever they were first registered: asked with the home's municipality.
    ("membership.rs", "WHERE m.home_municipality_id = $1"),
    ("person.rs", "FROM person \""),
    // A CUI is one person's, wherever they were registered.
    ("likeness.rs", "FROM person WHERE cui_hash = $1"),
    // Whether the person of an enrolment has a file, in the municipality of the enrolment.
    ("enrolment.rs", "SELECT 1 FROM person p WHERE p.municipality_id = "),
    // The columns of whoever a row may speak of: by names here, by CUI, or by names and full birth date, everywhere.
    ("identify.rs", "FROM asked CROSS JOIN person p WHERE "),
];

#[test]
fn counts_over_municipalities_are_asked_in_one_place() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/registry"), &mut files);
    let mut met = std::collections::BTreeSet::new();
    for (path, text) in &files {
        let file = path.rsplit('/').next().unwrap();
        // String literals of the file; the registry writes no quotation mark inside one.
        for literal in text.split('"').skip(1).step_by(2) {
            let literal = format!("{literal}\"");
            if !TABLES.iter().any(|table| touches(&literal, table))
                || literal.contains("INSERT INTO")
                || ["municipality_id = $1", "municipality_id = asked.municipality_id"]
                    .iter()
                    .any(|own| literal.replace("home_municipality_id", "").contains(own))
            {
                continue;
            }
            let known = CROSSING.iter().find(|(place, piece)| *place == file && literal.contains(piece));
            assert!(known.is_some(), "{file}: a statement crosses municipalities: {literal}");
            met.insert(known.unwrap().1);
        }
    }
    assert_eq!(
        met.len(),
        CROSSING.len(),
        "listed but no longer there: {:?}",
        CROSSING.iter().filter(|(_, piece)| !met.contains(piece)).collect::<Vec<_>>()
    );
}
