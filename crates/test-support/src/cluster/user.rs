//! Who asks the API server, and as what kubeconfig.

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::api::{
    authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec},
    rbac::v1::PolicyRule,
};
use kube::{Api, Client, Config, api::PostParams, config::Kubeconfig};
use serde_json::{Value, json};

use super::credentials::{Issued, write};

/// Somebody whom the API server knows, and what they show it.
#[derive(Clone, Debug)]
pub struct User {
    name: String,
    kubeconfig: Value,
    path: Option<PathBuf>,
}

impl User {
    pub(super) fn with_certificate(url: &str, authority: &str, name: &str, issued: &Issued) -> Self {
        let shows = json!({
            "client-certificate-data": STANDARD.encode(&issued.certificate),
            "client-key-data": STANDARD.encode(&issued.key),
        });
        Self::new(url, authority, name, None, &shows)
    }

    pub(super) fn with_token(url: &str, authority: &str, name: &str, namespace: &str, token: &str) -> Self {
        Self::new(url, authority, name, Some(namespace), &json!({ "token": token }))
    }

    fn new(url: &str, authority: &str, name: &str, namespace: Option<&str>, shows: &Value) -> Self {
        let mut context = json!({ "cluster": "headroom-test", "user": name });
        if let Some(namespace) = namespace {
            context["namespace"] = namespace.into();
        }
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{
                "name": "headroom-test",
                "cluster": { "server": url, "certificate-authority-data": STANDARD.encode(authority) },
            }],
            "users": [{ "name": name, "user": shows }],
            "contexts": [{ "name": "headroom-test", "context": context }],
            "current-context": "headroom-test",
        });
        Self {
            name: name.to_owned(),
            kubeconfig,
            path: None,
        }
    }

    /// Their name, as the API server says it, such as `system:serviceaccount:shop-0:headroom`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The path of their kubeconfig. The namespace of its context is theirs.
    pub fn kubeconfig(&self) -> &Path {
        self.path.as_deref().unwrap_or(Path::new(""))
    }

    /// A client that is they. It lives as long as the runtime on which it was made.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    #[expect(clippy::panic, reason = "without its client the test cannot run")]
    pub async fn client(&self) -> Client {
        let made = async {
            let kubeconfig: Kubeconfig = serde_json::from_value(self.kubeconfig.clone())?;
            let mut config = Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await?;
            // Straight to 127.0.0.1, whatever proxy the environment names.
            config.proxy_url = None;
            Ok::<_, Box<dyn std::error::Error>>(Client::try_from(config)?)
        };
        made.await
            .unwrap_or_else(|error| panic!("no client for {}: {error}", self.name))
    }

    /// Writes the kubeconfig, as JSON, which is YAML too.
    pub(super) fn write(mut self, path: PathBuf) -> Self {
        write(&path, &format!("{:#}\n", self.kubeconfig));
        self.path = Some(path);
        self
    }
}

/// A rule of RBAC: these verbs on these resources. The core's group is `""`.
pub fn rule(groups: &[&str], resources: &[&str], verbs: &[&str]) -> PolicyRule {
    let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect();
    PolicyRule {
        api_groups: Some(owned(groups)),
        resources: Some(owned(resources)),
        verbs: owned(verbs),
        ..PolicyRule::default()
    }
}

/// Whether the API server lets the client's user do the first that a rule names.
pub(super) async fn may(client: &Client, namespace: &str, rule: &PolicyRule) -> bool {
    let first = |words: &Option<Vec<String>>| words.as_ref().and_then(|words| words.first().cloned());
    let resource = first(&rule.resources);
    let (resource, subresource) = match resource.as_deref().and_then(|resource| resource.split_once('/')) {
        Some((resource, subresource)) => (Some(resource.to_owned()), Some(subresource.to_owned())),
        None => (resource, None),
    };
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                namespace: Some(namespace.to_owned()),
                verb: rule.verbs.first().cloned(),
                group: first(&rule.api_groups),
                resource,
                subresource,
                name: first(&rule.resource_names),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await;
    answer.is_ok_and(|answer| answer.status.is_some_and(|status| status.allowed))
}
