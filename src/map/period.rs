//! Published periods: an ISO week `2026-W44`, a block of four ISO weeks `2026-B11` (weeks 41 to 44; the last of a long year
//! has five), a trial phase `trial:ID/messages`.

use crate::clock::{Week, show_day};
use crate::error::{Error, Result};
use crate::language::Words;
use crate::trial::protocol::{Phase, Protocol, published_on};
use chrono::NaiveDate;
use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Week,
    Block,
    Phase,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::Week, Kind::Block, Kind::Phase];

    /// As in the table, the address and the interface keys.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Week => "week",
            Kind::Block => "block",
            Kind::Phase => "phase",
        }
    }

    pub fn parse(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What a period is called in addresses, tables and the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    Week(Week),
    /// Block `number` of an ISO year holds its weeks 4·number−3 to 4·number; the last one holds a week 53 too, so that no week is left out.
    Block {
        year: i32,
        number: i32,
    },
    Phase {
        trial: String,
        phase: Phase,
    },
}

const PHASES: [Phase; 3] = [Phase::Baseline, Phase::Messages, Phase::After];
const LAST_BLOCK: i32 = 13;

/// Weeks of an ISO year: 53 when 28 December lies in its week 53.
fn weeks_in(year: i32) -> i32 {
    NaiveDate::from_ymd_opt(year, 12, 28).map_or(52, |day| Week::of(day).number())
}

impl Name {
    pub fn parse(text: &str) -> Result<Name> {
        let bad = || {
            Error::refused(
                "period",
                format!("«{text}» is not a period; write a week like 2026-W44, four weeks like 2026-B11, or a phase like trial:ID/messages"),
            )
            .with("period", text)
        };
        if let Some(rest) = text.strip_prefix("trial:") {
            let (trial, phase) = rest.rsplit_once('/').ok_or_else(bad)?;
            let phase = PHASES.into_iter().find(|p| p.name() == phase).ok_or_else(bad)?;
            return if trial.is_empty() { Err(bad()) } else { Ok(Name::Phase { trial: trial.to_owned(), phase }) };
        }
        if let Some((year, number)) = text.split_once("-B") {
            let digits = year.len() == 4 && number.len() == 2 && [year, number].iter().all(|part| part.bytes().all(|b| b.is_ascii_digit()));
            let number = number.parse().map_err(|_| bad())?;
            return match digits && (1..=LAST_BLOCK).contains(&number) {
                true => Ok(Name::Block { year: year.parse().map_err(|_| bad())?, number }),
                false => Err(bad()),
            };
        }
        Week::parse(text).ok().filter(|week| week.to_string() == text).map(Name::Week).ok_or_else(bad)
    }

    pub fn kind(&self) -> Kind {
        match self {
            Name::Week(_) => Kind::Week,
            Name::Block { .. } => Kind::Block,
            Name::Phase { .. } => Kind::Phase,
        }
    }

    /// The block a week closes, if it closes one.
    fn closed_by(week: Week) -> Option<Name> {
        let year = week.year();
        match week.number() {
            number if number == weeks_in(year) => Some(Name::Block { year, number: LAST_BLOCK }),
            number if number % 4 == 0 && number / 4 < LAST_BLOCK => Some(Name::Block { year, number: number / 4 }),
            _ => None,
        }
    }

    /// The period of the same kind before this one.
    pub fn previous(&self) -> Option<Name> {
        match self {
            Name::Week(week) => Some(Name::Week(week.plus(-1))),
            Name::Block { year, number: 1 } => Some(Name::Block { year: year - 1, number: LAST_BLOCK }),
            Name::Block { year, number } => Some(Name::Block { year: *year, number: number - 1 }),
            Name::Phase { trial, phase } => {
                let before = match phase {
                    Phase::Baseline => return None,
                    Phase::Messages => Phase::Baseline,
                    Phase::After => Phase::Messages,
                };
                Some(Name::Phase { trial: trial.clone(), phase: before })
            }
        }
    }

    /// First and last week; a phase needs its trial among `protocols`.
    pub fn weeks(&self, protocols: &[Protocol]) -> Option<(Week, Week)> {
        match self {
            Name::Week(week) => Some((*week, *week)),
            Name::Block { year, number } => {
                let last = if *number == LAST_BLOCK { weeks_in(*year) } else { number * 4 };
                Some((Week(year * 100 + number * 4 - 3), Week(year * 100 + last)))
            }
            Name::Phase { trial, phase } => protocols.iter().find(|p| p.id == *trial).map(|p| p.phase_weeks(*phase)),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Week(week) => week.fmt(f),
            Name::Block { year, number } => write!(f, "{year:04}-B{number:02}"),
            Name::Phase { trial, phase } => write!(f, "trial:{trial}/{}", phase.name()),
        }
    }
}

/// A period with its weeks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub name: Name,
    pub first: Week,
    pub last: Week,
}

/// Every period whose Wednesday has come, in the order of publication: the weeks, then the blocks and phases made only of such weeks.
/// `from` is the first week with an observation: a longer period that begins before it would not be what its name says.
pub fn due(from: Week, today: NaiveDate, protocols: &[Protocol]) -> Vec<Span> {
    let mut weeks = Vec::new();
    let mut week = from;
    while published_on(week) <= today {
        weeks.push(week);
        week = week.plus(1);
    }
    let Some(newest) = weeks.last().copied() else { return Vec::new() };
    let blocks = weeks.iter().filter_map(|week| Name::closed_by(*week));
    let phases = protocols.iter().flat_map(|p| PHASES.into_iter().map(|phase| Name::Phase { trial: p.id.clone(), phase }));
    let longer = blocks.chain(phases).filter_map(|name| {
        let (first, last) = name.weeks(protocols)?;
        (first >= from && last <= newest).then_some(Span { name, first, last })
    });
    let mut due: Vec<Span> = weeks.iter().map(|week| Span { name: Name::Week(*week), first: *week, last: *week }).chain(longer).collect();
    due.sort_by_key(|span| (span.last, span.name.kind()));
    due
}

/// `semanas 41 a 44` or `semana 44`.
pub fn weeks_in_words(words: &Words, first: Week, last: Week) -> String {
    match first == last {
        true => words.tell("map-week", &[("week", first.number().into())]),
        false => words.tell("map-weeks", &[("from", first.number().into()), ("to", last.number().into())]),
    }
}

/// `05/10 al 01/11/2026`; the year of the first day is written only when it is another.
pub fn days_in_words(words: &Words, first: Week, last: Week) -> String {
    let (from, to) = (first.monday(), last.sunday());
    let same_year = from.format("%Y").to_string() == to.format("%Y").to_string();
    let from = if same_year { from.format("%d/%m").to_string() } else { show_day(from) };
    words.tell("map-days", &[("from", from.into()), ("to", show_day(to).into())])
}

/// What a reader calls it: `semanas 41 a 44`; a phase by its name and weeks.
pub fn label(words: &Words, name: &Name, first: Week, last: Week) -> String {
    let weeks = weeks_in_words(words, first, last);
    match name {
        Name::Phase { phase, .. } => words.tell(&format!("map-phase-{}", phase.name()), &[("weeks", weeks.into())]),
        _ => weeks,
    }
}

/// `semanas 41 a 44, del 05/10 al 01/11/2026`
pub fn in_words(words: &Words, name: &Name, first: Week, last: Week) -> String {
    words.tell("map-period", &[("weeks", label(words, name, first, last).into()), ("days", days_in_words(words, first, last).into())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;

    fn protocol() -> Protocol {
        Protocol::parse(include_str!("../../experiments/norma-y-plan-2026.toml"), "norma").unwrap()
    }

    #[test]
    fn a_period_reads_back_as_it_is_written() {
        for text in ["2026-W44", "2026-W53", "2026-B11", "2027-B01", "trial:norma-y-plan-2026/messages"] {
            assert_eq!(Name::parse(text).unwrap().to_string(), text);
        }
        for text in ["2026-W54", "2026-B14", "2026-B00", "2026-B1", "+026-B01", "trial:/messages", "trial:x/before", "44", "", "2026-W4", "-W1"] {
            assert_eq!(Name::parse(text).unwrap_err().code, "period", "{text}");
        }
    }

    #[test]
    fn block_eleven_is_weeks_41_to_44_in_words_and_dates() {
        let name = Name::parse("2026-B11").unwrap();
        let (first, last) = name.weeks(&[]).unwrap();
        assert_eq!((first, last), (Week(202641), Week(202644)));
        assert_eq!(in_words(&Words::new(Language::Es), &name, first, last), "semanas 41 a 44, del 05/10 al 01/11/2026");
        assert_eq!(name.previous().unwrap().to_string(), "2026-B10");
        assert_eq!(Name::parse("2027-B01").unwrap().previous().unwrap().to_string(), "2026-B13");
    }

    #[test]
    fn every_week_of_a_long_year_lies_in_one_block() {
        let weeks = |text: &str| Name::parse(text).unwrap().weeks(&[]).unwrap();
        assert_eq!(weeks("2026-B13"), (Week(202649), Week(202653)));
        assert_eq!(weeks("2025-B13"), (Week(202549), Week(202552)));
        let name = Name::parse("2026-B13").unwrap();
        let words = in_words(&Words::new(Language::Es), &name, Week(202649), Week(202653));
        assert_eq!(words, "semanas 49 a 53, del 30/11/2026 al 03/01/2027");
        let mut week = Week(202501);
        let mut closed = Vec::new();
        while week < Week(202801) {
            closed.extend(Name::closed_by(week).map(|block| (week, block)));
            week = week.plus(1);
        }
        assert_eq!(closed.len(), 39);
        for pair in closed.windows(2) {
            assert_eq!(pair[1].1.previous().as_ref(), Some(&pair[0].1));
            let (first, last) = pair[1].1.weeks(&[]).unwrap();
            assert_eq!((first, last), (pair[0].0.plus(1), pair[1].0), "{}", pair[1].1);
        }
        // Due with its week 53, not before.
        let on = |text: &str| due(Week(202645), text.parse().unwrap(), &[]).into_iter().any(|span| span.name == name);
        assert!(!on("2027-01-05") && on("2027-01-06"));
    }

    #[test]
    fn a_week_is_due_on_the_wednesday_after_it_ends_and_a_longer_period_with_its_last_week() {
        let wednesday = NaiveDate::from_ymd_opt(2026, 11, 4).unwrap();
        let names = |day| due(Week(202639), day, &[protocol()]).into_iter().map(|s| s.name.to_string()).collect::<Vec<_>>();
        let before = names(wednesday.pred_opt().unwrap());
        assert_eq!(before, ["2026-W39", "2026-W40", "2026-W41", "2026-W42", "2026-W43"]);
        let after = names(wednesday);
        assert_eq!(after[5..], ["2026-W44".to_owned(), "2026-B11".to_owned()]);
        // The phase began before the first observation, so it is not published.
        assert!(!names(NaiveDate::from_ymd_opt(2026, 12, 9).unwrap()).iter().any(|n| n.starts_with("trial:norma-y-plan-2026/messages")));
    }
}
