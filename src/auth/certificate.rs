//! What a certificate says of the client that has proved to hold it.

use std::sync::Arc;

use super::scopes::Scopes;
use crate::peer::Peer;

/// A certificate of a client that TLS has verified.
pub(crate) struct ClientCertificate {
    /// Who holds it.
    pub(crate) principal: Arc<str>,
    /// What its holder may do without a key; `None`: a key is needed all the same.
    pub(crate) instead_of_key: Option<Scopes>,
}

/// `peer` by the name of its certificate, if it has one.
pub(super) fn named(peer: &Peer, scopes: Scopes) -> Peer {
    let principal = peer.certificate.as_ref().map(|certificate| certificate.principal.clone());
    Peer { principal, scopes, ..peer.clone() }
}

/// What a peer may do whose certificate stands in the place of a key.
pub(super) fn scopes_without_key(peer: &Peer) -> Option<Scopes> {
    peer.certificate.as_ref()?.instead_of_key.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_names_its_holder_and_nothing_else_does() {
        let mut peer = Peer::at("1.2.3.4:5".into(), false);
        assert!(named(&peer, Scopes::default()).principal.is_none());
        assert!(scopes_without_key(&peer).is_none());
        let principal = Arc::<str>::from("cert:agent");
        let instead_of_key = Some(Scopes::none());
        peer.certificate = Some(Arc::new(ClientCertificate { principal, instead_of_key }));
        assert_eq!(named(&peer, Scopes::none()).principal.as_deref(), Some("cert:agent"));
        assert_eq!(scopes_without_key(&peer), Some(Scopes::none()));
    }
}
