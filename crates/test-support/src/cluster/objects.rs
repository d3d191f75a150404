//! Reading and writing objects of any kind as JSON.

use kube::{
    Client,
    api::{Patch, PatchParams},
};
use serde_json::Value;

/// Who owns the fields that the harness writes.
pub(super) const MANAGER: &str = "headroom-test";

/// Creates an object, or makes it like this one. `collection` is the path of its kind, such as `/api/v1/nodes`.
pub(super) async fn try_apply(client: &Client, collection: &str, object: &Value) -> kube::Result<Value> {
    patch(client, collection, object, None).await
}

/// [`try_apply`] for the part of an object that a controller writes.
pub(super) async fn try_apply_status(
    client: &Client,
    collection: &str,
    object: &Value,
) -> kube::Result<Value> {
    patch(client, collection, object, Some("status")).await
}

/// [`try_apply`], which fails the test where the API server refuses.
#[expect(clippy::panic, reason = "an object that is refused fails the test")]
#[track_caller]
pub(super) fn apply(client: &Client, collection: &str, object: &Value) -> impl Future<Output = Value> {
    let caller = std::panic::Location::caller();
    async move {
        try_apply(client, collection, object)
            .await
            .unwrap_or_else(|error| panic!("{caller}: {collection}: {error}\n{object:#}"))
    }
}

async fn patch(
    client: &Client,
    collection: &str,
    object: &Value,
    subresource: Option<&str>,
) -> kube::Result<Value> {
    let name = object
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let requests = kube::core::Request::new(collection);
    let parameters = PatchParams::apply(MANAGER).force();
    let patch = Patch::Apply(object);
    let request = match subresource {
        None => requests.patch(name, &parameters, &patch),
        Some(subresource) => requests.patch_subresource(subresource, name, &parameters, &patch),
    };
    client.request(request.map_err(kube::Error::BuildRequest)?).await
}

/// The answer to a GET, or nothing where there is none or it is not one of success.
pub(super) async fn get(client: &Client, path: &str) -> Option<Value> {
    serde_json::from_str(&get_text(client, path).await?).ok()
}

/// [`get`] for an answer that is not JSON.
pub(super) async fn get_text(client: &Client, path: &str) -> Option<String> {
    let request = http::Request::get(path).body(Vec::new()).ok()?;
    client.request_text(request).await.ok()
}

/// Whether a condition of an object is true.
pub(super) fn is_true(object: &Value, condition: &str) -> bool {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    conditions
        .into_iter()
        .flatten()
        .any(|one| one["type"] == condition && one["status"] == "True")
}
