//! Writes a plan: the rows of each table together, in the order of its key. The writer is held briefly: what is said of many new people is
//! written ahead, where nobody sees it, and their files last, all at once.

use super::consent::{Consent, Given, How, TEXT_VERSION};
use super::enrolment::{Reason, Status};
use super::import::Summary;
use super::list::Noted;
use super::person::{self, Language};
use super::plan::{NewConsent, NewEnrolment, NewMember, Plan, counts};
use super::{STREAM, candidate, likeness};
use crate::account::audit;
use crate::db::{Db, Tx};
use crate::error::Result;
use crate::id::{Mint, MunicipalityId, PersonId};
use crate::{all, bulk, run};
use chrono::{DateTime, Duration, NaiveDate, Utc};
use serde_json::json;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Instant;
use uuid::Uuid;

/// From so many new people on, what is said of them is written ahead.
pub(super) const MANY: usize = 500;
/// Rows of one transaction ahead: some ten milliseconds, which a phone does not notice.
const SHORT: usize = 4_000;
/// So many people of whom a file tells something have an entry each; more share entries.
const ONE_BY_ONE: usize = 500;
/// After this long an import on its way is one that was killed.
const LOST: Duration = Duration::minutes(10);

/// What was written ahead of the files of new people, by the name of the import.
#[derive(Clone, Copy)]
pub(super) struct Ahead(Uuid);

impl Ahead {
    /// Whether all of it still stands; another import takes out what seems lost.
    pub(super) async fn stands(self, tx: &mut Tx, municipality: MunicipalityId) -> Result<bool> {
        Ok(run!(tx, "DELETE FROM import_under_way WHERE municipality_id = $1 AND import_id = $2", municipality, self.0)? == 1)
    }
}

/// The municipalities in which an import was killed, and none is on its way: its rows belong to nobody.
pub async fn killed(tx: &mut Tx, now: DateTime<Utc>) -> Result<Vec<MunicipalityId>> {
    let found: Vec<(MunicipalityId,)> = all!(
        tx,
        "SELECT municipality_id FROM import_under_way GROUP BY municipality_id HAVING MAX(begun_at) <= $1 ORDER BY municipality_id",
        now - LOST
    )?;
    Ok(found.into_iter().map(|(municipality,)| municipality).collect())
}

/// Takes out what killed imports left of people whose files never came.
pub async fn take_out(tx: &mut Tx, municipality: MunicipalityId) -> Result<()> {
    run!(tx, "DELETE FROM import_under_way WHERE municipality_id = $1", municipality)?;
    macro_rules! clear {
        ($($table:literal),+) => { $( run!(
            tx,
            concat!("DELETE FROM ", $table, " WHERE municipality_id = $1 AND person_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM person p WHERE p.municipality_id = $1 AND p.person_id = ", $table, ".person_id)"),
            municipality
        )?; )+ };
    }
    clear!(
        "person_word",
        "person_source",
        "household_member",
        "consent",
        "waste_enrolment",
        "finance_enrolment",
        "school_enrolment",
        "gender_enrolment"
    );
    Ok(())
}

/// Notes an import that writes ahead, after what killed ones left is out.
async fn begin(tx: &mut Tx, municipality: MunicipalityId, id: Uuid, now: DateTime<Utc>) -> Result<()> {
    if killed(tx, now).await?.contains(&municipality) {
        take_out(tx, municipality).await?;
    }
    run!(tx, "INSERT INTO import_under_way (municipality_id, import_id, begun_at) VALUES ($1, $2, $3)", municipality, id, now)?;
    Ok(())
}

/// Writes what is said of new people, portion by portion; nobody sees it before their files are there.
pub(super) async fn write_ahead(
    db: &Db,
    municipality: MunicipalityId,
    plan: &Plan<'_>,
    mint: &mut Mint,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<Ahead> {
    let id: Uuid = mint.id(now);
    let mut tx = db.write().await?;
    begin(&mut tx, municipality, id, now).await?;
    tx.commit().await?;
    let (ahead, _) = Rows::of(plan);
    macro_rules! portions {
        ($rows:expr, $put:expr) => {
            for portion in $rows.chunks(SHORT) {
                let from = Instant::now();
                let mut tx = db.write().await?;
                #[allow(clippy::redundant_closure_call)]
                ($put)(&mut tx, portion).await?;
                tx.commit().await?;
                if db.is_sqlite() {
                    // Whoever waits for the one writer asks now and then, and must find it free.
                    tokio::time::sleep(from.elapsed().min(std::time::Duration::from_millis(50)) / 2).await;
                }
            }
        };
    }
    portions!(person::words(&plan.people), async |tx: &mut Tx, rows| person::store_words(tx, rows).await);
    portions!(ahead.noted, async |tx: &mut Tx, rows| noted(tx, municipality, rows).await);
    portions!(ahead.members, async |tx: &mut Tx, rows| members(tx, municipality, rows, actor, now).await);
    portions!(ahead.consents, async |tx: &mut Tx, rows| consents(tx, municipality, rows, actor, now).await);
    portions!(ahead.enrolments, async |tx: &mut Tx, rows| enrolments(tx, municipality, rows, actor, now).await);
    Ok(Ahead(id))
}

type Member<'p> = (&'p NewMember, Option<NaiveDate>);

/// Rows that nobody sees before the file of their person is there, in the order of their keys.
struct Rows<'p> {
    noted: Vec<&'p Noted>,
    members: Vec<Member<'p>>,
    consents: Vec<&'p NewConsent>,
    enrolments: Vec<&'p NewEnrolment<'p>>,
}

impl<'p> Rows<'p> {
    /// Those of new people, and those that are seen at once.
    fn of(plan: &'p Plan<'_>) -> (Rows<'p>, Rows<'p>) {
        let new: HashSet<PersonId> = plan.people.iter().map(|row| row.key().1).collect();
        // Somebody may move twice in one file: a home that a later row leaves again has its last day too.
        let mut ends: HashMap<PersonId, NaiveDate> = HashMap::new();
        let mut members: Vec<Member<'p>> = plan.members.iter().rev().map(|row| (row, ends.insert(row.person, row.from))).collect();
        members.sort_unstable_by_key(|(row, _)| (row.person, row.from));
        let mut noted: Vec<&'p Noted> = plan.noted.iter().collect();
        noted.sort_unstable_by_key(|row| row.row);
        let (new_noted, noted) = noted.into_iter().partition(|row| new.contains(&row.person));
        let (new_members, members) = members.into_iter().partition(|(row, _)| new.contains(&row.person));
        let (new_consents, consents) = plan.consents.iter().partition(|row| row.person.is_some_and(|person| new.contains(&person)));
        let (new_enrolments, enrolments) = plan.enrolments.iter().partition(|row| new.contains(&row.person));
        (
            Rows { noted: new_noted, members: new_members, consents: new_consents, enrolments: new_enrolments },
            Rows { noted, members, consents, enrolments },
        )
    }
}

/// A plan with what the writer would otherwise work out while others wait.
pub(super) struct Ready<'p> {
    pub(super) plan: Plan<'p>,
    /// What goes on record.
    entries: Vec<Told>,
}

impl<'p> Ready<'p> {
    /// A file (`source`: the hash of its bytes) is one entry of the audit chain; what a form changed is one entry a change.
    pub(super) fn of(
        tx: &Tx,
        municipality: MunicipalityId,
        mut plan: Plan<'p>,
        source: Option<&str>,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<Ready<'p>> {
        let given = given(tx, municipality, &plan.consents, actor, now)?;
        plan.people.sort_unstable_by_key(|row| row.key());
        let entries = entries(municipality, &plan, given, source);
        Ok(Ready { plan, entries })
    }
}

/// Writes all of it, or what is left when the rest was written ahead.
pub(super) async fn write(
    tx: &mut Tx,
    municipality: MunicipalityId,
    Ready { plan, entries }: Ready<'_>,
    ahead: Option<Ahead>,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<Summary> {
    if ahead.is_none() {
        person::store_words(tx, &person::words(&plan.people)).await?;
    }
    person::store_files(tx, &plan.people, actor).await?;
    candidate::tell(tx, municipality, &plan.news).await?;
    for (person, from) in &plan.left {
        run!(
            tx,
            "UPDATE household_member SET valid_to = $3 WHERE municipality_id = $1 AND person_id = $2 AND valid_to IS NULL",
            municipality,
            person,
            from
        )?;
    }
    for (person, relation) in &plan.relations {
        run!(
            tx,
            "UPDATE household_member SET relation = $3 WHERE municipality_id = $1 AND person_id = $2 AND valid_to IS NULL AND relation = 'unknown'",
            municipality,
            person,
            relation.name()
        )?;
    }
    ways(tx, municipality, &plan).await?;
    let (new, rest) = Rows::of(&plan);
    for rows in [Some(&rest), ahead.is_none().then_some(&new)].into_iter().flatten() {
        noted(tx, municipality, &rows.noted).await?;
        members(tx, municipality, &rows.members, actor, now).await?;
        consents(tx, municipality, &rows.consents, actor, now).await?;
        enrolments(tx, municipality, &rows.enrolments, actor, now).await?;
    }
    likeness::ask(tx, &plan.who.asked, actor, now).await?;
    likeness::heard(tx, &plan.who.recount, actor, now).await?;
    for settled in &plan.who.settled {
        likeness::say(tx, settled.of, settled.like, settled.answer, actor, now).await?;
    }
    for told in entries {
        let entry = audit::Entry { stream: STREAM, actor, action: told.action, target: &told.target, detail: told.detail };
        audit::record(tx, municipality, now, entry).await?;
    }
    Ok(plan.summary)
}

async fn noted(tx: &mut Tx, municipality: MunicipalityId, rows: &[&Noted]) -> Result<()> {
    bulk!(
        tx,
        "INSERT INTO person_source (municipality_id, row_hash, list_id, occurrence, person_id, waits)",
        rows,
        |row| [municipality, row.row, row.list, row.occurrence, row.person, row.waits],
        "ON CONFLICT (municipality_id, row_hash, list_id, occurrence) DO UPDATE SET person_id = EXCLUDED.person_id, waits = EXCLUDED.waits"
    )?;
    Ok(())
}

async fn members(tx: &mut Tx, municipality: MunicipalityId, rows: &[Member<'_>], actor: &str, now: DateTime<Utc>) -> Result<()> {
    bulk!(
        tx,
        "INSERT INTO household_member (municipality_id, person_id, valid_from, valid_to, home_municipality_id, household_id, relation, recorded_by, recorded_at)",
        rows,
        |row| [municipality, row.0.person, row.0.from, row.1, municipality, row.0.home, row.0.relation.name(), actor, now],
        ""
    )?;
    Ok(())
}

async fn consents(tx: &mut Tx, municipality: MunicipalityId, rows: &[&NewConsent], actor: &str, now: DateTime<Utc>) -> Result<()> {
    bulk!(
        tx,
        "INSERT INTO consent (municipality_id, consent_id, person_id, household_id, purpose, channel, given_on, given_how, text_version, language, by_guardian, withdrawn_at, withdrawn_how, recorded_by, recorded_at)",
        rows,
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
    Ok(())
}

/// Contacts are a home's, and seen at once: they come with the files.
async fn ways(tx: &mut Tx, municipality: MunicipalityId, plan: &Plan<'_>) -> Result<()> {
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

async fn enrolments(tx: &mut Tx, municipality: MunicipalityId, rows: &[&NewEnrolment<'_>], actor: &str, now: DateTime<Utc>) -> Result<()> {
    let of = |name: &str| rows.iter().copied().filter(|row| row.module.name == name).collect::<Vec<&NewEnrolment<'_>>>();
    let reason = |row: &NewEnrolment<'_>| (row.status == Status::Enrolled).then_some(Reason::Started.name());
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

/// How consents stand that a plan gives.
fn given(tx: &Tx, municipality: MunicipalityId, rows: &[NewConsent], actor: &str, now: DateTime<Utc>) -> Result<Vec<(String, String)>> {
    let row = |row: &NewConsent| Given {
        municipality_id: municipality,
        person_id: row.person,
        household_id: row.home,
        terms: Consent {
            consent_id: row.id,
            purpose: row.purpose.name().into(),
            channel: None,
            given_on: row.on,
            given_how: How::PaperForm.name().into(),
            text_version: TEXT_VERSION.into(),
            language: row.language.name().into(),
            by_guardian: row.by_guardian,
            withdrawn_at: None,
            withdrawn_how: None,
        },
        recorded_by: actor.to_owned(),
        recorded_at: now,
    };
    rows.iter().map(|consent| row(consent).state(tx)).collect()
}

/// What goes on record; `given`: how the plan's consents stand, in their order.
fn entries(municipality: MunicipalityId, plan: &Plan<'_>, mut given: Vec<(String, String)>, source: Option<&str>) -> Vec<Told> {
    let mut told: Vec<Told> = Vec::new();
    let mut tell = |action, target: String, detail| told.push(Told { action, target, detail });
    for (row, person) in &plan.who.taken {
        tell("row.taken", person.to_string(), json!({"row": row, "file": source}));
    }
    if plan.news.len() <= ONE_BY_ONE {
        for news in &plan.news {
            tell("person.told", news.person.to_string(), json!({"told": news.told, "file": source}));
        }
    } else {
        for some in plan.news.chunks(ONE_BY_ONE) {
            let people: BTreeMap<String, &[&str]> = some.iter().map(|news| (news.person.to_string(), news.told.as_slice())).collect();
            tell("people.told", municipality.to_string(), json!({"people": people, "file": source}));
        }
    }
    if source.is_some() {
        let mut detail = json!(counts(plan));
        detail["file"] = json!(source);
        tell("file.imported", municipality.to_string(), detail);
        while !given.is_empty() {
            let some = given.split_off(given.len().saturating_sub(ONE_BY_ONE));
            tell("consents.given", municipality.to_string(), audit::leaving(json!({"consents": some.len(), "file": source}), some));
        }
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
        for (row, state) in plan.consents.iter().zip(given) {
            let target = row.person.map(|id| id.to_string()).or(row.home.map(|id| id.to_string())).unwrap_or_default();
            let (purpose, how) = (row.purpose.name(), How::PaperForm.name());
            let detail = json!({"consent": row.id, "purpose": purpose, "on": row.on, "how": how, "by_guardian": row.by_guardian});
            tell("consent.given", target, audit::leaving(detail, [state]));
        }
    }
    told
}
