//! Why the cluster could not be asked, in words that name the cause and the way out.

use std::{path::PathBuf, time::Duration};

use thiserror::Error;

/// Why the cluster could not be asked, or what it refused.
///
/// Many workloads share one answer, so errors are plain facts that can be cloned.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ClusterError {
    /// There is neither a kubeconfig nor a pod's service account.
    #[error(
        "no cluster is configured: there is no kubeconfig at {}, and this is no pod of a cluster; set KUBECONFIG or \
         --kubeconfig",
        looked_at.display()
    )]
    NoCluster {
        /// Where a kubeconfig was looked for.
        looked_at: PathBuf,
    },
    /// The kubeconfig cannot be used.
    #[error("the kubeconfig {file} cannot be used: {reason}")]
    Kubeconfig {
        /// The file, or the list of files.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// What the environment says of servers that are reached without its proxy cannot be read.
    #[error(
        "NO_PROXY of the environment cannot be used: {reason}; write addresses, networks such as 10.0.0.0/8 and names with \
         commas between and no empty entry, and `*` alone or not at all"
    )]
    ProxyExceptions {
        /// What is wrong with it.
        reason: String,
    },
    /// The kubeconfig has no context of this name.
    #[error("the kubeconfig {file} has no context `{context}`; it has {}", list(known))]
    UnknownContext {
        /// The file, or the list of files.
        file: String,
        /// The context that was asked for.
        context: String,
        /// The contexts that exist.
        known: Vec<String>,
    },
    /// The kubeconfig names no current context, and none was asked for.
    #[error(
        "the kubeconfig {file} has no current context; choose one with --context: {}",
        list(known)
    )]
    NoContext {
        /// The file, or the list of files.
        file: String,
        /// The contexts that exist.
        known: Vec<String>,
    },
    /// The kubeconfig was changed, and means another server than in the beginning.
    #[error("{origin} means another server now: {now} instead of {server}; restart to work with that one")]
    AnotherServer {
        /// The context with its file.
        origin: String,
        /// The API server in the beginning.
        server: String,
        /// The API server that it would be now.
        now: String,
    },
    /// The files of a pod's service account cannot be used.
    #[error("the pod's service account cannot be used: {reason}")]
    ServiceAccount {
        /// What is wrong.
        reason: String,
    },
    /// The program that should give credentials failed.
    #[error("the credential plugin `{command}` of the kubeconfig failed: {said}")]
    CredentialPlugin {
        /// The program, without its arguments and environment.
        command: String,
        /// How it ended and the last it said.
        said: String,
    },
    /// The connection cannot be set up as it is configured.
    #[error("the connection to {server} cannot be set up: {reason}")]
    Setup {
        /// The API server.
        server: String,
        /// What is wrong.
        reason: String,
    },
    /// The API server shows a certificate that is not trusted.
    #[error(
        "the certificate of {server} is not trusted: {reason}; the kubeconfig's certificate-authority must be the one \
         that signed it"
    )]
    Untrusted {
        /// The API server.
        server: String,
        /// Why not.
        reason: String,
    },
    /// The API server could not be reached, or the connection to it was lost.
    #[error("{server} could not be reached: {reason}")]
    Unreachable {
        /// The API server.
        server: String,
        /// Why not.
        reason: String,
    },
    /// 401: the credentials are not accepted.
    #[error(
        "{server} does not accept the credentials (401): the token or certificate has expired, or belongs to another \
         cluster"
    )]
    Unauthorized {
        /// The API server.
        server: String,
    },
    /// 403: the credentials are accepted, and do not allow this.
    #[error("not allowed: {action} (403): {message}")]
    Forbidden {
        /// The verb, the resource and the namespace that a Role has to name.
        action: String,
        /// The API server's own words, which name the user.
        message: String,
    },
    /// 404: there is no such object.
    #[error("there is no {what}")]
    NotFound {
        /// Which object.
        what: String,
    },
    /// 409: the object is not what the request took it for.
    #[error("{action}: the object has changed (409): {message}")]
    Conflict {
        /// What was asked.
        action: String,
        /// The API server's own words.
        message: String,
        /// Whether an attempt before it has no known outcome, so that the change may be the one that was asked for.
        may_be_ours: bool,
    },
    /// 410: the version asked for is not there any more.
    #[error("{action}: too old (410): {message}")]
    Gone {
        /// What was asked.
        action: String,
        /// The API server's own words.
        message: String,
    },
    /// 429: too many requests.
    #[error("the API server asks for fewer requests (429): {action}: {message}")]
    Throttled {
        /// What was asked.
        action: String,
        /// The API server's own words.
        message: String,
    },
    /// 5xx: the API server, or what stands before it, failed.
    #[error("the API server failed ({status}): {action}: {message}")]
    Failed {
        /// The HTTP status.
        status: u16,
        /// What was asked.
        action: String,
        /// The API server's own words.
        message: String,
    },
    /// Another status that is no success.
    #[error("the API server refused ({status}): {action}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What was asked.
        action: String,
        /// The API server's own words.
        message: String,
    },
    /// No answer in time.
    #[error("{action}: no answer within {after:?}")]
    NoAnswer {
        /// What was asked.
        action: String,
        /// The time there was.
        after: Duration,
    },
    /// The answer is not what the API says.
    #[error("{action}: the answer cannot be read: {reason}")]
    Unreadable {
        /// What was asked.
        action: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No kind of this name is served.
    #[error(
        "the cluster has no kind `{kind}`; write it as `kubectl api-resources` shows it, with its group: KIND.GROUP/NAME"
    )]
    UnknownKind {
        /// The kind as it was written.
        kind: String,
    },
    /// Several groups have a kind of this name.
    #[error("`{kind}` is a kind of several groups: write {}", list(candidates))]
    AmbiguousKind {
        /// The kind as it was written.
        kind: String,
        /// The ways to write it that mean one kind.
        candidates: Vec<String>,
    },
    /// Objects of this kind have no count to set.
    #[error("{resource} cannot be scaled: the kind has no scale subresource")]
    NotScalable {
        /// The kind.
        resource: String,
    },
    /// The object does not say how many replicas it wants.
    #[error("{what} has no replica count in its spec; set one, so that there is something to scale")]
    NoCount {
        /// Which object.
        what: String,
    },
    /// What is watched is not in step with the cluster, so that what is known of it may be wrong.
    #[error("{what} cannot be watched: {}", because(cause.as_deref()))]
    OutOfStep {
        /// What is watched.
        what: String,
        /// Since when.
        since: Duration,
        /// The last failure, if one is known.
        cause: Option<Box<ClusterError>>,
    },
}

impl ClusterError {
    /// Whether a write that ended like this may have been carried out all the same.
    #[must_use]
    pub const fn leaves_outcome_unknown(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Failed { .. }
            | Self::NoAnswer { .. }
            | Self::Unreadable { .. } => true,
            Self::Conflict { may_be_ours, .. } => *may_be_ours,
            Self::NoCluster { .. }
            | Self::Kubeconfig { .. }
            | Self::ProxyExceptions { .. }
            | Self::UnknownContext { .. }
            | Self::NoContext { .. }
            | Self::AnotherServer { .. }
            | Self::ServiceAccount { .. }
            | Self::CredentialPlugin { .. }
            | Self::Setup { .. }
            | Self::Untrusted { .. }
            | Self::Unauthorized { .. }
            | Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::Gone { .. }
            | Self::Throttled { .. }
            | Self::Refused { .. }
            | Self::UnknownKind { .. }
            | Self::AmbiguousKind { .. }
            | Self::NotScalable { .. }
            | Self::NoCount { .. }
            | Self::OutOfStep { .. } => false,
        }
    }

    /// Whether a permission is missing, which asking again does not change.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        if let Self::OutOfStep { cause, .. } = self {
            return cause.as_deref().is_some_and(Self::is_forbidden);
        }
        matches!(self, Self::Forbidden { .. })
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

fn because(cause: Option<&ClusterError>) -> String {
    cause.map_or_else(|| "there is no answer yet".to_owned(), ToString::to_string)
}
