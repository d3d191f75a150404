//! Who asks, where redirects lead, and that no secret shows.

use headroom_metrics_source::{
    Hidden, ObserveError, PrometheusCredentials, PrometheusOptions, PrometheusSetupError, PrometheusSource,
    testing::promql,
};
use headroom_policy_engine::{MissingCause, Timestamp};
use headroom_test_support::ClosedPort;
use serde_json::json;

use crate::{
    at, error_of, observe, options,
    server::{FakeServer, Reply, Request},
    source,
};

const SECRET: &str = "hunter2";

fn bearer() -> PrometheusCredentials {
    PrometheusCredentials::Bearer(Hidden(SECRET.to_owned()))
}

fn add_header(options: &mut PrometheusOptions, name: &str, value: &str) {
    options.headers.insert(name.to_owned(), Hidden(value.to_owned()));
}

/// The one request that a query with these options makes.
async fn request_with(change: impl FnOnce(&mut PrometheusOptions)) -> Request {
    let server = FakeServer::start(|_| Reply::value("1"));
    let mut options = options(&server.url());
    change(&mut options);
    observe(&source(&options), &promql("vector(1)"))
        .await
        .reading
        .unwrap();
    server.requests().pop().unwrap()
}

#[tokio::test]
async fn credentials_and_headers_arrive() {
    let request = request_with(|_| {}).await;
    assert_eq!(request.header("authorization"), None);
    assert!(request.header("user-agent").unwrap().starts_with("headroom/"));
    let request = request_with(|options| {
        options.credentials = bearer();
        options
            .headers
            .insert("X-Scope-OrgID".to_owned(), Hidden("shop".to_owned()));
    })
    .await;
    assert_eq!(request.header("authorization"), Some("Bearer hunter2"));
    assert_eq!(request.header("x-scope-orgid"), Some("shop"));
    let request = request_with(|options| {
        options.credentials = PrometheusCredentials::Basic {
            username: "ops".to_owned(),
            password: Hidden(SECRET.to_owned()),
        };
    })
    .await;
    assert_eq!(request.header("authorization"), Some("Basic b3BzOmh1bnRlcjI="));
}

#[tokio::test]
async fn a_user_in_the_url_is_sent_and_not_shown() {
    let request = request_with(|options| options.url = options.url.replace("//", "//ops:hunter2@")).await;
    assert_eq!(request.header("authorization"), Some("Basic b3BzOmh1bnRlcjI="));
}

#[tokio::test]
async fn a_path_in_the_url_is_kept() {
    for path in ["/prom", "/prom/"] {
        let request = request_with(|options| options.url.push_str(path)).await;
        assert_eq!(request.path, "/prom/api/v1/query");
    }
}

#[tokio::test]
async fn a_redirect_to_another_server_is_not_followed() {
    let other = FakeServer::start(|_| Reply::value("1"));
    let place = other.url();
    let server = FakeServer::start(move |_| Reply::redirect(&place));
    let mut options = options(&server.url());
    options.credentials = bearer();
    let error = error_of(&source(&options), "vector(1)").await;
    assert_eq!(error.cause(), MissingCause::Rejected { status: 302 });
    assert!(error.to_string().contains("127.0.0.1"), "{error}");
    assert_eq!(other.requests().len(), 0);
}

#[tokio::test]
async fn a_redirect_on_the_same_server_is_followed_a_few_times() {
    let server = FakeServer::start(|request| match request.path.as_str() {
        "/api/v1/query" if request.query() == "vector(1)" => Reply::redirect("/elsewhere?query=x"),
        "/elsewhere" => Reply::value("5"),
        _ => Reply::redirect("/api/v1/query?query=round"),
    });
    let source = at(&server);
    assert_eq!(
        observe(&source, &promql("vector(1)"))
            .await
            .reading
            .unwrap()
            .value,
        5.0
    );
    let error = error_of(&source, "vector(2)").await;
    assert_eq!(error.cause(), MissingCause::Rejected { status: 302 });
}

#[tokio::test]
async fn no_secret_is_shown_whatever_fails() {
    let closed = ClosedPort::new();
    let url = format!("http://ops:{SECRET}@127.0.0.1:{}", closed.port());
    let source = source(&options(&url));
    let error = error_of(&source, "vector(1)").await;
    let mut shown = vec![format!("{source:?}"), format!("{error:?}"), error.to_string()];
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&*error);
    while let Some(error) = cause {
        shown.push(error.to_string());
        cause = error.source();
    }
    for text in shown {
        assert!(!text.contains(SECRET), "{text}");
    }
}

#[test]
fn options_that_cannot_be_used_are_refused_without_showing_secrets() {
    type Change = fn(&mut PrometheusOptions);
    headroom_test_support::install_tls();
    let cases: [(Change, PrometheusSetupError); 8] = [
        (
            |it| add_header(it, "a b", SECRET),
            PrometheusSetupError::Header {
                name: "a b".to_owned(),
            },
        ),
        (
            |it| add_header(it, "x-token", "hunter2\n"),
            PrometheusSetupError::Header {
                name: "x-token".to_owned(),
            },
        ),
        (
            |it| it.credentials = PrometheusCredentials::Bearer(Hidden("hunter2\n".to_owned())),
            PrometheusSetupError::Credentials,
        ),
        (
            |it| {
                it.url = "http://ops:hunter2@localhost".to_owned();
                it.credentials = bearer();
            },
            PrometheusSetupError::CredentialsTwice,
        ),
        (|it| it.ca = Some(b"hunter2".to_vec()), PrometheusSetupError::Ca),
        (
            |it| {
                it.client_certificate = Some(headroom_metrics_source::ClientCertificate {
                    certificate: Hidden(b"-----BEGIN hunter2".to_vec()),
                    key: None,
                });
            },
            PrometheusSetupError::ClientCertificate,
        ),
        (
            |it| it.max_concurrent = 0,
            PrometheusSetupError::Zero {
                what: "the number of queries at once",
            },
        ),
        (
            |it| it.timeout = std::time::Duration::ZERO,
            PrometheusSetupError::Zero { what: "the timeout" },
        ),
    ];
    for (change, expected) in cases {
        let mut options = options("http://localhost:9090");
        change(&mut options);
        let error = PrometheusSource::new(&options).expect_err("it cannot be used");
        assert_eq!(error, expected);
        assert!(!format!("{error} {error:?}").contains(SECRET), "{error:?}");
    }
}

#[tokio::test]
async fn a_probe_tells_what_answers() {
    let server = FakeServer::start(|request| match request.path.as_str() {
        "/api/v1/status/buildinfo" => Reply::json(
            200,
            &json!({"status": "success", "data": {"version": "3.5.0", "revision": "x"}}),
        ),
        _ => Reply::value("1"),
    });
    let info = at(&server).probe().await.unwrap();
    assert_eq!(info.version.as_deref(), Some("3.5.0"));
    assert_eq!(info.time, Timestamp::from_unix_millis(1_700_000_000_250));
    // Not all tell what they are.
    let server = FakeServer::start(|request| match request.path.as_str() {
        "/api/v1/query" => Reply::value("1"),
        _ => Reply::json(200, &json!({"status": "success", "data": {"version": ""}})),
    });
    assert_eq!(at(&server).probe().await.unwrap().version, None);
    let server = FakeServer::start(|request| match request.path.as_str() {
        "/api/v1/query" => Reply::value("1"),
        _ => Reply::text(404, "text/plain", "not found"),
    });
    assert_eq!(at(&server).probe().await.unwrap().version, None);
    let server = FakeServer::start(|_| Reply::text(200, "text/html", "<html>"));
    let error = at(&server).probe().await.unwrap_err();
    assert!(matches!(error, ObserveError::Malformed { .. }), "{error}");
}
