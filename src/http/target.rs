//! Request targets and hosts: where a request claims to go, kept exactly as it was sent.
//!
//! Routing and the rebinding guard compare these raw strings. A URL library would resolve `..`,
//! read `0x7f.1` as an address and move parts of the host into the path.

use std::net::Ipv6Addr;

use super::reject::Reject;

/// A request target that fits into a URL without changing its shape.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// Only in the absolute form; it then outranks the Host field (RFC 9112 section 3.2.2).
    pub(super) authority: Option<&'a str>,
    /// Starts with `/`, or is `*`.
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// Takes a target apart. `*` is for OPTIONS alone (RFC 9112 section 3.2.4).
    pub(super) fn parse(raw: &'a str, is_options: bool) -> Result<Target<'a>, Reject> {
        // A fragment is not part of a target, and URL parsers turn a backslash into a slash.
        if !raw.bytes().all(|b| b.is_ascii_graphic() && b != b'\\' && b != b'#') {
            return Err(Reject::malformed(
                "the request target has a character that must be escaped",
            ));
        }
        if raw == "*" && is_options {
            return Ok(Target { authority: None, path: raw, query: None });
        }
        if raw.starts_with('/') {
            return Ok(Target::split(None, raw));
        }
        let Some(rest) = strip_scheme(raw) else {
            return Err(Reject::malformed("the request target must start with a slash"));
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        check_host(authority)?;
        Ok(Target::split(Some(authority), rest))
    }

    fn split(authority: Option<&'a str>, rest: &'a str) -> Target<'a> {
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        Target { authority, path: if path.is_empty() { "/" } else { path }, query }
    }
}

/// Accepts `host[:port]` where the host is a plain name, an IPv4 address or a bracketed IPv6 one.
///
/// Narrower than RFC 3986: escapes and sub-delimiters have no use in a host name, only in attacks
/// that move text from the host into another part of the URL.
pub(super) fn check_host(raw: &str) -> Result<(), Reject> {
    const BAD: Reject = Reject::malformed("the host must be a name or an address with a port");
    let port = match raw.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or(BAD)?;
            address.parse::<Ipv6Addr>().map_err(|_| BAD)?;
            if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or(BAD)?) }
        }
        None => {
            let (name, port) = match raw.bytes().position(|byte| byte == b':') {
                Some(at) => (&raw[..at], Some(&raw[at + 1..])),
                None => (raw, None),
            };
            let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
            if name.is_empty() || name.len() > HOST_BYTES || !name.bytes().all(is_plain) {
                return Err(BAD);
            }
            port
        }
    };
    // RFC 3986 section 3.2.3 allows the colon without a port.
    match port {
        None | Some("") => Ok(()),
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse::<u16>().map(drop).map_err(|_| BAD)
        }
        Some(_) => Err(BAD),
    }
}

fn strip_scheme(raw: &str) -> Option<&str> {
    let (scheme, rest) = raw.split_once("://")?;
    let is_http = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    is_http.then_some(rest)
}

/// The longest name that DNS can carry.
const HOST_BYTES: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(raw: &str, expected: Option<(Option<&str>, &str, Option<&str>)>) {
        let target = Target::parse(raw, false).ok();
        assert_eq!(target.map(|t| (t.authority, t.path, t.query)), expected);
    }

    #[test]
    fn targets_keep_their_shape() {
        check("/", Some((None, "/", None)));
        check("/mcp?a=b?c", Some((None, "/mcp", Some("a=b?c"))));
        check("/a/../mcp", Some((None, "/a/../mcp", None)));
        check("/a/%2e%2e/mcp", Some((None, "/a/%2e%2e/mcp", None)));
        check("//two", Some((None, "//two", None)));
        check("http://h:1/p?q", Some((Some("h:1"), "/p", Some("q"))));
        check("HTTPS://h", Some((Some("h"), "/", None)));
        check("http://h?q", Some((Some("h"), "/", Some("q"))));
    }

    #[test]
    fn odd_targets_are_refused() {
        for raw in
            ["", "mcp", "*", "/a\\..\\mcp", "/a#b", "/\u{e9}", "/a\u{1}", "ftp://h/", "http:///p"]
        {
            check(raw, None);
        }
        check("http://user:pw@evil/", None);
        check("host:443", None);
        assert_eq!(Target::parse("*", true).map(|t| t.path), Ok("*"));
    }

    #[test]
    fn hosts_follow_a_narrow_grammar() {
        for raw in
            ["localhost", "a.b-c_d:80", "127.0.0.1:1", "[::1]", "[::1]:65535", "0x7f.1", "h:"]
        {
            assert_eq!(check_host(raw), Ok(()), "{raw}");
        }
        for raw in
            ["", ":80", "a/mcp?", "user:pw@evil", "a b", "h:65536", "h:+1", "h:1:2", "\u{203}"]
        {
            assert!(check_host(raw).is_err(), "{raw}");
        }
        for raw in ["[::1", "[::g]", "[fe80::1%eth0]", "[::1]x", "::1", "%61", "a,b"] {
            assert!(check_host(raw).is_err(), "{raw}");
        }
    }
}
