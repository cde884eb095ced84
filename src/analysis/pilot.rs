//! The segments of an invented pilot, and its draw by the protocol's own rule.

use super::simulate::{Contact, Home, Parameters};
use crate::error::{Error, Result};
use crate::id::{MunicipalityId, SegmentId, derived};
use crate::trial::TrialSegment;
use crate::trial::assign::{self, Assessed};
use crate::trial::protocol::Protocol;
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
        for (municipality, code) in protocol.municipalities.iter().enumerate() {
            let Some(place) = parameters.municipalities.get(municipality % parameters.municipalities.len().max(1)) else { continue };
            let municipality_id = MunicipalityId::parse(code)?;
            for number in 1..=place.segments {
                let segment = segments.len();
                let segment_code = format!("S{number:03}");
                for at in 1..=place.homes_per_segment {
                    homes.push(Home { key: homes.len() as u64, municipality, segment, contact: Contact::Drawn });
                    home_codes.push(format!("{code}-{segment_code}-{at:02}"));
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
                    arm: None,
                    left_out: None,
                });
            }
        }
        Ok(Ground { homes, home_codes, segments })
    }
}

/// Draws the arms from the observed baseline; `homes_observed` and the answer are in the order of the segments.
pub(super) fn drawn(protocol: &Protocol, segments: Vec<TrialSegment>, homes_observed: &[i32]) -> Vec<TrialSegment> {
    let order: Vec<SegmentId> = segments.iter().map(|segment| segment.segment_id).collect();
    let assessed = segments.into_iter().zip(homes_observed).map(|(segment, homes)| Assessed { segment, homes_observed: *homes }).collect();
    let mut drawn: BTreeMap<SegmentId, TrialSegment> =
        assign::draw(protocol, assessed).into_iter().map(|segment| (segment.segment_id, segment)).collect();
    order.iter().filter_map(|id| drawn.remove(id)).collect()
}

/// (norm, plan) of each segment; a segment that was left out has neither.
pub(super) fn arms(protocol: &Protocol, segments: &[TrialSegment]) -> Vec<(bool, bool)> {
    let arm = |segment: &TrialSegment| segment.arm.as_deref().and_then(|arm| protocol.arm(arm));
    segments.iter().map(|segment| arm(segment).map_or((false, false), |arm| (arm.norm, arm.plan))).collect()
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
