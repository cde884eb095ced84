//! What stands about the people and homes that the rows of a file or a form speak of.

use crate::among;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{ContactId, HouseholdId, MunicipalityId, PersonId, SegmentId};
use crate::registry::consent::Purpose;
use crate::registry::contact::Channel;
use crate::registry::entry::Entry;
use crate::registry::identify::People;
use crate::registry::membership::Relation;
use crate::seal::{Lookup, short};
use crate::territory::code::code_on;
use crate::territory::dated::in_force;
use crate::territory::household;
use chrono::NaiveDate;
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};

pub(super) struct Present {
    pub home: HouseholdId,
    pub from: NaiveDate,
    pub relation: Relation,
}

/// A contact that holds, on record or of an earlier row.
pub(super) struct Way {
    pub id: ContactId,
    pub person: Option<PersonId>,
    pub channel: Option<Channel>,
    pub number: Option<i64>,
    /// Its place among the plan's new ones.
    pub new: Option<usize>,
}

/// What stands about the people and homes of the rows.
#[derive(Default)]
pub(super) struct Standing<'a> {
    pub homes: HashMap<String, HouseholdId>,
    pub present: HashMap<PersonId, Present>,
    pub ways: HashMap<HouseholdId, Vec<Way>>,
    pub home_consents: HashSet<(HouseholdId, &'static str)>,
    pub consents: HashSet<(PersonId, &'static str)>,
    pub enrolments: HashMap<(PersonId, &'static str), Vec<Cow<'a, [String; 3]>>>,
    /// Homes where a number stands.
    pub numbers: HashMap<i64, Vec<HouseholdId>>,
    pub segments: HashMap<HouseholdId, SegmentId>,
    pub codes: HashMap<HouseholdId, String>,
}

/// The homes that the rows name, by the code as it is written there: any code of a home, in any spelling.
pub(super) async fn homes(tx: &mut Tx, municipality: MunicipalityId, entries: &[(u64, Entry)]) -> Result<HashMap<String, HouseholdId>> {
    let written: BTreeSet<&str> = entries.iter().map(|(_, entry)| entry.household.as_str()).filter(|code| !code.is_empty()).collect();
    let found = household::named(tx, municipality, &written).await?;
    Ok(found.into_iter().map(|(written, (home, _))| (written, home)).collect())
}

impl Standing<'_> {
    pub async fn look_up(
        &mut self,
        tx: &mut Tx,
        municipality: MunicipalityId,
        lookup: &Lookup,
        entries: &[(u64, Entry)],
        who: &People,
        today: NaiveDate,
    ) -> Result<()> {
        let known: BTreeSet<PersonId> =
            who.of_row.iter().map(|place| &who.all[*place]).filter(|someone| someone.row.is_none()).map(|someone| someone.key.1).collect();
        let known: Vec<PersonId> = known.into_iter().collect();
        let homes: BTreeSet<HouseholdId> = entries.iter().filter_map(|(_, entry)| self.homes.get(&entry.household)).copied().collect();
        let mut homes: Vec<HouseholdId> = homes.into_iter().collect();
        let present: Vec<(PersonId, HouseholdId, NaiveDate, String)> = among!(
            tx,
            "WITH asked (municipality_id, person_id) AS (",
            known,
            |person| [municipality, *person],
            ") SELECT m.person_id, m.household_id, m.valid_from, m.relation FROM asked CROSS JOIN household_member m
               WHERE m.municipality_id = asked.municipality_id AND m.person_id = asked.person_id AND m.valid_to IS NULL"
        )?;
        let lives = |(person, home, from, relation): (PersonId, HouseholdId, NaiveDate, String)| {
            (person, Present { home, from, relation: Relation::parse(&relation).unwrap_or(Relation::Unknown) })
        };
        self.present = present.into_iter().map(lives).collect();
        macro_rules! given {
            ($of:literal, $keys:expr) => {{
                let given = among!(
                    tx,
                    concat!("WITH asked (municipality_id, ", $of, ") AS ("),
                    $keys,
                    |key| [municipality, *key],
                    concat!(
                        ") SELECT c.",
                        $of,
                        ", c.purpose FROM asked CROSS JOIN consent c WHERE c.municipality_id = asked.municipality_id AND c.",
                        $of,
                        " = asked.",
                        $of,
                        " AND c.withdrawn_at IS NULL"
                    )
                )?;
                let read = |(key, purpose): (_, String)| Some((key, Purpose::parse(&purpose)?.name()));
                given.into_iter().filter_map(read).collect()
            }};
        }
        self.consents = given!("person_id", known);
        self.home_consents = given!("household_id", homes);
        macro_rules! enrolled {
            ($module:expr, $table:literal, $a:literal, $b:literal, $c:literal) => {
                let found: Vec<(PersonId, String, String, String)> = among!(
                    tx,
                    "WITH asked (municipality_id, person_id) AS (",
                    known,
                    |person| [municipality, *person],
                    concat!(
                        ") SELECT e.person_id, ",
                        $a,
                        ", ",
                        $b,
                        ", ",
                        $c,
                        " FROM asked CROSS JOIN ",
                        $table,
                        " e WHERE e.municipality_id = asked.municipality_id AND e.person_id = asked.person_id"
                    )
                )?;
                for (person, a, b, c) in found {
                    self.enrolments.entry((person, $module)).or_default().push(Cow::Owned([a, b, c]));
                }
            };
        }
        enrolled!("waste", "waste_enrolment", "e.service", "''", "''");
        enrolled!("finance", "finance_enrolment", "e.service", "e.partner", "''");
        enrolled!("school", "school_enrolment", "e.school", "e.grade", "CAST(e.school_year AS TEXT)");
        enrolled!("gender", "gender_enrolment", "e.activity", "''", "''");
        type Held = (HouseholdId, ContactId, Option<PersonId>, String, Option<String>);
        let held: Vec<Held> = among!(
            tx,
            "WITH asked (municipality_id, household_id) AS (",
            homes,
            |home| [municipality, *home],
            ") SELECT c.household_id, c.contact_id, c.person_id, c.channel, c.address_hash FROM asked CROSS JOIN contact c
               WHERE c.municipality_id = asked.municipality_id AND c.household_id = asked.household_id AND c.valid_to IS NULL"
        )?;
        for (home, id, person, channel, hash) in held {
            self.ways.entry(home).or_default().push(Way {
                id,
                person,
                channel: Channel::parse(&channel),
                number: hash.as_deref().map(short),
                new: None,
            });
        }
        let numbers: BTreeSet<String> = entries.iter().filter_map(|(_, entry)| entry.phone.as_deref()).map(|phone| lookup.of(phone)).collect();
        let numbers: Vec<String> = numbers.into_iter().collect();
        let shared: Vec<(String, HouseholdId)> = among!(
            tx,
            "WITH asked (municipality_id, address_hash) AS (",
            numbers,
            |number| [municipality, number.as_str()],
            ") SELECT c.address_hash, c.household_id FROM asked CROSS JOIN contact c
               WHERE c.municipality_id = asked.municipality_id AND c.address_hash = asked.address_hash AND c.valid_to IS NULL"
        )?;
        for (hash, home) in shared {
            homes.push(home);
            self.numbers.entry(short(&hash)).or_default().push(home);
        }
        homes.sort_unstable();
        homes.dedup();
        // Two homes of one segment are of one arm; those of two may not be.
        let placed: Vec<(HouseholdId, String, Option<SegmentId>)> = among!(
            tx,
            "WITH asked (municipality_id, household_id, today) AS (",
            homes,
            |home| [municipality, *home, today],
            concat!(
                ") SELECT h.household_id, ",
                code_on!("household", "h", "asked.today"),
                ", v.segment_id FROM asked CROSS JOIN household h
                   LEFT JOIN household_version v ON v.municipality_id = h.municipality_id AND v.household_id = h.household_id AND ",
                in_force!("v", "asked.today"),
                " WHERE h.municipality_id = asked.municipality_id AND h.household_id = asked.household_id"
            )
        )?;
        for (home, code, segment) in placed {
            self.codes.insert(home, code);
            self.segments.extend(segment.map(|segment| (home, segment)));
        }
        Ok(())
    }
}
