//! A record that stands up: whoever rewrites the database without its key is found, thing by thing, on both engines.

use crate::pilot::left_out;
use crate::program::{refused, vecino};
use serde_json::Value;
use std::path::Path;
use std::sync::OnceLock;
use vecino::account::audit::heads::{self, Head, Outside};
use vecino::app::{App, Options};
use vecino::db::{Db, Tx, table_seal};
use vecino::id::{MunicipalityId, sha256_hex};
use vecino::observation::tally;
use vecino::seal::{Keys, canonical};
use vecino::web::verify;
use vecino::{all, execute, one, run};

const TOWN: MunicipalityId = MunicipalityId(1202);

/// A practice town made once an engine; every test takes its own copy.
struct Made {
    folder: tempfile::TempDir,
    /// On PostgreSQL: the server, and the database that is copied.
    postgres: Option<(String, String)>,
}

/// One copy: its folder and how to open it.
struct Copy {
    folder: tempfile::TempDir,
    database: Option<String>,
    /// Takes the copied database away: the server, and what to say to it.
    away: Option<(String, String)>,
}

impl Copy {
    async fn leave(&self) {
        if let Some((url, drop)) = &self.away {
            on_server(url, drop.clone()).await;
        }
    }
}

fn server(url: &str, database: &str) -> String {
    let (address, options) = url.split_once('?').map_or((url, String::new()), |(address, options)| (address, format!("?{options}")));
    format!("{}/{database}{options}", address.rsplit_once('/').unwrap().0)
}

async fn on_server(url: &str, statement: String) {
    let pool = sqlx::PgPool::connect(url).await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&pool).await.unwrap();
    pool.close().await;
}

fn made() -> &'static [Made] {
    static MADE: OnceLock<Vec<Made>> = OnceLock::new();
    MADE.get_or_init(|| {
        let demo = |folder: &Path, database: Option<&str>| {
            let mut arguments = vec!["demo", "--no-serve", "--households", "300", "--today", "2026-11-23"];
            arguments.extend(database.map(|url| ["--database", url]).into_iter().flatten());
            let done = vecino(folder, &arguments);
            assert_eq!(done.code, 0, "{}", done.err);
        };
        let folder = tempfile::tempdir().unwrap();
        demo(folder.path(), None);
        let mut made = vec![Made { folder, postgres: None }];
        match std::env::var("TEST_POSTGRES_URL") {
            Ok(url) => {
                let name = format!("record_{}", uuid::Uuid::now_v7().simple());
                let create = format!("CREATE DATABASE {name}");
                let at = url.clone();
                // A runtime of its own: the test that came first is inside one.
                std::thread::spawn(move || tokio::runtime::Runtime::new().unwrap().block_on(on_server(&at, create))).join().unwrap();
                let folder = tempfile::tempdir().unwrap();
                demo(folder.path(), Some(&server(&url, &name)));
                made.push(Made { folder, postgres: Some((url, name)) });
            }
            Err(_) => left_out("the record on PostgreSQL: TEST_POSTGRES_URL is not set"),
        }
        made
    })
}

async fn copies() -> Vec<Copy> {
    static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _turn = ONE_AT_A_TIME.lock().await;
    let mut copies = Vec::new();
    for made in made() {
        let folder = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(made.folder.path()).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
        let (mut database, mut away) = (None, None);
        if let Some((url, template)) = &made.postgres {
            let name = format!("record_{}", uuid::Uuid::now_v7().simple());
            on_server(url, format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
            database = Some(server(url, &name));
            away = Some((url.clone(), format!("DROP DATABASE {name} WITH (FORCE)")));
        }
        copies.push(Copy { folder, database, away });
    }
    copies
}

impl Copy {
    async fn open(&self) -> App {
        Options { data_dir: self.folder.path().to_owned(), database: self.database.clone(), json: false }.open().await.unwrap()
    }

    /// The program over this copy.
    fn vecino(&self, arguments: &[&str]) -> crate::program::Done {
        let database = self.database.iter().flat_map(|url| ["--database", url.as_str()]);
        vecino(self.folder.path(), &arguments.iter().copied().chain(database).collect::<Vec<_>>())
    }
}

/// Runs on a copy of the town for every engine at hand, with the installation open.
macro_rules! on_every_copy { ($copy:ident, $app:ident => $body:block) => {
    for $copy in copies().await {
        let $app = $copy.open().await;
        $body
        $app.db.close().await;
        $copy.leave().await;
    }
} }

async fn differences(app: &App) -> Vec<String> {
    verify::check(app, Vec::new()).await.unwrap().differences
}

#[track_caller]
fn told(lines: &[String], words: &[&str]) {
    assert!(lines.iter().any(|line| words.iter().all(|word| line.contains(word))), "no line says {words:?}:\n{}", lines.join("\n"));
}

/// Every line names a remedy and no command that there is not.
fn well_said(lines: &[String]) {
    for line in lines {
        assert!(line.contains(": ") && line.contains(';') && !line.contains('\n'), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_town_nobody_touched_is_whole_and_its_heads_are_kept_outside() {
    on_every_copy!(copy, app => {
        assert_eq!(differences(&app).await, Vec::<String>::new());
        let done = copy.vecino(&["verify"]);
        assert_eq!(done.code, 0, "{}", done.err);
        assert!(done.out.contains("1202/observation "), "{}", done.out);
        let json = copy.vecino(&["verify", "--json"]);
        let document: Value = serde_json::from_str(&json.out).unwrap();
        assert_eq!(document["differences"], Value::Array(vec![]));
        assert_eq!(document["heads"].as_array().unwrap().len(), done.out.lines().filter(|line| line.contains('/') && line.len() > 70).count());
        // One line: nothing was recorded between the two.
        let file = copy.folder.path().join("heads.jsonl");
        assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 1);
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions()) & 0o777, 0o600);
        // What was printed comes back, as a file of either kind and as it is.
        for (name, text) in [("heads.txt", &done.out), ("heads.json", &json.out)] {
            std::fs::write(copy.folder.path().join(name), text).unwrap();
            let kept = copy.folder.path().join(name);
            assert_eq!(copy.vecino(&["verify", "--expect", kept.to_str().unwrap()]).code, 0);
        }
        assert_eq!(copy.vecino(&["verify", "--expect", &done.out]).code, 0);
        let another = format!("1202/observation 1 {}", "0".repeat(64));
        let done = copy.vecino(&["verify", "--expect", &another]);
        assert!(done.code == 1 && done.err.contains("entry 1 is not the one that --expect names"), "{}", done.err);
        for wrong in ["no-such-file", "1202/observation 1 abc"] {
            let done = copy.vecino(&["verify", "--expect", wrong]);
            assert_eq!((done.code, done.err.lines().count()), (1, 1), "{}", done.err);
        }
    });
}

/// Each as whoever reaches the database would do it, with what follows from it put right too.
#[tokio::test(flavor = "multi_thread")]
async fn every_row_another_hand_wrote_is_found() {
    on_every_copy!(copy, app => {
        let mut tx = app.db.write().await.unwrap();
        let mut expected: Vec<Vec<String>> = Vec::new();
        let mut expect = |words: &[&str]| expected.push(words.iter().map(|word| (*word).to_owned()).collect());

        // An answer altered, its outcome with it.
        let (op,): (uuid::Uuid,) = one!(tx, "SELECT op_id FROM observation WHERE municipality_id = $1 AND counted AND complied = 1 ORDER BY op_id LIMIT 1", TOWN).unwrap();
        run!(tx, "UPDATE observation SET separated = 'no', complied = 0 WHERE municipality_id = $1 AND op_id = $2", TOWN, op).unwrap();
        expect(&[&format!("observation 1202/{op}"), "is not what the crew recorded"]);
        // Only the outcome, against what the crew recorded.
        let (op,): (uuid::Uuid,) = one!(tx, "SELECT op_id FROM observation WHERE municipality_id = $1 AND counted AND complied = 0 ORDER BY op_id LIMIT 1", TOWN).unwrap();
        run!(tx, "UPDATE observation SET complied = 1 WHERE municipality_id = $1 AND op_id = $2", TOWN, op).unwrap();
        expect(&[&format!("observation 1202/{op}"), "complied is 1, and what the crew recorded gives 0"]);
        // A second observer's row counts beside the first's; another row no longer counts.
        let (op,): (uuid::Uuid,) = one!(tx, "SELECT op_id FROM observation WHERE municipality_id = $1 AND kind = 'double_observation' ORDER BY op_id LIMIT 1", TOWN).unwrap();
        run!(tx, "UPDATE observation SET counted = TRUE WHERE municipality_id = $1 AND op_id = $2", TOWN, op).unwrap();
        expect(&[&format!("observation 1202/{op}"), "a second observer's row counts"]);
        let (op,): (uuid::Uuid,) = one!(tx, "SELECT op_id FROM observation WHERE municipality_id = $1 AND counted AND complied = 1 ORDER BY op_id DESC LIMIT 1", TOWN).unwrap();
        run!(tx, "UPDATE observation SET counted = FALSE WHERE municipality_id = $1 AND op_id = $2", TOWN, op).unwrap();
        expect(&[&format!("observation 1202/{op}"), "does not count"]);
        // A row taken away in the other municipality.
        let lake = MunicipalityId(114);
        let (op,): (uuid::Uuid,) = one!(tx, "SELECT op_id FROM observation WHERE municipality_id = $1 AND counted ORDER BY op_id LIMIT 1", lake).unwrap();
        run!(tx, "DELETE FROM observation WHERE municipality_id = $1 AND op_id = $2", lake, op).unwrap();
        expect(&["observation 0114: ", "and audit 0114/observation tells of"]);
        for place in [TOWN, lake] {
            tally::rebuild(&mut tx, place).await.unwrap();
        }

        // Arms of two segments of one stratum swapped.
        let drawn: Vec<(uuid::Uuid, String, String, String)> = all!(tx, "SELECT segment_id, code, stratum, arm FROM trial_segment WHERE municipality_id = $1 AND arm IS NOT NULL ORDER BY code", TOWN).unwrap();
        let one = &drawn[0];
        let other = drawn.iter().find(|row| row.2 == one.2 && row.3 != one.3).unwrap();
        for (segment, arm) in [(one.0, &other.3), (other.0, &one.3)] {
            run!(tx, "UPDATE trial_segment SET arm = $3 WHERE municipality_id = $1 AND segment_id = $2", TOWN, segment, arm).unwrap();
        }
        expect(&["trial norma-y-plan-2026, draw: it is not as", "(assigned"]);
        expect(&[&format!("segment 1202/{}", one.1), &format!("it stands in arm {}", other.3), &format!("give it in arm {}", one.3)]);
        expect(&[&format!("segment 1202/{}", other.1), &format!("it stands in arm {}", one.3)]);

        // A consent that was withdrawn holds again; another is made up.
        let (consent,): (uuid::Uuid,) = one!(tx, "SELECT consent_id FROM consent WHERE municipality_id = $1 AND withdrawn_how = 'reply' ORDER BY consent_id LIMIT 1", TOWN).unwrap();
        run!(tx, "UPDATE consent SET withdrawn_at = NULL, withdrawn_how = NULL WHERE municipality_id = $1 AND consent_id = $2", TOWN, consent).unwrap();
        expect(&[&format!("consent 1202/{consent} (messages)"), "(consent.withdrawn"]);
        let forged = uuid::Uuid::now_v7();
        run!(tx, "INSERT INTO consent SELECT municipality_id, $3, person_id, household_id, purpose, channel, given_on, given_how, text_version, language, by_guardian, withdrawn_at, withdrawn_how, recorded_by, recorded_at FROM consent WHERE municipality_id = $1 AND consent_id = $2", TOWN, consent, forged).unwrap();
        expect(&[&format!("consent 1202/{forged}"), "no audit entry made it"]);

        // Messages: one set to delivered, one with an event to show for it, one with another text.
        let failed: Vec<(uuid::Uuid,)> = all!(tx, "SELECT message_id FROM message WHERE municipality_id = $1 AND state = 'failed' ORDER BY message_id LIMIT 3", TOWN).unwrap();
        let [(plain,), (logged,), (worded,)] = failed[..] else { panic!("messages failed in the town") };
        run!(tx, "UPDATE message SET state = 'delivered' WHERE municipality_id = $1 AND (message_id = $2 OR message_id = $3)", TOWN, plain, logged).unwrap();
        expect(&[&format!("message 1202/{plain}"), "stands as delivered, and its log gives failed"]);
        run!(tx, "INSERT INTO message_event SELECT municipality_id, message_id, sequence + 1, 'delivered', applied, detail, gateway_at, recorded_at, row_mac FROM message_event WHERE municipality_id = $1 AND message_id = $2", TOWN, logged).unwrap();
        expect(&[&format!("message 1202/{logged}"), "event 2 of its log"]);
        run!(tx, "UPDATE message SET arm = 'x' WHERE municipality_id = $1 AND message_id = $2", TOWN, worded).unwrap();
        expect(&[&format!("message 1202/{worded}"), "not as it was written"]);

        let (gone,): (uuid::Uuid,) = one!(tx, "SELECT message_id FROM message WHERE municipality_id = $1 ORDER BY message_id LIMIT 1", lake).unwrap();
        for table in ["DELETE FROM message_event WHERE municipality_id = $1 AND message_id = $2", "DELETE FROM message WHERE municipality_id = $1 AND message_id = $2"] {
            run!(tx, table, lake, gone).unwrap();
        }
        expect(&["message 0114: ", "and audit 0114/campaign tells of"]);

        // An account made administrator, another given a password, one made up, one taken away.
        run!(tx, "UPDATE account SET role = 'admin', municipality_id = NULL WHERE login = 'alcaldia'").unwrap();
        expect(&["account alcaldia: it is not as audit 1202/account, entry"]);
        run!(tx, "UPDATE account SET password_hash = 'x' WHERE login = 'administracion'").unwrap();
        expect(&["account administracion: it is not as"]);
        run!(tx, "INSERT INTO account (account_id, login, password_hash, role, language, created_at) SELECT $1, 'intruso', password_hash, role, language, created_at FROM account WHERE login = 'alcaldia'", forged).unwrap();
        expect(&["account intruso: no audit entry made it"]);
        run!(tx, "DELETE FROM account WHERE login = 'auditoria'").unwrap();
        expect(&["account/", "and it is gone"]);

        // A sealed name that does not open.
        let (person,): (uuid::Uuid,) = one!(tx, "SELECT person_id FROM person WHERE municipality_id = $1 ORDER BY person_id LIMIT 1", TOWN).unwrap();
        run!(tx, "UPDATE person SET surnames_sealed = given_names_sealed WHERE municipality_id = $1 AND person_id = $2", TOWN, person).unwrap();
        expect(&[&format!("person 1202/{person}: person.surnames does not open")]);
        tx.commit().await.unwrap();

        let lines = differences(&app).await;
        for words in &expected {
            told(&lines, &words.iter().map(String::as_str).collect::<Vec<_>>());
        }
        well_said(&lines);
        let done = copy.vecino(&["verify", "--json"]);
        let document: Value = serde_json::from_str(&done.out).unwrap();
        assert_eq!((done.code, document["differences"].as_array().unwrap().len()), (1, lines.len()));
        assert_eq!(done.err.lines().count(), lines.len());
    });
}

/// Facts, rights, norms and publications stand in tables that are sealed whole.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_writes_to_a_sealed_table_is_found_also_when_honest_work_follows() {
    const PLANTED: [(&str, &str); 21] = [
        (
            "token",
            "INSERT INTO token (token_hash, role, name, created_at) SELECT '00', 'admin', 'x', created_at FROM account WHERE login = 'alcaldia'",
        ),
        (
            "session",
            "INSERT INTO session (session_hash, account_id, csrf, created_at, seen_at) SELECT '00', account_id, 'x', created_at, created_at FROM account WHERE login = 'administracion'",
        ),
        ("municipality", "UPDATE municipality SET pilot = TRUE WHERE municipality_id = 101"),
        ("household_version", "UPDATE household_version SET valid_to = valid_from WHERE municipality_id = 1202 AND valid_to IS NULL"),
        ("route_version", "UPDATE route_version SET name = 'x'"),
        ("route_day", "DELETE FROM route_day WHERE municipality_id = 1202"),
        ("neighbourhood_version", "UPDATE neighbourhood_version SET name = 'x'"),
        ("segment_version", "UPDATE segment_version SET reversed = NOT reversed"),
        ("holiday_rule", "DELETE FROM holiday_rule"),
        ("household", "UPDATE household SET code = code || 'X'"),
        ("norm", "UPDATE norm SET valid_until = computed_at"),
        ("plan", "UPDATE plan SET own_words = 'x'"),
        ("publication", "UPDATE publication SET source_hash = '00'"),
        ("publication_cell", "UPDATE publication_cell SET hidden = NOT hidden"),
        ("map_class", "UPDATE map_class SET lower = lower + 1"),
        ("analysis_report", "UPDATE analysis_report SET source_hash = '00'"),
        ("trial_look", "UPDATE trial_look SET data_through = data_through + 1"),
        ("programme_target", "DELETE FROM programme_target"),
        ("point_version", "UPDATE point_version SET lon = lon + 0.01"),
        ("street", "DELETE FROM street"),
        ("trial", "UPDATE trial SET title = 'x'"),
    ];
    on_every_copy!(copy, app => {
        let mut tx = app.db.write().await.unwrap();
        let mut planted = Vec::new();
        for (table, statement) in PLANTED {
            if execute!(&mut tx, statement).unwrap() > 0 {
                planted.push(table);
            }
        }
        assert!(planted.len() > 14, "{planted:?}");
        tx.commit().await.unwrap();
        let lines = differences(&app).await;
        for table in &planted {
            told(&lines, &[&format!("table {table}: it is not as it was left, with")]);
        }
        well_said(&lines);
        let told_of = lines.iter().filter(|line| line.starts_with("table ")).count();
        assert_eq!(told_of, planted.len(), "{lines:#?}");

        // Somebody signs in, a holiday is entered: the tables are sealed anew, and what happened before is told all the same.
        let mut tx = app.db.write().await.unwrap();
        run!(&mut tx, "DELETE FROM session WHERE session_hash = 'none'").unwrap();
        run!(&mut tx, "UPDATE municipality SET pilot = FALSE WHERE municipality_id = 101").unwrap();
        tx.commit().await.unwrap();
        let lines = differences(&app).await;
        for table in ["session", "municipality"] {
            told(&lines, &[&format!("table {table}: another hand"), "it was written to since"]);
        }
        // Nor does it help to take the seal away.
        let mut tx = app.db.write().await.unwrap();
        execute!(&mut tx, "DELETE FROM table_seal WHERE table_name = 'session'").unwrap();
        execute!(&mut tx, "UPDATE table_seal SET broken = FALSE WHERE table_name = 'municipality'").unwrap();
        tx.commit().await.unwrap();
        let lines = differences(&app).await;
        told(&lines, &["table session: its seal is gone"]);
        told(&lines, &["table municipality: it is not as it was left"]);
    });
}

/// Also of a table that nothing was ever written to: what is missing was there.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_emptied_together_with_its_seal_is_found() {
    on_every_copy!(copy, app => {
        for table in table_seal::TABLES {
            let mut tx = app.db.write().await.unwrap();
            if tx.is_postgres() {
                execute!(&mut tx, "SET LOCAL session_replication_role = replica").unwrap();
            } else {
                execute!(&mut tx, "PRAGMA defer_foreign_keys = ON").unwrap();
            }
            execute!(&mut tx, sqlx::AssertSqlSafe(format!("DELETE FROM {table}"))).unwrap();
            execute!(&mut tx, "DELETE FROM table_seal WHERE table_name = $1", table).unwrap();
            let lines = table_seal::verify(&mut tx).await.unwrap();
            assert!(lines.len() == 1 && lines[0].starts_with(&format!("table {table}: its seal is gone")), "{lines:?}");
        }
        // Honest work that follows does not make it good.
        let mut tx = app.db.write().await.unwrap();
        execute!(&mut tx, "DELETE FROM session").unwrap();
        execute!(&mut tx, "DELETE FROM table_seal WHERE table_name = 'session'").unwrap();
        tx.commit().await.unwrap();
        let mut tx = app.db.write().await.unwrap();
        run!(&mut tx, "DELETE FROM session WHERE session_hash = 'none'").unwrap();
        tx.commit().await.unwrap();
        told(&differences(&app).await, &["table session: another hand", "it was written to since"]);
    });
}

/// Takes a town back to how version 0.1.0 leaves one: some tables without a seal, and no word of it.
async fn as_released(app: &App, stripped: &str) {
    let mut tx = app.db.write().await.unwrap();
    execute!(&mut tx, "UPDATE installation SET key_check = $1, sealed_at = NULL", app.keys.check_value(0)).unwrap();
    execute!(&mut tx, "DELETE FROM table_seal WHERE row_count = 0 OR table_name IN ('point', 'point_version', 'street', 'trial', 'trial_amendment', 'trial_look_request', $1)", stripped).unwrap();
    execute!(&mut tx, "UPDATE audit_entry SET action = 'something' WHERE action = 'tables-sealed'").unwrap();
    write_anew(&mut tx, MunicipalityId::NONE, "account", &|text| app.keys.record().chain(text)).await;
    tx.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_of_the_first_version_is_sealed_once_at_its_first_start() {
    on_every_copy!(copy, app => {
        as_released(&app, "none").await;
        assert!(differences(&app).await.iter().any(|line| line.starts_with("table street: its seal is gone")));
        let again = copy.open().await;
        assert_eq!(differences(&again).await, Vec::<String>::new());
        let mut tx = again.db.read().await.unwrap();
        let entries: Vec<(Value,)> = all!(tx, "SELECT detail FROM audit_entry WHERE action = 'tables-sealed'").unwrap();
        assert_eq!(entries.len(), 1);
        assert!(entries[0].0["empty"].as_str().unwrap().contains("waiting_correction"), "{}", entries[0].0);
        assert!(entries[0].0["as_they_stood"].as_str().unwrap().contains("point_version, trial"), "{}", entries[0].0);
        drop(tx);
        again.db.close().await;
        // Once: from now on what is missing was taken away, whatever the database says of itself.
        let mut tx = app.db.write().await.unwrap();
        execute!(&mut tx, "DELETE FROM table_seal WHERE table_name = 'waiting_correction'").unwrap();
        tx.commit().await.unwrap();
        told(&differences(&copy.open().await).await, &["table waiting_correction: its seal is gone"]);
        let mut tx = app.db.write().await.unwrap();
        execute!(&mut tx, "UPDATE installation SET key_check = $1", app.keys.check_value(0)).unwrap();
        tx.commit().await.unwrap();
        let done = copy.vecino(&["verify"]);
        assert!(done.code == 1 && done.err.contains("says that its tables were never sealed, and its audit chain that they were"), "{}", done.err);
    });
    // Rows without the seal that their writer would have left were another hand's before already.
    on_every_copy!(copy, app => {
        as_released(&app, "norm").await;
        let again = copy.open().await;
        let lines = differences(&again).await;
        assert_eq!(lines.len(), 1, "{lines:?}");
        told(&lines, &["table norm: another hand changed, made or removed rows of it"]);
        again.db.close().await;
    });
}

/// What would write beside the program's own statements, or let others: each with what takes it away again.
const FOREIGN: [(&str, &str, &str); 7] = [
    ("trigger planted", "CREATE TRIGGER planted AFTER INSERT ON token BEGIN DELETE FROM session; END", "DROP TRIGGER planted"),
    ("view planted", "CREATE VIEW planted AS SELECT 1 AS one", "DROP VIEW planted"),
    ("table planted", "CREATE TABLE planted (a TEXT)", "DROP TABLE planted"),
    ("column token.planted (text)", "ALTER TABLE token ADD COLUMN planted TEXT", "ALTER TABLE token DROP COLUMN planted"),
    ("index planted on token (name)", "CREATE INDEX planted ON token (name)", "DROP INDEX planted"),
    ("column token.name (text, required)", "ALTER TABLE token RENAME COLUMN name TO other", "ALTER TABLE token RENAME COLUMN other TO name"),
    (
        "index observation_by_round on observation (municipality_id, round_id, counted, reason, set_out, corrected_at)",
        "DROP INDEX observation_by_round",
        "CREATE INDEX observation_by_round ON observation (municipality_id, round_id, counted, reason, set_out, corrected_at)",
    ),
];
const FOREIGN_POSTGRES: [(&str, &str, &str); 7] = [
    ("function planted", "CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'", ""),
    ("trigger planted", "CREATE TRIGGER planted AFTER INSERT ON token FOR EACH ROW EXECUTE FUNCTION planted()", "DROP FUNCTION planted CASCADE"),
    ("rewrite rule planted", "CREATE RULE planted AS ON INSERT TO token DO ALSO DELETE FROM session", "DROP RULE planted ON token"),
    ("policy planted", "CREATE POLICY planted ON token", "DROP POLICY planted ON token"),
    ("row security of token", "ALTER TABLE token ENABLE ROW LEVEL SECURITY", "ALTER TABLE token DISABLE ROW LEVEL SECURITY"),
    (
        "that calls a function",
        "CREATE FUNCTION planted(TEXT) RETURNS BOOLEAN LANGUAGE sql AS 'SELECT TRUE'; ALTER TABLE token ADD CHECK (planted(name))",
        "DROP FUNCTION planted CASCADE",
    ),
    (
        "column token.name (text, required, computed)",
        "CREATE FUNCTION planted() RETURNS TEXT LANGUAGE sql AS 'SELECT NULL::TEXT'; ALTER TABLE token ALTER COLUMN name SET DEFAULT planted()",
        "DROP FUNCTION planted CASCADE",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_no_migration_makes_is_refused_at_start_and_before_anything_is_sealed() {
    on_every_copy!(copy, app => {
        let hand = Db::connect(&app_url(&copy)).await.unwrap();
        let postgres = !hand.is_sqlite();
        let own: Vec<(&str, &str, &str)> = if postgres {
            let both = FOREIGN[1..].iter().chain(&FOREIGN_POSTGRES);
            both.copied().collect()
        } else {
            FOREIGN.to_vec()
        };
        let does = async |statements: &'static str| {
            for statement in statements.split("; ALTER").enumerate().map(|(n, part)| if n == 0 { part.to_owned() } else { format!("ALTER{part}") }) {
                let mut tx = hand.write().await.unwrap();
                execute!(&mut tx, sqlx::AssertSqlSafe(statement)).unwrap();
                tx.commit().await.unwrap();
            }
        };
        // A server that runs meanwhile writes nothing that it would have to seal.
        let writes = async || {
            let mut tx = app.db.write().await.unwrap();
            run!(&mut tx, "DELETE FROM session WHERE session_hash = 'none'").unwrap();
            tx.commit().await
        };
        writes().await.unwrap();
        for (named, plant, away) in own {
            does(plant).await;
            let done = copy.vecino(&["verify"]);
            assert!(done.code == 1 && done.err.lines().any(|line| line.contains(named) && line.starts_with("database: ")), "{named}:\n{}", done.err);
            let lines: Vec<String> = done.err.lines().map(str::to_owned).collect();
            well_said(&lines.into_iter().filter(|line| line.starts_with("database: ")).collect::<Vec<_>>());
            let done = copy.vecino(&["user", "list"]);
            assert!(done.code == 1 && done.err.contains(named), "{named}:\n{}", done.err);
            // A column of another name runs nothing: on PostgreSQL it is told at the next start.
            if !(postgres && plant.contains("RENAME")) {
                let refused = writes().await.expect_err(named);
                assert_eq!((refused.kind, refused.code), (vecino::error::Kind::Unavailable, "schema-other"), "{named}");
            }
            if !away.is_empty() {
                does(away).await;
                assert_eq!(copy.vecino(&["verify"]).err.lines().filter(|line| line.starts_with("database: ")).count(), 0, "{named}");
                writes().await.unwrap();
            }
        }
        hand.close().await;
    });
}

fn app_url(copy: &Copy) -> String {
    copy.database.clone().unwrap_or_else(|| format!("sqlite:{}", copy.folder.path().join("vecino.db").display()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_that_is_not_as_its_day_plans_it_is_found() {
    on_every_copy!(copy, app => {
        let mut tx = app.db.write().await.unwrap();
        let rounds: Vec<(uuid::Uuid, chrono::NaiveDate)> =
            all!(tx, "SELECT round_id, service_day FROM round WHERE municipality_id = $1 ORDER BY service_day DESC, round_id LIMIT 4", TOWN).unwrap();
        let operator = uuid::Uuid::now_v7();
        run!(tx, "UPDATE round SET operator_id = $3 WHERE municipality_id = $1 AND round_id = $2", TOWN, rounds[0].0, operator).unwrap();
        run!(tx, "UPDATE round SET planned_stops = planned_stops + 1 WHERE municipality_id = $1 AND round_id = $2", TOWN, rounds[1].0).unwrap();
        run!(tx, "UPDATE round SET window_end = '23:59' WHERE municipality_id = $1 AND round_id = $2", TOWN, rounds[2].0).unwrap();
        run!(tx, "UPDATE round SET service_day = '2020-01-01' WHERE municipality_id = $1 AND round_id = $2", TOWN, rounds[3].0).unwrap();
        tx.commit().await.unwrap();
        let lines = differences(&app).await;
        let place = |n: usize| format!("round 1202/{}/", rounds[n].1);
        told(&lines, &[&place(0), &format!("operator {operator}"), "so another hand changed it"]);
        told(&lines, &[&place(0), &format!("operator {operator}, the facts of its day give")]);
        told(&lines, &[&place(1), "stops, ", "the facts of its day give"]);
        told(&lines, &[&place(2), "to 23:59", "the facts of its day give"]);
        told(&lines, &["round 1202/2020-01-01/", "its route or its day is not the one it was made for"]);
        well_said(&lines);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn why_a_message_stands_as_it_does_is_compared() {
    on_every_copy!(copy, app => {
        let mut tx = app.db.write().await.unwrap();
        let withheld: Vec<(uuid::Uuid,)> = all!(tx, "SELECT message_id FROM message WHERE municipality_id = $1 AND state = 'withheld' ORDER BY message_id LIMIT 2", TOWN).unwrap();
        let settled: Vec<(uuid::Uuid,)> = all!(tx, "SELECT message_id FROM message WHERE municipality_id = $1 AND state = 'failed' ORDER BY message_id LIMIT 2", TOWN).unwrap();
        run!(tx, "UPDATE message SET state_reason = 'no-consent-at-all' WHERE municipality_id = $1 AND message_id = $2", TOWN, withheld[0].0).unwrap();
        run!(tx, "UPDATE message SET expires_at = send_after WHERE municipality_id = $1 AND message_id = $2", TOWN, settled[0].0).unwrap();
        run!(tx, "UPDATE message SET state_reason = 'x' WHERE municipality_id = $1 AND message_id = $2", TOWN, settled[1].0).unwrap();
        tx.commit().await.unwrap();
        let lines = differences(&app).await;
        for altered in [withheld[0].0, settled[0].0] {
            told(&lines, &[&format!("message 1202/{altered}"), "not as it was written"]);
        }
        told(&lines, &[&format!("message 1202/{}", settled[1].0), "why it stands as failed is «x» of"]);
        assert_eq!(lines.len(), 3, "{lines:?}");
        well_said(&lines);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protocol_altered_with_its_hash_and_a_home_moved_in_the_draw_are_found() {
    on_every_copy!(copy, app => {
        let mut tx = app.db.write().await.unwrap();
        let (protocol,): (String,) = one!(tx, "SELECT protocol FROM trial").unwrap();
        let other = protocol.replacen("seed = ", "seed = 1", 1);
        assert_ne!(other, protocol);
        run!(tx, "UPDATE trial SET protocol = $1, protocol_sha256 = $2", &other, sha256_hex(other.as_bytes())).unwrap();
        tx.commit().await.unwrap();
        let lines = differences(&app).await;
        told(&lines, &["trial norma-y-plan-2026, protocol: it is not as", "(assigned"]);
        told(&lines, &["segment 1202/", "protocol, seed and baseline give it"]);
        // A home moved from one segment of the draw to another.
        let mut tx = app.db.write().await.unwrap();
        run!(tx, "UPDATE trial SET protocol = $1, protocol_sha256 = $2", &protocol, sha256_hex(protocol.as_bytes())).unwrap();
        tx.commit().await.unwrap();
        assert_eq!(differences(&app).await, Vec::<String>::new());
        let mut tx = app.db.write().await.unwrap();
        let homes: Vec<(uuid::Uuid, uuid::Uuid)> = all!(tx, "SELECT household_id, segment_id FROM trial_home WHERE municipality_id = $1 ORDER BY household_id", TOWN).unwrap();
        let other = homes.iter().find(|home| home.1 != homes[0].1).unwrap();
        run!(tx, "UPDATE trial_home SET segment_id = $3 WHERE municipality_id = $1 AND household_id = $2", TOWN, homes[0].0, other.1).unwrap();
        tx.commit().await.unwrap();
        told(&differences(&app).await, &["trial norma-y-plan-2026, draw: it is not as"]);
        // Not the hash with it: the text alone.
        let mut tx = app.db.write().await.unwrap();
        run!(tx, "UPDATE trial SET protocol = $1 || '# '", &protocol).unwrap();
        tx.commit().await.unwrap();
        told(&differences(&app).await, &["does not give its own hash"]);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_is_gone_and_all_chains_gone_are_found() {
    on_every_copy!(copy, app => {
        let mut tx = app.db.write().await.unwrap();
        run!(tx, "DELETE FROM audit_entry WHERE municipality_id = $1 AND stream = 'campaign'", TOWN).unwrap();
        tx.commit().await.unwrap();
        told(&differences(&app).await, &["audit 1202/campaign: entry 1 is missing"]);
        let mut tx = app.db.write().await.unwrap();
        run!(tx, "DELETE FROM audit_head WHERE municipality_id = $1 AND stream = 'campaign'", TOWN).unwrap();
        tx.commit().await.unwrap();
        let lines = differences(&app).await;
        assert_eq!(lines.len(), 1, "{lines:?}");
        told(&lines, &["audit 1202/campaign: the chain is gone, and there are rows of message"]);
        let mut tx = app.db.write().await.unwrap();
        run!(tx, "DELETE FROM audit_entry").unwrap();
        run!(tx, "DELETE FROM audit_head").unwrap();
        tx.commit().await.unwrap();
        let lines = differences(&app).await;
        for chain in ["0000/account", "0000/territory", "0000/trial", "1202/account", "1202/territory", "1202/registry", "1202/observation", "1202/campaign", "1202/publication", "0114/observation"] {
            told(&lines, &[&format!("audit {chain}: the chain is gone")]);
        }
        well_said(&lines);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_cut_with_its_head_is_found_by_heads_kept_outside() {
    on_every_copy!(copy, app => {
        let mut tx = app.db.read().await.unwrap();
        let kept = heads::of_database(&mut tx).await.unwrap();
        drop(tx);
        let lines: Vec<String> = kept.iter().map(Head::to_string).collect();
        let mut tx = app.db.write().await.unwrap();
        let (last,): (i64,) = one!(tx, "SELECT sequence FROM audit_head WHERE municipality_id = $1 AND stream = 'publication'", TOWN).unwrap();
        run!(tx, "DELETE FROM audit_entry WHERE municipality_id = $1 AND stream = 'publication' AND sequence = $2", TOWN, last).unwrap();
        run!(tx, "UPDATE audit_head SET sequence = $2 - 1, entry_hash = COALESCE((SELECT e.entry_hash FROM audit_entry e WHERE e.municipality_id = $1 AND e.stream = 'publication' AND e.sequence = $2 - 1), '')
                   WHERE municipality_id = $1 AND stream = 'publication'", TOWN, last).unwrap();
        tx.commit().await.unwrap();
        let words = ["audit 1202/publication: it ends at entry", "its tail was cut"];
        // Inside the database nothing is left that tells of it.
        let inside = differences(&app).await;
        assert!(inside.is_empty() || inside.iter().all(|line| line.contains("the chain is gone")), "{inside:?}");
        let given = verify::check(&app, heads::given(&lines.join("\n")).unwrap()).await.unwrap();
        told(&given.differences, &words);
        // The same by the file in the data folder, as the server writes it once a day.
        let outside = Outside::of(copy.folder.path());
        assert!(outside.keep(&app.keys.record(), app.clock.now(), &kept, true).unwrap());
        told(&differences(&app).await, &["audit 1202/publication: it ends at entry", "heads.jsonl, line 1", "its tail was cut"]);
        // The day has its line; another hand's line is told and nothing is added to it.
        assert!(!outside.keep(&app.keys.record(), app.clock.now(), &kept[1..], true).unwrap());
        let file = copy.folder.path().join("heads.jsonl");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("publication", "publicatiom")).unwrap();
        told(&differences(&app).await, &["heads.jsonl, line 1", "changed or removed"]);
        assert!(!outside.keep(&app.keys.record(), app.clock.now(), &kept[1..], false).unwrap());
        // A line that the machine did not finish is no line.
        std::fs::write(&file, format!("{text}{{\"at\":\"2026")).unwrap();
        let tomorrow = app.clock.now() + chrono::Duration::days(1);
        assert!(outside.keep(&app.keys.record(), tomorrow, &kept[1..], true).unwrap());
        let read = outside.read(&app.keys.record()).unwrap();
        assert_eq!((read.broken.len(), read.expected.len()), (0, 2 * kept.len() - 1));
    });
}

/// The chain from an entry on as another program would write it.
async fn write_anew(tx: &mut Tx, place: MunicipalityId, stream: &str, hash: &dyn Fn(&str) -> String) {
    type Row = (i64, chrono::DateTime<chrono::Utc>, String, String, String, Value);
    let rows: Vec<Row> = all!(
        tx,
        "SELECT sequence, at, actor, action, target, detail FROM audit_entry WHERE municipality_id = $1 AND stream = $2 ORDER BY sequence",
        place,
        stream
    )
    .unwrap();
    let mut previous = String::new();
    for (sequence, at, actor, action, target, detail) in rows {
        let at = at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        let entry = serde_json::json!([place, stream, sequence, at, actor, action, target, detail]);
        let own = hash(&format!("{previous}\n{}", canonical(&entry)));
        run!(
            tx,
            "UPDATE audit_entry SET previous_hash = $4, entry_hash = $5 WHERE municipality_id = $1 AND stream = $2 AND sequence = $3",
            place,
            stream,
            sequence,
            &previous,
            &own
        )
        .unwrap();
        previous = own;
    }
    run!(tx, "UPDATE audit_head SET entry_hash = $3 WHERE municipality_id = $1 AND stream = $2", place, stream, &previous).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_altered_with_its_chain_written_anew_is_found() {
    on_every_copy!(copy, app => {
        let right = app.keys.record();
        let other = Keys::from_root([9; 32]).record();
        let mut tx = app.db.write().await.unwrap();
        // With the right key the chain comes out as it was: the test writes what the program writes.
        write_anew(&mut tx, TOWN, "campaign", &|text| right.chain(text)).await;
        tx.commit().await.unwrap();
        assert_eq!(differences(&app).await, Vec::<String>::new());
        let hashes: [&dyn Fn(&str) -> String; 2] = [&|text| sha256_hex(text.as_bytes()), &|text| other.chain(text)];
        for hash in hashes {
            let mut tx = app.db.write().await.unwrap();
            run!(tx, "UPDATE audit_entry SET actor = 'nobody' WHERE municipality_id = $1 AND stream = 'campaign' AND sequence = 2", TOWN).unwrap();
            write_anew(&mut tx, TOWN, "campaign", hash).await;
            tx.commit().await.unwrap();
            told(&differences(&app).await, &["audit 1202/campaign: entry 1 was changed, or was not written with this installation's key"]);
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_page_of_the_file_is_found() {
    let copies = copies().await;
    for other in &copies[1..] {
        other.leave().await;
    }
    let copy = &copies[0];
    let file = copy.folder.path().join("vecino.db");
    let bytes = std::fs::read(&file).unwrap();
    let page = 4096;
    let pages = bytes.len() / page;
    // Leaf pages of tables and indexes (13 and 10): one overwritten, and one whose cells are shuffled.
    let leaves: Vec<usize> = (pages / 3..pages).filter(|at| matches!(bytes[at * page], 10 | 13)).collect();
    // No database at all: told before anything is read.
    std::fs::write(&file, [b"not a database ".repeat(400), bytes[6000..].to_vec()].concat()).unwrap();
    refused(copy.folder.path(), &["verify"], &["vecino.db: the file is damaged or is no database", "put back a copy"]);
    for (at, from) in [(leaves[0], 0), (leaves[leaves.len() / 2], 8)] {
        let mut damaged = bytes.clone();
        damaged[at * page + from..(at + 1) * page].iter_mut().enumerate().for_each(|(n, byte)| *byte ^= (n * 37 % 251) as u8 | 1);
        std::fs::write(&file, &damaged).unwrap();
        let done = copy.vecino(&["verify"]);
        assert_eq!(done.code, 1, "{}", done.out);
        assert!(done.err.lines().all(|line| line.contains("vecino.db: the file is damaged: ") && line.contains("put back a copy")), "{}", done.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_is_refused_at_start_by_every_command() {
    for copy in copies().await {
        let folder = copy.folder.path();
        let key = folder.join("key");
        let right = std::fs::read(&key).unwrap();
        std::fs::write(&key, format!("{:064}", 7)).unwrap();
        let people = folder.join("p.csv");
        std::fs::write(&people, "given_names,surnames,sex,finance,finance_partner,consents,consent_on,birth_date\nNueva,Persona,female,advice,Banrural,finance,01/07/2026,1990\n").unwrap();
        let file = people.to_str().unwrap();
        let commands: [&[&str]; 5] = [
            &["verify"],
            &["registry", "import", file, "--municipality", "1202"],
            &["serve", "--listen", "127.0.0.1:0"],
            &["user", "list"],
            &["demo", "--no-serve"],
        ];
        for arguments in commands {
            let database = copy.database.iter().flat_map(|url| ["--database", url.as_str()]);
            refused(
                folder,
                &arguments.iter().copied().chain(database).collect::<Vec<_>>(),
                &["key: this is not the key the installation was made with"],
            );
        }
        std::fs::write(&key, right).unwrap();
        let done = copy.vecino(&["registry", "export", "--municipality", "1202"]);
        assert!(done.code == 0 && !done.out.contains("Nueva"), "{}", done.err);
        assert_eq!(copy.vecino(&["verify"]).code, 0);
        // The check value taken out: it is not taken for a new installation.
        let app = copy.open().await;
        let mut tx = app.db.write().await.unwrap();
        run!(tx, "DELETE FROM installation").unwrap();
        tx.commit().await.unwrap();
        app.db.close().await;
        let done = copy.vecino(&["verify"]);
        assert!(done.code == 1 && done.err.contains("no longer says with which key"), "{}", done.err);
        copy.leave().await;
    }
}

#[test]
fn a_reader_of_the_audit_is_told_what_has_a_value_and_no_states_of_rows() {
    let detail = vecino::account::audit::leaving(serde_json::json!({"role": "mayor", "reach": null}), [("account/1".to_owned(), "00".to_owned())]);
    assert_eq!(vecino::account::audit::told(&detail).map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>(), ["role \"mayor\""]);
}
