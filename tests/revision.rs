//! Published weeks are made anew when enough homes changed, with their block, and no reader of all revisions can subtract his way to few.

use crate::on_both_engines;
use crate::pilot::engines;
use crate::publication::{FIRST, PLACES, TOWN, id, town, wednesday};
use rand_chacha::rand_core::Rng;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;
use vecino::clock::Week;
use vecino::db::{Db, Tx};
use vecino::id::seeded_random;
use vecino::map::period::Name;
use vecino::map::publication::{publish_due, publish_history};
use vecino::map::revision::{self, Revised, What, revise};
use vecino::{all, one, run};

/// Tallies are rewritten behind the house's back here; the count of rewrites is what the house looks at.
async fn rewritten(tx: &mut Tx, week: Week) {
    run!(
        tx,
        "INSERT INTO tally_week (municipality_id, iso_week, rewritten) VALUES ($1, $2, 1) ON CONFLICT (municipality_id, iso_week) DO UPDATE SET rewritten = tally_week.rewritten + 1",
        TOWN,
        week
    )
    .unwrap();
}

/// One more collection of a home that was observed already.
async fn late(tx: &mut Tx, week: Week, place: usize, home: usize, set_out: bool, complied: bool) {
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

async fn tick(tx: &mut Tx, n: i64) -> Revised {
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

/// One published sum: the cells of homes it adds up, as (week, home, place) and the sums they had then.
type Sum = BTreeSet<(Week, Uuid, Uuid, [i32; 3])>;

/// Everything a reader was ever shown, with what it was made from.
#[derive(Default)]
struct Reader {
    known: BTreeSet<(String, i32)>,
    sums: Vec<Sum>,
}

impl Reader {
    /// Notes new revisions, and holds their numbers to the rows they say they stand on.
    async fn read(&mut self, tx: &mut Tx) {
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
                let sum: Sum = inside.map(|row| (row.0, row.1, row.2, [row.3, row.4, row.5])).collect();
                let totals = sum.iter().fold([0; 3], |total, cell| [0, 1, 2].map(|i| total[i] + cell.3[i]));
                assert_eq!(totals, [n, set_out, complied], "{period} revision {revision} {area}");
                self.sums.push(sum);
            }
        }
    }

    /// Looks for a combination of sums that rests on 1 to 9 homes: whether what all other homes contribute can be cancelled without
    /// cancelling everything. Homes that stand in the same sums throughout can only be read together.
    fn reads_few(&self) -> Option<usize> {
        let mut homes: BTreeMap<Uuid, BTreeMap<(Week, Uuid, [i32; 3]), Vec<usize>>> = BTreeMap::new();
        for (at, sum) in self.sums.iter().enumerate() {
            for (week, home, place, sums) in sum {
                homes.entry(*home).or_default().entry((*week, *place, *sums)).or_default().push(at);
            }
        }
        let mut classes: BTreeMap<BTreeSet<Vec<usize>>, usize> = BTreeMap::new();
        for cells in homes.into_values() {
            *classes.entry(cells.into_values().collect()).or_default() += 1;
        }
        let width = self.sums.len();
        let dense = |at: &Vec<usize>| {
            let mut vector = vec![0u64; width];
            at.iter().for_each(|at| vector[*at] = 1);
            vector
        };
        let mut many = Echelon::default();
        classes.iter().filter(|(_, homes)| **homes >= 10).flat_map(|(cells, _)| cells).for_each(|cell| many.add(dense(cell)));
        // What is left of the few when the many are cancelled.
        let few: Vec<(Vec<Vec<u64>>, usize)> = classes
            .into_iter()
            .filter(|(_, homes)| *homes < 10)
            .map(|(cells, homes)| {
                (cells.iter().map(|cell| many.rest(dense(cell))).filter(|rest| rest.iter().any(|x| *x != 0)).collect::<Vec<_>>(), homes)
            })
            .filter(|(rests, _)| !rests.is_empty())
            .collect();
        let mut whole = Echelon::default();
        few.iter().flat_map(|(rests, _)| rests).for_each(|rest| whole.add(rest.clone()));
        fn search(span: &Echelon, whole: usize, few: &[(Vec<Vec<u64>>, usize)], from: usize, budget: &mut u32) -> Option<usize> {
            if span.rows.len() == whole || *budget == 0 {
                return None;
            }
            *budget -= 1;
            let outside: Vec<usize> =
                (0..few.len()).filter(|at| few[*at].0.iter().any(|rest| span.rest(rest.clone()).iter().any(|x| *x != 0))).collect();
            let told: usize = outside.iter().map(|at| few[*at].1).sum();
            if told < 10 {
                return Some(told);
            }
            outside.into_iter().filter(|at| *at >= from).find_map(|at| {
                let mut larger = span.clone();
                few[at].0.iter().for_each(|rest| larger.add(rest.clone()));
                search(&larger, whole, few, at + 1, budget)
            })
        }
        search(&Echelon::default(), whole.rows.len(), &few, 0, &mut 300)
    }
}

/// Rows in echelon form modulo a prime.
#[derive(Clone, Default)]
struct Echelon {
    rows: Vec<(usize, Vec<u64>)>,
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

    fn add(&mut self, vector: Vec<u64>) {
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
}

#[tokio::test]
async fn the_solver_finds_the_one_home_that_a_careless_revision_tells() {
    let home = |n: usize| (FIRST, id(5, n), id(3, 0), [2, 1, 1]);
    let all: Sum = (0..40).map(home).collect();
    let reader = |sums: Vec<Sum>| Reader { sums, ..Reader::default() };
    assert_eq!(reader(vec![all.clone()]).reads_few(), None);
    assert_eq!(reader(vec![all.clone(), (1..40).map(home).collect()]).reads_few(), Some(1));
    assert_eq!(reader(vec![all.clone(), (10..40).map(home).collect()]).reads_few(), None);
    assert_eq!(reader(vec![all.clone(), (12..40).map(home).collect(), (13..40).chain([0]).map(home).collect()]).reads_few(), Some(2));
}

/// Eight weeks of an office's life: late rows, corrections, closings and moves of any number of homes, weeks published on their day, and a
/// revision wherever one may be made.
async fn live(db: &Db, seed: u64) -> (usize, usize) {
    let mut random = seeded_random(seed, "revisions");
    let mut any = |below: usize| (random.next_u64() % below as u64) as usize;
    let mut tx = db.write().await.unwrap();
    town(&mut tx, 8).await;
    let mut reader = Reader::default();
    let (mut revised, mut waited) = (0, 0);
    for n in 0..8 {
        publish_due(&mut tx, TOWN, wednesday(n)).await.unwrap();
        reader.read(&mut tx).await;
        for _ in 0..any(4) {
            let week = FIRST.plus(any(n as usize + 1) as i64);
            let place = any(PLACES.len());
            let some = [1, 2, 5, 9, 10, 12, 20, 30][any(8)].min(PLACES[place].2);
            let from = any(PLACES[place].2 - some + 1);
            let (act, other) = (any(4), any(PLACES.len()));
            for home in from..from + some {
                let whom = id(5, place * 1000 + home);
                match act {
                    0 => late(&mut tx, week, place, home, any(3) > 0, any(2) > 0).await,
                    1 => {
                        let complied = any(3) as i32;
                        run!(tx, "UPDATE home_week SET complied = CASE WHEN $4 < observed THEN $4 ELSE observed END WHERE municipality_id = $1 AND iso_week = $2 AND household_id = $3", TOWN, week, whom, complied).unwrap();
                    }
                    2 => {
                        run!(tx, "DELETE FROM home_week WHERE municipality_id = $1 AND iso_week >= $2 AND household_id = $3", TOWN, week, whom)
                            .unwrap();
                    }
                    _ => {
                        run!(
                            tx,
                            "UPDATE home_week SET neighbourhood_id = $4 WHERE municipality_id = $1 AND iso_week >= $2 AND household_id = $3",
                            TOWN,
                            week,
                            whom,
                            id(3, other)
                        )
                        .unwrap();
                    }
                }
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
