//! Throw-away certificates in files, and clients that trust them.

use std::fs::{self, Permissions};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use emcp::TlsConfig;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair, SerialNumber,
    date_time_ymd,
};
use rustls::client::ClientConnection;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, StreamOwned, SupportedProtocolVersion, crypto};

use super::PATIENCE;

/// A directory with an authority that everybody here trusts; gone with the test.
pub(crate) struct Pki {
    pub(crate) dir: PathBuf,
    ca: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key, PEM.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// A client over TLS.
pub(crate) type TlsStream = StreamOwned<ClientConnection, TcpStream>;

impl Pki {
    pub(crate) fn new() -> Pki {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Relaxed);
        let dir = std::env::temp_dir().join(format!("emcp-pki-{}-{number}", std::process::id()));
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let ca = params.self_signed(&key).unwrap();
        let pki = Pki { dir, ca, issuer: Issuer::new(params, key) };
        pki.write("ca.pem", &pki.ca.pem());
        pki
    }

    /// A server certificate that clients accept.
    pub(crate) fn good(&self, serial: u64) -> Pair {
        self.issue(&["localhost", "127.0.0.1"], serial, (2020, 2100))
    }

    /// A certificate for `names`.
    pub(crate) fn issue(&self, names: &[&str], serial: u64, years: (i32, i32)) -> Pair {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.serial_number = Some(SerialNumber::from(serial));
        params.not_before = date_time_ymd(years.0, 1, 1);
        params.not_after = date_time_ymd(years.1, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Pair { certificate, key: key.serialize_pem() }
    }

    /// Puts a good server certificate where [`config`](Self::config) says.
    pub(crate) fn install(&self, serial: u64) -> Pair {
        let pair = self.good(serial);
        self.put(&pair);
        pair
    }

    pub(crate) fn put(&self, pair: &Pair) {
        self.write("cert.pem", &pair.certificate);
        self.write("key.pem", &pair.key);
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(&self.dir).unwrap();
        let path = self.dir.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }

    /// Takes all files away.
    pub(crate) fn clear(&self) {
        let _ = fs::remove_dir_all(&self.dir);
    }

    pub(crate) fn config(&self) -> TlsConfig {
        TlsConfig {
            certificate: self.dir.join("cert.pem"),
            key: self.dir.join("key.pem"),
            ..TlsConfig::default()
        }
    }

    /// As [`config`](Self::config), for clients with certificates.
    pub(crate) fn mutual(&self) -> TlsConfig {
        TlsConfig { client_ca: Some(self.ca_file()), ..self.config() }
    }

    pub(crate) fn ca_file(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// What a client needs that trusts the authority and shows `own`.
    pub(crate) fn client(
        &self,
        own: Option<&Pair>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(crypto::ring::default_provider().into())
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let config = match own {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes());
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![certificate.unwrap()], key).unwrap()
            }
        };
        Arc::new(config)
    }

    /// Connects in any version, without a certificate.
    pub(crate) fn connect(&self, addr: &str) -> TlsStream {
        connect(addr, self.client(None, BOTH))
    }
}

impl Drop for Pki {
    fn drop(&mut self) {
        self.clear();
    }
}

pub(crate) const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// Connects; the handshake comes with the first byte.
pub(crate) fn connect(addr: &str, config: Arc<ClientConfig>) -> TlsStream {
    let socket = TcpStream::connect(addr).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    socket.set_nodelay(true).unwrap();
    let name = "localhost".try_into().unwrap();
    StreamOwned::new(ClientConnection::new(config, name).unwrap(), socket)
}

/// The serial number of the certificate that the server has shown.
pub(crate) fn serial_of(shown: &CertificateDer<'_>, issued: &[&Pair]) -> Option<usize> {
    issued.iter().position(|pair| {
        CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap() == *shown
    })
}
