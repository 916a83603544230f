//! What requests get: the guard, the framing of bodies, and what reaches the service.

use super::*;

#[test]
fn malformed_heads_get_a_reply_and_a_close() {
    check("G\u{1}T / HTTP/1.1\r\nHost: h\r\n\r\n", &[400]);
    check("GET / HTTP/1.1\r\n\r\n", &[400]);
    check("GET /x HTTP/1.1\r\nHost:\r\n\r\n", &[400]);
    check("GET / HTTP/1.1\r\nHost: a/mcp?\r\n\r\n", &[400]);
    check("GET / HTTP/1.1\r\nHost: user:pw@evil\r\n\r\n", &[400]);
    check("GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", &[400]);
    check("GET / HTTP/1.1\r\nHost: h\r\nA : b\r\n\r\n", &[400]);
    check("GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n", &[400]);
    check("GET / HTTP/1.1\nHost: h\n\n", &[400]);
    check("GET / HTTP/1.1\r\nHost: h\n\nGET /hidden HTTP/1.1\r\nHost: h\r\n\r\n", &[400]);
    check("GET /a\\..\\mcp HTTP/1.1\r\nHost: h\r\n\r\n", &[400]);
    check("GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n", &[400]);
    check("GET /\r\n", &[400]);
    check("\u{16}\u{3}\u{1}", &[400]);
    check("get / HTTP/1.1\r\nHost: h\r\n\r\n", &[501]);
    check("BREW / HTTP/1.1\r\nHost: h\r\n\r\n", &[501]);
    check("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[505]);
    check("GET / HTTP/1.1\r\nHost: 1.2.3.999\r\n\r\n", &[400]);
}

#[test]
fn oversized_heads_are_refused() {
    check(&format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(5000)), &[414]);
    check(&format!("GET / HTTP/1.1\r\nHost: h\r\nA: {}\r\n\r\n", "b".repeat(20_000)), &[431]);
    check(&format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "A: b\r\n".repeat(64)), &[431]);
    check(&format!("GET / HTTP/1.1\r\nHost: h\r\nAccept: {}\r\n\r\n", "b".repeat(8200)), &[431]);
    // Fields that are not forwarded may be long: a token does not have to fit the decoder.
    check(
        &format!("GET / HTTP/1.1\r\nHost: h\r\nAuthorization: {}\r\n\r\n", "b".repeat(9000)),
        &[200],
    );
    let flood = vec![b'A'; 1 << 20];
    assert_eq!(statuses(&Bench::default().talk(&[&flood])), [414]);
}

#[test]
fn values_beyond_ascii_do_no_harm() {
    let reply = Bench::default()
        .talk(&[b"GET / HTTP/1.1\r\nHost: h\r\nX: \xe9\xff\r\nAccept: \xc3\xa9\r\n\r\n"]);
    assert_eq!(statuses(&reply), [200]);
    check("GET / HTTP/1.1\r\nHost: \u{203}\r\n\r\n", &[400]);
}

#[test]
fn smuggling_is_refused() {
    check_post("Transfer-Encoding: gzip, chunked", "0\r\n\r\n", &[501]);
    check_post("Transfer-Encoding: xchunked", "0\r\n\r\n", &[501]);
    check_post("Transfer-Encoding: chunked\r\nTransfer-Encoding: x", "0\r\n\r\n", &[400]);
    check_post("Content-Length: 3\r\nTransfer-Encoding: chunked", "0\r\n\r\n", &[400]);
    check_post("Content-Length: 42\r\nContent-Length: 0", "", &[400]);
    check_post("Content-Length: 0\r\nContent-Length: 0", "", &[400]);
    for bad in ["+3", "3, 3", "-3", "abc"] {
        check_post(&format!("Content-Length: {bad}"), "abc", &[400]);
    }
    check("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[400]);
}

#[test]
fn bodies_end_where_they_should() {
    check_post("Content-Length: 3", "abc", &[200, 200]);
    check_post("Transfer-Encoding: chunked", "3;a=b\r\nabc\r\n0\r\nT: x\r\n\r\n", &[200, 200]);
    check_post("X: no length and no coding", "", &[200, 200]);
    check_post("Transfer-Encoding: chunked", "\r\n", &[400]);
    check_post("Transfer-Encoding: chunked", "00000000000000003\r\nabc", &[400]);
    check_post("Transfer-Encoding: chunked", "3\nabc\n0\n\n", &[400]);
}

#[test]
fn oversized_bodies_are_refused_before_they_are_read() {
    check_post("Content-Length: 18446744073709551615", "", &[413]);
    check_post("Content-Length: 99999999999999999999999", "", &[413]);
    check_post("Transfer-Encoding: chunked", "FFFFFFFF\r\n", &[413]);
    let bench = Bench::new(Limits { body_bytes: 3, ..Limits::default() });
    let input = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nabcd";
    assert_eq!(statuses(&bench.talk(&[input])), [413]);
    assert_eq!((bench.stats().requests_refused, bench.stats().requests), (1, 0));
}

#[test]
fn a_client_that_still_sends_can_read_its_refusal() {
    let bench = Bench::default();
    let read = bench.run(|mut stream| async move {
        let head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9999999\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&[b'x'; 40_000]).await.unwrap();
        let mut reply = Vec::new();
        // A reset in place of the end-of-file would be an error here.
        stream.read_to_end(&mut reply).await.map(|_| reply)
    });
    assert_eq!(statuses(&String::from_utf8(read.unwrap()).unwrap()), [413]);
}

#[test]
fn a_body_cut_short_never_reaches_the_service() {
    let bench = Bench::default();
    let reply = bench.talk(&[b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc"]);
    assert_eq!(statuses(&reply), [400]);
    assert!(bench.seen().is_empty());
}

#[test]
fn every_split_of_the_bytes_reads_the_same() {
    let input = b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
                  3;x\r\nabc\r\n2\r\nde\r\n0\r\nT: v\r\n\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n";
    let expected = ["POST /a abcde", "GET /b "];
    for at in 0..=input.len() {
        let bench = Bench::default();
        let (first, second) = input.split_at(at);
        assert_eq!(statuses(&bench.talk(&[first, second])), [200, 200], "split at {at}");
        assert_eq!(bench.seen(), expected, "split at {at}");
    }
    let bench = Bench::default();
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(statuses(&bench.talk(&bytes)), [200, 200]);
    assert_eq!(bench.seen(), expected);
    assert_eq!(bench.stats().bytes_in, input.len() as u64);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let bench = Bench::default();
    let input = GET.replace("/a", "/later") + "\r\n\r\n" + &GET.replace("/a", "/204") + GET;
    assert_eq!(statuses(&bench.talk(&[input.as_bytes()])), [200, 204, 200]);
    assert_eq!(bench.stats().requests, 3);
}

#[test]
fn each_body_belongs_to_its_own_head() {
    let bodies = ["a", "bc", "de", "f", "", "0123456789", "0123456789ab", "GET /b HTTP/1.1"];
    let input: Vec<String> = bodies.map(usual).into();
    // One after the other, then all at once.
    for pieces in [input.clone(), vec![input.concat()]] {
        let bench = Bench::default();
        let pieces: Vec<&[u8]> = pieces.iter().map(String::as_bytes).collect();
        assert_eq!(statuses(&bench.talk(&pieces)), [200; 8]);
        assert_eq!(bench.seen(), bodies.map(|body| format!("POST /document {body}")));
    }
    // The head is that of the request before, until it is not.
    let bad = usual("a").replace("Host: h", "Host: h/");
    check(&[usual("a"), usual("a"), usual("a"), bad, usual("a")].concat(), &[200, 200, 200, 400]);
}

#[test]
fn bytes_read_by_the_host_come_first() {
    let bench = Bench { early: GET.as_bytes()[..9].to_vec(), ..Bench::default() };
    assert_eq!(statuses(&bench.talk(&[&GET.as_bytes()[9..]])), [200]);
    assert_eq!(bench.stats().bytes_in, GET.len() as u64);
}

#[test]
fn targets_arrive_as_sent() {
    let bench = Bench::default();
    let gets = ["/a/../mcp", "/a/%2e%2e/mcp", "http://other/abs"];
    let input: String = gets.iter().map(|path| GET.replace("/a", path)).collect();
    bench.talk(&[input.as_bytes(), b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"]);
    let expected = ["GET /a/../mcp ", "GET /a/%2e%2e/mcp ", "GET /abs ", "OPTIONS * "];
    assert_eq!(bench.seen(), expected);
}

#[test]
fn expectations() {
    let post = |expect: &str, path: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: {expect}\r\n\r\n")
    };
    let talk =
        |head: &str| statuses(&Bench::default().talk(&[head.as_bytes(), b"abc", GET.as_bytes()]));
    assert_eq!(talk(&post("100-Continue", "/a")), [100, 200, 200]);
    assert_eq!(talk(&post("100-continue", "/refuse")), [401]);
    assert_eq!(talk(&post("tea", "/a")), [417]);
    assert_eq!(talk(&post("tea", "/a").replace("HTTP/1.1", "HTTP/1.0")), [200]);
    let too_large = post("100-continue", "/a").replace(": 3", ": 9999999");
    assert_eq!(talk(&too_large), [413]);
    // A client whose body is there already does not need to be asked.
    check(&format!("{}abc", post("100-continue", "/a")), &[200]);
}

#[test]
fn a_refusal_keeps_the_connection_unless_a_body_follows() {
    check(&(GET.replace("/a", "/refuse") + GET), &[401, 200]);
    check("POST /refuse HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcGET", &[401]);
}

#[test]
fn a_flood_of_empty_lines_is_refused() {
    check(&("\r\n".repeat(16) + GET), &[200]);
    check(&"\r\n".repeat(10_000), &[400]);
}

#[test]
fn rejections_are_counted_as_malformed() {
    let bench = Bench::default();
    bench.talk(&[b"GET / HTTP/1.1\r\n\r\n"]);
    let stats = bench.stats();
    assert_eq!((stats.requests_malformed, stats.requests, stats.requests_refused), (1, 0, 0));
    assert!(stats.bytes_out > 100);
}

#[test]
fn methods_reach_the_service_as_they_are() {
    let bench = Bench::default();
    for method in [Method::Delete, Method::Put, Method::Patch, Method::Trace, Method::Options] {
        let reply = bench.talk(&[GET.replace("GET", method.as_ref()).as_bytes()]);
        assert_eq!(statuses(&reply), [200]);
    }
    assert_eq!(bench.seen()[0], "DELETE /a ");
}
