//! The demo's load balancer: a small reverse proxy that gives each request to the ready replica with the fewest.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Where the requests go.
#[derive(Debug)]
pub(crate) struct Balancer {
    backends: RwLock<Vec<Arc<Backend>>>,
    next: AtomicUsize,
    client: reqwest::Client,
}

#[derive(Debug)]
struct Backend {
    base_url: Arc<str>,
    in_flight: AtomicUsize,
}

impl Balancer {
    /// A balancer without replicas; `client` is what it asks them with.
    pub(crate) fn new(client: reqwest::Client) -> Arc<Self> {
        Arc::new(Self {
            backends: RwLock::new(Vec::new()),
            next: AtomicUsize::new(0),
            client,
        })
    }

    /// Sends requests to these replicas from now on. Those under way go on.
    pub(crate) fn set_backends(&self, base_urls: impl IntoIterator<Item = Arc<str>>) {
        let mut backends = self.backends.write().unwrap_or_else(PoisonError::into_inner);
        let known = std::mem::take(&mut *backends);
        backends.extend(base_urls.into_iter().map(|base_url| {
            known
                .iter()
                .find(|backend| backend.base_url == base_url)
                .cloned()
                .unwrap_or_else(|| {
                    Arc::new(Backend {
                        base_url,
                        in_flight: AtomicUsize::new(0),
                    })
                })
        }));
    }

    /// Sends no more to a replica that refused, until the next look finds it ready.
    fn remove(&self, gone: &Arc<Backend>) {
        let mut backends = self.backends.write().unwrap_or_else(PoisonError::into_inner);
        backends.retain(|backend| !Arc::ptr_eq(backend, gone));
    }

    /// Listens on a port of the system's choice until `stop`; returns where, and the task that serves.
    ///
    /// # Errors
    /// When no port can be listened on.
    pub(crate) async fn listen(
        self: Arc<Self>,
        stop: CancellationToken,
    ) -> io::Result<(SocketAddr, tokio::task::JoinHandle<io::Result<()>>)> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let address = listener.local_addr()?;
        let routes = Router::new().fallback(forward).with_state(self);
        let serving = tokio::spawn(async move {
            axum::serve(listener, routes)
                .with_graceful_shutdown(stop.cancelled_owned())
                .await
        });
        Ok((address, serving))
    }

    /// The replica with the fewest requests under way, starting the search at another one each time.
    fn choose(&self) -> Option<Arc<Backend>> {
        let backends = self.backends.read().unwrap_or_else(PoisonError::into_inner);
        let start = self
            .next
            .fetch_add(1, Ordering::Relaxed)
            .checked_rem(backends.len())?;
        backends[start..]
            .iter()
            .chain(&backends[..start])
            .min_by_key(|backend| backend.in_flight.load(Ordering::Relaxed))
            .cloned()
    }
}

/// How many replicas are tried: one that has just begun to drain refuses connections.
const TRIES: usize = 3;

async fn forward(State(balancer): State<Arc<Balancer>>) -> Response {
    for _ in 0..TRIES {
        let Some(backend) = balancer.choose() else {
            return (StatusCode::SERVICE_UNAVAILABLE, "no replica is ready\n").into_response();
        };
        backend.in_flight.fetch_add(1, Ordering::Relaxed);
        let leave = Leave(backend);
        match balancer.client.get(format!("{}/", leave.0.base_url)).send().await {
            Ok(answer) => return (answer.status(), answer.bytes().await.unwrap_or_default()).into_response(),
            Err(error) if error.is_timeout() => break,
            Err(_) => balancer.remove(&leave.0),
        }
    }
    (StatusCode::BAD_GATEWAY, "no replica answered\n").into_response()
}

/// Takes one request off the replica's count when it is dropped.
struct Leave(Arc<Backend>);

impl Drop for Leave {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balancer(urls: &[&str]) -> Arc<Balancer> {
        headroom_test_support::install_tls();
        let balancer = Balancer::new(reqwest::Client::new());
        balancer.set_backends(urls.iter().map(|url| Arc::from(*url)));
        balancer
    }

    #[test]
    fn the_replica_with_the_fewest_requests_is_next() {
        let balancer = balancer(&["a", "b", "c"]);
        let busy = balancer.choose().unwrap();
        busy.in_flight.fetch_add(5, Ordering::Relaxed);
        for _ in 0..6 {
            assert_ne!(balancer.choose().unwrap().base_url, busy.base_url);
        }
    }

    #[test]
    fn replicas_that_stay_keep_their_count() {
        let balancer = balancer(&["a"]);
        balancer.choose().unwrap().in_flight.store(3, Ordering::Relaxed);
        balancer.set_backends(["b".into(), "a".into()]);
        let counts: Vec<_> = balancer
            .backends
            .read()
            .unwrap()
            .iter()
            .map(|b| b.in_flight.load(Ordering::Relaxed))
            .collect();
        assert_eq!(counts, [0, 3]);
    }

    #[test]
    fn there_is_nothing_to_choose_from_without_replicas() {
        assert!(balancer(&[]).choose().is_none());
    }
}
