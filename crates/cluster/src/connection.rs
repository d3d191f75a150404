//! The way to the API server: who we are, how long a request may take, and when it is tried again.
//!
//! Owns every request that is answered once; watches take the client from here. A request is tried again after 429
//! (when the server says), 5xx and lost connections, with jitter, and never beyond the time that it was given.

mod attempt;
mod kubeconfig;
mod proxy;

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use http::{Method, Request, header};
use kube::{Client, Config, client::Body};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::{
    runtime::Handle,
    sync::oneshot,
    time::{Instant, sleep, timeout, timeout_at},
};

use self::{
    attempt::{Failed, Peer, Retry},
    kubeconfig::{Origin, Surroundings},
};
use crate::{ClusterError, Resource, resource::Action, view};

/// The longest a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// The first pause before another attempt; each one after it is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause that is not the server's wish.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Credentials that were refused are had anew at most this often.
const RENEWAL: Duration = Duration::from_secs(10);

/// Which cluster, and how long it is waited for.
#[derive(Clone, Debug)]
pub struct ConnectionOptions {
    /// The kubeconfig; `None`: `KUBECONFIG`, else `~/.kube/config`, else the pod's service account.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it; `None`: its current one.
    pub context: Option<String>,
    /// How long a request may take, with all its attempts.
    pub deadline: Duration,
}

/// The way to the API server of one cluster.
pub struct Connection {
    origin: Origin,
    peer: Arc<Peer>,
    deadline: Duration,
    session: Mutex<Session>,
}

/// A client that is being made, for all who wait for it.
type Making = Shared<BoxFuture<'static, Result<Equipped, ClusterError>>>;

/// A client with the credentials that there were when it was made.
#[derive(Clone)]
pub(crate) struct Equipped {
    pub(crate) client: Client,
    made: Instant,
}

/// The client that is in use. Nobody waits for a server or a plugin while it is locked.
#[derive(Default)]
struct Session {
    in_use: Option<Equipped>,
    /// Making one, which whoever asks next waits for: a credential plugin that hangs is not started again and again.
    making: Option<Making>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("server", &self.peer.server)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// A request that can be sent again.
struct Outgoing<'a> {
    method: Method,
    path: &'a str,
    /// The body with its content type.
    body: Option<(&'static str, Vec<u8>)>,
    action: &'a Action,
}

impl Connection {
    /// Finds out which cluster is meant. Nothing is asked yet: credentials are had with the first request.
    ///
    /// # Errors
    /// When there is no kubeconfig that can be read, it lacks the context, or there is no cluster at all.
    pub fn new(options: &ConnectionOptions) -> Result<Self, ClusterError> {
        Self::of(
            Origin::find(options, &Surroundings::of_this_process())?,
            options.deadline,
        )
    }

    fn of(origin: Origin, deadline: Duration) -> Result<Self, ClusterError> {
        let config = origin.config()?;
        origin.warn_of(&config);
        Ok(Self {
            peer: Arc::new(Peer::of(&config)),
            origin,
            deadline,
            session: Mutex::default(),
        })
    }

    /// The API server's URL.
    pub(crate) fn server(&self) -> &str {
        &self.peer.server
    }

    /// Which cluster this is and how it was found.
    pub(crate) fn origin(&self) -> String {
        self.origin.to_string()
    }

    /// When a request that begins now has to be answered.
    pub(crate) fn until(&self) -> Instant {
        Instant::now() + self.deadline
    }

    /// How long a request may take.
    pub(crate) const fn deadline(&self) -> Duration {
        self.deadline
    }

    /// The objects of `resource` as they are, in one namespace or in all of them, each with its kind.
    ///
    /// # Errors
    /// When they cannot be listed: a permission, a kind that the cluster does not have, or no answer.
    pub async fn objects(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
    ) -> Result<Vec<Value>, ClusterError> {
        let mut objects = view::whole(self, resource, namespace).await?;
        // What stands in a list does not say what it is.
        for fields in objects.iter_mut().filter_map(Value::as_object_mut) {
            fields.insert("apiVersion".to_owned(), resource.api_version().into());
            fields.insert("kind".to_owned(), resource.kind.as_str().into());
        }
        Ok(objects)
    }

    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        action: &Action,
        until: Instant,
    ) -> Result<T, ClusterError> {
        let outgoing = Outgoing {
            method: Method::GET,
            path,
            body: None,
            action,
        };
        self.ask(&outgoing, until).await
    }

    /// Has the API server answer a question that is asked by creating an object of which nothing is kept.
    pub(crate) async fn review<T: DeserializeOwned>(
        &self,
        path: &str,
        review: &Value,
        action: &Action,
        until: Instant,
    ) -> Result<T, ClusterError> {
        let outgoing = Outgoing {
            method: Method::POST,
            path,
            body: Some(("application/json", review.to_string().into_bytes())),
            action,
        };
        self.ask(&outgoing, until).await
    }

    pub(crate) async fn merge_patch<T: DeserializeOwned>(
        &self,
        path: &str,
        patch: &Value,
        action: &Action,
        until: Instant,
    ) -> Result<T, ClusterError> {
        let outgoing = Outgoing {
            method: Method::PATCH,
            path,
            body: Some(("application/merge-patch+json", patch.to_string().into_bytes())),
            action,
        };
        self.ask(&outgoing, until).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        outgoing: &Outgoing<'_>,
        until: Instant,
    ) -> Result<T, ClusterError> {
        let body = self.exchange(outgoing, until).await?;
        serde_json::from_slice(&body).map_err(|error| ClusterError::Unreadable {
            action: outgoing.action.to_string(),
            reason: error.to_string(),
        })
    }

    /// Sends until there is an answer, or an error that another attempt does not change, or no time for one. Other
    /// credentials are tried once: requests whose credentials expire at once would renew them for each other for ever.
    async fn exchange(&self, outgoing: &Outgoing<'_>, until: Instant) -> Result<Vec<u8>, ClusterError> {
        let mut pause = FIRST_PAUSE;
        let mut earlier = None;
        let mut may_renew = true;
        loop {
            let Failed { error, retry } = match self.attempt(outgoing, until).await {
                Ok(body) => return Ok(body),
                Err(failed) => failed,
            };
            let error = outgoing.after(&mut earlier, error);
            let wait = match retry {
                Retry::Never => return Err(error),
                Retry::Paused => jittered(pause),
                Retry::After(asked) => asked.max(jittered(pause)),
                Retry::Renewed(refused) if may_renew && self.renew(refused) => {
                    may_renew = false;
                    Duration::ZERO
                }
                Retry::Renewed(_) => return Err(error),
            };
            pause = (pause * 2).min(LONGEST_PAUSE);
            if wait >= until.saturating_duration_since(Instant::now()) {
                return Err(error);
            }
            sleep(wait).await;
        }
    }

    async fn attempt(&self, outgoing: &Outgoing<'_>, until: Instant) -> Result<Vec<u8>, Failed> {
        let equipped = timeout_at(until, self.equipped()).await;
        let equipped = equipped.unwrap_or_else(|_| Err(self.peer.unequipped(self.deadline)));
        let Equipped { client, made } = equipped.map_err(Failed::for_good)?;
        let request = outgoing.request().map_err(|error| {
            Failed::for_good(ClusterError::Unreadable {
                action: outgoing.action.to_string(),
                reason: error.to_string(),
            })
        })?;
        let answered = async {
            let response = client.send(request).await;
            attempt::answer(response, outgoing.action, &self.peer, made).await
        };
        timeout_at(until, answered).await.unwrap_or_else(|_| {
            Err(Failed::for_good(ClusterError::NoAnswer {
                action: outgoing.action.to_string(),
                after: self.deadline,
            }))
        })
    }

    /// The client, with credentials that have not expired, waited for no longer than a request may take.
    pub(crate) async fn client(&self) -> Result<Equipped, ClusterError> {
        let waited = timeout(self.deadline, self.equipped()).await;
        waited.unwrap_or_else(|_| Err(self.peer.unequipped(self.deadline)))
    }

    async fn equipped(&self) -> Result<Equipped, ClusterError> {
        let making = {
            let mut session = self.session();
            let valid = session.in_use.as_ref().filter(|equipped| !equipped.has_expired());
            if let Some(equipped) = valid {
                return Ok(equipped.clone());
            }
            match &session.making {
                Some(making) => making.clone(),
                None => session.making.insert(self.make()?).clone(),
            }
        };
        let made = making.clone().await;
        self.done(&making, &made);
        made
    }

    fn session(&self) -> std::sync::MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make(&self) -> Result<Making, ClusterError> {
        let peer = Arc::clone(&self.peer);
        let making = make(self.config()?, Arc::clone(&peer));
        let made = making.map(move |made| {
            let made = made.unwrap_or_else(|_| {
                Err(ClusterError::Setup {
                    server: peer.server.clone(),
                    reason: "it could not be tried".to_owned(),
                })
            });
            made.map(|client| Equipped {
                client,
                made: Instant::now(),
            })
        });
        Ok(made.boxed().shared())
    }

    /// Keeps what came of `making`, unless somebody has already.
    fn done(&self, making: &Making, made: &Result<Equipped, ClusterError>) {
        let mut session = self.session();
        if session.making.take_if(|own| own.ptr_eq(making)).is_some()
            && let Ok(equipped) = made
        {
            session.in_use = Some(equipped.clone());
        }
    }

    /// The configuration with its credentials as they are now. Of the same server: what was decided on one cluster is
    /// not written to another, whatever became of the kubeconfig.
    fn config(&self) -> Result<Config, ClusterError> {
        let config = self.origin.config()?;
        let now = Peer::of(&config).server;
        if now == self.peer.server {
            return Ok(config);
        }
        Err(ClusterError::AnotherServer {
            origin: self.origin.to_string(),
            server: self.peer.server.clone(),
            now,
        })
    }

    /// Lets the next attempt have other credentials than those that were made at `refused`; whether that is worth one,
    /// because those in use are others already, or are not new.
    fn renew(&self, refused: Instant) -> bool {
        let mut session = self.session();
        let in_use = session.in_use.as_ref().map(|equipped| equipped.made);
        if in_use != Some(refused) {
            return true;
        }
        let is_old = refused.elapsed() >= RENEWAL;
        if is_old {
            session.in_use = None;
        }
        is_old
    }

    /// What an error that came over a watch of `action` means.
    pub(crate) fn judge(&self, error: kube::Error, action: &Action) -> ClusterError {
        attempt::judge(error, action, &self.peer)
    }

    /// Credentials that a watch was refused with are not used for the next one.
    pub(crate) fn refused(&self, equipped: &Equipped) {
        self.renew(equipped.made);
    }
}

impl Equipped {
    /// Whether a certificate that a plugin gave has expired.
    fn has_expired(&self) -> bool {
        let until = self.client.valid_until();
        until.is_some_and(|until| jiff::Timestamp::now() >= until)
    }
}

impl Outgoing<'_> {
    /// What `error` means after an `earlier` one. Of a write that may have been carried out, a later refusal does not say
    /// that it was not; and no answer says less than an earlier answer that names the cause.
    fn after(&self, earlier: &mut Option<ClusterError>, error: ClusterError) -> ClusterError {
        let is_write = self.method != Method::GET;
        if is_write && let ClusterError::Conflict { action, message, .. } = error {
            return ClusterError::Conflict {
                action,
                message,
                may_be_ours: earlier.is_some(),
            };
        }
        if matches!(error, ClusterError::NoAnswer { .. })
            && let Some(earlier) = earlier
        {
            return earlier.clone();
        }
        if !is_write || error.leaves_outcome_unknown() {
            return earlier.insert(error).clone();
        }
        earlier.clone().unwrap_or(error)
    }

    fn request(&self) -> Result<Request<Body>, http::Error> {
        let builder = Request::builder()
            .method(self.method.clone())
            .uri(self.path)
            .header(header::ACCEPT, "application/json");
        match &self.body {
            Some((content_type, body)) => builder
                .header(header::CONTENT_TYPE, *content_type)
                .body(body.clone().into()),
            None => builder.body(Body::empty()),
        }
    }
}

/// Begins to make the client, on a thread of its own: whoever ends must not wait for a credential plugin that hangs, as
/// the runtime does for its own threads.
fn make(config: Config, peer: Arc<Peer>) -> oneshot::Receiver<Result<Client, ClusterError>> {
    let (sender, making) = oneshot::channel();
    let runtime = Handle::current();
    let work = move || {
        let _guard = runtime.enter();
        // Nobody may be waiting any more.
        drop(sender.send(build(config, &peer)));
    };
    // Without a thread the sender is gone, which is an error for who waits.
    drop(thread::Builder::new().name("connect".to_owned()).spawn(work));
    making
}

/// Makes the client. Runs the credential plugin, so it may block.
fn build(config: Config, peer: &Peer) -> Result<Client, ClusterError> {
    Client::try_from(config).map_err(|error| attempt::setup(&error, peer))
}

/// Between half of `pause` and all of it, so that many who failed together do not come back together.
pub(crate) fn jittered(pause: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    let half = pause / 2;
    let part = u32::try_from(random % 1000).unwrap_or_default();
    half + half * part / 1000
}

/// The user agent, which the API server's audit log shows.
fn user_agent() -> http::HeaderValue {
    http::HeaderValue::from_static(concat!("headroom/", env!("CARGO_PKG_VERSION")))
}

/// What holds for every client of ours, however it was configured.
fn ours(mut config: Config) -> Config {
    config.connect_timeout = Some(CONNECT);
    config.default_retry = false;
    config.headers.push((header::USER_AGENT, user_agent()));
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_never_longer_than_asked_nor_shorter_than_half() {
        for _ in 0..100 {
            let wait = jittered(Duration::from_millis(100));
            assert!(
                (Duration::from_millis(50)..=Duration::from_millis(100)).contains(&wait),
                "{wait:?}"
            );
        }
    }
}
