//! Contrasts as a protocol writes them: weights over arms, such as `(norm + norm_plan - reminder - plan) / 2`.
//!
//! ```text
//! expression = term { (+ | -) term }
//! term       = factor { (* | /) factor }
//! factor     = number | arm | ( expression ) | - factor
//! ```
//! The value is Σ_a w_a μ_a over the arms' means μ. A contrast compares: Σ_a w_a = 0 and some w_a ≠ 0.

/// How far the weights may be from summing to 0: thirds do not sum exactly.
const ROUNDING: f64 = 1e-9;

/// Reads an expression as one weight for each of `arms`, in their order. Errs with what is wrong with it, without its place.
pub fn weights(text: &str, arms: &[&str]) -> Result<Vec<f64>, String> {
    if text.len() > 1_000 {
        return Err("is longer than 1,000 characters; shorten it".to_owned());
    }
    let mut reader = Reader { text, rest: text, arms };
    let value = reader.expression()?;
    if !reader.peek().is_empty() {
        return Err(format!("«{}» cannot be read from «{}» on", text, reader.rest.trim_start()));
    }
    if value.constant.abs() > ROUNDING {
        return Err(format!("«{text}» adds a number to arms; use numbers only to multiply or divide"));
    }
    let sum: f64 = value.weights.iter().sum();
    if value.weights.iter().all(|w| w.abs() <= ROUNDING) {
        return Err(format!("«{text}» compares nothing: every arm has weight 0"));
    }
    if sum.abs() > ROUNDING {
        return Err(format!("the weights of «{text}» sum to {sum}, and a comparison's sum to 0; take one arm from another"));
    }
    Ok(value.weights)
}

struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
    arms: &'a [&'a str],
}

struct Linear {
    constant: f64,
    weights: Vec<f64>,
}

impl Linear {
    fn is_constant(&self) -> bool {
        self.weights.iter().all(|w| *w == 0.0)
    }

    fn plus(mut self, other: &Linear, sign: f64) -> Linear {
        self.constant += sign * other.constant;
        self.weights.iter_mut().zip(&other.weights).for_each(|(w, o)| *w += sign * o);
        self
    }

    fn each(mut self, change: impl Fn(f64) -> f64) -> Linear {
        self.constant = change(self.constant);
        self.weights.iter_mut().for_each(|w| *w = change(*w));
        self
    }
}

impl<'a> Reader<'a> {
    /// The next token; empty at the end.
    fn peek(&mut self) -> &'a str {
        self.rest = self.rest.trim_start();
        let named = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let end = match self.rest.chars().next() {
            Some(first) if named(first) => self.rest.find(|c| !named(c)).unwrap_or(self.rest.len()),
            Some(first) => first.len_utf8(),
            None => 0,
        };
        &self.rest[..end]
    }

    fn take(&mut self) -> &'a str {
        let token = self.peek();
        self.rest = &self.rest[token.len()..];
        token
    }

    fn expression(&mut self) -> Result<Linear, String> {
        let mut value = self.term()?;
        loop {
            let sign = match self.peek() {
                "+" => 1.0,
                "-" | "−" => -1.0,
                _ => return Ok(value),
            };
            self.take();
            value = value.plus(&self.term()?, sign);
        }
    }

    fn term(&mut self) -> Result<Linear, String> {
        let mut value = self.factor()?;
        loop {
            match self.peek() {
                "*" => {
                    self.take();
                    let other = self.factor()?;
                    value = match (value.is_constant(), other.is_constant()) {
                        (_, true) => value.each(|w| w * other.constant),
                        (true, false) => other.each(|w| w * value.constant),
                        _ => return Err(format!("«{}» multiplies arms; multiply arms by numbers only", self.text)),
                    };
                }
                "/" => {
                    self.take();
                    let by = self.factor()?;
                    if !by.is_constant() || by.constant == 0.0 {
                        return Err(format!("«{}» divides by something other than a number", self.text));
                    }
                    value = value.each(|w| w / by.constant);
                }
                _ => return Ok(value),
            }
        }
    }

    fn factor(&mut self) -> Result<Linear, String> {
        let token = self.take();
        let blank = || vec![0.0; self.arms.len()];
        if let Some(at) = self.arms.iter().position(|arm| *arm == token) {
            let mut weights = blank();
            weights[at] = 1.0;
            return Ok(Linear { constant: 0.0, weights });
        }
        match token {
            "-" | "−" => Ok(self.factor()?.each(|w| -w)),
            "(" => {
                let value = self.expression()?;
                if self.take() != ")" {
                    return Err(format!("«{}» opens a parenthesis that is not closed", self.text));
                }
                Ok(value)
            }
            "" => Err(format!("«{}» ends where an arm or a number should stand", self.text)),
            _ if token.starts_with(|c: char| c.is_ascii_digit()) => match token.parse::<f64>() {
                Ok(constant) if constant.is_finite() => Ok(Linear { constant, weights: blank() }),
                _ => Err(format!("«{}»: «{token}» is no number and no arm", self.text)),
            },
            _ => Err(format!("«{}»: «{token}» is no arm; the arms are {}", self.text, self.arms.join(", "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARMS: [&str; 4] = ["reminder", "norm", "plan", "norm_plan"];

    #[test]
    fn a_contrast_is_read_as_it_is_written() {
        assert_eq!(weights("(norm + norm_plan - reminder - plan) / 2", &ARMS).unwrap(), [-0.5, 0.5, -0.5, 0.5]);
        assert_eq!(weights("norm_plan - norm - plan + reminder", &ARMS).unwrap(), [1.0, -1.0, -1.0, 1.0]);
        assert_eq!(weights("0.5*(norm+plan) − reminder", &ARMS).unwrap(), [-1.0, 0.5, 0.5, 0.0]);
        assert_eq!(weights("-(reminder - norm)*2/4", &ARMS).unwrap(), [-0.5, 0.5, 0.0, 0.0]);
        assert_eq!(weights("(a + b + c) / 3 - d", &["a", "b", "c", "d"]).unwrap()[3], -1.0);
    }

    #[test]
    fn what_compares_nothing_is_refused_by_name() {
        for (text, says) in [
            ("norm + plan", "sum to 2"),
            ("norm - norm", "compares nothing"),
            ("norm - nrom", "«nrom» is no arm"),
            ("norm * plan", "multiplies arms"),
            ("norm / plan", "divides by"),
            ("norm / 0 - plan", "divides by"),
            ("(norm - plan", "not closed"),
            ("norm - plan + 1", "adds a number"),
            ("norm -", "ends where"),
            ("norm - plan)", "cannot be read"),
            ("", "ends where"),
            ("norm - 1e999*plan", "no number"),
        ] {
            let refused = weights(text, &ARMS).unwrap_err();
            assert!(refused.contains(says), "{text}: {refused}");
        }
    }
}
