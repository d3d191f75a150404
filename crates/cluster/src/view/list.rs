//! Lists a collection page by page, and keeps no more of each page than is used.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::time::Instant;

use super::{Collection, Kept, RawOf, Source};
use crate::{ClusterError, Connection, Resource, resource::Action};

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
    let path = source.resource.collection(&source.namespace);
    let action = Action::list(&source.resource, &source.namespace);
    let keep = |raw: RawOf<K>| source.keep(raw);
    let (objects, version) = everything(&source.connection, &path, &action, until, keep).await?;
    Ok(Collection { objects, version })
}

/// The objects of `resource` as they are, in one namespace or in all of them.
pub(crate) async fn whole(
    connection: &Connection,
    resource: &Resource,
    namespace: Option<&str>,
) -> Result<Vec<Value>, ClusterError> {
    let path = resource.collection_in(namespace);
    let action = Action::list_in(resource, namespace);
    let keep = |object: Value| object;
    let (objects, _) = everything(connection, &path, &action, connection.until(), keep).await?;
    Ok(objects)
}

/// What is at `path`, with the version of the list. Begins anew where its pages became too old.
async fn everything<R: DeserializeOwned, T, C: Default + Extend<T>>(
    connection: &Connection,
    path: &str,
    action: &Action,
    until: Instant,
    keep: impl Fn(R) -> T,
) -> Result<(C, String), ClusterError> {
    let mut objects = C::default();
    let first = format!("{path}?limit={PAGE}");
    let (mut next, mut restarts) = (first.clone(), 0);
    loop {
        let page: Page<R> = match connection.get(&next, action, until).await {
            Err(ClusterError::Gone { .. }) if restarts < RESTARTS => {
                restarts += 1;
                objects = C::default();
                next.clone_from(&first);
                continue;
            }
            other => other?,
        };
        objects.extend(page.items.into_iter().flatten().map(&keep));
        if page.metadata.next.is_empty() {
            return Ok((objects, page.metadata.resource_version));
        }
        next = format!("{first}&continue={}", escaped(&page.metadata.next));
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
