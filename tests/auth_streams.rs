//! What is open ends with the key that has opened it, without a further request: when the host takes
//! the key away, when the key file changes, and when the time of the key is over.

mod peer;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use emcp::{HttpExchange, Key, MessagePeer, Options, ParsedRequest};
use peer::keyed::{ANN, BOB, Keyed, OPEN, WRONG, keyed};
use peer::message::{TRUSTED, next, send, until_closed};
use peer::pull::{Parsed, head, read};
use peer::*;
use serde_json::json;

/// Everything that stays open for a caller.
struct Open {
    /// HTTP+SSE, the stream of a legacy session, and a modern one that listens.
    streams: Vec<Events>,
    /// The legacy session.
    session: String,
    ws: Ws,
    peer: MessagePeer,
    /// A modern one that listens through the door.
    exchange: HttpExchange,
}

fn listen() -> serde_json::Value {
    json!({ "notifications": { "toolsListChanged": true } })
}

impl Open {
    fn by(keyed: &Keyed, secret: &str) -> Open {
        let host = &keyed.host;
        let key = ("X-API-Key", secret);
        let accept = ("Accept", "text/event-stream");
        let opened = host.post(&[ACCEPT, key], &initialize("0", NEWEST)).response_of();
        let session = opened.header("mcp-session-id").unwrap().to_owned();
        let body = request("1", "subscriptions/listen", &claim(listen()));
        let mut headers = modern_headers("subscriptions/listen");
        headers.push(key);
        let mut streams = vec![
            host.bare("GET", "/sse", &[accept, key]).events(),
            host.bare("GET", "/mcp", &[accept, key, ("Mcp-Session-Id", &session)]).events(),
            host.post(&headers, &body).events(),
        ];
        // Each begins with an event of its own.
        streams.iter_mut().for_each(|events| assert!(events.next_event().is_some()));
        let mut headers = handshake();
        headers.push(key);
        let mut http = host.bare("GET", "/mcp", &headers);
        assert_eq!(http.head().status, 101);
        let mut ws = Ws::over(http);
        ws.send(&initialize("0", NEWEST));
        ws.text();
        let fields: [(&str, &[u8]); 2] = [("host", b"localhost"), ("x-api-key", secret.as_bytes())];
        let opening = ParsedRequest { method: "GET", target: "/mcp", headers: &fields, ..TRUSTED };
        let peer = host.server.open_peer(&opening, None).unwrap();
        send(&peer, &initialize("0", NEWEST));
        next(&peer);
        let mut parsed = Parsed::modern("subscriptions/listen", listen());
        parsed.headers.push(("x-api-key".into(), secret.into()));
        let exchange = parsed.start(&host.server, None);
        assert_eq!(head(&exchange).unwrap().status, 200);
        assert!(read(&exchange).unwrap().is_some());
        Open { streams, session, ws, peer, exchange }
    }

    /// Waits until everything has ended.
    fn assert_ends(mut self) {
        for events in &mut self.streams {
            assert_eq!(events.next_event(), None);
        }
        self.ws.assert_closes(1008);
        assert_eq!(until_closed(&self.peer), (Vec::new(), 1008));
        assert_eq!(read(&self.exchange).unwrap(), None);
    }

    /// Asserts that nothing has ended.
    fn assert_stays(&mut self, keyed: &Keyed) {
        let name = format!("news{}", keyed.host.server.stats().requests);
        keyed.host.add_tool(&name);
        for events in &mut self.streams[2..] {
            assert!(events.json()["method"].is_string());
        }
        self.ws.send(&call("1", OPEN, None));
        assert_eq!(self.ws.json()["id"], 1);
        send(&self.peer, &call("1", OPEN, None));
        assert_eq!(next(&self.peer)["id"], 1);
        assert!(read(&self.exchange).unwrap().is_some());
    }
}

trait Whole {
    fn response_of(self) -> Response;
}

impl Whole for Http {
    fn response_of(mut self) -> Response {
        self.response()
    }
}

fn bob() -> Key {
    Key::new("bob", BOB).unwrap()
}

#[test]
fn a_key_that_is_taken_away_takes_its_streams_along() {
    let keyed = keyed(Options::default());
    keyed.host.server.set_keys(vec![Key::new("ann", ANN).unwrap(), bob()]).unwrap();
    let (anns, mut bobs) = (Open::by(&keyed, ANN), Open::by(&keyed, BOB));
    keyed.host.server.set_keys(vec![bob()]).unwrap();
    let session = anns.session.clone();
    anns.assert_ends();
    bobs.assert_stays(&keyed);
    wait_until(|| keyed.host.server.stats().listens == 2);
    // The session is Ann's and not her key's.
    keyed.host.server.add_key(Key::new("ann", WRONG).unwrap()).unwrap();
    let headers = [ACCEPT, ("X-API-Key", WRONG), ("Mcp-Session-Id", &*session)];
    assert_eq!(keyed.host.post(&headers, &call("1", OPEN, None)).response_of().status, 200);
    keyed.host.server.set_keys(Vec::new()).unwrap();
    bobs.assert_ends();
    wait_until(|| keyed.host.server.stats().streams == 0);
}

#[test]
fn a_call_that_runs_ends_with_its_key() {
    let host = host();
    host.server.set_keys(vec![Key::new("ann", ANN).unwrap()]).unwrap();
    let body = request("1", "tools/call", &claim(json!({ "name": "hold" })));
    let mut headers = modern_headers("tools/call");
    headers.extend([("Mcp-Name", "hold"), ("X-API-Key", ANN)]);
    let waiting = host.post(&headers, &body);
    let held = host.held();
    host.server.set_keys(Vec::new()).unwrap();
    let answer = waiting.response_of();
    assert_eq!(answer.status, 401);
    cancellation(&held.handle());
}

struct KeyFile(PathBuf);

impl KeyFile {
    fn new(text: &str) -> KeyFile {
        let file = KeyFile(std::env::temp_dir().join(format!("emcp-ends-{}", std::process::id())));
        file.replace(text);
        file
    }

    fn path(&self) -> &Path {
        &self.0
    }

    fn replace(&self, text: &str) {
        let fresh = self.0.with_extension("new");
        std::fs::write(&fresh, text).unwrap();
        std::fs::set_permissions(&fresh, Permissions::from_mode(0o600)).unwrap();
        std::fs::rename(&fresh, &self.0).unwrap();
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_key_that_is_gone_from_the_file_takes_its_streams_along() {
    let keyed = keyed(Options::default());
    let file = KeyFile::new(&format!("fay {WRONG}\n"));
    keyed.host.server.set_keys_file(Some(file.path())).unwrap();
    let (fays, mut bobs) = (Open::by(&keyed, WRONG), Open::by(&keyed, BOB));
    file.replace("# nobody\n");
    // No request makes the server look.
    fays.assert_ends();
    bobs.assert_stays(&keyed);
}

#[test]
fn a_key_whose_time_is_over_takes_its_streams_along() {
    let keyed = keyed(Options::default());
    // Long enough to open everything with it, also on a slow machine: else it is tried again.
    for seconds in [2, 8, 30] {
        let ends = SystemTime::now() + Duration::from_secs(seconds);
        let time = humantime::format_rfc3339_millis(ends).to_string();
        let late = Key::new("late", WRONG).unwrap().expires(&time).unwrap();
        keyed.host.server.set_keys(vec![late, bob()]).unwrap();
        let opened =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| Open::by(&keyed, WRONG)));
        let Ok(lates) = opened else { continue };
        let mut bobs = Open::by(&keyed, BOB);
        lates.assert_ends();
        assert!(SystemTime::now() >= ends);
        return bobs.assert_stays(&keyed);
    }
    panic!("nothing could be opened in 30 seconds");
}
