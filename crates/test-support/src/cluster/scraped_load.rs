//! A load that pods tell of themselves, on a page of metrics: in all it is what the test says, and the pods share it.
//!
//! Pods run nothing here, so one server on 127.0.0.1 speaks for all pods of a workload. Their annotation
//! `headroom.dev/scrape-address` has its address. It cannot tell who it is asked as, so each pod has the same share, also
//! one that is not ready yet: such a one is asked too.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{Router, extract::State, routing::get};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, ResourceExt as _, runtime::reflector::Store};
use tokio::{net::TcpListener, task::AbortHandle};

use super::watched::watched;

/// On a pod: where it is scraped in place of its own address.
pub const SCRAPE_ADDRESS: &str = "headroom.dev/scrape-address";
/// The name of the series.
pub const SCRAPED_SERIES: &str = "active_users";

/// What the pods of a workload tell of their load. Dropping it leaves them without an answer.
#[derive(Debug)]
pub struct ScrapedLoad {
    address: SocketAddr,
    /// The bits of a float.
    total: Arc<AtomicU64>,
    tasks: Vec<AbortHandle>,
}

impl ScrapedLoad {
    #[expect(clippy::expect_used, reason = "without its server the test cannot run")]
    pub(super) async fn serve(user_client: Client, namespace: &str, workload: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("127.0.0.1 has a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let total = Arc::new(AtomicU64::new(0.0_f64.to_bits()));
        let (pods, changes) = watched(Api::<Pod>::namespaced(user_client, namespace), ());
        let page = Page {
            pods,
            workload: workload.to_owned(),
            total: Arc::clone(&total),
        };
        let router = Router::new()
            .route("/metrics", get(metrics))
            .with_state(Arc::new(page));
        let watching = tokio::spawn(changes.for_each(|()| async {}));
        let serving = tokio::spawn(async move {
            // An error means that the test is over.
            drop(axum::serve(listener, router).await);
        });
        Self {
            address,
            total,
            tasks: vec![watching.abort_handle(), serving.abort_handle()],
        }
    }

    /// Where the pods are asked.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How much there is in all.
    pub fn set(&self, total: f64) {
        self.total.store(total.to_bits(), Ordering::Relaxed);
    }
}

impl Drop for ScrapedLoad {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// What stands on the page of each pod.
struct Page {
    pods: Store<Pod>,
    workload: String,
    total: Arc<AtomicU64>,
}

async fn metrics(State(page): State<Arc<Page>>) -> String {
    let pods = page.pods.state();
    let is_asked = |pod: &&Arc<Pod>| {
        pod.labels().get("app") == Some(&page.workload) && pod.metadata.deletion_timestamp.is_none()
    };
    let asked = pods.iter().filter(is_asked).count();
    let total = f64::from_bits(page.total.load(Ordering::Relaxed));
    let share = total / f64::from(u32::try_from(asked.max(1)).unwrap_or(u32::MAX));
    format!("# TYPE {SCRAPED_SERIES} gauge\n{SCRAPED_SERIES} {share}\n")
}
