//! From words to an expression, by the strength of the operators.

use super::token::{Kind, Token, position, tokenize};
use super::{AMONG, Aggregate, COMPARISON, Expression, FUNCTIONS, NOT, OPERATIONS_BY_MARK, POWER, SIGN, SUMMARIES, Sign, Summary, refused};
use crate::error::{Error, Result};

/// More operations than this are no expression a person wrote; the bound keeps nesting within the stack.
const OPERATIONS: usize = 150;

/// The expression that a text is. Refuses what is left over.
pub fn parse(text: &str) -> Result<Expression> {
    let tokens = tokenize(text)?;
    let within = |error: Error| refused(format!("`{text}`: {error}"));
    let (expression, end) = parse_tokens(&tokens, 0).map_err(within)?;
    match tokens.get(end) {
        None => Ok(expression),
        Some(token) => Err(within(refused(format!("an operator is missing before `{token}` (character {})", position(text, token.start))))),
    }
}

/// The longest expression that starts at a token, and the token behind it.
pub fn parse_tokens(tokens: &[Token], from: usize) -> Result<(Expression, usize)> {
    let mut parser = Parser { tokens, at: from, left: OPERATIONS };
    let expression = parser.expression(0)?;
    Ok((expression, parser.at))
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    left: usize,
}

impl Parser<'_> {
    fn is(&self, mark: &str) -> bool {
        self.tokens.get(self.at).is_some_and(|token| token.is(mark))
    }

    fn take(&mut self, mark: &str) -> bool {
        let here = self.is(mark);
        self.at += usize::from(here);
        here
    }

    fn wants(&self, what: &str) -> Error {
        match (self.at.checked_sub(1).map(|before| &self.tokens[before]), self.tokens.get(self.at)) {
            (Some(before), Some(token)) => refused(format!("{what} is missing between `{before}` and `{token}`")),
            (None, Some(token)) => refused(format!("{what} is missing before `{token}`")),
            (_, None) => refused(format!("{what} is missing at the end")),
        }
    }

    fn close(&mut self) -> Result<()> {
        if self.take(")") { Ok(()) } else { Err(self.wants("a `)`")) }
    }

    fn spend(&mut self) -> Result<()> {
        self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| refused(format!("more than {OPERATIONS} operations in one expression; split it with `let`, or use %in% with a list")))?;
        Ok(())
    }

    /// An expression of operators that bind at least as tightly as `least`.
    fn expression(&mut self, least: u8) -> Result<Expression> {
        self.spend()?;
        let sign = [("!", Sign::Not, NOT), ("-", Sign::Minus, SIGN), ("+", Sign::Plus, SIGN)].into_iter().find(|(mark, ..)| self.is(mark));
        let mut left = match sign {
            Some((_, sign, binds)) => {
                self.at += 1;
                Expression::Signed(sign, Box::new(self.expression(binds)?))
            }
            None => self.operand()?,
        };
        let mut compared = false;
        while let Some(token) = self.tokens.get(self.at) {
            if token.is("%in%") && AMONG >= least {
                self.spend()?;
                self.at += 1;
                left = Expression::Among(Box::new(left), self.list()?);
                continue;
            }
            let Some((_, operation, binds)) = OPERATIONS_BY_MARK.into_iter().find(|(mark, ..)| token.is(mark)) else { break };
            if binds < least {
                break;
            }
            if binds == COMPARISON && std::mem::replace(&mut compared, true) {
                return Err(refused(format!("`{token}` follows another comparison; set parentheses or use &")));
            }
            self.at += 1;
            // After `^` a sign may stand, and another `^` belongs to what stands there.
            let right = self.expression(if binds == POWER { POWER } else { binds + 1 })?;
            left = Expression::Pair(operation, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn operand(&mut self) -> Result<Expression> {
        let Some(token) = self.tokens.get(self.at) else { return Err(self.wants("a value")) };
        let operand = match &token.kind {
            Kind::Number(value) => Expression::Number(*value),
            Kind::Text(text) => Expression::Text(text.clone()),
            Kind::Backticked(name) => Expression::Column(name.clone()),
            Kind::Name(name) if self.tokens.get(self.at + 1).is_some_and(|next| next.is("(")) => {
                self.at += 2;
                return self.call(name);
            }
            Kind::Name(name) => match name.as_str() {
                "NA" => Expression::Missing,
                "TRUE" => Expression::Number(1.0),
                "FALSE" => Expression::Number(0.0),
                _ => Expression::Column(name.clone()),
            },
            Kind::Mark("(") => {
                self.at += 1;
                let inside = self.expression(0)?;
                self.close()?;
                return Ok(inside);
            }
            Kind::Mark(_) => return Err(self.wants("a value")),
        };
        self.at += 1;
        Ok(operand)
    }

    /// The constants behind `%in%`: `c(…)`, or one alone.
    fn list(&mut self) -> Result<Vec<Expression>> {
        let several = self.tokens.get(self.at).is_some_and(|token| token.kind == Kind::Name("c".to_string()))
            && self.tokens.get(self.at + 1).is_some_and(|token| token.is("("));
        if !several {
            return Ok(vec![self.constant()?]);
        }
        self.at += 2;
        let mut list = Vec::new();
        while !self.take(")") {
            if !list.is_empty() && !self.take(",") {
                return Err(self.wants("a `,` or `)`"));
            }
            list.push(self.constant()?);
        }
        Ok(list)
    }

    fn constant(&mut self) -> Result<Expression> {
        let negative = self.take("-");
        let before = self.at;
        match self.operand()? {
            Expression::Number(value) => Ok(Expression::Number(if negative { -value } else { value })),
            constant @ (Expression::Text(_) | Expression::Missing) if !negative => Ok(constant),
            _ => {
                self.at = before;
                Err(self.wants("a number, a text or NA for %in%"))
            }
        }
    }

    /// A call, behind its opening parenthesis.
    fn call(&mut self, name: &str) -> Result<Expression> {
        if let Some((_, summary)) = SUMMARIES.into_iter().find(|(own, _)| *own == name) {
            return self.aggregate(name, summary);
        }
        let function = FUNCTIONS.into_iter().find(|(own, ..)| *own == name);
        if function.is_none() && name != "I" {
            let known = FUNCTIONS.iter().map(|(name, ..)| *name).chain(["I"]).chain(SUMMARIES.iter().map(|(name, _)| *name));
            let known = known.collect::<Vec<&str>>().join(", ");
            let hint = if name == "c" { "`c()` stands behind %in% only".to_string() } else { format!("there is no function `{name}`") };
            return Err(refused(format!("{hint}; there are {known}")));
        }
        let mut given = Vec::new();
        while !self.take(")") {
            if !given.is_empty() && !self.take(",") {
                return Err(self.wants("a `,` or `)`"));
            }
            given.push(self.expression(0)?);
        }
        let takes = function.map_or(1, |(.., takes)| takes);
        if given.len() != takes {
            return Err(refused(format!("`{name}()` takes {takes} argument{}, not {}", if takes == 1 { "" } else { "s" }, given.len())));
        }
        match function {
            Some((_, function, _)) => Ok(Expression::Call(function, given)),
            None => Ok(given.swap_remove(0)),
        }
    }

    fn aggregate(&mut self, name: &str, summary: Summary) -> Result<Expression> {
        let mut aggregate = Aggregate { summary, of: None, by: None, condition: None };
        let mut first = true;
        while !self.take(")") {
            if !first && !self.take(",") {
                return Err(self.wants("a `,` or `)`"));
            }
            let key = self.tokens.get(self.at + 1).filter(|next| next.is("=")).and_then(|_| self.tokens[self.at].name());
            let (place, what) = match key {
                Some("by") => (&mut aggregate.by, "by ="),
                Some("where") => (&mut aggregate.condition, "where ="),
                Some(other) => return Err(refused(format!("`{name}()` knows no `{other} =`; it takes a value, `by =` and `where =`"))),
                None => (&mut aggregate.of, "a value"),
            };
            if place.is_some() {
                return Err(refused(format!("`{name}()` is given {what} twice")));
            }
            self.at += if key.is_some() { 2 } else { 0 };
            *place = Some(self.expression(0)?);
            first = false;
        }
        if aggregate.of.is_none() && summary != Summary::Count {
            return Err(refused(format!("`{name}()` needs a value, as in `{name}(x, by = g)`")));
        }
        Ok(Expression::Aggregate(Box::new(aggregate)))
    }
}
