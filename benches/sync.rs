//! Sync in batches of 50 beside the same rows inserted bare: the same table and indexes, the same file, `synchronous=FULL`, in turn.
//!
//! `cargo bench --bench sync` prints rows a second of (a) bare multi-row inserts, (b) the whole receive path from JSON bytes to
//! commit, (c) the same over HTTP on loopback, and the median of the paired ratios b/a and c/a.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

#[path = "../tests/street.rs"]
mod street;

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Instant;
use vecino::account::{Role, token};
use vecino::app::App;
use vecino::clock::{Clock, Week};
use vecino::db::Db;
use vecino::id::{DeviceId, OpId};
use vecino::observation::receive::receive;
use vecino::observation::{Kind, Observation, Outcome, Separated, SetOut, store};
use vecino::seal::Keys;

const HOMES: usize = 3000;
const BATCH: usize = 50;
const PER_TURN: usize = 40;
const TURNS: usize = 15;

/// What crews send: a run of neighbouring stops of one round on one day.
struct Stops {
    street: street::Street,
    rounds: Vec<(chrono::NaiveDate, vecino::id::RoundId)>,
    next: usize,
}

impl Stops {
    fn batch(&mut self) -> (Vec<Value>, chrono::NaiveDate) {
        let start = self.next % HOMES;
        let (day, round) = self.rounds[(self.next / HOMES) % self.rounds.len()];
        self.next += BATCH;
        let ops = (0..BATCH)
            .map(|i| {
                json!({"op": uuid::Uuid::now_v7(), "kind": "observation", "round": round, "household": self.street.homes[start + i].1,
                       "observed_at": format!("{day}T08:{:02}:{:02}-06:00", i, i), "set_out": "yes", "separated": if i % 3 == 0 { "partly" } else { "yes" },
                       "stream": "organic", "position": {"lon": -91.76, "lat": 14.96, "accuracy_m": 8.0}, "clock": {"monotonic_ms": 123456, "boot": "b"}})
            })
            .collect();
        (ops, day)
    }

    fn bytes(&mut self) -> Vec<u8> {
        let (ops, _) = self.batch();
        serde_json::to_vec(&json!({"sent_at": chrono::Utc::now().to_rfc3339(), "ops": ops})).unwrap()
    }

    /// The rows the same operations become, made before the clock runs.
    fn rows(&mut self) -> Vec<Observation> {
        let start = self.next % HOMES;
        let (ops, day) = self.batch();
        let (_, round) = self.rounds.iter().find(|(d, _)| *d == day).copied().unwrap();
        ops.iter()
            .enumerate()
            .map(|(i, op)| {
                let at = vecino::clock::at_local(day, 8, i as u32);
                Observation {
                    municipality_id: street::TOWN,
                    op_id: OpId(op["op"].as_str().unwrap().parse().unwrap()),
                    kind: Kind::Observation,
                    round_id: round,
                    household_id: self.street.homes[start + i].0,
                    segment_id: Some(self.street.segments[(start + i) / 25]),
                    service_day: day,
                    iso_week: Week::of(day),
                    device_id: DeviceId(uuid::Uuid::nil()),
                    observed_at: at,
                    corrected_at: at,
                    received_at: at,
                    corrects: None,
                    because: None,
                    outcome: Outcome { set_out: Some(SetOut::Yes), separated: Some(Separated::Yes), ..Outcome::default() },
                    complied: Some(1),
                    counted: true,
                    suspect: None,
                    lon: Some(-91.76),
                    lat: Some(14.96),
                    accuracy_m: Some(8.0),
                    content_hash: "0".repeat(64),
                    extra: Some(json!({"clock": {"monotonic_ms": 123456, "boot": "b"}})),
                }
            })
            .collect()
    }
}

fn post(line: &mut BufReader<TcpStream>, body: &[u8]) {
    let head = format!(
        "POST /api/v1/sync HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer bench\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    line.get_mut().write_all(&[head.as_bytes(), body].concat()).unwrap();
    let (mut length, mut first) = (0usize, String::new());
    line.read_line(&mut first).unwrap();
    assert!(first.contains("200"), "{first}");
    loop {
        let mut header = String::new();
        line.read_line(&mut header).unwrap();
        if header.trim().is_empty() {
            break;
        }
        if let Some(n) = header.to_ascii_lowercase().strip_prefix("content-length:") {
            length = n.trim().parse().unwrap();
        }
    }
    let mut answer = vec![0; length];
    line.read_exact(&mut answer).unwrap();
    assert_eq!(answer.windows(8).filter(|w| w == b"\"stored\"").count(), BATCH);
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[tokio::main]
async fn main() {
    // VECINO_LOG=sqlx::query=debug shows what each statement takes.
    if let Ok(filter) = std::env::var("VECINO_LOG") {
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).init();
    }
    let folder = tempfile::tempdir().unwrap();
    let url = std::env::var("BENCH_DATABASE_URL").unwrap_or_else(|_| format!("sqlite:{}", folder.path().join("bench.db").display()));
    let db = Db::connect(&url).await.unwrap();
    db.migrate().await.unwrap();
    let today = Clock::system().today();
    let street = street::lay(&db, today, HOMES, 25, "mixed").await;
    let mut tx = db.write().await.unwrap();
    let mut rounds = Vec::new();
    // Two collections a week, going back: each home is seen once on each.
    for back in 0..60 {
        let day = today - chrono::Duration::days(back / 2 * 7 + back % 2 * 3);
        rounds.push((day, vecino::observation::round::ensure(&mut tx, street::TOWN, day).await.unwrap()[0].round_id));
    }
    let phone = token::NewToken {
        role: Role::Crew,
        municipality: Some(street::TOWN),
        operator: Some("muni".into()),
        device: street.phones[0].device,
        name: "bench".into(),
        expires_at: None,
    };
    token::create(&mut tx, chrono::Utc::now(), "bench".into(), phone).await.unwrap();
    tx.commit().await.unwrap();
    let app = App {
        db: db.clone(),
        clock: Clock::system(),
        keys: Keys::from_root([1; 32]),
        data_dir: std::sync::Arc::new(folder.path().to_owned()),
        demo: false,
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = vecino::web::app(app);
    tokio::spawn(async move { axum::serve(listener, router.into_make_service_with_connect_info::<std::net::SocketAddr>()).await.unwrap() });
    let actor = street.phones[0].clone();
    let mut stops = Stops { street, rounds, next: 0 };
    let mut rates: [Vec<f64>; 3] = Default::default();
    let line = TcpStream::connect(address).unwrap();
    line.set_nodelay(true).unwrap();
    let line = std::sync::Arc::new(std::sync::Mutex::new(BufReader::new(line)));
    for turn in 0..=TURNS {
        let bare: Vec<Vec<Observation>> = (0..PER_TURN).map(|_| stops.rows()).collect();
        let direct: Vec<Vec<u8>> = (0..PER_TURN).map(|_| stops.bytes()).collect();
        let wire: Vec<Vec<u8>> = (0..PER_TURN).map(|_| stops.bytes()).collect();
        let mut spent = [0.0f64; 3];
        // Batch by batch in turn, so that whatever else the machine does falls on all three alike.
        for ((rows, body), sent) in bare.iter().zip(&direct).zip(wire) {
            let from = Instant::now();
            let mut tx = db.write().await.unwrap();
            store(&mut tx, rows).await.unwrap();
            tx.commit().await.unwrap();
            spent[0] += from.elapsed().as_secs_f64();
            let from = Instant::now();
            let answer = receive(&db, chrono::Utc::now(), &actor, body).await.unwrap();
            spent[1] += from.elapsed().as_secs_f64();
            assert_eq!(answer.results.len(), BATCH);
            let client = line.clone();
            spent[2] += tokio::task::spawn_blocking(move || {
                let from = Instant::now();
                post(&mut client.lock().unwrap(), &sent);
                from.elapsed().as_secs_f64()
            })
            .await
            .unwrap();
        }
        let [a, b, c] = spent.map(|seconds| (PER_TURN * BATCH) as f64 / seconds);
        // The first turn warms caches and statements.
        if turn > 0 {
            for (rates, rate) in rates.iter_mut().zip([a, b, c]) {
                rates.push(rate);
            }
        }
    }
    let ratio = |n: usize| median(rates[n].iter().zip(&rates[0]).map(|(other, bare)| other / bare).collect());
    println!(
        "batches of {BATCH} on {}: rows a second, median of {TURNS} turns",
        if db.is_sqlite() { "SQLite, synchronous=FULL" } else { "PostgreSQL" }
    );
    println!("bare inserts   {:>8.0}", median(rates[0].clone()));
    println!("receive        {:>8.0}   {:.2} of bare (median of paired ratios)", median(rates[1].clone()), ratio(1));
    println!("over HTTP      {:>8.0}   {:.2} of bare", median(rates[2].clone()), ratio(2));
}
