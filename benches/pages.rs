//! The map and analysis pages at two numbers of observations: they read what was published, so they grow with neighbourhoods and never
//! with observations.
//!
//! `cargo bench --bench pages` makes 400 segments × 52 weeks in a temporary file, once at 50 and once at 500 observations a cell, serves
//! the whole house on loopback, and prints median and 95th percentile of 50 warm requests as a browser sends them (gzip, a session
//! cookie). `cargo bench --bench pages -- 50 200` measures other sizes; `TMPDIR` says where the files go (500 needs about 6 GB).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

#[path = "../tests/ground.rs"]
mod ground;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use ground::Ground;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Instant;
use uuid::Uuid;
use vecino::account::{Role, session, user};
use vecino::analysis::report;
use vecino::app::App;
use vecino::clock::{Clock, Week, at_local};
use vecino::db::{Db, Tx};
use vecino::id::{DeviceId, HouseholdId, Mint, MunicipalityId, NeighbourhoodId, OpId, OperatorId, RouteId, SegmentId, sha256_hex};
use vecino::map::publication::publish_history;
use vecino::observation::{Kind, Observation, Outcome, Separated, SetOut, Severity, Stream, round, store, tally};
use vecino::seal::Keys;
use vecino::{run, trial};

const TOWN: MunicipalityId = MunicipalityId(1202);
/// A grid of neighbourhoods, each with one route of ten segments.
const COLUMNS: usize = 8;
const NEIGHBOURHOODS: usize = 40;
const SEGMENTS: usize = 400;
const WEEKS: i64 = 52;
const WARM: usize = 50;
const PROTOCOL: &str = include_str!("../experiments/norma-y-plan-2026.toml");

/// What one cell (segment × week) holds: homes, and days on which each is seen.
#[derive(Clone, Copy)]
struct Size {
    homes: usize,
    days: usize,
}

impl Size {
    /// 50 is 25 homes on 2 days, 500 is 100 homes on 5 days.
    fn of(observations: usize) -> Size {
        let days = if observations >= 250 { 5 } else { 2 };
        let homes = observations / days;
        assert!(
            homes >= 20 && homes * days == observations,
            "{observations} observations a cell: use an even number from 40, or a multiple of 5 from 250"
        );
        Size { homes, days }
    }
}

fn id(kind: u128, n: usize) -> Uuid {
    Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0000 + (kind << 40) + n as u128)
}

/// Steady pseudo-random numbers in [0, 1): the same town every time.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A place of the grid in degrees; borders wind, and neighbours share them to the last digit.
fn place(x: f64, y: f64) -> [f64; 2] {
    [-91.80 + 0.01 * (x + 0.18 * (y * 5.0).sin() + 0.05 * (y * 31.0).sin()), 14.93 + 0.01 * (y + 0.18 * (x * 4.0).sin() + 0.05 * (x * 29.0).sin())]
}

fn line(from: (f64, f64), to: (f64, f64), steps: usize) -> Vec<[f64; 2]> {
    (0..=steps).map(|i| i as f64 / steps as f64).map(|t| place(from.0 + (to.0 - from.0) * t, from.1 + (to.1 - from.1) * t)).collect()
}

fn outline(n: usize) -> Value {
    let (x, y) = ((n % COLUMNS) as f64, (n / COLUMNS) as f64);
    let corners = [(x, y), (x + 1.0, y), (x + 1.0, y + 1.0), (x, y + 1.0), (x, y)];
    let mut ring: Vec<[f64; 2]> = corners.windows(2).flat_map(|side| line(side[0], side[1], 30)).collect();
    ring.dedup();
    json!({"type": "Polygon", "coordinates": [ring]})
}

/// Neighbourhoods, routes, segments and homes, by SQL.
async fn lay(tx: &mut Tx, size: Size, from: NaiveDate) {
    run!(
        tx,
        "INSERT INTO municipality (municipality_id, code, name, department, pilot, approximate, properties) VALUES ($1, '1202', 'San Pedro Sacatepéquez', 'San Marcos', TRUE, TRUE, $2)",
        TOWN,
        json!({})
    )
    .unwrap();
    let ground = Ground::since(TOWN, from);
    ground.operator(tx, OperatorId(id(1, 0)), "MUNI", "Municipalidad").await;
    let days: Vec<(i16, &str)> = (1..=size.days as i16).map(|weekday| (weekday, "mixed")).collect();
    for n in 0..NEIGHBOURHOODS {
        let (x, y) = ((n % COLUMNS) as f64, (n / COLUMNS) as f64);
        ground.neighbourhood(tx, NeighbourhoodId(id(2, n)), &format!("N{n:02}"), &format!("Barrio {n}"), outline(n)).await;
        let way = json!({"type": "LineString", "coordinates": line((x + 0.05, y + 0.5), (x + 0.95, y + 0.5), 60)});
        let code = format!("R{n:02}");
        ground.route(tx, RouteId(id(3, n)), &code, &code, OperatorId(id(1, 0)), &days).await;
        run!(tx, "UPDATE route_version SET geometry = $3 WHERE municipality_id = $1 AND route_id = $2", TOWN, id(3, n), way).unwrap();
    }
    for n in 0..SEGMENTS {
        ground.segment(tx, SegmentId(id(4, n)), &format!("S{n:03}"), RouteId(id(3, n / 10)), NeighbourhoodId(id(2, n / 10))).await;
    }
    let homes: Vec<_> =
        (0..SEGMENTS * size.homes).map(|n| (HouseholdId(id(5, n)), format!("SP-{n:06}-X"), Some(SegmentId(id(4, n / size.homes))))).collect();
    ground.homes(tx, &homes).await;
}

/// Every home on every day of its route, written as the receiving end writes them; a transaction for each route keeps the log short.
async fn observe(db: &Db, size: Size, first: Week) {
    let days: Vec<NaiveDate> =
        (0..WEEKS).flat_map(|week| (0..size.days as i64).map(move |day| first.plus(week).monday() + Duration::days(day))).collect();
    let mut tx = db.write().await.unwrap();
    round::make(&mut tx, TOWN, days[0], days[days.len() - 1]).await.unwrap();
    let mut dice = Dice(20260630);
    for segment in 0..SEGMENTS {
        let route = segment / 10;
        if segment % 10 == 0 {
            tx.commit().await.unwrap();
            tx = db.write().await.unwrap();
        }
        let rounds: Vec<_> = days.iter().map(|day| round::identity(TOWN, RouteId(id(3, route)), *day)).collect();
        let likely = 0.35 + 0.3 * dice.next();
        let mut rows = Vec::with_capacity(size.homes * days.len());
        for home in segment * size.homes..(segment + 1) * size.homes {
            let habit = (likely + 0.3 * (dice.next() - 0.5)).clamp(0.05, 0.95);
            for (n, day) in days.iter().enumerate() {
                let at = at_local(*day, 7, 0) + Duration::seconds(40 * (home % (size.homes * 10)) as i64);
                let out = dice.next() < 0.85;
                let separated = if dice.next() < habit { Separated::Yes } else { Separated::Partly };
                let gross = out && dice.next() < 0.04;
                let outcome = Outcome {
                    set_out: Some(if out { SetOut::Yes } else { SetOut::No }),
                    separated: out.then_some(separated),
                    stream: out.then_some(Stream::Mixed),
                    contamination: gross.then(|| "plastic".to_owned()),
                    severity: gross.then_some(Severity::Gross),
                    ..Outcome::default()
                };
                let op_id = OpId(id(6, home * days.len() + n));
                rows.push(Observation {
                    municipality_id: TOWN,
                    op_id,
                    kind: Kind::Observation,
                    round_id: rounds[n],
                    household_id: HouseholdId(id(5, home)),
                    segment_id: Some(SegmentId(id(4, segment))),
                    neighbourhood_id: Some(NeighbourhoodId(id(2, segment / 10))),
                    service_day: *day,
                    iso_week: Week::of(*day),
                    device_id: DeviceId(Uuid::nil()),
                    observed_at: at,
                    corrected_at: at,
                    received_at: at_local(*day, 12, 30),
                    corrects: None,
                    because: None,
                    complied: outcome.complied(Stream::Mixed),
                    counted: true,
                    suspect: None,
                    lon: Some(-91.76),
                    lat: Some(14.96),
                    accuracy_m: Some(8.0),
                    content_hash: sha256_hex(op_id.0.as_bytes()),
                    extra: None,
                    outcome,
                });
            }
        }
        store(&mut tx, &rows).await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn sign_in(tx: &mut Tx, now: DateTime<Utc>, login: &str, role: Role, municipality: Option<MunicipalityId>) -> String {
    let account = user::NewAccount { login: login.into(), password: String::new(), role, municipality, operator: None, language: "es".into() };
    // The session is opened here, so the password is never checked.
    let account = user::add_hashed(tx, now, &mut Mint::system(), account, "none".into()).await.unwrap();
    session::open(tx, now, account).await.unwrap()
}

/// One kept-alive connection; answers how long the whole body took and its bytes on the wire.
fn get(line: &mut BufReader<TcpStream>, path: &str, cookie: &str) -> (f64, usize) {
    let from = Instant::now();
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\nCookie: vecino={cookie}\r\n\r\n");
    line.get_mut().write_all(head.as_bytes()).unwrap();
    let mut text = String::new();
    line.read_line(&mut text).unwrap();
    assert!(text.contains(" 200 "), "{path}: {text}");
    let (mut length, mut chunked) = (0, false);
    loop {
        let mut header = String::new();
        line.read_line(&mut header).unwrap();
        let header = header.trim().to_ascii_lowercase();
        match header.split_once(": ") {
            None => break,
            Some(("content-length", n)) => length = n.parse().unwrap(),
            Some(("transfer-encoding", _)) => chunked = true,
            Some(_) => {}
        }
    }
    if !chunked {
        line.read_exact(&mut vec![0; length]).unwrap();
        return (from.elapsed().as_secs_f64() * 1000.0, length);
    }
    loop {
        let mut size = String::new();
        line.read_line(&mut size).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        line.read_exact(&mut vec![0; size + 2]).unwrap();
        if size == 0 {
            return (from.elapsed().as_secs_f64() * 1000.0, length);
        }
        length += size;
    }
}

/// Median, 95th percentile, bytes.
type Timing = (f64, f64, usize);

fn warm(address: SocketAddr, path: &str, cookie: &str) -> Timing {
    let line = TcpStream::connect(address).unwrap();
    line.set_nodelay(true).unwrap();
    let mut line = BufReader::new(line);
    for _ in 0..3 {
        get(&mut line, path, cookie);
    }
    let mut bytes = 0;
    let mut times: Vec<f64> = (0..WARM)
        .map(|_| {
            let (time, size) = get(&mut line, path, cookie);
            bytes = size;
            time
        })
        .collect();
    times.sort_by(f64::total_cmp);
    ((times[WARM / 2 - 1] + times[WARM / 2]) / 2.0, times[WARM * 95 / 100], bytes)
}

/// Makes a town, says what that took, and measures its pages.
async fn measure(observations: usize) -> Vec<(String, Timing)> {
    let size = Size::of(observations);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bench.db");
    let db = Db::connect(&format!("sqlite:{}", file.display())).await.unwrap().keyed(&Keys::from_root([1; 32]));
    db.migrate().await.unwrap();
    let clock = Clock::system();
    let now = clock.now();
    // Week 52 was published a week ago: both looks are due.
    let first = Week::of(clock.today()).plus(-2 - WEEKS);
    let text = vecino::trial::text::laid(PROTOCOL, first, WEEKS).unwrap().replace("[\"1202\", \"0114\"]", "[\"1202\"]");
    println!("\n{observations} observations a cell: {} homes, {} observations", SEGMENTS * size.homes, SEGMENTS * observations * WEEKS as usize);

    let started = Instant::now();
    let mut tx = db.write().await.unwrap();
    lay(&mut tx, size, first.monday()).await;
    tx.commit().await.unwrap();
    observe(&db, size, first).await;
    println!("  load          {:>8.1} s", started.elapsed().as_secs_f64());

    let started = Instant::now();
    let mut tx = db.write().await.unwrap();
    tally::rebuild(&mut tx, TOWN).await.unwrap();
    tx.commit().await.unwrap();
    println!("  tallies       {:>8.1} s", started.elapsed().as_secs_f64());

    let mut tx = db.write().await.unwrap();
    let trial = trial::freeze(&mut tx, &text, "bench", at_local(first.monday(), 5, 0)).await.unwrap();
    let trial = trial::assign(&mut tx, &trial.id, at_local(first.plus(6).monday(), 5, 0)).await.unwrap();
    tx.commit().await.unwrap();

    let started = Instant::now();
    let mut tx = db.write().await.unwrap();
    let periods = publish_history(&mut tx, TOWN, now).await.unwrap().len();
    tx.commit().await.unwrap();
    println!("  publication   {:>8.1} s, {periods} periods", started.elapsed().as_secs_f64());

    let started = Instant::now();
    let mut tx = db.write().await.unwrap();
    report::refresh(&mut tx, &trial, now).await.unwrap();
    tx.commit().await.unwrap();
    println!("  report        {:>8.1} s, the pooled one and both looks", started.elapsed().as_secs_f64());

    let mut tx = db.write().await.unwrap();
    let mayor = sign_in(&mut tx, now, "alcaldia", Role::Mayor, Some(TOWN)).await;
    let researcher = sign_in(&mut tx, now, "investigacion", Role::Researcher, None).await;
    tx.commit().await.unwrap();
    let bytes = |path: &std::path::Path| std::fs::metadata(path).map_or(0, |file| file.len()) as f64 / 1e6;
    println!("  file          {:>8.0} MB, and {:.0} MB of write-ahead log", bytes(&file), bytes(&file.with_extension("db-wal")));

    let keys = Keys::from_root([1; 32]);
    let app = App { db: db.clone(), clock, keys, data_dir: Arc::new(folder.path().to_owned()), demo: false };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = vecino::web::app(app.clone());
    let served = tokio::spawn(async move { axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await.unwrap() });
    let pages = [
        (&mayor, "/map/1202".to_owned()),
        (&mayor, "/map/1202.svg".to_owned()),
        (&mayor, "/api/v1/compliance?municipality=1202".to_owned()),
        (&researcher, "/map/1202".to_owned()),
        (&researcher, format!("/trial/{}", trial.id)),
    ];
    let mut timings = Vec::new();
    for (n, (cookie, path)) in pages.into_iter().enumerate() {
        let (cookie, asked) = (cookie.clone(), path.clone());
        let timing = tokio::task::spawn_blocking(move || warm(address, &asked, &cookie)).await.unwrap();
        timings.push((format!("{} {path}", if n < 3 { "mayor" } else { "researcher" }), timing));
    }
    served.abort();

    let started = Instant::now();
    let verified = vecino::web::verify::check(&app, Vec::new()).await.unwrap();
    println!("  verify        {:>8.1} s, {} differences", started.elapsed().as_secs_f64(), verified.differences.len());
    db.close().await;
    timings
}

#[tokio::main]
async fn main() {
    // Cargo hands a benchmark `--bench`; what remains are sizes.
    let asked: Vec<usize> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let sizes = if asked.is_empty() { vec![50, 500] } else { asked };
    println!("{SEGMENTS} segments × {WEEKS} weeks, {NEIGHBOURHOODS} neighbourhoods, on SQLite; {WARM} warm requests each, gzip, signed in");
    let mut measured = Vec::new();
    for size in &sizes {
        measured.push(measure(*size).await);
    }
    println!("\n{:<58} {}", "median ms (p95), bytes on the wire", sizes.iter().map(|size| format!("{size:>26}")).collect::<String>());
    for (row, (name, first)) in measured[0].iter().enumerate() {
        print!("{name:<58} ");
        for timings in &measured {
            let (median, p95, bytes) = timings[row].1;
            print!("{:>26}", format!("{median:.1} ({p95:.1}) {bytes} B"));
        }
        match measured.len() {
            1 => println!(),
            n => println!("   ×{:.2}", measured[n - 1][row].1.0 / first.0),
        }
    }
}
