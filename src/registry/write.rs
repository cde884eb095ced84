//! Writes a plan: the rows of each table together, in the order of its key, so that the writer is held as briefly as they take.

use super::STREAM;
use super::consent::{How, TEXT_VERSION};
use super::enrolment::{Reason, Status};
use super::import::Summary;
use super::likeness;
use super::person::{self, Language};
use super::plan::{NewEnrolment, Plan, counts};
use crate::account::audit;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{MunicipalityId, PersonId};
use crate::{bulk, run};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::json;

/// Writes all of it. A file (`source`: the hash of its bytes) is one entry of the audit chain; what a form changed is one entry a change.
pub(super) async fn write(
    tx: &mut Tx,
    municipality: MunicipalityId,
    mut plan: Plan,
    source: Option<&str>,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<Summary> {
    let entries = entries(municipality, &plan, source);
    plan.people.sort_unstable_by_key(|row| row.key());
    person::store(tx, &plan.people, actor).await?;
    for (id, birth) in &plan.births {
        run!(
            tx,
            "UPDATE person SET birth_date = $3, birth_precision = $4, birth_told_on = $5
             WHERE municipality_id = $1 AND person_id = $2 AND birth_precision = 'unknown'",
            municipality,
            id,
            birth.date,
            birth.precision.name(),
            birth.told_on
        )?;
    }
    homes(tx, municipality, &plan, actor, now).await?;
    bulk!(
        tx,
        "INSERT INTO consent (municipality_id, consent_id, person_id, household_id, purpose, channel, given_on, given_how, text_version, language, by_guardian, withdrawn_at, withdrawn_how, recorded_by, recorded_at)",
        plan.consents,
        |row| [
            municipality,
            row.id,
            row.person,
            row.home,
            row.purpose.name(),
            None::<&str>,
            row.on,
            How::PaperForm.name(),
            TEXT_VERSION,
            row.language.name(),
            row.by_guardian,
            None::<DateTime<Utc>>,
            None::<&str>,
            actor,
            now
        ],
        ""
    )?;
    enrolments(tx, municipality, &plan, actor, now).await?;
    if let Some(hash) = source {
        bulk!(
            tx,
            "INSERT INTO person_source (municipality_id, file_hash, row_number, person_id)",
            plan.sources,
            |row| [municipality, hash, row.0 as i64, row.1],
            "ON CONFLICT (municipality_id, file_hash, row_number) DO NOTHING"
        )?;
    }
    likeness::ask(tx, &plan.who.asked, actor, now).await?;
    for settled in &plan.who.settled {
        likeness::say(tx, settled.of, settled.like, settled.answer, actor, now).await?;
    }
    for told in entries {
        let entry = audit::Entry { stream: STREAM, actor, action: told.action, target: &told.target, detail: told.detail };
        audit::record(tx, municipality, now, entry).await?;
    }
    Ok(plan.summary)
}

async fn homes(tx: &mut Tx, municipality: MunicipalityId, plan: &Plan, actor: &str, now: DateTime<Utc>) -> Result<()> {
    for (person, from) in &plan.left {
        run!(
            tx,
            "UPDATE household_member SET valid_to = $3 WHERE municipality_id = $1 AND person_id = $2 AND valid_to IS NULL",
            municipality,
            person,
            from
        )?;
    }
    // Somebody may move twice in one file: a home that a later row leaves again has its last day too.
    let mut ends: std::collections::HashMap<PersonId, NaiveDate> = std::collections::HashMap::new();
    let mut members: Vec<(&super::plan::NewMember, Option<NaiveDate>)> = Vec::with_capacity(plan.members.len());
    for member in plan.members.iter().rev() {
        members.push((member, ends.insert(member.person, member.from)));
    }
    members.sort_unstable_by_key(|(row, _)| (row.person, row.from));
    bulk!(
        tx,
        "INSERT INTO household_member (municipality_id, person_id, valid_from, valid_to, home_municipality_id, household_id, relation, recorded_by, recorded_at)",
        members,
        |row| [municipality, row.0.person, row.0.from, row.1, municipality, row.0.home, row.0.relation.name(), actor, now],
        ""
    )?;
    for (contact, from) in &plan.ended {
        run!(tx, "UPDATE contact SET valid_to = $3 WHERE municipality_id = $1 AND contact_id = $2", municipality, contact, from)?;
    }
    bulk!(
        tx,
        "INSERT INTO contact (municipality_id, contact_id, household_id, person_id, channel, address_sealed, address_hash, language, spanish_allowed, valid_from, valid_to)",
        plan.ways,
        |row| [
            municipality,
            row.id,
            row.home,
            row.person,
            row.channel.name(),
            row.sealed.as_ref().map(|sealed| sealed.0.as_str()),
            row.sealed.as_ref().map(|sealed| sealed.1.as_str()),
            row.language.name(),
            row.language == Language::Spanish,
            row.from,
            None::<NaiveDate>
        ],
        ""
    )?;
    Ok(())
}

async fn enrolments(tx: &mut Tx, municipality: MunicipalityId, plan: &Plan, actor: &str, now: DateTime<Utc>) -> Result<()> {
    let of = |name: &str| plan.enrolments.iter().filter(|row| row.module.name == name).collect::<Vec<&NewEnrolment>>();
    let reason = |row: &NewEnrolment| (row.status == Status::Enrolled).then_some(Reason::Started.name());
    macro_rules! rows {
        ($module:literal, $insert:literal, |$row:ident| [$($detail:expr),+]) => {
            bulk!(
                tx,
                concat!($insert, ", recorded_by, recorded_at)"),
                of($module),
                |$row| [municipality, $row.id, $row.person, $row.status.name(), reason($row), $row.from, None::<NaiveDate>, $($detail,)+ actor, now],
                ""
            )?
        };
    }
    rows!(
        "waste",
        "INSERT INTO waste_enrolment (municipality_id, enrolment_id, person_id, status, status_reason, started_on, ended_on, service",
        |row| [row.details[0].as_str()]
    );
    rows!(
        "finance",
        "INSERT INTO finance_enrolment (municipality_id, enrolment_id, person_id, status, status_reason, started_on, ended_on, service, partner",
        |row| [row.details[0].as_str(), row.details[1].as_str()]
    );
    rows!(
        "school",
        "INSERT INTO school_enrolment (municipality_id, enrolment_id, person_id, status, status_reason, started_on, ended_on, school, grade, school_year",
        |row| [row.details[0].as_str(), row.details[1].as_str(), row.details[2].parse::<i16>().unwrap_or_default()]
    );
    rows!(
        "gender",
        "INSERT INTO gender_enrolment (municipality_id, enrolment_id, person_id, status, status_reason, started_on, ended_on, activity",
        |row| [row.details[0].as_str()]
    );
    Ok(())
}

struct Told {
    action: &'static str,
    target: String,
    detail: serde_json::Value,
}

/// What goes on record.
fn entries(municipality: MunicipalityId, plan: &Plan, source: Option<&str>) -> Vec<Told> {
    let mut told: Vec<Told> = Vec::new();
    let mut tell = |action, target: String, detail| told.push(Told { action, target, detail });
    for (row, person) in &plan.who.taken {
        tell("row.taken", person.to_string(), json!({"row": row, "file": source}));
    }
    for (person, birth) in &plan.births {
        tell("person.birth-told", person.to_string(), json!({"precision": birth.precision.name()}));
    }
    if source.is_some() {
        let mut detail = json!(counts(plan));
        detail["file"] = json!(source);
        tell("file.imported", municipality.to_string(), detail);
    } else {
        for person in &plan.people {
            tell("person.registered", person.key().1.to_string(), json!({"cui": person.has_cui(), "cui_warning": person.cui_warning()}));
        }
        for row in &plan.members {
            let home = municipality.to_string();
            let detail = json!({"home_municipality": home, "household": row.home, "relation": row.relation.name(), "from": row.from});
            tell("person.moved", row.person.to_string(), detail);
        }
        for row in &plan.ways {
            let detail = json!({"contact": row.id, "channel": row.channel.name(), "language": row.language.name(), "from": row.from});
            tell("contact.added", row.home.to_string(), detail);
        }
        for row in &plan.consents {
            let target = row.person.map(|id| id.to_string()).or(row.home.map(|id| id.to_string())).unwrap_or_default();
            let (purpose, how) = (row.purpose.name(), How::PaperForm.name());
            let detail = json!({"consent": row.id, "purpose": purpose, "on": row.on, "how": how, "by_guardian": row.by_guardian});
            tell("consent.given", target, detail);
        }
    }
    told
}
