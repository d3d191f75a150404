//! One exchange over HTTP with a receiver, however that behaves.
//!
//! Ends within its deadline, follows no redirect, reads no long answer, connects to the addresses that were looked at, and
//! says nothing of a URL or a credential. Where the environment names a proxy, it is the proxy that is connected to, and that
//! looks the name of the receiver up: only an address that stands in a URL is looked at then. What is sent, and what an
//! answer means, is the channels'.

mod address;
mod answer;
mod names;
mod secrets;
#[cfg(test)]
mod tests;

use std::{error::Error, fmt, sync::Arc, time::Duration};

use reqwest::{
    Client, Method,
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};
use thiserror::Error;
use tokio::time::Instant;

pub(crate) use self::{
    address::Address,
    answer::{Answer, Body},
    secrets::Secrets,
};
use self::{
    address::NotAddressed,
    names::{Lookup, Pinned, System},
};
use crate::{SecretReader, SendError, words::one_line};

/// How a receiver is spoken to.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// How long a whole exchange may take, from looking up the name to the end of the answer. Above zero; 10 s are usual.
    pub deadline: Duration,
    /// Whether what is sent may go over the network unencrypted.
    pub allow_http: bool,
    /// Certificates in PEM of the only authorities that are trusted; `None`: those that the system trusts.
    pub ca: Option<Vec<u8>>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(10),
            allow_http: false,
            ca: None,
        }
    }
}

/// Why nobody can be spoken to that way.
#[derive(Debug, Error)]
pub enum HttpSetupError {
    /// No time at all.
    #[error("the deadline is zero, in which nothing can be sent: give it some seconds")]
    ZeroDeadline,
    /// The authorities cannot be read.
    #[error("the authorities are no certificates in PEM")]
    Ca,
    /// Something else is wrong with TLS.
    #[error("TLS cannot be set up: {reason}")]
    Tls {
        /// What.
        reason: String,
    },
}

/// Speaks to receivers.
pub(crate) struct Http {
    client: Client,
    deadline: Duration,
    allow_http: bool,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("deadline", &self.deadline)
            .field("allow_http", &self.allow_http)
            .finish_non_exhaustive()
    }
}

/// What is sent.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) address: Address,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// What must not be said again, beside the address.
    pub(crate) secrets: Secrets,
}

/// Which part of a good answer counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// That it is good. The rest is not waited for.
    Status,
    /// What it says too.
    Body,
}

impl Http {
    pub(crate) fn new(options: &HttpOptions) -> Result<Self, HttpSetupError> {
        Self::looking_up_with(System, options)
    }

    fn looking_up_with(lookup: impl Lookup, options: &HttpOptions) -> Result<Self, HttpSetupError> {
        if options.deadline.is_zero() {
            return Err(HttpSetupError::ZeroDeadline);
        }
        let names = Arc::new(Pinned::new(lookup));
        let builder = || {
            Client::builder()
                .user_agent(concat!("headroom/", env!("CARGO_PKG_VERSION")))
                .redirect(Policy::none())
                .dns_resolver(Arc::clone(&names))
                // Each exchange looks the name up and connects anew, so that a receiver can move.
                .pool_max_idle_per_host(0)
        };
        let client = match &options.ca {
            Some(ca) => {
                let authorities =
                    reqwest::Certificate::from_pem_bundle(ca).map_err(|_| HttpSetupError::Ca)?;
                if authorities.is_empty() {
                    return Err(HttpSetupError::Ca);
                }
                builder().tls_certs_only(authorities).build()
            }
            // Where the system trusts nobody, nobody is: who is spoken to unencrypted can be spoken to all the same.
            None => builder()
                .build()
                .or_else(|_| builder().tls_certs_only([]).build()),
        };
        let client = client.map_err(|error| HttpSetupError::Tls {
            reason: root_cause(&error),
        })?;
        Ok(Self {
            client,
            deadline: options.deadline,
            allow_http: options.allow_http,
        })
    }

    /// The address that `text` is, if it may be spoken to.
    pub(crate) fn address(&self, text: &str) -> Result<Address, SendError> {
        Address::parse(text, self.allow_http).map_err(|why: NotAddressed| SendError::Refused {
            reason: why.to_string(),
        })
    }

    /// When what begins now has to be over.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.deadline
    }

    /// Sends `request` and reads the answer, whatever its status, all before `deadline`.
    ///
    /// An error means that there is none, and that it is not known whether the receiver has what was sent.
    pub(crate) async fn exchange(
        &self,
        request: Request,
        wanted: Wanted,
        deadline: Instant,
    ) -> Result<Answer, SendError> {
        let Request {
            method,
            address,
            headers,
            body,
            mut secrets,
        } = request;
        secrets.add_address(&address);
        let sent = self
            .client
            .request(method, address.into_url())
            .headers(headers)
            .body(body)
            .send();
        match tokio::time::timeout_at(deadline, sent).await {
            Err(_) => Err(self.no_answer()),
            Ok(Err(error)) => Err(SendError::Unanswered {
                reason: secrets.hide(&root_cause(&error)),
            }),
            Ok(Ok(response)) => Ok(Answer::read(response, wanted, deadline, secrets).await),
        }
    }

    /// That the receiver was too slow.
    pub(crate) fn no_answer(&self) -> SendError {
        let within = headroom_policy_engine::Span(self.deadline);
        SendError::Unanswered {
            reason: format!("no answer within {within}"),
        }
    }
}

/// The secret as it stands now, without the end of the line that files have.
pub(crate) fn read_secret(secret: &SecretReader, what: &str) -> Result<String, SendError> {
    match secret.read() {
        Ok(secret) => Ok(secret.reveal().trim().to_owned()),
        // It may be readable when it is tried again.
        Err(why) => Err(SendError::Unanswered {
            reason: format!("{what} cannot be read: {why}"),
        }),
    }
}

/// A header that shows itself to nobody.
pub(crate) fn secret_header(value: &str) -> Result<HeaderValue, SendError> {
    let mut value = HeaderValue::try_from(value).map_err(|_| SendError::Refused {
        reason: "the credential has characters that no HTTP header may have: look whether its file has more than one line"
            .to_owned(),
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Headers from their names and values, of which none is secret.
pub(crate) fn headers<const N: usize>(all: [(&'static str, &str); N]) -> HeaderMap {
    let each = all.into_iter().filter_map(|(name, value)| {
        let value = HeaderValue::try_from(value).ok()?;
        Some((HeaderName::from_static(name), value))
    });
    each.collect()
}

/// The innermost cause, which names what happened, and no URL.
fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if cause.downcast_ref::<reqwest::Error>().is_some() {
        // Its own text names the URL.
        return "the request could not be sent".to_owned();
    }
    one_line(&cause.to_string())
}
