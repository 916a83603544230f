//! How the exchange of a parsed request ends before its time: the host closes it, its client leaves,
//! the host stops pulling, the server stops.

mod peer;

use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use emcp::{CancelReason, Error, HttpExchange, Limits, Options, ToolResult};
use peer::pull::{Parsed, bell, echo, head, hold, read, read_until};
use peer::{
    ACCEPT, Host, NEWEST, PATIENCE, call, cancellation, host, host_with, initialize, limits,
    notification, wait_until,
};
use serde_json::json;

#[track_caller]
fn assert_gone(exchange: &HttpExchange) {
    assert!(matches!(exchange.head(), Err(Error::Cancelled)));
    assert!(matches!(exchange.read(&mut [0; 9]), Err(Error::Cancelled)));
    assert!(exchange.wait(Duration::ZERO), "a lost exchange is news at any time");
}

#[test]
fn closing_early_cancels_a_modern_call() {
    let host = host();
    let exchange = hold().start(&host.server, None);
    let held = host.held();
    exchange.close();
    assert_eq!(cancellation(&held.handle()), CancelReason::Gone);
    assert_gone(&exchange);
    assert!(matches!(exchange.body(b"", true), Err(Error::Cancelled)));
    exchange.close();
}

#[test]
fn a_client_that_hangs_up_is_noticed() {
    let host = host();
    let check = |client: TcpStream, server: OwnedFd| {
        let exchange = hold().start(&host.server, Some(server));
        let held = host.held();
        assert!(exchange.head().unwrap().is_none());
        drop(client);
        assert_eq!(cancellation(&held.handle()), CancelReason::Gone);
        assert!(exchange.wait(PATIENCE));
        assert_gone(&exchange);
    };
    let (client, server) = tcp_pair();
    check(client, server.into());
    let (client, server) = tcp_pair();
    // The bytes of the next request wait: nobody reads them here.
    std::io::Write::write_all(&mut &client, b"GET / HTTP/1.1\r\n").unwrap();
    check(client, server.into());
    let (client, server) = UnixStream::pair().unwrap();
    let exchange = hold().start(&host.server, Some(server.into()));
    let held = host.held();
    drop(client);
    assert_eq!(cancellation(&held.handle()), CancelReason::Gone);
    assert!(exchange.wait(PATIENCE));
    assert_gone(&exchange);
}

fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

#[test]
fn a_legacy_answer_outlives_a_half_close_and_no_reset() {
    let host = host();
    let session = open_session(&host);
    let parsed = |body: String| Parsed::new("POST", &[ACCEPT, ("Mcp-Session-Id", &session)], &body);
    let (client, server) = tcp_pair();
    let exchange = parsed(call("1", "hold", None)).start(&host.server, Some(server.into()));
    let held = host.held();
    client.shutdown(Shutdown::Write).unwrap();
    // A second, modern exchange on a socket that ends later: what came first has been looked at.
    let (marker, server) = tcp_pair();
    let marked = hold().start(&host.server, Some(server.into()));
    let other = host.held();
    drop(marker);
    cancellation(&other.handle());
    drop(marked);
    held.reply(ToolResult::text("kept"));
    assert_eq!(head(&exchange).unwrap().status, 200);
    let (client, server) = UnixStream::pair().unwrap();
    let exchange = parsed(call("2", "hold", None)).start(&host.server, Some(server.into()));
    let held = host.held();
    drop(client);
    wait_until(|| matches!(exchange.head(), Err(Error::Cancelled)));
    assert!(held.handle().cancelled().is_none(), "a legacy call goes on");
    held.reply(ToolResult::text("for whoever resumes"));
}

/// The id of a fresh legacy session.
fn open_session(host: &Host) -> String {
    let pulled = Parsed::new("POST", &[ACCEPT], &initialize("0", NEWEST)).whole(&host.server);
    let mut headers = pulled.head.headers.iter();
    let id = headers.find(|(name, _)| name == "mcp-session-id").expect("a session").1.clone();
    let ready = notification("notifications/initialized", &json!({}));
    let parsed = Parsed::new("POST", &[ACCEPT, ("Mcp-Session-Id", &id)], &ready);
    assert_eq!(parsed.whole(&host.server).head.status, 202);
    id
}

#[test]
fn a_regular_file_cannot_be_watched() {
    let host = host();
    let file = std::fs::File::open(file!()).unwrap();
    let opened = echo().open(&host.server, Some(file.into()), None);
    assert!(matches!(opened, Err(Error::Config(_))));
    assert_eq!(host.server.stats().connections, 0);
}

#[test]
fn a_host_that_stops_pulling_is_given_up_and_others_go_on() {
    // Longer than any pause between two steps below.
    let bounds = Limits { write_time: Duration::from_secs(3), ..limits() };
    let host = host_with(Options::default(), bounds);
    let waiting = hold().start(&host.server, None);
    let held = host.held();
    assert!(waiting.head().unwrap().is_none());
    let stalled = echo().start(&host.server, None);
    assert_eq!(head(&stalled).unwrap().status, 200);
    wait_until(|| host.server.stats().writes_stalled == 1);
    assert_gone(&stalled);
    // Nothing is there to take, so nobody stalls.
    assert!(waiting.head().unwrap().is_none());
    held.reply(ToolResult::text("in time"));
    assert_eq!(head(&waiting).unwrap().status, 200);
}

#[test]
fn a_host_that_never_comes_for_the_answer_cancels_the_call() {
    let bounds = Limits { write_time: Duration::from_millis(1), ..limits() };
    let host = host_with(Options::default(), bounds);
    let exchange = hold().start(&host.server, None);
    // Perhaps before a worker has begun with it. To ask for the answer would be to come.
    wait_until(|| host.server.stats().calls_cancelled == 1);
    assert!(matches!(exchange.head(), Err(Error::Cancelled)));
    assert_eq!(host.server.stats().writes_stalled, 1);
}

#[test]
fn after_the_stop_an_exchange_still_has_its_end() {
    let host = host();
    let (ready, rung) = bell();
    let streaming = listen().open(&host.server, None, Some(ready)).unwrap();
    streaming.body(&listen().body, true).unwrap();
    assert_eq!(head(&streaming).unwrap().content_length, None);
    read_until(&streaming, "acknowledged");
    assert_eq!(streaming.read(&mut [0; 9]).unwrap(), None);
    let waiting = hold().start(&host.server, None);
    assert!(waiting.head().unwrap().is_none());
    let unfinished = hold().open(&host.server, None, None).unwrap();
    unfinished.body(b"{", false).unwrap();
    let answered = echo().start(&host.server, None);
    drop(host.held());
    host.server.stop().unwrap();
    rung.try_recv().expect("ready was called before stop returned");
    read_until(&streaming, "result");
    assert!(read(&streaming).unwrap().is_none());
    assert!(head(&waiting).unwrap().status >= 200);
    while read(&waiting).unwrap().is_some() {}
    assert!(!unfinished.body(b"}", true).unwrap());
    assert_eq!(head(&unfinished).unwrap().status, 503);
    assert_eq!(head(&answered).unwrap().status, 200);
    assert!(matches!(echo().open(&host.server, None, None), Err(Error::State(_))));
    host.server.start().unwrap();
    assert_eq!(echo().whole(&host.server).head.status, 200);
}

/// The end of the server meets exchanges in every stage, on threads that know nothing of it.
#[test]
fn stops_in_the_middle_leave_nobody_waiting() {
    let host = host();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for kind in [echo(), listen(), hold(), listen()] {
            let (server, is_over) = (&host.server, &is_over);
            scope.spawn(move || {
                while !is_over.load(SeqCst) {
                    let Ok(exchange) = kind.open(server, None, None) else { continue };
                    let (start, end) = kind.body.split_at(kind.body.len() / 2);
                    exchange.body(start, false).unwrap();
                    exchange.body(end, true).unwrap();
                    head(&exchange).unwrap();
                    while read(&exchange).unwrap().is_some() {}
                }
            });
        }
        for _ in 0..50 {
            // Each round meets other stages; the streams of the third kind only end with it.
            std::thread::yield_now();
            host.server.stop().unwrap();
            host.server.start().unwrap();
        }
        is_over.store(true, SeqCst);
        host.server.stop().unwrap();
    });
    let stats = host.server.stats();
    assert_eq!((stats.connections, stats.streams, stats.held_bytes, stats.panics), (0, 0, 0, 0));
}

fn listen() -> Parsed {
    let params = json!({ "notifications": { "toolsListChanged": true } });
    Parsed::modern("subscriptions/listen", params)
}

#[test]
fn a_server_that_drains_takes_no_more() {
    let host = host();
    let streaming = listen().start(&host.server, None);
    assert_eq!(head(&streaming).unwrap().status, 200);
    assert!(host.server.drain(PATIENCE).unwrap(), "who drains may be who would have to pull");
    read_until(&streaming, "result");
    assert!(read(&streaming).unwrap().is_none());
    assert_eq!(echo().whole(&host.server).head.status, 503);
}
