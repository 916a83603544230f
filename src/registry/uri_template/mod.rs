//! URI templates (RFC 6570), read backwards: from a URI to the values of the variables.
//!
//! RFC 6570 defines only how a template becomes a URI. Here is what a URI must look like to have
//! come from one, with an addition for hosts that map values to paths: a value with an escaped `/`
//! and the values `.` and `..` do not match where they would name another place in the path.

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod parse;

use std::slice;

/// A longer URI matches nothing; what a match costs grows with it.
const URI_BYTES_MAX: usize = 8 * 1024;

/// The URIs of a family of resources, such as `metrics://{chart}/{dimension}`.
///
/// - `{a}`, `{.a}`, `{/a}`, `{;a}`: some text without `?`, `#` and `/`, even an escaped `/`; never
///   `.` or `..`.
/// - `{/a*}`: one or more such texts with `/` between them.
/// - `{+a}`, `{#a}`: any text. The host must look for `..` itself.
/// - `{?a,b}`, `{&a,b}`: each variable once or not at all, in any order, and no others; any text or
///   none. A `+` stays a `+`, because only HTML forms mean a space by it.
///
/// Where a URI can be divided in several ways, earlier variables get as little as possible.
/// Literal text is compared byte by byte.
#[derive(Debug)]
pub(crate) struct UriTemplate {
    /// As the host wrote it.
    text: String,
    /// The first one is a literal with a scheme. Between two values there is a literal, and after
    /// a query only a fragment.
    pieces: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    Literal(String),
    Value {
        name: String,
        kind: Kind,
    },
    Query {
        /// `?` or `&`.
        mark: u8,
        names: Vec<String>,
    },
}

/// What a value may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One part of a path.
    Segment,
    /// Some parts of a path.
    Path,
    /// Anything.
    Any,
}

impl UriTemplate {
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The names of the variables, as they stand in the template.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        let names = self.pieces.iter().flat_map(|piece| match piece {
            Piece::Literal(_) => &[],
            Piece::Value { name, .. } => slice::from_ref(name),
            Piece::Query { names, .. } => names.as_slice(),
        });
        names.map(String::as_str)
    }

    /// The variables and their decoded values in the order of the template; `None` when `uri` is
    /// not of this family. Variables of a query that `uri` leaves out are left out.
    ///
    /// Takes time in proportion to the lengths of the URI and the template multiplied, whatever
    /// they hold.
    pub(crate) fn match_uri(&self, uri: &str) -> Option<Vec<(String, String)>> {
        let is_like = match self.pieces.first() {
            Some(Piece::Literal(start)) => uri.starts_with(start),
            _ => true,
        };
        if !is_like || uri.len() > URI_BYTES_MAX {
            return None;
        }
        let uri = &Uri::new(uri);
        let fits = self.fits(uri);
        if !fits[0][0] {
            return None;
        }
        let mut values = Vec::new();
        let mut at = 0;
        for (piece, next) in self.pieces.iter().zip(&fits[1..]) {
            match piece {
                Piece::Literal(text) => at += text.len(),
                Piece::Value { name, kind } => {
                    let start = at;
                    at += step(uri.text, at, *kind)?;
                    while !next[at] {
                        at += step(uri.text, at, *kind)?;
                    }
                    values.push((name.clone(), kind.decode(&uri.text[start..at])?));
                }
                Piece::Query { mark, names } => {
                    let query = uri.read_query(at, *mark, names);
                    if let Some((end, found)) = query.filter(|(end, _)| next[*end]) {
                        for (name, value) in names.iter().zip(found) {
                            let Some(value) = value else { continue };
                            values.push((name.clone(), Kind::Any.decode(value)?));
                        }
                        at = end;
                    }
                }
            }
        }
        Some(values)
    }

    /// For each piece and each place in `uri`: whether the URI from that place on fits the template
    /// from that piece on. One more row stands for the end of the template.
    ///
    /// Filled from the end, each field from its neighbours: trying ways out one after the other
    /// could take exponential time.
    fn fits(&self, uri: &Uri<'_>) -> Vec<Vec<bool>> {
        let mut row = vec![false; uri.text.len() + 1];
        row[uri.text.len()] = true;
        let mut rows = vec![row];
        for piece in self.pieces.iter().rev() {
            let row = piece.fits(uri, &rows[rows.len() - 1]);
            rows.push(row);
        }
        rows.reverse();
        rows
    }
}

impl Piece {
    /// Tells for each place in `uri` whether this piece fits there and what is `next` fits after it.
    fn fits(&self, uri: &Uri<'_>, next: &[bool]) -> Vec<bool> {
        let text = uri.text;
        match self {
            Piece::Literal(literal) => {
                let literal = literal.as_bytes();
                let fits = |at| text[at..].starts_with(literal) && next[at + literal.len()];
                (0..=text.len()).map(fits).collect()
            }
            Piece::Value { kind, .. } => {
                let mut fits = vec![false; text.len() + 1];
                // Whether the value may end at a place or go on from there.
                let mut goes_on = next.to_vec();
                for at in (0..text.len()).rev() {
                    fits[at] = step(text, at, *kind).is_some_and(|step| goes_on[at + step]);
                    goes_on[at] |= fits[at];
                }
                fits
            }
            Piece::Query { mark, names } => {
                let fits = |at| {
                    next[at] || uri.read_query(at, *mark, names).is_some_and(|(end, _)| next[end])
                };
                (0..=text.len()).map(fits).collect()
            }
        }
    }
}

/// A URI and the places in it that every query is looked for at.
struct Uri<'a> {
    text: &'a [u8],
    /// The first `?` or `#`.
    mark: Option<usize>,
    /// The first `#`, or the end.
    fragment: usize,
}

impl<'a> Uri<'a> {
    fn new(text: &'a str) -> Uri<'a> {
        Uri {
            text: text.as_bytes(),
            mark: text.find(['?', '#']),
            fragment: text.find('#').unwrap_or(text.len()),
        }
    }

    /// Reads the query that starts with `mark` at `at`: where it ends, and a value or none for each
    /// of `names`. `None` when there is no query of these names alone.
    ///
    /// Reads no more pairs than there are names and one, so that looking for a query at every place
    /// stays cheap.
    fn read_query(&self, at: usize, mark: u8, names: &[String]) -> Option<Query<'a>> {
        // RFC 3986 section 3.4: a query starts at the first question mark.
        let is_start = mark != b'?' || self.mark == Some(at);
        if !is_start || self.text.get(at) != Some(&mark) {
            return None;
        }
        let mut found = vec![None; names.len()];
        for pair in self.text.get(at + 1..self.fragment)?.split(|byte| *byte == b'&') {
            let equals = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let (name, value) = (&pair[..equals], pair.get(equals + 1..).unwrap_or_default());
            let place = names.iter().position(|known| known.as_bytes() == name)?;
            if found[place].replace(value).is_some() {
                return None;
            }
        }
        Some((self.fragment, found))
    }
}

/// Where a query ends, and the raw values of its variables.
type Query<'a> = (usize, Vec<Option<&'a [u8]>>);

impl Kind {
    fn decode(self, raw: &[u8]) -> Option<String> {
        let mut bytes = Vec::with_capacity(raw.len());
        let mut at = 0;
        while at < raw.len() {
            let step = step(raw, at, self)?;
            bytes.push(if step == 1 { raw[at] } else { escaped(raw, at)? });
            at += step;
        }
        let text = String::from_utf8(bytes).ok()?;
        let is_part = |part: &str| !matches!(part, "" | "." | "..");
        (self == Kind::Any || text.split('/').all(is_part)).then_some(text)
    }
}

/// How many bytes the character at `at` takes in a value of `kind`; `None` when it cannot be there.
///
/// An escaped `/` is no part of a path, because a host that builds one from the value would see two
/// parts. An escaped NUL is nothing at all, because a host that copies the value to a C string
/// would see another value.
fn step(uri: &[u8], at: usize, kind: Kind) -> Option<usize> {
    match uri.get(at)? {
        b'%' => match escaped(uri, at)? {
            0 => None,
            b'/' if kind != Kind::Any => None,
            _ => Some(3),
        },
        b'/' if kind == Kind::Segment => None,
        b'?' | b'#' if kind != Kind::Any => None,
        byte if byte.is_ascii_control() || *byte == b' ' => None,
        _ => Some(1),
    }
}

/// The byte that `%XX` at `at` means.
fn escaped(uri: &[u8], at: usize) -> Option<u8> {
    let digit = |at: usize| char::from(*uri.get(at)?).to_digit(16);
    u8::try_from(digit(at + 1)? << 4 | digit(at + 2)?).ok()
}

#[cfg(test)]
mod tests;
