//! Who may come in: bearer keys, from the host or from a file, changed at any time.

use std::path::Path;

use super::Server;
use crate::auth::Key;
use crate::error::Result;

impl Server {
    /// Puts `keys` in the place of those that the host has set or added before; those in a key file
    /// stay. From the first key on every request, upgrade and peer needs one, and taking all keys
    /// away lets nobody in.
    ///
    /// The name of a key is the principal of what comes with it. Whom the host names itself needs
    /// none.
    ///
    /// ```
    /// # use emcp::{Identity, Key, Limits, Options, Server};
    /// # let identity = Identity { name: "d".into(), version: "1".into(), ..Identity::default() };
    /// # let server = Server::new(identity, Options::default(), Limits::default())?;
    /// server.set_keys(vec![Key::new("grafana", "1f0c7e35b1d5429cbf9e")?.scopes("metrics:read")?])?;
    /// # Ok::<(), emcp::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) when two of them have the same secret: then nothing
    /// changes.
    pub fn set_keys(&self, keys: Vec<Key>) -> Result<()> {
        self.core.auth.set(keys)
    }

    /// Takes back what [`Hooks::check_key`](crate::Hooks::check_key) has said of the keys of
    /// `principal`, or of everybody: the host is asked again with the next request, and streams and
    /// WebSockets that were opened with them end.
    pub fn forget_keys(&self, principal: Option<&str>) {
        self.core.auth.forget(principal);
    }

    /// Adds one key to those of the host.
    ///
    /// # Errors
    /// [`Error::Exists`](crate::Error::Exists) when another key of the host has its secret.
    pub fn add_key(&self, key: Key) -> Result<()> {
        self.core.auth.add(key)
    }

    /// Reads keys from a file too, and again when it changes; `None` takes them away. A look at the
    /// file happens when a request comes, at most once a second. A change that cannot be used
    /// leaves the old keys in use and is logged.
    ///
    /// Each line is `NAME SECRET [scopes=A,B] [expires=2027-01-01T00:00:00Z]`; empty ones and those
    /// that begin with `#` do not count. Put a new file in the place of the old one by renaming it.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) when it cannot be read, [`Error::Config`](crate::Error::Config)
    /// when a line is wrong, or others than its owner have rights to it and
    /// [`Options::keys_file_shared`](crate::Options::keys_file_shared) is off: then nothing changes.
    pub fn set_keys_file(&self, path: Option<&Path>) -> Result<()> {
        self.core.auth.set_file(path)
    }
}
