//! Asks a cluster about itself and about what it allows. It cannot change anything.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use crate::{ClusterError, Connection, Permission, Verb, resource::Action};

const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// What can be asked of a cluster about itself.
#[derive(Debug)]
pub struct Inquiry {
    connection: Arc<Connection>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    git_version: String,
}

#[derive(Deserialize)]
struct Review {
    status: ReviewStatus,
}

#[derive(Deserialize)]
struct ReviewStatus {
    allowed: bool,
}

impl Inquiry {
    /// Asks over `connection`.
    #[must_use]
    pub const fn new(connection: Arc<Connection>) -> Self {
        Self { connection }
    }

    /// The API server's URL.
    #[must_use]
    pub fn server(&self) -> &str {
        self.connection.server()
    }

    /// Which cluster this is and how it was found, such as `context prod of ~/.kube/config`.
    #[must_use]
    pub fn origin(&self) -> String {
        self.connection.origin()
    }

    /// The API server's version, such as `v1.36.3`.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn version(&self) -> Result<String, ClusterError> {
        let until = self.connection.until();
        let action = Action::get_path("/version");
        let version: Version = self.connection.get("/version", &action, until).await?;
        Ok(version.git_version)
    }

    /// The verbs of `permission` that are not allowed (SelfSubjectAccessReview).
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn missing(&self, permission: &Permission) -> Result<Vec<Verb>, ClusterError> {
        let mut missing = Vec::new();
        for &verb in permission.verbs {
            if !self.may(verb, permission).await? {
                missing.push(verb);
            }
        }
        Ok(missing)
    }

    async fn may(&self, verb: Verb, permission: &Permission) -> Result<bool, ClusterError> {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": {
                "namespace": permission.namespace,
                "verb": verb.to_string(),
                "group": permission.resource.group,
                "resource": permission.resource.plural,
                "subresource": permission.subresource.unwrap_or_default(),
                "name": permission.name.as_deref().unwrap_or_default(),
            } },
        });
        let action = Action::review();
        let until = self.connection.until();
        let answer: Review = self.connection.review(REVIEWS, &review, &action, until).await?;
        Ok(answer.status.allowed)
    }
}
