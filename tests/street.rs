//! A small street for observations: two municipalities, operators, routes that run every weekday, homes in order.

use crate::ground::Ground;
use chrono::NaiveDate;
use serde_json::{Value, json};
use uuid::Uuid;
use vecino::account::{Actor, Role};
use vecino::db::{Db, Tx};
use vecino::id::{DeviceId, HouseholdId, MunicipalityId, NeighbourhoodId, OperatorId, RoundId, RouteId, SegmentId};
use vecino::observation::round;
use vecino::run;

pub const TOWN: MunicipalityId = MunicipalityId(1202);
pub const LAKE: MunicipalityId = MunicipalityId(114);

pub struct Street {
    pub day: NaiveDate,
    /// One round per operator of the town: "muni" and "otra".
    pub rounds: Vec<RoundId>,
    pub homes: Vec<(HouseholdId, String)>,
    pub segments: Vec<SegmentId>,
    /// Of "muni" and "otra".
    pub routes: Vec<RouteId>,
    pub phones: Vec<Actor>,
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0000 + n)
}

pub fn home_code(n: usize) -> String {
    format!("SP-{n:04}-X")
}

/// `homes` on the municipal route in segments of `size`, four on the other operator's; stream of every day as given.
/// Writes the rounds of a day; answers them by route code.
pub async fn rounds(tx: &mut Tx, day: NaiveDate) -> Vec<round::Round> {
    round::make(tx, TOWN, day, day).await.unwrap();
    round::of_day(tx, TOWN, day).await.unwrap()
}

pub async fn lay(db: &Db, day: NaiveDate, homes: usize, size: usize, stream: &str) -> Street {
    let mut tx = db.write().await.unwrap();
    for (m, code) in [(TOWN, "1202"), (LAKE, "0114")] {
        run!(tx, "INSERT INTO municipality (municipality_id, code, name, department, pilot, approximate, properties) VALUES ($1, $2, $2, 'x', TRUE, TRUE, $3)", m, code, json!({})).unwrap();
    }
    let weekdays: Vec<(i16, &str)> = (1i16..=7).map(|weekday| (weekday, stream)).collect();
    for (n, m, code) in [(1u128, TOWN, "muni"), (2, TOWN, "otra"), (3, LAKE, "lago")] {
        let ground = Ground::since(m, day - chrono::Duration::days(400));
        ground.operator(&mut tx, OperatorId(id(n)), code, code).await;
        let name = format!("R{n}");
        ground.route(&mut tx, RouteId(id(100 + n)), &name, &name, OperatorId(id(n)), &weekdays).await;
        if n != 2 {
            ground.neighbourhood(&mut tx, NeighbourhoodId(id(200 + n)), "N", "N", json!({})).await;
        }
    }
    let ground = Ground::since(TOWN, day - chrono::Duration::days(300));
    let count = homes.div_ceil(size);
    let segments: Vec<SegmentId> = (0..count + 1).map(|n| SegmentId(id(1000 + n as u128))).collect();
    for (n, segment) in segments.iter().enumerate() {
        let route = if n < count { id(101) } else { id(102) };
        ground.segment(&mut tx, *segment, &format!("S{n}"), RouteId(route), NeighbourhoodId(id(201))).await;
    }
    let all: Vec<(HouseholdId, String)> = (0..homes + 4).map(|n| (HouseholdId(id(100_000 + n as u128)), home_code(n))).collect();
    let on = |n: usize| if n < homes { segments[n / size] } else { segments[count] };
    let placed: Vec<_> = all.iter().enumerate().map(|(n, (home, code))| (*home, code.clone(), Some(on(n)))).collect();
    ground.homes(&mut tx, &placed).await;
    let rounds = rounds(&mut tx, day).await;
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
    Street {
        day,
        rounds: rounds.iter().map(|round| round.round_id).collect(),
        homes: all,
        segments,
        routes: vec![RouteId(id(101)), RouteId(id(102))],
        phones,
    }
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
