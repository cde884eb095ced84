//! What may be said about the neighbours, whatever was observed.

use proptest::prelude::*;
use vecino::norm::rule::{Facts, Group, GroupWhy, SHARE_LEVEL, Text, Why, choose};
use vecino::norm::share::{Record, Rise, Share};
use vecino::trial::protocol::GroupKind;
use vecino::trial::protocol::{NormRules, Protocol};

fn rules() -> NormRules {
    Protocol::parse(include_str!("../experiments/norma-y-plan-2026.toml"), "norma-y-plan-2026.toml").unwrap().norm
}

fn records(complied: usize, homes: usize) -> Vec<Record> {
    (0..homes).map(|at| Record { observed: 4, complied: if at < complied { 4 } else { 1 } }).collect()
}

fn group(kind: GroupKind, before: Option<(usize, usize)>, now: (usize, usize)) -> Group {
    let current = records(now.0, now.1);
    let share = Share::of(current.iter().copied(), 2, SHARE_LEVEL);
    let rise = before.and_then(|(complied, homes)| {
        let earlier = records(complied, homes);
        let pairs: Vec<(Record, Record)> =
            (0..homes.max(now.1)).map(|at| (earlier.get(at).copied().unwrap_or_default(), current.get(at).copied().unwrap_or_default())).collect();
        Rise::of(&pairs, 2, SHARE_LEVEL, 0.9)
    });
    Group { kind, share, rise }
}

fn text(groups: &[Group], own: Record, turn: usize) -> (Text, Vec<(Text, Why)>) {
    let rules = rules();
    let choice = choose(&Facts { own, groups, injunctive: true, turn, rules: &rules });
    assert_eq!(choice.not_used.len(), Text::ALL.len() - 1, "every other text has its reason");
    (choice.text, choice.not_used)
}

const UNKNOWN: Record = Record { observed: 0, complied: 0 };
const NEVER: Record = Record { observed: 4, complied: 0 };
const ALWAYS: Record = Record { observed: 4, complied: 4 };

#[test]
fn a_true_majority_is_told_and_the_two_sentences_take_turns() {
    let groups = [group(GroupKind::Route, None, (72, 100))];
    assert_eq!(text(&groups, NEVER, 0).0, Text::Static);
    let (second, not_used) = text(&groups, NEVER, 1);
    assert_eq!(second, Text::Majority);
    assert!(not_used.contains(&(Text::Static, Why::Turn)));
    for later in [Text::Injunctive, Text::Service] {
        assert!(not_used.contains(&(later, Why::Preferred { text: Text::Majority })), "{later:?}");
    }
}

#[test]
fn a_limit_that_is_reached_exactly_is_reached() {
    let route = group(GroupKind::Route, None, (72, 100));
    let share = route.share.unwrap();
    let choose_by = |groups: &[Group], rules: &NormRules| choose(&Facts { own: NEVER, groups, injunctive: true, turn: 1, rules });
    // Homes and precision of the group.
    let rules = NormRules { group_homes: 100, half_width: share.half_width(), ..rules() };
    let choice = choose_by(&[Group { share: None, ..route }, route], &rules);
    assert_eq!((choice.text, choice.group, choice.other_groups), (Text::Majority, Some(1), vec![(0, GroupWhy::Unobserved)]));
    // A share that may be as low as the limit is told, and is no majority.
    let choice = choose_by(&[route], &NormRules { static_lower: share.low, ..rules.clone() });
    assert_eq!(choice.text, Text::Static);
    assert!(choice.not_used.contains(&(Text::Majority, Why::LowerBound { low: share.low, needs: share.low })));
    // A rise as large as it must be, from a window as sure as it must be.
    let rising = group(GroupKind::Route, Some((28, 100)), (42, 100));
    let rise = rising.rise.unwrap();
    let rules = NormRules { half_width: rise.now.half_width(), dynamic_rise: rise.rise, ..rules };
    assert_eq!(choose_by(&[rising], &rules).text, Text::Dynamic);
    let mirrored = group(GroupKind::Route, Some((28, 100)), (75, 100));
    let rules = NormRules { half_width: mirrored.rise.unwrap().before.half_width(), ..rules };
    assert!(choose_by(&[mirrored], &rules).not_used.contains(&(Text::Dynamic, Why::Preferred { text: Text::Majority })));
}

#[test]
fn a_text_is_called_the_same_everywhere_and_all_but_two_rest_on_a_share() {
    for text in Text::ALL {
        assert_eq!(serde_json::to_value(text).unwrap(), text.name());
    }
    assert_eq!(Text::ALL.into_iter().filter(|text| !text.rests_on_norm()).collect::<Vec<_>>(), [Text::Injunctive, Text::Service]);
}

#[test]
fn a_low_level_is_never_told_as_a_level() {
    let groups = [group(GroupKind::Route, None, (38, 100))];
    let (chosen, not_used) = text(&groups, NEVER, 0);
    assert_eq!(chosen, Text::Injunctive);
    assert!(not_used.iter().any(|(t, why)| *t == Text::Static && matches!(why, Why::LowerBound { .. })));
    assert!(not_used.contains(&(Text::Dynamic, Why::NoEarlierWindow)));
}

#[test]
fn an_established_rise_is_told_with_both_tenths_only_if_they_differ() {
    assert_eq!(text(&[group(GroupKind::Route, Some((28, 100)), (42, 100))], NEVER, 0).0, Text::Dynamic);
    let (chosen, not_used) = text(&[group(GroupKind::Route, Some((30, 100)), (39, 100))], NEVER, 0);
    assert_eq!(chosen, Text::Injunctive);
    assert!(not_used.contains(&(Text::Dynamic, Why::SameTenth { tenth: 3 })));
    let (_, not_used) = text(&[group(GroupKind::Route, Some((38, 100)), (41, 100))], NEVER, 0);
    assert!(not_used.iter().any(|(t, why)| *t == Text::Dynamic && matches!(why, Why::RiseTooSmall { .. })));
}

/// Each case fails every rule from its own on: the first of them is the reason that is given.
#[test]
fn why_a_rise_is_not_told_is_asked_in_one_order() {
    // The earlier figure is as sure as any here, whatever its homes.
    let rules = NormRules { half_width: 1.0, ..rules() };
    let why = |before, now| {
        let groups = [group(GroupKind::Route, before, now)];
        let choice = choose(&Facts { own: NEVER, groups: &groups, injunctive: true, turn: 0, rules: &rules });
        choice.not_used.into_iter().find(|(text, _)| *text == Text::Dynamic).map(|(_, why)| why)
    };
    assert_eq!(why(None, (20, 100)), Some(Why::NoEarlierWindow));
    assert_eq!(why(Some((10, 49)), (20, 100)), Some(Why::NoEarlierWindow), "49 homes are too few for the earlier figure too");
    assert!(matches!(why(Some((10, 50)), (20, 100)), Some(Why::RiseTooSmall { .. })));
    assert!(matches!(why(Some((2, 100)), (5, 100)), Some(Why::RiseTooSmall { .. })), "its tenths are equal and 0 too");
    assert!(matches!(why(Some((3, 50)), (6, 51)), Some(Why::RiseUncertain { .. })), "its earlier tenth is 0 too");
    assert_eq!(why(Some((2, 100)), (9, 100)), Some(Why::SameTenth { tenth: 0 }));
    assert_eq!(why(Some((9, 100)), (20, 100)), Some(Why::TenthTooLow { tenth: 0 }), "«de 0 a 2 de cada 10» is said to nobody");
    assert_eq!(why(Some((10, 100)), (20, 100)), None);
    let narrow = NormRules { half_width: 0.10, ..rules };
    let groups = [group(GroupKind::Route, Some((25, 50)), (150, 200))];
    let choice = choose(&Facts { own: NEVER, groups: &groups, injunctive: true, turn: 0, rules: &narrow });
    assert!(
        choice.not_used.contains(&(Text::Dynamic, Why::NoEarlierWindow)),
        "half of fifty homes is not known to ten points: {:?}",
        choice.not_used
    );
}

#[test]
fn a_home_at_or_above_the_figure_is_thanked_and_not_compared() {
    let groups = [group(GroupKind::Route, None, (72, 100))];
    assert_eq!(text(&groups, ALWAYS, 0).0, Text::Approval);
    // Two visits are too few for a personal sentence.
    let (chosen, not_used) = text(&groups, Record { observed: 2, complied: 2 }, 0);
    assert_eq!(chosen, Text::Static);
    assert!(not_used.contains(&(Text::Approval, Why::OwnUnknown { observed: 2 })));
    // Where the level is low, approval says no figure, and a home that is above it without complying mostly is neither praised nor compared.
    let rising = [group(GroupKind::Route, Some((28, 100)), (42, 100))];
    assert_eq!(text(&rising, ALWAYS, 0).0, Text::ApprovalOwn);
    assert_eq!(text(&rising, Record { observed: 4, complied: 2 }, 0).0, Text::Injunctive);
}

#[test]
fn at_the_ceiling_there_are_only_thanks() {
    for own in [UNKNOWN, NEVER, ALWAYS] {
        let (chosen, not_used) = text(&[group(GroupKind::Route, Some((50, 100)), (93, 100))], own, 0);
        assert_eq!(chosen, Text::Thanks);
        assert_eq!(not_used.iter().filter(|(_, why)| *why == Why::Ceiling { tenth: 9 }).count(), 5, "{not_used:?}");
    }
}

#[test]
fn the_nearest_group_that_is_large_and_sure_enough_speaks() {
    let rules = rules();
    let groups = [
        group(GroupKind::Segment, None, (24, 25)),
        group(GroupKind::Route, None, (30, 49)),
        group(GroupKind::Neighbourhood, None, (60, 120)),
        group(GroupKind::Municipality, None, (900, 1000)),
    ];
    let choice = choose(&Facts { own: UNKNOWN, groups: &groups, injunctive: true, turn: 0, rules: &rules });
    assert_eq!(choice.group, Some(2), "49 homes are too few, and the municipality is not taken because its figure is better");
    assert_eq!(choice.text, Text::Injunctive);
    assert_eq!(choice.other_groups.len(), 3);
}

#[test]
fn without_a_sourced_rule_and_a_figure_the_service_message_remains() {
    let rules = rules();
    let choice = choose(&Facts { own: UNKNOWN, groups: &[], injunctive: false, turn: 0, rules: &rules });
    assert_eq!((choice.text, choice.group), (Text::Service, None));
}

fn any_group() -> impl Strategy<Value = Group> {
    let visits = (0i64..6).prop_flat_map(|observed| (Just(observed), 0..=observed)).prop_map(|(observed, complied)| Record { observed, complied });
    let good = proptest::bool::weighted(0.5);
    (proptest::collection::vec((visits.clone(), visits, good), 0..160), 0usize..4).prop_map(|(homes, kind)| {
        // Lean some groups to high shares, so that every rule fires.
        let pairs: Vec<(Record, Record)> =
            homes.into_iter().map(|(a, b, good)| (a, if good { Record { observed: b.observed, complied: b.observed } } else { b })).collect();
        let share = Share::of(pairs.iter().map(|(_, now)| *now), 2, SHARE_LEVEL);
        let kind = [GroupKind::Segment, GroupKind::Route, GroupKind::Neighbourhood, GroupKind::Municipality][kind];
        Group { kind, share, rise: Rise::of(&pairs, 2, SHARE_LEVEL, 0.9) }
    })
}

/// Every count of up to 150 homes: a wrong rounding shows at few of them.
#[test]
fn a_tenth_is_never_rounded_up_and_always_stands_on_the_counts() {
    for homes in 1i64..=150 {
        for complied in 0..=homes {
            let share = Share::of((0..homes).map(|at| Record { observed: 2, complied: if at < complied { 2 } else { 0 } }), 2, SHARE_LEVEL).unwrap();
            let tenth = i64::from(share.tenth());
            assert!(tenth * homes <= 10 * complied && 10 * complied < (tenth + 1) * homes, "{share:?}");
            assert!(0.0 <= share.low && share.low <= share.estimate && share.estimate <= share.high && share.high <= 1.0, "{share:?}");
        }
    }
}

#[test]
fn a_group_of_fewer_than_twenty_homes_never_speaks_even_if_a_protocol_allows_it() {
    let rules = NormRules { group_homes: 1, half_width: 1.0, ..rules() };
    for homes in 0..=20 {
        for complied in 0..=homes {
            let groups = [group(GroupKind::Segment, None, (complied, homes))];
            let choice = choose(&Facts { own: UNKNOWN, groups: &groups, injunctive: true, turn: 0, rules: &rules });
            assert_eq!(choice.group, (homes == 20).then_some(0), "{complied} of {homes}");
        }
    }
}

proptest! {
    #[test]
    fn nothing_untrue_is_ever_chosen(groups in proptest::collection::vec(any_group(), 0..4), observed in 0i64..6, part in 0.0f64..=1.0, turn in 0usize..3) {
        let rules = rules();
        let own = Record { observed, complied: (observed as f64 * part) as i64 };
        let choice = choose(&Facts { own, groups: &groups, injunctive: true, turn, rules: &rules });
        prop_assert!(!choice.not_used.iter().any(|(text, _)| *text == choice.text));
        let share = choice.group.and_then(|at| groups[at].share);
        prop_assert_eq!(choice.text.rests_on_norm() && share.is_none(), false);
        if let Some(share) = share {
            prop_assert!(share.homes >= 50 && share.half_width() <= 0.10);
            let personal = own.observed >= 3 && own.complied as f64 / own.observed.max(1) as f64 >= f64::from(share.tenth()) / 10.0;
            match choice.text {
                Text::Static => prop_assert!(share.low >= 0.5 && !personal && share.tenth() < 9),
                Text::Majority => prop_assert!(share.low > 0.5 && !personal && share.tenth() < 9),
                Text::Approval => prop_assert!(share.low >= 0.5 && personal && 2 * own.complied > own.observed),
                Text::ApprovalOwn => prop_assert!(personal && 2 * own.complied > own.observed),
                Text::Dynamic => {
                    let rise = groups[choice.group.unwrap()].rise.unwrap();
                    prop_assert!(share.low < 0.5 && !personal && rise.rise >= 0.05 && rise.low > 0.0 && rise.before.tenth() < rise.now.tenth());
                    prop_assert_eq!(rise.now.tenth(), share.tenth());
                }
                Text::Thanks => prop_assert!(share.tenth() >= 9),
                Text::Injunctive | Text::Service => {}
            }
        }
    }
}
