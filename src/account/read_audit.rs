//! The auditor's page: which chains there are, whether they are whole, and what was done last. Reading is itself recorded.

use super::{Actor, audit};
use crate::app::App;
use crate::clock::show_time;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::MunicipalityId;
use crate::language::Words;
use crate::page::{Page, Reader, count, who};
use crate::{all, opt};
use axum::extract::{Query, State};
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};

const A_PAGE: i64 = 50;
/// Up to this many entries all chains are recomputed at every reading; beyond, when asked.
const CHECK_AT_ONCE: i64 = 5_000;

#[derive(Deserialize)]
pub struct Asked {
    /// `1202-sync`
    chain: Option<String>,
    /// Entries with a smaller number than this.
    before: Option<i64>,
    check: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Chain {
    municipality_id: MunicipalityId,
    stream: String,
    entries: i64,
    place: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Entry {
    sequence: i64,
    at: DateTime<Utc>,
    actor: String,
    action: String,
    target: String,
    detail: Value,
}

impl Chain {
    fn name(&self) -> String {
        format!("{}-{}", self.municipality_id, self.stream)
    }

    fn place(&self, words: &Words) -> String {
        self.place.clone().unwrap_or_else(|| match self.municipality_id {
            MunicipalityId::NONE => words.say("audit-installation"),
            other => other.to_string(),
        })
    }
}

async fn chains(tx: &mut Tx, reach: Option<MunicipalityId>) -> Result<Vec<Chain>> {
    all!(
        tx,
        "SELECT h.municipality_id, h.stream, h.sequence AS entries, m.name AS place
         FROM audit_head h LEFT JOIN municipality m ON m.municipality_id = h.municipality_id
         WHERE CAST($1 AS SMALLINT) IS NULL OR h.municipality_id = $1 ORDER BY h.municipality_id, h.stream",
        reach
    )
}

/// Where the newest entry of all stands, so that the page opens on what just happened.
async fn newest(tx: &mut Tx, chains: &[Chain]) -> Result<usize> {
    let mut best = (0, None);
    for (index, chain) in chains.iter().enumerate() {
        let last: Option<(DateTime<Utc>,)> = opt!(
            tx,
            "SELECT at FROM audit_entry WHERE municipality_id = $1 AND stream = $2 AND sequence = $3",
            chain.municipality_id,
            &chain.stream,
            chain.entries
        )?;
        let at = last.map(|(at,)| at);
        if at > best.1 {
            best = (index, at);
        }
    }
    Ok(best.0)
}

pub async fn page(State(app): State<App>, actor: Actor, reader: Reader, Query(asked): Query<Asked>) -> Result<Page> {
    let mut tx = app.db.read().await?;
    let chains = chains(&mut tx, actor.municipality).await?;
    if chains.is_empty() {
        let empty = html! { p.vacio { (reader.words.say("audit-empty")) } };
        return Ok(Page::new("audit", reader.words.say("audit-heading"), empty));
    }
    let shown = match &asked.chain {
        Some(name) => chains
            .iter()
            .position(|chain| chain.name() == *name)
            .ok_or_else(|| Error::not_found("chain-unknown", format!("there is no audit chain «{name}»")))?,
        None => newest(&mut tx, &chains).await?,
    };
    let chain = &chains[shown];
    let entries: Vec<Entry> = all!(
        tx,
        "SELECT sequence, at, actor, action, target, detail FROM audit_entry
         WHERE municipality_id = $1 AND stream = $2 AND sequence < $3 ORDER BY sequence DESC LIMIT $4",
        chain.municipality_id,
        &chain.stream,
        asked.before.unwrap_or(i64::MAX),
        A_PAGE
    )?;
    let total: i64 = chains.iter().map(|chain| chain.entries).sum();
    let broken = match total <= CHECK_AT_ONCE || asked.check.is_some() {
        true => {
            let mut lines = audit::verify(&mut tx).await?;
            lines.extend(audit::walk::missing(&mut tx).await?);
            Some(lines)
        }
        false => None,
    };
    drop(tx);
    let now = app.clock.now();
    let mut tx = app.db.write().await?;
    let detail = json!({"before": asked.before, "checked": broken.is_some()});
    let read = audit::Entry { stream: "account", actor: &actor.name, action: "audit-read", target: &chain.name(), detail };
    audit::record(&mut tx, actor.municipality.unwrap_or(MunicipalityId::NONE), now, read).await?;
    tx.commit().await?;
    Ok(view(&reader.words, &chains, shown, &entries, broken.as_deref(), total, now))
}

fn answer(words: &Words, broken: Option<&[String]>, chains: usize, total: i64) -> Markup {
    let values = [("chains", (chains as i64).into()), ("entries", count(total).into())];
    html! {
        @match broken {
            Some([]) => { strong { (words.say("audit-whole")) } " " (words.tell("audit-whole-detail", &values)) }
            Some(lines) => { strong { (words.tell("audit-broken", &[("n", (lines.len() as i64).into())])) } " " (words.say("audit-broken-detail")) }
            None => { (words.tell("audit-unchecked", &values)) }
        }
    }
}

/// What an entry says beyond its words, one fact after another.
fn detail(value: &Value) -> Option<String> {
    let facts: Vec<String> = audit::told(value).map(|(name, value)| format!("{name}: {}", fact(value))).collect();
    (!facts.is_empty()).then(|| facts.join(" · "))
}

fn fact(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn view(words: &Words, chains: &[Chain], shown: usize, entries: &[Entry], broken: Option<&[String]>, total: i64, now: DateTime<Utc>) -> Page {
    let chain = &chains[shown];
    let state = |chain: &Chain| match broken {
        None => ("espera", "audit-state-unchecked"),
        Some(lines) if lines.iter().any(|line| line.starts_with(&format!("audit {}/{}:", chain.municipality_id, chain.stream))) => {
            ("falla", "audit-state-broken")
        }
        Some(_) => ("bien", "audit-state-whole"),
    };
    // Actions are written «consent.given» or «look opened»; a key has neither dot nor space.
    let action = |entry: &Entry| {
        let key: String = entry.action.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        words.find(&format!("action-{key}"), &[]).unwrap_or_else(|| entry.action.clone())
    };
    let target = |entry: &Entry| {
        let role = (entry.action == "signed-in").then(|| words.find(&format!("role-{}", entry.target.replace('_', "-")), &[])).flatten();
        role.unwrap_or_else(|| entry.target.clone())
    };
    let stream = |chain: &Chain| words.find(&format!("stream-{}", chain.stream), &[]).unwrap_or_else(|| chain.stream.clone());
    let older = entries.last().map(|entry| entry.sequence).filter(|sequence| *sequence > 1);
    let body = html! {
        @if let Some(lines) = broken.filter(|lines| !lines.is_empty()) {
            div.aviso.grave role="alert" {
                strong { (words.say("audit-broken-what")) }
                ul { @for line in lines { li { (line) } } }
            }
        }
        section {
            h2 { (words.say("audit-chains")) }
            table.tabla {
                caption { (words.say("audit-chains-caption")) }
                thead { tr {
                    th scope="col" { (words.say("audit-chain")) } th.num scope="col" { (words.say("audit-entries")) } th scope="col" { (words.say("audit-state")) }
                } }
                tbody {
                    @for (index, chain) in chains.iter().enumerate() {
                        @let (class, word) = state(chain);
                        tr {
                            th scope="row" {
                                a href=(format!("/audit?chain={}", chain.name())) aria-current=[(index == shown).then_some("true")] {
                                    (chain.place(words)) ", " (stream(chain))
                                }
                            }
                            td.num { (count(chain.entries)) }
                            td { span class={ "estado " (class) } { (words.say(word)) } }
                        }
                    }
                }
            }
            @if broken.is_none() { p.botones { a.boton href=(format!("/audit?chain={}&check=yes", chain.name())) { (words.say("audit-check")) } } }
        }
        section {
            h2 { (words.tell("audit-chain-heading", &[("place", chain.place(words).into()),
                ("stream", stream(chain).into())])) }
            table.tabla {
                caption { (words.say("audit-entries-caption")) }
                thead { tr {
                    th.num.ancho scope="col" { (words.say("audit-number")) } th scope="col" { (words.say("audit-when")) }
                    th scope="col" { (words.say("audit-what")) } th.ancho scope="col" { (words.say("audit-who")) } th.ancho scope="col" { (words.say("audit-detail")) }
                } }
                tbody {
                    @for entry in entries {
                        tr {
                            td.num.ancho { (entry.sequence) }
                            th scope="row" { (show_time(entry.at)) }
                            td {
                                (action(entry)) span.sub { (target(entry)) }
                                span.sub.angosto { (words.say("audit-who")) ": " (who(words, &entry.actor)) }
                            }
                            td.ancho { (who(words, &entry.actor)) }
                            td.ancho { @if let Some(detail) = detail(&entry.detail) { code.chico { (detail) } } }
                        }
                    }
                }
            }
            p.botones {
                @if let Some(before) = older { a.boton href=(format!("/audit?chain={}&before={before}", chain.name())) rel="next" { (words.say("audit-older")) } }
            }
        }
    };
    Page::new("audit", words.say("audit-heading"), body).eyebrow(html! { (show_time(now)) }).answer(answer(words, broken, chains.len(), total))
}
