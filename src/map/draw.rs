//! The map as SVG. Pure: shapes and fills in, markup out; shapes are drawn once per state of the territory and kept in memory.

use super::label::inscribed;
use super::shape::{Pixel, Projection, border_path, coverage, open_path, path};
use crate::language::Words;
use crate::territory::geometry::{areas, lines, parse};
use geo::Coord;
use geo::CoordsIter;
use maud::{Markup, PreEscaped, html};
use serde_json::Value;

/// Below this radius (units of the box) a cell is drawn less than 18 px wide on a phone, where the box takes some 330 px.
const SMALL: f64 = 24.5;
/// Once one cell is that small, the enlarged window holds all cells below this radius.
const CROWDED: f64 = 32.0;

/// What a territory gives to draw, as stored.
#[derive(Debug, Clone, Default)]
pub struct Territory {
    /// Code and geometry, in the order of their numbers.
    pub neighbourhoods: Vec<(String, Value)>,
    /// Drawn alone where no neighbourhood exists yet.
    pub outline: Option<Value>,
    pub routes: Vec<(String, Value)>,
    /// Name, kind, longitude, latitude.
    pub points: Vec<(String, String, f64, f64)>,
}

#[derive(Debug, Clone)]
pub struct Shape {
    pub code: String,
    pub path: String,
    pub label: Pixel,
    pub radius: f64,
}

/// A territory in pixels.
#[derive(Debug, Clone)]
pub struct Base {
    pub shapes: Vec<Shape>,
    pub contour: String,
    pub routes: Vec<(String, String)>,
    pub points: Vec<(String, String, Pixel)>,
    pub width: i32,
    pub height: i32,
    per_km: f64,
    /// The small cells' own window, when they crowd one corner.
    pub inset: Option<Inset>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inset {
    pub x: i32,
    pub y: i32,
    pub width: i32,
    pub height: i32,
    /// How much larger it is drawn: 2, 3 or 4.
    pub times: i32,
}

/// How one area looks in one period.
#[derive(Debug, Clone, Default)]
pub struct Fill {
    /// 1 to 5; 0 is hidden.
    pub class: i16,
    /// ▲, ▼ or nothing.
    pub sign: &'static str,
    /// The place, its rate and margin in words.
    pub title: String,
    /// Where the number leads: a row of the table.
    pub href: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Layers {
    pub routes: bool,
    pub points: bool,
}

impl Base {
    pub fn of(territory: &Territory) -> Option<Base> {
        let land: Vec<_> = territory.neighbourhoods.iter().map(|(_, geometry)| parse(geometry).map(|g| areas(&g))).collect();
        let outline = territory.outline.as_ref().and_then(parse).map(|g| areas(&g));
        let extent = land.iter().flatten().chain(outline.as_ref().filter(|_| land.is_empty())).flat_map(|area| area.exterior_coords_iter());
        let projection = Projection::around(extent)?;
        let rings: Vec<_> = land.iter().map(|area| area.as_ref().map(|area| projection.rings(area)).unwrap_or_default()).collect();
        let (drawn, border) = coverage(&rings);
        let border = match (&outline, border.is_empty()) {
            (Some(outline), true) => coverage(&[projection.rings(outline)]).1,
            _ => border,
        };
        let shapes: Vec<Shape> = territory
            .neighbourhoods
            .iter()
            .zip(&drawn)
            .map(|((code, _), rings)| {
                let (label, radius) = inscribed(rings);
                Shape { code: code.clone(), path: path(rings), label, radius }
            })
            .collect();
        let routes = territory
            .routes
            .iter()
            .filter_map(|(name, geometry)| {
                let d: String = lines(&parse(geometry)?).iter().map(|line| open_path(&projection.line(line))).collect();
                (!d.is_empty()).then(|| (name.clone(), d))
            })
            .collect();
        let points =
            territory.points.iter().map(|(name, kind, lon, lat)| (name.clone(), kind.clone(), projection.at(Coord { x: *lon, y: *lat }))).collect();
        let inset = inset(&shapes, &drawn, projection.width, projection.height);
        let (width, height, per_km) = (projection.width, projection.height, projection.per_km);
        Some(Base { shapes, contour: border_path(&border), routes, points, width, height, per_km, inset })
    }

    /// The largest of 1, 2, 5 times a power of ten kilometres whose bar is at most a fifth of the box: kilometres and units.
    fn scale(&self) -> (f64, i32) {
        let most = 0.2 * f64::from(self.width.max(self.height)) / self.per_km;
        let power = 10f64.powf(most.log10().floor());
        let km = [5.0, 2.0, 1.0].into_iter().map(|m| m * power).find(|km| *km <= most).unwrap_or(power);
        (km, (km * self.per_km).round() as i32)
    }
}

/// The window round the small cells, if it is clearly smaller than the map.
fn inset(shapes: &[Shape], rings: &[Vec<super::shape::Ring>], width: i32, height: i32) -> Option<Inset> {
    if !shapes.iter().any(|shape| shape.radius > 0.0 && shape.radius < SMALL) {
        return None;
    }
    let small: Vec<Pixel> = shapes
        .iter()
        .zip(rings)
        .filter(|(shape, _)| shape.radius > 0.0 && shape.radius < CROWDED)
        .flat_map(|(_, rings)| rings.iter().flatten().copied())
        .collect();
    let (west, east) = (small.iter().map(|p| p.0).min()?, small.iter().map(|p| p.0).max()?);
    let (north, south) = (small.iter().map(|p| p.1).min()?, small.iter().map(|p| p.1).max()?);
    let margin = 14;
    let (x, y, w, h) = (west - margin, north - margin, east - west + 2 * margin, south - north + 2 * margin);
    let times = (width / w.max(1)).min(height / h.max(1)).min(4);
    (times >= 2).then_some(Inset { x, y, width: w, height: h, times })
}

fn cells(base: &Base, fills: &[Fill], titles: bool) -> Markup {
    html! {
        @for (shape, fill) in base.shapes.iter().zip(fills) {
            @let picture = html! {
                path class=(format!("k{}", fill.class)) d=(shape.path) fill-rule="evenodd" { @if titles { title { (fill.title) } } }
            };
            @if fill.href.is_empty() { (picture) } @else { a href=(fill.href) tabindex="-1" { (picture) } }
        }
    }
}

/// The numbers stand above the layers, so that a route never crosses one out.
fn numbers(base: &Base, fills: &[Fill]) -> Markup {
    html! {
        @for (i, (shape, fill)) in base.shapes.iter().zip(fills).enumerate() {
            @let tone = match fill.class { 0 => "ch".to_owned(), class @ 4.. => format!("cl n{class}"), class => format!("n{class}") };
            @if !shape.path.is_empty() { text class=(tone) x=(shape.label.0) y=(shape.label.1) dy=".36em" { (i + 1) (fill.sign) } }
        }
    }
}

fn hatching() -> Markup {
    html! {
        defs {
            pattern #rayas width="12" height="12" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                rect width="12" height="12" fill="#fff" {}
                rect width="2.5" height="12" fill="#1a1f1d" {}
            }
        }
    }
}

fn layers(base: &Base, layers: Layers) -> Markup {
    html! {
        @if layers.routes {
            g.rutas { @for (name, d) in &base.routes { path class="rutab" d=(d) {} path class="ruta" d=(d) { title { (name) } } } }
        }
        @if layers.points {
            g.puntos {
                @for (name, kind, (x, y)) in &base.points {
                    @if large(kind) { rect x=(x - 7) y=(y - 7) width="14" height="14" { title { (name) } } }
                    @else { circle cx=(x) cy=(y) r="6" { title { (name) } } }
                }
            }
        }
    }
}

/// Yards, plants and dumps are drawn as squares, containers and collection points as circles.
pub fn large(kind: &str) -> bool {
    !matches!(kind, "container" | "collection_point")
}

fn foot(base: &Base, words: &Words, approximate: bool) -> Markup {
    let (km, units) = base.scale();
    let length = if km >= 1.0 { format!("{km:.0} km") } else { format!("{:.0} m", km * 1000.0) };
    html! {
        g transform=(format!("translate(8 {})", base.height + 16)) {
            path class="esc" d=(format!("M0 0v10h{units}v-10")) fill="none" {}
            text class="rosa" x="0" y="42" { (length) }
            text class="rosa" x="0" y="76" { (words.say(if approximate { "map-north-approximate" } else { "map-north" })) }
        }
    }
}

fn window(base: &Base) -> String {
    format!("-6 -6 {} {}", base.width.max(480) + 12, base.height + 112)
}

/// The map inside a page. It is hidden from readers who hear the page: the table beside it holds the same.
pub fn in_page(words: &Words, base: &Base, fills: &[Fill], on: Layers, approximate: bool) -> Markup {
    html! {
        div.mapa {
            svg viewBox=(window(base)) aria-hidden="true" focusable="false" {
                (hatching())
                g.mapa #celdas { (cells(base, fills, true)) }
                path.contorno d=(base.contour) {}
                @if on != Layers::default() { g.mapa #capas { (layers(base, on)) } }
                g.mapa #numeros { (numbers(base, fills)) }
                (foot(base, words, approximate))
            }
            @if let Some(inset) = base.inset {
                p.ampliado-t aria-hidden="true" { (words.say("map-inset")) }
                svg class=(format!("ampliado x{}", inset.times)) viewBox=(format!("{} {} {} {}", inset.x, inset.y, inset.width, inset.height))
                    aria-hidden="true" focusable="false" {
                    use href="#celdas" {}
                    @if on != Layers::default() { use href="#capas" {} }
                    use href="#numeros" {}
                }
            }
        }
    }
}

/// The picture alone, with its words and its styles inside.
pub fn alone(words: &Words, base: &Base, fills: &[Fill], on: Layers, approximate: bool, title: &str, description: &str) -> String {
    // The colours of the style sheet's map, which are the same in every mode.
    const STYLE: &str = "svg{background:#f4f2ec;font-family:system-ui,sans-serif}path{stroke:#fdfcf9;stroke-width:2;stroke-linejoin:round}\
        .k0{fill:url(#rayas);stroke:#1a1f1d;stroke-width:1.5}.k1{fill:#f6f1cf}.k2{fill:#bdd6a4}.k3{fill:#77ae95}.k4{fill:#2c7871}.k5{fill:#0a4046}\
        .contorno{fill:none;stroke:#1a1f1d}.esc{stroke:#0d1715}text{font-size:22px;font-weight:600;text-anchor:middle;fill:#0d1715}.cl{fill:#fff}\
        .ch{paint-order:stroke;stroke:#fff;stroke-width:9px;stroke-linejoin:round}.n1,.n2,.n3,.n4,.n5{paint-order:stroke;stroke-width:.3em;stroke-linejoin:round}.n1{stroke:#f6f1cf}.n2{stroke:#bdd6a4}.n3{stroke:#77ae95}.n4{stroke:#2c7871}.n5{stroke:#0a4046}\
        .rosa{font-size:19px;font-weight:400;text-anchor:start}\
        .rutab{fill:none;stroke:#fff;stroke-width:5}.ruta{fill:none;stroke:#1a1f1d;stroke-width:2.5}\
        .puntos rect,.puntos circle{fill:#fff;stroke:#1a1f1d;stroke-width:3}";
    let fills: Vec<Fill> = fills.iter().map(|fill| Fill { href: String::new(), ..fill.clone() }).collect();
    html! {
        (PreEscaped("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"))
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(window(base)) role="img" aria-labelledby="titulo" lang=(words.language.tag()) {
            title #titulo { (title) }
            desc { (description) }
            style { (PreEscaped(STYLE)) }
            (hatching())
            g #celdas { (cells(base, &fills, true)) }
            path.contorno d=(base.contour) {}
            (layers(base, on))
            (numbers(base, &fills))
            (foot(base, words, approximate))
        }
    }
    .into_string()
}
