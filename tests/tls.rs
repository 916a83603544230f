//! TLS on the server's own listener: every transport and era, certificates that are renewed, and
//! clients that have some.

mod peer;
mod secure;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

use emcp::{Error, Key, Limits, Options, TlsConfig};
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, ClientConfig, HandshakeKind};
use serde_json::json;

use peer::pki::{BOTH, Pki, serial_of};
use peer::{Http, Talker, host_of, wait_until};
use secure::{Secure, call_bytes, call_over, rest, secure, secure_with, send, server, shake};

#[test]
fn every_transport_of_both_eras() {
    let secure = secure();
    let none = json!({});
    for mut talker in Talker::each(&secure.host, &none) {
        let params = json!({ "name": "who", "arguments": {} });
        let talk = talker.talk(&none, "tools/call", &params, |_, _| Ok(json!({})));
        assert_eq!(peer::text_of(&talk.reply), "\"\" may *", "{}", talker.name());
    }
    assert!(secure.host.server.stats().tls_handshakes > 4);
    assert_eq!(secure.host.server.stats().tls_handshakes_failed, 0);
}

#[test]
fn both_versions_and_http_1_alone() {
    let secure = secure();
    let with = |protocols: &[&str], versions| {
        let mut config = ClientConfig::clone(&secure.pki.client(None, versions));
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        secure.shake(Arc::new(config))
    };
    let [old, new] = [[&TLS12], [&TLS13]];
    for versions in [&old, &new] {
        let mut stream = with(&["h2", "http/1.1"], versions).unwrap();
        assert_eq!(stream.conn.protocol_version(), Some(versions[0].version));
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        send(&mut stream, &call_bytes("who").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
        let (text, is_clean) = rest(&mut stream);
        assert!(text.starts_with("HTTP/1.1 200") && is_clean, "{text}");
    }
    assert!(with(&["h2"], BOTH).is_err());
    secure.wait_log("does not speak http/1.1");
    assert!(with(&[], BOTH).is_ok());
}

#[test]
fn host_and_origin_are_held_against_the_same_rules() {
    let secure = secure();
    assert_eq!(secure.call("who", &[("Origin", "https://localhost:1")]).0, 200);
    assert_eq!(secure.call("who", &[("Origin", "https://elsewhere.example")]).0, 403);
    let mut stream = secure.pki.connect(&secure.direct);
    send(&mut stream, "GET /mcp HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n");
    assert!(rest(&mut stream).0.starts_with("HTTP/1.1 403"));
}

#[test]
fn a_unix_socket_may_have_tls_too() {
    let pki = Pki::new();
    pki.install(1);
    let (server, _) = server(Options::default(), Limits::default());
    let path = pki.dir.join("socket");
    server.listen_tls(&format!("unix:{}", path.display()), pki.config()).unwrap();
    let mut host = host_of(server);
    host.dispatch();
    let socket = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let name = "localhost".try_into().unwrap();
    let client = rustls::ClientConnection::new(pki.client(None, BOTH), name).unwrap();
    let mut stream = rustls::StreamOwned::new(client, socket);
    use std::io::{Read as _, Write as _};
    stream.write_all(call_bytes("who").as_bytes()).unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
}

/// Clients go on calling on connections that were there before, while others come and see the new
/// certificate.
#[test]
fn a_reload_disturbs_nobody() {
    const CLIENTS: usize = 4;
    let secure = secure();
    let quit = AtomicBool::new(false);
    let calls: [AtomicUsize; CLIENTS] = Default::default();
    let each_calls_again = || {
        let before: Vec<usize> = calls.iter().map(|count| count.load(SeqCst)).collect();
        // Two: the first may have begun before.
        wait_until(|| calls.iter().zip(&before).all(|(count, old)| count.load(SeqCst) > old + 1));
    };
    thread::scope(|scope| {
        for count in &calls {
            let (secure, quit) = (&secure, &quit);
            scope.spawn(move || {
                let mut http = secure.host.http();
                while !quit.load(SeqCst) {
                    let (status, text) = call_over(&mut http, "who", &[]);
                    assert_eq!(status, 200, "{text}");
                    count.fetch_add(1, SeqCst);
                }
            });
        }
        each_calls_again();
        let accepted = || secure.host.server.stats().connections_accepted;
        let before = accepted();
        for serial in 2..6 {
            let new = secure.pki.install(serial);
            secure.host.server.tls_reload().unwrap();
            assert_eq!(serial_of(&secure.shown(), &[&new]), Some(0));
            each_calls_again();
        }
        // Only those that looked: nobody had to come again.
        assert_eq!(accepted() - before, 4);
        quit.store(true, SeqCst);
    });
    secure.wait_log("certificates were read again");
}

#[test]
fn a_bad_reload_leaves_the_old_pair_in_use() {
    let secure = secure();
    let first = secure.pki.install(1);
    secure.host.server.tls_reload().unwrap();
    let other = secure.pki.good(2);
    let expired = secure.pki.issue(&["localhost"], 3, (2001, 2002));
    let refused = |part: &str| {
        let error = secure.host.server.tls_reload().unwrap_err();
        assert!(matches!(error, Error::Config(_) | Error::Io(_)), "{error:?}");
        assert!(error.to_string().contains(part), "{error}");
        assert_eq!(serial_of(&secure.shown(), &[&first]), Some(0));
        secure.assert_serves();
    };
    secure.pki.write("key.pem", &other.key);
    refused("does not belong to the certificate");
    secure.pki.put(&expired);
    refused("has expired on 2002-01-01T00:00:00Z");
    secure.pki.write("cert.pem", "");
    refused("cert.pem: it holds no certificate");
    std::fs::remove_file(secure.pki.dir.join("cert.pem")).unwrap();
    refused("cert.pem: No such file");
    secure.pki.put(&other);
    secure.host.server.tls_reload().unwrap();
    assert_eq!(serial_of(&secure.shown(), &[&first, &other]), Some(1));
}

/// One of two listeners cannot use its file: neither changes.
#[test]
fn a_reload_is_for_all_listeners_or_for_none() {
    let (good, bad) = (Pki::new(), Pki::new());
    let old = good.install(1);
    bad.install(2);
    let (server, _) = server(Options::default(), Limits::default());
    server.listen_tls("tcp:127.0.0.1:0", good.config()).unwrap();
    server.listen_tls("tcp:127.0.0.1:0", bad.config()).unwrap();
    let mut host = host_of(server);
    host.dispatch();
    good.install(3);
    bad.clear();
    assert!(host.server.tls_reload().is_err());
    let stream = shake(&host.addr, good.client(None, BOTH)).unwrap();
    assert_eq!(serial_of(&stream.conn.peer_certificates().unwrap()[0], &[&old]), Some(0));
}

#[test]
fn an_old_certificate_is_served_with_a_warning() {
    let expired = |pki: &Pki| {
        pki.put(&pki.issue(&["localhost"], 1, (2001, 2002)));
        pki.config()
    };
    let secure = secure_with(Options::default(), Limits::default(), expired);
    secure.wait_log("it has expired on 2002-01-01T00:00:00Z");
    assert_eq!(secure.host.server.stats().tls_certificate_expiry_seconds, 1_009_843_200);
    assert!(secure.shake(secure.pki.client(None, BOTH)).is_err());
    secure.wait_log("our certificate has expired");
}

fn mutual(pki: &Pki) -> TlsConfig {
    pki.mutual()
}

#[test]
fn a_client_certificate_is_needed_and_names_its_holder() {
    let mut secure = secure_with(Options::default(), Limits::default(), mutual);
    assert_refused(&secure, secure.pki.client(None, BOTH));
    // One line a second for one address: of the others there may be none.
    secure.wait_log("the client has shown no certificate");
    let stranger = Pki::new().issue(&["agent.example"], 5, (2020, 2100));
    assert_refused(&secure, secure.pki.client(Some(&stranger), BOTH));
    let expired = secure.pki.issue(&["agent.example"], 6, (2001, 2002));
    assert_refused(&secure, secure.pki.client(Some(&expired), BOTH));
    let agent = secure.pki.issue(&["agent.example"], 7, (2020, 2100));
    secure.come_with(Some(&agent));
    let (status, text) = secure.call("who", &[]);
    assert!(status == 200 && text.contains(r#"\"cert:agent.example\" may *"#), "{text}");
    for mut talker in Talker::each(&secure.host, &json!({})) {
        let params = json!({ "name": "who", "arguments": {} });
        let talk = talker.talk(&json!({}), "tools/call", &params, |_, _| Ok(json!({})));
        assert_eq!(peer::text_of(&talk.reply), "\"cert:agent.example\" may *", "{}", talker.name());
    }
}

/// In TLS 1.3 a client believes to be done before the server has looked at its certificate.
#[track_caller]
fn assert_refused(secure: &Secure, config: Arc<ClientConfig>) {
    let failed = secure.host.server.stats().tls_handshakes_failed;
    if let Ok(mut stream) = secure.shake(config) {
        assert_eq!(rest(&mut stream), (String::new(), false));
    }
    wait_until(|| secure.host.server.stats().tls_handshakes_failed == failed + 1);
}

/// Although it has sent a request on top, which nobody reads any more.
#[test]
fn a_refused_client_hears_why() {
    let secure = secure_with(Options::default(), Limits::default(), mutual);
    let mut stream = secure.shake(secure.pki.client(None, &[&TLS13])).unwrap();
    send(&mut stream, &call_bytes("who"));
    let error = std::io::Read::read(&mut stream, &mut [0]).unwrap_err();
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    let alert = AlertDescription::CertificateRequired;
    assert_eq!(cause, Some(&rustls::Error::AlertReceived(alert)), "{error}");
}

/// A shortened handshake looks at no certificate: none where clients have some, and none behind a
/// reload.
#[test]
fn handshakes_are_shortened_only_where_nobody_has_to_look() {
    let plain = secure();
    let config = plain.pki.client(None, BOTH);
    assert_eq!(kinds(&plain, &config), [HandshakeKind::Full, HandshakeKind::Resumed]);
    plain.host.server.tls_reload().unwrap();
    assert_eq!(kinds(&plain, &config)[0], HandshakeKind::Full);
    let mutual = secure_with(Options::default(), Limits::default(), mutual);
    let agent = mutual.pki.issue(&["agent.example"], 7, (2020, 2100));
    for versions in [BOTH, &[&TLS12]] {
        let config = mutual.pki.client(Some(&agent), versions);
        assert_eq!(kinds(&mutual, &config), [HandshakeKind::Full; 2]);
    }
}

/// How two connections of one client began.
fn kinds(secure: &Secure, config: &Arc<ClientConfig>) -> [HandshakeKind; 2] {
    [(); 2].map(|()| {
        let mut stream = secure.shake(config.clone()).unwrap();
        // Tickets come behind the handshake.
        let last = "GET /other HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        send(&mut stream, last);
        assert!(rest(&mut stream).0.starts_with("HTTP/1.1 404"));
        stream.conn.handshake_kind().unwrap()
    })
}

#[test]
fn a_client_certificate_may_be_optional() {
    let optional = |pki: &Pki| TlsConfig { client_optional: true, ..pki.mutual() };
    let mut secure = secure_with(Options::default(), Limits::default(), optional);
    assert!(secure.call("who", &[]).1.contains(r#"\"\" may *"#));
    let stranger = Pki::new().issue(&["agent.example"], 5, (2020, 2100));
    assert_refused(&secure, secure.pki.client(Some(&stranger), BOTH));
    secure.wait_log("the certificate of the client was refused");
    let agent = secure.pki.issue(&["agent.example"], 7, (2020, 2100));
    secure.come_with(Some(&agent));
    assert!(secure.call("who", &[]).1.contains("cert:agent.example"));
}

const SECRET: &str = "sesame-of-ann-000001";
const KEY: (&str, &str) = ("Authorization", "Bearer sesame-of-ann-000001");
const WRONG: (&str, &str) = ("Authorization", "Bearer sesame-of-none-00004");

#[test]
fn a_certificate_is_no_key() {
    let mut secure = secure_with(Options::default(), Limits::default(), mutual);
    let agent = secure.pki.issue(&["agent.example"], 7, (2020, 2100));
    secure.come_with(Some(&agent));
    assert_eq!(secure.call("who", &[]).0, 200);
    secure.host.server.set_keys(vec![Key::new("ann", SECRET).unwrap()]).unwrap();
    assert_eq!(secure.call("who", &[]).0, 401);
    let (status, text) = secure.call("who", &[KEY]);
    assert!(status == 200 && text.contains(r#"\"ann\" may "#), "{text}");
}

#[test]
fn a_certificate_is_a_key_where_the_host_says_so() {
    let as_key = |pki: &Pki| TlsConfig {
        client_optional: true,
        client_scopes: Some("units:write".into()),
        ..pki.mutual()
    };
    let mut secure = secure_with(Options::default(), Limits::default(), as_key);
    // Whoever has neither stays outside, although there is no key at all.
    assert_eq!(secure.call("who", &[]).0, 401);
    let agent = secure.pki.issue(&["agent.example"], 7, (2020, 2100));
    secure.come_with(Some(&agent));
    let (status, text) = secure.call("scoped", &[]);
    assert!(status == 200 && text.contains(r#"\"cert:agent.example\" may units:write"#), "{text}");
    secure.host.server.set_keys(vec![Key::new("ann", SECRET).unwrap()]).unwrap();
    assert_eq!(secure.call("scoped", &[]).0, 200);
    // A key is the closer word: it counts, and a wrong one is wrong.
    assert_eq!(secure.call("scoped", &[KEY]).0, 403);
    assert_eq!(secure.call("who", &[WRONG]).0, 401);
    secure.come_with(None);
    assert_eq!(secure.call("who", &[]).0, 401);
    assert_eq!(secure.call("who", &[KEY]).0, 200);
}

#[test]
fn impossible_configurations_are_refused() {
    let pki = Pki::new();
    pki.install(1);
    let (server, _) = server(Options::default(), Limits::default());
    let refuse = |address: &str, tls: TlsConfig, part: &str| {
        let error = server.listen_tls(address, tls).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    let tcp = "tcp:127.0.0.1:0";
    refuse("tcp:nowhere", pki.config(), "address");
    refuse(tcp, TlsConfig::default(), "certificate file");
    refuse(tcp, TlsConfig { client_optional: true, ..pki.config() }, "client_ca");
    let scopes = |list: &str| Some(list.to_owned());
    refuse(tcp, TlsConfig { client_scopes: scopes("a"), ..pki.config() }, "client_ca");
    refuse(tcp, TlsConfig { client_scopes: scopes("a b"), ..pki.mutual() }, "scope");
    server.start().unwrap();
    assert!(server.addresses().is_empty());
    assert!(matches!(server.listen_tls(tcp, pki.config()), Err(Error::State(_))));
    server.tls_reload().unwrap();
}

#[test]
fn a_restart_listens_with_tls_again() {
    let secure = secure();
    secure.host.server.stop().unwrap();
    secure.host.server.start().unwrap();
    let mut host = secure.host;
    host.dispatch();
    let direct = host.server.addresses()[0].clone();
    let addr = peer::tunnel::open(&direct, secure.pki.client(None, BOTH));
    assert_eq!(call_over(&mut Http::connect(&addr), "who", &[]).0, 200);
}
