//! Lists a collection page by page, and keeps no more of each page than is used.

use std::collections::BTreeMap;

use serde::Deserialize;
use tokio::time::Instant;

use super::{Collection, Kept, RawOf, Source};
use crate::{ClusterError, resource::Action};

/// The most objects of one answer.
const PAGE: usize = 500;
/// How often a list is begun anew because its pages became too old.
const RESTARTS: usize = 2;

#[derive(Deserialize)]
struct Page<R> {
    metadata: PageMeta,
    #[serde(default = "Option::default")]
    items: Option<Vec<R>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageMeta {
    #[serde(default)]
    resource_version: String,
    #[serde(default, rename = "continue")]
    next: String,
}

/// Everything of `source`.
pub(super) async fn list<K: Kept>(source: &Source<K>, until: Instant) -> Result<Collection<K>, ClusterError> {
    let mut restarts = 0;
    loop {
        match pages(source, until).await {
            Err(ClusterError::Gone { .. }) if restarts < RESTARTS => restarts += 1,
            other => return other,
        }
    }
}

async fn pages<K: Kept>(source: &Source<K>, until: Instant) -> Result<Collection<K>, ClusterError> {
    let action = Action::list(&source.resource, &source.namespace);
    let first = format!("{}?limit={PAGE}", source.resource.collection(&source.namespace));
    let (mut objects, mut path) = (BTreeMap::new(), first.clone());
    loop {
        let page: Page<RawOf<K>> = source.connection.get(&path, &action, until).await?;
        objects.extend(page.items.into_iter().flatten().map(|raw| source.keep(raw)));
        if page.metadata.next.is_empty() {
            return Ok(Collection {
                objects,
                version: page.metadata.resource_version,
            });
        }
        path = format!("{first}&continue={}", escaped(&page.metadata.next));
    }
}

/// `text` as it may stand in a query.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_query_cannot_hold_is_escaped() {
        assert_eq!(escaped("aZ09-_.~"), "aZ09-_.~");
        assert_eq!(escaped("a=b&c+/ä"), "a%3Db%26c%2B%2F%C3%A4");
    }
}
