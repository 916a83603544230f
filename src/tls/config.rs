//! What the host says about TLS on a listener.

use std::path::PathBuf;

use crate::auth::Scopes;
use crate::error::{Error, Result};

/// TLS on one listener, for [`Server::listen_tls`](crate::Server::listen_tls). All files are PEM.
///
/// ```
/// let tls = emcp::TlsConfig {
///     certificate: "/etc/sysmond/tls.pem".into(),
///     key: "/etc/sysmond/tls.key".into(),
///     ..emcp::TlsConfig::default()
/// };
/// # assert!(tls.client_ca.is_none());
/// ```
#[derive(Clone, Debug, Default)]
pub struct TlsConfig {
    /// The server's certificate, and behind it those that lead to a root which clients know.
    pub certificate: PathBuf,
    /// Its private key, not encrypted: PKCS #8, PKCS #1 or SEC 1. RSA of 2048 bits or more, ECDSA on
    /// P-256, P-384 or P-521, or Ed25519.
    pub key: PathBuf,
    /// Others than its owner may have rights to the key file. Default: then it is refused.
    pub key_shared: bool,
    /// Certificates of those who vouch for clients. With it every client must show a certificate,
    /// its verified name is the principal of calls that come without a key, and handshakes are
    /// never shortened, so that each verifies it anew. `None`: clients are asked for none.
    pub client_ca: Option<PathBuf>,
    /// With `client_ca`: clients may come without a certificate. One that is shown must be good.
    pub client_optional: bool,
    /// With `client_ca`: a certificate stands in the place of a key, and its holder may do this,
    /// comma separated; `*` for everything. From then on whoever has neither stays outside, on the
    /// other listeners too. `None`: a certificate is no key.
    pub client_scopes: Option<String>,
}

impl TlsConfig {
    /// Checks that its parts fit together; the answer is what a certificate grants instead of a key.
    pub(super) fn check(&self) -> Result<Option<Scopes>> {
        if self.client_ca.is_none() && (self.client_optional || self.client_scopes.is_some()) {
            return Err(Error::Config(
                "client_ca is missing: no client is asked for a certificate".into(),
            ));
        }
        self.client_scopes.as_deref().map(Scopes::parse).transpose()
    }
}
