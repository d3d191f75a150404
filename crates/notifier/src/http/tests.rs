use std::{
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr},
    sync::Mutex,
};

use async_trait::async_trait;

use super::*;
use crate::script::{Act, Server};

fn open() -> HttpOptions {
    HttpOptions {
        allow_http: true,
        ..HttpOptions::default()
    }
}

fn to(http: &Http, url: &str) -> Request {
    Request {
        method: Method::POST,
        address: http.address(url).unwrap(),
        headers: HeaderMap::new(),
        body: b"hello".to_vec(),
        secrets: Secrets::of(["s3cret-token"]),
    }
}

const PATH: &str = "/services/T0SECRET/B0SECRET";

/// What became of one exchange with a server that does `act`.
async fn ask(act: Act, wanted: Wanted) -> Result<Answer, SendError> {
    let server = Server::start(vec![act]).await;
    let http = Http::new(&open()).unwrap();
    let request = to(&http, &server.url(PATH));
    http.exchange(request, wanted, http.deadline()).await
}

async fn judged(act: Act) -> Result<(), SendError> {
    ask(act, Wanted::Status).await?.judge()
}

#[tokio::test]
async fn a_good_status_is_enough() {
    judged(Act::answer("200 OK", &[], "ok")).await.unwrap();
    judged(Act::answer("202 Accepted", &[], "")).await.unwrap();
    // The rest of the answer never comes, and is not waited for.
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhal".to_vec();
    judged(Act::SayAndWait(half)).await.unwrap();
}

#[tokio::test]
async fn a_receiver_that_is_busy_says_for_how_long() {
    for (status, headers, expected) in [
        ("429 Too Many Requests", &[("retry-after", "30")][..], Some(30)),
        ("429 Too Many Requests", &[], None),
        ("503 Service Unavailable", &[("retry-after", "7")], Some(7)),
    ] {
        match judged(Act::answer(status, headers, "slow down")).await {
            Err(SendError::Busy { after, reason }) => {
                assert_eq!(after.map(|after| after.as_secs()), expected);
                assert!(reason.ends_with(": slow down"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_receiver_that_fails_may_have_it_or_not() {
    for status in [
        "500 Oops",
        "502 Bad Gateway",
        "503 Service Unavailable",
        "408 Request Timeout",
    ] {
        let judged = judged(Act::answer(status, &[], "")).await;
        assert!(matches!(judged, Err(SendError::Unanswered { .. })), "{judged:?}");
    }
}

#[tokio::test]
async fn what_is_refused_stays_refused_and_says_why_without_secrets() {
    let body = format!("no service at {PATH}\nfor s3cret-token");
    match judged(Act::answer("404 Not Found", &[], &body)).await {
        Err(SendError::Refused { reason }) => {
            assert_eq!(
                reason,
                "404: no service at /(hidden)/(hidden)/(hidden) for (hidden)"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::start(vec![Act::answer("200 OK", &[], "ok")]).await;
    let location = elsewhere.url("/stolen");
    for status in [
        "301 Moved",
        "302 Found",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        match judged(Act::answer(status, &[("location", &location)], "")).await {
            Err(SendError::Refused { reason }) => {
                assert!(
                    reason.contains("another address") && !reason.contains("stolen"),
                    "{reason}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(elsewhere.asked(), []);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_costs_the_deadline_and_no_more() {
    let begun = Instant::now();
    match judged(Act::SayAndWait(Vec::new())).await {
        Err(SendError::Unanswered { reason }) => assert_eq!(reason, "no answer within 10 s"),
        other => panic!("{other:?}"),
    }
    assert_eq!(begun.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn a_cut_connection_is_no_answer() {
    for act in [
        Act::HangUp,
        Act::Say(Vec::new()),
        Act::Say(b"HTTP/1.1 20".to_vec()),
    ] {
        let judged = judged(act).await;
        assert!(matches!(judged, Err(SendError::Unanswered { .. })), "{judged:?}");
    }
}

#[tokio::test]
async fn a_closed_port_is_no_answer_and_shows_nothing_of_the_address() {
    let http = Http::new(&open()).unwrap();
    headroom_test_support::install_tls();
    let closed = headroom_test_support::ClosedPort::new();
    let request = to(&http, &format!("{}{PATH}", closed.url()));
    let error = http
        .exchange(request, Wanted::Status, http.deadline())
        .await
        .unwrap_err();
    let said = format!("{error} {error:?}");
    assert!(said.contains("refused") && !said.contains("SECRET"), "{said}");
}

#[tokio::test]
async fn of_an_answer_only_so_much_is_read() {
    let endless = "x".repeat(answer::MAX_ANSWER + 1);
    let answer = ask(Act::answer("200 OK", &[], &endless), Wanted::Body)
        .await
        .unwrap();
    assert!(matches!(&answer.body, Body::TooLong(bytes) if bytes.len() == answer::MAX_ANSWER));
    let exact = "x".repeat(answer::MAX_ANSWER);
    let answer = ask(Act::answer("200 OK", &[], &exact), Wanted::Body)
        .await
        .unwrap();
    assert!(matches!(&answer.body, Body::Whole(bytes) if bytes.len() == answer::MAX_ANSWER));
}

#[tokio::test]
async fn half_a_body_is_told_from_a_whole_one() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhal".to_vec();
    let answer = ask(Act::Say(half), Wanted::Body).await.unwrap();
    assert_eq!(answer.body, Body::BrokenOff(b"hal".to_vec()));
}

#[tokio::test(start_paused = true)]
async fn half_an_error_says_what_it_could() {
    let half = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 100\r\n\r\nno suc".to_vec();
    match judged(Act::SayAndWait(half)).await {
        Err(SendError::Refused { reason }) => assert!(reason.starts_with("400"), "{reason}"),
        // The clock may have been faster than the connection.
        Err(SendError::Unanswered { reason }) => assert_eq!(reason, "no answer within 10 s"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn unencrypted_is_refused_unless_it_is_allowed() {
    headroom_test_support::install_tls();
    let http = Http::new(&HttpOptions::default()).unwrap();
    match http.address("http://example.com/s3cret") {
        Err(SendError::Refused { reason }) => {
            assert!(
                reason.contains("allow_http") && !reason.contains("s3cret"),
                "{reason}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_cannot_be_set_up_says_why() {
    headroom_test_support::install_tls();
    let refused = |options: HttpOptions| Http::new(&options).unwrap_err().to_string();
    let ca = |text: &str| HttpOptions {
        ca: Some(text.into()),
        ..HttpOptions::default()
    };
    let no_time = HttpOptions {
        deadline: Duration::ZERO,
        ..HttpOptions::default()
    };
    assert!(refused(no_time).contains("deadline"));
    assert!(refused(ca("")).contains("PEM"));
    assert!(refused(ca("no certificate")).contains("PEM"));
}

/// A server with a certificate for `name`, which answers one request; and the authority that it is of.
fn encrypted(name: &str) -> (u16, String) {
    headroom_test_support::install_tls();
    let signed = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let connection = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, stream);
        let mut request = [0; 1024];
        if stream.read(&mut request).is_ok() {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                .unwrap();
        }
    });
    (port, signed.cert.pem())
}

#[tokio::test]
async fn a_certificate_has_to_be_of_a_trusted_authority_and_for_the_name() {
    let certificates = [
        ("receiver.example", true, true),
        ("other.example", true, false),
        ("receiver.example", false, false),
    ];
    for (name, is_trusted, expected) in certificates {
        let (port, authority) = encrypted(name);
        let (_, other) = encrypted(name);
        let options = HttpOptions {
            ca: Some(if is_trusted { authority } else { other }.into_bytes()),
            ..HttpOptions::default()
        };
        let lookup = Changing {
            asked: Arc::default(),
            answers: Mutex::new(vec![vec![Ipv4Addr::LOCALHOST.into()]]),
        };
        let http = Http::looking_up_with(lookup, &options).unwrap();
        let request = to(&http, &format!("https://receiver.example:{port}{PATH}"));
        let sent = http.exchange(request, Wanted::Status, http.deadline()).await;
        let said = format!("{sent:?}");
        assert!(!said.contains("SECRET") && !said.contains("receiver"), "{said}");
        match sent {
            Ok(answer) => assert!(expected && answer.status.is_success(), "{said}"),
            Err(SendError::Unanswered { reason }) => {
                assert!(!expected && reason.contains("certificate"), "{said}");
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn where_the_system_trusts_nobody_the_unencrypted_can_be_spoken_to() {
    const ALONE: &str = "HEADROOM_TEST_TRUSTS_NOBODY";
    if std::env::var_os(ALONE).is_none() {
        let name = "http::tests::where_the_system_trusts_nobody_the_unencrypted_can_be_spoken_to";
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env(ALONE, "1")
            .env("SSL_CERT_FILE", "/dev/null")
            .env_remove("SSL_CERT_DIR")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    judged(Act::answer("200 OK", &[], "ok")).await.unwrap();
    let (port, _) = encrypted("127.0.0.1");
    let http = Http::new(&open()).unwrap();
    let request = to(&http, &format!("https://127.0.0.1:{port}{PATH}"));
    let error = http
        .exchange(request, Wanted::Status, http.deadline())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}

/// Names that change their address each time they are looked up.
struct Changing {
    asked: Arc<Mutex<Vec<String>>>,
    answers: Mutex<Vec<Vec<IpAddr>>>,
}

#[async_trait]
impl Lookup for Changing {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.lock().unwrap().push(name.to_owned());
        let next = self.answers.lock().unwrap().pop();
        next.ok_or_else(|| io::Error::other("looked up once more than it should be"))
    }
}

fn changing(answers: &[&[&str]]) -> (Http, Arc<Mutex<Vec<String>>>) {
    headroom_test_support::install_tls();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let answers = answers
        .iter()
        .rev()
        .map(|addresses| addresses.iter().map(|address| address.parse().unwrap()).collect())
        .collect();
    let lookup = Changing {
        asked: Arc::clone(&asked),
        answers: Mutex::new(answers),
    };
    (Http::looking_up_with(lookup, &open()).unwrap(), asked)
}

#[tokio::test]
async fn a_name_is_looked_up_once_for_each_exchange() {
    // The connections stay open, and are not taken again all the same.
    let ok = || Act::SayAndWait(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec());
    let server = Server::start(vec![ok(), ok()]).await;
    let here = Ipv4Addr::LOCALHOST.to_string();
    let (http, asked) = changing(&[&[&here], &[&here]]);
    let url = format!("http://receiver.example:{}/x", server.port);
    for count in 1..=2 {
        let request = to(&http, &url);
        let answer = http
            .exchange(request, Wanted::Body, http.deadline())
            .await
            .unwrap();
        assert!(answer.status.is_success());
        assert_eq!(asked.lock().unwrap().len(), count);
    }
    assert_eq!(
        server.asked()[0].header("host"),
        Some(format!("receiver.example:{}", server.port).as_str())
    );
}

#[tokio::test]
async fn a_name_that_leads_where_nobody_receives_is_not_connected_to() {
    let server = Server::start(vec![Act::answer("200 OK", &[], "ok")]).await;
    let url = format!("http://receiver.example:{}/x", server.port);
    let (http, _) = changing(&[&["169.254.169.254"], &[], &["169.254.169.254", "127.0.0.1"]]);
    for expected in ["metadata", "no address"] {
        let request = to(&http, &url);
        let error = http
            .exchange(request, Wanted::Status, http.deadline())
            .await
            .unwrap_err();
        assert!(matches!(error, SendError::Unanswered { .. }));
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert_eq!(server.asked(), []);
    // Of several addresses those that are good are.
    let request = to(&http, &url);
    http.exchange(request, Wanted::Status, http.deadline())
        .await
        .unwrap();
    assert_eq!(server.asked().len(), 1);
}
