//! A person's file as it is read: all that stands on its page, and the record that somebody opened it.

use super::consent::{self, Consent};
use super::contact::{self, Shown};
use super::enrolment::{self, Enrolment, Module};
use super::likeness::{self, Question};
use super::membership::{self, Membership};
use super::person::{self, Person};
use super::place::code_of;
use super::{Place, READS, STREAM};
use crate::account::{Actor, audit};
use crate::app::App;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{HouseholdId, MunicipalityId, PersonId};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

/// All that stands on the page.
pub(super) struct File {
    pub(super) place: Place,
    pub(super) person: Person,
    pub(super) homes: Vec<(Membership, String)>,
    /// The present home, with its contacts and consents.
    pub(super) home: Option<(MunicipalityId, HouseholdId, String)>,
    pub(super) contacts: Vec<Shown>,
    pub(super) home_consents: Vec<Consent>,
    pub(super) consents: Vec<Consent>,
    pub(super) enrolments: Vec<(&'static Module, Vec<Enrolment>)>,
    /// Who may be the same person, also when that was answered.
    pub(super) questions: Vec<Question>,
    pub(super) history: Vec<(DateTime<Utc>, String, String, Value)>,
}

async fn load(tx: &mut Tx, app: &App, place: Place, id: PersonId) -> Result<File> {
    let person = person::find(tx, &app.keys, place.0, id).await?;
    let mut homes = Vec::new();
    for row in membership::of_person(tx, place.0, id).await? {
        let code = code_of(tx, row.home_municipality_id, row.household_id, app.clock.today()).await?.unwrap_or_default();
        homes.push((row, code));
    }
    let home = homes.iter().find(|(row, _)| row.valid_to.is_none()).map(|(row, code)| (row.home_municipality_id, row.household_id, code.clone()));
    let (mut contacts, mut home_consents) = (Vec::new(), Vec::new());
    if let Some((municipality, home, _)) = &home {
        contacts = contact::of_home(tx, &app.keys, *municipality, *home).await?;
        home_consents = consent::of_home(tx, *municipality, *home).await?;
    }
    let consents = consent::of_person(tx, place.0, id).await?;
    let mut enrolments = Vec::new();
    for module in enrolment::ALL {
        enrolments.push((module, enrolment::of_person(tx, module, place.0, id).await?));
    }
    let mut history = Vec::new();
    let mut targets = vec![id.to_string()];
    targets.extend(enrolments.iter().flat_map(|(_, rows)| rows.iter().map(|row| row.enrolment_id.to_string())));
    targets.extend(home.iter().map(|(_, home, _)| home.to_string()));
    for target in targets {
        let rows: Vec<(DateTime<Utc>, String, String, Value)> = crate::all!(
            tx,
            "SELECT at, actor, action, detail FROM audit_entry WHERE municipality_id = $1 AND stream = $2 AND target = $3 ORDER BY sequence DESC LIMIT 30",
            place.0,
            STREAM,
            target
        )?;
        history.extend(rows);
    }
    // What a file brought is one entry of the chain, made at the moment that its rows carry.
    let mut moments: Vec<DateTime<Utc>> = vec![person.recorded_at];
    moments.extend(homes.iter().map(|(row, _)| row.recorded_at));
    moments.sort_unstable();
    moments.dedup();
    for at in moments {
        let rows: Vec<(DateTime<Utc>, String, String, Value)> = crate::all!(
            tx,
            "SELECT at, actor, action, detail FROM audit_entry WHERE municipality_id = $1 AND stream = $2 AND action = 'file.imported' AND at = $3",
            place.0,
            STREAM,
            at
        )?;
        history.extend(rows);
    }
    let questions = likeness::of_person(tx, place.0, id).await?;
    history.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.2.cmp(&b.2)));
    Ok(File { place, person, homes, home, contacts, home_consents, consents, enrolments, questions, history })
}

/// Reads a file, on record that this person read it. The one writer is asked for when the file is read.
pub(super) async fn opened(mut tx: Tx, app: &App, actor: &Actor, place: Place, id: PersonId) -> Result<File> {
    let file = load(&mut tx, app, place, id).await?;
    drop(tx);
    let mut tx = app.db.write().await?;
    let target = id.to_string();
    let entry = audit::Entry { stream: READS, actor: &actor.name, action: "file.opened", target: &target, detail: json!({}) };
    audit::record(&mut tx, file.place.0, app.clock.now(), entry).await?;
    tx.commit().await?;
    Ok(file)
}
