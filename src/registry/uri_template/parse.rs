//! Reads the text of a template, and refuses what cannot be read backwards in one way.

use super::{Kind, Piece, UriTemplate};
use crate::error::{Error, Result};
use crate::uri;

const TEMPLATE_BYTES_MAX: usize = 1024;

/// With the length of a URI it bounds what a match costs.
const VARIABLES_MAX: usize = 16;

impl UriTemplate {
    /// Reads a template of RFC 6570, without its prefix modifier, and with its explode modifier in
    /// `{/name*}` alone.
    ///
    /// # Errors
    /// [`Error::Config`] names the template and what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<UriTemplate> {
        if text.len() > TEMPLATE_BYTES_MAX {
            let len = text.len();
            return Err(Error::Config(format!(
                "uri template has {len} bytes, limit is {TEMPLATE_BYTES_MAX}"
            )));
        }
        let mut template = UriTemplate { text: text.to_owned(), pieces: Vec::new() };
        match template.read(text) {
            Ok(()) => Ok(template),
            Err(problem) => Err(Error::Config(format!("uri template {text:?}: {problem}"))),
        }
    }

    fn read(&mut self, text: &str) -> Outcome {
        let mut rest = text;
        while let Some((literal, tail)) = rest.split_once('{') {
            self.push_literal(checked(literal)?)?;
            let (expression, tail) = tail.split_once('}').ok_or("a { has no }")?;
            self.push_expression(expression)?;
            rest = tail;
        }
        self.push_literal(checked(rest)?)?;
        match self.pieces.first() {
            Some(Piece::Literal(start)) if uri::parse(start).is_ok() => Ok(()),
            _ => Err("it does not start with a scheme, as in metrics://".into()),
        }
    }

    fn push_expression(&mut self, expression: &str) -> Outcome {
        let operator = expression.chars().next().unwrap_or('}');
        if "=,!@|".contains(operator) {
            return Err(format!("operator {operator} has no meaning yet"));
        }
        let is_plain = !"+#./;?&".contains(operator);
        let names = if is_plain { expression } else { &expression[1..] };
        // RFC 6570 appendix A: what stands before the first value, and what between two.
        let (first, between, kind) = match operator {
            '?' | '&' => return self.push_query(operator as u8, names),
            '+' => ("", ",", Kind::Any),
            '#' => ("#", ",", Kind::Any),
            '.' => (".", ".", Kind::Segment),
            '/' => ("/", "/", Kind::Segment),
            ';' => (";", ";", Kind::Segment),
            _ => ("", ",", Kind::Segment),
        };
        for (index, variable) in names.split(',').enumerate() {
            let (name, kind) = match variable.strip_suffix('*') {
                Some(name) if operator == '/' => (name, Kind::Path),
                _ => (variable, kind),
            };
            self.check_variable(name)?;
            self.push_literal(if index == 0 { first } else { between })?;
            if operator == ';' {
                self.push_literal(&format!("{name}="))?;
            }
            self.push_value(name, kind)?;
        }
        Ok(())
    }

    fn push_literal(&mut self, text: &str) -> Outcome {
        match self.pieces.last_mut() {
            _ if text.is_empty() => {}
            Some(Piece::Literal(before)) => before.push_str(text),
            Some(Piece::Query { .. }) if !text.starts_with('#') => return Err(after_query()),
            _ => self.pieces.push(Piece::Literal(text.into())),
        }
        Ok(())
    }

    fn push_value(&mut self, name: &str, kind: Kind) -> Outcome {
        match self.pieces.last() {
            Some(Piece::Value { name: before, .. }) => {
                return Err(format!("nothing tells where {before} ends and {name} starts"));
            }
            Some(Piece::Query { .. }) => return Err(after_query()),
            _ => self.pieces.push(Piece::Value { name: name.into(), kind }),
        }
        Ok(())
    }

    fn push_query(&mut self, mark: u8, variables: &str) -> Outcome {
        let has = |mark| {
            let mut pieces = self.pieces.iter();
            pieces.any(|piece| matches!(piece, Piece::Literal(text) if text.contains(mark)))
        };
        let has_query =
            has('?') || self.pieces.iter().any(|piece| matches!(piece, Piece::Query { .. }));
        if has('#') {
            return Err("a query cannot come after a fragment".into());
        }
        match (mark, has_query) {
            (b'?', true) => return Err("there is a second query".into()),
            (b'&', false) => return Err("{&...} has no query before it".into()),
            _ => {}
        }
        for name in variables.split(',') {
            self.check_variable(name)?;
            // `{?a}{&b}` is one query of two variables.
            match self.pieces.last_mut() {
                Some(Piece::Query { names, .. }) => names.push(name.into()),
                _ => self.pieces.push(Piece::Query { mark, names: vec![name.into()] }),
            }
        }
        Ok(())
    }

    fn check_variable(&self, name: &str) -> Outcome {
        if name.ends_with('*') {
            return Err(format!("{name}: * is understood in {{/name*}} alone"));
        }
        if name.contains(':') {
            return Err(format!("{name}: a prefix length cannot be undone"));
        }
        let good = |ch: char| ch.is_ascii_alphanumeric() || ch == '_';
        if !name.split('.').all(|part| !part.is_empty() && part.chars().all(good)) {
            return Err(format!("variable name {name:?} is not made of A-Z a-z 0-9 _ ."));
        }
        if self.variables().any(|known| known == name) {
            return Err(format!("variable {name} is there twice"));
        }
        if self.variables().count() == VARIABLES_MAX {
            return Err(format!("it has more than {VARIABLES_MAX} variables"));
        }
        Ok(())
    }
}

/// Or what is wrong.
type Outcome = std::result::Result<(), String>;

fn after_query() -> String {
    "only {&...} and a fragment can come after a query".into()
}

/// RFC 6570 section 2.1, without what an expansion would have to escape: no URI would match that.
fn checked(literal: &str) -> std::result::Result<&str, String> {
    let is_escape =
        |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    let wrong = literal.char_indices().find(|(at, ch)| match ch {
        '%' => !is_escape(&literal[at + 1..]),
        _ => !ch.is_ascii_graphic() || "\"'<>\\^`{|}".contains(*ch),
    });
    match wrong {
        Some((_, ch)) => Err(format!("{ch:?} must be escaped as in a URI")),
        None => Ok(literal),
    }
}
