//! Whom a row speaks of when nobody said it, and whom it is asked about: compared with everybody it may speak of.

use super::birth::Precision;
use super::doubt::Doubt;
use super::entry::Entry;
use super::identify::People;
use super::likeness::{Answer, Asked, Ground, Verdict, judge};
use super::person::{Key, Print};
use crate::id::MunicipalityId;
use chrono::NaiveDate;
use std::collections::{HashMap, HashSet};

/// Name words with a full birth date.
pub(super) fn born(print: &Print) -> Option<(i64, NaiveDate)> {
    print.birth.date.filter(|_| print.birth.precision == Precision::Day).map(|date| (print.words, date))
}

/// Both hold a CUI, and not the same one: two people.
pub(super) fn of_two(one: &Print, two: &Print) -> bool {
    matches!((&one.cui, &two.cui), (Some(one), Some(two)) if one != two)
}

/// At most this many questions about one row.
const MOST: usize = 5;

/// Somebody a row is asked about: their place, why, and whether the registrar said that they are another.
pub(super) type Like = (usize, Ground, bool);

impl People {
    pub(super) fn near(&self, place: usize, municipality: MunicipalityId) -> bool {
        self.all[place].key.0 == municipality
    }

    fn holders(&self, print: &Print) -> impl Iterator<Item = usize> {
        print.cui.as_ref().and_then(|cui| self.by_cui.get(cui)).into_iter().flatten().copied()
    }

    fn born_alike(&self, print: &Print) -> impl Iterator<Item = usize> {
        born(print).and_then(|born| self.by_birth.get(&born)).into_iter().flatten().copied()
    }

    /// Finds the names and birth dates under which two CUIs stand, on record or in the rows.
    pub(super) fn tear(&mut self, prints: &[Print], municipality: MunicipalityId) {
        let mut one: HashMap<(i64, NaiveDate), &str> = HashMap::new();
        let mut torn = HashSet::new();
        let here = self.all.iter().filter(|known| known.key.0 == municipality).map(|known| &known.print);
        for print in here.chain(prints) {
            if let (Some(born), Some(cui)) = (born(print), &print.cui)
                && *one.entry(born).or_insert(cui) != cui
            {
                torn.insert(born);
            }
        }
        self.torn = torn;
    }

    /// Whom a row speaks of when nobody said it, and whom it is asked about. Never one of several, and never somebody in silence of whom two
    /// CUIs make two people.
    pub(super) fn judged(
        &self,
        print: &Print,
        municipality: MunicipalityId,
        other: impl Fn(usize) -> bool,
        answered: bool,
    ) -> (Option<usize>, Vec<Like>) {
        let verdict = |place: usize| judge(print, &self.all[place].print, self.near(place, municipality));
        let mut asks: Vec<Like> = Vec::new();
        let mut same: Vec<usize> = self.holders(print).filter(|place| verdict(*place) == Verdict::Same).collect();
        let mut doubtful = false;
        if !same.iter().any(|place| !other(*place)) {
            same.extend(self.born_alike(print).filter(|place| verdict(*place) == Verdict::Same));
            let torn = born(print).is_some_and(|born| self.torn.contains(&born));
            doubtful = torn && same.iter().any(|place| self.all[*place].print.cui.is_none() || print.cui.is_none());
        }
        same.dedup();
        let (others, mut same): (Vec<usize>, Vec<usize>) = same.into_iter().partition(|place| other(*place));
        let mut people = HashSet::new();
        same.retain(|place| people.insert(self.all[*place].counted));
        match same[..] {
            [met] if !doubtful => return (Some(met), others.into_iter().map(|place| (place, self.ground(print, place), true)).collect()),
            _ => asks.extend(others.into_iter().map(|place| (place, self.ground(print, place), true))),
        }
        asks.extend(same.into_iter().map(|place| (place, self.ground(print, place), false)));
        let like = self.by_words.get(&print.words).into_iter().flatten().copied();
        for place in self.holders(print).chain(self.born_alike(print)).chain(like) {
            // The sixth namesake tells no more than the first five; whoever an answer names is always looked for.
            if asks.len() >= MOST && !answered {
                break;
            }
            if let Verdict::Ask(ground) = verdict(place)
                && !asks.iter().any(|(asked, ..)| *asked == place)
            {
                asks.push((place, ground, other(place)));
            }
        }
        // Who may be either of two, or would join two CUIs, is counted with neither.
        let counted: HashSet<Key> = asks.iter().filter(|ask| ask.1 == Ground::Birth && !ask.2).map(|ask| self.all[ask.0].counted).collect();
        let joins = |place: usize| {
            let of = self.all[place].counted;
            let group = self.by_words.get(&print.words).into_iter().flatten().map(|beside| &self.all[*beside]);
            group.filter(|beside| beside.counted == of).any(|beside| of_two(&beside.print, print))
        };
        for ask in &mut asks {
            if ask.1 == Ground::Birth && (counted.len() > 1 || joins(ask.0)) {
                ask.1 = Ground::Names;
            }
        }
        (None, asks)
    }

    /// Why a row that is like somebody is asked about them.
    fn ground(&self, print: &Print, place: usize) -> Ground {
        if print.cui.is_some() && print.cui == self.all[place].print.cui { Ground::Cui } else { Ground::Names }
    }

    /// Somebody known hears what a row tells of them; a CUI or a birth date that nobody knew may make them like others.
    pub(super) fn hear(&mut self, met: usize, index: usize, (row, entry): (u64, &Entry), print: &Print, again: bool, other: impl Fn(usize) -> bool) {
        let before = self.all[met].print.clone();
        let otherwise = self.all[met].hear(index, entry, print);
        // What a row said when it came before was told then.
        self.otherwise.extend(otherwise.into_iter().filter(|_| !again).map(|line| (row, line)));
        let now = self.all[met].print.clone();
        if now == before {
            return;
        }
        if now.cui != before.cui
            && let Some(cui) = &now.cui
        {
            self.by_cui.entry(cui.clone()).or_default().push(met);
        }
        if born(&now) != born(&before)
            && let Some(born) = born(&now)
        {
            self.by_birth.entry(born).or_default().push(met);
        }
        let of = self.all[met].key;
        let mut alike: Vec<usize> = self.holders(&now).chain(self.born_alike(&now)).filter(|place| *place != met).collect();
        alike.sort_unstable();
        alike.dedup();
        for place in alike {
            let found = &self.all[place];
            let near = found.key.0 == of.0;
            let verdict = judge(&now, &found.print, near);
            // What was asked before is asked no more.
            if verdict == judge(&before, &found.print, near) {
                continue;
            }
            let ground = match verdict {
                Verdict::Same => self.ground(&now, place),
                Verdict::Ask(Ground::Names) | Verdict::Others => continue,
                Verdict::Ask(ground) => ground,
            };
            let said = other(place);
            self.asked.push(Asked { of, like: found.key, ground, answer: if said { Answer::Distinct } else { Answer::Open } });
            if !said {
                self.doubts.push(self.doubt(row, ground, place));
            }
        }
        self.recount.push(of);
    }

    pub(super) fn doubt(&self, row: u64, ground: Ground, place: usize) -> Doubt {
        let found = &self.all[place];
        let (municipality, person) = found.key;
        Doubt { row, ground, municipality, person, other_row: found.row, birth: found.print.birth }
    }
}
