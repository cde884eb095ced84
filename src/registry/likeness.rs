//! Who may be whom: two records are never made one in silence. A likeness is a question, and the answer is a link that can be undone.
//!
//! The same: equal CUI with equal names, or equal names as written with an equal full birth date. Two CUIs are two people. A question: equal
//! CUI with other names or in another municipality, equal names and birth date in another municipality, or equal name words and nothing that
//! tells the two apart. A CUI, or names with a full birth date, are counted once until somebody says that they are two people's; likeness of
//! names alone counts as two until somebody says that they are one.

use super::person::{Key, Print};
use super::{STREAM, choice};
use crate::account::audit;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{MunicipalityId, PersonId};
use crate::{all, among, bulk, opt, run};
use chrono::{DateTime, Utc};
use serde_json::json;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

choice!(
    /// Why somebody is asked about; `same` is asked by a form alone, before it adds to a file on record, and never stored.
    Ground { Cui = "cui", Birth = "birth", Names = "names", Same = "same-person" }
);
choice!(
    /// What was said about two records.
    Answer { Open = "open", Same = "same", Distinct = "distinct" }
);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Same,
    Ask(Ground),
    Others,
}

/// Compares two records; `near` when both stand in one municipality, since names without a birth date are asked about only there.
pub(crate) fn judge(one: &Print, two: &Print, near: bool) -> Verdict {
    let (words, order) = (one.words == two.words, one.order == two.order);
    match (&one.cui, &two.cui) {
        (Some(one), Some(two)) if one == two => return if near && words { Verdict::Same } else { Verdict::Ask(Ground::Cui) },
        (Some(_), Some(_)) => return Verdict::Others,
        _ => {}
    }
    let born = one.birth.same_day(&two.birth);
    match () {
        _ if !words || !one.birth.fits(&two.birth) => Verdict::Others,
        _ if !near && born => Verdict::Ask(Ground::Birth),
        _ if !near => Verdict::Others,
        _ if order && born => Verdict::Same,
        _ => Verdict::Ask(Ground::Names),
    }
}

/// A question as it is stored: the later record, the one it is like, why, and what was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) of: Key,
    pub(crate) like: Key,
    pub(crate) ground: Ground,
    pub(crate) answer: Answer,
}

/// Stores questions, answered or open; one that stands already stays as it is.
pub(crate) async fn ask(tx: &mut Tx, asked: &[Asked], actor: &str, now: DateTime<Utc>) -> Result<()> {
    bulk!(
        tx,
        "INSERT INTO person_likeness (municipality_id, person_id, like_municipality_id, like_person_id, ground, answer, asked_at, answered_by, answered_at)",
        asked,
        |row| [
            row.of.0,
            row.of.1,
            row.like.0,
            row.like.1,
            row.ground.name(),
            row.answer.name(),
            now,
            (row.answer != Answer::Open).then_some(actor),
            (row.answer != Answer::Open).then_some(now)
        ],
        "ON CONFLICT (municipality_id, person_id, like_municipality_id, like_person_id) DO NOTHING"
    )?;
    Ok(())
}

/// Everybody else who holds this CUI is asked about, and counted with the new record.
pub(crate) async fn ask_holders(tx: &mut Tx, of: Key, cui: &str, now: DateTime<Utc>) -> Result<()> {
    let holders: Vec<Key> = all!(tx, "SELECT municipality_id, person_id FROM person WHERE cui_hash = $1 ORDER BY municipality_id, person_id", cui)?;
    let asked: Vec<Asked> =
        holders.into_iter().filter(|holder| *holder != of).map(|like| Asked { of, like, ground: Ground::Cui, answer: Answer::Open }).collect();
    if asked.is_empty() {
        return Ok(());
    }
    ask(tx, &asked, "", now).await?;
    recount(tx, of).await
}

/// The records that are one person with this one by what was said of the two, or not yet said of two with one CUI or one birth date.
async fn beside(tx: &mut Tx, (municipality, person): Key) -> Result<Vec<Key>> {
    all!(
        tx,
        "SELECT like_municipality_id, like_person_id FROM person_likeness
         WHERE municipality_id = $1 AND person_id = $2 AND (answer = 'same' OR (ground IN ('cui', 'birth') AND answer = 'open'))
         UNION SELECT municipality_id, person_id FROM person_likeness
         WHERE like_municipality_id = $1 AND like_person_id = $2 AND (answer = 'same' OR (ground IN ('cui', 'birth') AND answer = 'open'))",
        municipality,
        person
    )
}

/// The records that are one person with this one, as far as was said, this one among them.
async fn component(tx: &mut Tx, of: Key) -> Result<BTreeSet<Key>> {
    let (mut met, mut next) = (BTreeSet::from([of]), vec![of]);
    while let Some(at) = next.pop() {
        next.extend(beside(tx, at).await?.into_iter().filter(|key| met.insert(*key)));
    }
    Ok(met)
}

/// Counts every record of a person under the first of them.
pub(crate) async fn recount(tx: &mut Tx, of: Key) -> Result<()> {
    let records = component(tx, of).await?;
    let first = *records.first().unwrap_or(&of);
    for (municipality, person) in records {
        run!(
            tx,
            "UPDATE person SET counted_municipality_id = $3, counted_person_id = $4 WHERE municipality_id = $1 AND person_id = $2",
            municipality,
            person,
            first.0,
            first.1
        )?;
    }
    Ok(())
}

/// After a CUI or a birth date was told of records: what two CUIs answer is answered, and whoever is asked about is counted anew.
pub(crate) async fn heard(tx: &mut Tx, of: &[Key], actor: &str, now: DateTime<Utc>) -> Result<()> {
    let asked: Vec<Key> = among!(
        tx,
        "WITH asked (municipality_id, person_id) AS (",
        of,
        |of| [of.0, of.1],
        ") SELECT asked.municipality_id, asked.person_id FROM asked CROSS JOIN person_likeness l
            WHERE l.municipality_id = asked.municipality_id AND l.person_id = asked.person_id
           UNION SELECT asked.municipality_id, asked.person_id FROM asked CROSS JOIN person_likeness l
            WHERE l.like_municipality_id = asked.municipality_id AND l.like_person_id = asked.person_id"
    )?;
    for of in asked {
        for question in of_person(tx, of.0, of.1).await?.into_iter().filter(|question| question.answer == Answer::Open.name()) {
            let (one, two) = question.keys();
            let (one_cui, two_cui) = (cui_of(tx, one).await?, cui_of(tx, two).await?);
            if one_cui.is_some() && two_cui.is_some() && one_cui != two_cui {
                answer(tx, one, two, Answer::Distinct, actor, now).await?;
            }
        }
        recount(tx, of).await?;
    }
    Ok(())
}

async fn cui_of(tx: &mut Tx, of: Key) -> Result<Option<String>> {
    let row: Option<(Option<String>,)> = opt!(tx, "SELECT cui_hash FROM person WHERE municipality_id = $1 AND person_id = $2", of.0, of.1)?;
    Ok(row.and_then(|(cui,)| cui))
}

/// The records through which two that are said to be two people are still counted as one, both ends among them: nothing when they are two.
pub async fn joined(tx: &mut Tx, one: Key, two: Key) -> Result<Vec<Key>> {
    let mut from: BTreeMap<Key, Key> = BTreeMap::from([(one, one)]);
    let mut next = VecDeque::from([one]);
    while let Some(at) = next.pop_front() {
        for beside in beside(tx, at).await? {
            if let Entry::Vacant(new) = from.entry(beside) {
                new.insert(at);
                next.push_back(beside);
            }
        }
    }
    let mut way = Vec::new();
    let mut at = two;
    while let Some(before) = from.get(&at) {
        way.push(at);
        if *before == at {
            way.reverse();
            return Ok(way);
        }
        at = *before;
    }
    Ok(Vec::new())
}

/// A question of a municipality's records.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Question {
    pub municipality_id: MunicipalityId,
    pub person_id: PersonId,
    pub like_municipality_id: MunicipalityId,
    pub like_person_id: PersonId,
    pub ground: String,
    pub answer: String,
}

impl Question {
    /// Both records.
    pub fn keys(&self) -> (Key, Key) {
        ((self.municipality_id, self.person_id), (self.like_municipality_id, self.like_person_id))
    }
}

/// Open questions in which a record of this municipality takes part, the oldest first, and how many there are.
pub async fn open(tx: &mut Tx, municipality: MunicipalityId, limit: i64) -> Result<(Vec<Question>, i64)> {
    let found: Vec<Question> = all!(
        tx,
        "SELECT municipality_id, person_id, like_municipality_id, like_person_id, ground, answer FROM person_likeness
         WHERE answer = 'open' AND (municipality_id = $1 OR like_municipality_id = $1) ORDER BY asked_at, person_id, like_person_id LIMIT $2",
        municipality,
        limit
    )?;
    let (waiting,): (i64,) = crate::one!(
        tx,
        "SELECT COUNT(*) FROM person_likeness WHERE (municipality_id = $1 OR like_municipality_id = $1) AND answer = 'open'",
        municipality
    )?;
    Ok((found, waiting))
}

/// Every question about one record, answered ones too: another answer undoes the first.
pub async fn of_person(tx: &mut Tx, municipality: MunicipalityId, person: PersonId) -> Result<Vec<Question>> {
    all!(
        tx,
        "SELECT municipality_id, person_id, like_municipality_id, like_person_id, ground, answer FROM person_likeness
         WHERE (municipality_id = $1 AND person_id = $2) OR (like_municipality_id = $1 AND like_person_id = $2)
         ORDER BY asked_at, person_id, like_person_id",
        municipality,
        person
    )
}

/// The person of a municipality whose registry number is written whole or as P- and its last digits.
pub async fn named(tx: &mut Tx, municipality: MunicipalityId, text: &str) -> Result<PersonId> {
    let wanted = text.trim().to_uppercase().replace('-', "");
    let ending = wanted.strip_prefix('P').unwrap_or(&wanted);
    let all: Vec<(PersonId,)> = all!(tx, "SELECT person_id FROM person WHERE municipality_id = $1 ORDER BY person_id", municipality)?;
    let mut found = all.into_iter().map(|(id,)| id).filter(|id| ending.len() >= 6 && id.0.simple().to_string().to_uppercase().ends_with(ending));
    match (found.next(), found.next()) {
        (Some(id), None) => Ok(id),
        (None, _) => Err(Error::not_found(
            "person-unknown",
            format!("«{text}»: there is no such registry number in {municipality}; see `vecino registry questions`"),
        )),
        _ => Err(Error::refused("person-number", format!("«{text}»: several registry numbers of {municipality} end so; write the whole number"))),
    }
}

/// As [`answer`], also where nobody asked: a registrar knows more than the names tell.
pub(crate) async fn say(tx: &mut Tx, of: Key, like: Option<Key>, said: Answer, actor: &str, now: DateTime<Utc>) -> Result<()> {
    let Some(like) = like else {
        for question in of_person(tx, of.0, of.1).await?.into_iter().filter(|question| question.answer == Answer::Open.name()) {
            let (one, two) = question.keys();
            answer(tx, one, two, said, actor, now).await?;
        }
        return Ok(());
    };
    let asked = of_person(tx, of.0, of.1).await?;
    let other = |question: &Question| {
        [(question.municipality_id, question.person_id), (question.like_municipality_id, question.like_person_id)].contains(&like)
    };
    if !asked.iter().any(other) {
        ask(tx, &[Asked { of, like, ground: Ground::Names, answer: Answer::Open }], actor, now).await?;
    }
    answer(tx, of, like, said, actor, now).await
}

/// Says of two records that they are one person, or two. Nothing of either is changed but under whom it is counted.
pub async fn answer(tx: &mut Tx, one: Key, two: Key, said: Answer, actor: &str, now: DateTime<Utc>) -> Result<()> {
    let row: Option<(MunicipalityId, PersonId, MunicipalityId, PersonId, String)> = opt!(
        tx,
        "SELECT municipality_id, person_id, like_municipality_id, like_person_id, answer FROM person_likeness
         WHERE (municipality_id = $1 AND person_id = $2 AND like_municipality_id = $3 AND like_person_id = $4)
            OR (municipality_id = $3 AND person_id = $4 AND like_municipality_id = $1 AND like_person_id = $2)
         ORDER BY municipality_id, person_id LIMIT 1",
        one.0,
        one.1,
        two.0,
        two.1
    )?;
    let Some((municipality, person, like_municipality, like, before)) = row else {
        return Err(Error::not_found("question-unknown", "nobody asked about these two files; look at the list of questions again"));
    };
    if said == Answer::Open || before == said.name() {
        return Ok(());
    }
    run!(
        tx,
        "UPDATE person_likeness SET answer = $5, answered_by = $6, answered_at = $7
         WHERE municipality_id = $1 AND person_id = $2 AND like_municipality_id = $3 AND like_person_id = $4",
        municipality,
        person,
        like_municipality,
        like,
        said.name(),
        actor,
        now
    )?;
    // Both ways: what was one may be two now.
    recount(tx, (municipality, person)).await?;
    recount(tx, (like_municipality, like)).await?;
    let detail = json!({"like": like, "like_municipality": like_municipality.to_string(), "before": before, "answer": said.name()});
    let target = person.to_string();
    audit::record(tx, municipality, now, audit::Entry { stream: STREAM, actor, action: "likeness.answered", target: &target, detail }).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::birth::Birth;

    fn print(order: i64, cui: Option<&str>, birth: &str) -> Print {
        let today = chrono::NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();
        Print { words: 1, order, cui: cui.map(str::to_owned), birth: Birth::read(birth, today).unwrap() }
    }

    #[test]
    fn names_alone_are_never_enough() {
        let ask = Verdict::Ask(Ground::Names);
        for (one, two, verdict) in [
            (print(1, None, ""), print(1, None, ""), ask),
            (print(1, None, "1988"), print(1, None, "1988"), ask),
            (print(1, None, "36"), print(1, None, "36"), ask),
            (print(1, None, "14/03/1988"), print(1, None, ""), ask),
            (print(1, None, "14/03/1988"), print(1, None, "14/03/1988"), Verdict::Same),
            // María José López García and José María García López, born on one day: twins, perhaps.
            (print(1, None, "14/03/1988"), print(2, None, "14/03/1988"), ask),
            (print(1, None, "14/03/1988"), print(1, None, "14/03/1960"), Verdict::Others),
            (print(1, Some("a"), ""), print(1, None, ""), ask),
            (print(1, Some("a"), "1988"), print(2, Some("a"), "1960"), Verdict::Same),
            (print(1, Some("a"), "14/03/1988"), print(1, Some("b"), "14/03/1988"), Verdict::Others),
        ] {
            assert_eq!(judge(&one, &two, true), verdict, "{one:?} {two:?}");
            assert_eq!(judge(&two, &one, true), verdict);
        }
        let elsewhere = Print { words: 2, ..print(3, Some("a"), "") };
        assert_eq!(judge(&print(1, Some("a"), ""), &elsewhere, true), Verdict::Ask(Ground::Cui));
        assert_eq!(
            judge(&print(1, Some("a"), ""), &print(1, Some("a"), ""), false),
            Verdict::Ask(Ground::Cui),
            "another municipality's is asked about"
        );
        assert_eq!(judge(&print(1, None, "14/03/1988"), &print(1, None, "14/03/1988"), false), Verdict::Ask(Ground::Birth));
        assert_eq!(judge(&print(1, None, "1988"), &print(1, None, "1988"), false), Verdict::Others, "names and a year are many people's");
        assert_eq!(judge(&print(1, Some("a"), "14/03/1988"), &print(1, Some("b"), "14/03/1988"), false), Verdict::Others);
    }
}
