//! Classifies errors: was the request certainly not received?
//!
//! With TLS 1.3 the client completes its handshake and sends the request before the server has verified the client certificate.
//! A server that rejects the certificate answers with an alert and never reads the request. The alert is authenticated like
//! everything in the connection, so it proves that the request was not processed.

use std::error::Error as StdError;
use std::io;

use hyper_util::client::legacy::Error;
use rustls::AlertDescription;

/// Whether the server has certainly not received the request: there was no connection, or the server rejected the gateway's
/// client certificate.
pub(crate) fn is_unsent(error: &Error) -> bool {
    error.is_connect() || rejects_certificate(error)
}

fn rejects_certificate(error: &(dyn StdError + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| cause(error))
        .any(|error| matches!(error.downcast_ref(), Some(rustls::Error::AlertReceived(alert)) if is_certificate_alert(*alert)))
}

/// Like `source`, but also enters I/O errors: the `source` of an I/O error skips the error that it wraps.
fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

/// The alerts that reject the client's certificate, its issuer or its signature. RFC 8446 (section 6.2) uses them for nothing
/// that comes after a handshake.
const fn is_certificate_alert(alert: AlertDescription) -> bool {
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

    /// The error as it comes from nested streams.
    fn io_error(error: rustls::Error) -> io::Error {
        io::Error::other(io::Error::new(io::ErrorKind::InvalidData, error))
    }

    #[test]
    fn rejected_certificate_is_found_in_nested_errors() {
        assert!(rejects_certificate(&io_error(rustls::Error::AlertReceived(AlertDescription::CertificateRequired))));
        assert!(rejects_certificate(&io_error(rustls::Error::AlertReceived(AlertDescription::UnknownCA))));
    }

    #[test]
    fn other_connection_errors_are_not_certificate_rejections() {
        for error in [
            rustls::Error::AlertReceived(AlertDescription::InternalError),
            rustls::Error::AlertReceived(AlertDescription::CloseNotify),
            rustls::Error::DecryptError,
            rustls::Error::NoCertificatesPresented,
        ] {
            assert!(!rejects_certificate(&io_error(error)));
        }
        assert!(!rejects_certificate(&io::Error::from(io::ErrorKind::ConnectionReset)));
    }
}
