//! No key ever leaves by a log line, an audit record, a counter or an answer.

mod peer;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;

use emcp::{Identity, Limits, Options, Server};
use peer::keyed::{ANN, BOB, Keyed, Knock, OPEN, SCOPED, SECRETS, WAYS, keyed};

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

/// Knocks with every key at every way, in every place where a key may stand.
fn knock_all(keyed: &Keyed) {
    for way in WAYS {
        for secret in SECRETS {
            let (bearer, query) = (format!("Bearer {secret}"), format!("?api_key={secret}"));
            for headers in [
                &[("Authorization", &*bearer)][..],
                &[("X-API-Key", secret)],
                &[("X-API-Key", secret), ("Authorization", "Bearer sesame-of-more-0000")],
                &[],
            ] {
                for tool in [OPEN, SCOPED] {
                    for owner in [ANN, BOB] {
                        keyed.knock(way, Knock { headers, query: &query, owner, tool });
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
        let keyed = keyed(Options { key_in_query, ..Options::default() });
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
                assert!(!text.contains("sesame"), "{place}: {text}");
            }
        }
        let heard = keyed.heard.lock().unwrap();
        assert!(heard.iter().any(|line| line.contains("auth: 127.0.0.1:")), "{heard:?}");
        assert!(heard.iter().any(|line| line.contains("principal: \"ann\"")), "{heard:?}");
    }
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
