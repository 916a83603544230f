//! Who may connect at all: by address, and on Unix sockets by user, through every door.

mod peer;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use emcp::{Adoption, Error, Hooks, Identity, Limits, Options, ParsedRequest, Server};
use nix::unistd::{getgid, getuid};
use peer::hosted::fresh;
use peer::message::TRUSTED;
use peer::pull::Parsed;
use peer::*;
use serde_json::json;

fn allowing(addresses: &[&str]) -> Options {
    let allowed_addresses = addresses.iter().map(|text| (*text).to_owned()).collect();
    Options { allowed_addresses, ..in_mode(Options::default()) }
}

/// A running server and its log lines.
fn logged(options: Options) -> (Host, Arc<Mutex<Vec<String>>>) {
    let server = fresh(options, limits());
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = lines.clone();
    let log =
        move |_, part: &str, text: &str| heard.lock().unwrap().push(format!("{part}: {text}"));
    server.set_hooks(Hooks { log: Some(Box::new(log)), ..Hooks::default() }).unwrap();
    let mut host = host_of(server);
    host.dispatch();
    (host, lines)
}

/// Everything that the other end says before it closes.
fn heard(mut socket: impl Read + Write) -> String {
    // It may be closed before this is sent.
    let _ = socket.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut text = Vec::new();
    let _ = socket.read_to_end(&mut text);
    String::from_utf8(text).unwrap()
}

fn connect(host: &Host) -> TcpStream {
    let socket = TcpStream::connect(&host.addr).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

#[test]
fn an_address_that_is_not_allowed_is_closed_without_a_word() {
    let (host, lines) = logged(allowing(&["192.0.2.0/24", "2001:db8::/32"]));
    for _ in 0..5 {
        assert_eq!(heard(connect(&host)), "");
    }
    let stats = host.server.stats();
    assert_eq!((stats.peers_turned_away, stats.connections_accepted, stats.bytes_in), (5, 0, 0));
    let told = || lines.lock().unwrap().clone();
    wait_until(|| !told().is_empty());
    let lines = told();
    assert!(lines[0].starts_with("listener: 127.0.0.1:"), "{lines:?}");
    assert!(lines[0].ends_with("refused, not in allowed_addresses"), "{lines:?}");
    assert!(lines.len() < 5, "one a second for one machine: {lines:?}");
}

#[test]
fn an_address_that_is_allowed_comes_in() {
    for range in ["127.0.0.0/8", "127.0.0.1", "::ffff:127.0.0.0/104"] {
        let (host, _) = logged(allowing(&["192.0.2.0/24", range]));
        assert!(heard(connect(&host)).starts_with("HTTP/1.1 404"), "{range}");
        assert_eq!(host.server.stats().peers_turned_away, 0);
    }
}

#[test]
fn what_is_no_range_is_no_option() {
    let identity = || Identity { name: "n".into(), version: "1".into(), ..Identity::default() };
    for text in ["localhost", "10.0.0.0/40", ""] {
        let error = Server::new(identity(), allowing(&[text]), Limits::default()).err().unwrap();
        assert!(error.to_string().contains("is not an address or a range"), "{error}");
    }
}

#[test]
fn doors_check_the_address_that_the_host_names() {
    let (host, _) = logged(allowing(&["192.0.2.0/24"]));
    let server = &host.server;
    let is_denied = |error: Error| matches!(error, Error::Denied { status: 403, .. });
    // Words of the host are its own business.
    for (remote, is_allowed) in [
        ("192.0.2.1:1", true),
        ("192.0.2.1", true),
        ("[::ffff:192.0.2.1]:1", true),
        ("somebody", true),
        ("198.51.100.1:1", false),
        ("2001:db8::1", false),
    ] {
        let parsed = Parsed::modern("tools/list", json!({}));
        let fields: Vec<(&str, &[u8])> =
            parsed.headers.iter().map(|(name, value)| (&**name, value.as_bytes())).collect();
        let request =
            ParsedRequest { method: "POST", target: "/mcp", headers: &fields, remote, ..TRUSTED };
        let exchange = server.open_http(&request, None, None).unwrap();
        let head = exchange.head().unwrap();
        assert_eq!(head.map(|head| head.status), (!is_allowed).then_some(403), "{remote}");
        let opened = server.open_peer(&ParsedRequest { remote, ..TRUSTED }, None);
        assert_eq!(opened.err().map(is_denied), (!is_allowed).then_some(true), "{remote}");
        let adoption = Adoption { remote: Some(remote), ..Adoption::default() };
        let pump = server.open_pump(adoption, None);
        assert_eq!(pump.err().map(is_denied), (!is_allowed).then_some(true), "{remote}");
    }
    assert_eq!(server.stats().peers_turned_away, 6);
}

#[test]
fn a_socket_that_is_handed_over_says_where_it_comes_from() {
    let (host, _) = logged(allowing(&["192.0.2.0/24"]));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let adopt = |remote| {
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let socket = listener.accept().unwrap().0;
        let released = Box::new(|| panic!("nothing was taken over"));
        let adoption = match remote {
            Some("192.0.2.1:1") => Adoption { remote, ..Adoption::default() },
            _ => Adoption { remote, released: Some(released), ..Adoption::default() },
        };
        let adopted = host.server.adopt(socket.into(), adoption);
        drop(client);
        adopted
    };
    // A name is no address, so that of the socket counts.
    for remote in [None, Some("somebody")] {
        assert!(matches!(adopt(remote), Err(Error::Denied { status: 403, .. })), "{remote:?}");
    }
    assert!(adopt(Some("192.0.2.1:1")).is_ok(), "behind the proxy of the host");
}

struct SocketFile(PathBuf);

impl SocketFile {
    fn new(name: &str) -> SocketFile {
        let file = format!("emcp-peers-{name}-{}.sock", std::process::id());
        SocketFile(std::env::temp_dir().join(file))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What a process of ours hears on a Unix socket, from the listener and when it is handed over.
fn over_unix(name: &str, uids: &[u32], gids: &[u32]) -> (String, bool) {
    let file = SocketFile::new(name);
    let (allowed_uids, allowed_gids) = (uids.to_vec(), gids.to_vec());
    // An address is not what a Unix socket has.
    let options = Options { allowed_uids, allowed_gids, ..allowing(&["192.0.2.0/24"]) };
    let server = fresh(options, limits());
    server.listen(&format!("unix:{}", file.path().display())).unwrap();
    let mut host = host_of(server);
    host.dispatch();
    let socket = UnixStream::connect(file.path()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let text = heard(socket);
    let (_ours, theirs) = UnixStream::pair().unwrap();
    (text, host.server.adopt(theirs.into(), Adoption::default()).is_ok())
}

#[test]
fn users_of_unix_sockets() {
    let (uid, gid) = (getuid().as_raw(), getgid().as_raw());
    let (other_uid, other_gid) = (uid + 1, gid + 1);
    for (uids, gids, is_allowed) in [
        (&[][..], &[][..], true),
        (&[other_uid, uid], &[], true),
        (&[], &[gid], true),
        (&[other_uid], &[gid], true),
        (&[other_uid], &[], false),
        (&[], &[other_gid], false),
        (&[other_uid], &[other_gid], false),
    ] {
        let (text, is_adopted) = over_unix("users", uids, gids);
        assert_eq!(text.starts_with("HTTP/1.1 404"), is_allowed, "{uids:?} {gids:?}");
        assert_eq!(text.is_empty(), !is_allowed);
        assert_eq!(is_adopted, is_allowed, "{uids:?} {gids:?}");
    }
}

#[test]
fn hooks_hear_whose_process_calls() {
    let file = SocketFile::new("hooks");
    let server = fresh(in_mode(Options::default()), limits());
    server.listen(&format!("unix:{}", file.path().display())).unwrap();
    let uids: Arc<Mutex<Vec<Option<u32>>>> = Arc::default();
    let (asked, told) = (uids.clone(), uids.clone());
    let hooks = Hooks {
        allow: Some(Box::new(move |caller, _, _| {
            asked.lock().unwrap().push(caller.uid);
            true
        })),
        audit: Some(Box::new(move |record| told.lock().unwrap().push(record.caller.uid))),
        ..Hooks::default()
    };
    server.set_hooks(hooks).unwrap();
    hosted::add(&server, "echo", hosted::echo);
    let mut host = host_of(server);
    host.dispatch();
    let body = request("1", "tools/call", &claim(json!({ "name": "echo" })));
    let mut socket = UnixStream::connect(file.path()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: {MODERN}\r\n\
         Mcp-Method: tools/call\r\nMcp-Name: echo\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(head.as_bytes()).unwrap();
    let mut reply = String::new();
    socket.read_to_string(&mut reply).unwrap();
    assert!(reply.contains("done"), "{reply}");
    let own = Some(getuid().as_raw());
    wait_until(|| uids.lock().unwrap().len() == 2);
    assert_eq!(*uids.lock().unwrap(), [own, own]);
    assert_eq!(host.modern("1", "tools/call", json!({ "name": "echo" })).first().0, 200);
    wait_until(|| uids.lock().unwrap().len() == 4);
    assert_eq!(uids.lock().unwrap()[2..], [None, None], "nobody knows who is behind TCP");
}
