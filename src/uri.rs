//! What counts as a URI, and what its authority names: enough to refuse a mistake, not more.

use crate::error::{Error, Result};

/// Accepts `scheme:rest` of RFC 3986 section 3; clients parse the rest by their own rules.
///
/// # Errors
/// [`Error::Config`] when `uri` is something else.
pub(crate) fn parse(uri: &str) -> Result<String> {
    let wrong = || Error::Config(format!("{uri:?} is not a URI"));
    let (scheme, rest) = uri.split_once(':').ok_or_else(wrong)?;
    let mut letters = scheme.chars();
    let good_scheme = letters.next().is_some_and(|ch| ch.is_ascii_alphabetic())
        && letters.all(|ch| ch.is_ascii_alphanumeric() || "+-.".contains(ch));
    if !good_scheme || rest.chars().any(|ch| ch.is_control() || ch == ' ') {
        return Err(wrong());
    }
    Ok(uri.into())
}

/// `host` of `host:port`; brackets of an IPv6 address stay.
pub(crate) fn without_port(authority: &str) -> &str {
    // Ports are short, and this is done for every request.
    let mut end = authority.len();
    for byte in authority.bytes().rev() {
        match byte {
            // `[::1]` has colons and no port.
            b':' if end > 1 => return &authority[..end - 1],
            b'0'..=b'9' => end -= 1,
            _ => break,
        }
    }
    authority
}

/// Names of this machine that no name server answers for.
pub(crate) fn is_loopback(name: &str) -> bool {
    let is_v4 = || name.parse::<std::net::Ipv4Addr>().is_ok_and(|addr| addr.is_loopback());
    matches!(name, "127.0.0.1" | "[::1]") || name.eq_ignore_ascii_case("localhost") || is_v4()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_uri_has_a_scheme_and_no_spaces() {
        for uri in ["a:", "log:a", "metrics://x/y?z#f", "x-my+own.1:%20", "urn:\u{e4}"] {
            assert_eq!(parse(uri).ok().as_deref(), Some(uri));
        }
        for uri in ["", "log", ":a", "1a:b", "a b:c", "log:a b", "log:a\nb", "/path:x"] {
            assert!(parse(uri).is_err(), "{uri}");
        }
    }
}
