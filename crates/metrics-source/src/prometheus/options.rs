//! How a Prometheus is reached: plain values, with secrets already read.
//!
//! Owns that secrets do not show themselves. Where they come from belongs to the configuration.

use std::{collections::BTreeMap, fmt, time::Duration};

use reqwest::Url;
use thiserror::Error;

/// How one Prometheus (or Mimir, Thanos, VictoriaMetrics) is reached.
#[derive(Clone)]
pub struct PrometheusOptions {
    /// Its base URL, `http` or `https`; a path before `/api/v1` is kept. A user and password in it are taken for
    /// basic authentication.
    pub url: String,
    /// How it is told who asks.
    pub credentials: PrometheusCredentials,
    /// Extra headers of each request, by name, such as `X-Scope-OrgID`.
    pub headers: BTreeMap<String, Hidden<String>>,
    /// Authorities to trust instead of the system's: PEM, one or several certificates.
    pub ca: Option<Vec<u8>>,
    /// Our own certificate, for servers that ask for one.
    pub client_certificate: Option<ClientCertificate>,
    /// How long a query may take, from the start of the pass to the last byte of its answer. Above zero.
    pub timeout: Duration,
    /// How many requests may be under way at once, over all passes. Above zero.
    pub max_concurrent: usize,
    /// How often it scrapes, above zero; `None`: asked from `/api/v1/targets`, job by job.
    pub scrape_interval: Option<Duration>,
}

impl PrometheusOptions {
    /// The server at `url`, asked without credentials, trusting what the system trusts.
    #[must_use]
    pub fn new(url: &str, timeout: Duration, max_concurrent: usize) -> Self {
        Self {
            url: url.to_owned(),
            credentials: PrometheusCredentials::None,
            headers: BTreeMap::new(),
            ca: None,
            client_certificate: None,
            timeout,
            max_concurrent,
            scrape_interval: None,
        }
    }
}

impl fmt::Debug for PrometheusOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrometheusOptions")
            .field("url", &shown_url(&self.url))
            .field("credentials", &self.credentials)
            .field("headers", &self.headers)
            .field("private_ca", &self.ca.is_some())
            .field("client_certificate", &self.client_certificate)
            .field("timeout", &self.timeout)
            .field("max_concurrent", &self.max_concurrent)
            .field("scrape_interval", &self.scrape_interval)
            .finish()
    }
}

/// How a server is told who asks.
#[derive(Clone, Debug, Default)]
pub enum PrometheusCredentials {
    /// Not at all.
    #[default]
    None,
    /// `Authorization: Bearer …`.
    Bearer(Hidden<String>),
    /// `Authorization: Basic …`.
    Basic {
        /// The user's name.
        username: String,
        /// The password.
        password: Hidden<String>,
    },
}

/// A certificate that says who we are, and the key that proves it.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// PEM: the certificate, with those between it and its authority; its key may stand beside it.
    pub certificate: Hidden<Vec<u8>>,
    /// PEM: the key, where it stands apart.
    pub key: Option<Hidden<Vec<u8>>>,
}

/// A value that does not show itself in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden<T>(pub T);

impl<T> fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl<T> From<T> for Hidden<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

/// Why a source cannot be made from its options. Says nothing of secrets.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PrometheusSetupError {
    /// The URL is none that a Prometheus can have.
    #[error("the url {url} cannot be used: {reason}")]
    Url {
        /// The URL, without a user and password.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Both the URL and the options say who asks.
    #[error("the url holds a user, and credentials are given as well")]
    CredentialsTwice,
    /// A header's name or value has characters that no header can have.
    #[error("the header {name} has a name or a value that HTTP does not allow")]
    Header {
        /// The header's name.
        name: String,
    },
    /// A password or token has characters that no header can have.
    #[error("the credentials have characters that HTTP does not allow, such as a line break")]
    Credentials,
    /// The authorities to trust cannot be read.
    #[error("the private CA is not a certificate in PEM form")]
    Ca,
    /// Our certificate, or its key, cannot be read.
    #[error("the client certificate and its key cannot be used: both are needed, in PEM form")]
    ClientCertificate,
    /// The timeout, the number of requests at once, or the scrape interval is zero.
    #[error("{what} is zero")]
    Zero {
        /// Which of them.
        what: &'static str,
    },
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be made: {reason}")]
    Client {
        /// Why not.
        reason: String,
    },
}

/// A base URL that can be asked and shown, and who asks by it.
pub(super) struct BaseUrl {
    /// Without user, password and a slash at the end.
    pub(super) url: Url,
    /// The user and password that stood in it.
    pub(super) user: Option<(String, Hidden<String>)>,
}

impl BaseUrl {
    pub(super) fn parse(text: &str) -> Result<Self, PrometheusSetupError> {
        let refuse = |reason: &str| PrometheusSetupError::Url {
            url: shown_url(text),
            reason: reason.to_owned(),
        };
        let mut url = Url::parse(text).map_err(|error| refuse(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse("it must begin with http:// or https://"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("it must end before any ? or #"));
        }
        let user = (!url.username().is_empty() || url.password().is_some()).then(|| {
            let password = percent_decoded(url.password().unwrap_or_default());
            (percent_decoded(url.username()), Hidden(password))
        });
        let without = url.set_username("").and_then(|()| url.set_password(None));
        without.map_err(|()| refuse("it has no host"))?;
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(Self { url, user })
    }
}

/// The URL as it may be shown: without user and password, or not at all.
fn shown_url(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else {
        // What does not parse may hold a password anywhere before an @.
        return text
            .rsplit_once('@')
            .map_or_else(|| text.to_owned(), |(_, rest)| format!("…@{rest}"));
    };
    let hidden = url.set_username("").and_then(|()| url.set_password(None));
    if hidden.is_err() {
        return format!("{}:…", url.scheme());
    }
    url.set_query(None);
    url.to_string()
}

/// The text with `%40` and the like turned back; what is no such code stays as it is.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = (first == b'%')
            .then(|| tail.get(..2))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(url: &str, words: &str) {
        let error = BaseUrl::parse(url).err().map(|error| error.to_string());
        let error = error.expect("it should be refused");
        assert!(error.contains(words), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_url_that_cannot_be_asked_is_refused_without_showing_its_password() {
        refused("prometheus:9090", "http://");
        refused("ftp://ops:hunter2@prometheus", "http://");
        refused("http://ops:hunter2@prometheus:99999", "port");
        refused("http://prometheus:9090/?token=hunter2", "before any ?");
        refused("", "relative URL");
    }

    #[test]
    fn a_user_in_the_url_is_taken_out_of_it() {
        let base = BaseUrl::parse("http://ops:p%40ss%@prometheus:9090/prom/").unwrap();
        assert_eq!(base.url.as_str(), "http://prometheus:9090/prom");
        assert_eq!(base.user, Some(("ops".to_owned(), Hidden("p@ss%".to_owned()))));
    }

    #[test]
    fn secrets_do_not_show_themselves() {
        let mut options = PrometheusOptions::new("http://ops:hunter2@p:1/", Duration::from_secs(1), 1);
        options.credentials = PrometheusCredentials::Basic {
            username: "ops".to_owned(),
            password: Hidden("hunter2".to_owned()),
        };
        options
            .headers
            .insert("x-token".to_owned(), Hidden("hunter2".to_owned()));
        options.client_certificate = Some(ClientCertificate {
            certificate: Hidden(b"hunter2".to_vec()),
            key: Some(Hidden(b"hunter2".to_vec())),
        });
        let shown = format!("{options:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(!shown.contains(&format!("{:?}", b"hunter2")), "{shown}");
        assert!(shown.contains("x-token"), "{shown}");
    }
}
