//! Invented people for a practice town. Nobody real can be met by accident: every CUI carries department 99, which does not exist,
//! and every phone starts with +502 0, which is never assigned. The same seed makes the same people, sealed to the same bytes.

use super::contact::{Channel, address_lookup, seal_address};
use super::people::{Resident, chance, people, pick};
use super::person::{Language, Sealer, Sex, store};
use super::{STREAM, consent, finance, indicators, school};
use crate::account::audit;
use crate::clock::{at_local, local_day};
use crate::db::Tx;
use crate::error::Result;
use crate::id::{ConsentId, ContactId, EnrolmentId, HouseholdId, Mint, MunicipalityId, PersonId, seeded_random};
use crate::seal::Keys;
use crate::{all, bulk};
use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Utc};
use rand::RngExt;
use rand_chacha::ChaCha20Rng;
use serde_json::json;

const NO_PHONE: f64 = 0.15;
const CONSENT: f64 = 0.96;
const WITHDRAWN: f64 = 0.015;

#[derive(sqlx::FromRow)]
struct Home {
    municipality_id: MunicipalityId,
    household_id: HouseholdId,
    service_status: String,
}

struct Given {
    municipality: MunicipalityId,
    id: ConsentId,
    person: Option<PersonId>,
    home: Option<HouseholdId>,
    purpose: &'static str,
    on: NaiveDate,
    how: &'static str,
    language: &'static str,
    by_guardian: bool,
    withdrawn_at: Option<DateTime<Utc>>,
}

/// One enrolment of any module: three details as texts, as the module keeps them.
struct Enrolled {
    municipality: MunicipalityId,
    id: EnrolmentId,
    person: PersonId,
    status: &'static str,
    reason: Option<&'static str>,
    from: NaiveDate,
    to: Option<NaiveDate>,
    details: (&'static str, &'static str, i16),
}

/// Fills every home of the pilots: one to three recorded people, how the home is reached, what it agreed to, and modest enrolments.
pub async fn populate(tx: &mut Tx, keys: &Keys, mint: &mut Mint, seed: u64, now: DateTime<Utc>) -> Result<()> {
    let random = &mut seeded_random(seed, "registry people");
    let homes: Vec<Home> = all!(
        tx,
        "SELECT h.municipality_id, h.household_id, v.service_status FROM household h
         JOIN household_version v ON v.municipality_id = h.municipality_id AND v.household_id = h.household_id AND v.superseded_at IS NULL
         JOIN municipality m ON m.municipality_id = h.municipality_id WHERE m.pilot ORDER BY h.municipality_id, h.code"
    )?;
    indicators::ensure_targets(tx).await?;
    if homes.is_empty() {
        return Ok(());
    }
    // Before the messages of a trial in week 20 begin, and nearly all before its baseline ends.
    let recorded = now - chrono::Duration::days(186);
    let today = local_day(now);
    let (residents, languages) = people(random, mint, homes.len(), today, recorded);
    let sealer = Sealer::new(keys);
    let mut sealed = Vec::with_capacity(residents.len());
    for resident in &residents {
        sealed.push(sealer.seal(homes[resident.home].municipality_id, resident.id, &resident.person, recorded)?);
    }
    store(tx, &sealed, "practice").await?;
    let since = today - Days::new(186);
    bulk!(
        tx,
        "INSERT INTO household_member (municipality_id, person_id, valid_from, valid_to, home_municipality_id, household_id, relation, recorded_by, recorded_at)",
        residents,
        |row| [
            homes[row.home].municipality_id,
            row.id,
            since,
            None::<NaiveDate>,
            homes[row.home].municipality_id,
            homes[row.home].household_id,
            row.relation,
            "practice",
            recorded
        ],
        ""
    )?;
    contacts(tx, keys, random, mint, &homes, &languages, since, recorded).await?;
    let mut given = home_consents(random, mint, &homes, &languages, today, recorded);
    enrol(tx, random, mint, &homes, &residents, &mut given, today, recorded).await?;
    bulk!(
        tx,
        "INSERT INTO consent (municipality_id, consent_id, person_id, household_id, purpose, channel, given_on, given_how, text_version, language, by_guardian, withdrawn_at, withdrawn_how, recorded_by, recorded_at)",
        given,
        |row| [
            row.municipality,
            row.id,
            row.person,
            row.home,
            row.purpose,
            None::<&str>,
            row.on,
            row.how,
            consent::TEXT_VERSION,
            row.language,
            row.by_guardian,
            row.withdrawn_at,
            row.withdrawn_at.map(|_| "phone"),
            "practice",
            recorded
        ],
        ""
    )?;
    let mut pilots: Vec<MunicipalityId> = homes.iter().map(|home| home.municipality_id).collect();
    pilots.dedup();
    for municipality in pilots {
        let detail = json!({"people": residents.iter().filter(|resident| homes[resident.home].municipality_id == municipality).count()});
        let target = municipality.to_string();
        let entry = audit::Entry { stream: STREAM, actor: "practice", action: "practice.populated", target: &target, detail };
        audit::record(tx, municipality, now, entry).await?;
        let standing: Vec<(String, String)> =
            consent::standing(tx, municipality, None).await?.into_iter().map(|(row, standing)| (row, standing.state)).collect();
        for some in standing.chunks(250) {
            let detail = audit::leaving(json!({"consents": some.len()}), some.iter().cloned());
            let entry = audit::Entry { stream: STREAM, actor: "practice", action: "practice.consented", target: &target, detail };
            audit::record(tx, municipality, now, entry).await?;
        }
    }
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "the drawn town and its dates")]
async fn contacts(
    tx: &mut Tx,
    keys: &Keys,
    random: &mut ChaCha20Rng,
    mint: &mut Mint,
    homes: &[Home],
    languages: &[Language],
    since: NaiveDate,
    at: DateTime<Utc>,
) -> Result<()> {
    struct Row {
        municipality: MunicipalityId,
        id: ContactId,
        home: HouseholdId,
        channel: Channel,
        sealed: Option<(String, String)>,
        language: Language,
        spanish_allowed: bool,
    }
    let lookup = address_lookup(keys);
    let mut rows = Vec::with_capacity(homes.len());
    for (index, home) in homes.iter().enumerate() {
        let id: ContactId = mint.id(at);
        let channel = match () {
            _ if chance(random, NO_PHONE) => Channel::Paper,
            _ if chance(random, 0.2) => Channel::Whatsapp,
            _ => Channel::Sms,
        };
        // One number per home: +502 0000 and the home's own place in the list.
        let address = (channel != Channel::Paper).then(|| format!("+5020{index:07}"));
        let sealed = address.map(|address| seal_address(keys, &lookup, id, &address)).transpose()?;
        let spanish_allowed = languages[index] == Language::Spanish || chance(random, 0.8);
        rows.push(Row {
            municipality: home.municipality_id,
            id,
            home: home.household_id,
            channel,
            sealed,
            language: languages[index],
            spanish_allowed,
        });
    }
    bulk!(
        tx,
        "INSERT INTO contact (municipality_id, contact_id, household_id, person_id, channel, address_sealed, address_hash, language, spanish_allowed, valid_from, valid_to)",
        rows,
        |row| [
            row.municipality,
            row.id,
            row.home,
            None::<PersonId>,
            row.channel.name(),
            row.sealed.as_ref().map(|sealed| sealed.0.as_str()),
            row.sealed.as_ref().map(|sealed| sealed.1.as_str()),
            row.language.name(),
            row.spanish_allowed,
            since,
            None::<NaiveDate>
        ],
        ""
    )?;
    Ok(())
}

/// About 96 of 100 homes agree to messages; a few of them withdraw later.
fn home_consents(
    random: &mut ChaCha20Rng,
    mint: &mut Mint,
    homes: &[Home],
    languages: &[Language],
    today: NaiveDate,
    at: DateTime<Utc>,
) -> Vec<Given> {
    let mut given = Vec::new();
    for (home, language) in homes.iter().zip(languages) {
        if !chance(random, CONSENT) {
            continue;
        }
        let on = today - Days::new(random.random_range(140..186));
        let withdrawn = chance(random, WITHDRAWN)
            .then(|| at_local(today - Days::new(random.random_range(8..90)), random.random_range(8..19), random.random_range(0..60)));
        let how = if chance(random, 0.7) { "visit" } else { "paper_form" };
        for purpose in ["messages", "research"] {
            given.push(Given {
                municipality: home.municipality_id,
                id: mint.id(at),
                person: None,
                home: Some(home.household_id),
                purpose,
                on,
                how,
                language: language.name(),
                by_guardian: false,
                withdrawn_at: withdrawn.filter(|_| purpose == "messages"),
            });
        }
    }
    given
}

#[expect(clippy::too_many_arguments, reason = "the drawn town and its dates")]
async fn enrol(
    tx: &mut Tx,
    random: &mut ChaCha20Rng,
    mint: &mut Mint,
    homes: &[Home],
    residents: &[Resident],
    given: &mut Vec<Given>,
    today: NaiveDate,
    at: DateTime<Utc>,
) -> Result<()> {
    let (mut waste, mut money, mut pupils, mut gender, mut work) = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for resident in residents {
        let home = &homes[resident.home];
        let adult = resident.relation != "child";
        let young = resident.person.birth.age_on(today).is_some_and(|age| age < 30);
        let woman = resident.person.sex == Sex::Female;
        let enrolled = |random: &mut ChaCha20Rng, mint: &mut Mint, details: (&'static str, &'static str, i16)| {
            let drawn = today - Days::new(random.random_range(40..1_200));
            // Grown-ups signed for themselves, so not before they were grown up.
            let from = match resident.person.birth.between().and_then(|(_, latest)| latest.checked_add_months(Months::new(18 * 12))) {
                Some(grown) if adult => drawn.max(grown),
                _ => drawn,
            };
            let (status, reason, to) = match random.random_range(0..100) {
                0..3 => ("candidate", None, None),
                3..6 => ("paused", Some("work"), None),
                6..14 => ("exited", Some("finished"), Some(from + Days::new(random.random_range(20..39)))),
                _ => ("enrolled", Some("started"), None),
            };
            Enrolled { municipality: home.municipality_id, id: mint.id(at), person: resident.id, status, reason, from, to, details }
        };
        if home.service_status == "served" {
            let mut row = enrolled(random, mint, ("collection", "", 0));
            (row.status, row.reason, row.to) = ("enrolled", Some("started"), None);
            waste.push(row);
        }
        if adult && chance(random, if young { 0.40 } else { 0.18 }) {
            let service = pick(random, &["advice", "advice", "advice", "savings", "credit", "digital_wallet", "entrepreneurship"]);
            let partner = pick(random, finance::PARTNERS);
            money.push(enrolled(random, mint, (service, partner, 0)));
            if chance(random, 0.13) {
                let kind = if chance(random, 0.4) { "new_work" } else { "better_work" };
                let evidence = if chance(random, 0.5) { "contract" } else { "self_report_visit" };
                let outcome: uuid::Uuid = mint.id(at);
                work.push((home.municipality_id, outcome, resident.id, kind, today - Days::new(random.random_range(10..700)), evidence));
            }
        }
        if !adult && chance(random, 0.45) {
            let (school, grade) = (pick(random, school::SCHOOLS), pick(random, &["1", "2", "3"]));
            pupils.push(enrolled(random, mint, (school, grade, today.year() as i16)));
        }
        if adult && chance(random, if woman { 0.065 } else { 0.012 }) {
            let activity = if woman { pick(random, &["asset_building", "asset_building", "leadership", "dialogue"]) } else { "masculinities" };
            gender.push(enrolled(random, mint, (activity, "", 0)));
        }
    }
    for (purpose, rows) in [("finance", &money), ("school", &pupils), ("gender", &gender)] {
        for row in rows {
            // Candidates wait for theirs; and a few forms were lost, which the registrar's page tells.
            if row.status == "candidate" || chance(random, 0.01) {
                continue;
            }
            let how = pick(random, &["paper_form", "visit"]);
            given.push(Given {
                municipality: row.municipality,
                id: mint.id(at),
                person: Some(row.person),
                home: None,
                purpose,
                on: row.from,
                how,
                language: "es",
                by_guardian: purpose == "school",
                withdrawn_at: None,
            });
        }
    }
    bulk!(
        tx,
        "INSERT INTO waste_enrolment (municipality_id, enrolment_id, person_id, status, status_reason, started_on, ended_on, service, recorded_by, recorded_at)",
        waste,
        |row| [row.municipality, row.id, row.person, row.status, row.reason, row.from, row.to, row.details.0, "practice", at],
        ""
    )?;
    bulk!(
        tx,
        "INSERT INTO finance_enrolment (municipality_id, enrolment_id, person_id, status, status_reason, started_on, ended_on, service, partner, recorded_by, recorded_at)",
        money,
        |row| [row.municipality, row.id, row.person, row.status, row.reason, row.from, row.to, row.details.0, row.details.1, "practice", at],
        ""
    )?;
    bulk!(
        tx,
        "INSERT INTO school_enrolment (municipality_id, enrolment_id, person_id, status, status_reason, started_on, ended_on, school, grade, school_year, recorded_by, recorded_at)",
        pupils,
        |row| [
            row.municipality,
            row.id,
            row.person,
            row.status,
            row.reason,
            row.from,
            row.to,
            row.details.0,
            row.details.1,
            row.details.2,
            "practice",
            at
        ],
        ""
    )?;
    bulk!(
        tx,
        "INSERT INTO gender_enrolment (municipality_id, enrolment_id, person_id, status, status_reason, started_on, ended_on, activity, recorded_by, recorded_at)",
        gender,
        |row| [row.municipality, row.id, row.person, row.status, row.reason, row.from, row.to, row.details.0, "practice", at],
        ""
    )?;
    bulk!(
        tx,
        "INSERT INTO work_outcome (municipality_id, outcome_id, person_id, kind, happened_on, evidence, recorded_by, recorded_at)",
        work,
        |row| [row.0, row.1, row.2, row.3, row.4, row.5, "practice", at],
        ""
    )?;
    Ok(())
}
