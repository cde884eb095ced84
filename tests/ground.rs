//! Places for tests, written through the house's own rows: what a town needs before anything is collected in it.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};
use vecino::db::Tx;
use vecino::id::{HouseholdId, Mint, MunicipalityId, NeighbourhoodId, OperatorId, RouteId, SegmentId};
use vecino::run;
use vecino::territory::dated::Span;
use vecino::territory::household::{self, Household};
use vecino::territory::neighbourhood::{self, Neighbourhood};
use vecino::territory::route::{self, Operator, Route, RouteDay};
use vecino::territory::segment::{self, Segment};

/// Where and since when: every test town is written down at the start of the epoch.
#[derive(Clone, Copy)]
pub struct Ground {
    pub municipality: MunicipalityId,
    pub from: NaiveDate,
}

fn then() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH
}

impl Ground {
    pub fn since(municipality: MunicipalityId, from: NaiveDate) -> Ground {
        Ground { municipality, from }
    }

    fn span(&self) -> Span {
        Span { from: self.from, to: None }
    }

    pub async fn operator(&self, tx: &mut Tx, id: OperatorId, code: &str, name: &str) {
        let operator = Operator { municipality_id: self.municipality, operator_id: id, code: code.into(), name: name.into() };
        route::name_operators(tx, &[&operator]).await.unwrap();
        route::add_operators(tx, &mut Mint::system(), then(), &[(self.span(), operator)]).await.unwrap();
    }

    pub async fn neighbourhood(&self, tx: &mut Tx, id: NeighbourhoodId, code: &str, name: &str, geometry: Value) {
        let area = Neighbourhood {
            municipality_id: self.municipality,
            neighbourhood_id: id,
            code: code.into(),
            name: name.into(),
            approximate: true,
            geometry,
            properties: json!({}),
        };
        neighbourhood::name(tx, &[&area]).await.unwrap();
        neighbourhood::add(tx, &mut Mint::system(), then(), &[(self.span(), area)]).await.unwrap();
    }

    /// `days`: weekday and stream; every window is 06:00 to 11:00.
    pub async fn route(&self, tx: &mut Tx, id: RouteId, code: &str, name: &str, operator: OperatorId, days: &[(i16, &str)]) {
        let planned = (
            Route {
                municipality_id: self.municipality,
                route_id: id,
                code: code.into(),
                name: name.into(),
                operator_id: operator,
                approximate: true,
                geometry: json!({}),
                properties: json!({}),
            },
            days.iter()
                .map(|(weekday, stream)| RouteDay {
                    route_id: id,
                    weekday: *weekday,
                    stream: (*stream).into(),
                    window_start: "06:00".into(),
                    window_end: "11:00".into(),
                })
                .collect(),
        );
        route::name(tx, &[&planned]).await.unwrap();
        route::add(tx, &mut Mint::system(), then(), &[(self.span(), planned)]).await.unwrap();
    }

    pub async fn segment(&self, tx: &mut Tx, id: SegmentId, code: &str, route: RouteId, neighbourhood: NeighbourhoodId) {
        let (begins_m, reversed) = (id.0.as_u128() as u32 as f64, false);
        let segment = Segment {
            municipality_id: self.municipality,
            segment_id: id,
            code: code.into(),
            route_id: route,
            neighbourhood_id: neighbourhood,
            begins_m,
            reversed,
            approximate: true,
            geometry: json!({}),
            properties: json!({}),
        };
        segment::name(tx, &[&segment]).await.unwrap();
        segment::add(tx, &mut Mint::system(), then(), &[(self.span(), segment)]).await.unwrap();
    }

    /// Served homes on their segments, one after the other along each.
    pub async fn homes(&self, tx: &mut Tx, homes: &[(HouseholdId, String, Option<SegmentId>)]) {
        let rows: Vec<(Span, Household)> =
            homes.iter().enumerate().map(|(n, (id, code, segment))| (self.span(), self.home(n, *id, code, *segment))).collect();
        household::name(tx, &rows.iter().map(|(_, home)| home).collect::<Vec<_>>()).await.unwrap();
        household::add(tx, &mut Mint::system(), then(), &rows).await.unwrap();
    }

    pub fn home(&self, n: usize, id: HouseholdId, code: &str, segment: Option<SegmentId>) -> Household {
        Household {
            municipality_id: self.municipality,
            household_id: id,
            code: code.to_owned(),
            service_status: "served".into(),
            segment_id: segment,
            along_m: n as f64,
            operator_id: None,
            lon: -91.7 + n as f64 * 1e-4,
            lat: 14.9,
            hint: Some(format!("Puerta {n}")),
            approximate: true,
            properties: json!({}),
        }
    }
}

/// From `day` on the facts of a home are others: as an import of that day would write it.
pub async fn rehome(tx: &mut Tx, municipality: MunicipalityId, home: HouseholdId, day: NaiveDate, change: impl Fn(&mut Household)) {
    let known = household::history(tx, municipality).await.unwrap();
    let now = known.into_iter().rfind(|version| version.facts.household_id == home && version.span().holds(day)).unwrap();
    let mut facts = now.facts;
    change(&mut facts);
    let closed = if now.valid_from == day { "superseded_at = $4" } else { "valid_to = $5" };
    let sql = format!(
        "UPDATE household_version SET {closed} WHERE municipality_id = $1 AND household_id = $2 AND version_id = $3 AND ($4 IS NOT NULL OR $5 IS NOT NULL)"
    );
    run!(tx, sqlx::AssertSqlSafe(sql), municipality, home, now.version_id, then(), day.pred_opt()).unwrap();
    household::add(tx, &mut Mint::system(), then(), &[(Span { from: day, to: now.valid_to }, facts)]).await.unwrap();
}
