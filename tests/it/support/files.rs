//! Temporary files that tests write and the gateway reads.

use super::{Authority, Identity};

pub(crate) struct Files(tempfile::TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    /// The absolute path of a file.
    pub(crate) fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).expect("a writable file");
        self.path(name)
    }

    pub(crate) fn remove(&self, name: &str) {
        std::fs::remove_file(self.path(name)).expect("a file");
    }

    /// Writes `server.pem` and `server.key`, and returns the settings that name them.
    pub(crate) fn server(&self, identity: &Identity) -> [(&'static str, String); 2] {
        [
            ("SERVER__TLS__CERT_FILE", self.write("server.pem", &identity.certificate)),
            ("SERVER__TLS__KEY_FILE", self.write("server.key", &identity.key)),
        ]
    }

    /// Writes `client.pem` and `client.key`, and returns the settings that name them.
    pub(crate) fn client(&self, identity: &Identity) -> [(&'static str, String); 2] {
        [
            ("UPSTREAMS__DEFAULT__CLIENT_CERT_FILE", self.write("client.pem", &identity.certificate)),
            ("UPSTREAMS__DEFAULT__CLIENT_KEY_FILE", self.write("client.key", &identity.key)),
        ]
    }

    /// Writes `ca.pem` and returns the setting that names it.
    pub(crate) fn authority(&self, authority: &Authority) -> (&'static str, String) {
        ("UPSTREAMS__DEFAULT__CA_FILE", self.write("ca.pem", &authority.pem()))
    }
}
