//! The algorithms that a token may be signed with (RFC 7518 section 3.1, RFC 8037, RFC 9864).

/// One of them. There is no `none` and no HMAC: those who check a token must not be able to make
/// one, and the keys of an authorization server are public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

/// By the names that headers and JWKS have for them. `EdDSA` is taken for its one curve here.
const NAMES: [(&str, Algorithm); 10] = [
    ("RS256", Algorithm::Rs256),
    ("RS384", Algorithm::Rs384),
    ("RS512", Algorithm::Rs512),
    ("PS256", Algorithm::Ps256),
    ("PS384", Algorithm::Ps384),
    ("PS512", Algorithm::Ps512),
    ("ES256", Algorithm::Es256),
    ("ES384", Algorithm::Es384),
    ("EdDSA", Algorithm::EdDsa),
    ("Ed25519", Algorithm::EdDsa),
];

impl Algorithm {
    /// What authorization servers use; the rest must be asked for.
    pub(super) const DEFAULT: [Algorithm; 5] =
        [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa];

    pub(super) fn parse(name: &str) -> Option<Algorithm> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_exact() {
        assert_eq!(Algorithm::parse("RS256"), Some(Algorithm::Rs256));
        assert_eq!(Algorithm::parse("Ed25519"), Algorithm::parse("EdDSA"));
        for wrong in ["none", "None", "", "HS256", "rs256", "ES256K", "RS256 ", "RSA-OAEP"] {
            assert_eq!(Algorithm::parse(wrong), None, "{wrong}");
        }
    }
}
