//! What is known of the namespaces in use, asked once for everybody.
//!
//! Owns which objects are known and since when. Two ways fill it: lists, one for each kind, namespace and pass; or
//! watches, which go on between passes. Both answer alike, and both say so when they do not know.

mod list;
mod listed;
mod watched;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use headroom_policy_engine::{Timestamp, hpa::Selector};
use serde::de::DeserializeOwned;
use tokio::{sync::OnceCell, time::Instant};

pub(crate) use self::list::whole;
use self::{listed::Listed, watched::Watched};
use crate::{
    ClusterError, Connection, Hpa, KindName, Need, ObjectName, Pdb, Pod, PodMetrics, Resource, Scalable,
    ScaledObject, Vpa,
    discovery::{self, Reading, ScalableKind},
    index::LabelIndex,
    meta::Identified,
    resource::Action,
    scalable::ScalePaths,
};

/// For so long it is known whether a group is served: what is installed meanwhile is seen that much later.
const SERVED_FOR: Duration = Duration::from_secs(30);

/// How a view is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filling {
    /// By a list for each kind, namespace and pass: for one pass.
    Lists,
    /// By watches that go on between passes: for a loop.
    Watches,
}

/// A kind of object with the part of it that is kept.
pub(crate) trait Kept: Send + Sync + Sized + 'static {
    /// What is read of it.
    type Raw: Identified + DeserializeOwned + Clone + Send;
    /// What one has to know to read it.
    type How: Clone + Send + Sync + 'static;

    /// The part that is kept.
    fn keep(raw: Self::Raw, how: &Self::How) -> Self;

    /// Its name, which is its own in its namespace.
    fn name(&self) -> &str;
}

/// The raw object of a kind that is kept.
pub(crate) type RawOf<K> = <K as Kept>::Raw;

/// All objects of a kind in one namespace, at one moment.
#[derive(Debug)]
pub struct Objects<K> {
    objects: Vec<Arc<K>>,
    by_label: LabelIndex,
}

impl<K> Objects<K> {
    fn new(objects: &BTreeMap<Box<str>, Arc<K>>) -> Self {
        Self {
            objects: objects.values().map(Arc::clone).collect(),
            by_label: LabelIndex::default(),
        }
    }

    fn none() -> Self {
        Self::new(&BTreeMap::new())
    }

    /// All of them, by name.
    #[must_use]
    pub fn all(&self) -> &[Arc<K>] {
        &self.objects
    }
}

impl<K: Kept> FromIterator<K> for Objects<K> {
    fn from_iter<I: IntoIterator<Item = K>>(objects: I) -> Self {
        let named = objects
            .into_iter()
            .map(|object| (object.name().into(), Arc::new(object)));
        Self::new(&named.collect())
    }
}

#[expect(private_bounds, reason = "the kinds are this crate's")]
impl<K: Kept> Objects<K> {
    /// The one with this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<K>> {
        let place = self.objects.binary_search_by(|object| object.name().cmp(name));
        self.objects.get(place.ok()?)
    }
}

impl Objects<Pod> {
    /// Those that `selector` matches. An empty selector matches every pod.
    #[must_use]
    pub fn selected(&self, selector: &Selector) -> Vec<&Arc<Pod>> {
        self.by_label.select(&self.objects, selector)
    }
}

/// Which objects a feed is about, and how they are read.
#[derive(Debug)]
struct Source<K: Kept> {
    connection: Arc<Connection>,
    resource: Resource,
    namespace: String,
    how: K::How,
}

impl<K: Kept> Clone for Source<K> {
    fn clone(&self) -> Self {
        Self {
            connection: Arc::clone(&self.connection),
            resource: self.resource.clone(),
            namespace: self.namespace.clone(),
            how: self.how.clone(),
        }
    }
}

impl<K: Kept> std::fmt::Display for Source<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} in namespace {}", self.resource, self.namespace)
    }
}

/// The objects of one kind in one namespace, however they are had.
enum Feed<K: Kept> {
    Listed(Listed<K>),
    Watched(Watched<K>),
}

impl<K: Kept> Feed<K> {
    fn new(source: Source<K>, filling: Filling) -> Self {
        match filling {
            Filling::Lists => Self::Listed(Listed::new(source)),
            Filling::Watches => Self::Watched(Watched::begin(source)),
        }
    }

    async fn objects(&self, now: Timestamp) -> Result<Arc<Objects<K>>, ClusterError> {
        match self {
            Self::Listed(listed) => listed.objects(now).await,
            Self::Watched(watched) => watched.objects().await,
        }
    }
}

/// A kind in a namespace.
type Place = (Resource, String);

/// The feeds of one kind of object, each begun when it is first asked for.
struct Feeds<K: Kept>(Mutex<HashMap<Place, Arc<Feed<K>>>>);

impl<K: Kept> Default for Feeds<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Kept> Feeds<K> {
    fn get_or_begin(&self, source: impl FnOnce() -> Source<K>, filling: Filling, key: Place) -> Arc<Feed<K>> {
        let mut feeds = locked(&self.0);
        let feed = feeds
            .entry(key)
            .or_insert_with(|| Arc::new(Feed::new(source(), filling)));
        Arc::clone(feed)
    }

    /// What was listed of these objects is not used again.
    fn forget_list(&self, key: &Place) {
        let feed = locked(&self.0).get(key).map(Arc::clone);
        if let Some(Feed::Listed(listed)) = feed.as_deref() {
            listed.forget();
        }
    }

    /// A watch of a kind that is not served any more ends.
    fn end(&self, key: &Place) {
        locked(&self.0).remove(key);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether one group is served, and when that was asked.
type Served = tokio::sync::Mutex<Option<(Timestamp, bool)>>;

/// What is known of the namespaces in use. It cannot change anything.
pub struct ClusterView {
    connection: Arc<Connection>,
    filling: Filling,
    /// Each asked for by itself: one whose server does not answer keeps no other waiting.
    kinds: Mutex<HashMap<KindName, Arc<OnceCell<ScalableKind>>>>,
    scalables: Feeds<Scalable>,
    pods: Feeds<Pod>,
    hpas: Feeds<Hpa>,
    scaled_objects: Feeds<ScaledObject>,
    vpas: Feeds<Vpa>,
    pdbs: Feeds<Pdb>,
    /// Which groups are served, and when that was asked: each by itself, as the kinds.
    served: Mutex<HashMap<String, Arc<Served>>>,
    usage: Feeds<PodMetrics>,
    /// Objects as our own writes left them, or as they were fetched past the view, until it has caught up with that.
    newer: Mutex<HashMap<ObjectName, Arc<Scalable>>>,
}

impl std::fmt::Debug for ClusterView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterView")
            .field("connection", &self.connection)
            .field("filling", &self.filling)
            .finish_non_exhaustive()
    }
}

impl ClusterView {
    /// A view over `connection` that knows nothing yet: what is asked for first is fetched then.
    #[must_use]
    pub fn new(connection: Arc<Connection>, filling: Filling) -> Self {
        Self {
            connection,
            filling,
            kinds: Mutex::default(),
            scalables: Feeds::default(),
            pods: Feeds::default(),
            hpas: Feeds::default(),
            scaled_objects: Feeds::default(),
            vpas: Feeds::default(),
            pdbs: Feeds::default(),
            served: Mutex::default(),
            usage: Feeds::default(),
            newer: Mutex::default(),
        }
    }

    /// The object called `name`, as it is in the pass of `now`.
    ///
    /// # Errors
    /// When the kind or the object is not there, or what is known of it may be wrong.
    pub async fn scalable(&self, name: &ObjectName, now: Timestamp) -> Result<Arc<Scalable>, ClusterError> {
        let kind = self.kind(&name.kind).await?;
        let Reading::Object(paths) = &kind.reading else {
            return self.fetch(name).await.map(Arc::new);
        };
        let feed = self.scalables.get_or_begin(
            || self.source(&kind.resource, &name.namespace, paths.clone()),
            self.filling,
            (kind.resource.clone(), name.namespace.clone()),
        );
        let objects = match feed.objects(now).await {
            // The kind itself is gone; if it comes back, its definition may be another.
            Err(error @ ClusterError::NotFound { .. }) => {
                locked(&self.kinds).remove(&name.kind);
                self.scalables.end(&(kind.resource, name.namespace.clone()));
                return Err(error);
            }
            other => other?,
        };
        let object = objects.named(&name.name).ok_or_else(|| ClusterError::NotFound {
            what: format!(
                "{} `{}` in namespace {}",
                kind.resource, name.name, name.namespace
            ),
        })?;
        Ok(self.as_newest(name, object))
    }

    /// The pods of `namespace`.
    ///
    /// # Errors
    /// When they cannot be read, or what is known of them may be wrong.
    pub async fn pods(&self, namespace: &str, now: Timestamp) -> Result<Arc<Objects<Pod>>, ClusterError> {
        self.all(&self.pods, Resource::pods(), namespace, now).await
    }

    /// The HorizontalPodAutoscalers of `namespace`.
    ///
    /// # Errors
    /// As [`Self::pods`].
    pub async fn hpas(&self, namespace: &str, now: Timestamp) -> Result<Arc<Objects<Hpa>>, ClusterError> {
        self.all(&self.hpas, Resource::hpas(), namespace, now).await
    }

    /// The ScaledObjects of `namespace`: none where KEDA is not installed. A permission for what is not there is not
    /// missed.
    ///
    /// # Errors
    /// As [`Self::pods`].
    pub async fn scaled_objects(
        &self,
        namespace: &str,
        now: Timestamp,
    ) -> Result<Arc<Objects<ScaledObject>>, ClusterError> {
        self.where_served(&self.scaled_objects, &Resource::scaled_objects(), namespace, now)
            .await
    }

    /// The VerticalPodAutoscalers of `namespace`: none where they are not installed. A permission for what is not there
    /// is not missed.
    ///
    /// # Errors
    /// As [`Self::pods`].
    pub async fn vpas(&self, namespace: &str, now: Timestamp) -> Result<Arc<Objects<Vpa>>, ClusterError> {
        self.where_served(&self.vpas, &Resource::vpas(), namespace, now)
            .await
    }

    /// The PodDisruptionBudgets of `namespace`: one list a pass, because nothing is decided by them.
    ///
    /// # Errors
    /// As [`Self::pods`].
    pub async fn pdbs(&self, namespace: &str, now: Timestamp) -> Result<Arc<Objects<Pdb>>, ClusterError> {
        self.filled(&self.pdbs, Resource::pdbs(), namespace, Filling::Lists, now)
            .await
    }

    async fn where_served<K: Kept<How = ()>>(
        &self,
        feeds: &Feeds<K>,
        resource: &Resource,
        namespace: &str,
        now: Timestamp,
    ) -> Result<Arc<Objects<K>>, ClusterError> {
        match self.all(feeds, resource.clone(), namespace, now).await {
            Err(ClusterError::NotFound { .. }) => Ok(Arc::new(Objects::none())),
            Err(error) if error.is_forbidden() && !self.is_served(resource, now).await? => {
                Ok(Arc::new(Objects::none()))
            }
            other => other,
        }
    }

    /// Whether the group of `resource` is served, asked again after half a minute.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn is_served(&self, resource: &Resource, now: Timestamp) -> Result<bool, ClusterError> {
        let served = Arc::clone(locked(&self.served).entry(resource.group.clone()).or_default());
        let mut known = served.lock().await;
        if let Some((_, is_served)) = known.filter(|(at, _)| *at <= now && now.since(*at) < SERVED_FOR) {
            return Ok(is_served);
        }
        let until = self.connection.until();
        let is_served = discovery::has_group(&self.connection, &resource.group, until).await?;
        *known = Some((now, is_served));
        drop(known);
        Ok(is_served)
    }

    /// The kind that `name` means, as the API server serves it.
    ///
    /// # Errors
    /// When no kind is meant, or several.
    pub async fn resource(&self, name: &KindName) -> Result<Resource, ClusterError> {
        Ok(self.kind(name).await?.resource)
    }

    /// What reading the object called `name` needs.
    ///
    /// # Errors
    /// As [`Self::resource`].
    pub async fn need_of_reading(&self, name: &ObjectName) -> Result<Need, ClusterError> {
        let ScalableKind { resource, reading } = self.kind(&name.kind).await?;
        let name = name.name.clone();
        Ok(match reading {
            Reading::Object(_) => Need::Targets(resource),
            Reading::Scale => Need::ReadCount { resource, name },
        })
    }

    /// What the pods of `namespace` use, as metrics.k8s.io has it: one list a pass, because that cannot be watched.
    ///
    /// # Errors
    /// As [`Self::pods`]; [`ClusterError::NotFound`] where the cluster has no metrics.k8s.io.
    pub async fn usage(
        &self,
        namespace: &str,
        now: Timestamp,
    ) -> Result<Arc<Objects<PodMetrics>>, ClusterError> {
        self.filled(
            &self.usage,
            Resource::pod_metrics(),
            namespace,
            Filling::Lists,
            now,
        )
        .await
    }

    async fn all<K: Kept<How = ()>>(
        &self,
        feeds: &Feeds<K>,
        resource: Resource,
        namespace: &str,
        now: Timestamp,
    ) -> Result<Arc<Objects<K>>, ClusterError> {
        self.filled(feeds, resource, namespace, self.filling, now).await
    }

    async fn filled<K: Kept<How = ()>>(
        &self,
        feeds: &Feeds<K>,
        resource: Resource,
        namespace: &str,
        filling: Filling,
        now: Timestamp,
    ) -> Result<Arc<Objects<K>>, ClusterError> {
        let key = (resource.clone(), namespace.to_owned());
        let feed = feeds.get_or_begin(|| self.source(&resource, namespace, ()), filling, key);
        feed.objects(now).await
    }

    fn source<K: Kept>(&self, resource: &Resource, namespace: &str, how: K::How) -> Source<K> {
        Source {
            connection: Arc::clone(&self.connection),
            resource: resource.clone(),
            namespace: namespace.to_owned(),
            how,
        }
    }

    /// The kind that `name` means. Asked once, as long as the kind is served.
    pub(crate) async fn kind(&self, name: &KindName) -> Result<ScalableKind, ClusterError> {
        if let Some(own) = discovery::own(name) {
            return Ok(own);
        }
        let kind = Arc::clone(locked(&self.kinds).entry(name.clone()).or_default());
        let find = || discovery::find(&self.connection, name, self.connection.until());
        kind.get_or_try_init(find).await.cloned()
    }

    /// The object called `name` as it is at this moment, past everything that is known already.
    ///
    /// # Errors
    /// As [`Self::scalable`].
    pub async fn fetch(&self, name: &ObjectName) -> Result<Scalable, ClusterError> {
        let kind = self.kind(&name.kind).await?;
        let ObjectName {
            namespace,
            name: object,
            ..
        } = name;
        let path = kind.resource.object(namespace, object);
        let (path, paths, action) = match kind.reading {
            Reading::Object(paths) => (path, paths, Action::get(&kind.resource, namespace, object)),
            Reading::Scale => (
                format!("{path}/scale"),
                ScalePaths::of_scale(),
                Action::on_scale("get", &kind.resource, namespace, object),
            ),
        };
        let until = self.connection.until();
        let raw: RawOf<Scalable> = self.connection.get(&path, &action, until).await?;
        let found = Scalable::keep(raw, &paths);
        self.note_newer(name, found.clone());
        Ok(found)
    }

    /// What is known of the object is about to change.
    pub(crate) async fn forget(&self, name: &ObjectName) {
        if let Ok(kind) = self.kind(&name.kind).await {
            self.scalables
                .forget_list(&(kind.resource, name.namespace.clone()));
        }
    }

    /// The object is now as `left`, which a view that watches may learn a moment later, and a list in its next pass.
    pub(crate) fn note_newer(&self, name: &ObjectName, left: Scalable) {
        locked(&self.newer).insert(name.clone(), Arc::new(left));
    }

    fn as_newest(&self, name: &ObjectName, seen: &Arc<Scalable>) -> Arc<Scalable> {
        let mut newer = locked(&self.newer);
        match newer.get(name) {
            Some(left) if seen.is_older_than(left) => Arc::clone(left),
            Some(_) => {
                newer.remove(name);
                Arc::clone(seen)
            }
            None => Arc::clone(seen),
        }
    }
}

/// Objects by name, with the version of the collection that they are from.
struct Collection<K> {
    objects: BTreeMap<Box<str>, Arc<K>>,
    version: String,
}

impl<K: Kept> Source<K> {
    fn keep(&self, raw: RawOf<K>) -> (Box<str>, Arc<K>) {
        let object = K::keep(raw, &self.how);
        (object.name().into(), Arc::new(object))
    }

    fn until(&self) -> Instant {
        self.connection.until()
    }
}
