//! Objects by one list a pass, whoever asks in it.

use std::sync::{Arc, Mutex};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};
use headroom_policy_engine::Timestamp;

use super::{Kept, Objects, Source, list::list, locked};
use crate::ClusterError;

type Answer<K> = Result<Arc<Objects<K>>, ClusterError>;
type Listing<K> = BoxFuture<'static, Answer<K>>;

/// The objects of a collection, listed once for each pass.
pub(super) struct Listed<K: Kept> {
    source: Source<K>,
    newest: Mutex<Option<(Timestamp, State<K>)>>,
}

/// How far the list of a pass is.
enum State<K: Kept> {
    /// Somebody waits for it. When nobody does any more, the request ends.
    UnderWay(WeakShared<Listing<K>>),
    Done(Answer<K>),
}

impl<K: Kept> Listed<K> {
    pub(super) fn new(source: Source<K>) -> Self {
        Self {
            source,
            newest: Mutex::new(None),
        }
    }

    /// The objects in the pass of `now`.
    pub(super) async fn objects(&self, now: Timestamp) -> Answer<K> {
        let listing = {
            let mut newest = locked(&self.newest);
            let known = newest.as_ref().filter(|(at, _)| *at == now);
            let under_way = match known {
                Some((_, State::Done(answer))) => return answer.clone(),
                Some((_, State::UnderWay(listing))) => listing.upgrade(),
                None => None,
            };
            under_way.unwrap_or_else(|| {
                let listing = self.begin();
                *newest = listing.downgrade().map(|weak| (now, State::UnderWay(weak)));
                listing
            })
        };
        let answer = listing.clone().await;
        self.done(&listing, &answer);
        answer
    }

    /// Keeps the answer, unless it was forgotten meanwhile or another pass has begun.
    fn done(&self, listing: &Shared<Listing<K>>, answer: &Answer<K>) {
        let mut newest = locked(&self.newest);
        if let Some((_, state)) = &mut *newest {
            let is_this = match state {
                State::UnderWay(weak) => weak.upgrade().is_some_and(|own| own.ptr_eq(listing)),
                State::Done(_) => false,
            };
            if is_this {
                *state = State::Done(answer.clone());
            }
        }
    }

    /// What was listed is not used again, not even in the same pass.
    pub(super) fn forget(&self) {
        *locked(&self.newest) = None;
    }

    fn begin(&self) -> Shared<Listing<K>> {
        let source = self.source.clone();
        let listed = async move {
            let until = source.until();
            let collection = list(&source, until).await?;
            Ok(Arc::new(Objects::new(&collection.objects)))
        };
        listed.boxed().shared()
    }
}
