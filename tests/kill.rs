//! What was acknowledged survives the server's sudden death, and is there once.

use crate::program::command;
use crate::street::{self, TOWN};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use vecino::account::{Role, token};
use vecino::clock::Clock;
use vecino::db::Db;
use vecino::observation::verify;
use vecino::seal::Keys;
use vecino::{all, one};

fn serve(folder: &Path, address: SocketAddr) -> Child {
    let listen = address.to_string();
    let mut child = command(folder, &["serve", "--listen", &listen]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while Instant::now() < end {
        if TcpStream::connect(address).is_ok() {
            return child;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    panic!("the server does not listen");
}

/// One request on a connection of its own; nothing when the server died before the whole answer came.
fn post(address: SocketAddr, secret: &str, body: &str) -> Option<Value> {
    let mut line = TcpStream::connect(address).ok()?;
    line.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let head = format!(
        "POST /api/v1/sync HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {secret}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    line.write_all(head.as_bytes()).ok()?;
    line.write_all(body.as_bytes()).ok()?;
    let mut answer = String::new();
    line.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    serde_json::from_str(body).ok()
}

#[test]
fn acknowledged_stops_survive_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("vecino.db").display());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let today = Clock::system().today();
    let secret = "a secret of the test";
    let street = runtime.block_on(async {
        let keys = Keys::create(folder.path(), [7; 32]).unwrap();
        let db = Db::connect(&url).await.unwrap().keyed(&keys);
        db.migrate().await.unwrap();
        let street = street::lay(&db, today, 40, 10, "mixed").await;
        let mut tx = db.write().await.unwrap();
        let phone = token::NewToken {
            role: Role::Crew,
            municipality: Some(TOWN),
            operator: Some("muni".into()),
            device: street.phones[0].device,
            name: "phone 1".into(),
            expires_at: None,
        };
        token::create(&mut tx, chrono::Utc::now(), secret.into(), phone).await.unwrap();
        tx.commit().await.unwrap();
        db.close().await;
        street
    });
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut acknowledged: Vec<String> = Vec::new();
    let mut doubtful: Vec<Value> = Vec::new();
    for round in 0..5u64 {
        let mut server = serve(folder.path(), address);
        // Somewhere in the middle of a batch, each time elsewhere.
        let life = Duration::from_millis(60 + 97 * round + u64::from(std::process::id()) % 61);
        let killer = std::thread::spawn(move || {
            std::thread::sleep(life);
            server.kill().unwrap();
            server.wait().unwrap();
        });
        for n in 0.. {
            let mut ops: Vec<Value> = std::mem::take(&mut doubtful);
            if ops.is_empty() {
                ops = (0..10).map(|i| street.op("observation", (n * 10 + i) % 40, "00:00:01", json!({"set_out": "no"}))).collect();
            }
            let now = chrono::Utc::now().to_rfc3339();
            for op in &mut ops {
                op["observed_at"] = op.get("seen").cloned().unwrap_or(json!(now));
                op["seen"] = op["observed_at"].clone();
            }
            let body = json!({"sent_at": now, "ops": ops}).to_string();
            match post(address, secret, &body) {
                Some(answer) => {
                    for (op, result) in ops.iter().zip(answer["results"].as_array().unwrap()) {
                        assert_eq!(result["op"], op["op"]);
                        assert!(result["status"] == "stored" || result["status"] == "duplicate", "{result}");
                        acknowledged.push(op["op"].as_str().unwrap().to_owned());
                    }
                }
                None => {
                    // The answer was lost: the phone sends the same again after the restart.
                    doubtful = ops;
                    break;
                }
            }
        }
        killer.join().unwrap();
        runtime.block_on(async {
            let db = Db::connect(&url).await.unwrap().keyed(&Keys::from_root([7; 32]));
            let mut tx = db.write().await.unwrap();
            let rows: Vec<(uuid::Uuid, i64)> = all!(tx, "SELECT op_id, COUNT(*) FROM observation GROUP BY op_id").unwrap();
            let stored: std::collections::BTreeSet<String> = rows.iter().map(|(op, _)| op.to_string()).collect();
            assert!(rows.iter().all(|(_, n)| *n == 1));
            let lost: Vec<&String> = acknowledged.iter().filter(|op| !stored.contains(*op)).collect();
            assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
            // A batch is there whole or not at all.
            assert_eq!(stored.len() % 10, 0);
            let (counted,): (i64,) = one!(tx, "SELECT COUNT(*) FROM observation WHERE counted").unwrap();
            assert!(counted <= 40);
            assert_eq!(verify::rows(&mut tx).await.unwrap(), verify::Rows::default());
            assert_eq!(vecino::account::audit::verify(&mut tx).await.unwrap(), Vec::<String>::new());
            drop(tx);
            db.close().await;
        });
    }
    assert!(acknowledged.len() >= 50, "only {} operations were acknowledged", acknowledged.len());
}
