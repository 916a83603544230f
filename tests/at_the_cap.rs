//! As many connections as a server may have, and one more. Alone in its program, because it takes all
//! descriptors of the process.

mod wire;

use emcp::Limits;
use wire::{Client, Host, post_call, room_for};

#[test]
fn ten_thousand_connections_at_the_cap_are_all_there_is() {
    let total = room_for(10_000);
    let host = Host::start(Limits { connections: total, ..Limits::default() });
    let mut crowd: Vec<Client> = Vec::with_capacity(total);
    while crowd.len() < total {
        crowd.push(host.connect());
        if crowd.len().is_multiple_of(100) || crowd.len() == total {
            host.until("they are in", |stats| stats.connections == crowd.len() as u64);
        }
    }
    for _ in 0..20 {
        let reply = host.connect().reply();
        assert_eq!((reply.status, reply.header("retry-after")), (503, Some("5")));
    }
    // Each of them is served as if it were alone.
    for client in crowd.iter_mut().step_by(101) {
        assert_eq!(client.send(post_call("echo", "{}", "")).reply().status, 200);
    }
    crowd.pop();
    host.until("a place is free", |stats| stats.connections == total as u64 - 1);
    host.assert_serves("in the free place");
    let stats = host.server.stats();
    assert_eq!((stats.connections_refused, stats.panics), (20, 0));
    drop(crowd);
    host.until("all have gone", |stats| stats.connections == 0);
}
