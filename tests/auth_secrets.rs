//! No key ever leaves by a log line, an audit record, a counter or an answer.

mod peer;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use emcp::{Call, Identity, KeyCheck, Limits, Need, Options, Question, Secret, Server, ToolResult};
use peer::keyed::{ANN, BOB, Keyed, Knock, OPEN, SCOPED, SECRETS, WAYS, asking};
use peer::{Talker, accept, form};
use serde_json::json;

/// Keeps what libraries of the server log by themselves.
struct Collect(Mutex<Vec<String>>);

impl log::Log for Collect {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.0.lock().unwrap().push(format!("{} {}", record.target(), record.args()));
    }

    fn flush(&self) {}
}

static LOG: Collect = Collect(Mutex::new(Vec::new()));

/// Every byte escaped, as no log should have it either.
fn escaped(secret: &str) -> String {
    secret.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Tells whether a secret stands in `text`, plain or escaped.
fn tells(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("sesame") || text.contains(&escaped("sesame").to_ascii_lowercase())
}

/// Knocks with every key at every way, in every place where a key may stand.
fn knock_all(keyed: &Keyed) {
    for way in WAYS {
        for secret in SECRETS {
            let bearer = format!("Bearer {secret}");
            let plain = format!("?api_key={secret}");
            let hidden = format!("?a=b&api_key={}", escaped(secret));
            for headers in [
                &[("Authorization", &*bearer)][..],
                &[("X-API-Key", secret)],
                &[("X-API-Key", secret), ("Authorization", "Bearer sesame-of-more-0000")],
                &[],
            ] {
                for (tool, owner) in [(OPEN, ANN), (OPEN, BOB), (SCOPED, ANN), (SCOPED, BOB)] {
                    for query in [&*plain, &hidden] {
                        keyed.knock(way, Knock { headers, query, owner, tool });
                    }
                }
            }
        }
    }
}

#[test]
fn nothing_tells_a_key() {
    log::set_logger(&LOG).expect("the only logger of this program");
    log::set_max_level(log::LevelFilter::Trace);
    for key_in_query in [false, true] {
        let state_secret = Some(Secret::new("sesame-of-state-000000000000000007"));
        let options = Options { key_in_query, state_secret, ..Options::default() };
        assert!(!tells(&format!("{options:?}")));
        // The host may be asked about the wrong one, and has no good word for it.
        let refuse = |check: KeyCheck| assert!(!tells(&format!("{check:?}")));
        let keyed = asking(options, Limits::default(), Some(Box::new(refuse)));
        knock_all(&keyed);
        let stats = keyed.host.server.stats();
        assert!(stats.auth_missing + stats.auth_refused > 0 && stats.auth_expired > 0);
        assert!(stats.calls_succeeded > 0 && stats.scopes_refused > 0);
        let places = [
            ("answers", keyed.answers.lock().unwrap().clone()),
            ("hooks", keyed.heard.lock().unwrap().clone()),
            ("libraries", LOG.0.lock().unwrap().clone()),
            ("metrics", vec![stats.to_prometheus()]),
            ("counters", vec![format!("{stats:?}")]),
        ];
        for (place, texts) in places {
            assert!(place == "libraries" || !texts.is_empty(), "{place}: nothing to look at");
            for text in texts {
                assert!(!tells(&text), "{place}: {text}");
            }
        }
        let heard = keyed.heard.lock().unwrap();
        assert!(heard.iter().any(|line| line.contains("auth: 127.0.0.1:")), "{heard:?}");
        assert!(heard.iter().any(|line| line.contains("principal: \"ann\"")), "{heard:?}");
    }
}

#[test]
fn what_clients_carry_tells_no_secret() {
    let secret = Some(Secret::new("sesame-of-state-000000000000000007"));
    let options = Options { state_secret: secret, ..Options::default() };
    let host = peer::host_with(options, peer::limits());
    let ask = |call: Call| {
        let schema = r#"{"type":"object","properties":{"n":{"type":"integer"}}}"#;
        match call.need("n", Question::form("How many?", schema).unwrap()) {
            Ok(Need::Asked) => _ = call.ask(),
            _ => _ = call.reply(ToolResult::text("done")),
        }
    };
    peer::hosted::add(&host.server, "asks", ask);
    let mut client = Talker::Modern(&host);
    let reply = client.once(&form(), "tools/call", &json!({ "name": "asks" }));
    let state = reply["result"]["requestState"].as_str().unwrap();
    assert!(!tells(&reply.to_string()));
    let inside = URL_SAFE_NO_PAD.decode(state).unwrap();
    assert!(!tells(&String::from_utf8_lossy(&inside)));
    let params = json!({
        "name": "asks",
        "inputResponses": { "n": accept(json!({})) },
        "requestState": format!("{state}x"),
    });
    assert!(!tells(&client.once(&form(), "tools/call", &params).to_string()));
}

#[test]
fn errors_of_the_host_tell_none_either() {
    let path = std::env::temp_dir().join(format!("emcp-secrets-{}", std::process::id()));
    let identity = Identity { name: "n".into(), version: "1".into(), ..Identity::default() };
    let server = Server::new(identity, Options::default(), Limits::default()).unwrap();
    for text in [
        "ann",
        "ann sesame",
        "ann sesame-of-ann-000001 sesame",
        "ann sesame-of-ann-000001 scopes=\"",
        "ann sesame-of-ann-000001\nbob sesame-of-ann-000001",
        "ann sesame-of-ann-000001\u{e9}",
    ] {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let error = server.set_keys_file(Some(&path)).unwrap_err();
        let shown = format!("{error} {error:?}");
        let shown = shown.replace(&path.display().to_string(), "");
        assert!(!shown.contains("sesame"), "{shown}");
    }
    fs::remove_file(&path).unwrap();
}
