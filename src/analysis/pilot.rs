//! The segments of an invented pilot, and its draw by the protocol's own rule.

use super::departures::arrivals;
use super::simulate::{Contact, Home, Parameters};
use crate::error::{Error, Result};
use crate::id::{SegmentId, derived};
use crate::trial::TrialSegment;
use crate::trial::assign::{self, Assessed};
use crate::trial::protocol::Protocol;
use crate::trial::randomise::LeftOver;
use chrono::DateTime;
use std::collections::BTreeMap;

/// Homes, their codes and their segments before anybody looked: what every pilot under the same parameters has in common.
pub(super) struct Ground {
    pub(super) homes: Vec<Home>,
    pub(super) home_codes: Vec<String>,
    /// In the order of the segments' indexes.
    pub(super) segments: Vec<TrialSegment>,
}

impl Ground {
    pub(super) fn new(protocol: &Protocol, parameters: &Parameters) -> Result<Ground> {
        let (mut homes, mut home_codes, mut segments) = (Vec::new(), Vec::new(), Vec::new());
        let mut coming: Vec<(Home, String)> = Vec::new();
        for (municipality, &municipality_id) in protocol.municipalities.iter().enumerate() {
            let code = municipality_id.to_string();
            let Some(place) = parameters.municipalities.get(municipality % parameters.municipalities.len().max(1)) else { continue };
            for number in 1..=place.segments {
                let segment = segments.len();
                let segment_code = format!("S{number:03}");
                for at in 1..=place.homes_per_segment {
                    homes.push(Home { key: homes.len() as u64, municipality, segment, contact: Contact::Drawn, from: 1 });
                    home_codes.push(format!("{code}-{segment_code}-{at:02}"));
                }
                for (at, from) in arrivals(&parameters.departs, &protocol.calendar, place.homes_per_segment, segment).into_iter().enumerate() {
                    let home = Home { key: 0, municipality, segment, contact: Contact::Drawn, from };
                    coming.push((home, format!("{code}-{segment_code}-N{:02}", at + 1)));
                }
                let segment_id: SegmentId = derived("simulated segment", &[code.as_bytes(), segment_code.as_bytes()], DateTime::UNIX_EPOCH);
                segments.push(TrialSegment {
                    municipality_id,
                    segment_id,
                    code: segment_code,
                    homes: place.homes_per_segment as i32,
                    baseline_observed: 0,
                    baseline_complied: 0,
                    stratum: None,
                    block: None,
                    arm: None,
                    left_out: None,
                });
            }
        }
        // After all others, whose streams stay what they are.
        for (home, code) in coming {
            homes.push(Home { key: homes.len() as u64, ..home });
            home_codes.push(code);
        }
        Ok(Ground { homes, home_codes, segments })
    }
}

/// Draws the arms from the observed baseline; `homes_observed` and the answer are in the order of the segments.
/// Errs when no draw is as balanced as the protocol asks.
pub(super) fn drawn(protocol: &Protocol, segments: Vec<TrialSegment>, homes_observed: &[i32]) -> Result<Vec<TrialSegment>> {
    let order: Vec<SegmentId> = segments.iter().map(|segment| segment.segment_id).collect();
    let assessed = segments.into_iter().zip(homes_observed).map(|(segment, homes)| Assessed { segment, homes_observed: *homes }).collect();
    let drawn = assign::draw(protocol, assessed, LeftOver::Together).ok_or_else(|| {
        Error::refused("draw-unbalanced", "assignment.rerandomise: no draw of this pilot is as balanced; allow a larger difference")
    })?;
    let mut drawn: BTreeMap<SegmentId, TrialSegment> = drawn.into_iter().map(|segment| (segment.segment_id, segment)).collect();
    Ok(order.iter().filter_map(|id| drawn.remove(id)).collect())
}

/// The arm of each segment, by its place among the protocol's arms; none where it was left out.
pub(super) fn arms(protocol: &Protocol, segments: &[TrialSegment]) -> Vec<Option<usize>> {
    segments.iter().map(|segment| segment.arm.as_deref().and_then(|arm| protocol.arm_at(arm))).collect()
}

/// The same parameters with `total` segments, shared over the protocol's municipalities as they were. Refuses fewer than it has arms.
pub(super) fn with_segments(protocol: &Protocol, parameters: &Parameters, total: usize) -> Result<Parameters> {
    if total < protocol.arms.len().max(protocol.municipalities.len()) {
        return Err(Error::refused(
            "few-segments",
            format!(
                "--segments {total}: the protocol has {} arms and {} municipalities; give each at least one segment",
                protocol.arms.len(),
                protocol.municipalities.len()
            ),
        ));
    }
    let mut places: Vec<_> = parameters.municipalities.iter().cycle().take(protocol.municipalities.len()).cloned().collect();
    let all: usize = places.iter().map(|place| place.segments).sum();
    let (mut before, mut given) = (0, 0);
    for place in &mut places {
        before += place.segments;
        // Rounded where the shares add up, so that the parts sum to the total.
        let through = (total * before + all / 2).checked_div(all).unwrap_or(0);
        place.segments = through - given;
        given = through;
    }
    Ok(Parameters { municipalities: places, ..parameters.clone() })
}
