//! Public keys and what they sign. The only file that knows the cryptographic library.

use super::algorithm::Algorithm;

/// The public key of an authorization server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PublicKey {
    /// Modulus and exponent, big-endian and without leading zeroes.
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// A point, uncompressed.
    P256(Vec<u8>),
    /// A point, uncompressed.
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl PublicKey {
    /// Tells whether the key is one for `algorithm`.
    pub(super) fn suits(&self, algorithm: Algorithm) -> bool {
        match algorithm {
            Algorithm::Rs256
            | Algorithm::Rs384
            | Algorithm::Rs512
            | Algorithm::Ps256
            | Algorithm::Ps384
            | Algorithm::Ps512 => matches!(self, PublicKey::Rsa { .. }),
            Algorithm::Es256 => matches!(self, PublicKey::P256(_)),
            Algorithm::Es384 => matches!(self, PublicKey::P384(_)),
            Algorithm::EdDsa => matches!(self, PublicKey::Ed25519(_)),
        }
    }

    /// Tells whether `signature` is the key's on `message`. False for an algorithm that it does not
    /// suit, and always where emcp was built without the feature `jwt`.
    #[cfg(feature = "jwt")]
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        use ring::signature::*;

        let rsa: &RsaParameters = match algorithm {
            Algorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
            Algorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
            Algorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
            Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
            Algorithm::Ps384 => &RSA_PSS_2048_8192_SHA384,
            Algorithm::Ps512 => &RSA_PSS_2048_8192_SHA512,
            // Both halves at their full length, one behind the other (RFC 7518 section 3.4).
            Algorithm::Es256 => {
                return self.verifies_as(&ECDSA_P256_SHA256_FIXED, message, signature);
            }
            Algorithm::Es384 => {
                return self.verifies_as(&ECDSA_P384_SHA384_FIXED, message, signature);
            }
            Algorithm::EdDsa => return self.verifies_as(&ED25519, message, signature),
        };
        let PublicKey::Rsa { n, e } = self else { return false };
        RsaPublicKeyComponents { n, e }.verify(rsa, message, signature).is_ok()
    }

    #[cfg(not(feature = "jwt"))]
    pub(super) fn verifies(&self, _: Algorithm, _: &[u8], _: &[u8]) -> bool {
        false
    }

    #[cfg(feature = "jwt")]
    fn verifies_as(
        &self,
        algorithm: &'static dyn ring::signature::VerificationAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let (PublicKey::P256(key) | PublicKey::P384(key) | PublicKey::Ed25519(key)) = self else {
            return false;
        };
        let key = ring::signature::UnparsedPublicKey::new(algorithm, key);
        key.verify(message, signature).is_ok()
    }
}
