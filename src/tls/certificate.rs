//! What is read out of a certificate: its time, and whose it is.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, UnixTime};
use sha2::{Digest as _, Sha256};
use webpki::{EndEntityCert, Error, KeyUsage};

/// Characters of the longest name that is taken out of a certificate.
const NAME_MAX: usize = 256;

/// The time in which a certificate counts, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) not_before: u64,
    pub(super) not_after: u64,
}

impl Validity {
    /// `None` for what is no certificate.
    ///
    /// The library tells these times to whoever asks at a wrong one, and looks at them first.
    pub(super) fn of(der: &CertificateDer<'_>) -> Option<Validity> {
        let certificate = EndEntityCert::try_from(der).ok()?;
        let ask = |secs| {
            let time = UnixTime::since_unix_epoch(Duration::from_secs(secs));
            let usage = KeyUsage::server_auth();
            certificate.verify_for_usage(&[], &[], &[], time, usage, None, None).err()
        };
        let not_after = match ask(u64::MAX) {
            Some(Error::CertExpired { not_after, .. }) => not_after.as_secs(),
            _ => return None,
        };
        let not_before = match ask(0) {
            Some(Error::CertNotValidYet { not_before, .. }) => not_before.as_secs(),
            // In force since 1970.
            _ => 0,
        };
        Some(Validity { not_before, not_after })
    }
}

/// What a client is called that holds `der`: `cert:` with the first URI in the certificate, such as
/// a SPIFFE id, else its first DNS name, else its SHA-256 fingerprint.
///
/// The common name does not count: RFC 9525 section 2 has done away with it, and anybody may have
/// written it.
pub(super) fn principal(der: &CertificateDer<'_>) -> Arc<str> {
    let certificate = EndEntityCert::try_from(der).ok();
    let name = certificate.as_ref().and_then(|certificate| {
        // A scheme and an authority, so that no URI looks like a fingerprint.
        let uri = certificate.valid_uri_names().find(|uri| uri.contains("://") && is_plain(uri));
        uri.or_else(|| certificate.valid_dns_names().find(|name| is_plain(name)))
    });
    match name {
        Some(name) => format!("cert:{name}").into(),
        None => format!("cert:sha256:{}", fingerprint(der)).into(),
    }
}

/// Tells whether a log line may show it.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_MAX && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// As `openssl x509 -fingerprint -sha256` says it, in small letters and without colons.
fn fingerprint(der: &[u8]) -> String {
    Sha256::digest(der).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, SanType};

    fn certificate(names: Vec<SanType>, days: (i32, i32)) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        params.not_before = rcgen::date_time_ymd(days.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(days.1, 1, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn the_times_are_those_of_the_certificate() {
        let validity = Validity::of(&certificate(vec![], (2001, 2002)));
        let expected = Validity { not_before: 978_307_200, not_after: 1_009_843_200 };
        assert_eq!(validity, Some(expected));
        let for_ever = Validity::of(&certificate(vec![], (1970, 9999))).unwrap();
        assert_eq!((for_ever.not_before, for_ever.not_after), (0, 253_370_764_800));
        assert_eq!(Validity::of(&CertificateDer::from(b"nonsense".to_vec())), None);
    }

    #[test]
    fn a_client_is_called_by_its_first_good_name() {
        let dns = |name: &str| SanType::DnsName(name.try_into().unwrap());
        let uri = |name: &str| SanType::URI(name.try_into().unwrap());
        let check = |names: Vec<SanType>, expected: &str| {
            assert_eq!(&*principal(&certificate(names, (2001, 2002))), expected);
        };
        check(vec![dns("a.example"), dns("b.example")], "cert:a.example");
        check(vec![dns("a.example"), uri("spiffe://b/c")], "cert:spiffe://b/c");
        check(vec![uri("sha256:00"), uri("a://b\nc"), dns("a.example")], "cert:a.example");
        check(vec![uri(&format!("a://{}", "x".repeat(300))), uri("b://c")], "cert:b://c");
        let nameless = certificate(vec![], (2001, 2002));
        let fingerprint = fingerprint(&nameless);
        assert_eq!(fingerprint.len(), 64);
        assert_eq!(&*principal(&nameless), format!("cert:sha256:{fingerprint}"));
    }
}
