//! The handshake of permessage-deflate (RFC 7692 section 7.1): what a client offers, what is taken.

use std::fmt;

const NAME: &str = "permessage-deflate";

/// The widest window, and the usual one: 32 KiB.
const WINDOW_BITS_MAX: u8 = 15;

/// What was taken. Neither side carries its window from one message to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    /// The bits of our window, when the client has set a bound.
    server_bits: Option<u8>,
}

impl Terms {
    /// Takes the first offer that can be, from the values of `Sec-WebSocket-Extensions`.
    pub(super) fn choose<'a>(values: impl Iterator<Item = &'a str>) -> Option<Terms> {
        let mut offers = values.flat_map(|value| Unquoted::new(value, ','));
        offers.find_map(Terms::of)
    }

    pub(super) fn window_bits(self) -> u8 {
        self.server_bits.unwrap_or(WINDOW_BITS_MAX)
    }

    /// RFC 7692 section 7.1: an offer is declined when a parameter is unknown, stands twice or has a
    /// wrong value.
    fn of(offer: &str) -> Option<Terms> {
        let mut parts = Unquoted::new(offer, ';');
        if !parts.next()?.trim().eq_ignore_ascii_case(NAME) {
            return None;
        }
        let mut seen = Vec::new();
        let mut terms = Terms { server_bits: None };
        for part in parts {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name.trim(), Some(unquoted(value.trim())?)),
                None => (part.trim(), None),
            };
            if seen.contains(&name) {
                return None;
            }
            seen.push(name);
            match (name, value) {
                // Both happen anyway: the answer says so.
                ("server_no_context_takeover" | "client_no_context_takeover", None) => {}
                // What the client's window is makes no difference: ours for reading is the widest.
                ("client_max_window_bits", None) => {}
                ("client_max_window_bits", Some(value)) => drop(bits(value)?),
                // No library makes windows of 8 bits.
                ("server_max_window_bits", Some(value)) => {
                    terms.server_bits = Some(bits(value).filter(|bits| *bits > 8)?);
                }
                _ => return None,
            }
        }
        Some(terms)
    }
}

impl fmt::Display for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{NAME}; server_no_context_takeover; client_no_context_takeover")?;
        match self.server_bits {
            Some(bits) => write!(f, "; server_max_window_bits={bits}"),
            None => Ok(()),
        }
    }
}

fn bits(value: &str) -> Option<u8> {
    let is_plain = !value.starts_with(['0', '+']);
    value.parse().ok().filter(|bits| is_plain && (8..=WINDOW_BITS_MAX).contains(bits))
}

/// RFC 6455 section 9.1: what stands in quotes must be a token too.
fn unquoted(value: &str) -> Option<&str> {
    match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"').filter(|text| !text.contains(['"', '\\'])),
        None => Some(value),
    }
}

/// The parts of a text between separators that are not in quotes.
struct Unquoted<'a> {
    rest: Option<&'a str>,
    separator: char,
}

impl<'a> Unquoted<'a> {
    fn new(text: &'a str, separator: char) -> Unquoted<'a> {
        Unquoted { rest: Some(text), separator }
    }
}

impl<'a> Iterator for Unquoted<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.rest.take()?;
        let mut is_quoted = false;
        let end = text.find(|c| {
            is_quoted ^= c == '"';
            c == self.separator && !is_quoted
        });
        let Some(end) = end else { return Some(text) };
        self.rest = Some(&text[end + 1..]);
        Some(&text[..end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[&str], expected: Option<&str>) {
        let terms = Terms::choose(values.iter().copied());
        let expected = expected.map(|rest| {
            format!(
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover{rest}"
            )
        });
        assert_eq!(terms.map(|terms| terms.to_string()), expected, "{values:?}");
    }

    #[test]
    fn offers_that_can_be_taken() {
        for parameters in [
            "",
            "; client_max_window_bits",
            "; client_max_window_bits=8",
            ";client_max_window_bits = \"10\" ; server_no_context_takeover",
            "; client_no_context_takeover; server_no_context_takeover",
        ] {
            check(&[&format!("permessage-deflate{parameters}")], Some(""));
        }
        check(&["PerMessage-Deflate"], Some(""));
        for bits in 9..=15 {
            let offer = format!("permessage-deflate; server_max_window_bits={bits}");
            check(&[&offer], Some(&format!("; server_max_window_bits={bits}")));
        }
    }

    #[test]
    fn offers_that_cannot_be_taken() {
        for parameters in [
            ";",
            "; unknown",
            "; server_no_context_takeover; server_no_context_takeover",
            "; server_no_context_takeover=1",
            "; client_no_context_takeover=",
            "; server_max_window_bits",
            "; server_max_window_bits=",
            "; server_max_window_bits=8",
            "; server_max_window_bits=16",
            "; server_max_window_bits=09",
            "; server_max_window_bits=+9",
            "; server_max_window_bits=9x",
            "; server_max_window_bits=999999999999",
            "; server_max_window_bits=\"9",
            "; server_max_window_bits=9; server_max_window_bits=10",
            "; client_max_window_bits=7",
            "; client_max_window_bits=16",
            "; client_max_window_bits=0",
            " server_no_context_takeover",
        ] {
            check(&[&format!("permessage-deflate{parameters}")], None);
        }
        for other in ["", ",", "x-webkit-deflate-frame", "permessage-bzip2", "permessage-deflat"] {
            check(&[other], None);
        }
        check(&[], None);
    }

    #[test]
    fn the_first_that_can_be_taken_is() {
        let narrow = "permessage-deflate; server_max_window_bits=10";
        let wrong = "permessage-deflate; server_max_window_bits=8";
        check(
            &[&format!("x, {wrong}, {narrow}, permessage-deflate")],
            Some("; server_max_window_bits=10"),
        );
        check(&[wrong, "permessage-deflate", narrow], Some(""));
        // What stands in quotes is no offer.
        check(&["x; a=\"b, permessage-deflate, c\""], None);
        check(&["x; a=\"b; c\", permessage-deflate"], Some(""));
    }
}
