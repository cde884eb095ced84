//! Sync in batches of 50 beside the same rows inserted bare: the same tables and indexes, the same file, `synchronous=FULL`, in turn.
//!
//! `cargo bench --bench sync` prints rows a second of four ways, each with a commit for each batch unless batches share one:
//! (a) the observations alone, one multi-row insert; (b) every row a sync leaves, inserted bare: observations, their homes' weeks,
//! their segments' weeks and the audit entry, nothing looked up, hashed or recounted; (c) one phone that sends a batch over HTTP,
//! waits for its answer and sends the next; (d) sixteen phones that do so side by side, as when crews come back to signal together.
//! The ratios are medians of pairs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

#[path = "../tests/ground.rs"]
mod ground;
#[path = "../tests/street.rs"]
mod street;

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Instant;
use vecino::account::{Role, token};
use vecino::app::App;
use vecino::clock::{Clock, Week};
use vecino::db::{Db, Tx};
use vecino::id::{DeviceId, NeighbourhoodId, OpId};
use vecino::observation::{Kind, Observation, Outcome, Separated, SetOut, store};
use vecino::seal::Keys;
use vecino::{bulk, run};

const HOMES: usize = 3000;
const BATCH: usize = 50;
const PHONES: usize = 16;
const PER_TURN: usize = 80;
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
                    neighbourhood_id: Some(NeighbourhoodId(uuid::Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0000 + 201))),
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
    let db = Db::connect(&url).await.unwrap().keyed(&Keys::from_root([1; 32]));
    db.migrate().await.unwrap();
    let today = Clock::system().today();
    let street = street::lay(&db, today, HOMES, 25, "mixed").await;
    let mut tx = db.write().await.unwrap();
    let mut rounds = Vec::new();
    // Two collections a week, going back, holidays left out: each home is seen once on each.
    for back in 0.. {
        let day = today - chrono::Duration::days(back / 2 * 7 + back % 2 * 3);
        rounds.extend(street::rounds(&mut tx, day).await.first().map(|round| (day, round.round_id)));
        if rounds.len() == 60 {
            break;
        }
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
    let mut stops = Stops { street, rounds, next: 0 };
    let mut rates: [Vec<f64>; 4] = Default::default();
    let line = || BufReader::new(TcpStream::connect(address).unwrap());
    let lines: Vec<_> = (0..PHONES).map(|_| std::sync::Mutex::new(line())).collect();
    let lines = std::sync::Arc::new(lines);
    for turn in 0..=TURNS {
        let rows: Vec<Vec<Observation>> = (0..PER_TURN).map(|_| stops.rows()).collect();
        let mut spent = [0.0f64; 4];
        let from = Instant::now();
        for rows in &rows {
            let mut tx = db.write().await.unwrap();
            store(&mut tx, rows).await.unwrap();
            tx.commit().await.unwrap();
        }
        spent[0] = from.elapsed().as_secs_f64();
        let rows: Vec<Vec<Observation>> = (0..PER_TURN).map(|_| stops.rows()).collect();
        let from = Instant::now();
        for (n, rows) in rows.iter().enumerate() {
            let mut tx = db.write().await.unwrap();
            leave(&mut tx, rows, (turn * PER_TURN + n) as i64).await;
            tx.commit().await.unwrap();
        }
        spent[1] = from.elapsed().as_secs_f64();
        for (way, phones) in [(2, 1), (3, PHONES)] {
            let bodies: Vec<Vec<Vec<u8>>> = (0..phones).map(|_| (0..PER_TURN / phones).map(|_| stops.bytes()).collect()).collect();
            let lines = lines.clone();
            spent[way] = tokio::task::spawn_blocking(move || {
                let from = Instant::now();
                std::thread::scope(|scope| {
                    for (line, bodies) in lines.iter().zip(&bodies) {
                        scope.spawn(move || bodies.iter().for_each(|body| post(&mut line.lock().unwrap(), body)));
                    }
                });
                from.elapsed().as_secs_f64()
            })
            .await
            .unwrap();
        }
        // The first turn warms caches and statements.
        if turn > 0 {
            for (rates, spent) in rates.iter_mut().zip(spent) {
                rates.push((PER_TURN * BATCH) as f64 / spent);
            }
        }
    }
    println!(
        "batches of {BATCH} on {}: rows a second, median of {TURNS} turns",
        if db.is_sqlite() { "SQLite, synchronous=FULL" } else { "PostgreSQL" }
    );
    let ratio = |n: usize, to: usize| median(rates[n].iter().zip(&rates[to]).map(|(other, bare)| other / bare).collect());
    for (n, way) in ["observations alone, bare", "every row a sync leaves, bare", "sync, one phone", "sync, sixteen phones"].into_iter().enumerate() {
        println!("{way:30} {:>7.0}   {:.2} of the observations alone   {:.2} of every row", median(rates[n].clone()), ratio(n, 0), ratio(n, 1));
    }
}

/// Every row a sync of `rows` leaves, as plain inserts.
async fn leave(tx: &mut Tx, rows: &[Observation], n: i64) {
    let town = street::TOWN;
    store(tx, rows).await.unwrap();
    bulk!(
        tx,
        "INSERT INTO home_week (municipality_id, iso_week, household_id, segment_id, neighbourhood_id, observed, set_out, complied, contaminated)",
        rows,
        |row| [town, row.iso_week, row.household_id, row.segment_id, row.neighbourhood_id, 1, 1, 1, 0],
        "ON CONFLICT (municipality_id, iso_week, household_id, segment_id, neighbourhood_id) DO UPDATE SET observed = excluded.observed, set_out = excluded.set_out,
           complied = excluded.complied, contaminated = excluded.contaminated"
    )
    .unwrap();
    let segments: std::collections::BTreeSet<_> = rows.iter().map(|row| (row.segment_id, row.iso_week)).collect();
    let segments: Vec<_> = segments.into_iter().collect();
    bulk!(
        tx,
        "INSERT INTO segment_week (municipality_id, segment_id, iso_week, observed, set_out, complied, contaminated)",
        segments,
        |row| [town, row.0, row.1, 25, 25, 20, 0],
        "ON CONFLICT (municipality_id, segment_id, iso_week) DO UPDATE SET observed = excluded.observed, set_out = excluded.set_out,
           complied = excluded.complied, contaminated = excluded.contaminated"
    )
    .unwrap();
    let detail = json!({"stored": BATCH, "duplicate": 0, "conflict": 0, "rejected": 0});
    let hash = "0".repeat(64);
    run!(
        tx,
        "INSERT INTO audit_entry (municipality_id, stream, sequence, at, actor, action, target, detail, previous_hash, entry_hash)
              VALUES ($1, 'bare', $2, $3, 'bench', 'sync', 'bench', $4, $5, $5)",
        town,
        n,
        rows[0].received_at,
        &detail,
        &hash
    )
    .unwrap();
}
