//! One replica of the demo's web service, with a real and known capacity.
//!
//! It serves so many requests at a time, each for so long; what comes on top waits in a queue, as in any worker
//! pool. So too few replicas really hurt.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    os::unix::process::parent_id,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use clap::Args;
use tokio::{net::TcpListener, signal::unix, sync::Semaphore, time};

/// Upper bounds of the histogram's buckets, in seconds.
const BUCKETS: [f64; 9] = [0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.0, 5.0];

/// Runs one replica of the demo's web service, on the port that `PORT` names.
#[derive(Args, Clone, Debug)]
pub(crate) struct ServiceArgs {
    /// The port to listen on, on 127.0.0.1
    #[arg(long, env = "PORT")]
    port: u16,
    /// Requests that are served at the same time; more wait
    #[arg(long, default_value_t = 4)]
    workers: u16,
    /// How long serving one request takes, in milliseconds
    #[arg(long, default_value_t = 40)]
    service_millis: u64,
    /// How long the replica takes from its start until it is ready, in milliseconds
    #[arg(long, default_value_t = 1000)]
    startup_millis: u64,
    /// End when this process is no longer the parent
    #[arg(long, value_name = "PID")]
    exit_with_parent: Option<u32>,
}

/// What one replica counts and shares between its requests.
#[derive(Debug)]
struct Service {
    workers: Semaphore,
    service_time: Duration,
    ready_at: Instant,
    served: AtomicU64,
    in_flight: AtomicU64,
    latency_nanos: AtomicU64,
    buckets: [AtomicU64; BUCKETS.len()],
}

impl Service {
    fn new(args: &ServiceArgs) -> Self {
        Self {
            workers: Semaphore::new(usize::from(args.workers.max(1))),
            service_time: Duration::from_millis(args.service_millis),
            ready_at: Instant::now() + Duration::from_millis(args.startup_millis),
            served: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            latency_nanos: AtomicU64::new(0),
            buckets: Default::default(),
        }
    }

    fn count(&self, latency: Duration) {
        self.served.fetch_add(1, Ordering::Relaxed);
        self.latency_nanos.fetch_add(
            u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
        for (bound, count) in BUCKETS.iter().zip(&self.buckets) {
            if latency.as_secs_f64() <= *bound {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// The counters in the text exposition format.
    fn metrics(&self) -> String {
        let served = self.served.load(Ordering::Relaxed);
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        let mut text = format!(
            "# HELP http_requests_total Requests that were answered.\n\
             # TYPE http_requests_total counter\n\
             http_requests_total{{code=\"200\"}} {served}\n\
             # HELP http_requests_in_flight Requests that are served or wait.\n\
             # TYPE http_requests_in_flight gauge\n\
             http_requests_in_flight {in_flight}\n\
             # HELP http_request_duration_seconds Time from a request's arrival to its answer.\n\
             # TYPE http_request_duration_seconds histogram\n"
        );
        for (bound, count) in BUCKETS.iter().zip(&self.buckets) {
            let count = count.load(Ordering::Relaxed);
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "http_request_duration_seconds_bucket{{le=\"{bound}\"}} {count}"
            );
        }
        let seconds = Duration::from_nanos(self.latency_nanos.load(Ordering::Relaxed)).as_secs_f64();
        let _ = write!(
            text,
            "http_request_duration_seconds_bucket{{le=\"+Inf\"}} {served}\n\
             http_request_duration_seconds_sum {seconds}\n\
             http_request_duration_seconds_count {served}\n"
        );
        text
    }
}

/// Serves until SIGTERM or Ctrl-C, then answers what is under way.
///
/// # Errors
/// When the port cannot be listened on.
pub(crate) async fn serve(args: &ServiceArgs) -> io::Result<()> {
    let service = Arc::new(Service::new(args));
    let routes = Router::new()
        .route("/", get(work))
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics))
        .with_state(Arc::clone(&service));
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, args.port))).await?;
    let mut terminate = unix::signal(unix::SignalKind::terminate())?;
    let mut interrupt = unix::signal(unix::SignalKind::interrupt())?;
    let orphaned = orphaned(args.exit_with_parent);
    axum::serve(listener, routes)
        .with_graceful_shutdown(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                () = orphaned => {}
            }
        })
        .await?;
    ended(service.served.load(Ordering::Relaxed));
    Ok(())
}

/// Says how much was served: the last line of the replica's log.
fn ended(served: u64) {
    // Nobody may be left who reads it.
    let _ = writeln!(io::stdout(), "served {served} requests");
}

/// Ends when `parent` is not, or no longer, the parent of this process; never, where none is named.
async fn orphaned(parent: Option<u32>) {
    let Some(parent) = parent else {
        return std::future::pending().await;
    };
    let mut every = time::interval(Duration::from_millis(250));
    while parent_id() == parent {
        every.tick().await;
    }
}

async fn work(State(service): State<Arc<Service>>) -> impl IntoResponse {
    let arrived = Instant::now();
    service.in_flight.fetch_add(1, Ordering::Relaxed);
    // Dropped when the client goes away while it waits, too.
    let leave = Leave(&service.in_flight);
    let Ok(_worker) = service.workers.acquire().await else {
        return (StatusCode::SERVICE_UNAVAILABLE, "closing\n");
    };
    time::sleep(service.service_time).await;
    service.count(arrived.elapsed());
    drop(leave);
    (StatusCode::OK, "done\n")
}

/// Takes one request off the count when it is dropped.
struct Leave<'a>(&'a AtomicU64);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn healthz(State(service): State<Arc<Service>>) -> impl IntoResponse {
    if Instant::now() < service.ready_at {
        (StatusCode::SERVICE_UNAVAILABLE, "starting\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}

async fn metrics(State(service): State<Arc<Service>>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        service.metrics(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> Service {
        Service::new(&ServiceArgs {
            port: 0,
            workers: 1,
            service_millis: 0,
            startup_millis: 0,
            exit_with_parent: None,
        })
    }

    #[test]
    fn buckets_are_cumulative_and_end_with_all_requests() {
        let service = service();
        service.count(Duration::from_millis(60));
        service.count(Duration::from_secs(9));
        let text = service.metrics();
        for line in [
            "http_requests_total{code=\"200\"} 2",
            "http_request_duration_seconds_bucket{le=\"0.05\"} 0",
            "http_request_duration_seconds_bucket{le=\"0.075\"} 1",
            "http_request_duration_seconds_bucket{le=\"5\"} 1",
            "http_request_duration_seconds_bucket{le=\"+Inf\"} 2",
            "http_request_duration_seconds_sum 9.06",
        ] {
            assert!(text.lines().any(|got| got == line), "{line} is not in\n{text}");
        }
    }
}
