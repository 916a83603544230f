//! The identifier of a protected resource, and where its metadata is (RFC 9728 section 3.1).

use crate::error::{Error, Result};
use crate::uri::{is_loopback, without_port};

/// The well-known place; the path of the resource may follow.
pub(crate) const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// Characters of the longest one.
const LENGTH_MAX: usize = 512;

/// A URL of http or https without query and fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    /// As the host wrote it.
    text: String,
    /// Scheme and authority in lower case, then the path; none when it is a slash (RFC 3986
    /// section 6.2).
    canonical: String,
    /// Bytes of `canonical` before the path.
    origin: usize,
}

impl Resource {
    pub(super) fn parse(text: &str) -> Result<Resource> {
        let wrong = || Error::Config(format!("resource {text:?} is no URL like https://host/mcp"));
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let scheme = scheme.to_ascii_lowercase();
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        // What could leave a quoted string, and what a URL has only escaped.
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"\\<>^`{}|?#".contains(&byte);
        let is_good = matches!(&*scheme, "http" | "https")
            && !authority.is_empty()
            && !authority.contains('@')
            && text.len() <= LENGTH_MAX
            && text.bytes().all(is_plain);
        if !is_good {
            return Err(wrong());
        }
        let origin = format!("{scheme}://{}", authority.to_ascii_lowercase());
        let path = if path == "/" { "" } else { path };
        Ok(Resource {
            text: text.to_owned(),
            canonical: format!("{origin}{path}"),
            origin: origin.len(),
        })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Empty, or what begins with a slash.
    pub(super) fn path(&self) -> &str {
        &self.canonical[self.origin..]
    }

    /// Tells whether `other` names the same resource.
    pub(super) fn is(&self, other: &str) -> bool {
        self.text == other
            || Resource::parse(other).is_ok_and(|other| self.canonical == other.canonical)
    }

    /// The URL of its metadata.
    pub(super) fn metadata(&self) -> String {
        let (origin, path) = self.canonical.split_at(self.origin);
        format!("{origin}{WELL_KNOWN}{path}")
    }

    pub(super) fn is_https(&self) -> bool {
        self.canonical.starts_with("https:")
    }

    /// Tells whether it is on the machine that asks, whichever that is.
    pub(super) fn is_loopback(&self) -> bool {
        let (_, authority) = self.canonical[..self.origin].split_once("://").unwrap_or_default();
        is_loopback(without_port(authority))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, metadata: &str) {
        assert_eq!(Resource::parse(text).unwrap().metadata(), metadata);
    }

    #[test]
    fn the_well_known_place_stands_between_host_and_path() {
        let at = |host: &str, path: &str| format!("{host}{WELL_KNOWN}{path}");
        check("https://a.example/mcp", &at("https://a.example", "/mcp"));
        check("HTTPS://A.example:8443/x/Mcp", &at("https://a.example:8443", "/x/Mcp"));
        check("http://127.0.0.1:9/", &at("http://127.0.0.1:9", ""));
        check("http://[::1]:9", &at("http://[::1]:9", ""));
        check("https://a.example/mcp/", &at("https://a.example", "/mcp/"));
    }

    #[test]
    fn the_same_resource_may_be_written_in_two_ways() {
        let resource = Resource::parse("https://a.example/mcp").unwrap();
        assert!(resource.is("https://a.example/mcp") && resource.is("HTTPS://A.Example/mcp"));
        for other in [
            "https://a.example/mcp/",
            "https://a.example/MCP",
            "https://a.example",
            "mcp",
            "http://a.example/mcp",
            "https://a.example:443/mcp",
            "https://a.example/mcp?x",
            "",
        ] {
            assert!(!resource.is(other), "{other}");
        }
        let root = Resource::parse("https://a.example").unwrap();
        assert!(root.is("https://a.example/") && !root.is("https://a.example//"));
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for wrong in [
            "",
            "https://",
            "https:///mcp",
            "https://a\"b/",
            "https://u@h/",
            "https://a b",
            "https://a/\u{e9}",
            "https://a/x?y",
            "https://a/#",
            "mailto:a@b",
        ] {
            assert!(Resource::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Resource::parse(&format!("https://a/{}", "x".repeat(512))).is_err());
    }

    #[test]
    fn loopback_is_told() {
        for (url, expected) in [
            ("http://127.0.0.1:8/x", true),
            ("http://localhost", true),
            ("http://[::1]:8", true),
            ("http://10.0.0.1", false),
            ("http://localhost.evil", false),
        ] {
            assert_eq!(Resource::parse(url).unwrap().is_loopback(), expected, "{url}");
        }
    }
}
