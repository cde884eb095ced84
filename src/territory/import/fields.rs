//! One feature or row, and how its columns are read.

use super::{Kind, Lines};
use crate::id::MunicipalityId;
use crate::sheet::columns::{Known, known};
use crate::sheet::words;
use chrono::NaiveDate;
use geo::Geometry;
use serde_json::{Map, Value};

/// As read, before any rule of its kind. Columns are taken out as they are understood; what is left is kept as it came.
pub(crate) struct Item {
    /// `feature 3` or `row 7`.
    pub place: String,
    pub properties: Map<String, Value>,
    /// The geometry as GeoJSON, rings rewound, and parsed.
    pub shape: Option<(Value, Geometry)>,
    /// The file has columns for the position, and they are empty here: nothing that has a place can lose it.
    pub placeless: bool,
}

impl Item {
    /// Where what stands stays, since the row says nothing of a position.
    pub fn stays_in_place(&self) -> bool {
        self.shape.is_none() && !self.placeless
    }

    /// Whether the row has a cell of this column; a value that a feature does not have is no cell.
    pub fn says(&self, column: &str) -> bool {
        self.properties.get(column).is_some_and(|value| !value.is_null())
    }
}

/// What a file says of a column: nothing at all, that it is empty, or a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    /// The file has no such column (or, in GeoJSON, no value): what stands stays.
    Absent,
    /// The cell is empty: what stands is emptied.
    Empty,
    Text(String),
}

/// Three letters a day, Monday first.
pub(crate) const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

pub(crate) use words::weekday;

const CODE: Known = known("code", &["codigo", "cod", "clave"]);
const NAME: Known = known("name", &["nombre"]);
const ROUTE: Known = known("route", &["ruta"]);
const NEIGHBOURHOOD: Known = known("neighbourhood", &["barrio", "colonia", "vecindario", "neighborhood"]);
const OPERATOR: Known = known("operator", &["operador", "empresa"]);
const MUNICIPALITY: Known = known("municipality", &["municipio"]);
const APPROXIMATE: Known = known("approximate", &["aproximado", "aproximada"]);
const VALID_FROM: Known = known("valid_from", &["valido_desde", "vigente_desde", "desde"]);
const VALID_TO: Known = known("valid_to", &["valido_hasta", "vigente_hasta", "hasta"]);

/// The columns of a table that are its position.
pub(crate) const LON: Known = known("lon", &["longitude", "lng", "long", "longitud"]);
pub(crate) const LAT: Known = known("lat", &["latitude", "latitud"]);
pub(super) const WKT: Known = known("wkt", &["geometry", "geom", "wkt_geom", "the_geom"]);

/// What a route collects, what a point is, and whether a home is served, as files say it.
pub(super) const STREAMS: [Known; 4] = [
    known("organic", &["organico", "organica", "organicos"]),
    known("recyclable", &["reciclable", "reciclables", "recyclables"]),
    known("residual", &["no_reciclable", "no_reciclables", "resto"]),
    known("mixed", &["mixto", "mixta", "mixtos", "mezclado", "mezclados", "revuelto"]),
];
pub(super) const POINT_KINDS: [Known; 6] = [
    known("yard", &["predio", "patio"]),
    known("dump", &["vertedero", "botadero", "basurero"]),
    known("sorting_plant", &["planta_clasificacion", "planta_separacion"]),
    known("transfer_station", &["estacion_transferencia"]),
    known("container", &["contenedor"]),
    known("collection_point", &["punto_acopio", "centro_acopio", "punto_recoleccion"]),
];
pub(super) const SERVICE: [Known; 3] = [
    known("served", &["servido", "servida", "atendido", "atendida", "con_servicio"]),
    known("not_subscribed", &["no_suscrito", "no_suscrita", "no_abonado", "no_abonada", "sin_suscripcion"]),
    known("no_route", &["sin_ruta"]),
];

/// The longest code and the longest text of a column, in letters: more is a slip, or another file.
const LONGEST_CODE: usize = 80;
pub(super) const LONGEST_TEXT: usize = 2_000;

/// A name stands on every page and map: a longer one is a slip, or a text that belongs elsewhere.
pub(super) const LONGEST_NAME: usize = 120;

/// Why a text cannot be the name of a place, if it cannot.
pub(crate) fn unfit_name(name: &str) -> Option<String> {
    if name.chars().nth(LONGEST_NAME).is_some() {
        return Some(format!("the name has {} letters; write at most {LONGEST_NAME}", name.chars().count()));
    }
    words::unseen(name).map(|c| format!("the name holds a sign that nobody sees (U+{:04X}); write it anew", u32::from(c)))
}

/// Columns that hold yes or no.
pub(super) const FLAGS: [&str; 2] = ["pilot", "approximate"];

/// The columns of a kind, and what else offices call them.
pub(super) fn known_columns(kind: Kind) -> Vec<Known> {
    let mut columns = vec![CODE, MUNICIPALITY, APPROXIMATE, VALID_FROM, VALID_TO];
    columns.extend(match kind {
        Kind::Municipalities => vec![
            NAME,
            known("department", &["departamento"]),
            known("pilot", &["piloto"]),
            known("sender", &["remitente"]),
            known("collection_model", &["modelo_recoleccion"]),
        ],
        Kind::Neighbourhoods => vec![known("name", &["nombre", "barrio", "colonia", "vecindario"])],
        Kind::Segments => vec![ROUTE, NEIGHBOURHOOD],
        Kind::Routes => vec![
            NAME,
            OPERATOR,
            known("operator_name", &["nombre_operador"]),
            known("stream", &["flujo", "corriente", "tipo_residuo", "residuo"]),
            known("weekdays", &["dias", "dias_semana", "dias_recoleccion", "days"]),
            known("window_start", &["hora_inicio", "inicio"]),
            known("window_end", &["hora_fin", "fin"]),
        ],
        Kind::Points => vec![
            NAME,
            known("kind", &["tipo", "clase"]),
            ROUTE,
            known("order", &["orden"]),
            known("capacity_l", &["capacidad_l", "capacidad", "capacidad_litros"]),
        ],
        Kind::Households => vec![
            known("segment", &["tramo", "segmento"]),
            known("service_status", &["estado_servicio", "servicio"]),
            OPERATOR,
            known("hint", &["referencia", "senas", "indicacion"]),
        ],
        Kind::Streets => vec![NAME, known("class", &["clase"])],
    });
    columns
}

impl Item {
    /// What the file says of a column: an absent column leaves what stands, an empty cell empties it.
    pub fn cell(&mut self, column: &str) -> Cell {
        let text = match self.properties.remove(column) {
            None | Some(Value::Null) => return Cell::Absent,
            Some(Value::String(text)) => text.trim().to_owned(),
            Some(Value::Number(number)) => written(&number),
            Some(Value::Bool(yes)) => yes.to_string(),
            // A list or an object is no text; it stays as it came.
            Some(other) => {
                self.properties.insert(column.to_owned(), other);
                return Cell::Absent;
            }
        };
        if text.is_empty() { Cell::Empty } else { Cell::Text(text) }
    }

    /// A text column; numbers are read as text, blanks as nothing.
    pub fn text(&mut self, column: &str) -> Option<String> {
        match self.cell(column) {
            Cell::Text(text) => Some(text),
            Cell::Absent | Cell::Empty => None,
        }
    }

    /// A text column that must be there.
    pub fn needed(&mut self, column: &str, lines: &mut Lines) -> Option<String> {
        let absent = !self.properties.contains_key(column);
        let text = self.text(column);
        if text.is_none() {
            self.missing(column, absent, lines);
        }
        text
    }

    /// Refuses an empty cell; and a column that the file does not have at all, with those that it has.
    fn missing(&self, column: &str, absent: bool, lines: &mut Lines) {
        match lines.columns.clone().filter(|has| absent && !has.contains(&format!("«{column}»"))) {
            Some(has) => lines.refuse(
                &self.place,
                format!("«{column}» is missing: the file has {has}; add it, or say which one it is with --column {column}=NAME"),
            ),
            None => lines.refuse(&self.place, format!("«{column}» is missing; fill it in")),
        }
    }

    /// `code`, or else the feature's id.
    pub fn code(&mut self, lines: &mut Lines) -> Option<String> {
        let id = self.properties.get("@id").map(|id| match id {
            Value::Number(number) => written(number),
            id => id.as_str().map_or_else(|| id.to_string(), str::to_owned),
        });
        let absent = !self.properties.contains_key("code");
        let code = self.code_or_id(absent, id, lines)?;
        if let Some(unseen) = words::unseen(&code) {
            let line = format!("code «{code}» holds a sign that nobody sees (U+{:04X}); write it anew", u32::from(unseen));
            lines.refuse(&self.place, line);
            return None;
        }
        if code.chars().count() > LONGEST_CODE {
            lines.refuse(&self.place, format!("code «{code}» is too long; give one of at most {LONGEST_CODE} letters"));
            return None;
        }
        Some(code)
    }

    fn code_or_id(&mut self, absent: bool, id: Option<String>, lines: &mut Lines) -> Option<String> {
        match (self.text("code"), id) {
            (Some(code), Some(id)) => {
                if code == id {
                    self.properties.remove("@id");
                }
                Some(code)
            }
            (Some(code), None) => Some(code),
            (None, Some(id)) if !id.trim().is_empty() => {
                self.properties.remove("@id");
                Some(id)
            }
            _ => {
                self.missing("code", absent, lines);
                None
            }
        }
    }

    pub fn number(&mut self, column: &str, lines: &mut Lines) -> Option<i32> {
        let text = self.text(column)?;
        let number = text.parse::<i32>().ok().or_else(|| words::decimal(&text).filter(|n| n.fract() == 0.0 && n.abs() < 2e9).map(|n| n as i32));
        if number.is_none() {
            lines.refuse(&self.place, format!("«{column}» is «{text}»; write a whole number"));
        }
        number
    }

    /// Yes or no; nothing where the column is absent or empty. Words that are neither were refused when the file was read.
    pub fn flag(&mut self, column: &str) -> Option<bool> {
        words::yes(&self.text(column)?)
    }

    /// A column that the file has: empty empties, absent leaves what stands.
    pub fn kept(&mut self, column: &str, before: Option<String>) -> Option<String> {
        if self.properties.contains_key(column) { self.text(column) } else { before }
    }

    /// A text column that must be there, or be left out where something stands.
    pub fn needed_or(&mut self, column: &str, before: Option<String>, lines: &mut Lines) -> Option<String> {
        before.filter(|_| !self.properties.contains_key(column)).or_else(|| self.needed(column, lines))
    }

    /// `approximate`, or what `geometria` says of it; where the row says neither, what stands.
    pub fn approximate(&mut self, before: Option<bool>) -> bool {
        let says = ["approximate", "geometria"].iter().any(|column| self.properties.contains_key(*column));
        let said = self.properties.get("geometria").and_then(Value::as_str) == Some("aproximada");
        let flag = self.flag("approximate").unwrap_or(said);
        before.filter(|_| !says).unwrap_or(flag)
    }

    /// Properties nobody here knows, once all others were taken: those of the file over those that stand.
    pub fn others(&mut self, before: Option<&Value>) -> Value {
        let mut all = before.and_then(Value::as_object).cloned().unwrap_or_default();
        all.extend(std::mem::take(&mut self.properties));
        Value::Object(all)
    }

    pub fn date(&mut self, column: &str, lines: &mut Lines) -> Option<NaiveDate> {
        let text = self.text(column)?;
        let date = words::day(&text);
        if date.is_none() {
            lines.refuse(&self.place, format!("«{column}» is «{text}»; write a date like 13/07/2026 or 2026-07-13"));
        }
        date
    }

    /// A time of day as HH:MM.
    pub fn time(&mut self, column: &str, lines: &mut Lines) -> Option<String> {
        let text = self.text(column)?;
        let time = ["%H:%M", "%H:%M:%S", "%H.%M"].iter().find_map(|format| chrono::NaiveTime::parse_from_str(&text, format).ok());
        if time.is_none() {
            lines.refuse(&self.place, format!("«{column}» is «{text}»; write a time like 06:00"));
        }
        time.map(|t| t.format("%H:%M").to_string())
    }

    /// The municipality this belongs to: its own column, or the one the command names; both must agree.
    pub fn municipality(&mut self, named: Option<MunicipalityId>) -> Result<MunicipalityId, String> {
        let own = match self.text("municipality") {
            Some(code) => Some(MunicipalityId::parse(&code).map_err(|e| e.to_string())?),
            None => None,
        };
        let hinted = || match self.properties.get("codigo_muni") {
            Some(Value::String(code)) => MunicipalityId::parse(code).ok(),
            _ => None,
        };
        match (own, named) {
            (Some(own), Some(named)) if own != named => Err(format!("belongs to municipality {own}, the command names {named}; mend one of them")),
            (Some(one), _) | (None, Some(one)) => Ok(one),
            (None, None) => hinted().ok_or_else(|| "no municipality is named; add --municipality CODE, such as 1202".into()),
        }
    }

    /// Weekdays as 1 Monday to 7 Sunday: names or numbers, a text or a list, ranges too. `None` when one is not understood.
    pub fn weekdays(&mut self, lines: &mut Lines) -> Option<Vec<i16>> {
        let text = match self.properties.remove("weekdays") {
            Some(Value::Array(days)) => days.iter().map(|d| d.as_str().map_or_else(|| d.to_string(), str::to_owned)).collect::<Vec<_>>().join(","),
            Some(Value::String(text)) => text,
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let days = match words::weekdays(&text) {
            Ok(days) => days,
            Err(word) => {
                let m = if word.eq_ignore_ascii_case("m") { " (M may be martes or miércoles)" } else { "" };
                lines.refuse(&self.place, format!("«weekdays» has «{word}»{m}; write days like mon,thu or lun,jue"));
                return None;
            }
        };
        if days.is_empty() {
            lines.refuse(&self.place, "the route has no weekday; fill in «weekdays», such as mon,thu");
            return None;
        }
        Some(days)
    }
}

/// A number as a code is written: 101 for what a layer of real numbers holds as 101.0.
fn written(number: &serde_json::Number) -> String {
    match number.as_f64() {
        Some(value) if number.is_f64() && value.fract() == 0.0 && value.abs() < 9e15 => format!("{value:.0}"),
        _ => number.to_string(),
    }
}
