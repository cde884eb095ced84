//! People are found, contacted and counted only as they agreed; and nothing of theirs leaves sealed columns.

use crate::ground::Ground;
use crate::on_both_engines;
use chrono::{DateTime, Days, NaiveDate, Utc};
use vecino::clock::local_day;
use vecino::db::Tx;
use vecino::id::{HouseholdId, Mint, MunicipalityId, PersonId};
use vecino::registry::consent::{How, NewConsent, Subject};
use vecino::registry::contact::NewContact;
use vecino::registry::cui::Cui;
use vecino::registry::enrolment::{self, Proposal, Reason, Status};
use vecino::registry::membership::{self, Move, Relation};
use vecino::registry::person::{self, Birth, Language, Majority, MigrationStatus, NewPerson, Sex};
use vecino::registry::{Channel, Contact, Purpose, consent, contact, may_contact, may_contact_all, open_address, practice};
use vecino::seal::Keys;
use vecino::territory::dated::Span;
use vecino::territory::household::{self, Household};
use vecino::{account, all, one, run};

pub const PLACE: MunicipalityId = MunicipalityId(1202);
pub const OTHER: MunicipalityId = MunicipalityId(114);

pub fn now() -> DateTime<Utc> {
    "2026-11-23T16:00:00Z".parse().unwrap()
}

pub fn keys() -> Keys {
    Keys::from_root([9; 32])
}

/// Two pilots and some homes; every tenth is not subscribed.
pub async fn town(tx: &mut Tx, homes: u32) -> Vec<HouseholdId> {
    let mut made = Vec::new();
    for (place, code, name, letters) in [(PLACE, "1202", "San Pedro Sacatepéquez", "SP"), (OTHER, "0114", "Amatitlán", "AM")] {
        run!(tx, "INSERT INTO municipality (municipality_id, code, name, department, pilot, sender, collection_model, approximate, geometry, properties) VALUES ($1, $2, $3, '', TRUE, NULL, NULL, TRUE, NULL, $4)",
            place, code, name, serde_json::json!({})).unwrap();
        let ground = Ground::since(place, chrono::NaiveDate::from_ymd_opt(2020, 1, 1).unwrap());
        for n in 0..homes {
            let home = HouseholdId(uuid::Uuid::from_u64_pair(0x7000 + place.0 as u64, 0x8000_0000_0000_0000 + u64::from(n)));
            let status = if n % 10 == 9 { "not_subscribed" } else { "served" };
            let facts = Household { service_status: status.into(), ..ground.home(0, home, &format!("{letters}-{n:04}-X"), None) };
            household::name(tx, &[&facts]).await.unwrap();
            household::add(tx, &mut Mint::system(), chrono::DateTime::UNIX_EPOCH, &[(Span { from: ground.from, to: None }, facts)]).await.unwrap();
            made.push(home);
        }
    }
    made
}

pub fn somebody(given: &str, surnames: &str) -> NewPerson {
    let birth = Birth::read("14/03/1988", local_day(now())).unwrap();
    NewPerson {
        given_names: given.into(),
        surnames: surnames.into(),
        cui: None,
        sex: Sex::Female,
        birth,
        language: Language::Mam,
        migration_status: MigrationStatus::Host,
    }
}

pub async fn registered(tx: &mut Tx, mint: &mut Mint, place: MunicipalityId, person: &NewPerson) -> PersonId {
    let id = mint.id(now());
    person::register(tx, &keys(), place, id, person, "registrar", now()).await.unwrap();
    id
}

fn agreed(purpose: Purpose, on: NaiveDate) -> NewConsent {
    NewConsent { purpose, channel: None, given_on: on, how: How::Visit, language: "es", by_guardian: false }
}

fn by_sms(home: HouseholdId, number: &str, from: NaiveDate) -> NewContact {
    NewContact {
        household: home,
        person: None,
        channel: Channel::Sms,
        address: Some(contact::phone(number).unwrap()),
        language: "mam",
        spanish_allowed: true,
        from,
    }
}

#[tokio::test]
async fn a_search_needs_no_accents_no_apostrophes_and_no_particles() {
    on_both_engines!(db => {
        let (mut tx, mut mint) = (db.write().await.unwrap(), Mint::system());
        town(&mut tx, 1).await;
        let today = local_day(now());
        let id = registered(&mut tx, &mut mint, PLACE, &somebody("María del Carmen", "Ak'abal Núñez")).await;
        registered(&mut tx, &mut mint, PLACE, &somebody("Carmen", "López")).await;
        for typed in ["akabal", "Ak’abal", "AKꞌABAL maria", "nunez", "del carmen akabal", "ak'abal carmen núñez"] {
            let found = person::search(&mut tx, &keys(), PLACE, typed, today).await.unwrap();
            assert_eq!(found.iter().map(|p| p.id).collect::<Vec<_>>(), [id], "{typed}");
        }
        assert!(person::search(&mut tx, &keys(), PLACE, "akabal lopez", today).await.unwrap().is_empty());
        assert!(person::search(&mut tx, &keys(), PLACE, "  ", today).await.unwrap().is_empty());
        assert!(person::search(&mut tx, &keys(), OTHER, "akabal", today).await.unwrap().is_empty(), "another municipality's people are not found here");
        assert_eq!(person::search(&mut tx, &keys(), PLACE, "carmen", today).await.unwrap().len(), 2);
    });
}

#[tokio::test]
async fn a_doubtful_cui_is_kept_with_a_warning_and_two_people_may_carry_it() {
    on_both_engines!(db => {
        let (mut tx, mut mint) = (db.write().await.unwrap(), Mint::system());
        town(&mut tx, 1).await;
        let cui = Cui::read("1234 56780 0101").unwrap();
        let with = NewPerson { cui: Some(cui.clone()), ..somebody("Ana", "Tzoc") };
        let first = registered(&mut tx, &mut mint, PLACE, &with).await;
        registered(&mut tx, &mut mint, PLACE, &NewPerson { given_names: "Rosa".into(), ..with }).await;
        let file = person::find(&mut tx, &keys(), PLACE, first).await.unwrap();
        assert_eq!((file.cui.as_deref(), file.cui_warning.as_deref()), (Some("1234567800101"), Some("check_digit")));
        assert_eq!(person::search(&mut tx, &keys(), PLACE, "1234567800101", local_day(now())).await.unwrap().len(), 2);
        assert_eq!(person::find(&mut tx, &keys(), OTHER, first).await.unwrap_err().code, "person-unknown");
    });
}

#[tokio::test]
async fn a_move_ends_the_old_home_and_starts_the_new_one() {
    on_both_engines!(db => {
        let (mut tx, mut mint) = (db.write().await.unwrap(), Mint::system());
        let homes = town(&mut tx, 2).await;
        let id = registered(&mut tx, &mut mint, PLACE, &somebody("Ana", "Tzoc")).await;
        let today = local_day(now());
        let to = |home: usize, relation, from| Move { home_municipality: if home < 2 { PLACE } else { OTHER }, household: homes[home], relation, from };
        assert!(membership::move_to(&mut tx, PLACE, id, to(0, Relation::Head, today - Days::new(30)), "r", now()).await.unwrap());
        assert!(!membership::move_to(&mut tx, PLACE, id, to(0, Relation::Head, today), "r", now()).await.unwrap(), "the same again changes nothing");
        assert_eq!(membership::move_to(&mut tx, PLACE, id, to(2, Relation::Head, today - Days::new(40)), "r", now()).await.unwrap_err().code, "membership-order");
        assert!(membership::move_to(&mut tx, PLACE, id, to(2, Relation::Partner, today), "r", now()).await.unwrap());
        let known = membership::of_person(&mut tx, PLACE, id).await.unwrap();
        assert_eq!(known.iter().map(|m| (m.household_id, m.valid_to)).collect::<Vec<_>>(), [(homes[2], None), (homes[0], Some(today))]);
        assert_eq!(membership::residents(&mut tx, OTHER, homes[2], today).await.unwrap(), [(PLACE, id)], "the key municipality never changes");
        assert!(membership::residents(&mut tx, PLACE, homes[0], today).await.unwrap().is_empty());
        assert_eq!(membership::residents(&mut tx, PLACE, homes[0], today - Days::new(1)).await.unwrap().len(), 1);
    });
}

#[tokio::test]
async fn a_home_is_contacted_only_with_a_consent_that_holds_and_a_way_it_covers() {
    on_both_engines!(db => {
        let (mut tx, mut mint) = (db.write().await.unwrap(), Mint::system());
        let homes = town(&mut tx, 10).await;
        let (home, today) = (homes[0], local_day(now()));
        let ask = async |tx: &mut Tx, on| may_contact(tx, PLACE, home, Purpose::Messages, on).await.unwrap();
        assert_eq!(ask(&mut tx, today).await, Contact::MayNot { reason: "no-consent" });
        let given = today - Days::new(20);
        let give = async |tx: &mut Tx, mint: &mut Mint, purpose| consent::give(tx, mint, PLACE, Subject::Home(home), Majority::Adult, &agreed(purpose, given), "r", now()).await.unwrap();
        assert!(give(&mut tx, &mut mint, Purpose::Research).await);
        assert_eq!(ask(&mut tx, today).await, Contact::MayNot { reason: "no-consent" }, "a consent is for its purpose only");
        assert!(give(&mut tx, &mut mint, Purpose::Messages).await);
        assert!(!give(&mut tx, &mut mint, Purpose::Messages).await, "a second one is not opened while the first holds");
        assert_eq!(ask(&mut tx, today).await, Contact::MayNot { reason: "no-contact" });
        assert!(contact::add(&mut tx, &keys(), &mut mint, PLACE, &by_sms(home, "0000 1234", today - Days::new(9)), "r", now()).await.unwrap());
        assert!(!contact::add(&mut tx, &keys(), &mut mint, PLACE, &by_sms(home, "0000-1234", today), "r", now()).await.unwrap());
        let Contact::May { contact: way, channel, language, spanish_allowed } = ask(&mut tx, today).await else { panic!("may be contacted") };
        assert_eq!((channel, language.as_str(), spanish_allowed), (Channel::Sms, "mam", true));
        assert_eq!(open_address(&mut tx, &keys(), PLACE, way).await.unwrap(), "+50200001234");
        assert_eq!(contact::of_home(&mut tx, &keys(), PLACE, home).await.unwrap()[0].ending.as_deref(), Some("•• 34"));
        assert_eq!(ask(&mut tx, today - Days::new(10)).await, Contact::MayNot { reason: "no-contact" }, "the number was not known then");
        assert_eq!(ask(&mut tx, given - Days::new(1)).await, Contact::MayNot { reason: "no-consent" }, "the consent was not given then");

        let all_homes = may_contact_all(&mut tx, PLACE, Purpose::Messages, today).await.unwrap();
        assert_eq!(all_homes.len(), 9, "served homes only");
        for (id, answer) in &all_homes {
            assert_eq!(may_contact(&mut tx, PLACE, *id, Purpose::Messages, today).await.unwrap(), *answer);
        }
        assert_eq!(may_contact(&mut tx, PLACE, homes[9], Purpose::Messages, today).await.unwrap(), Contact::MayNot { reason: "not-served" });

        let row = consent::of_home(&mut tx, PLACE, home).await.unwrap().into_iter().find(|c| c.purpose == "messages").unwrap();
        consent::withdraw(&mut tx, PLACE, Subject::Home(home), row.consent_id, How::Reply, "r", now()).await.unwrap();
        assert_eq!(ask(&mut tx, today).await, Contact::MayNot { reason: "consent-withdrawn" }, "at once");
        assert_eq!(may_contact_all(&mut tx, PLACE, Purpose::Messages, today).await.unwrap()[&home], Contact::MayNot { reason: "consent-withdrawn" });
        assert!(matches!(ask(&mut tx, today - Days::new(1)).await, Contact::May { .. }), "yesterday it held");
        assert_eq!(consent::withdraw(&mut tx, PLACE, Subject::Home(home), row.consent_id, How::Reply, "r", now()).await.unwrap_err().code, "consent-withdrawn");
        assert_eq!(consent::withdraw(&mut tx, PLACE, Subject::Home(homes[1]), row.consent_id, How::Reply, "r", now()).await.unwrap_err().code, "consent-unknown");
        assert!(give(&mut tx, &mut mint, Purpose::Messages).await, "a new consent opens another row");
        assert!(matches!(ask(&mut tx, today).await, Contact::May { .. }));
        assert!(account::audit::verify(&mut tx).await.unwrap().is_empty());
    });
}

#[tokio::test]
async fn a_minor_agrees_through_a_guardian() {
    on_both_engines!(db => {
        let (mut tx, mut mint) = (db.write().await.unwrap(), Mint::system());
        town(&mut tx, 1).await;
        let today = local_day(now());
        let child = NewPerson { birth: Birth::read("01/02/2013", today).unwrap(), ..somebody("Luis", "Ixcoy") };
        let id = registered(&mut tx, &mut mint, PLACE, &child).await;
        let minor = child.birth.majority_on(today);
        let refused = consent::give(&mut tx, &mut mint, PLACE, Subject::Person(id), minor, &agreed(Purpose::School, today), "r", now()).await;
        assert_eq!(refused.unwrap_err().code, "consent-guardian");
        let by_guardian = NewConsent { by_guardian: true, ..agreed(Purpose::School, today) };
        assert!(consent::give(&mut tx, &mut mint, PLACE, Subject::Person(id), minor, &by_guardian, "r", now()).await.unwrap());
        let tomorrow = agreed(Purpose::Gender, today + Days::new(1));
        assert_eq!(consent::give(&mut tx, &mut mint, PLACE, Subject::Person(id), Majority::Adult, &tomorrow, "r", now()).await.unwrap_err().code, "consent-day");
    });
}

fn actor(role: account::Role, municipality: Option<MunicipalityId>) -> account::Actor {
    account::Actor { role, name: role.name().into(), account: None, municipality, operator: None, device: None }
}

#[tokio::test]
async fn an_enrolment_moves_only_along_its_steps_and_each_step_is_on_record() {
    on_both_engines!(db => {
        let (mut tx, mut mint) = (db.write().await.unwrap(), Mint::system());
        town(&mut tx, 1).await;
        let today = local_day(now());
        let id = registered(&mut tx, &mut mint, PLACE, &somebody("Ana", "Tzoc")).await;
        let finance = enrolment::module("finance").unwrap();
        let officer = actor(account::Role::Finance, Some(PLACE));
        let new = |service: &str, partner: &str| Proposal { person: id, majority: Majority::Adult, details: [service.into(), partner.into(), String::new()], from: today - Days::new(30) };
        let odd = enrolment::propose(&mut tx, &mut mint, finance, PLACE, &new("advice", "Bank of nowhere"), "r", now()).await;
        assert_eq!(odd.unwrap_err().code, "enrolment-detail");
        let row = enrolment::propose(&mut tx, &mut mint, finance, PLACE, &new("advice", "Banrural"), "r", now()).await.unwrap().unwrap();
        assert!(enrolment::propose(&mut tx, &mut mint, finance, PLACE, &new("advice", "Banrural"), "r", now()).await.unwrap().is_none(), "the same again changes nothing");
        let step = async |tx: &mut Tx, to, reason, on| enrolment::change(tx, finance, PLACE, row, to, reason, on, &officer, now()).await.map_err(|e| e.code);
        assert_eq!(step(&mut tx, Status::Enrolled, Reason::Started, today - Days::new(20)).await, Err("enrolment-consent"));
        consent::give(&mut tx, &mut mint, PLACE, Subject::Person(id), Majority::Adult, &agreed(Purpose::Finance, today), "r", now()).await.unwrap();
        assert_eq!(step(&mut tx, Status::Paused, Reason::Work, today).await, Err("enrolment-step"));
        assert_eq!(step(&mut tx, Status::Exited, Reason::Finished, today).await, Err("enrolment-step"));
        assert_eq!(step(&mut tx, Status::Enrolled, Reason::Finished, today).await, Err("enrolment-reason"));
        assert_eq!(step(&mut tx, Status::Enrolled, Reason::Started, today + Days::new(1)).await, Err("enrolment-day"));
        assert_eq!(step(&mut tx, Status::Enrolled, Reason::Started, today - Days::new(20)).await, Ok(()));
        assert_eq!(step(&mut tx, Status::Enrolled, Reason::Started, today).await, Err("enrolment-step"));
        assert_eq!(step(&mut tx, Status::Paused, Reason::Work, today - Days::new(10)).await, Ok(()));
        assert_eq!(step(&mut tx, Status::Enrolled, Reason::Resumed, today - Days::new(9)).await, Ok(()));
        assert_eq!(step(&mut tx, Status::Exited, Reason::Finished, today - Days::new(5)).await, Ok(()));
        assert_eq!(step(&mut tx, Status::Enrolled, Reason::Returned, today - Days::new(6)).await, Err("enrolment-day"), "not before the exit");
        assert_eq!(step(&mut tx, Status::Enrolled, Reason::Returned, today).await, Ok(()));
        let (steps,): (i64,) = one!(tx, "SELECT COUNT(*) FROM audit_entry WHERE target = $1 AND action = 'enrolment.changed'", row.to_string()).unwrap();
        assert_eq!(steps, 6);
        let now_row = &enrolment::of_person(&mut tx, finance, PLACE, id).await.unwrap()[0];
        assert_eq!((now_row.status(), now_row.started_on, now_row.ended_on), (Status::Enrolled, today - Days::new(20), None));
    });
}

#[tokio::test]
async fn a_module_sees_only_its_own_municipality_and_its_own_name_for_a_person() {
    on_both_engines!(db => {
        let (mut tx, mut mint) = (db.write().await.unwrap(), Mint::system());
        town(&mut tx, 1).await;
        let id = registered(&mut tx, &mut mint, PLACE, &somebody("Ana", "Tzoc")).await;
        for module in enrolment::ALL {
            for role in account::Role::ALL {
                let see = enrolment::page(&mut tx, module, &actor(role, Some(PLACE)), PLACE, None, None, 10).await;
                assert_eq!(see.is_ok(), role == module.role || role == account::Role::Registrar, "{role} in {}", module.name);
                let elsewhere = enrolment::page(&mut tx, module, &actor(role, Some(OTHER)), PLACE, None, None, 10).await;
                assert_eq!(elsewhere.unwrap_err().kind, vecino::error::Kind::NotFound);
            }
        }
        let mut names: Vec<String> = enrolment::ALL.iter().map(|module| module.pseudonym(&keys(), id)).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 4, "no module can join on another's name for a person");
    });
}

#[tokio::test]
async fn the_same_seed_makes_the_same_practice_people() {
    let mut prints = Vec::new();
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        town(&mut tx, 120).await;
        practice::populate(&mut tx, &keys(), &mut Mint::seeded(5, "registry"), 5, now()).await.unwrap();
        let rows: Vec<(PersonId, String, Option<String>)> = all!(tx, "SELECT person_id, surnames_sealed, cui_sealed FROM person ORDER BY person_id").unwrap();
        assert!(rows.len() > 300);
        prints.push(format!("{rows:?}"));
        let today = local_day(now());
        for place in [PLACE, OTHER] {
            let answers = may_contact_all(&mut tx, place, Purpose::Messages, today).await.unwrap();
            let may: Vec<_> = answers.values().filter_map(|a| match a { Contact::May { channel, .. } => Some(*channel), _ => None }).collect();
            assert!(may.len() * 100 > answers.len() * 85 && may.len() < answers.len(), "{} of {}", may.len(), answers.len());
            assert!(may.contains(&Channel::Paper) && may.contains(&Channel::Sms));
            for answer in answers.values() {
                if let Contact::May { contact, channel, .. } = answer && *channel != Channel::Paper {
                    assert!(open_address(&mut tx, &keys(), place, *contact).await.unwrap().starts_with("+5020"));
                    break;
                }
            }
        }
        let people: Vec<(PersonId,)> = all!(tx, "SELECT person_id FROM person WHERE municipality_id = $1 AND cui_sealed IS NOT NULL ORDER BY person_id LIMIT 40", PLACE).unwrap();
        for (id,) in people {
            let file = person::find(&mut tx, &keys(), PLACE, id).await.unwrap();
            assert_eq!(&file.cui.unwrap()[9..11], "99", "no real department");
        }
    });
    prints.dedup();
    assert_eq!(prints.len(), 1, "both engines hold the same people");
}
