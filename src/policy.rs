//! Who may come in, decided from the head of a request before a byte of its body is read.
//!
//! The rules stop a web page in an operator's browser from reaching the daemon: by DNS rebinding
//! (Host), by plain cross-site requests and by WebSocket hijacking (Origin).

use http_types::{Method, StatusCode};

use crate::core::Options;
use crate::http::Head;
use crate::uri::{is_loopback, without_port};

/// What the endpoint's paths are and whose requests it takes.
pub(crate) struct Policy {
    path: String,
    sse_path: String,
    hosts: Vec<String>,
    origins: Vec<String>,
}

/// Which of the two paths a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// The endpoint itself.
    Endpoint,
    /// Its alias that always answers with a stream.
    Sse,
}

/// A request that is turned away.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Denied {
    pub(crate) status: StatusCode,
    /// Says what to change, for whoever reads the client's log.
    pub(crate) reason: String,
}

/// What `Allow` says (RFC 9110 section 10.2.1).
pub(crate) const METHODS: &str = "GET, POST, DELETE, OPTIONS";

/// The same where the metadata of a protected resource is (RFC 9728).
pub(crate) const METADATA_METHODS: &str = "GET, HEAD, OPTIONS";

/// What `Allow` says at a path.
pub(crate) fn methods(is_metadata: bool) -> &'static str {
    if is_metadata { METADATA_METHODS } else { METHODS }
}

impl Policy {
    pub(crate) fn new(options: &Options) -> Policy {
        let path = options.path.trim_end_matches('/').to_owned();
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let lower = |list: &[String]| list.iter().map(|entry| entry.to_ascii_lowercase()).collect();
        Policy {
            sse_path: format!("{parent}/sse"),
            path,
            hosts: lower(&options.allowed_hosts),
            origins: lower(&options.allowed_origins),
        }
    }

    /// Admits a request or says why not. `is_local` marks a Unix socket, which no browser and no
    /// name server can lead anybody to: its Host is not checked. `is_metadata` marks a path where
    /// there is metadata, which is for everybody: for the pages of all origins too.
    pub(crate) fn check(
        &self,
        head: &Head,
        is_local: bool,
        is_metadata: bool,
    ) -> Result<(), Denied> {
        if !is_metadata && self.route(&head.path).is_none() {
            let reason = format!("nothing here; the endpoint is {}", self.path);
            return Err(denied(StatusCode::NotFound, reason));
        }
        if let Some(host) = head.host.as_deref().filter(|_| !is_local)
            && !self.allows_host(host)
        {
            let reason =
                format!("host {host:?} is not allowed; the daemon can add it to allowed_hosts");
            return Err(denied(StatusCode::Forbidden, reason));
        }
        // All of them: which one a proxy or a browser meant is not for us to guess.
        let mut origins = head.headers("origin").filter(|_| !is_metadata);
        if let Some(origin) =
            origins.find(|origin| !self.allows_origin(origin, head.host.as_deref()))
        {
            let reason = format!(
                "origin {origin:?} is not allowed; the daemon can add it to allowed_origins"
            );
            return Err(denied(StatusCode::Forbidden, reason));
        }
        let is_served = match head.method {
            Method::Get | Method::Options => true,
            Method::Post | Method::Delete => !is_metadata,
            Method::Head => is_metadata,
            _ => false,
        };
        if !is_served {
            let methods = methods(is_metadata);
            let reason = format!("{} is not supported here; use {methods}", head.method);
            return Err(denied(StatusCode::MethodNotAllowed, reason));
        }
        Ok(())
    }

    /// Compares the raw path: decoded or normalised forms of it name something else.
    pub(crate) fn route(&self, path: &str) -> Option<Route> {
        let path = path.strip_suffix('/').unwrap_or(path);
        match path {
            _ if path == self.path => Some(Route::Endpoint),
            _ if path == self.sse_path => Some(Route::Sse),
            _ => None,
        }
    }

    fn allows_host(&self, host: &str) -> bool {
        let name = without_port(host);
        let is = |entry: &str, text: &str| entry.eq_ignore_ascii_case(text);
        let named = |entry: &String| entry == "*" || is(entry, host) || is(entry, name);
        is_loopback(name) || self.hosts.iter().any(named)
    }

    fn allows_origin(&self, origin: &str, host: Option<&str>) -> bool {
        let origin = origin.to_ascii_lowercase();
        if self.origins.iter().any(|entry| entry == "*" || *entry == origin) {
            return true;
        }
        let Some((scheme, authority)) = origin.split_once("://") else { return false };
        // A page that the daemon itself serves: its origin is the host that was asked for.
        let is_same = host.is_some_and(|host| host.eq_ignore_ascii_case(authority));
        matches!(scheme, "http" | "https") && (is_same || is_loopback(without_port(authority)))
    }
}

fn denied(status: StatusCode, reason: String) -> Denied {
    Denied { status, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(hosts: &[&str], origins: &[&str]) -> Policy {
        let owned = |list: &[&str]| list.iter().map(|entry| (*entry).to_owned()).collect();
        Policy::new(&Options {
            allowed_hosts: owned(hosts),
            allowed_origins: owned(origins),
            ..Options::default()
        })
    }

    #[test]
    fn hosts() {
        let policy = policy(&["Agent.example", "10.0.0.7:19990"], &[]);
        for host in [
            "localhost",
            "127.0.0.1:80",
            "127.9.9.9",
            "[::1]:19990",
            "[::1]",
            "LOCALHOST:1",
            "agent.example",
            "agent.example:19990",
            "10.0.0.7:19990",
        ] {
            assert!(policy.allows_host(host), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.7",
            "0x7f.1",
            "agent.example.evil",
            "",
        ] {
            assert!(!policy.allows_host(host), "{host}");
        }
    }

    #[test]
    fn origins() {
        let policy = policy(&[], &["https://ui.example"]);
        let allows = |origin| policy.allows_origin(origin, Some("agent.example:19990"));
        for origin in [
            "http://localhost:6274",
            "https://127.0.0.1",
            "http://[::1]:1",
            "https://ui.example",
            "http://agent.example:19990",
        ] {
            assert!(allows(origin), "{origin}");
        }
        for origin in [
            "null",
            "http://evil.example",
            "https://ui.example.evil",
            "http://agent.example",
            "file://",
            "http://localhost.evil",
            "",
        ] {
            assert!(!allows(origin), "{origin}");
        }
    }

    #[test]
    fn paths() {
        let policy = policy(&[], &[]);
        assert_eq!(policy.route("/mcp"), Some(Route::Endpoint));
        assert_eq!(policy.route("/mcp/"), Some(Route::Endpoint));
        assert_eq!(policy.route("/sse"), Some(Route::Sse));
        for path in ["/", "/mcp//", "/MCP", "/mcp/x", "/a/../mcp", "/%6dcp", "/.well-known/x"] {
            assert_eq!(policy.route(path), None, "{path}");
        }
    }
}
