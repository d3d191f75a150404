//! TLS: a private CA in place of the system's, and our own certificate for those who ask for one.

use std::sync::Arc;

use headroom_metrics_source::{ClientCertificate, Hidden, PrometheusOptions, testing::promql};
use headroom_policy_engine::MissingCause;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};

use crate::{
    error_of, observe, options,
    server::{FakeServer, Reply},
    source,
};

/// An authority that was made a moment ago.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
struct Issued {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    fn new() -> Self {
        headroom_test_support::install_tls();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap())
    }

    fn issue(&self, name: &str) -> Issued {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = parameters.signed_by(&key, &self.0).unwrap();
        Issued { certificate, key }
    }

    fn pem(&self) -> Vec<u8> {
        self.0.pem().into_bytes()
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }
}

/// A server known as `name`, which asks clients for a certificate of `clients`, if that is given.
fn server(authority: &Authority, name: &str, clients: Option<&Authority>) -> FakeServer {
    let Issued { certificate, key } = authority.issue(name);
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let builder = ServerConfig::builder();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let verifier = WebPkiClientVerifier::builder(Arc::new(clients.roots()))
                .build()
                .unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let config = builder
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    FakeServer::start_tls(config, |_| Reply::value("1"))
}

fn trusting(server: &FakeServer, authority: &Authority) -> PrometheusOptions {
    let mut options = options(&server.url());
    options.ca = Some(authority.pem());
    options
}

async fn assert_refused(options: &PrometheusOptions, words: &str) {
    let error = error_of(&source(options), "vector(1)").await;
    assert_eq!(error.cause(), MissingCause::Unreachable, "{error}");
    let cause = std::error::Error::source(&*error).unwrap().to_string();
    assert!(cause.contains(words), "{cause}");
}

#[tokio::test]
async fn a_private_authority_is_trusted_and_no_other() {
    let ours = Authority::new();
    let server = server(&ours, "127.0.0.1", None);
    observe(&source(&trusting(&server, &ours)), &promql("vector(1)"))
        .await
        .reading
        .unwrap();
    assert_refused(&trusting(&server, &Authority::new()), "certificate").await;
    // The system knows nothing of ours.
    assert_refused(&options(&server.url()), "certificate").await;
    assert_eq!(server.requests().len(), 1);
}

/// Run again as a process of its own, because what the system trusts is that of a process.
#[tokio::test]
async fn a_private_authority_stands_in_place_of_the_system_s() {
    const CHILD: &str = "HEADROOM_TEST_OF_SYSTEM_AUTHORITIES";
    if let Ok(url) = std::env::var(CHILD) {
        let mut options = options(&url);
        observe(&source(&options), &promql("vector(1)"))
            .await
            .reading
            .unwrap();
        options.ca = Some(Authority::new().pem());
        return assert_refused(&options, "certificate").await;
    }
    let system = Authority::new();
    let server = server(&system, "127.0.0.1", None);
    let directory = headroom_test_support::temp_dir();
    let file = directory.path().join("system.pem");
    std::fs::write(&file, system.pem()).unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "tls::a_private_authority_stands_in_place_of_the_system_s",
        ])
        .env("SSL_CERT_FILE", &file)
        .env_remove("SSL_CERT_DIR")
        .env(CHILD, server.url())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn several_authorities_may_stand_in_one_file() {
    let ours = Authority::new();
    let server = server(&ours, "127.0.0.1", None);
    let mut options = options(&server.url());
    options.ca = Some([Authority::new().pem(), ours.pem()].concat());
    observe(&source(&options), &promql("vector(1)"))
        .await
        .reading
        .unwrap();
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let ours = Authority::new();
    let server = server(&ours, "prometheus.example.com", None);
    assert_refused(&trusting(&server, &ours), "not valid for").await;
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn a_server_that_asks_for_our_certificate_gets_it() {
    let ours = Authority::new();
    let clients = Authority::new();
    let server = server(&ours, "127.0.0.1", Some(&clients));
    let Issued { certificate, key } = clients.issue("headroom");
    let mut options = trusting(&server, &ours);
    let error = error_of(&source(&options), "vector(1)").await;
    assert_eq!(error.cause(), MissingCause::Unreachable, "{error}");
    assert_eq!(server.requests().len(), 0);
    // The key may stand apart or beside its certificate.
    let both = format!("{}{}", key.serialize_pem(), certificate.pem());
    let files = [(certificate.pem(), Some(key.serialize_pem())), (both, None)];
    for (certificate, key) in files {
        options.client_certificate = Some(ClientCertificate {
            certificate: Hidden(certificate.into_bytes()),
            key: key.map(|key| Hidden(key.into_bytes())),
        });
        observe(&source(&options), &promql("vector(1)"))
            .await
            .reading
            .unwrap();
    }
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_redirect_from_tls_to_plain_text_is_not_followed() {
    let ours = Authority::new();
    let plain = FakeServer::start(|_| Reply::value("1"));
    let Issued { certificate, key } = ours.issue("localhost");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    // The same host, without TLS.
    let place = format!("http://localhost:{}/api/v1/query?query=x", plain.port());
    let server = FakeServer::start_tls(config, move |_| Reply::redirect(&place));
    let mut options = options(&format!("https://localhost:{}", server.port()));
    options.ca = Some(ours.pem());
    let error = error_of(&source(&options), "vector(1)").await;
    assert_eq!(error.cause(), MissingCause::Rejected { status: 302 });
    assert_eq!(plain.requests().len(), 0);
}
