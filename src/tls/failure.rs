//! Why a handshake came to nothing, in words for the log.

use std::io;

use rustls::{AlertDescription, Error};

/// What the log says of `error`.
pub(super) fn reason(error: &io::Error) -> String {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<Error>());
    match cause {
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the client left in the middle".into()
        }
        None => error.to_string(),
        Some(Error::NoCertificatesPresented) => "the client has shown no certificate".into(),
        Some(Error::InvalidCertificate(problem)) => {
            format!("the certificate of the client was refused: {problem}")
        }
        Some(Error::NoApplicationProtocol) => "the client does not speak http/1.1 (ALPN)".into(),
        Some(Error::AlertReceived(alert)) => said_by_client(*alert),
        Some(Error::PeerIncompatible(problem)) => format!("nothing in common: {problem:?}"),
        Some(Error::InvalidMessage(_) | Error::InappropriateMessage { .. }) => {
            "what came is no TLS handshake".into()
        }
        Some(other) => other.to_string(),
    }
}

/// The client has ended the handshake and says why.
fn said_by_client(alert: AlertDescription) -> String {
    let hint = match alert {
        AlertDescription::UnknownCA
        | AlertDescription::CertificateUnknown
        | AlertDescription::BadCertificate => ": does it trust who has signed our certificate?",
        AlertDescription::CertificateExpired => {
            ": our certificate has expired, or its clock is off"
        }
        _ => "",
    };
    format!("the client says {alert:?}{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_say_what_to_look_at() {
        let check = |error: Error, part: &str| {
            let reason = reason(&io::Error::new(io::ErrorKind::InvalidData, error));
            assert!(reason.contains(part), "{reason}");
        };
        check(Error::AlertReceived(AlertDescription::UnknownCA), "does it trust");
        check(Error::NoCertificatesPresented, "no certificate");
        check(Error::NoApplicationProtocol, "http/1.1");
        let cut = reason(&io::ErrorKind::UnexpectedEof.into());
        assert_eq!(cut, "the client left in the middle");
        assert_eq!(reason(&io::Error::other("broken")), "broken");
    }
}
