//! A trial as it was frozen, amended and drawn: its texts against their hashes and their entries, its arms drawn again.

use super::assign::{Assessed, draw};
use super::protocol::Protocol;
use super::{TrialSegment, find};
use crate::account::audit::walk::{Standing, Walked};
use crate::account::audit::{self, REMEDY};
use crate::all;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{HouseholdId, MunicipalityId, SegmentId};
use crate::seal::Fields;
use chrono::{DateTime, Utc};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

#[derive(sqlx::FromRow)]
struct Text {
    trial_id: String,
    /// 0: as it was frozen.
    number: i32,
    protocol: String,
    protocol_sha256: String,
    seed: i64,
    frozen_at: Option<DateTime<Utc>>,
    assigned_at: Option<DateTime<Utc>>,
}

#[derive(sqlx::FromRow)]
struct Drawn {
    municipality_id: MunicipalityId,
    segment_id: SegmentId,
    code: Option<String>,
    homes_observed: Option<i32>,
    homes: i32,
    baseline_observed: i32,
    baseline_complied: i32,
    stratum: Option<String>,
    arm: Option<String>,
    left_out: Option<String>,
}

async fn texts(tx: &mut Tx) -> Result<Vec<Text>> {
    all!(
        tx,
        "SELECT trial_id, 0 AS number, protocol, protocol_sha256, seed, frozen_at, assigned_at FROM trial
         UNION ALL SELECT a.trial_id, a.number, a.protocol, a.protocol_sha256, t.seed, a.dated_at, NULL
                     FROM trial_amendment a JOIN trial t ON t.trial_id = a.trial_id
         ORDER BY 1, 2"
    )
}

async fn drawn(tx: &mut Tx, trial_id: &str) -> Result<Vec<Drawn>> {
    all!(
        tx,
        "SELECT municipality_id, segment_id, code, homes_observed, homes, baseline_observed, baseline_complied, stratum, arm, left_out
           FROM trial_segment WHERE trial_id = $1 ORDER BY municipality_id, segment_id",
        trial_id
    )
}

/// How a trial stands, as audit entries tell it: each of its texts, and its draw as a whole.
async fn standing(tx: &mut Tx, texts: &[&Text]) -> Result<BTreeMap<String, Standing>> {
    let mut standing = BTreeMap::new();
    for text in texts {
        let fields = Fields::of("trial")
            .text(Some(&text.trial_id))
            .number(Some(i64::from(text.number)))
            .text(Some(&text.protocol))
            .text(Some(&text.protocol_sha256))
            .number(Some(text.seed))
            .at(text.frozen_at);
        let place = match text.number {
            0 => format!("trial {}, protocol", text.trial_id),
            n => format!("trial {}, amendment {n}", text.trial_id),
        };
        standing.insert(format!("protocol/{}/{}", text.trial_id, text.number), Standing { place, state: audit::state(tx, &fields)? });
    }
    let trials: BTreeSet<&str> = texts.iter().map(|text| text.trial_id.as_str()).collect();
    for trial_id in trials {
        let rows = drawn(tx, trial_id).await?;
        let assigned_at = texts.iter().find(|text| text.trial_id == trial_id && text.number == 0).and_then(|text| text.assigned_at);
        if rows.is_empty() && assigned_at.is_none() {
            continue;
        }
        let mut fields = Fields::of("trial_segment").text(Some(trial_id)).at(assigned_at);
        for row in rows {
            fields = fields
                .number(Some(i64::from(row.municipality_id.0)))
                .id(Some(row.segment_id.0))
                .text(row.code.as_deref())
                .number(row.homes_observed.map(i64::from))
                .number(Some(i64::from(row.homes)))
                .number(Some(i64::from(row.baseline_observed)))
                .number(Some(i64::from(row.baseline_complied)))
                .text(row.stratum.as_deref())
                .text(row.arm.as_deref())
                .text(row.left_out.as_deref());
        }
        let homes: Vec<(MunicipalityId, HouseholdId, SegmentId)> = all!(
            tx,
            "SELECT municipality_id, household_id, segment_id FROM trial_home WHERE trial_id = $1 ORDER BY municipality_id, household_id",
            trial_id
        )?;
        for (municipality, home, segment) in homes {
            fields = fields.number(Some(i64::from(municipality.0))).id(Some(home.0)).id(Some(segment.0));
        }
        let place = format!("trial {trial_id}, draw");
        standing.insert(format!("draw/{trial_id}"), Standing { place, state: audit::state(tx, &fields)? });
    }
    Ok(standing)
}

/// The detail of an entry about this trial, which also says how the trial stands now.
pub async fn leaving(tx: &mut Tx, trial_id: &str, detail: Value) -> Result<Value> {
    let texts = texts(tx).await?;
    let own: Vec<&Text> = texts.iter().filter(|text| text.trial_id == trial_id).collect();
    let standing = standing(tx, &own).await?;
    Ok(audit::leaving(detail, standing.into_iter().map(|(row, standing)| (row, standing.state))))
}

/// One line for each text or draw that is not what was recorded, or that does not follow from its protocol.
pub async fn verify(tx: &mut Tx, walked: &Walked) -> Result<Vec<String>> {
    let texts = texts(tx).await?;
    let standing = standing(tx, &texts.iter().collect::<Vec<_>>()).await?;
    let mut lines = walked.differing("protocol", &of_kind(&standing, "protocol/"));
    lines.extend(walked.differing("draw", &of_kind(&standing, "draw/")));
    let mut altered = BTreeSet::new();
    for text in texts.iter().filter(|text| Protocol::sha256(&text.protocol) != text.protocol_sha256) {
        let (id, number) = (&text.trial_id, text.number);
        lines.push(format!("trial {id}, text {number}: the stored protocol does not give its own hash {}; {REMEDY}", text.protocol_sha256));
        altered.insert(id);
    }
    for text in texts.iter().filter(|text| text.number == 0 && text.assigned_at.is_some() && !altered.contains(&text.trial_id)) {
        lines.extend(draw_again(tx, &text.trial_id).await?);
    }
    Ok(lines)
}

fn of_kind(standing: &BTreeMap<String, Standing>, kind: &str) -> BTreeMap<String, Standing> {
    let of = standing.iter().filter(|(row, _)| row.starts_with(kind));
    of.map(|(row, standing)| (row.clone(), Standing { place: standing.place.clone(), state: standing.state.clone() })).collect()
}

/// The arms that protocol, seed and stored baseline give, beside those that stand.
async fn draw_again(tx: &mut Tx, trial_id: &str) -> Result<Vec<String>> {
    let rows = drawn(tx, trial_id).await?;
    let trial = match find(tx, trial_id).await {
        Ok(trial) => trial,
        Err(error) if error.kind == crate::error::Kind::Refused => return Ok(error.lines),
        Err(error) => return Err(error),
    };
    let assessed = rows.iter().map(|row| Assessed {
        homes_observed: row.homes_observed.unwrap_or_default(),
        segment: TrialSegment {
            municipality_id: row.municipality_id,
            segment_id: row.segment_id,
            code: row.code.clone().unwrap_or_default(),
            homes: row.homes,
            baseline_observed: row.baseline_observed,
            baseline_complied: row.baseline_complied,
            stratum: None,
            block: None,
            arm: None,
            left_out: None,
        },
    });
    let Some(again) = draw(&trial.protocol, assessed.collect(), trial.left_over) else {
        return Ok(vec![format!("trial {trial_id}: protocol, seed and baseline give no draw that is balanced enough; {REMEDY}")]);
    };
    let again: BTreeMap<(MunicipalityId, SegmentId), TrialSegment> =
        again.into_iter().map(|segment| ((segment.municipality_id, segment.segment_id), segment)).collect();
    let say = |arm: &Option<String>, left_out: &Option<String>| match (arm, left_out) {
        (Some(arm), _) => format!("in arm {arm}"),
        (None, Some(reason)) => format!("left out ({reason})"),
        (None, None) => "nowhere".to_owned(),
    };
    let mut lines = Vec::new();
    for row in &rows {
        let Some(drawn) = again.get(&(row.municipality_id, row.segment_id)) else { continue };
        if (&drawn.arm, &drawn.stratum, &drawn.left_out) != (&row.arm, &row.stratum, &row.left_out) {
            let code = row.code.as_deref().unwrap_or_default();
            let (is, should) = (say(&row.arm, &row.left_out), say(&drawn.arm, &drawn.left_out));
            lines.push(format!(
                "trial {trial_id}, segment {}/{code}: it stands {is}, stratum {}, and protocol, seed and baseline give it {should}, stratum {}; {REMEDY}",
                row.municipality_id,
                row.stratum.as_deref().unwrap_or("none"),
                drawn.stratum.as_deref().unwrap_or("none")
            ));
        }
    }
    Ok(lines)
}
