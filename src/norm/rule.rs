//! Which sentence about the neighbours is true enough to send. Pure: what is known of the home and its groups in, a choice out,
//! with every text that was not used and why. The arm is no argument: the same facts give the same choice to everybody.

use super::share::{Record, Rise, Share};
use crate::trial::protocol::{GroupKind, NormRules};
use serde::Serialize;

/// Level of the interval a share of homes is judged by.
pub const SHARE_LEVEL: f64 = 0.95;
/// Observed collections from which a home's own record may be spoken of.
pub const OWN_VISITS: i64 = 3;

/// A group the home belongs to, with what was seen of it. `share` is empty when nobody in it is known well enough.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Group {
    pub kind: GroupKind,
    pub share: Option<Share>,
    pub rise: Option<Rise>,
}

/// The sentences there are, in the order in which they are preferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Text {
    /// The group is at the ceiling: thanks, no figure.
    Thanks,
    /// The home is at or above the stated figure: approval, the figure beside it.
    Approval,
    /// As `Approval` where the figure is too low to be told: approval alone.
    ApprovalOwn,
    /// «La mayoría … n de cada 10».
    Majority,
    /// «n de cada 10».
    Static,
    /// «de n a m de cada 10».
    Dynamic,
    /// What the national rule asks.
    Injunctive,
    /// The reminder every arm could get.
    Service,
}

impl Text {
    pub const ALL: [Text; 8] =
        [Text::Thanks, Text::Approval, Text::ApprovalOwn, Text::Majority, Text::Static, Text::Dynamic, Text::Injunctive, Text::Service];

    pub fn name(self) -> &'static str {
        match self {
            Text::Thanks => "thanks",
            Text::Approval => "approval",
            Text::ApprovalOwn => "approval_own",
            Text::Majority => "majority",
            Text::Static => "static",
            Text::Dynamic => "dynamic",
            Text::Injunctive => "injunctive",
            Text::Service => "service",
        }
    }

    /// Whether it says anything that rests on a frozen share of homes, and so carries its identity.
    pub fn rests_on_norm(self) -> bool {
        !matches!(self, Text::Injunctive | Text::Service)
    }
}

/// Why a text was not used.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "why")]
pub enum Why {
    /// A text before it in the order was allowed.
    Preferred {
        text: Text,
    },
    /// Both are allowed; this week is the other's turn.
    Turn,
    NoGroup,
    LowerBound {
        low: f64,
        needs: f64,
    },
    NoEarlierWindow,
    RiseTooSmall {
        rise: f64,
        needs: f64,
    },
    RiseUncertain {
        low: f64,
    },
    SameTenth {
        tenth: i16,
    },
    TenthTooLow {
        tenth: i16,
    },
    OwnUnknown {
        observed: i64,
    },
    OwnBelow {
        observed: i64,
        complied: i64,
        tenth: i16,
    },
    /// It would set a figure below the home's own record before it.
    OwnAbove {
        observed: i64,
        complied: i64,
        tenth: i16,
    },
    /// The home is at or above the figure and still did not comply in more than half: praise would not be true.
    OwnNotHalf {
        observed: i64,
        complied: i64,
    },
    /// The figure is too low to be told as a level.
    LevelNotTold,
    Ceiling {
        tenth: i16,
    },
    NotAtCeiling {
        tenth: i16,
        ceiling: i16,
    },
    NoSource,
}

/// Why a group was not the one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "why")]
pub enum GroupWhy {
    Unobserved,
    TooFewHomes { homes: i64, needs: i64 },
    TooWide { half_width: f64, needs: f64 },
    NearerOne { kind: GroupKind },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    pub text: Text,
    /// Index of the group whose share is told or judged.
    pub group: Option<usize>,
    pub other_groups: Vec<(usize, GroupWhy)>,
    pub not_used: Vec<(Text, Why)>,
}

/// What a choice is made from.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The home's own record of the window.
    pub own: Record,
    /// From the nearest to the widest.
    pub groups: &'a [Group],
    /// There is a true and sourced rule to name.
    pub injunctive: bool,
    /// Counts the norm messages of the campaign; the two sentences about a majority take turns.
    pub turn: usize,
    pub rules: &'a NormRules,
}

/// The nearest group that is large and sure enough, and why the others are not it.
pub fn nearest(groups: &[Group], rules: &NormRules) -> (Option<usize>, Vec<(usize, GroupWhy)>) {
    let needs = rules.group_homes.max(rules.minimum_homes);
    let (mut chosen, mut others) = (None, Vec::new());
    for (at, group) in groups.iter().enumerate() {
        let why = match (&group.share, chosen) {
            (_, Some(nearer)) => Some(GroupWhy::NearerOne { kind: groups.get(nearer).map_or(group.kind, |g: &Group| g.kind) }),
            (None, _) => Some(GroupWhy::Unobserved),
            (Some(share), _) if share.homes < needs => Some(GroupWhy::TooFewHomes { homes: share.homes, needs }),
            (Some(share), _) if share.half_width() > rules.half_width => {
                Some(GroupWhy::TooWide { half_width: share.half_width(), needs: rules.half_width })
            }
            _ => None,
        };
        match why {
            Some(why) => others.push((at, why)),
            None => chosen = Some(at),
        }
    }
    (chosen, others)
}

/// Chooses the sentence. First the group, by size and precision alone; a wider group is never taken because its figure is better.
pub fn choose(facts: &Facts<'_>) -> Choice {
    let (group, other_groups) = nearest(facts.groups, facts.rules);
    let verdicts: Vec<(Text, Option<Why>)> = Text::ALL.iter().map(|text| (*text, judge(*text, facts, group))).collect();
    let first = verdicts.iter().find(|(_, why)| why.is_none()).map_or(Text::Service, |(text, _)| *text);
    // The two sentences about a majority are equals, and where the stronger one is true so is the other: the turn decides.
    let text = if first == Text::Majority && facts.turn.is_multiple_of(2) { Text::Static } else { first };
    let not_used = verdicts
        .into_iter()
        .filter(|(other, _)| *other != text)
        .map(|(other, why)| {
            let pair = matches!((text, other), (Text::Static, Text::Majority) | (Text::Majority, Text::Static));
            (other, why.unwrap_or(if pair { Why::Turn } else { Why::Preferred { text } }))
        })
        .collect();
    Choice { text, group, other_groups, not_used }
}

/// Whether a text may be used, leaving aside whether a better one may.
fn judge(text: Text, facts: &Facts<'_>, group: Option<usize>) -> Option<Why> {
    match text {
        Text::Service => return None,
        Text::Injunctive => return (!facts.injunctive).then_some(Why::NoSource),
        _ => {}
    }
    let Some((group, share)) = group.and_then(|at| facts.groups.get(at)).and_then(|group| group.share.as_ref().map(|share| (group, share))) else {
        return Some(Why::NoGroup);
    };
    let (rules, own, tenth) = (facts.rules, facts.own, share.tenth());
    let at_ceiling = tenth >= rules.ceiling_tenth;
    let level = level_refused(share, rules);
    match text {
        Text::Thanks => (!at_ceiling).then_some(Why::NotAtCeiling { tenth, ceiling: rules.ceiling_tenth }),
        _ if at_ceiling => Some(Why::Ceiling { tenth }),
        Text::Approval => praise_refused(own, tenth).or(level.map(|_| Why::LevelNotTold)),
        Text::ApprovalOwn => praise_refused(own, tenth).or_else(|| match level {
            None => Some(Why::Preferred { text: Text::Approval }),
            Some(_) => rise_refused(group, rules),
        }),
        Text::Majority if !majority(share.low, rules) => Some(Why::LowerBound { low: share.low, needs: level_lower(rules) }),
        Text::Majority | Text::Static => level.or(compared(own, tenth)),
        _ => rise_refused(group, rules).or(compared(own, tenth)),
    }
}

/// Whatever the protocol says, a figure below one half is never told as a level.
fn level_lower(rules: &NormRules) -> f64 {
    rules.static_lower.max(0.5)
}

/// Whether «la mayoría» is true of a share with this lower limit: it alone must be above the bound, where a figure may stand on it.
pub fn majority(low: f64, rules: &NormRules) -> bool {
    low > level_lower(rules)
}

fn level_refused(share: &Share, rules: &NormRules) -> Option<Why> {
    let needs = level_lower(rules);
    (share.low < needs).then_some(Why::LowerBound { low: share.low, needs })
}

fn rise_refused(group: &Group, rules: &NormRules) -> Option<Why> {
    let Some(rise) = &group.rise else { return Some(Why::NoEarlierWindow) };
    let homes = rise.before.homes;
    let (before, now) = (rise.before.tenth(), rise.now.tenth());
    match () {
        // The earlier figure is told too, so its group must be as large and as sure.
        _ if homes < rules.group_homes.max(rules.minimum_homes) || rise.before.half_width() > rules.half_width => Some(Why::NoEarlierWindow),
        _ if rise.rise < rules.dynamic_rise => Some(Why::RiseTooSmall { rise: rise.rise, needs: rules.dynamic_rise }),
        _ if rise.low <= 0.0 => Some(Why::RiseUncertain { low: rise.low }),
        _ if before == now => Some(Why::SameTenth { tenth: now }),
        _ if before < 1 => Some(Why::TenthTooLow { tenth: before }),
        _ => None,
    }
}

/// At or above the stated figure, from enough visits. Compared in whole numbers: complied/observed ≥ tenth/10.
fn at_or_above(own: Record, tenth: i16) -> bool {
    own.known(OWN_VISITS) && 10 * own.complied >= i64::from(tenth) * own.observed
}

/// Boomerang guard: a figure below the home's own record is not set before it.
fn compared(own: Record, tenth: i16) -> Option<Why> {
    at_or_above(own, tenth).then_some(Why::OwnAbove { observed: own.observed, complied: own.complied, tenth })
}

fn praise_refused(own: Record, tenth: i16) -> Option<Why> {
    match () {
        _ if !own.known(OWN_VISITS) => Some(Why::OwnUnknown { observed: own.observed }),
        _ if !at_or_above(own, tenth) => Some(Why::OwnBelow { observed: own.observed, complied: own.complied, tenth }),
        _ if !own.counts() => Some(Why::OwnNotHalf { observed: own.observed, complied: own.complied }),
        _ => None,
    }
}
