//! What an error tells about whether the request was sent.
//!
//! With TLS 1.3 a client has finished its handshake before the server has looked at its certificate, and sends its request
//! at once. A server that does not accept the certificate says so in the first words that come back; it has not read the
//! request then, and never will. That alert is authentic, as everything in the connection is.

use std::error::Error as StdError;
use std::io;

use hyper_util::client::legacy::Error;
use rustls::AlertDescription;

/// Whether the server has certainly not got the request: there was no connection, or the server refused the gateway's
/// certificate.
pub(crate) fn is_unsent(error: &Error) -> bool {
    error.is_connect() || refuses_certificate(error)
}

fn refuses_certificate(error: &(dyn StdError + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| cause(error)).any(
        |error| matches!(error.downcast_ref(), Some(rustls::Error::AlertReceived(alert)) if is_about_a_certificate(*alert)),
    )
}

/// What is inside an I/O error counts as its cause here; for its own `source` it is the error itself.
fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

/// The alerts by which a server ends a handshake because of the client's certificate, its issuer or its signature. RFC 8446
/// (section 6.2) has them for nothing that comes after a handshake.
const fn is_about_a_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateRequired
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(error: rustls::Error) -> io::Error {
        // As it comes from a stream that was wrapped more than once.
        io::Error::other(io::Error::new(io::ErrorKind::InvalidData, error))
    }

    #[test]
    fn a_refused_certificate_is_found_however_deep_it_lies() {
        assert!(refuses_certificate(&told(rustls::Error::AlertReceived(AlertDescription::CertificateRequired))));
        assert!(refuses_certificate(&told(rustls::Error::AlertReceived(AlertDescription::UnknownCA))));
    }

    #[test]
    fn nothing_else_that_ends_a_connection_is_taken_for_it() {
        for error in [
            rustls::Error::AlertReceived(AlertDescription::InternalError),
            rustls::Error::AlertReceived(AlertDescription::CloseNotify),
            rustls::Error::DecryptError,
            rustls::Error::NoCertificatesPresented,
        ] {
            assert!(!refuses_certificate(&told(error)));
        }
        assert!(!refuses_certificate(&io::Error::from(io::ErrorKind::ConnectionReset)));
    }
}
