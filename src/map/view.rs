//! What the mayor's page, the picture and the API show of one period: read once from what was published.

use super::Measure;
use super::draw::{Base, Fill, Layers, Territory};
use super::period::{Kind, Name, in_words};
use super::read::{self, Breaks, Cell, Neighbourhood, Place, Published, Shown, Standing};
use crate::all;
use crate::clock::{at_local, show_day};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{MunicipalityId, sha256_hex};
use crate::language::Words;
use crate::page::{count, points};
use crate::territory::dated::in_force;
use crate::territory::{point, route};
use crate::trial::blinding;
use chrono::NaiveDate;
use serde::Deserialize;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// What an address asks for. Everything is text, so that nonsense is answered with a sentence.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Ask {
    pub measure: Option<String>,
    pub period: Option<String>,
    pub kind: Option<String>,
    /// Place on the slider, counted from 0; what a form without JavaScript sends.
    pub paso: Option<String>,
    pub rutas: Option<String>,
    pub puntos: Option<String>,
    pub by: Option<String>,
    pub municipality: Option<String>,
    pub format: Option<String>,
}

impl Ask {
    pub fn measure(&self) -> Result<Measure> {
        self.measure.as_deref().filter(|name| !name.is_empty()).map_or(Ok(Measure::default()), Measure::parse)
    }

    pub fn layers(&self) -> Layers {
        let on = |value: &Option<String>| value.as_deref().is_some_and(|value| !matches!(value, "" | "0"));
        Layers { routes: on(&self.rutas), points: on(&self.puntos) }
    }

    /// The period asked for, by name, or by kind and step; without either the newest block, else the newest week.
    pub fn choose<'a>(&self, published: &'a [Published]) -> Result<Option<&'a Published>> {
        if let Some(text) = self.period.as_deref().filter(|text| !text.is_empty()) {
            let name = Name::parse(text)?;
            return match published.iter().find(|p| p.name == name) {
                Some(found) => Ok(Some(found)),
                None => Err(Error::not_found(
                    "period-unpublished",
                    format!("{name} is not published here; a period is published on the Wednesday after its last week, see /map for those that are"),
                )
                .with("period", name)),
            };
        }
        let kind = match self.kind.as_deref().filter(|kind| !kind.is_empty()) {
            None => None,
            Some(kind) => Some(Kind::parse(kind).ok_or_else(|| {
                Error::refused("period-kind", format!("«{kind}» is not a kind of period; choose week, block or phase")).with("kind", kind)
            })?),
        };
        let of = |kind: Kind| published.iter().filter(move |p| p.name.kind() == kind);
        let kind = kind.unwrap_or(if of(Kind::Block).next().is_some() { Kind::Block } else { Kind::Week });
        let step = match self.paso.as_deref().filter(|step| !step.is_empty()) {
            None => None,
            Some(step) => Some(step.parse::<usize>().map_err(|_| {
                Error::refused("period-step", format!("«{step}» is not a step of the slider; send a number from 0")).with("step", step)
            })?),
        };
        Ok(step.and_then(|step| of(kind).nth(step)).or_else(|| of(kind).next_back()))
    }
}

/// One published table with its names.
#[derive(Debug, Clone)]
pub struct View {
    pub place: Place,
    pub names: Vec<Neighbourhood>,
    pub published: Vec<Published>,
    pub current: Option<Published>,
    pub measure: Measure,
    pub whole: Option<Shown>,
    pub whole_cell: Option<Cell>,
    pub cells: Vec<Option<Cell>>,
    pub breaks: Breaks,
    /// Where only a running trial hides something: the day of its last look, unless that has come.
    pub until: Option<NaiveDate>,
}

impl View {
    pub async fn load(tx: &mut Tx, municipality: MunicipalityId, ask: &Ask, today: NaiveDate) -> Result<View> {
        let measure = ask.measure()?;
        let place = read::place(tx, municipality).await?;
        let published = read::published(tx, municipality).await?;
        let current = ask.choose(&published)?.cloned();
        let (first, last) = days(current.as_ref(), today);
        let names = read::neighbourhoods(tx, municipality, first, last).await?;
        let (whole_cell, mut table) = match &current {
            Some(current) => read::table(tx, municipality, current, measure).await?,
            None => (None, Vec::new()),
        };
        let by_trial = table.iter().chain(&whole_cell).any(Cell::hidden_by_trial);
        let cells: Vec<Option<Cell>> =
            names.iter().map(|name| table.iter().position(|cell| cell.area == name.code).map(|at| table.swap_remove(at))).collect();
        let breaks = read::breaks(tx, municipality, measure).await?;
        let until = match current.as_ref().filter(|_| by_trial) {
            Some(current) => {
                let running = blinding::of(tx, municipality, at_local(today, 12, 0)).await?;
                running.iter().filter(|trial| trial.weeks.0 <= current.last && trial.weeks.1 >= current.first).map(|trial| trial.until).max()
            }
            None => None,
        };
        Ok(View { place, names, published, current, measure, whole: whole_cell.as_ref().and_then(Cell::shown), whole_cell, cells, breaks, until })
    }

    /// Why a cell is hidden, by the end of an interface key, and until when.
    pub fn why_hidden(&self, cell: Option<&Cell>) -> (&'static str, String) {
        match (cell.is_some_and(Cell::hidden_by_trial), self.until) {
            (false, _) => ("", String::new()),
            (true, None) => ("-trial-over", String::new()),
            (true, Some(day)) => ("-trial", show_day(day)),
        }
    }

    /// A text about a hidden cell, `key` with the reason's ending.
    pub fn say_hidden(&self, words: &Words, key: &str, cell: Option<&Cell>, name: &str) -> String {
        let (why, day) = self.why_hidden(cell);
        words.tell(&format!("{key}{why}"), &[("name", name.into()), ("day", day.into())])
    }

    pub fn shown(&self, i: usize) -> Option<Shown> {
        self.cells.get(i)?.as_ref()?.shown()
    }

    pub fn standing(&self, i: usize) -> Standing {
        Standing::of(self.shown(i), self.whole)
    }

    /// 1 to 5; 0 is hidden. A class fixed after the publication still colours it.
    pub fn class(&self, i: usize) -> i16 {
        let cell = self.cells.get(i).and_then(Option::as_ref);
        let stored = cell.and_then(|cell| cell.class);
        cell.filter(|cell| !cell.hidden).and_then(|cell| stored.or_else(|| cell.rate.map(|rate| self.breaks.class(rate)))).unwrap_or(0)
    }

    pub fn approximate(&self) -> bool {
        self.place.approximate || self.names.iter().any(|name| name.approximate)
    }

    pub fn fills(&self, words: &Words) -> Vec<Fill> {
        let fill = |(i, name): (usize, &Neighbourhood)| {
            let title = match self.shown(i) {
                Some(shown) => words.tell(
                    "map-title",
                    &[
                        ("name", name.name.as_str().into()),
                        ("rate", points(shown.rate).into()),
                        ("low", points(shown.low).into()),
                        ("high", points(shown.high).into()),
                        ("homes", count(shown.homes).into()),
                        ("n", count(shown.n).into()),
                    ],
                ),
                None => self.say_hidden(words, "map-title-hidden", self.cells[i].as_ref(), &name.name),
            };
            Fill { class: self.class(i), sign: self.standing(i).sign(), title, href: format!("#v{}", i + 1) }
        };
        self.names.iter().enumerate().map(fill).collect()
    }

    pub fn period_in_words(&self, words: &Words) -> String {
        self.current.as_ref().map(|p| in_words(words, &p.name, p.first, p.last)).unwrap_or_default()
    }
}

/// Shapes already drawn, newest last, each under the hash of the versions it was drawn from: a changed territory is another key.
static DRAWN: Mutex<VecDeque<(String, Arc<Option<Base>>)>> = Mutex::new(VecDeque::new());
const KEPT: usize = 16;

/// The days a period shows the territory of: its own, or today while nothing is published.
fn days(current: Option<&Published>, today: NaiveDate) -> (NaiveDate, NaiveDate) {
    current.map_or((today, today), |period| (period.first.monday(), period.last.sunday()))
}

/// The municipality's shapes in pixels as they were in the period, drawn once.
pub async fn base(tx: &mut Tx, municipality: MunicipalityId, view: &View, today: NaiveDate) -> Result<Arc<Option<Base>>> {
    let (_, day) = days(view.current.as_ref(), today);
    // As text: it is large, and only read where nothing was drawn of it yet.
    let outline: Vec<(Option<String>,)> = all!(tx, "SELECT CAST(geometry AS TEXT) FROM municipality WHERE municipality_id = $1", municipality)?;
    let lines: Vec<(Uuid,)> = all!(
        tx,
        concat!(
            "SELECT v.version_id FROM route_version v WHERE v.municipality_id = $1 AND ",
            in_force!("v", "$2"),
            " UNION ALL SELECT w.version_id FROM point_version w WHERE w.municipality_id = $1 AND ",
            in_force!("w", "$2"),
            " ORDER BY 1"
        ),
        municipality,
        day
    )?;
    let areas: Vec<Option<Uuid>> = view.names.iter().map(|area| area.outline).collect();
    let key = sha256_hex(format!("{municipality} {outline:?}{areas:?}{lines:?}").as_bytes());
    let found = DRAWN.lock().unwrap_or_else(PoisonError::into_inner).iter().find(|(of, _)| *of == key).map(|(_, base)| base.clone());
    if let Some(base) = found {
        return Ok(base);
    }
    let mut outlines = read::outlines(tx, municipality, &view.names).await?;
    let territory = Territory {
        neighbourhoods: view.names.iter().map(|area| (area.code.clone(), outlines.remove(&area.code).unwrap_or_default())).collect(),
        outline: outline.into_iter().next().and_then(|(text,)| serde_json::from_str(&text?).ok()),
        routes: route::of(tx, municipality, day).await?.into_iter().map(|route| (route.name, route.geometry)).collect(),
        points: point::of(tx, municipality, day).await?.into_iter().map(|point| (point.name, point.kind, point.lon, point.lat)).collect(),
    };
    let base = Arc::new(Base::of(&territory));
    let mut drawn = DRAWN.lock().unwrap_or_else(PoisonError::into_inner);
    if drawn.len() >= KEPT {
        drawn.pop_front();
    }
    drawn.push_back((key, base.clone()));
    Ok(base)
}
