//! Peers whose WebSocket the host speaks, in trouble: faults and floods, a host that does not take,
//! locks of the host, and the end of the server.

mod peer;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use emcp::{CancelReason, Limits, MessagePeer, Options, ReadyFn, Tool, ToolFlags};
use peer::message::*;
use peer::*;
use serde_json::json;

#[test]
fn a_message_above_the_limit_ends_the_peer_with_1009() {
    let host = host_with(Options::default(), Limits { body_bytes: 500, ..limits() });
    for pieces in [vec![501], vec![250, 251], vec![500, 1]] {
        let peer = legacy(&host);
        send(&peer, &call("1", "hold", None));
        let call = host.held();
        let (last, first) = pieces.split_last().unwrap();
        first.iter().for_each(|len| peer.feed(&vec![b' '; *len], false).unwrap());
        assert_eq!(peer.feed(&vec![b' '; *last], true).unwrap_err().code, 1009);
        assert_eq!(cancellation(&call), CancelReason::Session);
        assert_eq!(until_closed(&peer), (Vec::new(), 1009));
        assert_eq!(peer.feed(b"x", true).unwrap_err().code, 1009, "it stays ended");
        assert_eq!(peer.closing().code, 1009);
        assert_eq!(host.server.stats().held_bytes, 0);
    }
    let peer = legacy(&host);
    send(&peer, &format!("{:500}", ping("1")));
    assert_eq!(next(&peer)["id"], 1);
}

#[test]
fn text_that_is_not_utf8_ends_the_peer_with_1007() {
    let host = host();
    let cut = "\u{1f600}".as_bytes();
    for pieces in [[b"{\xff}" as &[u8], b""], [cut, &cut[..2]], [b"\xed\xa0", b"\x80"]] {
        let peer = legacy(&host);
        peer.feed(pieces[0], false).unwrap();
        assert_eq!(peer.feed(pieces[1], true).unwrap_err().code, 1007, "{pieces:?}");
        assert_eq!(until_closed(&peer), (Vec::new(), 1007));
    }
    assert_eq!(host.server.stats().messages_malformed, 3);
}

#[test]
fn unfinished_messages_have_one_bound_together() {
    let bounds = Limits { body_bytes: 100, held_bytes: 150, ..limits() };
    let host = host_with(Options::default(), bounds);
    let (one, two) = (open(&host), open(&host));
    one.feed(&[b' '; 100], false).unwrap();
    assert_eq!(two.feed(&[b' '; 51], false).unwrap_err().code, 1013);
    assert_eq!(host.server.stats().messages_crowded_out, 1);
    // The others go on, and one that leaves makes room.
    drop(one);
    assert_eq!(host.server.stats().held_bytes, 0);
    open(&host).feed(&[b' '; 100], false).unwrap();
}

#[test]
fn a_peer_that_leaves_cancels_its_calls() {
    let host = host();
    let peer = legacy(&host);
    send(&peer, &call("1", "hold", None));
    let held = host.held();
    drop(peer);
    assert_eq!(cancellation(&held), CancelReason::Session);
    let stats = host.server.stats();
    assert_eq!((stats.websockets, stats.streams, stats.sessions), (0, 0, 0));
}

#[test]
fn a_host_that_does_not_take_loses_that_peer_and_no_other() {
    let host = host_with(Options::default(), Limits { outbox_frames: 8, ..limits() });
    let (slow, other) = (legacy(&host), legacy(&host));
    let refused = (0..100).find_map(|id| slow.feed(ping(&id.to_string()).as_bytes(), true).err());
    assert_eq!(refused.expect("an outbox is bounded").code, 1008);
    assert_eq!(until_closed(&slow), (Vec::new(), 1008));
    assert_eq!(host.server.stats().outboxes_overflowed, 1);
    send(&other, &ping("1"));
    assert_eq!(next(&other)["id"], 1);
}

#[test]
fn stop_tells_the_host_and_leaves_it_the_last_words() {
    let host = host();
    let (ready, rings) = bell();
    let peer = host.server.open_peer(&TRUSTED, Some(ready)).unwrap();
    send(&peer, &initialize("0", NEWEST));
    assert_eq!(next(&peer)["id"], 0);
    send(&peer, &call("1", "hold", None));
    let held = host.held();
    assert_idle(&peer);
    while rings.try_recv().is_ok() {}
    // Nobody takes anything while it stops: it must not wait for that.
    let release = thread::spawn(move || {
        assert_eq!(cancellation(&held), CancelReason::Shutdown);
    });
    host.server.stop().unwrap();
    rings.try_recv().expect("ready has run before stop returned");
    release.join().unwrap();
    assert_eq!(peer.feed(ping("2").as_bytes(), true).unwrap_err().code, 1001);
    let (messages, code) = until_closed(&peer);
    assert_eq!(code, 1001);
    assert!(messages.iter().all(|message| message["id"] != 2), "{messages:?}");
    assert_eq!(peer.closing().code, 1001);
    host.server.start().unwrap();
    assert_eq!(until_closed(&peer), (Vec::new(), 1001), "another run is not its own");
    drop(peer);
    assert!(rings.try_recv().is_err(), "nothing rings after the end");
    let stats = host.server.stats();
    assert_eq!((stats.websockets, stats.streams, stats.sessions), (0, 0, 0));
}

/// Tells when it is dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

#[test]
fn a_peer_that_outlives_its_server_keeps_no_tool() {
    let host = host();
    let dropped = Arc::new(AtomicBool::new(false));
    let kept = Dropped(dropped.clone());
    let tool = Tool::new("kept").unwrap().description("Holds something of the host.");
    host.server.add_tool(tool, move |_| assert!(!kept.0.load(SeqCst))).unwrap();
    let peer = legacy(&host);
    drop(host);
    assert!(dropped.load(SeqCst), "the tool has gone with the server");
    assert_eq!(peer.feed(b"x", true).unwrap_err().code, 1001);
    assert_eq!(until_closed(&peer).1, 1001);
}

#[test]
fn a_panic_of_an_inline_tool_fails_its_call_only() {
    let host = host();
    let flags = ToolFlags { inline: true, ..ToolFlags::default() };
    let tool = Tool::new("broken").unwrap().description("Panics.").flags(flags);
    host.server.add_tool(tool, |_| panic!("on purpose")).unwrap();
    let peer = legacy(&host);
    send(&peer, &call("1", "broken", None));
    assert_eq!(next(&peer)["result"]["isError"], true);
    send(&peer, &ping("2"));
    assert_eq!(next(&peer)["id"], 2);
}

#[test]
fn a_wait_ends_when_another_thread_ends_the_peer() {
    let host = host();
    let peer = legacy(&host);
    assert!(!peer.wait(Duration::ZERO));
    thread::scope(|scope| {
        let waiter = scope.spawn(|| take(&peer));
        assert_eq!(peer.feed(b"\xff", true).unwrap_err().code, 1007);
        assert_eq!(waiter.join().unwrap().unwrap_err().code, 1007);
    });
}

/// The way a host would naturally write it: one lock of its own around all that it does with a
/// peer, taken inside `ready` too.
#[test]
fn a_lock_of_the_host_around_everything_does_not_deadlock() {
    const PEERS: usize = 8;
    const CALLS: usize = 100;
    struct Entry {
        peer: OnceLock<MessagePeer>,
        lock: Mutex<usize>,
    }
    let host = host();
    let (done, finished) = channel();
    let entries: Vec<Arc<Entry>> = (0..PEERS)
        .map(|_| Arc::new(Entry { peer: OnceLock::new(), lock: Mutex::new(0) }))
        .collect();
    for entry in &entries {
        let (theirs, done) = (Arc::downgrade(entry), Mutex::new(done.clone()));
        let ready: ReadyFn = Box::new(move || {
            let Some(entry) = theirs.upgrade() else { return };
            let Some(peer) = entry.peer.get() else { return };
            let mut answers = entry.lock.lock().unwrap();
            while let Poll::Ready(Ok(_)) = peer.take() {
                *answers += 1;
                if *answers == CALLS {
                    let _ = done.lock().unwrap().send(());
                }
            }
        });
        let peer = host.server.open_peer(&TRUSTED, Some(ready)).unwrap();
        assert!(entry.peer.set(peer).is_ok());
    }
    thread::scope(|scope| {
        for entry in &entries {
            scope.spawn(|| {
                let echo = json!({"name": "echo", "arguments": {}});
                for id in 0..CALLS {
                    let message = request(&id.to_string(), "tools/call", &echo);
                    let _inside = entry.lock.lock().unwrap();
                    entry.peer.get().unwrap().feed(message.as_bytes(), true).unwrap();
                }
            });
        }
    });
    for _ in 0..PEERS {
        finished.recv_timeout(PATIENCE).expect("every answer is taken");
    }
}

#[test]
fn a_peer_may_be_closed_from_inside_ready() {
    let host = host();
    let slot: Arc<Mutex<Option<MessagePeer>>> = Arc::default();
    let rings = Arc::new(AtomicUsize::new(0));
    let (sender, closed) = channel();
    let (theirs, count, sender) = (slot.clone(), rings.clone(), Mutex::new(sender));
    let ready: ReadyFn = Box::new(move || {
        count.fetch_add(1, SeqCst);
        let peer = theirs.lock().unwrap().take();
        drop(peer);
        let _ = sender.lock().unwrap().send(());
    });
    let peer = host.server.open_peer(&TRUSTED, Some(ready)).unwrap();
    let message = ping("1");
    {
        let mut place = slot.lock().unwrap();
        let peer = place.insert(peer);
        peer.feed(message.as_bytes(), true).unwrap();
    }
    closed.recv_timeout(PATIENCE).expect("ready has closed its peer");
    host.server.stop().unwrap();
    assert_eq!(rings.load(SeqCst), 1);
    assert_eq!(host.server.stats().websockets, 0);
}
