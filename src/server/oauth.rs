//! Who may come in with an access token: authorization servers and their keys, changed at any time.

use super::Server;
use crate::auth::{JwksReport, OAuth};
use crate::error::Result;

impl Server {
    /// Makes the server an OAuth 2.1 resource server, by the rules of `oauth` in the place of those
    /// before; `None` takes no tokens any more. From here on every request, upgrade and peer needs
    /// a token or a key, also after `None`.
    ///
    /// The principal of what comes with a token is issuer and subject with a blank between them,
    /// which no key can have as its name: `https://login.example ann`. A token without a subject is
    /// of its client: `https://login.example#client cron`. Clients find the metadata of the
    /// resource where RFC 9728 has it, without a credential.
    ///
    /// Only `Authorization: Bearer` carries tokens. What has the form of one there, three parts of
    /// base64url between dots, is not compared with keys.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) in a build without the feature `jwt`.
    pub fn set_oauth(&self, oauth: Option<OAuth>) -> Result<()> {
        self.core.auth.set_oauth(oauth, self.core.identity.name())
    }

    /// Trusts the keys in `text`, a JSON Web Key Set (RFC 7517), in the place of those that
    /// `issuer` had before; `None` is the only issuer there is.
    ///
    /// The server opens no connection: the host fetches the set from the `jwks_uri` of the issuer,
    /// now and then and when [`Hooks::jwks_wanted`](crate::Hooks::jwks_wanted) is called. Keys that
    /// stay are not touched; who came in by one that has gone must come again, and what is open ends.
    ///
    /// Keys that should sign nothing are ignored: for encryption, with a weak or unknown parameter,
    /// shared secrets, private ones. The report and the log name them.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) for an issuer that
    /// [`Server::set_oauth`] has not named, [`Error::State`](crate::Error::State) when it has named
    /// none; [`Error::Config`](crate::Error::Config) when the text is no set, larger than 256 KiB,
    /// or has keys and none that can be used. The old keys stay.
    /// [`Error::Unsupported`](crate::Error::Unsupported) as there.
    pub fn set_jwks(&self, issuer: Option<&str>, text: &str) -> Result<JwksReport> {
        self.core.auth.set_jwks(issuer, text)
    }
}
