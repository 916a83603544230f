//! TLS on listeners of our own: a handshake in front of a connection, and the stream behind it.
//!
//! Place in the flow: between `listener` and `http`, which gets a socket like any other. Knows
//! certificates, and nothing of what is said over the connection.

mod certificate;
mod config;
mod credentials;
mod failure;
mod handshake;
mod stream;

use std::sync::{Arc, Mutex};

pub use config::TlsConfig;
use credentials::Credentials;

use crate::auth::Scopes;
use crate::env::Env;
use crate::error::Result;
use crate::level::Level;
use crate::rate::{Pace, RateLimiter};
use crate::sync::lock;

/// Addresses whose failures are logged one by one. More share one line a second.
const ADDRESSES_MAX: usize = 1024;

/// What log lines call this part of the server.
const PART: &str = "tls";

/// TLS of one listener.
pub(crate) struct Tls {
    config: TlsConfig,
    /// What a client may do without a key because of its certificate.
    instead_of_key: Option<Scopes>,
    /// Replaced as a whole: a connection keeps what its handshake began with.
    credentials: Mutex<Arc<Credentials>>,
    log_rate: RateLimiter,
}

impl Tls {
    /// Reads the files of `config`. A certificate whose time has not come or is over is served all
    /// the same, with a warning: the host must not stay down for it.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) and [`Error::Config`](crate::Error::Config) with the file
    /// and what is wrong with it.
    pub(crate) fn new(config: TlsConfig, env: &Env) -> Result<Arc<Tls>> {
        let instead_of_key = config.check()?;
        let credentials = Credentials::load(&config)?;
        if let Some(problem) = credentials.problem() {
            let file = config.certificate.display();
            env.log(Level::Warning, PART, format_args!("certificate file {file}: {problem}"));
        }
        let credentials = Mutex::new(Arc::new(credentials));
        let log_rate = RateLimiter::new(Pace::per_second(1), ADDRESSES_MAX);
        Ok(Arc::new(Tls { config, instead_of_key, credentials, log_rate }))
    }

    /// Reads the files again; what is in them is still to be [`put`](Self::put) in use.
    ///
    /// # Errors
    /// As for [`new`](Self::new), and for a certificate whose time is over: the one in use cannot be
    /// worse.
    pub(crate) fn read(&self) -> Result<Credentials> {
        let credentials = Credentials::load(&self.config)?;
        credentials.check_time(&self.config.certificate)?;
        Ok(credentials)
    }

    /// Has handshakes from here on begin with `credentials`.
    pub(crate) fn put(&self, credentials: Credentials) {
        *lock(&self.credentials) = Arc::new(credentials);
    }

    /// When the certificate in use ends, in seconds since 1970.
    pub(crate) fn expires(&self) -> u64 {
        lock(&self.credentials).expires()
    }

    /// Tells whether its clients need no key if they have a certificate.
    pub(crate) fn replaces_keys(&self) -> bool {
        self.instead_of_key.is_some()
    }
}
