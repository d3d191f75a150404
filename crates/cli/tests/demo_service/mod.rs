//! Replicas of the demo service, and requests to them.

use std::{
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use headroom_test_support::LeftoverCheck;
use tokio::{sync::Semaphore, task::JoinHandle};

/// The ports of the replicas that are alive.
pub(crate) fn ports(mark: &LeftoverCheck) -> Vec<u16> {
    let mut ports: Vec<u16> = mark.pids().into_iter().filter_map(port_of).collect();
    ports.sort_unstable();
    ports
}

fn port_of(pid: u32) -> Option<u16> {
    let environment = fs::read(Path::new("/proc").join(pid.to_string()).join("environ")).ok()?;
    let port = environment
        .split(|&byte| byte == 0)
        .find_map(|entry| entry.strip_prefix(b"PORT="))?;
    std::str::from_utf8(port).ok()?.parse().ok()
}

/// So many requests are answered at once at most. More would wait at a replica that is too slow until each of them is given
/// up, and then none is counted: its rate would fall as the load rises.
const IN_FLIGHT: usize = 32;

/// Requests at a rate that can be changed, to replicas that can be changed.
pub(crate) struct Load {
    per_second: Arc<AtomicU32>,
    ports: Arc<Mutex<Vec<u16>>>,
    sending: JoinHandle<()>,
}

impl Load {
    pub(crate) fn start() -> Self {
        let per_second = Arc::new(AtomicU32::new(0));
        let ports = Arc::new(Mutex::new(Vec::new()));
        let sending = tokio::spawn(send(Arc::clone(&per_second), Arc::clone(&ports)));
        Self {
            per_second,
            ports,
            sending,
        }
    }

    pub(crate) fn rate(&self, per_second: u32) {
        self.per_second.store(per_second, Ordering::Relaxed);
    }

    pub(crate) fn to(&self, ports: Vec<u16>) {
        *self.ports.lock().unwrap() = ports;
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.sending.abort();
    }
}

async fn send(per_second: Arc<AtomicU32>, ports: Arc<Mutex<Vec<u16>>>) {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(2))
        .build()
        .unwrap();
    let in_flight = Arc::new(Semaphore::new(IN_FLIGHT));
    let mut beat = tokio::time::interval(Duration::from_millis(20));
    let (mut due, mut turn) = (0.0, 0_usize);
    loop {
        beat.tick().await;
        due += f64::from(per_second.load(Ordering::Relaxed)) / 50.0;
        let ports = ports.lock().unwrap().clone();
        while due >= 1.0 {
            due -= 1.0;
            turn += 1;
            let Some(port) = turn.checked_rem(ports.len()).and_then(|index| ports.get(index)) else {
                continue;
            };
            let Ok(permit) = Arc::clone(&in_flight).try_acquire_owned() else {
                continue;
            };
            let request = client.get(format!("http://127.0.0.1:{port}/"));
            tokio::spawn(async move {
                drop(request.send().await);
                drop(permit);
            });
        }
    }
}
