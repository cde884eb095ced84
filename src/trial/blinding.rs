//! Which arms nobody may tell apart yet: those of a drawn trial of which a look is still to come. Whoever publishes figures of places asks here.

use super::homes::Homes;
use super::protocol::Phase;
use super::{Trial, looks, segments};
use crate::clock::{Week, local_day};
use crate::db::Tx;
use crate::error::Result;
use crate::id::{HouseholdId, MunicipalityId, SegmentId};
use chrono::{DateTime, NaiveDate, Utc};
use std::collections::BTreeMap;

/// A drawn trial whose looks are not all open.
pub struct Blinding {
    trial: Trial,
    /// The day of its last look.
    pub until: NaiveDate,
    /// Weeks in which arms may differ: those after the baseline, by which they were drawn.
    pub weeks: (Week, Week),
}

impl Blinding {
    pub fn holds(&self, week: Week) -> bool {
        (self.weeks.0..=self.weeks.1).contains(&week)
    }

    /// The homes of a municipality by arm.
    pub async fn arms(&self, tx: &mut Tx, municipality: MunicipalityId) -> Result<Arms> {
        let protocol = &self.trial.protocol;
        let drawn = segments(tx, &self.trial.id).await?.into_iter().filter(|row| row.municipality_id == municipality);
        let arms: BTreeMap<SegmentId, usize> = drawn.filter_map(|row| Some((row.segment_id, protocol.arm_at(row.arm.as_deref()?)?))).collect();
        let homes = Homes::read(tx, protocol, protocol.calendar.weeks, municipality, &arms.keys().copied().collect()).await?;
        Ok(Arms { weeks: self.weeks, arms, homes })
    }
}

/// The homes of one municipality by arm of a trial.
pub struct Arms {
    weeks: (Week, Week),
    arms: BTreeMap<SegmentId, usize>,
    homes: Homes,
}

impl Arms {
    /// The arm each home counted in then; nobody in a week in which arms do not differ.
    pub fn of(&self, week: Week) -> BTreeMap<HouseholdId, usize> {
        if !(self.weeks.0..=self.weeks.1).contains(&week) {
            return BTreeMap::new();
        }
        self.homes.counting(week).filter_map(|(home, segment)| Some((home, *self.arms.get(&segment)?))).collect()
    }
}

/// The trials of a municipality whose arms may not be told apart at that moment.
pub async fn of(tx: &mut Tx, municipality: MunicipalityId, now: DateTime<Utc>) -> Result<Vec<Blinding>> {
    let mut found = Vec::new();
    for trial in super::of(tx, municipality).await? {
        let until = looks::all(tx, &trial.id).await?.iter().map(|look| look.opens_on).max();
        let Some(until) = until.filter(|until| *until > local_day(now)) else { continue };
        if trial.assigned_at.is_some_and(|drawn| drawn <= now) {
            let weeks = (trial.protocol.phase_weeks(Phase::Baseline).1.plus(1), trial.protocol.week(trial.protocol.calendar.weeks));
            found.push(Blinding { trial, until, weeks });
        }
    }
    Ok(found)
}
