//! Who is at the other end: where a connection comes from, and whom its key, token or certificate
//! names.

use std::net::IpAddr;
use std::sync::Arc;

use crate::allow_list::{User, ip_of};
use crate::auth::{ClientCertificate, Pass, Scopes};
use crate::rate::machine;

/// Who is at the other end of a connection.
#[derive(Clone)]
pub(crate) struct Peer {
    /// How logs and limits name it; `ip:port` for TCP. Goes with the two below: see
    /// [`Peer::at`].
    pub(crate) address: Arc<str>,
    /// The IP address in it, if there is one.
    pub(crate) ip: Option<IpAddr>,
    /// What limits count on where nobody has a name.
    pub(crate) machine: Arc<str>,
    /// Only local processes reach a Unix socket, and no browser does.
    pub(crate) is_unix: bool,
    /// Whose process it is, where the system knows.
    pub(crate) user: Option<User>,
    /// Who the host has authenticated, or whose key or token it is; `None` for nobody.
    pub(crate) principal: Option<Arc<str>>,
    /// What it may do.
    pub(crate) scopes: Scopes,
    /// The key or token that let it in.
    pub(crate) pass: Option<Arc<Pass>>,
    /// What it has shown in a TLS handshake with us.
    pub(crate) certificate: Option<Arc<ClientCertificate>>,
}

impl Peer {
    /// A peer of which only the address is known.
    pub(crate) fn at(address: Arc<str>, is_unix: bool) -> Peer {
        let scopes = Scopes::default();
        let (user, principal, pass, certificate) = (None, None, None, None);
        // Once for each connection: requests have no time for it.
        let ip = ip_of(&address);
        let machine = machine(&address, ip).into();
        Peer { address, ip, machine, is_unix, user, principal, scopes, pass, certificate }
    }

    /// The same one at another address.
    pub(crate) fn moved_to(self, address: Arc<str>) -> Peer {
        let Peer { address, ip, machine, .. } = Peer::at(address, self.is_unix);
        Peer { address, ip, machine, ..self }
    }

    /// Whom to count what it costs on: the principal, or else the local user or the machine.
    pub(crate) fn account(&self) -> Arc<str> {
        match (&self.principal, self.user) {
            (Some(principal), _) => format!("principal {principal}").into(),
            (None, Some(user)) => format!("uid {}", user.uid).into(),
            (None, None) => self.machine.clone(),
        }
    }

    /// What the issuer of its token says of it, as JSON text.
    pub(crate) fn claims(&self) -> Option<Arc<str>> {
        self.pass.as_ref().and_then(|pass| pass.claims.clone())
    }
}
