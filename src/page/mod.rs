//! What a handler returns for a browser, and the components every page is made of. `web` puts the frame round it.

pub mod chart;

use crate::error::Error;
use crate::language::Words;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use std::convert::Infallible;

/// The body of a page; `web` adds the frame (navigation, language, theme) on the way out.
#[derive(Debug, Clone)]
pub struct Page {
    pub title: String,
    /// Key of the navigation entry this page belongs to, such as "map"; see `web::frame`.
    pub current: &'static str,
    /// Line above the title: place, period, publication.
    pub eyebrow: Option<Markup>,
    pub heading: String,
    /// One or two sentences that answer the heading, with numbers and margins.
    pub answer: Option<Markup>,
    pub body: Markup,
    /// ES modules under /static/, loaded deferred; the page is whole without them.
    pub scripts: Vec<&'static str>,
    /// Name beside the brand: a municipality or a trial.
    pub place: String,
}

impl Page {
    pub fn new(current: &'static str, heading: impl Into<String>, body: Markup) -> Page {
        let heading = heading.into();
        Page { title: heading.clone(), current, eyebrow: None, heading, answer: None, body, scripts: Vec::new(), place: String::new() }
    }

    pub fn place(mut self, place: impl Into<String>) -> Page {
        self.place = place.into();
        self
    }

    pub fn eyebrow(mut self, eyebrow: Markup) -> Page {
        self.eyebrow = Some(eyebrow);
        self
    }

    pub fn answer(mut self, answer: Markup) -> Page {
        self.answer = Some(answer);
        self
    }

    pub fn script(mut self, path: &'static str) -> Page {
        self.scripts.push(path);
        self
    }
}

// Pages and errors leave handlers as response extensions; the outermost layer in `web` renders them for this reader.
impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut response = ().into_response();
        response.extensions_mut().insert(std::sync::Arc::new(self));
        response
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = ().into_response();
        response.extensions_mut().insert(std::sync::Arc::new(self));
        response
    }
}

/// Who reads: language, the session's CSRF token for forms (empty when nobody is signed in).
#[derive(Debug, Clone, Default)]
pub struct Reader {
    pub words: Words,
    pub csrf: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Reader {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Reader>().cloned().unwrap_or_default())
    }
}

impl Reader {
    /// Every form that changes something carries this.
    pub fn csrf_field(&self) -> Markup {
        html! { input type="hidden" name="csrf" value=(self.csrf); }
    }
}

/// Who acted, as the record names them: people and phones by their names, what nobody signed in did in the reader's words.
pub fn who(words: &Words, actor: &str) -> String {
    match actor {
        "command line" => words.say("who-command-line"),
        "practice" => words.say("who-practice"),
        name => name.to_owned(),
    }
}

/// `1,015`
pub fn count(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if n < 0 { format!("−{out}") } else { out }
}

/// A share as whole points of a hundred: 0.634 is `63`.
pub fn points(share: f64) -> String {
    format!("{:.0}", share * 100.0).replace('-', "−")
}

/// A difference in points with its sign: `−3`, `+6`, `0`; `decimals` 0 or 1.
pub fn signed_points(difference: f64, decimals: usize) -> String {
    let text = format!("{:.*}", decimals, difference.abs() * 100.0);
    let zero = text.chars().all(|c| matches!(c, '0' | '.'));
    match () {
        _ if zero => text,
        _ if difference < 0.0 => format!("−{text}"),
        _ => format!("+{text}"),
    }
}

/// `< 0.001` or three decimals.
pub fn p_value(p: f64) -> String {
    if p < 0.001 { "< 0.001".into() } else { format!("{p:.3}") }
}

/// `63 (55 a 71)` of a hundred: a rate never travels without its interval.
pub fn rate(words: &Words, share: f64, low: f64, high: f64) -> Markup {
    html! {
        span.tasa { (points(share)) } " "
        span.ic { "(" (points(low)) " " (words.say("to")) " " (points(high)) ")" }
    }
}

/// `+6 (−3 a +16)`: a difference with its interval, in points.
pub fn change(words: &Words, difference: f64, low: f64, high: f64, decimals: usize) -> Markup {
    html! {
        (signed_points(difference, decimals)) " "
        span.ic { "(" (signed_points(low, decimals)) " " (words.say("to")) " " (signed_points(high, decimals)) ")" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_here_write_them() {
        assert_eq!(count(1015), "1,015");
        assert_eq!(count(-1234567), "−1,234,567");
        assert_eq!(signed_points(-0.031, 0), "−3");
        assert_eq!(signed_points(0.059, 1), "+5.9");
        assert_eq!(signed_points(-0.0001, 0), "0");
        assert_eq!(p_value(0.0004), "< 0.001");
    }
}
