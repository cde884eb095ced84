//! A small street for observations: two municipalities, operators, routes that run every weekday, homes in order.

use chrono::NaiveDate;
use serde_json::{Value, json};
use uuid::Uuid;
use vecino::account::{Actor, Role};
use vecino::db::Db;
use vecino::id::{DeviceId, HouseholdId, MunicipalityId, RoundId, SegmentId};
use vecino::observation::round;
use vecino::{bulk, run};

pub const TOWN: MunicipalityId = MunicipalityId(1202);
pub const LAKE: MunicipalityId = MunicipalityId(114);

pub struct Street {
    pub day: NaiveDate,
    /// One round per operator of the town: "muni" and "otra".
    pub rounds: Vec<RoundId>,
    pub homes: Vec<(HouseholdId, String)>,
    pub segments: Vec<SegmentId>,
    pub phones: Vec<Actor>,
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0000 + n)
}

pub fn home_code(n: usize) -> String {
    format!("SP-{n:04}-X")
}

/// `homes` on the municipal route in segments of `size`, four on the other operator's; stream of every day as given.
pub async fn lay(db: &Db, day: NaiveDate, homes: usize, size: usize, stream: &str) -> Street {
    let mut tx = db.write().await.unwrap();
    for (m, code) in [(TOWN, "1202"), (LAKE, "0114")] {
        run!(tx, "INSERT INTO municipality (municipality_id, code, name, department, pilot, approximate, properties) VALUES ($1, $2, $2, 'x', TRUE, TRUE, $3)", m, code, json!({})).unwrap();
    }
    for (n, m, code) in [(1u128, TOWN, "muni"), (2, TOWN, "otra"), (3, LAKE, "lago")] {
        run!(tx, "INSERT INTO operator (municipality_id, operator_id, code, name) VALUES ($1, $2, $3, $3)", m, id(n), code).unwrap();
        run!(tx, "INSERT INTO route (municipality_id, route_id, code, name, operator_id, valid_from, approximate, geometry, properties) VALUES ($1, $2, $3, $3, $4, $5, TRUE, $6, $6)",
            m, id(100 + n), format!("R{n}"), id(n), day - chrono::Duration::days(400), json!({})).unwrap();
        for weekday in 1i16..=7 {
            run!(tx, "INSERT INTO route_day (municipality_id, route_id, weekday, stream, window_start, window_end) VALUES ($1, $2, $3, $4, '06:00', '11:00')", m, id(100 + n), weekday, stream).unwrap();
        }
        if n == 2 {
            continue;
        }
        run!(tx, "INSERT INTO neighbourhood (municipality_id, neighbourhood_id, code, name, approximate, geometry, properties) VALUES ($1, $2, 'N', 'N', TRUE, $3, $3)", m, id(200 + n), json!({})).unwrap();
    }
    let count = homes.div_ceil(size);
    let segments: Vec<SegmentId> = (0..count + 1).map(|n| SegmentId(id(1000 + n as u128))).collect();
    for (n, segment) in segments.iter().enumerate() {
        let route = if n < count { id(101) } else { id(102) };
        run!(tx, "INSERT INTO segment (municipality_id, segment_id, code, route_id, neighbourhood_id, approximate, geometry, properties) VALUES ($1, $2, $3, $4, $5, TRUE, $6, $6)",
            TOWN, *segment, format!("S{n}"), route, id(201), json!({})).unwrap();
    }
    let all: Vec<(HouseholdId, String)> = (0..homes + 4).map(|n| (HouseholdId(id(100_000 + n as u128)), home_code(n))).collect();
    let rows: Vec<(usize, HouseholdId, String)> = all.iter().enumerate().map(|(n, (home, code))| (n, *home, code.clone())).collect();
    bulk!(
        tx,
        "INSERT INTO household (municipality_id, household_id, code, lon, lat, hint, service_status, operator_id, approximate, properties)",
        rows,
        |row| [
            TOWN,
            row.1,
            &row.2,
            -91.7 + row.0 as f64 * 1e-4,
            14.9,
            format!("Puerta {}", row.0),
            "served",
            if row.0 < homes { id(1) } else { id(2) },
            true,
            json!({})
        ],
        ""
    )
    .unwrap();
    bulk!(
        tx,
        "INSERT INTO household_place (municipality_id, household_id, segment_id, stop_order, valid_from)",
        rows,
        |row| [
            TOWN,
            row.1,
            if row.0 < homes { segments[row.0 / size] } else { segments[count] },
            row.0 as i32 + 1,
            day - chrono::Duration::days(300)
        ],
        ""
    )
    .unwrap();
    let rounds = round::ensure(&mut tx, TOWN, day).await.unwrap();
    let mut phones = Vec::new();
    for (n, m, operator) in [(1u128, TOWN, "muni"), (2, TOWN, "muni"), (3, TOWN, "otra"), (4, LAKE, "lago")] {
        run!(
            tx,
            "INSERT INTO device (municipality_id, device_id, name, enrolled_at) VALUES ($1, $2, $3, $4)",
            m,
            id(300 + n),
            format!("phone {n}"),
            chrono::DateTime::UNIX_EPOCH
        )
        .unwrap();
        phones.push(Actor {
            role: Role::Crew,
            name: format!("phone {n}"),
            account: None,
            municipality: Some(m),
            operator: Some(operator.to_owned()),
            device: Some(DeviceId(id(300 + n))),
        });
    }
    tx.commit().await.unwrap();
    Street { day, rounds: rounds.iter().map(|round| round.round_id).collect(), homes: all, segments, phones }
}

impl Street {
    /// An operation of the wire; `more` overrides and adds fields.
    pub fn op(&self, kind: &str, home: usize, at: &str, more: Value) -> Value {
        let mut op = json!({"op": Uuid::now_v7(), "kind": kind, "round": self.rounds[0], "household": self.homes[home].1, "observed_at": format!("{}T{at}-06:00", self.day)});
        for (field, value) in more.as_object().unwrap() {
            op[field] = value.clone();
        }
        op
    }

    pub fn batch(&self, ops: &[Value]) -> Vec<u8> {
        serde_json::to_vec(&json!({"device": "whatever", "sent_at": format!("{}T12:00:00-06:00", self.day), "ops": ops})).unwrap()
    }
}
