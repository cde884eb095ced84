//! The command line: exit codes, one line a problem, and nothing changed by a refusal.

use crate::ground::Ground;
use crate::program::{command, refused, vecino};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use vecino::db::Db;
use vecino::id::MunicipalityId;
use vecino::run;

/// An installation with two municipalities; 1202 has one operator, 0114 has two.
async fn installation() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let done = vecino(folder.path(), &["init"]);
    assert_eq!(done.code, 0, "{}", done.err);
    let db = Db::connect(&format!("sqlite:{}", folder.path().join("vecino.db").display())).await.unwrap();
    let mut tx = db.write().await.unwrap();
    for (id, code, operators) in [(1202, "1202", &["MUNI"][..]), (114, "0114", &["A", "B"])] {
        run!(tx, "INSERT INTO municipality (municipality_id, code, name, department, pilot, approximate, properties) VALUES ($1, $2, $2, 'D', $3, $3, $4) ON CONFLICT (municipality_id) DO NOTHING",
            MunicipalityId(id), code, true, serde_json::json!({})).unwrap();
        for operator in operators {
            let ground = Ground::since(MunicipalityId(id), chrono::NaiveDate::from_ymd_opt(2026, 1, 1).unwrap());
            ground.operator(&mut tx, vecino::id::OperatorId(uuid::Uuid::now_v7()), operator, operator).await;
        }
    }
    tx.commit().await.unwrap();
    db.close().await;
    folder
}

#[test]
fn wrong_usage_is_exit_two() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in
        [&["no-such-command"][..], &["serve", "--listen", "here"], &["token", "create"], &["token", "create", "--role", "crew", "--ttl", "soon"]]
    {
        assert_eq!(vecino(folder.path(), arguments).code, 2, "{arguments:?}");
    }
    assert_eq!(vecino(folder.path(), &["--help"]).code, 0);
}

#[test]
fn init_makes_a_private_folder_once() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data");
    refused(&folder, &["serve"], &["vecino.db", "vecino init"]);
    assert!(!folder.exists(), "a refusal makes nothing");
    let done = vecino(&folder, &["init", "--json"]);
    assert_eq!(done.code, 0, "{}", done.err);
    let said: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(said["login"], "admin");
    assert!(said["password"].as_str().unwrap().len() >= 12);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join("key"))), (0o700, 0o600));
    refused(&folder, &["init"], &["accounts already"]);
    std::fs::set_permissions(folder.join("key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    refused(&folder, &["user", "list"], &["key", "chmod 600"]);
}

#[tokio::test]
async fn a_token_reaches_what_exists_or_is_not_made() {
    let installation = installation().await;
    let folder = installation.path();
    refused(folder, &["token", "create", "--role", "king"], &["king", "researcher"]);
    refused(folder, &["token", "create", "--role", "mayor"], &["--municipality"]);
    refused(folder, &["token", "create", "--role", "mayor", "--municipality", "12"], &["12", "four digits"]);
    refused(folder, &["token", "create", "--role", "mayor", "--municipality", "9999"], &["9999"]);
    refused(folder, &["token", "create", "--role", "crew", "--municipality", "0114"], &["--operator", "A, B"]);
    refused(folder, &["token", "create", "--role", "crew", "--municipality", "0114", "--operator", "Z"], &["Z", "A, B"]);
    refused(folder, &["token", "create", "--role", "partner", "--device", "phone"], &["phone", "--municipality"]);
    assert_eq!(vecino(folder, &["device", "list", "--json"]).out.trim(), "[]", "refusals made no device");
    let done = vecino(folder, &["token", "create", "--role", "crew", "--municipality", "1202", "--device", "phone 1", "--ttl", "1h", "--json"]);
    let said: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!((said["operator"].as_str(), said["municipality"].as_str()), (Some("MUNI"), Some("1202")), "the only operator is taken");
    let plain = vecino(folder, &["token", "create", "--role", "crew", "--municipality", "1202", "--device", "phone 1"]);
    assert_eq!(plain.out.lines().count(), 1, "the token and nothing else");
    refused(folder, &["device", "revoke", "phone 2"], &["phone 2"]);
    assert_eq!(vecino(folder, &["device", "revoke", "phone 1"]).code, 0);
    refused(folder, &["token", "create", "--role", "crew", "--municipality", "1202", "--device", "phone 1"], &["phone 1", "revoked"]);
}

#[tokio::test]
async fn people_are_added_listed_and_shut_out() {
    let installation = installation().await;
    let folder = installation.path();
    assert_eq!(vecino(folder, &["user", "add", "Ana.Lopez", "--role", "mayor", "--municipality", "1202"]).code, 0);
    refused(folder, &["user", "add", "ana.lopez", "--role", "mayor", "--municipality", "1202"], &["ana.lopez"]);
    refused(folder, &["user", "add", "a b", "--role", "admin"], &["a b"]);
    refused(folder, &["user", "disable", "eva"], &["eva"]);
    assert_eq!(vecino(folder, &["user", "disable", "ana.lopez"]).code, 0);
    let list: serde_json::Value = serde_json::from_str(&vecino(folder, &["user", "list", "--json"]).out).unwrap();
    let ana = list.as_array().unwrap().iter().find(|user| user["login"] == "ana.lopez").unwrap().clone();
    assert!(ana["disabled_at"].is_string());
    assert!(!vecino(folder, &["user", "list", "--json"]).out.contains("argon2"));
}

#[tokio::test]
async fn a_port_in_use_and_a_newer_database_are_refused_in_one_line() {
    let installation = installation().await;
    let folder = installation.path();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refused(folder, &["serve", "--listen", &address], &[&address, "--listen"]);
    let db = Db::connect(&format!("sqlite:{}", folder.join("vecino.db").display())).await.unwrap();
    let mut tx = db.write().await.unwrap();
    run!(
        tx,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', $1, $2, 0)",
        true,
        vec![0u8]
    )
    .unwrap();
    tx.commit().await.unwrap();
    db.close().await;
    refused(folder, &["serve", "--listen", "127.0.0.1:0"], &["9999", "newer"]);
    refused(folder, &["--database", "mysql://x", "user", "list"], &["sqlite:", "postgres://"]);
}

#[tokio::test]
async fn a_read_only_folder_is_refused_in_one_line() {
    use std::os::unix::fs::PermissionsExt;
    let installation = installation().await;
    let folder = installation.path();
    let set = |mode: u32, file: u32| {
        std::fs::set_permissions(folder.join("vecino.db"), std::fs::Permissions::from_mode(file)).unwrap();
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set(0o500, 0o400);
    if std::fs::File::create(folder.join("probe")).is_ok() {
        crate::pilot::left_out("a folder nobody may write: this user may write everywhere");
        return set(0o700, 0o600);
    }
    refused(folder, &["serve", "--listen", "127.0.0.1:0"], &["written"]);
    set(0o700, 0o600);
}

fn ask(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn terminate(child: &Child) {
    assert!(Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().unwrap().success());
}

#[tokio::test]
async fn the_server_answers_and_stops_when_asked() {
    let installation = installation().await;
    let mut child = command(installation.path(), &["serve", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().rsplit("http://").next().unwrap().to_owned();
    assert!(ask(&address, "/healthz").ends_with("ok"));
    assert!(ask(&address, "/readyz").ends_with("ready"));
    assert!(ask(&address, "/").contains("location: /sign-in"));
    terminate(&child);
    assert!(child.wait().unwrap().success());
    assert!(!installation.path().join("vecino.db-wal").exists(), "closing writes the log back into the database");
}

#[test]
fn the_interface_document_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let done = vecino(folder.path(), &["openapi"]);
    let printed: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(printed, vecino::web::document::openapi());
}
