//! Certificate, key and those who vouch for clients, read from their files.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use humantime::format_rfc3339_seconds;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig, version};

use super::certificate::Validity;
use super::config::TlsConfig;
use crate::error::{Error, Result};
use crate::file::{self, Readers};

/// What errors call the files.
const CERTIFICATE: &str = "certificate file";
const KEY: &str = "private key file";
const CLIENT_CA: &str = "client CA file";

/// What handshakes work with.
pub(crate) struct Credentials {
    /// Never changed: other files make another one, and the sessions that it remembers go with it.
    pub(super) server: Arc<ServerConfig>,
    validity: Validity,
}

impl Credentials {
    /// Reads the files that `config` names.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Config`]; they name the file and what is wrong with it.
    pub(super) fn load(config: &TlsConfig) -> Result<Credentials> {
        let provider = Arc::new(ring::default_provider());
        let (own, validity) = certified_key(config, &provider)?;
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(|error| Error::Config(format!("tls: {error}")))?;
        let builder = match verifier(config, provider)? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut server = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(own)));
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        if config.client_ca.is_some() {
            // A handshake that is shortened looks at no certificate, not even at its time.
            server.session_storage = Arc::new(NoServerSessionStorage {});
            server.send_tls13_tickets = 0;
        }
        Ok(Credentials { server: Arc::new(server), validity })
    }

    /// What is wrong with the certificate at this moment.
    pub(super) fn problem(&self) -> Option<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let Validity { not_before, not_after } = self.validity;
        let at = |secs| format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(secs));
        match now {
            _ if not_after < now => Some(format!("it has expired on {}", at(not_after))),
            _ if not_before > now => Some(format!("it does not count before {}", at(not_before))),
            _ => None,
        }
    }

    /// Refuses a certificate, of the file `path`, that clients would refuse.
    pub(super) fn check_time(&self, path: &Path) -> Result<()> {
        match self.problem() {
            Some(problem) => Err(file::wrong(CERTIFICATE, path, &problem)),
            None => Ok(()),
        }
    }

    /// In seconds since 1970.
    pub(super) fn expires(&self) -> u64 {
        self.validity.not_after
    }
}

/// The server's certificate with its key.
fn certified_key(
    config: &TlsConfig,
    provider: &CryptoProvider,
) -> Result<(CertifiedKey, Validity)> {
    let path = &config.certificate;
    let chain = certificates(CERTIFICATE, path)?;
    let no_certificate = || file::wrong(CERTIFICATE, path, "it holds no certificate of version 3");
    let validity = chain.first().and_then(Validity::of).ok_or_else(no_certificate)?;
    let key = private_key(config)?;
    let key = provider.key_provider.load_private_key(key).map_err(|_| {
        let known = "it holds no key that is RSA of 2048 bits or more, ECDSA or Ed25519";
        file::wrong(KEY, &config.key, known)
    })?;
    let own = CertifiedKey::new(chain, key);
    match own.keys_match() {
        Ok(()) => Ok((own, validity)),
        Err(rustls::Error::InconsistentKeys(_)) => {
            let problem = format!("it does not belong to the certificate in {}", path.display());
            Err(file::wrong(KEY, &config.key, &problem))
        }
        Err(error) => Err(file::wrong(CERTIFICATE, path, &error.to_string())),
    }
}

/// What clients' certificates are held against; `None` when nobody asks for them.
fn verifier(
    config: &TlsConfig,
    provider: Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>> {
    let Some(path) = &config.client_ca else { return Ok(None) };
    let wrong = |problem: String| file::wrong(CLIENT_CA, path, &problem);
    let mut roots = RootCertStore::empty();
    for certificate in certificates(CLIENT_CA, path)? {
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = match config.client_optional {
        true => builder.allow_unauthenticated(),
        false => builder,
    };
    builder.build().map(Some).map_err(|error| wrong(error.to_string()))
}

/// The certificates of a file, at least one.
fn certificates(what: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let (bytes, _) = file::read(what, path, Readers::Anybody)?;
    let all: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let all = all.map_err(|error| broken(what, path, &error))?;
    if all.is_empty() {
        let problem = match PrivateKeyDer::from_pem_slice(&bytes) {
            Ok(_) => "it holds a private key and no certificate; are the two files swapped?",
            Err(_) => "it holds no certificate; want -----BEGIN CERTIFICATE-----",
        };
        return Err(file::wrong(what, path, problem));
    }
    Ok(all)
}

fn private_key(config: &TlsConfig) -> Result<PrivateKeyDer<'static>> {
    let readers = if config.key_shared { Readers::Anybody } else { Readers::OwnerAlone };
    let (bytes, _) = file::read(KEY, &config.key, readers)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| {
        let has = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
        let problem = match error {
            _ if has(b"ENCRYPTED") => "the key is encrypted; openssl pkey writes it without",
            pem::Error::NoItemsFound if has(b"BEGIN CERTIFICATE") => {
                "it holds a certificate and no key; are the two files swapped?"
            }
            pem::Error::NoItemsFound => "it holds no key; want -----BEGIN PRIVATE KEY-----",
            error => return broken(KEY, &config.key, &error),
        };
        file::wrong(KEY, &config.key, problem)
    })
}

/// The error for a file that is no PEM. Shows nothing of it: it may be the key.
fn broken(what: &str, path: &Path, error: &pem::Error) -> Error {
    let problem = match error {
        pem::Error::MissingSectionEnd { .. } => "it is cut: a line -----END is missing",
        pem::Error::IllegalSectionStart { .. } => "a line -----BEGIN is malformed",
        pem::Error::Base64Decode(_) => "it is damaged: what is between BEGIN and END is no base64",
        _ => "it is no PEM file",
    };
    file::wrong(what, path, problem)
}

#[cfg(test)]
mod tests;
