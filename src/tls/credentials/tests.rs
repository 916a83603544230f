//! What may be in the files, and what is said about what may not.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use rcgen::{CertificateParams, KeyPair};

use super::*;

/// A directory of its own that is gone with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Relaxed);
        let name = format!("emcp-tls-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn pair() -> (String, String) {
    pair_of((2020, 2100))
}

fn pair_of((from, to): (i32, i32)) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".into()]).unwrap();
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(to, 1, 1);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// What is said of a pair; empty when it is good.
fn problem(certificate: &str, key: &str) -> String {
    let scratch = Scratch::new();
    let config = TlsConfig {
        certificate: scratch.write("cert.pem", certificate),
        key: scratch.write("key.pem", key),
        ..TlsConfig::default()
    };
    Credentials::load(&config).err().map(|error| error.to_string()).unwrap_or_default()
}

#[track_caller]
fn check(certificate: &str, key: &str, parts: [&str; 2]) {
    let problem = problem(certificate, key);
    assert!(parts.iter().all(|part| problem.contains(part)), "{problem}");
    assert!(!problem.contains("MII"), "{problem}");
}

#[test]
fn a_good_pair_has_its_time() {
    let scratch = Scratch::new();
    let (certificate, key) = pair_of((2020, 2030));
    let config = TlsConfig {
        certificate: scratch.write("cert.pem", &format!("some words\n{certificate}{certificate}")),
        key: scratch.write("key.pem", &key),
        client_ca: Some(scratch.write("ca.pem", &certificate)),
        ..TlsConfig::default()
    };
    let credentials = Credentials::load(&config).unwrap();
    assert_eq!((credentials.problem(), credentials.expires()), (None, 1_893_456_000));
    assert_eq!(credentials.server.alpn_protocols, [b"http/1.1"]);
}

/// The files beside this one are made by openssl and protect nothing.
#[test]
fn every_kind_of_key_is_taken() {
    for (certificate, key) in [
        (include_str!("rsa.pem"), include_str!("rsa-pkcs1.key")),
        (include_str!("rsa.pem"), include_str!("rsa-pkcs8.key")),
        (include_str!("ec.pem"), include_str!("ec-sec1.key")),
        (include_str!("ec.pem"), include_str!("ec-pkcs8.key")),
        (include_str!("ed25519.pem"), include_str!("ed25519.key")),
    ] {
        assert_eq!(problem(certificate, key), "");
    }
}

#[test]
fn what_is_wrong_is_said_with_the_file() {
    let (certificate, key) = pair();
    let (_, other) = pair();
    check(&certificate, &other, ["key.pem: it does not belong to the certificate in", "cert.pem"]);
    check(&key, &certificate, ["certificate file", "swapped?"]);
    check(&certificate, &certificate, ["private key file", "swapped?"]);
    check("", &key, ["cert.pem", "want -----BEGIN CERTIFICATE-----"]);
    check(&certificate, "", ["key.pem", "want -----BEGIN PRIVATE KEY-----"]);
    check(&certificate[..100], &key, ["cert.pem", "it is cut"]);
    check(&certificate, &key[..60], ["key.pem", "it is cut"]);
    check(&certificate.replace("MII", "M?I"), &key, ["cert.pem", "no base64"]);
    let encrypted = key.replace("PRIVATE", "ENCRYPTED PRIVATE");
    check(&certificate, &encrypted, ["key.pem", "openssl pkey"]);
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    check(nonsense, &key, ["cert.pem", "no certificate of version 3"]);
    let nonsense = nonsense.replace("CERTIFICATE", "PRIVATE KEY");
    check(&certificate, &nonsense, ["key.pem", "RSA of 2048 bits"]);
}

#[test]
fn files_that_cannot_be_read() {
    let scratch = Scratch::new();
    let (certificate, key) = pair();
    let mut config = TlsConfig {
        certificate: scratch.0.join("none.pem"),
        key: scratch.write("key.pem", &key),
        ..TlsConfig::default()
    };
    let load = |config: &TlsConfig| Credentials::load(config).err().map(|e| e.to_string());
    let missing = load(&config).unwrap();
    assert!(missing.contains("none.pem: No such file"), "{missing}");
    config.certificate = scratch.0.clone();
    assert!(load(&config).unwrap().contains("it is no file"));
    config.certificate = scratch.write("cert.pem", &certificate);
    config.client_ca = Some(scratch.write("ca.pem", &key));
    assert!(load(&config).unwrap().contains("client CA file"));
    config.client_ca = None;
    fs::set_permissions(&config.key, Permissions::from_mode(0o640)).unwrap();
    assert!(load(&config).unwrap().contains("(mode 0640)"));
    config.key_shared = true;
    assert_eq!(load(&config), None);
}

#[test]
fn a_time_that_is_over_or_has_not_come() {
    for (years, words) in [((2001, 2002), "2002-01-01T00:00:00Z"), ((2100, 2101), "before 2100")] {
        let scratch = Scratch::new();
        let (certificate, key) = pair_of(years);
        let config = TlsConfig {
            certificate: scratch.write("cert.pem", &certificate),
            key: scratch.write("key.pem", &key),
            ..TlsConfig::default()
        };
        let credentials = Credentials::load(&config).unwrap();
        assert!(credentials.problem().unwrap().contains(words), "{:?}", credentials.problem());
        assert!(credentials.check_time(&config.certificate).is_err());
    }
}
