//! The objects of a kind as they are now, and word of each change.

use std::{fmt::Debug, hash::Hash};

use futures::{Stream, StreamExt as _};
use kube::{
    Api, Resource,
    runtime::{
        WatchStreamExt as _,
        reflector::{self, Store},
        watcher,
    },
};

/// A store of a kind that is current for as long as the stream is polled, which yields at each change.
pub(super) fn watched<K>(
    api: Api<K>,
    kind: K::DynamicType,
) -> (Store<K>, impl Stream<Item = ()> + Send + Unpin)
where
    K: Resource<DynamicType: Eq + Hash + Clone + Send + Sync>
        + Clone
        + Debug
        + Send
        + Sync
        + serde::de::DeserializeOwned
        + 'static,
{
    let writer = reflector::store::Writer::new(kind);
    let store = writer.as_reader();
    let changes = watcher(api, watcher::Config::default())
        .default_backoff()
        .reflect(writer)
        // An error is one of the connection, which the watcher makes anew.
        .map(drop)
        .boxed();
    (store, changes)
}
