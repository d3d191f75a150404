//! What came of one attempt: the answer, or an error with whether another attempt may change it.

use std::{error::Error, process::Output, time::Duration};

use http::{Response, StatusCode, header};
use kube::{
    Config,
    client::{AuthError, Body},
    core::Status,
};
use tokio::time::Instant;

use crate::{ClusterError, resource::Action};

/// The most characters of a server's or program's words that an error repeats.
const SHOWN: usize = 400;

/// Who is asked, and who gives the credentials for it: what errors may show of a configuration that has secrets in it.
#[derive(Debug)]
pub(super) struct Peer {
    /// The API server's URL.
    pub(super) server: String,
    /// The credential plugin, without its arguments and environment.
    plugin: Option<String>,
}

impl Peer {
    pub(super) fn of(config: &Config) -> Self {
        let plugin = config
            .auth_info
            .exec
            .as_ref()
            .and_then(|exec| exec.command.clone());
        Self {
            server: config.cluster_url.to_string().trim_end_matches('/').to_owned(),
            plugin,
        }
    }

    /// That there are no credentials after `waited`.
    pub(super) fn unequipped(&self, waited: Duration) -> ClusterError {
        if self.plugin.is_some() {
            return self.plugin_failed(&format!("it did not end within {waited:?}"));
        }
        ClusterError::Setup {
            server: self.server.clone(),
            reason: format!("it took longer than {waited:?}"),
        }
    }

    fn plugin_failed(&self, said: &str) -> ClusterError {
        ClusterError::CredentialPlugin {
            command: shortened(self.plugin.as_deref().unwrap_or_default()),
            said: shortened(said),
        }
    }
}

/// Why an attempt failed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: ClusterError,
    pub(super) retry: Retry,
}

/// Whether another attempt may end otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    /// No.
    Never,
    /// After a pause.
    Paused,
    /// Not before the server says.
    After(Duration),
    /// With other credentials than those that were made at this moment.
    Renewed(Instant),
}

impl Failed {
    pub(super) const fn for_good(error: ClusterError) -> Self {
        Self {
            error,
            retry: Retry::Never,
        }
    }
}

/// The body of an answer that is no error, to a request with credentials of the moment `made`.
pub(super) async fn answer(
    response: Result<Response<Body>, kube::Error>,
    action: &Action,
    peer: &Peer,
    made: Instant,
) -> Result<Vec<u8>, Failed> {
    let unsent = |error: kube::Error| {
        let error = judge(error, action, peer);
        let retry = if matches!(error, ClusterError::Unreachable { .. }) {
            Retry::Paused
        } else {
            Retry::Never
        };
        Failed { error, retry }
    };
    let response = response.map_err(unsent)?;
    let status = response.status();
    let after = retry_after(&response);
    let body = response.into_body().collect_bytes().await.map_err(unsent)?;
    if status.is_success() {
        return Ok(body.into());
    }
    let error = refusal(status, message(&body), action, peer);
    let retry = if status == StatusCode::TOO_MANY_REQUESTS {
        Retry::After(after.unwrap_or_default())
    } else if status == StatusCode::UNAUTHORIZED {
        Retry::Renewed(made)
    } else if status.is_server_error() {
        after.map_or(Retry::Paused, Retry::After)
    } else {
        Retry::Never
    };
    Err(Failed { error, retry })
}

fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let value = response.headers().get(header::RETRY_AFTER)?;
    value.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

/// The server's own words: of a Status, or what stands there instead.
fn message(body: &[u8]) -> String {
    let status: Option<Status> = serde_json::from_slice(body).ok();
    let said = status
        .map(|status| status.message)
        .filter(|message| !message.is_empty());
    shortened(&said.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned()))
}

/// An error of the client: of an answer that it judged itself, or of what kept it from getting one.
pub(super) fn judge(error: kube::Error, action: &Action, peer: &Peer) -> ClusterError {
    if let kube::Error::Api(status) = &error {
        return match StatusCode::from_u16(status.code) {
            Ok(code) => refusal(code, shortened(&status.message), action, peer),
            // Whatever is no event is taken for a status, of which nothing has to be there.
            Err(_) => ClusterError::Unreadable {
                action: action.to_string(),
                reason: "it is neither an event nor an error".to_owned(),
            },
        };
    }
    if let kube::Error::SerdeError(error) = &error {
        return ClusterError::Unreadable {
            action: action.to_string(),
            reason: error.to_string(),
        };
    }
    unreachable(&error, peer)
}

/// What an answer with this status means.
fn refusal(status: StatusCode, message: String, action: &Action, peer: &Peer) -> ClusterError {
    let action = action.to_string();
    match status {
        StatusCode::UNAUTHORIZED => ClusterError::Unauthorized {
            server: peer.server.clone(),
        },
        StatusCode::FORBIDDEN => ClusterError::Forbidden { action, message },
        StatusCode::NOT_FOUND => ClusterError::NotFound {
            what: what(&message, &action),
        },
        StatusCode::CONFLICT => ClusterError::Conflict {
            action,
            message,
            may_be_ours: false,
        },
        StatusCode::GONE => ClusterError::Gone { action, message },
        StatusCode::TOO_MANY_REQUESTS => ClusterError::Throttled { action, message },
        _ if status.is_server_error() => ClusterError::Failed {
            status: status.as_u16(),
            action,
            message,
        },
        _ => ClusterError::Refused {
            status: status.as_u16(),
            action,
            message,
        },
    }
}

/// What was not found: the API server says `deployments.apps "api" not found`, and of a path that it does not serve
/// `404 page not found`.
fn what(message: &str, action: &str) -> String {
    message
        .strip_suffix(" not found")
        .filter(|what| what.contains('"'))
        .map_or_else(|| format!("answer to {action}: {message}"), str::to_owned)
}

/// Why the client could not be made.
pub(super) fn setup(error: &kube::Error, peer: &Peer) -> ClusterError {
    credentials(error, peer).unwrap_or_else(|| ClusterError::Setup {
        server: peer.server.clone(),
        reason: unsupported_proxy(error).unwrap_or_else(|| shortened(&root_cause(error))),
    })
}

/// That the proxy is of a kind that does not work, where that is the cause. Its URL may have a password in it.
fn unsupported_proxy(error: &kube::Error) -> Option<String> {
    let kube::Error::ProxyProtocolUnsupported { proxy_url } = error else {
        return None;
    };
    let scheme = proxy_url
        .scheme_str()
        .map_or_else(|| "no scheme".to_owned(), |scheme| format!("`{scheme}`"));
    Some(format!(
        "a proxy of {scheme} is not supported: use http, https or socks5"
    ))
}

fn unreachable(error: &kube::Error, peer: &Peer) -> ClusterError {
    if let Some(error) = credentials(error, peer) {
        return error;
    }
    let server = peer.server.clone();
    match find::<rustls::Error>(error) {
        Some(rustls::Error::InvalidCertificate(reason)) => ClusterError::Untrusted {
            server,
            reason: reason.to_string(),
        },
        Some(_) | None => ClusterError::Unreachable {
            server,
            reason: shortened(&root_cause(error)),
        },
    }
}

/// Why there are no credentials, where that is the cause.
fn credentials(error: &kube::Error, peer: &Peer) -> Option<ClusterError> {
    let error = if let kube::Error::Auth(error) = error {
        error
    } else {
        find::<AuthError>(error)?
    };
    // The error's own words of the command have its environment in them, and those of its answer may have a token.
    let failed = |said: &str| Some(peer.plugin_failed(said));
    if let AuthError::AuthExecRun { out, .. } = error {
        return failed(&how_it_ended(out));
    }
    if let AuthError::AuthExecParse(_) = error {
        return failed("its answer is no ExecCredential");
    }
    Some(ClusterError::Setup {
        server: peer.server.clone(),
        reason: shortened(&error.to_string()),
    })
}

fn how_it_ended(out: &Output) -> String {
    let stderr = String::from_utf8_lossy(&out.stderr);
    let stderr = stderr.trim();
    if stderr.is_empty() {
        out.status.to_string()
    } else {
        format!("{}: {stderr}", out.status)
    }
}

/// The error of type `E` in the chain of causes. An I/O error hides the one that it carries, maybe in another one.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        let carried = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        next = carried
            .map(|carried| carried as &(dyn Error + 'static))
            .or_else(|| error.source());
    }
    None
}

fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// `text` in one line, and no longer than an error may be.
fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown: String = line.chars().take(SHOWN).collect();
    if line.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}
