//! Where a place belongs: the neighbourhood it lies in, and the segment nearest to it, as a suggestion for a person to accept.

use super::geometry::{Plane, along};
use super::neighbourhood::Neighbourhood;
use super::segment::Segment;
use crate::id::{NeighbourhoodId, SegmentId};
use geo::{Contains, Coord, MultiPolygon};
use serde::Serialize;

/// Beyond this a segment is not suggested, in metres.
pub const REACH: f64 = 150.0;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Suggestion {
    /// The first by code whose area or border the place is on.
    pub neighbourhood: Option<NeighbourhoodId>,
    pub segment: Option<SegmentId>,
    /// From the place to that segment's line.
    pub metres: Option<f64>,
}

/// A municipality's neighbourhoods and segments, prepared for many questions.
pub struct Locator {
    neighbourhoods: Vec<(NeighbourhoodId, MultiPolygon)>,
    segments: Vec<(SegmentId, NeighbourhoodId, Vec<geo::LineString>)>,
}

impl Locator {
    pub fn new(neighbourhoods: &[Neighbourhood], segments: &[Segment]) -> Locator {
        let mut areas: Vec<(&str, NeighbourhoodId, MultiPolygon)> =
            neighbourhoods.iter().map(|n| (n.code.as_str(), n.neighbourhood_id, n.shape())).collect();
        areas.sort_by(|a, b| a.0.cmp(b.0));
        Locator {
            neighbourhoods: areas.into_iter().map(|(_, id, area)| (id, area)).collect(),
            segments: segments.iter().map(|s| (s.segment_id, s.neighbourhood_id, s.lines())).collect(),
        }
    }

    pub fn neighbourhood(&self, place: Coord) -> Option<NeighbourhoodId> {
        use geo::Intersects;
        let p = geo::Point(place);
        self.neighbourhoods.iter().find(|(_, area)| area.contains(&p) || area.intersects(&p)).map(|(id, _)| *id)
    }

    /// The nearest segment within reach, one in the place's own neighbourhood before a nearer one across a border.
    pub fn suggest(&self, place: Coord) -> Suggestion {
        let neighbourhood = self.neighbourhood(place);
        let plane = Plane::at(place);
        let here = plane.metres(place);
        let mut best: Option<(bool, f64, SegmentId)> = None;
        for (id, of, lines) in &self.segments {
            let beside = lines.iter().filter_map(|l| along(&plane.flat(l), here)).map(|(_, b)| b).fold(f64::INFINITY, f64::min);
            let foreign = Some(*of) != neighbourhood;
            if beside <= REACH && best.is_none_or(|(f, b, _)| (foreign, beside) < (f, b)) {
                best = Some((foreign, beside, *id));
            }
        }
        Suggestion { neighbourhood, segment: best.map(|(_, _, id)| id), metres: best.map(|(_, b, _)| b) }
    }
}
