//! The cluster's certificates and keys, made anew for each.

use std::{fs, path::Path};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair};

/// A certificate and its key, as PEM.
#[derive(Clone, Debug)]
pub(super) struct Issued {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// One authority for servers and clients, the servers' certificate, and the key that signs tokens.
#[derive(Debug)]
pub(super) struct Credentials {
    authority: CertifiedIssuer<'static, KeyPair>,
    server: Issued,
    proxy: Issued,
    tokens: KeyPair,
}

impl Credentials {
    pub(super) fn new() -> Self {
        let mut parameters = parameters(Vec::new());
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name = name("headroom-test-authority", None);
        let authority = must(CertifiedIssuer::self_signed(parameters, key()));
        // The addresses that clients of the API server use, and the name by which it calls metrics-server.
        let names = [
            "localhost",
            "127.0.0.1",
            "10.0.0.1",
            "kubernetes.default.svc",
            "metrics-server.kube-system.svc",
        ];
        let names = names.map(str::to_owned).to_vec();
        let server = issue(&authority, name("headroom-test-server", None), names);
        let proxy = issue(&authority, name("front-proxy-client", None), Vec::new());
        Self {
            authority,
            server,
            proxy,
            tokens: key(),
        }
    }

    /// The authority's certificate, as PEM.
    pub(super) fn authority(&self) -> String {
        self.authority.pem()
    }

    /// A certificate for a client that is known as `user`, a member of `group`.
    pub(super) fn client(&self, user: &str, group: Option<&str>) -> Issued {
        issue(&self.authority, name(user, group), Vec::new())
    }

    /// Writes what the servers read into `folder`.
    pub(super) fn write(&self, folder: &Path) {
        let files = [
            ("ca.crt", self.authority.pem()),
            ("proxy.crt", self.proxy.certificate.clone()),
            ("proxy.key", self.proxy.key.clone()),
            ("tokens.pub", self.tokens.public_key_pem()),
            ("tokens.key", self.tokens.serialize_pem()),
        ];
        for (name, content) in files {
            write(&folder.join(name), &content);
        }
        self.write_server(folder);
    }

    /// Writes the servers' certificate and its key into `folder`.
    pub(super) fn write_server(&self, folder: &Path) {
        write(&folder.join("server.crt"), &self.server.certificate);
        write(&folder.join("server.key"), &self.server.key);
    }
}

/// Writes a file that a server reads.
#[expect(clippy::panic, reason = "without its files a server does not start")]
pub(super) fn write(path: &Path, content: &str) {
    fs::write(path, content)
        .unwrap_or_else(|error| panic!("{} could not be written: {error}", path.display()));
}

fn issue(
    authority: &CertifiedIssuer<'static, KeyPair>,
    subject: DistinguishedName,
    names: Vec<String>,
) -> Issued {
    let key = key();
    let mut parameters = parameters(names);
    parameters.distinguished_name = subject;
    Issued {
        certificate: must(parameters.signed_by(&key, authority)).pem(),
        key: key.serialize_pem(),
    }
}

/// Kubernetes takes the common name for the user, and the organization for the group.
fn name(user: &str, group: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, user);
    if let Some(group) = group {
        name.push(DnType::OrganizationName, group);
    }
    name
}

fn parameters(names: Vec<String>) -> CertificateParams {
    must(CertificateParams::new(names))
}

fn key() -> KeyPair {
    must(KeyPair::generate())
}

#[expect(clippy::expect_used, reason = "keys and names of our own making are valid")]
fn must<T>(result: Result<T, rcgen::Error>) -> T {
    result.expect("a certificate")
}
