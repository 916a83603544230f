//! What is open ends with the key that has opened it, without a further request: when the host takes
//! the key away, when the key file changes, and when the time of the key is over. So does a request
//! that has not arrived as a whole by then.

mod peer;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use emcp::{Key, Options};
use peer::keyed::{ANN, BOB, Keyed, OPEN, WRONG, keyed};
use peer::open::Open;
use peer::pull::{self, Parsed};
use peer::*;
use serde_json::json;

/// What is open for whoever has this key.
fn open(keyed: &Keyed, secret: &str) -> Open {
    Open::by(keyed, ("X-API-Key", secret))
}

fn bob() -> Key {
    Key::new("bob", BOB).unwrap()
}

#[test]
fn a_key_that_is_taken_away_takes_its_streams_along() {
    let keyed = keyed(Options::default());
    keyed.host.server.set_keys(vec![Key::new("ann", ANN).unwrap(), bob()]).unwrap();
    let (anns, mut bobs) = (open(&keyed, ANN), open(&keyed, BOB));
    keyed.host.server.set_keys(vec![bob()]).unwrap();
    let session = anns.session.clone();
    anns.assert_ends();
    bobs.assert_stays(&keyed);
    wait_until(|| keyed.host.server.stats().listens == 2);
    // The session is Ann's and not her key's.
    keyed.host.server.add_key(Key::new("ann", WRONG).unwrap()).unwrap();
    let headers = [ACCEPT, ("X-API-Key", WRONG), ("Mcp-Session-Id", &*session)];
    assert_eq!({ keyed.host.post(&headers, &call("1", OPEN, None)) }.response().status, 200);
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
    let mut waiting = host.post(&headers, &body);
    let held = host.held();
    host.server.set_keys(Vec::new()).unwrap();
    let answer = waiting.response();
    assert_eq!(answer.status, 401);
    cancellation(&held.handle());
}

#[test]
fn a_request_whose_body_comes_after_the_end_of_its_key_is_refused() {
    let keyed = keyed(Options::default());
    let server = &keyed.host.server;
    let mut parsed = Parsed::modern("tools/call", json!({ "name": OPEN }));
    parsed.headers.push(("X-API-Key".into(), BOB.into()));
    let exchange = parsed.open(server, None, None).unwrap();
    let length = parsed.body.len().to_string();
    let mut headers = modern_headers("tools/call");
    headers.extend([("Mcp-Name", OPEN), ("X-API-Key", BOB), ("Expect", "100-continue")]);
    headers.extend([("Content-Type", "application/json"), ("Content-Length", &*length)]);
    let mut http = keyed.host.bare("POST", "/mcp", &headers);
    assert_eq!(http.head().status, 100, "the head is admitted");
    server.set_keys(vec![Key::new("ann", ANN).unwrap()]).unwrap();
    http.write(&parsed.body);
    let refused = http.response();
    assert_eq!(refused.status, 401, "{refused:?}");
    assert!(refused.header("www-authenticate").unwrap().contains("invalid_token"));
    exchange.body(&parsed.body, true).unwrap();
    assert_eq!(pull::head(&exchange).unwrap().status, 401);
    let stats = server.stats();
    assert_eq!((stats.auth_refused, stats.requests_refused, stats.calls_started), (2, 2, 0));
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
    let (fays, mut bobs) = (open(&keyed, WRONG), open(&keyed, BOB));
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
        let opened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| open(&keyed, WRONG)));
        let Ok(lates) = opened else { continue };
        let mut bobs = open(&keyed, BOB);
        lates.assert_ends();
        assert!(SystemTime::now() >= ends);
        return bobs.assert_stays(&keyed);
    }
    panic!("nothing could be opened in 30 seconds");
}
