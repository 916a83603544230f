//! A process without a free descriptor accepts nobody, serves whom it has, and goes on by itself once
//! there is room. Alone in its program, because the limit is that of the process.

mod wire;

use std::fs::File;
use std::net::SocketAddr;

use emcp::Limits;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};
use wire::{Client, Host, post_call};

#[test]
fn clients_wait_while_there_is_no_descriptor_and_are_served_afterwards() {
    let host = Host::start(Limits::default());
    let address: SocketAddr = host.address.parse().expect("an address");
    let mut known = host.connect();
    known.assert_serves("before");
    // Their sockets are there before the last descriptor goes.
    let late: Vec<Socket> =
        (0..5).map(|_| Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket")).collect();
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, 256.min(hard), hard).expect("below the hard limit");
    let mut fillers = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        fillers.push(file);
    }
    for socket in &late {
        // The kernel shakes hands by itself.
        socket.connect(&address.into()).expect("a connection");
    }
    host.until("the listener has said so", |_| {
        host.log.lock().expect("no panic").contains("accept")
    });
    known.assert_serves("while there is none");
    assert_eq!(host.server.stats().connections, 1);
    drop(fillers);
    for socket in late {
        let mut client = Client::over(socket.into());
        let reply = client.send(post_call("echo", r#"{"word":"late"}"#, "")).reply();
        assert!(reply.status == 200 && reply.text().contains("late"), "{reply:?}");
    }
    let stats = host.server.stats();
    assert_eq!((stats.connections_accepted, stats.connections_refused, stats.panics), (6, 0, 0));
    // It rested between two tries instead of turning the log into a flood.
    let lines = host.log.lock().expect("no panic").matches("accept").count();
    assert!(lines < 300, "{lines} lines");
}
