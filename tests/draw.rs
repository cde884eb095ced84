//! The draw: balanced within every stratum, fair to every segment, and the same again from its seed.

use crate::trial::{noon, protocol};
use proptest::prelude::*;
use std::collections::BTreeMap;
use vecino::id::{Mint, MunicipalityId, seeded_random};
use vecino::trial::TrialSegment;
use vecino::trial::assign::{self, Assessed};
use vecino::trial::protocol::{Covariate, Protocol, Rerandomise};
use vecino::trial::randomise::{LeftOver, Rule};

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
                block: None,
                arm: None,
                left_out: None,
            },
            homes_observed: 25,
        })
        .collect()
}

fn drawn(protocol: &Protocol, rates: &[(i32, i32)]) -> Vec<TrialSegment> {
    assign::draw(protocol, assessed(rates), LeftOver::Together).unwrap()
}

/// Segments of each arm, over all strata.
fn totals(protocol: &Protocol, drawn: &[TrialSegment]) -> Vec<usize> {
    protocol.arms.iter().map(|arm| drawn.iter().filter(|segment| segment.arm.as_ref() == Some(&arm.id)).count()).collect()
}

/// A protocol that declares no factors says by its wordings what an arm is told.
#[test]
fn what_an_arm_is_told_is_read_from_its_factors_or_its_wordings() {
    let shipped = include_str!("../experiments/norma-y-plan-2026.toml");
    let bare: String = shipped.lines().filter(|line| !line.starts_with("factors = ")).map(|line| format!("{line}\n")).collect();
    for text in [shipped, &bare] {
        let protocol = Protocol::parse(text, "test").unwrap();
        let told = ["reminder", "norm", "plan", "norm_plan"].map(|arm| protocol.treatment(arm)).map(|told| (told.norm, told.plan));
        assert_eq!(told, [(false, false), (true, false), (false, true), (true, true)], "{} factors", protocol.factors().len());
    }
}

proptest! {
    #[test]
    fn over_all_strata_arms_differ_by_at_most_one_too(rates in prop::collection::vec((0..2i32, 0..=150i32), 4..90), seed in 1..u64::MAX / 2) {
        let mut protocol = protocol();
        protocol.seed = seed;
        let totals = totals(&protocol, &drawn(&protocol, &rates));
        prop_assert!(totals.iter().max().unwrap() - totals.iter().min().unwrap() <= 1, "{totals:?}");
    }

    #[test]
    fn with_a_ratio_every_arm_has_its_share_within_one_in_every_stratum_and_over_all(
        rates in prop::collection::vec((0..2i32, 0..=150i32), 4..90), seed in 1..u64::MAX / 2, ratio in prop::collection::vec(1..4u32, 4)
    ) {
        let mut protocol = protocol();
        (protocol.seed, protocol.assignment.ratio) = (seed, ratio.clone());
        let drawn = drawn(&protocol, &rates);
        let whole: u32 = ratio.iter().sum();
        let near = |counts: &[usize]| {
            let n: usize = counts.iter().sum();
            counts.iter().zip(&ratio).all(|(count, times)| (*count as f64 - n as f64 * f64::from(*times) / f64::from(whole)).abs() < 1.0)
        };
        prop_assert!(near(&totals(&protocol, &drawn)), "{:?}", totals(&protocol, &drawn));
        for (stratum, counts) in assign::table(&protocol, &drawn) {
            prop_assert!(near(&counts), "{} {:?}", stratum, counts);
        }
    }

    #[test]
    fn matched_pairs_hold_one_segment_of_either_arm(rates in prop::collection::vec((0..2i32, 0..=150i32), 4..60), seed in 1..u64::MAX / 2) {
        let mut protocol = protocol();
        protocol.arms.truncate(2);
        (protocol.seed, protocol.assignment.ratio, protocol.assignment.block) = (seed, vec![1, 1], Some(2));
        let mut pairs: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for segment in drawn(&protocol, &rates) {
            pairs.entry((segment.stratum, segment.block.unwrap())).or_default().push((segment.arm.unwrap(), segment.baseline_complied));
        }
        let mut before: Option<((Option<String>, i32), i32)> = None;
        for (name, members) in pairs {
            prop_assert!(members.len() <= 2 && (members.len() < 2 || members[0].0 != members[1].0), "{name:?} {members:?}");
            let least = members.iter().map(|(_, complied)| *complied).min().unwrap();
            if let Some((earlier, most)) = &before {
                prop_assert!(earlier.0 != name.0 || least >= *most, "pairs are of like baseline");
            }
            before = Some((name, members.iter().map(|(_, complied)| *complied).max().unwrap()));
        }
    }

    #[test]
    fn a_rule_of_rerandomisation_is_kept_by_the_draw(rates in prop::collection::vec((0..2i32, 0..=150i32), 40..90), seed in 1..u64::MAX / 2) {
        let mut protocol = protocol();
        protocol.seed = seed;
        let largest_difference = 0.4;
        protocol.assignment.strata.clear();
        protocol.assignment.rerandomise = Some(Rerandomise { covariates: vec![Covariate::Baseline, Covariate::Homes], largest_difference });
        let drawn = drawn(&protocol, &rates);
        let values: Vec<f64> = drawn.iter().map(|s| f64::from(s.baseline_complied) / 150.0).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let sd = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64).sqrt();
        let means: Vec<f64> = protocol.arms.iter().map(|arm| {
            let own: Vec<f64> = drawn.iter().zip(&values).filter(|(s, _)| s.arm.as_ref() == Some(&arm.id)).map(|(_, v)| *v).collect();
            own.iter().sum::<f64>() / own.len() as f64
        }).collect();
        let spread = means.iter().copied().fold(f64::MIN, f64::max) - means.iter().copied().fold(f64::MAX, f64::min);
        prop_assert!(spread <= largest_difference * sd + 1e-9, "{spread} {sd}");
    }

    #[test]
    fn within_every_stratum_arms_differ_by_at_most_one(rates in prop::collection::vec((0..2i32, 0..=150i32), 4..90), seed in 1..u64::MAX / 2) {
        let mut protocol = protocol();
        protocol.seed = seed;
        let drawn = drawn(&protocol, &rates);
        prop_assert!(drawn.iter().all(|segment| segment.arm.is_some()));
        for (stratum, counts) in assign::table(&protocol, &drawn) {
            prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{} {:?}", stratum, counts);
        }
    }

    #[test]
    fn terciles_are_equal_in_size_and_ordered_by_compliance(rates in prop::collection::vec((0..2i32, 0..=150i32), 4..90)) {
        let drawn = drawn(&protocol(), &rates);
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
        prop_assert_eq!(assign::draw(&protocol, straight, LeftOver::Together), assign::draw(&protocol, reversed, LeftOver::Together));
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
        for (unit, arm) in Rule::equal(strata.clone(), 4).draw(&mut seeded_random(seed, "likely")).unwrap().into_iter().enumerate() {
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
        let arms = Rule::equal(strata.clone(), 4).draw(&mut seeded_random(*seed, "pairs")).unwrap();
        arms[0] == arms[1]
    });
    let together = together.count() as f64;
    assert!((together - 1000.0).abs() < 4.5 * (1000.0f64 * 6.0 / 7.0).sqrt(), "{together}");
}

#[test]
fn with_a_ratio_every_segment_gets_each_arm_as_often_as_the_ratio_says() {
    // Strata of 4, 5 and 2 with 2 : 1 leave one, two and two over; chi-square with 1 degree of freedom per segment over 6,000 seeds.
    let groups = vec![0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2];
    let rule = Rule { groups: groups.clone(), ratio: vec![2, 1], left_over: LeftOver::Together, balance: None };
    let mut first = vec![0f64; groups.len()];
    for seed in 0..6000 {
        for (unit, arm) in rule.draw(&mut seeded_random(seed, "ratio")).unwrap().into_iter().enumerate() {
            first[unit] += f64::from(u8::from(arm == 0));
        }
    }
    for count in first {
        let chi = (count - 4000.0).powi(2) / 4000.0 + (2000.0 - (6000.0 - count)).powi(2) / 2000.0;
        assert!(chi < 15.1, "p below one in ten thousand: {count}");
    }
}

#[test]
fn a_trial_of_the_first_release_is_drawn_again_by_its_own_rule() {
    // Thirty segments in six strata as the first release drew them from this stream.
    let groups = vec![0, 2, 0, 1, 2, 1, 2, 0, 2, 1, 0, 1, 2, 1, 0, 5, 5, 5, 3, 4, 4, 3, 4, 5, 4, 5, 3, 4, 3, 3];
    let drawn = vec![2, 3, 1, 1, 0, 2, 3, 3, 1, 2, 0, 0, 2, 3, 2, 1, 3, 2, 1, 1, 0, 2, 1, 0, 3, 2, 0, 2, 1, 3];
    let rule = |left_over| Rule { groups: groups.clone(), ratio: vec![1; 4], left_over, balance: None };
    let draw = |left_over| rule(left_over).draw(&mut seeded_random(11, "assignment norma-y-plan-2026")).unwrap();
    let totals = |arms: &[usize]| (0..4).map(|arm| arms.iter().filter(|own| **own == arm).count()).collect::<Vec<_>>();
    assert_eq!(draw(LeftOver::ByGroup), drawn);
    assert_eq!(totals(&drawn), [6, 8, 9, 7]);
    let mut together = totals(&draw(LeftOver::Together));
    together.sort_unstable();
    assert_eq!(together, [7, 7, 8, 8]);
}
