//! Listeners that speak TLS, and their certificates.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::Server;
use crate::error::Result;
use crate::level::Level;
use crate::listener::{Address, Binding};
use crate::sync::lock;
use crate::tls::{Tls, TlsConfig};

impl Server {
    /// Adds an address to listen on with TLS 1.2 and 1.3; addresses are those of
    /// [`listen`](Self::listen).
    ///
    /// Reads the files at once, so that a daemon may give up its rights to them afterwards. A
    /// certificate that has expired is served, with a warning in the log;
    /// [`Stats::tls_certificate_expiry_seconds`](crate::Stats) tells beforehand.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) when the address cannot be read, or what is in a file
    /// makes no sense; [`Error::Io`](crate::Error::Io) when a file cannot be read;
    /// [`Error::State`](crate::Error::State) after `start`.
    pub fn listen_tls(&self, address: &str, tls: TlsConfig) -> Result<()> {
        self.listen_tls_on(Address::parse(address)?, tls)
    }

    /// Adds a listening socket that somebody else has opened, with TLS.
    ///
    /// # Errors
    /// As for [`listen_tls`](Self::listen_tls).
    pub fn listen_tls_inherited(&self, socket: OwnedFd, tls: TlsConfig) -> Result<()> {
        self.listen_tls_on(Address::Inherited(socket), tls)
    }

    /// Reads the files of all TLS listeners again; at any time, from any thread. Handshakes from
    /// here on use what is in them, open connections go on with what they have.
    ///
    /// # Errors
    /// As for [`listen_tls`](Self::listen_tls), and [`Error::Config`](crate::Error::Config) for a
    /// certificate that has expired or does not count yet: then nothing changes on any listener.
    pub fn tls_reload(&self) -> Result<()> {
        let all: Vec<Arc<Tls>> = {
            let bindings = lock(&self.bindings);
            bindings.iter().filter_map(|binding| binding.tls.clone()).collect()
        };
        if all.is_empty() {
            return Ok(());
        }
        // Read outside the lock, and all of them before the first one is used.
        let read: Vec<_> = all.iter().map(|tls| tls.read()).collect::<Result<_>>()?;
        all.iter().zip(read).for_each(|(tls, credentials)| tls.put(credentials));
        self.core.env.log(Level::Notice, "tls", format_args!("certificates were read again"));
        Ok(())
    }

    fn listen_tls_on(&self, address: Address, tls: TlsConfig) -> Result<()> {
        let tls = Tls::new(tls, &self.core.env)?;
        let replaces_keys = tls.replaces_keys();
        self.bind_later(Binding { address, tls: Some(tls) })?;
        if replaces_keys {
            self.core.auth.require();
        }
        Ok(())
    }
}
