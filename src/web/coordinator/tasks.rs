//! What waits for a person, sorted by harm: first what may hurt people, then homes that wait, then data at risk, then order.

use super::facts::{Facts, Phone};
use crate::clock::{local, show_time};
use crate::language::Words;
use crate::observation::Reason;
use crate::observation::supervision::Progress;
use crate::page::count;
use chrono::Duration;
use std::cmp::Reverse;

/// One matter: when or how it stands, what and with which consequence, one verb.
#[derive(Debug, Clone)]
pub struct Task {
    harm: (u8, i64),
    /// `falla`, `tarde` or `ojo`.
    pub tone: &'static str,
    pub state: String,
    pub title: String,
    pub detail: String,
    pub verb: String,
    pub href: String,
}

/// A round that has not left this long after its time waits for a person.
const LATE: i64 = 15;
/// A phone on the road that was not heard for so long.
const SILENT_HOURS: i64 = 2;

pub fn of(words: &Words, facts: &Facts) -> Vec<Task> {
    let mut tasks = Vec::new();
    tasks.extend(stop_rule(words, facts));
    tasks.extend(facts.paused.iter().map(|(campaign, at, why)| Task {
        harm: (6, 0),
        tone: "tarde",
        state: words.say("today-paused"),
        title: words.tell("today-paused-title", &[("campaign", campaign.as_str().into())]),
        detail: words.tell(
            "today-paused-detail",
            &[
                ("at", at.map(show_time).unwrap_or_default().into()),
                ("why", crate::norm::pause::why_shown(words, why.as_deref().unwrap_or_default()).into()),
            ],
        ),
        verb: words.say("today-paused-verb"),
        href: "/campaigns".into(),
    }));
    tasks.extend(facts.today.iter().filter_map(|row| not_left(words, facts, row)));
    tasks.extend(facts.today.iter().filter_map(|row| dump_closed(words, facts, row)));
    tasks.extend(facts.phones.iter().filter_map(|phone| unsettled(words, facts, phone)));
    tasks.extend(facts.phones.iter().filter_map(|phone| silent(words, facts, phone)));
    tasks.extend(messages(words, facts));
    if facts.homeless_count > 0 {
        tasks.push(Task {
            harm: (1, facts.homeless_count),
            tone: "ojo",
            state: words.say("today-homeless"),
            title: words.tell("today-homeless-title", &[("n", facts.homeless_count.into())]),
            detail: words.say("today-homeless-detail"),
            verb: words.say("today-homeless-verb"),
            href: "#sin-lugar".into(),
        });
    }
    tasks.sort_by_key(|task| Reverse(task.harm));
    tasks
}

fn rounds_of(facts: &Facts) -> String {
    format!("/rounds?municipality={}", facts.code)
}

fn not_left(words: &Words, facts: &Facts, row: &Progress) -> Option<Task> {
    let late = (facts.now - row.round.leaves_at()).num_minutes();
    if row.started() || row.finished(facts.now) || late < LATE || row.round.planned_stops == 0 {
        return None;
    }
    let stream = words.say(&format!("map-stream-{}", row.round.stream.name()));
    let homes = i64::from(row.round.planned_stops);
    Some(Task {
        harm: (5, homes),
        tone: "falla",
        state: words.say("today-not-left"),
        title: words.tell("today-not-left-title", &[("route", called(words, &row.route).into()), ("hour", row.round.window_start.as_str().into())]),
        detail: words
            .tell("today-not-left-detail", &[("operator", row.operator.as_str().into()), ("homes", count(homes).into()), ("stream", stream.into())]),
        verb: words.say("today-see-round"),
        href: rounds_of(facts),
    })
}

/// A route as people call it: its name says already that it is one, or is told so.
fn called(words: &Words, name: &str) -> String {
    let told = words.tell("today-route-called", &[("route", name.into())]);
    let word = told.split(' ').next().unwrap_or_default().to_lowercase();
    if name.to_lowercase().starts_with(&format!("{word} ")) { name.to_owned() } else { told }
}

fn dump_closed(words: &Words, facts: &Facts, row: &Progress) -> Option<Task> {
    let stops = row.reasons.iter().find(|(reason, _)| **reason == Reason::DumpClosed).map(|(_, n)| *n)?;
    Some(Task {
        harm: (4, stops),
        tone: "tarde",
        state: row.last_stop.map(|at| words.tell("today-until", &[("hour", local(at).format("%H:%M").to_string().into())])).unwrap_or_default(),
        title: words.tell("today-dump-title", &[("n", stops.into()), ("route", row.route.as_str().into())]),
        detail: words.say("today-dump-detail"),
        verb: words.say("today-see-round"),
        href: rounds_of(facts),
    })
}

fn unsettled(words: &Words, facts: &Facts, phone: &Phone) -> Option<Task> {
    (phone.unsettled > 0).then(|| Task {
        harm: (3, phone.unsettled),
        tone: "ojo",
        state: words.say("today-unsettled"),
        title: words.tell("today-unsettled-title", &[("n", phone.unsettled.into()), ("phone", phone.name.as_str().into())]),
        detail: words.tell("today-unsettled-detail", &[("since", phone.oldest.map(show_time).unwrap_or_default().into())]),
        verb: words.say("today-see-phone"),
        href: rounds_of(facts),
    })
}

/// A phone whose company has a round under way and that has not been heard.
fn silent(words: &Words, facts: &Facts, phone: &Phone) -> Option<Task> {
    let seen = phone.seen_at?;
    let quiet = facts.now - seen;
    let on_the_road = facts.today.iter().any(|row| {
        let own = phone.operator == Some(row.round.operator_id);
        own && row.started() && !row.finished(facts.now)
    });
    (on_the_road && quiet >= Duration::hours(SILENT_HOURS) && quiet < Duration::days(7)).then(|| Task {
        harm: (2, quiet.num_hours()),
        tone: "ojo",
        state: words.tell("today-silent", &[("hours", quiet.num_hours().into())]),
        title: words.tell("today-silent-title", &[("phone", phone.name.as_str().into())]),
        detail: words.tell("today-silent-detail", &[("at", show_time(seen).into())]),
        verb: words.say("today-see-phone"),
        href: rounds_of(facts),
    })
}

/// Withdrawals of this week against the protocol's limit, all homes together.
fn stop_rule(words: &Words, facts: &Facts) -> Option<Task> {
    let limit = facts.trial.as_ref()?.stop_rules.opt_out_per_week;
    if facts.consents == 0 || facts.withdrawn == 0 {
        return None;
    }
    let share = facts.withdrawn as f64 / facts.consents as f64;
    (share > limit).then(|| Task {
        harm: (7, facts.withdrawn),
        tone: "falla",
        state: words.say("today-stop"),
        title: words.tell("today-stop-title", &[("n", facts.withdrawn.into()), ("homes", count(facts.consents).into())]),
        detail: words.tell("today-stop-detail", &[("limit", format!("{:.0}", limit * 100.0).into())]),
        verb: words.say("today-stop-verb"),
        href: "/campaigns".into(),
    })
}

fn messages(words: &Words, facts: &Facts) -> Vec<Task> {
    let failed: i64 =
        facts.messages.iter().filter(|(_, state, _)| matches!(state.as_str(), "failed" | "rejected" | "expired")).map(|(.., n)| n).sum();
    let task = |key: &str, n: i64| Task {
        harm: (2, n),
        tone: "ojo",
        state: words.say(&format!("today-{key}")),
        title: words.tell(&format!("today-{key}-title"), &[("n", n.into())]),
        detail: words.say(&format!("today-{key}-detail")),
        verb: words.say("today-see-messages"),
        href: "/campaigns".into(),
    };
    [("failed", failed), ("overdue", facts.overdue)].into_iter().filter(|(_, n)| *n > 0).map(|(key, n)| task(key, n)).collect()
}
