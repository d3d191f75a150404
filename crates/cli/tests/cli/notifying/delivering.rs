//! What single passes hand over, and what they leave to the next one.

use std::{
    io::{BufRead as _, BufReader},
    net::{TcpListener, TcpStream},
    process::Stdio,
    sync::mpsc,
    thread,
    time::Duration,
};

use wiremock::ResponseTemplate;

use super::{CHANNELS, NAMES, Told, events, header};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_told_once_on_every_channel() {
    let told = Told::start(&NAMES, CHANNELS).await;
    told.takes_all().await;
    told.headroom(&["run", "--once"]).await.expect(0);
    told.headroom(&["run", "--once"]).await.expect(0);
    let mut paths = told.paths().await;
    paths.sort_unstable();
    // A change of the count is nothing to wake anybody for, so the pager has no part in it.
    assert_eq!(
        paths,
        [
            "/alerts-path/api/v2/alerts",
            "/api/chat.postMessage",
            "/bus/bus-path",
            "/services/T0/B0/hook-path"
        ]
    );
    let asked = told.asked().await;
    let bus = asked
        .iter()
        .find(|one| one.url.path() == "/bus/bus-path")
        .unwrap();
    let body: serde_json::Value = bus.body_json().unwrap();
    let notice = &body["notices"][0];
    assert_eq!(
        (
            &notice["workload"],
            &notice["event"]["from"],
            &notice["event"]["to"],
            &notice["is_test"]
        ),
        (&"shop/api".into(), &2.into(), &6.into(), &false.into()),
        "{body}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_channel_does_not_take_waits_for_the_next_run_and_is_sent_as_the_same_message() {
    let told = Told::start(&["webhook.bus", "slack.hook"], CHANNELS).await;
    // The bus is down from the start.
    let down = ResponseTemplate::new(503);
    wiremock::Mock::given(wiremock::matchers::path("/bus/bus-path"))
        .respond_with(down)
        .mount(&told.server)
        .await;
    told.takes_all().await;
    let ran = told.headroom(&["run", "--once"]).await.expect(0);
    assert!(ran.stdout.contains("2 → 6 replicas"), "{ran}");
    let first = told.asked().await;
    let to_bus: Vec<_> = first
        .iter()
        .filter(|one| one.url.path() == "/bus/bus-path")
        .collect();
    let hooks = first.len() - to_bus.len();
    assert_eq!(hooks, 1, "the other channel has it");
    let key = header(to_bus[0], "idempotency-key").to_owned();
    assert!(to_bus.iter().all(|one| header(one, "idempotency-key") == key));

    told.server.reset().await;
    told.takes_all().await;
    told.passes_until_nothing_waits().await;
    let second = told.asked().await;
    assert_eq!(
        told.paths().await,
        ["/bus/bus-path"],
        "what was taken is not sent again"
    );
    assert_eq!(header(&second[0], "idempotency-key"), key);
    assert_eq!(second[0].body, to_bus[0].body, "the same message");
    assert_eq!(events(&second[0]), ["scaled once"]);
}

/// A receiver that accepts a message and never answers. Gives the header of each message as it comes.
fn silent() -> (u16, mpsc::Receiver<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, heads) = mpsc::channel();
    thread::spawn(move || {
        let mut held: Vec<TcpStream> = Vec::new();
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let head: Vec<String> = lines
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .collect();
            held.push(stream);
            if sender.send(head).is_err() {
                return;
            }
        }
    });
    (port, heads)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_the_decision_and_the_answer_nothing_is_lost_and_the_key_stays() {
    let told = Told::by_webhook().await;
    let (port, heads) = silent();
    let mut command = told.command(&["run", "--once"]);
    command
        .env("BUS_URL", format!("http://127.0.0.1:{port}/bus"))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut running = command.spawn().unwrap();
    let head = heads.recv_timeout(Duration::from_secs(30)).unwrap();
    running.kill().unwrap();
    assert_eq!(running.wait().unwrap().code(), None, "it ended by itself");
    let key = head
        .iter()
        .find_map(|line| line.strip_prefix("idempotency-key: "))
        .unwrap_or_else(|| panic!("{head:?}"));
    assert_eq!(told.world.read("count"), "6\n");

    told.takes_all().await;
    told.headroom(&["run", "--once"]).await.expect(0);
    let asked = told.asked().await;
    assert_eq!(asked.len(), 1, "{:?}", told.paths().await);
    assert_eq!(header(&asked[0], "idempotency-key"), key);
    assert_eq!(events(&asked[0]), ["scaled once"]);
    told.headroom(&["run", "--once"]).await.expect(0);
    assert_eq!(told.asked().await.len(), 1, "it was sent once more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_never_answers_holds_up_no_single_pass_for_long() {
    let told = Told::start(&["webhook.bus", "slack.hook"], CHANNELS).await;
    told.takes_all().await;
    let (port, _heads) = silent();
    let mut command = told.command(&["run", "--once"]);
    command.env("BUS_URL", format!("http://127.0.0.1:{port}/bus"));
    let ran = told.world.finished(command).await.expect(0);
    assert!(ran.stdout.contains("2 → 6 replicas"), "{ran}");
    assert_eq!(
        told.paths().await,
        ["/services/T0/B0/hook-path"],
        "the other channel has it"
    );
    let status = told.headroom(&["notify", "status"]).await.expect(0);
    assert!(status.stdout.contains("webhook.bus: 1 notice waits"), "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_opens_and_closes() {
    let told = Told::by_webhook().await;
    told.takes_all().await;
    let set = told.world.read("set.sh");
    told.world.write("set.sh", "echo no rights >&2; exit 3\n");
    told.headroom(&["run", "--once"]).await.expect(1);
    told.headroom(&["run", "--once"]).await.expect(1);
    told.world.write("set.sh", &set);
    told.headroom(&["run", "--once"]).await.expect(0);
    let all: Vec<String> = told.asked().await.iter().flat_map(events).collect();
    assert_eq!(
        all,
        ["error opened", "error closed", "scaled once"],
        "what is urgent comes first"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_ahead_tells_nobody() {
    let told = Told::start(&NAMES, CHANNELS).await;
    told.takes_all().await;
    for arguments in [
        &["plan"][..],
        &["explain", "api"],
        &["check"],
        &["status"],
        &["history"],
    ] {
        told.headroom(arguments).await;
    }
    assert_eq!(told.paths().await, [""; 0]);
}

impl Told {
    /// The pass as a whole has no more than this.
    fn set_pass_deadline(&self, deadline: &str) {
        let policy = self.world.read("headroom.toml");
        let deadlines = format!("deadline = \"2s\"\npass_deadline = \"{deadline}\"\n");
        self.world.write("headroom.toml", &format!("{deadlines}{policy}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pass_that_did_not_end_in_time_is_told_of_by_the_run_that_made_it() {
    let told = Told::by_webhook().await;
    told.takes_all().await;
    told.set_pass_deadline("2s");
    let policy = told.world.read("headroom.toml");
    let slow = policy.replace("[\"cat\", \"count\"]", "[\"sh\", \"get.sh\"]");
    told.world.write("headroom.toml", &slow);
    // Each in time, and both together not.
    told.world.write("get.sh", "sleep 1; cat count\n");
    told.world.write("set.sh", "sleep 1.5\n");
    let ran = told.headroom(&["run", "--once"]).await.expect(1);
    assert!(ran.stderr.contains("the pass did not end within 2s"), "{ran}");
    let all: Vec<String> = told.asked().await.iter().flat_map(events).collect();
    assert_eq!(all, ["error opened"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_is_slow_takes_no_time_from_the_pass() {
    let told = Told::by_webhook().await;
    told.set_pass_deadline("5s");
    let slow = ResponseTemplate::new(204).set_delay(Duration::from_secs(6));
    told.answers(slow).await;
    let ran = told.headroom(&["run", "--once"]).await.expect(0);
    assert!(ran.stdout.contains("2 → 6 replicas"), "{ran}");
    assert_eq!(told.asked().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_while_people_are_told_leaves_a_pass_that_was_made() {
    let told = Told::by_webhook().await;
    let (port, heads) = silent();
    let mut command = told.command(&["run", "--once"]);
    command
        .env("BUS_URL", format!("http://127.0.0.1:{port}/bus"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let running = command.spawn().unwrap();
    heads.recv_timeout(Duration::from_secs(30)).unwrap();
    crate::ends::signal(&running, "TERM");
    let output = running.wait_with_output().unwrap();
    let (said, failed) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert!(said.contains("2 → 6 replicas"), "{said}");
    assert!(!failed.contains("stopped by"), "{failed}");
    assert_eq!(output.status.code(), Some(143));
}
