//! The draw: balanced within every stratum, fair to every segment, and the same again from its seed.

use crate::trial::{noon, protocol};
use proptest::prelude::*;
use std::collections::BTreeMap;
use vecino::id::{Mint, MunicipalityId, seeded_random};
use vecino::trial::assign::{self, Assessed};
use vecino::trial::{TrialSegment, randomise};

fn assessed(rates: &[(i32, i32)]) -> Vec<Assessed> {
    let mut mint = Mint::seeded(3, "assessed");
    rates
        .iter()
        .enumerate()
        .map(|(number, (municipality, complied))| Assessed {
            segment: TrialSegment {
                municipality_id: MunicipalityId(if *municipality == 0 { 1202 } else { 114 }),
                segment_id: mint.id(noon("2026-06-01")),
                code: format!("s-{number:04}"),
                homes: 25,
                baseline_observed: 150,
                baseline_complied: *complied,
                stratum: None,
                arm: None,
                left_out: None,
            },
            homes_observed: 25,
        })
        .collect()
}

proptest! {
    #[test]
    fn within_every_stratum_arms_differ_by_at_most_one(rates in prop::collection::vec((0..2i32, 0..=150i32), 4..90), seed in 1..u64::MAX / 2) {
        let mut protocol = protocol();
        protocol.seed = seed;
        let drawn = assign::draw(&protocol, assessed(&rates));
        prop_assert!(drawn.iter().all(|segment| segment.arm.is_some()));
        for (stratum, counts) in assign::table(&protocol, &drawn) {
            prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{} {:?}", stratum, counts);
        }
    }

    #[test]
    fn terciles_are_equal_in_size_and_ordered_by_compliance(rates in prop::collection::vec((0..2i32, 0..=150i32), 4..90)) {
        let drawn = assign::draw(&protocol(), assessed(&rates));
        for municipality in ["1202", "0114"] {
            let mut sizes = BTreeMap::from([(1, 0usize), (2, 0), (3, 0)]);
            let mut highest = 0;
            for tercile in 1..=3 {
                let name = format!("{municipality}/{tercile}");
                let members: Vec<i32> = drawn.iter().filter(|s| s.stratum.as_deref() == Some(name.as_str())).map(|s| s.baseline_complied).collect();
                sizes.insert(tercile, members.len());
                if let Some(lowest) = members.iter().min() {
                    prop_assert!(*lowest >= highest);
                    highest = *members.iter().max().unwrap();
                }
            }
            prop_assert!(sizes.values().max().unwrap() - sizes.values().min().unwrap() <= 1, "{:?}", sizes);
        }
    }

    #[test]
    fn the_same_seed_draws_the_same_whatever_order_the_segments_come_in(rates in prop::collection::vec((0..2i32, 0..=150i32), 4..60), seed in 1..u64::MAX / 2) {
        let mut protocol = protocol();
        protocol.seed = seed;
        let straight = assessed(&rates);
        let mut reversed = straight.clone();
        reversed.reverse();
        prop_assert_eq!(assign::draw(&protocol, straight), assign::draw(&protocol, reversed));
    }
}

#[test]
fn every_arm_is_equally_likely_for_every_segment() {
    // 18 segments in strata of 7, 6 and 5; chi-square with 3 degrees of freedom per segment over 4,000 seeds.
    let strata: Vec<usize> = (0..18)
        .map(|unit| {
            if unit < 7 {
                0
            } else if unit < 13 {
                1
            } else {
                2
            }
        })
        .collect();
    let mut counts = vec![[0f64; 4]; strata.len()];
    for seed in 0..4000 {
        for (unit, arm) in randomise::draw(&strata, 4, &mut seeded_random(seed, "likely")).into_iter().enumerate() {
            counts[unit][arm] += 1.0;
        }
    }
    for count in counts {
        let chi: f64 = count.iter().map(|n| (n - 1000.0).powi(2) / 1000.0).sum();
        assert!(chi < 21.1, "p below one in ten thousand: {count:?}");
    }
}

#[test]
fn pairs_within_a_stratum_are_drawn_together_as_often_as_they_should() {
    // Two of eight units in one stratum with four arms: the same arm in 1 of 7 draws.
    let strata = vec![0; 8];
    let together = (0..7000).filter(|seed| {
        let arms = randomise::draw(&strata, 4, &mut seeded_random(*seed, "pairs"));
        arms[0] == arms[1]
    });
    let together = together.count() as f64;
    assert!((together - 1000.0).abs() < 4.5 * (1000.0f64 * 6.0 / 7.0).sqrt(), "{together}");
}
