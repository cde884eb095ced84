//! One mechanism for four modules: an enrolment is a small state machine, and every change keeps its reason, day and actor.
//!
//! candidate → enrolled ⇄ paused → exited → enrolled again. Each module has its own table and its own pseudonym of a person, and
//! sees nothing of the others.

use super::birth::Majority;
use super::consent::Purpose;
use super::{STREAM, choice};
use crate::account::{Actor, Role, audit};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{EnrolmentId, Mint, MunicipalityId, PersonId};
use crate::seal::Keys;
use crate::{all, one, opt, run};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::json;

choice!(Status { Candidate = "candidate", Enrolled = "enrolled", Paused = "paused", Exited = "exited" });
choice!(
    /// Words for why, never free text: a reason must not carry a story about a person into the audit chain.
    Reason {
        Started = "started", Resumed = "resumed", Returned = "returned", Absent = "absent", Illness = "illness", Work = "work", Season = "season",
        Finished = "finished", MovedAway = "moved_away", OwnWish = "own_wish", NotEligible = "not_eligible", ConsentWithdrawn = "consent_withdrawn",
    }
);

impl Status {
    /// Where an enrolment may go from here.
    pub fn next(self) -> &'static [Status] {
        match self {
            Status::Candidate => &[Status::Enrolled],
            Status::Enrolled => &[Status::Paused, Status::Exited],
            Status::Paused => &[Status::Enrolled, Status::Exited],
            Status::Exited => &[Status::Enrolled],
        }
    }

    /// The reasons that may be given for coming from `before` to this.
    pub fn reasons(self, before: Status) -> &'static [Reason] {
        match (before, self) {
            (Status::Candidate, Status::Enrolled) => &[Reason::Started],
            (Status::Paused, Status::Enrolled) => &[Reason::Resumed],
            (Status::Exited, Status::Enrolled) => &[Reason::Returned],
            (_, Status::Paused) => &[Reason::Absent, Reason::Illness, Reason::Work, Reason::Season, Reason::OwnWish],
            (_, Status::Exited) => {
                &[Reason::Finished, Reason::MovedAway, Reason::Work, Reason::OwnWish, Reason::NotEligible, Reason::ConsentWithdrawn]
            }
            _ => &[],
        }
    }
}

/// One of a module's own facts about an enrolment: a closed list, or a short text.
pub struct Detail {
    pub name: &'static str,
    pub choices: &'static [&'static str],
}

/// A module's statements, each one text for both engines, made from its table by [`statements!`].
pub struct Statements {
    pub page: &'static str,
    pub find: &'static str,
    pub of_person: &'static str,
    pub insert: &'static str,
    pub change: &'static str,
    pub counts: &'static str,
    pub waiting: &'static str,
}

pub struct Module {
    pub name: &'static str,
    /// The consent an enrolment stands on; waste service is the municipality's duty and needs none.
    pub purpose: Option<Purpose>,
    pub details: &'static [Detail],
    pub sql: Statements,
    /// Who works with this module's enrolments, beside the registrar.
    pub role: Role,
    /// Whether that role sees the names of people enrolled here.
    pub names: bool,
    /// A rule of the module's own about its details; answers an error code's problem.
    pub check: fn(details: &[String; 3], majority: Majority) -> Result<()>,
}

/// Rows of people who have no file yet are an import's on its way (see `write`): whatever lists or counts asks for the file.
/// `statements!("finance_enrolment": "service", "partner", "''"; columns "service, partner", values "$8, $9")`: the three details are
/// read as texts a, b, c. Parameters 8 to 10 are the details.
macro_rules! statements {
    ($table:literal : $a:literal, $b:literal, $c:literal; columns $columns:literal, values $values:literal) => {
        $crate::registry::enrolment::Statements {
            page: concat!(
                "SELECT enrolment_id, person_id, status, status_reason, started_on, ended_on, ",
                $a,
                " AS a, ",
                $b,
                " AS b, ",
                $c,
                " AS c FROM ",
                $table,
                " WHERE municipality_id = $1 AND enrolment_id > $2 AND ($3 = '' OR status = $3)",
                " AND EXISTS (SELECT 1 FROM person p WHERE p.municipality_id = ",
                $table,
                ".municipality_id AND p.person_id = ",
                $table,
                ".person_id) ORDER BY enrolment_id LIMIT $4"
            ),
            find: concat!(
                "SELECT enrolment_id, person_id, status, status_reason, started_on, ended_on, ",
                $a,
                " AS a, ",
                $b,
                " AS b, ",
                $c,
                " AS c FROM ",
                $table,
                " WHERE municipality_id = $1 AND enrolment_id = $2",
                " AND EXISTS (SELECT 1 FROM person p WHERE p.municipality_id = ",
                $table,
                ".municipality_id AND p.person_id = ",
                $table,
                ".person_id)"
            ),
            of_person: concat!(
                "SELECT enrolment_id, person_id, status, status_reason, started_on, ended_on, ",
                $a,
                " AS a, ",
                $b,
                " AS b, ",
                $c,
                " AS c FROM ",
                $table,
                " WHERE municipality_id = $1 AND person_id = $2 ORDER BY started_on, enrolment_id"
            ),
            insert: concat!(
                "INSERT INTO ",
                $table,
                " (municipality_id, enrolment_id, person_id, status, status_reason, started_on, ended_on, ",
                $columns,
                ", recorded_by, recorded_at) VALUES ($1, $2, $3, $4, NULL, $5, NULL, ",
                $values,
                ", $6, $7)"
            ),
            change: concat!(
                "UPDATE ",
                $table,
                " SET status = $3, status_reason = $4, started_on = $5, ended_on = $6, recorded_by = $7, recorded_at = $8",
                " WHERE municipality_id = $1 AND enrolment_id = $2 AND status = $9"
            ),
            counts: concat!(
                "SELECT COUNT(CASE WHEN status = 'candidate' THEN 1 END), COUNT(CASE WHEN status = 'enrolled' THEN 1 END),
                        COUNT(CASE WHEN status = 'paused' THEN 1 END), COUNT(CASE WHEN status = 'exited' THEN 1 END) FROM ",
                $table,
                " WHERE municipality_id = $1",
                // Without an import on its way everybody has a file.
                " AND (NOT EXISTS (SELECT 1 FROM import_under_way i WHERE i.municipality_id = $1) OR EXISTS (SELECT 1 FROM person p WHERE p.municipality_id = ",
                $table,
                ".municipality_id AND p.person_id = ",
                $table,
                ".person_id))"
            ),
            waiting: concat!(
                "SELECT COUNT(*) FROM ",
                $table,
                " WHERE municipality_id = $1 AND status = 'candidate' AND EXISTS (SELECT 1 FROM person p WHERE p.municipality_id = ",
                $table,
                ".municipality_id AND p.person_id = ",
                $table,
                ".person_id)"
            ),
        }
    };
}
pub(crate) use statements;

pub const ALL: [&Module; 4] = [&super::waste::MODULE, &super::finance::MODULE, &super::school::MODULE, &super::gender::MODULE];

pub fn module(name: &str) -> Option<&'static Module> {
    ALL.into_iter().find(|module| module.name == name)
}

#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Enrolment {
    pub enrolment_id: EnrolmentId,
    /// Only the registry may turn this into a name; a module shows [`Module::pseudonym`].
    pub(crate) person_id: PersonId,
    pub status: String,
    pub status_reason: Option<String>,
    pub started_on: NaiveDate,
    pub ended_on: Option<NaiveDate>,
    a: String,
    b: String,
    c: String,
}

impl Enrolment {
    pub fn status(&self) -> Status {
        Status::parse(&self.status).unwrap_or(Status::Candidate)
    }

    /// The module's own facts, in the order of [`Module::details`].
    pub fn details(&self) -> [&str; 3] {
        [&self.a, &self.b, &self.c]
    }
}

impl Module {
    /// May this actor work here? Their municipality is checked apart.
    pub fn admits(&self, actor: &Actor) -> bool {
        actor.role == self.role || actor.role == Role::Registrar
    }

    fn admit(&self, actor: &Actor, municipality: MunicipalityId) -> Result<()> {
        if self.admits(actor) && actor.reaches(municipality) { Ok(()) } else { Err(self.unknown()) }
    }

    /// What this module calls a person; no other module's name for them can be joined to it.
    pub fn pseudonym(&self, keys: &Keys, person: PersonId) -> String {
        let text = keys.pseudonym(self.name, person.0).to_uppercase();
        format!("{}-{}", &text[..4], &text[4..8])
    }

    /// Whether these details may be proposed for somebody of this age.
    pub(crate) fn admits_details(&self, details: &[String; 3], majority: Majority) -> Result<()> {
        for (detail, value) in self.details.iter().zip(details) {
            let fits = match detail.choices {
                [] => !value.trim().is_empty() && value.chars().count() <= 40,
                choices => choices.contains(&value.as_str()),
            };
            if !fits {
                return Err(Error::refused("enrolment-detail", format!("{} {}: choose one of the listed values", self.name, detail.name))
                    .with("module", self.name)
                    .with("detail", detail.name));
            }
        }
        (self.check)(details, majority)
    }

    fn unknown(&self) -> Error {
        Error::not_found("enrolment-unknown", "there is no such enrolment in this module; look at its list again")
    }
}

/// Up to `limit` enrolments after a cursor, and the cursor of the next page.
pub async fn page(
    tx: &mut Tx,
    module: &Module,
    actor: &Actor,
    municipality: MunicipalityId,
    status: Option<Status>,
    after: Option<EnrolmentId>,
    limit: usize,
) -> Result<(Vec<Enrolment>, Option<EnrolmentId>)> {
    module.admit(actor, municipality)?;
    let after = after.unwrap_or(EnrolmentId(uuid::Uuid::nil()));
    let mut rows: Vec<Enrolment> = all!(tx, module.sql.page, municipality, after, status.map_or("", Status::name), limit as i64 + 1)?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|row| row.enrolment_id);
    Ok((rows, next))
}

/// How many enrolments stand at each status.
pub async fn counts(tx: &mut Tx, module: &Module, municipality: MunicipalityId) -> Result<Vec<(Status, i64)>> {
    let (candidates, enrolled, paused, exited): (i64, i64, i64, i64) = one!(tx, module.sql.counts, municipality)?;
    Ok(vec![(Status::Candidate, candidates), (Status::Enrolled, enrolled), (Status::Paused, paused), (Status::Exited, exited)])
}

/// How many candidates wait in a module.
pub async fn waiting(tx: &mut Tx, module: &Module, municipality: MunicipalityId) -> Result<i64> {
    let (n,): (i64,) = one!(tx, module.sql.waiting, municipality)?;
    Ok(n)
}

/// A person's enrolments in one module: for the registrar's file of that person.
pub async fn of_person(tx: &mut Tx, module: &Module, municipality: MunicipalityId, person: PersonId) -> Result<Vec<Enrolment>> {
    all!(tx, module.sql.of_person, municipality, person)
}

pub struct Proposal {
    pub person: PersonId,
    pub majority: Majority,
    pub details: [String; 3],
    pub from: NaiveDate,
}

/// Proposes somebody for a module, as a candidate. The same person with the same details again changes nothing.
pub async fn propose(
    tx: &mut Tx,
    mint: &mut Mint,
    module: &Module,
    municipality: MunicipalityId,
    new: &Proposal,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<Option<EnrolmentId>> {
    module.admits_details(&new.details, new.majority)?;
    let known = of_person(tx, module, municipality, new.person).await?;
    if known.iter().any(|old| old.details() == [new.details[0].as_str(), new.details[1].as_str(), new.details[2].as_str()]) {
        return Ok(None);
    }
    let id: EnrolmentId = mint.id(now);
    let detail = |index: usize| new.details[index].as_str();
    match module.details.len() {
        1 => run!(tx, module.sql.insert, municipality, id, new.person, Status::Candidate.name(), new.from, actor, now, detail(0))?,
        2 => run!(tx, module.sql.insert, municipality, id, new.person, Status::Candidate.name(), new.from, actor, now, detail(0), detail(1))?,
        _ => run!(
            tx,
            module.sql.insert,
            municipality,
            id,
            new.person,
            Status::Candidate.name(),
            new.from,
            actor,
            now,
            detail(0),
            detail(1),
            detail(2)
        )?,
    };
    record(tx, municipality, module, id, None, Status::Candidate, None, new.from, actor, now).await?;
    Ok(Some(id))
}

/// Moves an enrolment to another status, or refuses; two people changing the same one do not overwrite each other.
#[expect(clippy::too_many_arguments, reason = "what, to what, why, when, by whom")]
pub async fn change(
    tx: &mut Tx,
    module: &Module,
    municipality: MunicipalityId,
    id: EnrolmentId,
    to: Status,
    reason: Reason,
    on: NaiveDate,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<()> {
    module.admit(actor, municipality)?;
    let row: Option<Enrolment> = opt!(tx, module.sql.find, municipality, id)?;
    let row = row.ok_or_else(|| module.unknown())?;
    apply(tx, module, municipality, &row, to, reason, on, &actor.name, now).await
}

/// [`change`] for callers that hold the row and act for the registrar (import).
#[expect(clippy::too_many_arguments, reason = "what, to what, why, when, by whom")]
pub(crate) async fn apply(
    tx: &mut Tx,
    module: &Module,
    municipality: MunicipalityId,
    row: &Enrolment,
    to: Status,
    reason: Reason,
    on: NaiveDate,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    let before = row.status();
    let id = row.enrolment_id;
    if !before.next().contains(&to) {
        let line = format!("an enrolment that is {} cannot become {}; look at its present status", before.name(), to.name());
        return Err(Error::conflict("enrolment-step", line).with("from", before.name()).with("to", to.name()));
    }
    if !to.reasons(before).contains(&reason) {
        return Err(Error::refused("enrolment-reason", format!("«{}» is not a reason for this step; choose one of the list", reason.name())));
    }
    if on > crate::clock::local_day(now) || on < row.ended_on.unwrap_or(row.started_on) {
        let since = row.ended_on.unwrap_or(row.started_on);
        return Err(
            Error::refused("enrolment-day", format!("the day must lie between {since} and today")).with("since", crate::clock::show_day(since))
        );
    }
    if let (Status::Enrolled, Some(purpose)) = (to, module.purpose) {
        let (live,): (i64,) = one!(
            tx,
            "SELECT COUNT(*) FROM consent WHERE municipality_id = $1 AND person_id = $2 AND purpose = $3 AND withdrawn_at IS NULL",
            municipality,
            row.person_id,
            purpose.name()
        )?;
        if live == 0 {
            return Err(Error::refused("enrolment-consent", "this person has no consent for this purpose; ask the registrar to record it first"));
        }
    }
    let started = if before == Status::Candidate { on } else { row.started_on };
    let ended = (to == Status::Exited).then_some(on);
    let touched = run!(tx, module.sql.change, municipality, id, to.name(), reason.name(), started, ended, actor, now, before.name())?;
    if touched == 0 {
        return Err(Error::conflict("enrolment-step", "somebody else changed this enrolment meanwhile; look at it again"));
    }
    record(tx, municipality, module, id, Some(before), to, Some(reason), on, actor, now).await
}

#[expect(clippy::too_many_arguments, reason = "one argument per recorded fact")]
async fn record(
    tx: &mut Tx,
    municipality: MunicipalityId,
    module: &Module,
    id: EnrolmentId,
    before: Option<Status>,
    after: Status,
    reason: Option<Reason>,
    on: NaiveDate,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    let detail = json!({"module": module.name, "from": before.map(Status::name), "to": after.name(), "reason": reason.map(Reason::name), "on": on});
    let target = id.to_string();
    audit::record(tx, municipality, now, audit::Entry { stream: STREAM, actor, action: "enrolment.changed", target: &target, detail }).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_allowed_step_has_a_reason_and_no_other_step_has_one() {
        for before in Status::ALL {
            for after in Status::ALL {
                assert_eq!(before.next().contains(after), !after.reasons(*before).is_empty() && before.next().contains(after));
                if before.next().contains(after) {
                    assert!(!after.reasons(*before).is_empty(), "{before:?} → {after:?}");
                }
            }
        }
        assert!(!Status::Candidate.next().contains(&Status::Paused));
        assert!(!Status::Exited.next().contains(&Status::Paused));
    }
}
