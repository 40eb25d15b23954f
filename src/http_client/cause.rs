//! Why there is no connection: a closed set of causes, each with what to do about it.

use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;

use rustls::{AlertDescription, CertificateError, Error as TlsError, InvalidMessage, PeerIncompatible};

/// Why a connection could not be made. Its label is a value of the metric `upstream_connect_failures_total` and of the log key
/// `cause`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The name has no address, or the resolver does not answer.
    Dns,
    Refused,
    Timeout,
    Unreachable,
    Reset,
    /// The configured source address cannot be used.
    LocalAddress,
    TlsTimeout,
    TlsVersion,
    TlsHandshake,
    /// The server does not speak TLS on this port.
    NotTls,
    CertificateExpired,
    CertificateNotYetValid,
    CertificateName,
    CertificateIssuer,
    /// The server presents a CA certificate as its own.
    CertificateIsCa,
    Certificate,
    /// The server wants a client certificate, or another one.
    ClientCertificate,
    ProxyUnreachable,
    ProxyAuthentication,
    ProxyRefused,
    ProxyFailed,
    /// The gateway has no file descriptor left.
    NoDescriptors,
    /// The gateway has no memory or socket buffer left.
    NoMemory,
    /// The gateway has no local port left.
    NoPorts,
    Other,
}

/// Linux's `EMFILE`, `ENFILE` and `ENOBUFS`, which have no [`io::ErrorKind`].
const PROCESS_DESCRIPTORS: i32 = 24;
const SYSTEM_DESCRIPTORS: i32 = 23;
const NO_BUFFERS: i32 = 105;

impl Cause {
    /// Its name in the log and in metrics.
    pub(crate) const fn label(self) -> &'static str {
        self.describe().0
    }

    /// What is wrong and what to do, for the log.
    pub(crate) const fn advice(self) -> &'static str {
        self.describe().1
    }

    const fn describe(self) -> (&'static str, &'static str) {
        match self {
            Self::Dns => ("dns", "its host name cannot be resolved: check the host name in the configuration, and DNS"),
            Self::Refused => ("refused", "nothing listens on its port: check host and port, and whether it runs"),
            Self::Timeout => ("timeout", "its address does not answer in connect_timeout: check its firewall and the route"),
            Self::Unreachable => ("unreachable", "there is no route to its address: check the network of the gateway"),
            Self::Reset => ("reset", "it closes new connections: check its limits and what stands before it"),
            Self::LocalAddress => ("local_address", "local_address is no address of this machine, or of the wrong family"),
            Self::TlsTimeout => {
                ("tls_timeout", "it accepts connections and does not complete the TLS handshake: check its load")
            }
            Self::TlsVersion => ("tls_version", "it has no TLS version in common: it needs TLS 1.2 or min_tls_version"),
            Self::TlsHandshake => ("tls_handshake", "it breaks the TLS handshake off: check its TLS settings and log"),
            Self::NotTls => ("not_tls", "it does not speak TLS on this port: check the port, or whether the URL must be http"),
            Self::CertificateExpired => ("certificate_expired", "its certificate has expired: renew it there"),
            Self::CertificateNotYetValid => {
                ("certificate_not_yet_valid", "its certificate is not valid yet: check the clocks of both machines")
            }
            Self::CertificateName => {
                ("certificate_name", "its certificate is for another name: use the certificate's name in the URL")
            }
            Self::CertificateIssuer => {
                ("certificate_issuer", "the issuer of its certificate is not trusted: put the issuer's certificate in ca_file")
            }
            Self::CertificateIsCa => (
                "certificate_is_ca",
                "its certificate is a CA certificate (CA:TRUE), which is not accepted as that of a server: issue one with \
                 CA:FALSE",
            ),
            Self::Certificate => ("certificate", "its certificate cannot be used: check it there"),
            Self::ClientCertificate => (
                "client_certificate",
                "it wants a client certificate, or another one: check client_cert_file and client_key_file",
            ),
            Self::ProxyUnreachable => ("proxy_unreachable", "the proxy cannot be reached: check the key proxy"),
            Self::ProxyAuthentication => {
                ("proxy_authentication", "the proxy wants credentials (407), which are not supported: allow the gateway there")
            }
            Self::ProxyRefused => ("proxy_refused", "the proxy refuses a tunnel to it: allow its host and port there"),
            Self::ProxyFailed => ("proxy_failed", "the proxy opens no tunnel to it: check the proxy"),
            Self::NoDescriptors => ("no_descriptors", "the gateway has no file descriptor left: raise its limit (nofile)"),
            Self::NoMemory => ("no_memory", "the gateway has no memory left for a connection: raise its limit"),
            Self::NoPorts => ("no_ports", "the gateway has no local port left: widen net.ipv4.ip_local_port_range"),
            Self::Other => ("other", "see the error"),
        }
    }

    /// Whether the gateway itself lacks what a connection needs, so that it says nothing about the server.
    pub(crate) const fn is_own(self) -> bool {
        matches!(self, Self::NoDescriptors | Self::NoMemory | Self::NoPorts)
    }

    /// The cause of an error of the operating system.
    pub(super) fn of_io(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(PROCESS_DESCRIPTORS | SYSTEM_DESCRIPTORS) => return Self::NoDescriptors,
            Some(NO_BUFFERS) => return Self::NoMemory,
            _ => {}
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => Self::Reset,
            io::ErrorKind::TimedOut => Self::Timeout,
            io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::PermissionDenied => Self::Unreachable,
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse => Self::NoPorts,
            io::ErrorKind::OutOfMemory => Self::NoMemory,
            _ => Self::Other,
        }
    }

    /// The cause of a TLS handshake that failed.
    pub(super) fn of_handshake(error: &io::Error) -> Self {
        match tls_error(error) {
            Some(error) => Self::of_tls(error),
            None if error.kind() == io::ErrorKind::UnexpectedEof => Self::TlsHandshake,
            None => Self::of_io(error),
        }
    }

    /// The cause of an error of a library that connects, opens the proxy's tunnel and completes the TLS handshake in one step.
    pub(super) fn of_connect(error: &reqwest::Error) -> Self {
        if let Some(error) = tls_error(error) {
            return Self::of_tls(error);
        }
        if let Some(cause) = causes(error).find_map(|error| Self::of_tunnel(&error.to_string())) {
            return cause;
        }
        match causes(error).filter_map(|error| error.downcast_ref::<io::Error>()).last() {
            Some(error) if error.kind() == io::ErrorKind::UnexpectedEof => Self::TlsHandshake,
            Some(error) => Self::of_io(error),
            None if error.is_timeout() => Self::Timeout,
            None => Self::Other,
        }
    }

    /// The cause of an error of hyper-util's tunnels. Their type is not public; the texts are those of its variants, and a
    /// test compares them.
    fn of_tunnel(text: &str) -> Option<Self> {
        match text.strip_prefix("tunnel error: ")? {
            "failed to create underlying connection" => None,
            "proxy authorization required" => Some(Self::ProxyAuthentication),
            "unsuccessful" => Some(Self::ProxyRefused),
            _ => Some(Self::ProxyFailed),
        }
    }

    fn of_tls(error: &TlsError) -> Self {
        match error {
            TlsError::InvalidCertificate(error) => Self::of_certificate(error),
            TlsError::NoCertificatesPresented => Self::Certificate,
            TlsError::AlertReceived(AlertDescription::ProtocolVersion)
            | TlsError::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
                | PeerIncompatible::Tls12NotOffered
                | PeerIncompatible::Tls12NotOfferedOrEnabled,
            ) => Self::TlsVersion,
            TlsError::AlertReceived(alert) if is_certificate_alert(*alert) => Self::ClientCertificate,
            TlsError::InvalidMessage(InvalidMessage::InvalidContentType) => Self::NotTls,
            _ => Self::TlsHandshake,
        }
    }

    pub(super) fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::CertificateExpired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::CertificateNotYetValid,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Self::CertificateName,
            // The latter when ca_file has another certificate of the issuer's name.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::CertificateIssuer,
            error if crate::tls::is_ca_as_server(error) => Self::CertificateIsCa,
            _ => Self::Certificate,
        }
    }
}

/// A connection that could not be made. Nothing was sent to the server.
#[derive(Debug, thiserror::Error)]
#[error("no connection could be made ({}): {}", .cause.label(), .cause.advice())]
pub(crate) struct ConnectError {
    pub(crate) cause: Cause,
    /// The address that failed, if one was known.
    pub(crate) address: Option<SocketAddr>,
    pub(crate) source: io::Error,
}

impl ConnectError {
    pub(super) const fn new(cause: Cause, address: Option<SocketAddr>, source: io::Error) -> Self {
        Self { cause, address, source }
    }

    /// Keeps the error that says most of those of a server's addresses.
    pub(super) fn keep(self, kept: &mut Option<Self>) {
        if kept.as_ref().is_none_or(|kept| self.precedence() < kept.precedence()) {
            *kept = Some(self);
        }
    }

    /// What the gateway itself lacks says most, and silence least.
    const fn precedence(&self) -> u8 {
        match self.cause {
            cause if cause.is_own() => 0,
            Cause::Timeout | Cause::TlsTimeout | Cause::Unreachable => 2,
            _ => 1,
        }
    }
}

/// Whether a TLS server has rejected the gateway's client certificate, or that there is none. With TLS 1.3 it does so after the
/// handshake, which the client completes before the server has verified the certificate, and with an alert instead of reading
/// the request. The alert is authenticated like everything in the connection, so it proves that the request was not processed.
pub(super) fn rejects_client_certificate(error: &(dyn StdError + 'static)) -> bool {
    matches!(tls_error(error), Some(TlsError::AlertReceived(alert)) if is_certificate_alert(*alert))
}

fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a TlsError> {
    find(error)
}

/// The first error of this type among an error and what caused it.
pub(super) fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    causes(error).find_map(|error| error.downcast_ref())
}

/// An error and what caused it.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| source(error))
}

/// Like `source`, but also enters I/O errors: the `source` of an I/O error skips the error that it wraps.
fn source<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
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
    fn io_error(error: TlsError) -> io::Error {
        io::Error::other(io::Error::new(io::ErrorKind::InvalidData, error))
    }

    #[test]
    fn rejected_certificate_is_found_in_nested_errors() {
        for alert in [AlertDescription::CertificateRequired, AlertDescription::UnknownCA] {
            assert!(rejects_client_certificate(&io_error(TlsError::AlertReceived(alert))));
        }
    }

    #[test]
    fn other_connection_errors_are_not_certificate_rejections() {
        for error in [
            TlsError::AlertReceived(AlertDescription::InternalError),
            TlsError::AlertReceived(AlertDescription::CloseNotify),
            TlsError::DecryptError,
            TlsError::NoCertificatesPresented,
        ] {
            assert!(!rejects_client_certificate(&io_error(error)));
        }
        assert!(!rejects_client_certificate(&io::Error::from(io::ErrorKind::ConnectionReset)));
    }

    /// The causes that a test cannot produce without exhausting the machine, or without a network beyond it.
    #[test]
    fn errors_of_the_operating_system_are_classified() {
        for (number, cause) in [
            (24, Cause::NoDescriptors),
            (23, Cause::NoDescriptors),
            (12, Cause::NoMemory),
            (105, Cause::NoMemory),
            (99, Cause::NoPorts),
            (98, Cause::NoPorts),
            (101, Cause::Unreachable),
            (113, Cause::Unreachable),
            (100, Cause::Unreachable),
            (1, Cause::Unreachable),
            (13, Cause::Unreachable),
            (104, Cause::Reset),
            (110, Cause::Timeout),
            (111, Cause::Refused),
            (22, Cause::Other),
        ] {
            let error = io::Error::from_raw_os_error(number);
            assert_eq!(Cause::of_io(&error), cause, "{error}");
            assert_eq!(cause.is_own(), matches!(cause.label(), "no_descriptors" | "no_memory" | "no_ports"));
        }
    }
}
