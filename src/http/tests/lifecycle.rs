//! How replies leave and connections end: closing, streams, deadlines, upgrades, draining.

use std::time::Instant;

use super::*;

#[test]
fn the_connection_closes_when_one_side_wants_it() {
    let then_get = |first: String| first + GET;
    check(&then_get(GET.replace("Host", "Connection: foo, close\r\nHost")), &[200]);
    check(&then_get(GET.replace("/a", "/close")), &[200]);
    check(&then_get("GET / HTTP/1.0\r\n\r\n".to_owned()), &[200]);
    let keep = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".to_owned();
    check(&then_get(keep.clone()), &[200, 200]);
    let replies = Bench::default().talk(&[keep.as_bytes()]);
    assert!(replies.contains("connection: keep-alive\r\n"));
    let bench = Bench::new(Limits { requests_per_connection: 2, ..Limits::default() });
    let replies = bench.talk(&[GET.repeat(3).as_bytes()]);
    assert_eq!(statuses(&replies), [200, 200]);
    assert_eq!(replies.matches("connection: close\r\n").count(), 1);
}

#[test]
fn http_10_streams_end_with_the_connection() {
    let reply = Bench::default()
        .talk(&[b"GET /sse HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", GET.as_bytes()]);
    assert_eq!(statuses(&reply), [200]);
    assert!(reply.contains("connection: close\r\n") && reply.ends_with("\r\n\r\ndata: 1\n\n"));
    assert!(!reply.contains("transfer-encoding"));
}

#[test]
fn replies_without_a_body_have_none() {
    for (path, status) in [("/204", "204 No Content"), ("/304", "304 Not Modified")] {
        let reply = Bench::default().talk(&[GET.replace("/a", path).as_bytes()]);
        assert!(reply.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{reply}");
        assert!(reply.ends_with("\r\n\r\n") && !reply.contains("content-length"), "{reply}");
    }
    let head = |path| Bench::default().talk(&[GET.replace("GET /a", path).as_bytes()]);
    let reply = head("HEAD /large");
    assert!(reply.contains("content-length: 200000\r\n") && reply.ends_with("\r\n\r\n"));
    assert!(head("HEAD /silent").ends_with("\r\n\r\n"));
}

#[test]
fn panics_become_500_and_are_counted() {
    let bench = Bench::default();
    let paths = ["/panic", "/panic-later", "/panic-early", "/a"];
    let input: String = paths.iter().map(|path| GET.replace("/a", path)).collect();
    assert_eq!(statuses(&bench.talk(&[input.as_bytes()])), [500, 500, 500, 200]);
    assert_eq!(bench.stats().panics, 3);
}

#[test]
fn headers_cannot_be_injected() {
    let reply = Bench::default().talk(&[GET.replace("/a", "/inject").as_bytes()]);
    assert_eq!(statuses(&reply), [500]);
    assert!(!reply.contains("set-cookie"));
}

#[test]
fn a_short_response_body_closes_the_connection() {
    let reply = Bench::default().talk(&[(GET.replace("/a", "/short") + GET).as_bytes()]);
    assert!(reply.is_empty() || statuses(&reply) == [200], "{reply}");
}

#[test]
fn large_replies_arrive_whole() {
    let reply = Bench::default().talk(&[GET.replace("/a", "/large").as_bytes()]);
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-length: 200000") && head.contains("date: "));
    assert_eq!(body.len(), 200_000);
}

#[test]
fn an_upgrade_hands_early_bytes_over() {
    let bench = Bench::default();
    let reply = bench.run(|mut stream| async move {
        let input = GET.replace("/a", "/upgrade") + "EARLY";
        stream.write_all(input.as_bytes()).await.unwrap();
        let first = read_until(&mut stream, "EARLY").await;
        stream.write_all(b"LATE").await.unwrap();
        first + &read_all(&mut stream).await
    });
    assert_eq!(statuses(&reply), [101]);
    assert!(reply.contains("connection: upgrade\r\n") && reply.contains("upgrade: echo\r\n"));
    assert!(reply.ends_with("\r\n\r\nEARLYLATE") && !reply.contains("content-length"));
    check("GET /upgrade HTTP/1.0\r\n\r\n", &[400]);
}

#[test]
fn a_stream_is_dropped_when_its_client_leaves() {
    let bench = Bench::default();
    bench.run(|mut stream| async move {
        stream.write_all(GET.replace("/a", "/silent").as_bytes()).await.unwrap();
        let reply = read_until(&mut stream, "data: 1\n\n").await;
        assert!(reply.contains("transfer-encoding: chunked") && reply.contains("no-transform"));
    });
    assert_eq!(bench.service.dropped.load(SeqCst), 1);
}

#[test]
fn a_pending_reply_is_dropped_when_its_client_leaves() {
    let bench = Bench::default();
    assert_eq!(bench.talk(&[GET.replace("/a", "/never").as_bytes()]), "");
    assert_eq!(bench.service.dropped.load(SeqCst), 1);
}

#[test]
fn a_reset_drops_a_pending_reply_that_tolerates_half_close() {
    let bench = Bench::default();
    bench.run(|mut stream| async move {
        let input = GET.to_owned() + &GET.replace("/a", "/never-mind");
        stream.write_all(input.as_bytes()).await.unwrap();
        turns(8).await;
        // The first reply is unread, which makes this close a reset.
    });
    assert_eq!(bench.service.dropped.load(SeqCst), 1);
}

#[test]
fn slow_requests_get_408_and_idle_connections_nothing() {
    let short = Duration::from_millis(1);
    let wait = |input: &'static str, limits: Limits| {
        let bench = Bench::new(limits);
        let reply = bench.run(|mut stream| async move {
            stream.write_all(input.as_bytes()).await.unwrap();
            read_all(&mut stream).await
        });
        (statuses(&reply), bench.stats().requests_timed_out)
    };
    let slow = || Limits { head_time: short, body_time: short, ..Limits::default() };
    let sized = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nab";
    let chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r";
    for input in ["GET / HT", sized, chunked] {
        assert_eq!(wait(input, slow()), (vec![408], 1), "{input}");
    }
    // Empty lines are no request, so the idle deadline stays.
    for input in ["", "\r\n\r\n\r"] {
        let idle = Limits { idle_time: short, ..Limits::default() };
        assert_eq!(wait(input, idle), (vec![], 0), "{input:?}");
    }
}

#[test]
fn the_idle_deadline_of_a_client_that_was_busy_is_the_same() {
    // Shorter and longer than its head is kept.
    for idle_time in [100, 1500].map(Duration::from_millis) {
        let bench = Bench::new(Limits { idle_time, ..Limits::default() });
        let idle = bench.run(|mut stream| async move {
            for _ in 0..3 {
                stream.write_all(usual("a").as_bytes()).await.unwrap();
                read_until(&mut stream, "[1]").await;
            }
            let start = Instant::now();
            assert_eq!(read_all(&mut stream).await, "");
            start.elapsed()
        });
        assert!(idle >= idle_time, "{idle:?}");
    }
}

#[test]
fn a_client_that_stops_reading_is_closed() {
    let limits = Limits { write_time: Duration::from_millis(1), ..Limits::default() };
    let bench = Bench::new(limits);
    bench.run(|mut stream| async move {
        let input = GET.replace("/a", "/large").repeat(20);
        stream.write_all(input.as_bytes()).await.unwrap();
        // Nothing is read until the server has given up.
        while bench_is_open(&stream) {
            Timer::after(Duration::from_millis(10)).await;
        }
    });
    assert_eq!(bench.stats().writes_stalled, 1);
}

/// Tells whether the other end of `stream` is still open.
fn bench_is_open(stream: &Async<UnixStream>) -> bool {
    io::Write::write(&mut stream.get_ref(), b"x").is_ok()
}

#[test]
fn draining_ends_idle_connections_and_marks_busy_ones() {
    let bench = Bench::default();
    let (drain, env) = (bench.drain.0.clone(), bench.env.clone());
    let reply = bench.run(|mut stream| async move {
        stream.write_all(GET.as_bytes()).await.unwrap();
        let first = read_until(&mut stream, "\r\n\r\n\n").await;
        assert!(!first.contains("connection: close"));
        drain.close();
        env.clock.wake_tasks();
        read_all(&mut stream).await
    });
    assert_eq!(reply, "");
    let bench = Bench::default();
    bench.drain.0.close();
    let bench = Bench { early: GET.as_bytes().to_vec(), ..bench };
    let reply = bench.run(|mut stream| async move { read_all(&mut stream).await });
    assert!(reply.contains("connection: close\r\n"));
}

#[test]
fn an_idle_connection_is_small() {
    let (server, _client) = UnixStream::pair().unwrap();
    let socket = Socket::unwatched(server);
    let peer = Peer::at("test".into(), true);
    let bench = Bench::default();
    let future = serve(
        socket,
        Vec::new(),
        peer,
        bench.service.clone(),
        bench.env.clone(),
        bench.drain.1.clone(),
        (),
    );
    let size = size_of_val(&future);
    assert!(size <= 96, "{size} bytes");
}
