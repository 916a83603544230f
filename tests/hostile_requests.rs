//! Every way to break or bend an HTTP request that `shared/design/http.md` lists in table 1.2,
//! sent over a raw socket to a whole server with a tool.
//!
//! The number in each case is its row there. Row 46 is in `trouble.rs`, those above it are in
//! `hostile_replies.rs`.

mod wire;

use emcp::Limits;
use wire::{ECHO_FIELDS, Host, call_body, post, post_call};

/// What becomes of the connection after the replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    /// The next request on it is served.
    Open,
    /// End-of-file follows.
    Closed,
}
use After::{Closed, Open};

/// Sends each case on a connection of its own and checks the statuses that come back, what
/// becomes of the connection, and that nothing panicked.
#[track_caller]
fn check(cases: impl IntoIterator<Item = (&'static str, Vec<u8>, Vec<u16>, After)>) {
    let host = Host::start(Limits::default());
    for (row, bytes, statuses, after) in cases {
        let mut client = host.connect();
        client.send(&bytes);
        let answered: Vec<u16> = statuses.iter().map(|_| client.reply().status).collect();
        assert_eq!(answered, statuses, "row {row}");
        match after {
            Closed => client.assert_closed(row),
            Open => client.assert_serves(row),
        }
        assert_eq!(host.server.stats().panics, 0, "row {row}");
    }
    host.assert_serves("after all cases");
}

/// A call of `echo` whose head has `fields` in place of Host and framing.
fn echo(fields: &str, body: &str) -> Vec<u8> {
    format!("POST /mcp HTTP/1.1\r\n{fields}{ECHO_FIELDS}\r\n{body}").into_bytes()
}

/// A call of `echo` with a Host and these lines for the framing.
fn framed(fields: &str, body: &str) -> Vec<u8> {
    echo(&format!("Host: localhost\r\n{fields}"), body)
}

/// A chunked call of `echo`.
fn chunked(body: &str) -> Vec<u8> {
    framed("Transfer-Encoding: chunked\r\n", body)
}

/// A request without a body.
fn get(line: &str, host: &str) -> Vec<u8> {
    format!("{line}\r\nHost: {host}\r\n\r\n").into_bytes()
}

fn body() -> String {
    call_body("echo", "{}")
}

#[test]
fn a_malformed_head_gets_its_status_and_a_close() {
    let line = |line: &str| get(line, "localhost");
    let field = |field: &str| get("GET /mcp HTTP/1.1", &format!("localhost\r\n{field}"));
    let raw = |text: &str| text.as_bytes().to_vec();
    check([
        ("1: bad token", line("G(T /mcp HTTP/1.1"), vec![400], Closed),
        ("1: bad field name", field("X(Y): z"), vec![400], Closed),
        ("1: no colon", field("nonsense"), vec![400], Closed),
        ("2: host beyond ASCII", get("GET /mcp HTTP/1.1", "\u{203}"), vec![400], Closed),
        (
            "20: bare LF everywhere",
            raw("GET /mcp HTTP/1.1\nHost: localhost\n\n"),
            vec![400],
            Closed,
        ),
        ("20: bare LF once", field("A: b\nC: d"), vec![400], Closed),
        (
            "21: a request hidden behind an empty line",
            raw("GET /mcp HTTP/1.1\r\nHost: localhost\n\nGET /mcp HTTP/1.1\r\nHost: h\r\n\r\n"),
            vec![400],
            Closed,
        ),
        ("22: folded field", field("A: b\r\n c"), vec![400], Closed),
        ("22: blank before the colon", field("A : b"), vec![400], Closed),
        ("22: bare CR", field("A: b\rc"), vec![400], Closed),
        ("22: NUL", field("A: b\0c"), vec![400], Closed),
        ("22: field without a name", field(": b"), vec![400], Closed),
        ("23: no host", raw("GET /mcp HTTP/1.1\r\n\r\n"), vec![400], Closed),
        ("24: empty host", get("GET /mcp HTTP/1.1", ""), vec![400], Closed),
        ("25: two hosts", field("Host: localhost"), vec![400], Closed),
        ("26: path in the host", get("GET / HTTP/1.1", "a/mcp?"), vec![400], Closed),
        ("27: user in the host", get("GET /mcp HTTP/1.1", "user:pw@evil"), vec![400], Closed),
        ("29: backslash", line("GET /a\\..\\mcp HTTP/1.1"), vec![400], Closed),
        ("29: fragment", line("GET /mcp#x HTTP/1.1"), vec![400], Closed),
        ("29: control", line("GET /mc\u{1}p HTTP/1.1"), vec![400], Closed),
        ("29: beyond ASCII", line("GET /m\u{e7}p HTTP/1.1"), vec![400], Closed),
        ("30: bad host in the target", line("GET http://a@b/mcp HTTP/1.1"), vec![400], Closed),
        ("31: another scheme", line("GET ftp://localhost/mcp HTTP/1.1"), vec![400], Closed),
        ("31: star without OPTIONS", line("GET * HTTP/1.1"), vec![400], Closed),
        ("31: unknown method", line("BREW /mcp HTTP/1.1"), vec![501], Closed),
        ("31: proxy method", line("CONNECT localhost:80 HTTP/1.1"), vec![501], Closed),
        ("32: method in lower case", line("get /mcp HTTP/1.1"), vec![501], Closed),
        ("34: HTTP/2 preface", raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), vec![505], Closed),
        ("34: HTTP/0.9", raw("GET /mcp\r\n"), vec![400], Closed),
        ("34: TLS hello", b"\x16\x03\x01\x02\x00\x01\x00".to_vec(), vec![400], Closed),
        ("35: many empty lines", raw(&"\r\n".repeat(100)), vec![400], Closed),
        ("39: unknown expectation", framed("Expect: tea\r\n", ""), vec![417], Closed),
    ]);
}

#[test]
fn a_head_above_a_limit_gets_its_status() {
    let field = |field: &str| get("GET /mcp HTTP/1.1", &format!("localhost\r\n{field}"));
    let long = |length| "a".repeat(length);
    check([
        ("5: long target", get(&format!("GET /{} HTTP/1.1", long(5000)), "h"), vec![414], Closed),
        ("5: long head", field(&format!("A: {}", long(17_000))), vec![431], Closed),
        ("5: many fields", field(&"A: b\r\n".repeat(65)), vec![431], Closed),
        // What the decoder gets must fit into its 8191 bytes.
        (
            "5: long forwarded field",
            framed(&format!("Content-Length: 0\r\nAccept: */*,{}\r\n", long(9000)), ""),
            vec![431],
            Closed,
        ),
    ]);
}

#[test]
fn doubtful_framing_is_refused_and_the_connection_closed() {
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let case = |row, fields: &str, status| (row, framed(fields, smuggled), vec![status], Closed);
    check([
        case("13: two codings", "Transfer-Encoding: gzip, chunked\r\n", 501),
        case("13: unknown coding", "Transfer-Encoding: xchunked\r\n", 501),
        case("13: chunked twice", "Transfer-Encoding: chunked, chunked\r\n", 501),
        case(
            "13: two fields",
            "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
            400,
        ),
        case("14: length and coding", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", 400),
        case("15: two lengths", "Content-Length: 42\r\nContent-Length: 0\r\n", 400),
        case("15: the same length twice", "Content-Length: 4\r\nContent-Length: 4\r\n", 400),
        case("16: sign", "Content-Length: +3\r\n", 400),
        case("17: list", "Content-Length: 3, 3\r\n", 400),
        case("17: negative", "Content-Length: -3\r\n", 400),
        case("17: no number", "Content-Length: abc\r\n", 400),
        case("17: empty", "Content-Length:\r\n", 400),
        case("18: 2^64-1", "Content-Length: 18446744073709551615\r\n", 413),
        case("18: 2^64", "Content-Length: 18446744073709551616\r\n", 413),
    ]);
    let old =
        format!("POST /mcp HTTP/1.0\r\n{ECHO_FIELDS}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    check([("13: chunks in HTTP/1.0", old.into_bytes(), vec![400], Closed)]);
}

#[test]
fn a_broken_chunk_is_refused_and_the_connection_closed() {
    let case = |row, body: &str| (row, chunked(body), vec![400], Closed);
    check([
        case("11: empty size", "\r\n\r\n"),
        case("12: 17 digits", "00000000000000001\r\na\r\n0\r\n\r\n"),
        case("12: no digits", "xyz\r\n"),
        case("12: sign", "+1\r\na\r\n0\r\n\r\n"),
        case("12: prefix", "0x1\r\na\r\n0\r\n\r\n"),
        case("12: bare LF", "1\na\n0\n\n"),
        case("12: data longer than its size", "1\r\nab\r\n0\r\n\r\n"),
        case("10: endless extension", &format!("1;{}", "a".repeat(5000))),
    ]);
    let huge = |size: &str| ("18: huge chunk", chunked(size), vec![413], Closed);
    check([huge("FFFFFFFFFFFFFFFF\r\n"), huge("100001\r\n")]);
}

#[test]
fn an_odd_but_valid_request_is_served() {
    let body = body();
    let length = format!("Content-Length: {}\r\n", body.len());
    let served =
        |row, fields: &str| (row, framed(&format!("{fields}{length}"), &body), vec![200], Open);
    let halves = body.split_at(7);
    let chunks = |first: &str, last: &str| {
        let (a, b) = halves;
        format!("{first}\r\n{a}\r\n{:x}\r\n{b}\r\n{last}\r\n", b.len())
    };
    let latin = framed(&format!("X-Name: ?\r\n{length}"), &body);
    let latin = latin.iter().map(|byte| if *byte == b'?' { 0xe9 } else { *byte }).collect();
    let twice = [framed(&length, &body), framed(&length, &body)].concat();
    let after_chunks = [chunked(&chunks("7", "0\r\n")), framed(&length, &body)].concat();
    let line = |line: &str| get(line, "localhost");
    check([
        served("2: value beyond ASCII", "X-Name: \u{e9}\r\n"),
        ("3: value that is not UTF-8", latin, vec![200], Open),
        served("5: long credential", &format!("Authorization: Bearer {}\r\n", "a".repeat(12_000))),
        ("6: two requests at once", twice, vec![200, 200], Open),
        ("8: a request behind the last chunk", after_chunks, vec![200, 200], Open),
        ("10: extension", chunked(&chunks("7;a=b", "0;c\r\n")), vec![200], Open),
        ("10: trailer", chunked(&chunks("007", "0\r\nA: b\r\n")), vec![200], Open),
        served("22: no blank behind the colon", "X-A:b\r\n"),
        ("30: absolute form", line("OPTIONS http://localhost/mcp HTTP/1.1"), vec![204], Open),
        // There is nothing at the server as a whole; the endpoint has its own answer.
        ("31: OPTIONS *", line("OPTIONS * HTTP/1.1"), vec![404], Open),
        (
            "35: empty lines in front",
            [&b"\r\n\r\n"[..], &framed(&length, &body)].concat(),
            vec![200],
            Open,
        ),
        (
            "36: close in a list",
            framed(&format!("Connection: foo, Close\r\n{length}"), &body),
            vec![200],
            Closed,
        ),
        ("36: close", framed(&format!("Connection: close\r\n{length}"), &body), vec![200], Closed),
    ]);
}

#[test]
fn http_1_0_is_served_and_closed_unless_it_asks_to_stay() {
    let body = body();
    let old = |fields: &str| {
        let length = body.len();
        format!("POST /mcp HTTP/1.0\r\n{ECHO_FIELDS}{fields}Content-Length: {length}\r\n\r\n{body}")
    };
    check([
        ("33: closes", old("").into_bytes(), vec![200], Closed),
        ("33: stays", old("Connection: keep-alive\r\n").into_bytes(), vec![200], Open),
    ]);
    let host = Host::start(Limits::default());
    let mut client = host.connect();
    let reply = client.send(old("Connection: keep-alive\r\n")).reply();
    assert_eq!(reply.header("connection"), Some("keep-alive"));
    // A stream has no length and HTTP/1.0 no chunks, so only the end can end it.
    let mut client = host.connect();
    let head = client.send("GET /mcp HTTP/1.0\r\nAccept: text/event-stream\r\n\r\n").head();
    assert_eq!((head.header("transfer-encoding"), head.header("content-length")), (None, None));
    assert!(client.until("\n\n").starts_with("event: endpoint\n"), "the first event");
}

#[test]
fn a_head_without_an_end_costs_a_bounded_buffer() {
    let host = Host::start(Limits::default());
    let mut client = host.connect();
    // Row 4: the end of the stream is far away, and the server must not wait for it.
    let _ = client.try_send(vec![b'A'; 8 * 1024]);
    assert_eq!(client.reply().status, 414, "row 4");
    while client.try_send([b'A'; 64 * 1024]) {}
    host.until("row 4: the connection ends", |stats| stats.connections == 0);
    let read = host.server.stats().bytes_in;
    assert!(read < 256 * 1024, "row 4: {read} bytes were read");
}

#[test]
fn bytes_behind_a_body_belong_to_the_next_request() {
    let host = Host::start(Limits::default());
    let mut client = host.connect();
    let request = post_call("echo", r#"{"word":"second"}"#, "");
    let (start, rest) = request.split_at(20);
    // Row 7: the second request starts in the segment of the first and goes on later.
    client.send(post_call("echo", r#"{"word":"first"}"#, "") + start);
    assert!(client.reply().text().contains("first"), "row 7");
    assert!(client.send(rest).reply().text().contains("second"), "row 7");
}

#[test]
fn the_last_line_of_a_chunked_body_may_be_split() {
    let host = Host::start(Limits::default());
    let (body, mut client) = (body(), host.connect());
    let chunk = format!("{:x}\r\n{body}\r\n0\r\n", body.len());
    // Row 9: each reply proves that the server had waited for the rest and for no more.
    for (first, second) in [("\r", "\n"), ("A: b", "\r\n\r\n"), ("A: b\r\n\r", "\n"), ("", "\r\n")]
    {
        client.send(chunked(&(chunk.clone() + first))).send(second);
        assert_eq!(client.reply().status, 200, "row 9: {first:?} {second:?}");
    }
}

#[test]
fn a_truncated_request_is_never_run() {
    let host = Host::start(Limits::default());
    let whole = post_call("echo", "{}", "");
    // Row 19: a client that ended its side may still read why nothing happened.
    for length in [1, 30, whole.len() - 1] {
        let mut client = host.connect();
        let reply = client.send(&whole[..length]).end().reply();
        assert_eq!(reply.status, 400, "row 19: {length} bytes");
        client.assert_closed("row 19");
    }
    let mut client = host.connect();
    client.send(chunked("7\r\n{}")).end();
    assert_eq!(client.reply().status, 400, "row 19: chunked");
    assert_eq!(host.server.stats().calls_started, 0);
}

#[test]
fn a_path_is_compared_as_it_was_sent() {
    let host = Host::start(Limits::default());
    // Row 29: what a URL library would turn into /mcp is another path.
    for path in ["/a/../mcp", "/a/%2e%2e/mcp", "/./mcp", "//mcp", "/%6dcp", "/mcp/.", "/mcp//"] {
        let reply = host.connect().send(post(path, ECHO_FIELDS, &body())).reply();
        assert_eq!(reply.status, 404, "row 29: {path}");
    }
    // Row 24 and 26: nothing moves from one part of a URL into another.
    let reply = host.connect().send(post("/", ECHO_FIELDS, &body())).reply();
    assert_eq!(reply.status, 404);
}

#[test]
fn a_host_is_compared_as_it_was_sent() {
    let host = Host::start(Limits::default());
    // Row 28: a URL library reads the first four as 127.0.0.1.
    for name in ["0x7f.1", "2130706433", "127.1", "0177.0.0.1", "evil.example", "127.0.0.1.evil"] {
        let mut client = host.connect();
        let reply = client.send(get("OPTIONS /mcp HTTP/1.1", name)).reply();
        assert_eq!(reply.status, 403, "row 28: {name}");
        client.assert_closed("row 28");
        // Row 30: the host of the target outranks the field.
        let line = format!("OPTIONS http://{name}/mcp HTTP/1.1");
        let reply = host.connect().send(get(&line, "localhost")).reply();
        assert_eq!(reply.status, 403, "row 30: {name}");
    }
}

#[test]
fn an_expectation_is_met_after_admission_only() {
    let host = Host::start(Limits::default());
    let body = body();
    for value in ["100-continue", "100-Continue"] {
        let mut client = host.connect();
        let head = format!("Expect: {value}\r\nContent-Length: {}\r\n", body.len());
        client.send(framed(&head, ""));
        assert_eq!(client.reply().status, 100, "row 37: {value}");
        assert_eq!(client.send(&body).reply().status, 200, "row 37: {value}");
        // A client that does not wait is not told to go on.
        client.send(framed(&head, &body));
        assert_eq!(client.reply().status, 200, "row 37: {value}, body at once");
        client.assert_serves("37");
    }
    let expect = |length| format!("Expect: 100-continue\r\nContent-Length: {length}\r\n");
    let huge = framed(&expect(1 << 30), "");
    let elsewhere = String::from_utf8_lossy(&huge).replace("/mcp", "/else").into_bytes();
    let text =
        String::from_utf8_lossy(&framed(&expect(9), "")).replace("application/json\r", "a/b\r");
    check([
        ("38: too large", huge, vec![413], Closed),
        ("38: nothing there", elsewhere, vec![404], Closed),
        ("38: wrong type", text.into_bytes(), vec![415], Closed),
    ]);
    // RFC 9110 section 10.1.1: HTTP/1.0 has no expectations.
    let length = body.len();
    let mut client = host.connect();
    client.send(format!(
        "POST /mcp HTTP/1.0\r\nExpect: 100-continue\r\n{ECHO_FIELDS}Content-Length: {length}\r\n\r\n\
         {body}"
    ));
    assert_eq!(client.reply().status, 200, "row 37: HTTP/1.0");
}
