//! Objects by one list a pass, whoever asks in it.

use std::sync::{Arc, Mutex};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use headroom_policy_engine::Timestamp;

use super::{Kept, Objects, Source, list::list, locked};
use crate::ClusterError;

type Listing<K> = Shared<BoxFuture<'static, Result<Arc<Objects<K>>, ClusterError>>>;

/// The objects of a collection, listed once for each pass.
pub(super) struct Listed<K: Kept> {
    source: Source<K>,
    newest: Mutex<Option<(Timestamp, Listing<K>)>>,
}

impl<K: Kept> Listed<K> {
    pub(super) fn new(source: Source<K>) -> Self {
        Self {
            source,
            newest: Mutex::new(None),
        }
    }

    /// The objects in the pass of `now`.
    pub(super) async fn objects(&self, now: Timestamp) -> Result<Arc<Objects<K>>, ClusterError> {
        let listing = {
            let mut newest = locked(&self.newest);
            match &*newest {
                Some((at, listing)) if *at == now => listing.clone(),
                Some(_) | None => {
                    let listing = self.begin();
                    *newest = Some((now, listing.clone()));
                    listing
                }
            }
        };
        listing.await
    }

    /// What was listed is not used again, not even in the same pass.
    pub(super) fn forget(&self) {
        *locked(&self.newest) = None;
    }

    fn begin(&self) -> Listing<K> {
        let source = self.source.clone();
        let listed = async move {
            let until = source.until();
            let collection = list(&source, until).await?;
            Ok(Arc::new(Objects::new(&collection.objects)))
        };
        listed.boxed().shared()
    }
}
