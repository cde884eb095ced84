//! Lines of what was found: the first of each kind one by one, then how many more there are.

use std::collections::BTreeMap;

/// Lines of one kind that are said one by one.
const EACH: usize = 20;

#[derive(Debug, Default)]
pub struct Findings(BTreeMap<&'static str, (Vec<String>, usize)>);

impl Findings {
    pub fn add(&mut self, kind: &'static str, line: impl FnOnce() -> String) {
        let (lines, more) = self.0.entry(kind).or_default();
        match lines.len() < EACH {
            true => lines.push(line()),
            false => *more += 1,
        }
    }

    pub fn lines(self) -> Vec<String> {
        self.with(&format!("; {}", super::REMEDY))
    }

    /// The same for lines to which the one who asks adds what can be done.
    pub fn bare(self) -> Vec<String> {
        self.with("")
    }

    fn with(self, remedy: &str) -> Vec<String> {
        let each = self.0.into_iter().flat_map(|(kind, (mut lines, more))| {
            if more > 0 {
                lines.push(format!("{kind}: {more} more rows of this kind{remedy}"));
            }
            lines
        });
        each.collect()
    }
}
