//! Published weeks are made anew when enough homes changed, with their block, and no reader of all revisions can subtract his way to few.

use crate::on_both_engines;
use crate::pilot::engines;
use crate::publication::{FIRST, PLACES, TOWN, id, town, wednesday};
use proptest::prelude::*;
use rand_chacha::rand_core::Rng;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;
use vecino::clock::Week;
use vecino::db::{Db, Tx};
use vecino::id::{HouseholdId, seeded_random};
use vecino::map::hiding::{Area, hide};
use vecino::map::period::Name;
use vecino::map::publication::{publish_due, publish_history};
use vecino::map::revision::{self, Revised, What, revise};
use vecino::map::subtraction::{Published, Standing, Verdict, Waiting, judge};
use vecino::{all, one, run};

/// Tallies are rewritten behind the house's back here; the count of rewrites is what the house looks at.
pub async fn rewritten(tx: &mut Tx, week: Week) {
    run!(
        tx,
        "INSERT INTO tally_week (municipality_id, iso_week, rewritten) VALUES ($1, $2, 1) ON CONFLICT (municipality_id, iso_week) DO UPDATE SET rewritten = tally_week.rewritten + 1",
        TOWN,
        week
    )
    .unwrap();
}

/// One more collection of a home that was observed already.
pub async fn late(tx: &mut Tx, week: Week, place: usize, home: usize, set_out: bool, complied: bool) {
    run!(
        tx,
        "UPDATE home_week SET observed = observed + 1, set_out = set_out + $4, complied = complied + $5 WHERE municipality_id = $1 AND iso_week = $2 AND household_id = $3",
        TOWN,
        week,
        id(5, place * 1000 + home),
        i32::from(set_out),
        i32::from(complied)
    )
    .unwrap();
    rewritten(tx, week).await;
}

pub async fn tick(tx: &mut Tx, n: i64) -> Revised {
    revise(tx, TOWN, "vecino", "late", wednesday(n), &What::Rewritten).await.unwrap()
}

type Counts = (Option<i32>, Option<i32>);

async fn shown(tx: &mut Tx, period: &str, area: &str) -> (i32, Counts) {
    let (revision, n, y): (i32, Option<i32>, Option<i32>) = one!(
        tx,
        "SELECT revision, n, y FROM publication_cell WHERE municipality_id = $1 AND period = $2 AND area = $3 AND measure = 'complied' ORDER BY revision DESC LIMIT 1",
        TOWN,
        period,
        area
    )
    .unwrap();
    (revision, (n, y))
}

#[tokio::test]
async fn a_week_and_its_block_are_revised_together_once_ten_homes_changed() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        town(&mut tx, 5).await;
        publish_history(&mut tx, TOWN, wednesday(4)).await.unwrap();
        let (_, before) = shown(&mut tx, "2026-W30", "1202-C01").await;
        assert_eq!(tick(&mut tx, 5).await, Revised::default());
        for home in 0..9 {
            late(&mut tx, FIRST.plus(1), 0, home, home % 2 == 0, home % 4 == 0).await;
        }
        let waits = tick(&mut tx, 5).await;
        assert!(waits.periods.is_empty() && waits.waiting["2026-W30"].contains("few_homes"), "{waits:?}");
        assert_eq!(shown(&mut tx, "2026-W30", "1202-C01").await, (1, before));
        let (week, why, _) = revision::waiting(&mut tx, TOWN).await.unwrap().remove(0);
        assert_eq!((week, why.len()), (FIRST.plus(1), 1));
        // The tenth takes the nine with it: week, the week compared with it, block.
        late(&mut tx, FIRST.plus(1), 0, 9, true, false).await;
        let revised = tick(&mut tx, 5).await;
        assert_eq!(revised.periods, ["2026-W30", "2026-W31", "2026-B08"]);
        assert!(revised.waiting.is_empty() && revision::waiting(&mut tx, TOWN).await.unwrap().is_empty());
        assert_eq!(shown(&mut tx, "2026-W30", "1202-C01").await, (2, (before.0.map(|n| n + 10), before.1.map(|y| y + 3))));
        let mut block = (0, 0);
        for week in 0..4 {
            let (_, (n, y)) = shown(&mut tx, &FIRST.plus(week).to_string(), "1202-C01").await;
            block = (block.0 + n.unwrap(), block.1 + y.unwrap());
        }
        assert_eq!(shown(&mut tx, "2026-B08", "1202-C01").await, (2, (Some(block.0), Some(block.1))));
        assert_eq!(tick(&mut tx, 5).await, Revised::default());
        let (entries,): (i64,) = one!(tx, "SELECT COUNT(*) FROM audit_entry WHERE stream = 'publication' AND action = 'revised'").unwrap();
        assert_eq!(entries, 1);
    });
}

#[tokio::test]
async fn one_closed_home_is_never_the_difference_between_four_weeks_and_their_block() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        town(&mut tx, 4).await;
        publish_history(&mut tx, TOWN, wednesday(2)).await.unwrap();
        // A home is taken out of the first week after that was published and before its block is.
        run!(tx, "DELETE FROM home_week WHERE municipality_id = $1 AND iso_week = $2 AND household_id = $3", TOWN, FIRST, id(5, 0)).unwrap();
        rewritten(&mut tx, FIRST).await;
        tick(&mut tx, 3).await;
        publish_due(&mut tx, TOWN, wednesday(3)).await.unwrap();
        let mut weeks = 0;
        for week in 0..4 {
            weeks += shown(&mut tx, &FIRST.plus(week).to_string(), "1202-C01").await.1.0.unwrap();
        }
        assert_eq!(shown(&mut tx, "2026-B08", "1202-C01").await.1.0, Some(weeks));
    });
}

#[tokio::test]
async fn a_week_published_late_makes_its_block_anew() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        town(&mut tx, 4).await;
        run!(tx, "DELETE FROM home_week WHERE municipality_id = $1 AND iso_week = $2", TOWN, FIRST.plus(1)).unwrap();
        publish_history(&mut tx, TOWN, wednesday(4)).await.unwrap();
        let (_, (three, _)) = shown(&mut tx, "2026-B08", "1202-C01").await;
        crate::publication::tallies(&mut tx, FIRST.plus(5), |_, home| Some((2, 1 + (home % 2) as i32, 2 * (home % 2) as i32))).await;
        run!(tx, "UPDATE home_week SET iso_week = $2 WHERE municipality_id = $1 AND iso_week = $3", TOWN, FIRST.plus(1), FIRST.plus(5)).unwrap();
        assert_eq!(publish_due(&mut tx, TOWN, wednesday(4)).await.unwrap(), ["2026-W30"]);
        assert_eq!(shown(&mut tx, "2026-B08", "1202-C01").await.1.0, three.map(|n| n + 80));
        assert_eq!(shown(&mut tx, "2026-W30", "1202-C01").await.0, 1);
    });
}

#[tokio::test]
async fn a_period_is_made_anew_on_command_and_a_falsified_cell_is_found() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        town(&mut tx, 5).await;
        publish_history(&mut tx, TOWN, wednesday(4)).await.unwrap();
        let again = |what: What| what;
        let block = again(What::Period(Name::parse("2026-B08").unwrap()));
        assert_eq!(revise(&mut tx, TOWN, "ana", "why", wednesday(5), &block).await.unwrap(), Revised::default());
        run!(tx, "UPDATE publication_cell SET y = y + 1 WHERE period = '2026-B08' AND area = '1202-C01' AND measure = 'complied'").unwrap();
        assert_eq!(revise(&mut tx, TOWN, "ana", "why", wednesday(5), &block).await.unwrap().periods, ["2026-B08"]);
        let unknown = What::Period(Name::parse("2026-B09").unwrap());
        let refused = revise(&mut tx, TOWN, "ana", "why", wednesday(5), &unknown).await.unwrap_err();
        assert!(refused.code == "period-not-published" && refused.to_string().contains("the latest is"), "{refused}");
    });
}

// ---- What a reader of everything could subtract ------------------------------------------------------------------------------------------

/// One published sum: its weeks, its area ('' for the total), and the cells it adds up, as (week, home, place) and the sums they had then.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sum {
    pub weeks: (Week, Week),
    area: String,
    pub cells: BTreeSet<(Week, Uuid, Uuid, [i64; 3])>,
}

/// Everything a reader was ever shown, with what it was made from.
#[derive(Default)]
pub struct Reader {
    known: BTreeSet<(String, i32)>,
    pub sums: BTreeSet<Sum>,
}

/// What a published sum holds of each home: collections, set out, complied.
pub type Homes = BTreeMap<Uuid, [i64; 3]>;

impl Reader {
    /// Notes new revisions, and holds their numbers to the rows they say they stand on.
    pub async fn read(&mut self, tx: &mut Tx) {
        type Row = (Week, Uuid, Uuid, i32, i32, i32);
        let rows: Vec<Row> = all!(
            tx,
            "SELECT iso_week, household_id, neighbourhood_id, observed, set_out, complied FROM published_home_week WHERE municipality_id = $1 AND to_revision IS NULL",
            TOWN
        )
        .unwrap();
        let published: Vec<(String, i32, Week, Week)> =
            all!(tx, "SELECT period, revision, first_week, last_week FROM publication WHERE municipality_id = $1 ORDER BY period, revision", TOWN)
                .unwrap();
        for (period, revision, first, last) in published {
            if !self.known.insert((period.clone(), revision)) {
                continue;
            }
            let cells: Vec<(String, i32, i32, i32)> = all!(
                tx,
                "SELECT c.area, c.n, c.y, s.y FROM publication_cell c
                   JOIN publication_cell s ON s.municipality_id = c.municipality_id AND s.period = c.period AND s.revision = c.revision AND s.area = c.area AND s.measure = 'set_out'
                  WHERE c.municipality_id = $1 AND c.period = $2 AND c.revision = $3 AND c.measure = 'complied' AND c.hidden = $4",
                TOWN,
                &period,
                revision,
                false
            )
            .unwrap();
            for (area, n, complied, set_out) in cells {
                let place = PLACES.iter().position(|(code, ..)| *code == area).map(|n| id(3, n));
                let inside = rows.iter().filter(|row| row.0 >= first && row.0 <= last && place.is_none_or(|place| place == row.2));
                let cells: BTreeSet<_> = inside.map(|row| (row.0, row.1, row.2, [row.3, row.4, row.5].map(i64::from))).collect();
                let totals = cells.iter().fold([0; 3], |total, cell| [0, 1, 2].map(|i| total[i] + cell.3[i]));
                assert_eq!(totals, [n, set_out, complied].map(i64::from), "{period} revision {revision} {area}");
                self.sums.insert(Sum { weeks: (first, last), area, cells });
            }
        }
    }

    /// Looks for a combination of sums that rests on 1 to 9 homes. A longer period shows nothing that its weeks did not, and weeks share no
    /// collection, so one week at a time is searched.
    pub fn reads_few(&self) -> Option<i64> {
        let weeks: BTreeSet<Week> = self.sums.iter().flat_map(|sum| sum.cells.iter().map(|cell| cell.0)).collect();
        weeks.into_iter().find_map(|week| {
            let own = |sum: &Sum| -> BTreeSet<_> { sum.cells.iter().filter(|cell| cell.0 == week).copied().collect() };
            let of_week: Vec<(&str, BTreeSet<_>)> =
                self.sums.iter().filter(|sum| sum.weeks == (week, week)).map(|sum| (sum.area.as_str(), own(sum))).collect();
            for longer in self.sums.iter().filter(|sum| sum.weeks != (week, week)) {
                let part = own(longer);
                let told = part.is_empty() || of_week.iter().any(|(area, cells)| *area == longer.area && *cells == part);
                assert!(told, "{:?} {} tells of {week} what no week told", longer.weeks, longer.area);
            }
            let columns: Vec<Homes> = of_week.into_iter().map(|(_, cells)| homes(&cells)).collect();
            tells_few(&columns)
        })
    }
}

/// A home that lay in two places is one home.
pub fn homes<'a>(cells: impl IntoIterator<Item = &'a (Week, Uuid, Uuid, [i64; 3])>) -> Homes {
    let mut homes = Homes::new();
    for (_, home, _, sums) in cells {
        let own = homes.entry(*home).or_default();
        [0, 1, 2].iter().for_each(|i| own[*i] += sums[*i]);
    }
    homes
}

/// Whether a combination of sums rests on 1 to 9 homes, what each of them adds taken together: then all other homes span less than all homes
/// do. Homes that span the same can only be read together.
fn tells_few(columns: &[Homes]) -> Option<i64> {
    let all: BTreeSet<Uuid> = columns.iter().flat_map(|homes| homes.keys().copied()).collect();
    let mut classes: BTreeMap<Vec<(usize, Vec<u64>)>, i64> = BTreeMap::new();
    for home in all {
        let mut own = Echelon::default();
        for i in 0..3 {
            own.add(columns.iter().map(|homes| homes.get(&home).map_or(0, |sums| sums[i] as u64)).collect());
        }
        *classes.entry(own.reduced()).or_default() += 1;
    }
    let mut classes: Vec<(Vec<Vec<u64>>, i64)> =
        classes.into_iter().map(|(rows, homes)| (rows.into_iter().map(|(_, row)| row).collect(), homes)).collect();
    classes.sort_by_key(|(_, homes)| std::cmp::Reverse(*homes));
    let rank = |of: &mut dyn Iterator<Item = usize>| {
        let (mut span, mut used) = (Echelon::default(), Vec::new());
        for at in of {
            let before = span.rows.len();
            classes[at].0.iter().for_each(|row| span.add(row.clone()));
            if span.rows.len() > before {
                used.push(at);
            }
        }
        (span.rows.len(), used)
    };
    let whole = rank(&mut (0..classes.len())).0;
    // Who is left out so far: one of whatever still spans everything must be left out too.
    let (mut open, mut seen) = (vec![BTreeSet::new()], BTreeSet::new());
    while let Some(out) = open.pop() {
        let (left, spans) = rank(&mut (0..classes.len()).filter(|at| !out.contains(at)));
        let told = out.iter().map(|at: &usize| classes[*at].1).sum::<i64>();
        if left < whole {
            return Some(told);
        }
        for at in spans {
            let mut more = out.clone();
            more.insert(at);
            if told + classes[at].1 < 10 && seen.len() < 3_000 && seen.insert(more.clone()) {
                open.push(more);
            }
        }
    }
    None
}

/// Rows in echelon form modulo a prime.
#[derive(Clone, Default)]
pub struct Echelon {
    pub rows: Vec<(usize, Vec<u64>)>,
}

const PRIME: u64 = 2_147_483_647;

impl Echelon {
    fn rest(&self, mut vector: Vec<u64>) -> Vec<u64> {
        for (pivot, row) in &self.rows {
            let factor = vector[*pivot];
            if factor != 0 {
                vector.iter_mut().zip(row).for_each(|(cell, own)| *cell = (*cell + (PRIME - factor) * own) % PRIME);
            }
        }
        vector
    }

    pub fn add(&mut self, vector: Vec<u64>) {
        let vector = self.rest(vector);
        let Some(pivot) = vector.iter().position(|cell| *cell != 0) else { return };
        let (mut inverse, mut base, mut exponent) = (1, vector[pivot], PRIME - 2);
        while exponent > 0 {
            if exponent & 1 == 1 {
                inverse = inverse * base % PRIME;
            }
            base = base * base % PRIME;
            exponent >>= 1;
        }
        self.rows.push((pivot, vector.into_iter().map(|cell| cell * inverse % PRIME).collect()));
    }

    /// The one form of everything that spans the same.
    fn reduced(mut self) -> Vec<(usize, Vec<u64>)> {
        self.rows.sort();
        for at in 0..self.rows.len() {
            let above = Echelon { rows: self.rows[at + 1..].to_vec() };
            self.rows[at].1 = above.rest(self.rows[at].1.clone());
        }
        self.rows
    }
}

#[test]
fn the_solver_finds_the_one_home_that_a_careless_revision_tells() {
    let some = |from: usize, to: usize| -> Homes { (from..to).map(|n| (id(5, n), [2, 1, (n % 2) as i64])).collect() };
    let with = |a: Homes, b: Homes| -> Homes { a.into_iter().chain(b).collect() };
    assert_eq!(tells_few(&[some(0, 40)]), None);
    assert_eq!(tells_few(&[some(0, 40), some(1, 40)]), Some(1));
    assert_eq!(tells_few(&[some(0, 40), some(10, 40)]), None);
    assert_eq!(tells_few(&[some(0, 40), some(12, 40), with(some(0, 1), some(13, 40))]), Some(2));
    // Fourteen moved from one place to the other and one left: each place changes by fourteen and fifteen, both together by one.
    assert_eq!(tells_few(&[some(0, 40), some(100, 140), some(15, 40), with(some(100, 140), some(0, 14))]), Some(1));
    // So it does where the movers' days lay in both places.
    let half = |from: usize, to: usize| -> Homes { (from..to).map(|n| (id(5, n), [1, 1, 0])).collect() };
    let whole = |from: usize, to: usize| -> Homes { (from..to).map(|n| (id(5, n), [2, 2, 0])).collect() };
    let before = [with(some(14, 40), half(0, 14)), with(some(100, 140), half(0, 14))];
    let after = [some(15, 40), with(some(100, 140), whole(0, 14))];
    assert_eq!(tells_few(&[before, after].concat()), Some(1));
}

/// A town of any size in which an office lives on: homes come late, are corrected, closed and moved, or turn out to have lain in two places.
pub struct Life {
    pub random: Box<dyn Rng>,
}

impl Life {
    pub fn any(&mut self, below: usize) -> usize {
        (self.random.next_u64() % below as u64) as usize
    }

    /// What happens to how many of whose homes, from which week on and where to.
    fn act(&mut self, weeks: usize) -> (usize, usize, std::ops::Range<usize>, Week, usize) {
        let week = FIRST.plus(self.any(weeks) as i64);
        let place = self.any(PLACES.len());
        let some = [1, 1, 2, 5, 9, 10, 12, 14, 20, 30][self.any(10)].min(PLACES[place].2);
        let from = self.any(PLACES[place].2 - some + 1);
        (self.any(5), place, from..from + some, week, self.any(PLACES.len()))
    }
}

/// The same acts behind the house's back, in the tallies of a database.
pub async fn happens(tx: &mut Tx, life: &mut Life, weeks: usize) {
    let (act, place, homes, week, other) = life.act(weeks);
    for home in homes {
        let whom = id(5, place * 1000 + home);
        match act {
            0 => late(tx, week, place, home, life.any(3) > 0, life.any(2) > 0).await,
            1 => {
                let complied = life.any(3) as i32;
                run!(tx, "UPDATE home_week SET complied = CASE WHEN $4 < observed THEN $4 ELSE observed END WHERE municipality_id = $1 AND iso_week = $2 AND household_id = $3", TOWN, week, whom, complied).unwrap();
            }
            2 => {
                run!(tx, "DELETE FROM home_week WHERE municipality_id = $1 AND iso_week >= $2 AND household_id = $3", TOWN, week, whom).unwrap();
            }
            3 => {
                run!(
                    tx,
                    "UPDATE home_week SET neighbourhood_id = $4 WHERE municipality_id = $1 AND iso_week >= $2 AND household_id = $3
                       AND NOT EXISTS (SELECT 1 FROM home_week o WHERE o.municipality_id = home_week.municipality_id
                                        AND o.iso_week = home_week.iso_week AND o.household_id = home_week.household_id
                                        AND o.neighbourhood_id <> home_week.neighbourhood_id)",
                    TOWN,
                    week,
                    whom,
                    id(3, other)
                )
                .unwrap();
            }
            // One of the week's days lay elsewhere.
            _ => {
                run!(
                    tx,
                    "INSERT INTO home_week (municipality_id, iso_week, household_id, segment_id, neighbourhood_id, observed, set_out, complied, contaminated)
                     SELECT municipality_id, iso_week, household_id, segment_id, $4, 1, 1, 0, 1 FROM home_week
                     WHERE municipality_id = $1 AND iso_week = $2 AND household_id = $3 AND neighbourhood_id <> $4 ON CONFLICT DO NOTHING",
                    TOWN,
                    week,
                    whom,
                    id(3, other)
                )
                .unwrap();
            }
        }
    }
}

/// Eight weeks, published on their day, and a revision wherever one may be made.
async fn live(db: &Db, seed: u64) -> (usize, usize) {
    let mut life = Life { random: Box::new(seeded_random(seed, "revisions")) };
    let mut tx = db.write().await.unwrap();
    town(&mut tx, 8).await;
    for (place, (_, _, homes)) in PLACES.iter().enumerate() {
        for home in 0..life.any(homes / 2) {
            run!(tx, "DELETE FROM home_week WHERE municipality_id = $1 AND household_id = $2", TOWN, id(5, place * 1000 + home)).unwrap();
        }
    }
    let mut reader = Reader::default();
    let (mut revised, mut waited) = (0, 0);
    for n in 0..8 {
        publish_due(&mut tx, TOWN, wednesday(n)).await.unwrap();
        reader.read(&mut tx).await;
        for _ in 0..life.any(4) {
            for _ in 0..1 + life.any(2) {
                happens(&mut tx, &mut life, n as usize + 1).await;
            }
            for later in 0..8 {
                rewritten(&mut tx, FIRST.plus(later)).await;
            }
            let done = tick(&mut tx, n).await;
            revised += done.periods.len();
            waited += done.waiting.len();
            reader.read(&mut tx).await;
        }
    }
    assert_eq!(reader.reads_few(), None, "seed {seed}");
    (revised, waited)
}

#[tokio::test]
async fn no_reader_of_all_revisions_subtracts_his_way_to_few_homes() {
    let (mut revised, mut waited) = (0, 0);
    for seed in 0..16 {
        let db = crate::pilot::open("sqlite::memory:").await;
        db.migrate().await.unwrap();
        let (again, waits) = live(&db, seed).await;
        (revised, waited) = (revised + again, waited + waits);
    }
    assert!(revised > 40 && waited > 20, "{revised} revisions, {waited} waits: the office did too little to show anything");
    for db in engines().await.iter().skip(1) {
        live(db, 3).await;
    }
}

/// A week of a town in memory, as published and as it is now.
#[derive(Default)]
struct Paper {
    past: Vec<Published>,
    now: BTreeMap<(HouseholdId, String), [i64; 3]>,
    standing: BTreeMap<String, Standing>,
    total_shown: bool,
    columns: Vec<Homes>,
}

impl Paper {
    /// Places of any size; the rules of a first publication say what is hidden.
    fn town(life: &mut Life) -> Paper {
        let mut paper = Paper::default();
        for place in 0..2 + life.any(4) {
            for n in 0..3 + life.any(35) {
                let complied = life.any(2) as i64;
                let sums = if life.any(3) == 0 { [2, 2, 2] } else { [2, 1, complied] };
                paper.now.insert((HouseholdId(id(5, place * 1000 + n)), format!("P{place}")), sums);
            }
        }
        let codes: BTreeSet<String> = paper.now.keys().map(|(_, code)| code.clone()).collect();
        let area = |within: &dyn Fn(&str) -> bool, code| {
            let inside = || paper.now.iter().filter(|((_, code), _)| within(code)).map(|(_, sums)| sums);
            let sum = |i: usize| inside().map(|sums| sums[i]).sum();
            Area { code, homes: inside().count() as i64, n: sum(0), y: [sum(2), sum(1)], ..Area::default() }
        };
        let areas: Vec<Area<'_>> = codes.iter().map(|code| area(&|own| own == code, code.as_str())).collect();
        let hidden = hide(&areas, &area(&|_| true, ""), &[]);
        let standing = codes.iter().cloned().zip(hidden.areas.iter().map(|hidden| if *hidden { Standing::Hidden } else { Standing::Shown(1) }));
        (paper.standing, paper.total_shown) = (standing.collect(), !hidden.total);
        paper.past =
            paper.now.iter().map(|((home, area), sums)| Published { home: *home, area: area.clone(), from: 1, to: None, sums: *sums }).collect();
        paper.shown();
        paper
    }

    /// What a reader sees of the last revision.
    fn shown(&mut self) {
        let last: Vec<&Published> = self.past.iter().filter(|row| row.to.is_none()).collect();
        let mut columns: Vec<Homes> = self
            .standing
            .iter()
            .filter(|(_, standing)| **standing == Standing::Shown(1))
            .map(|(code, _)| code)
            .map(|code| last.iter().filter(|row| row.area == *code).map(|row| (row.home.0, row.sums)).collect())
            .collect();
        if self.total_shown {
            let all: Vec<_> = last.iter().map(|row| (FIRST, row.home.0, Uuid::nil(), row.sums)).collect();
            columns.push(homes(&all));
        }
        columns.retain(|column| !self.columns.contains(column));
        self.columns.extend(columns);
    }

    fn happens(&mut self, life: &mut Life) {
        let (act, place, some, _, other) = life.act(1);
        let code = format!("P{place}");
        if !self.standing.contains_key(&code) {
            return;
        }
        // A place that was there from the first week on; new ones are the database's.
        let other = format!("P{}", other % self.standing.len());
        for n in some {
            let home = HouseholdId(id(5, place * 1000 + n));
            let Some((key, sums)) =
                self.now.range((home, String::new())..).next().filter(|(key, _)| key.0 == home).map(|(key, sums)| (key.clone(), *sums))
            else {
                continue;
            };
            match act {
                0 => {
                    let out = i64::from(life.any(3) > 0);
                    self.now.insert(key, [sums[0] + 1, sums[1] + out, sums[2] + out * life.any(2) as i64]);
                }
                1 => {
                    self.now.insert(key, [sums[0], sums[1], (life.any(3) as i64).min(sums[1])]);
                }
                2 => self.now.retain(|(own, _), _| *own != home),
                3 => {
                    self.now.remove(&key);
                    let there = self.now.entry((home, other.clone())).or_default();
                    [0, 1, 2].iter().for_each(|i| there[*i] += sums[*i]);
                }
                _ if sums[0] > 1 && sums[2] < 2 && key.1 != other => {
                    self.now.insert(key, [sums[0] - 1, sums[1] - i64::from(sums[1] > 0), sums[2].min(sums[1] - 1).max(0)]);
                    let there = self.now.entry((home, other.clone())).or_default();
                    *there = [there[0] + 1, there[1] + i64::from(sums[1] > 0), there[2] + i64::from(sums[1] == 1 && sums[2] == 1)];
                }
                _ => {}
            }
        }
    }

    /// One more revision, as far as it may be.
    fn revised(&mut self, revision: i32) -> Verdict {
        let verdict = judge(&self.standing, self.total_shown, &self.past, &self.now, &[]);
        let last: BTreeMap<_, _> = self.past.iter().filter(|row| row.to.is_none()).map(|row| ((row.home, row.area.clone()), row.sums)).collect();
        let taken = |key: &(HouseholdId, String)| verdict.taken.contains(&key.1) && last.get(key) != self.now.get(key);
        for row in self.past.iter_mut().filter(|row| row.to.is_none() && taken(&(row.home, row.area.clone()))) {
            row.to = Some(revision - 1);
        }
        let new = self.now.iter().filter(|(key, _)| taken(key));
        self.past.extend(new.map(|((home, area), sums)| Published { home: *home, area: area.clone(), from: revision, to: None, sums: *sums }));
        self.standing.extend(verdict.newly_shown.iter().map(|area| (area.clone(), Standing::Shown(1))));
        self.shown();
        verdict
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_an_office_does_in_a_town_of_any_size_no_union_of_places_tells_of_few_homes(seed in any::<u64>()) {
        let mut life = Life { random: Box::new(seeded_random(seed, "papers")) };
        let mut paper = Paper::town(&mut life);
        for revision in 2..7 {
            for _ in 0..1 + life.any(3) {
                paper.happens(&mut life);
            }
            paper.revised(revision);
        }
        prop_assert_eq!(tells_few(&paper.columns), None);
    }
}

/// Two places of forty homes, of which one has left and fourteen turn out to have lain in the other: waits. Without the one it is published,
/// and so it is once ten have left.
#[test]
fn movers_between_two_places_do_not_carry_one_home_with_them() {
    let codes = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
    let mut paper = Paper { total_shown: true, ..Paper::default() };
    for (place, code) in codes.iter().enumerate() {
        paper.standing.insert(code.clone(), Standing::Shown(1));
        paper.now.extend((0..40).map(|n| ((HouseholdId(id(5, place * 1000 + n)), code.clone()), [2, 1, (n % 2) as i64])));
    }
    paper.past = paper.now.iter().map(|((home, area), sums)| Published { home: *home, area: area.clone(), from: 1, to: None, sums: *sums }).collect();
    let first = paper.now.clone();
    for (left, waits) in [(0, false), (1, true), (9, true), (10, false)] {
        paper.now = first.clone();
        for n in 0..14 {
            let sums = paper.now.remove(&(HouseholdId(id(5, n)), codes[0].clone())).unwrap();
            paper.now.insert((HouseholdId(id(5, n)), codes[1].clone()), sums);
        }
        for n in 20..20 + left {
            paper.now.remove(&(HouseholdId(id(5, n)), codes[0].clone()));
        }
        (0..12).for_each(|n| paper.now.get_mut(&(HouseholdId(id(5, 2000 + n)), codes[2].clone())).unwrap()[1] = 2 * (n % 2) as i64);
        let verdict = judge(&paper.standing, true, &paper.past, &paper.now, &[]);
        assert_eq!(verdict.waiting.contains(&Waiting::FewHomes), waits, "{left}");
        // A third place that shares no home with them waits for nobody.
        assert_eq!(verdict.taken.len(), if waits { 1 } else { 3 }, "{left}");
    }
}

/// The same where all who left are alike: nineteen wait, twenty do not.
#[test]
fn movers_between_two_places_do_not_carry_homes_that_are_all_alike() {
    let mut paper = Paper { total_shown: true, ..Paper::default() };
    for (place, code) in ["a", "b"].into_iter().enumerate() {
        paper.standing.insert(code.to_owned(), Standing::Shown(1));
        paper.now.extend((0..80).map(|n| {
            ((HouseholdId(id(5, place * 1000 + n)), code.to_owned()), [2, if n < 40 { 1 } else { 2 }, if n < 40 { (n % 2) as i64 } else { 2 }])
        }));
    }
    paper.past = paper.now.iter().map(|((home, area), sums)| Published { home: *home, area: area.clone(), from: 1, to: None, sums: *sums }).collect();
    let first = paper.now.clone();
    for (left, waits) in [(19, true), (20, false)] {
        paper.now = first.clone();
        for n in 0..14 {
            let sums = paper.now.remove(&(HouseholdId(id(5, n)), "a".to_owned())).unwrap();
            paper.now.insert((HouseholdId(id(5, n)), "b".to_owned()), sums);
        }
        for n in 40..40 + left {
            paper.now.remove(&(HouseholdId(id(5, n)), "a".to_owned()));
        }
        let verdict = judge(&paper.standing, true, &paper.past, &paper.now, &[]);
        assert_eq!(verdict.waiting.contains(&Waiting::AllAlike), waits, "{left}: {verdict:?}");
    }
}
