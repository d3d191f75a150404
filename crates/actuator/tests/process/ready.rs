//! A replica is ready when its check passes. The test itself listens on the replica's port.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use headroom_actuator::{ProcessReader, ReadyCheck};
use headroom_policy_engine::{Readiness, Replicas};

use crate::world::{IDLE, World, kill, read, seconds};

/// Answers every request on a port with the same bytes, until it is dropped.
struct Server {
    port: u16,
    is_done: Arc<AtomicBool>,
    seen: Arc<Mutex<String>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    fn answering(port: u16, answer: &'static str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let (is_done, seen) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(Mutex::new(String::new())),
        );
        let thread = thread::spawn({
            let (is_done, seen) = (Arc::clone(&is_done), Arc::clone(&seen));
            move || {
                for stream in listener.incoming() {
                    if is_done.load(Ordering::SeqCst) {
                        return;
                    }
                    let mut stream = stream.unwrap();
                    let mut request = [0; 1024];
                    let length = stream.read(&mut request).unwrap_or(0);
                    *seen.lock().unwrap() = String::from_utf8_lossy(&request[..length]).into_owned();
                    let _ = stream.write_all(answer.as_bytes());
                }
            }
        });
        Self {
            port,
            is_done,
            seen,
            thread: Some(thread),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_done.store(true, Ordering::SeqCst);
        drop(std::net::TcpStream::connect(("127.0.0.1", self.port)));
        self.thread.take().unwrap().join().unwrap();
    }
}

async fn world(ready: ReadyCheck, replicas: u32) -> (World, Vec<u16>) {
    let mut world = World::running(IDLE);
    world.target.ready = ready;
    world.set(0, replicas).await.unwrap();
    let urls = world.read().await.replicas;
    let ports = urls
        .iter()
        .map(|replica| {
            replica
                .address
                .url()
                .unwrap()
                .rsplit_once(':')
                .unwrap()
                .1
                .parse()
                .unwrap()
        })
        .collect();
    (world, ports)
}

fn http() -> ReadyCheck {
    ReadyCheck::Http {
        path: "/healthz?deep=1".to_owned(),
    }
}

fn known(ready: u32, longest_unready: Option<Duration>) -> Readiness {
    Readiness::Known {
        ready: Replicas::new(ready),
        longest_unready,
    }
}

#[tokio::test]
async fn a_replica_is_ready_once_its_check_is_answered_well() {
    let (world, ports) = world(http(), 2).await;
    world.pass(seconds(3));
    assert_eq!(world.read().await.workload.readiness, known(0, Some(seconds(3))));

    let first = Server::answering(ports[0], "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let state = world.read().await;
    assert_eq!(state.workload.readiness, known(1, Some(seconds(3))));
    assert_eq!(
        state
            .replicas
            .iter()
            .map(|replica| replica.ready)
            .collect::<Vec<_>>(),
        [true, false]
    );
    let request = first.seen.lock().unwrap().clone();
    assert!(
        request.starts_with("GET /healthz?deep=1 HTTP/1.1\r\nHost: 127.0.0.1:"),
        "{request}"
    );
    assert!(request.ends_with("\r\n\r\n"));

    let _second = Server::answering(ports[1], "HTTP/1.0 302 Found\r\nlocation: /elsewhere\r\n\r\n");
    assert_eq!(world.read().await.workload.readiness, known(2, None));
}

#[tokio::test]
async fn an_answer_that_is_not_good_is_not_ready() {
    for answer in [
        "HTTP/1.1 404 Not Found\r\n\r\n",
        "HTTP/1.1 503 x\r\n\r\n",
        "HTTP/1.1 100 x\r\n\r\n",
        "",
        "SSH-2.0-x\r\n\r\n",
    ] {
        let (world, ports) = world(http(), 1).await;
        let _server = Server::answering(ports[0], answer);
        assert_eq!(
            world.read().await.workload.readiness,
            known(0, Some(seconds(0))),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_replica_that_does_not_answer_delays_nobody_for_long() {
    let (world, ports) = world(http(), 3).await;
    // Connections are accepted by the kernel and answered by nobody.
    let _silent: Vec<TcpListener> = ports[..2]
        .iter()
        .map(|port| TcpListener::bind(("127.0.0.1", *port)).unwrap())
        .collect();
    let _good = Server::answering(ports[2], "HTTP/1.1 204 x\r\n\r\n");
    assert_eq!(world.read().await.workload.readiness, known(1, Some(seconds(0))));
}

#[tokio::test]
async fn a_port_that_listens_is_enough_for_tcp() {
    let (world, ports) = world(ReadyCheck::Tcp, 2).await;
    assert_eq!(world.read().await.workload.readiness, known(0, Some(seconds(0))));
    let _listener = TcpListener::bind(("127.0.0.1", ports[1])).unwrap();
    assert_eq!(world.read().await.workload.readiness, known(1, Some(seconds(0))));
}

#[tokio::test]
async fn a_dead_replica_is_not_ready_whoever_answers_on_its_port() {
    let (world, ports) = world(http(), 1).await;
    let _server = Server::answering(ports[0], "HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(world.read().await.workload.readiness, known(1, None));
    kill(world.pids()[0]);
    world.wait_for_processes(0).await;
    assert_eq!(world.read().await.workload.readiness, known(0, Some(seconds(0))));
}

#[tokio::test]
async fn how_long_it_lasts_is_remembered_by_the_next_headroom() {
    let (mut world, ports) = world(http(), 1).await;
    let server = Server::answering(ports[0], "HTTP/1.1 200 OK\r\n\r\n");
    world.pass(seconds(100));
    world.read().await;
    drop(server);
    world.pass(seconds(5));
    assert_eq!(
        world.read().await.workload.readiness,
        known(0, Some(seconds(0))),
        "ready when last looked at"
    );
    world.restart();
    world.pass(seconds(7));
    assert_eq!(world.read().await.workload.readiness, known(0, Some(seconds(7))));
    let reader = ProcessReader::new(Arc::clone(&world.records) as _);
    let state = read(&reader, &world.scale_target(), world.now.get())
        .await
        .unwrap();
    assert_eq!(state.workload.readiness, known(0, Some(seconds(7))));
}
