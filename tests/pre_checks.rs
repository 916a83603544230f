//! What is decided from a request's head before its body is read, and in which order:
//! `shared/spec/requirements.md` section 2.3.

mod wire;

use emcp::{Limits, Options};
use wire::{ECHO_FIELDS, Host, call_body, post, post_call};

/// A call of `echo` with one of its header lines replaced.
fn with_field(from: &str, to: &str) -> String {
    post_call("echo", "{}", "").replacen(from, to, 1)
}

#[track_caller]
fn check(host: &Host, what: &str, request: &str, expected: u16) {
    let reply = host.connect().send(request).reply();
    assert_eq!(reply.status, expected, "{what}: {}", reply.text());
}

#[test]
fn the_endpoint_is_served_with_and_without_a_slash() {
    let host = Host::start(Limits::default());
    for path in ["/mcp", "/mcp/", "/mcp?x=y", "/mcp/?"] {
        check(&host, path, &post(path, ECHO_FIELDS, &call_body("echo", "{}")), 200);
    }
}

#[test]
fn other_paths_are_plain_404() {
    let host = Host::start(Limits::default());
    let probes = [
        "/",
        "/mcpx",
        "/MCP",
        "/mcp/x",
        "/favicon.ico",
        "/register",
        "/authorize",
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        "/mcp/.well-known/openid-configuration",
    ];
    for path in probes {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let reply = host.connect().send(request).reply();
        assert_eq!(reply.status, 404, "{path}");
        // SDK clients that look for OAuth take a JSON body for metadata.
        assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"), "{path}");
        check(&host, path, &post(path, ECHO_FIELDS, "{}"), 404);
    }
    assert_eq!(host.server.stats().requests_refused, 2 * probes.len() as u64);
}

#[test]
fn a_foreign_host_or_origin_is_403() {
    let host = Host::start(Limits::default());
    for name in ["evil.example", "localhost.evil.example:80", "10.0.0.1"] {
        check(&host, name, &with_field("Host: localhost", &format!("Host: {name}")), 403);
    }
    for origin in ["http://evil.example", "null", "http://localhost.evil", "file://", "\u{e9}"] {
        let request = post_call("echo", "{}", &format!("Origin: {origin}\r\n"));
        let reply = host.connect().send(request).reply();
        assert_eq!(reply.status, 403, "{origin}");
        assert_eq!(reply.header("access-control-allow-origin"), None, "{origin}");
        // The way in for WebSocket and GET is the same one.
        let request = wire::UPGRADE.replacen("Upgrade", &format!("Origin: {origin}\r\nUpgrade"), 1);
        check(&host, origin, &request, 403);
    }
    for origin in ["http://localhost:6274", "https://127.0.0.1", "http://[::1]:1"] {
        let request = post_call("echo", "{}", &format!("Origin: {origin}\r\n"));
        let reply = host.connect().send(request).reply();
        assert_eq!(reply.status, 200, "{origin}");
        assert_eq!(reply.header("access-control-allow-origin"), Some(origin));
    }
    let options = Options {
        allowed_hosts: vec!["agent.example".into()],
        allowed_origins: vec!["https://ui.example".into()],
        ..Options::default()
    };
    let open = Host::with(Limits::default(), options);
    let fields = "Host: agent.example:19990\r\nOrigin: https://ui.example";
    check(&open, "allowed by name", &with_field("Host: localhost", fields), 200);
}

#[test]
fn a_body_above_the_limit_is_413_before_it_is_sent() {
    let host = Host::start(Limits { body_bytes: 1000, ..Limits::default() });
    let head = format!("POST /mcp HTTP/1.1\r\nHost: localhost\r\n{ECHO_FIELDS}");
    check(&host, "length", &format!("{head}Content-Length: 1001\r\n\r\n"), 413);
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
    check(&host, "one chunk", &format!("{chunked}3e9\r\n"), 413);
    let body = format!("1f4\r\n{}\r\n1f5\r\n", "x".repeat(500));
    check(&host, "two chunks", &format!("{chunked}{body}"), 413);
    assert_eq!(host.server.stats().requests_refused, 3);
    let fitting = call_body("echo", "{}");
    let padding = " ".repeat(1000 - fitting.len());
    check(&host, "at the limit", &post("/mcp", ECHO_FIELDS, &(fitting + &padding)), 200);
}

#[test]
fn a_body_that_is_not_json_is_415_and_an_unusable_accept_406() {
    let host = Host::start(Limits::default());
    let json = "Content-Type: application/json";
    for value in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""] {
        check(&host, value, &with_field(json, &format!("Content-Type: {value}")), 415);
    }
    check(&host, "no type", &with_field(&format!("{json}\r\n"), ""), 415);
    for value in ["Application/JSON", "application/json; charset=utf-8", "application/json ;a=b"] {
        check(&host, value, &with_field(json, &format!("Content-Type: {value}")), 200);
    }
    let both = "Accept: application/json, text/event-stream";
    for value in ["text/html", "image/*", "application/xml, text/plain"] {
        check(&host, value, &with_field(both, &format!("Accept: {value}")), 406);
    }
    for value in ["*/*", "application/*", "text/*", "text/html, */*;q=0.1", "application/json"] {
        check(&host, value, &with_field(both, &format!("Accept: {value}")), 200);
    }
    check(&host, "no accept", &with_field(&format!("{both}\r\n"), ""), 200);
}

#[test]
fn another_method_is_405_with_allow() {
    let host = Host::start(Limits::default());
    for method in ["PUT", "PATCH", "TRACE", "PROPFIND"] {
        let request = format!("{method} /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let reply = host.connect().send(request).reply();
        assert_eq!(reply.status, 405, "{method}");
        assert_eq!(reply.header("allow"), Some("GET, POST, DELETE, OPTIONS"), "{method}");
    }
    let modern = "MCP-Protocol-Version: 2026-07-28\r\n";
    for (method, fields, allow) in
        [("GET", "", "POST, DELETE"), ("GET", modern, "POST"), ("DELETE", modern, "POST")]
    {
        let request = format!("{method} /mcp HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        let reply = host.connect().send(request).reply();
        assert_eq!((reply.status, reply.header("allow")), (405, Some(allow)), "{method} {fields}");
    }
}

#[test]
fn a_preflight_grants_what_clients_send() {
    let host = Host::start(Limits::default());
    let request = "OPTIONS /mcp HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost:6274\r\n\
                   Access-Control-Request-Method: POST\r\n\
                   Access-Control-Request-Headers: mcp-param-Region, x-other\r\n\r\n";
    let reply = host.connect().send(request).reply();
    assert_eq!(reply.status, 204);
    assert_eq!(reply.header("access-control-allow-origin"), Some("http://localhost:6274"));
    assert_eq!(reply.header("access-control-expose-headers"), Some("mcp-session-id"));
    let methods = reply.header("access-control-allow-methods").unwrap_or_default();
    assert!(methods.contains("POST") && methods.contains("DELETE"), "{methods}");
    let granted = reply.header("access-control-allow-headers").unwrap_or_default();
    for name in [
        "content-type",
        "authorization",
        "mcp-session-id",
        "mcp-protocol-version",
        "last-event-id",
        "mcp-method",
        "mcp-name",
        "mcp-param-region",
    ] {
        assert!(granted.split(", ").any(|word| word == name), "{name} in {granted}");
    }
    assert!(!granted.contains("x-other"), "{granted}");
    let foreign = request.replace("http://localhost:6274", "http://evil.example");
    check(&host, "foreign preflight", &foreign, 403);
}

#[test]
fn the_first_check_that_fails_decides() {
    let host = Host::start(Limits::default());
    let wrong = |line: &str, fields: &str| {
        format!("{line} HTTP/1.1\r\n{fields}Content-Length: 99999999\r\n\r\n")
    };
    let (evil, local) = ("Host: evil.example\r\n", "Host: localhost\r\n");
    let origin = "Host: localhost\r\nOrigin: http://evil.example\r\n";
    check(&host, "path before host", &wrong("PUT /else", evil), 404);
    check(&host, "host before method", &wrong("PUT /mcp", evil), 403);
    check(&host, "origin before method", &wrong("PUT /mcp", origin), 403);
    check(&host, "method before size", &wrong("PUT /mcp", local), 405);
    check(&host, "type before size", &wrong("POST /mcp", local), 415);
    let json = "Host: localhost\r\nContent-Type: application/json\r\n";
    check(&host, "size last", &wrong("POST /mcp", json), 413);
}
