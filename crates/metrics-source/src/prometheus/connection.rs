//! One server, asked over HTTP: who asks, how long, how many at once, how much is read.
//!
//! What an answer means is read by `envelope`. Nothing here retries.

use std::{error::Error, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use headroom_policy_engine::Timestamp;
use prometheus_http_query as api;
use reqwest::{
    ClientBuilder, Response, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION},
    redirect::Policy,
};
use tokio::{sync::Semaphore, time::Instant};

use super::{
    envelope::{self, Body, QueryAnswer},
    options::{BaseUrl, Hidden, PrometheusCredentials, PrometheusOptions, PrometheusSetupError},
};
use crate::{Moments, ObserveError};

/// The most that is read of one answer, in bytes.
pub(super) const MAX_ANSWER: usize = 8 * 1024 * 1024;
/// The most that is read of an answer that is an error, in bytes.
const MAX_ERROR_ANSWER: usize = 64 * 1024;
/// A query up to this many bytes goes in the URL, which proxies that only read allow; a longer one in the body,
/// because URLs have limits.
const LONGEST_IN_URL: usize = 1500;
/// The most redirects that are followed, on the same server.
const MAX_REDIRECTS: usize = 3;

/// The way to one server.
pub(super) struct Connection {
    api: api::Client,
    base: Url,
    permits: Semaphore,
    timeout: Duration,
}

impl Connection {
    pub(super) fn new(options: &PrometheusOptions) -> Result<Self, PrometheusSetupError> {
        let zero = [
            (options.timeout.is_zero(), "the timeout"),
            (options.max_concurrent == 0, "the number of queries at once"),
            (
                options.scrape_interval == Some(Duration::ZERO),
                "the scrape interval",
            ),
        ];
        if let Some((_, what)) = zero.into_iter().find(|(is_zero, _)| *is_zero) {
            return Err(PrometheusSetupError::Zero { what });
        }
        let BaseUrl { url, user } = BaseUrl::parse(&options.url)?;
        let credentials = match (user, &options.credentials) {
            (None, given) => given.clone(),
            (Some((username, password)), PrometheusCredentials::None) => {
                PrometheusCredentials::Basic { username, password }
            }
            (Some(_), PrometheusCredentials::Bearer(_) | PrometheusCredentials::Basic { .. }) => {
                return Err(PrometheusSetupError::CredentialsTwice);
            }
        };
        let builder = reqwest::Client::builder()
            .user_agent(concat!("headroom/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers(options, &credentials)?)
            .redirect(same_server());
        let client = with_tls(builder, options)?
            .build()
            .map_err(|error| PrometheusSetupError::Client {
                reason: root_cause(&error),
            })?;
        let api = api::Client::from(client, url.as_str()).map_err(|error| PrometheusSetupError::Client {
            reason: root_cause(&error),
        })?;
        Ok(Self {
            api,
            base: url,
            permits: Semaphore::new(options.max_concurrent.min(Semaphore::MAX_PERMITS)),
            timeout: options.timeout,
        })
    }

    /// Its URL, which holds no secret.
    pub(super) const fn url(&self) -> &Url {
        &self.base
    }

    /// When what begins now has to be answered.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// The value of `query` at the server's own present.
    pub(super) async fn instant(&self, query: &str, deadline: Instant) -> Result<QueryAnswer, ObserveError> {
        let builder = self.api.query(query);
        let body = self
            .exchange(deadline, async {
                if query.len() <= LONGEST_IN_URL {
                    builder.get_raw().await
                } else {
                    builder.post_raw().await
                }
            })
            .await?;
        QueryAnswer::read(&body)
    }

    /// The values of `query` at each of `moments`.
    pub(super) async fn range(
        &self,
        query: &str,
        moments: &Moments,
        deadline: Instant,
    ) -> Result<QueryAnswer, ObserveError> {
        // The API client knows whole seconds alone.
        let mut url = self.url_of("api/v1/query_range");
        url.query_pairs_mut()
            .append_pair("query", query)
            .append_pair("start", &seconds(moments.first()))
            .append_pair("end", &seconds(moments.last()))
            .append_pair("step", &moments.spacing().as_secs_f64().to_string());
        let client = self.api.inner();
        let request = if query.len() <= LONGEST_IN_URL {
            client.get(url)
        } else {
            let form = url.query().unwrap_or_default().to_owned();
            url.set_query(None);
            let form_type = "application/x-www-form-urlencoded";
            client.post(url).header(CONTENT_TYPE, form_type).body(form)
        };
        let body = self.exchange(deadline, request.send()).await?;
        QueryAnswer::read(&body)
    }

    /// The body at `path`, which begins without a slash.
    pub(super) async fn get(&self, path: &str, deadline: Instant) -> Result<Body, ObserveError> {
        let (path, query) = path
            .split_once('?')
            .map_or((path, None), |(path, query)| (path, Some(query)));
        let mut url = self.url_of(path);
        url.set_query(query);
        let request = self.api.inner().get(url);
        self.exchange(deadline, request.send()).await
    }

    /// The URL of `path`, which begins without a slash.
    fn url_of(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{path}", self.base.path().trim_end_matches('/')));
        url.set_query(None);
        url
    }

    /// Waits for its turn, sends, and reads the answer, all before `deadline`.
    async fn exchange<E: SendError>(
        &self,
        deadline: Instant,
        send: impl Future<Output = Result<Response, E>>,
    ) -> Result<Body, ObserveError> {
        let answered = async {
            // Never closed, so never an error; without a permit it would be asked beyond the limit, no worse.
            let _permit = self.permits.acquire().await;
            let response = send.await.map_err(|error| error.into_observe_error())?;
            accept(response).await
        };
        tokio::time::timeout_at(deadline, answered)
            .await
            .unwrap_or(Err(ObserveError::TimedOut { after: self.timeout }))
    }
}

/// Errors of sending, from either of the two clients.
trait SendError {
    fn into_observe_error(self) -> ObserveError;
}

impl SendError for reqwest::Error {
    fn into_observe_error(self) -> ObserveError {
        ObserveError::Unreachable(root_cause(&self).into())
    }
}

impl SendError for api::Error {
    fn into_observe_error(self) -> ObserveError {
        ObserveError::Unreachable(root_cause(&self).into())
    }
}

/// A time as the API takes it, exactly.
fn seconds(at: Timestamp) -> String {
    let millis = at.unix_millis();
    format!("{}.{:03}", millis.div_euclid(1000), millis.rem_euclid(1000))
}

/// The body of an answer that is no error.
async fn accept(response: Response) -> Result<Body, ObserveError> {
    let status = response.status();
    if status.is_success() {
        let content_type = content_type(&response);
        let bytes = read_up_to(response, MAX_ANSWER).await?;
        return Ok(Body { bytes, content_type });
    }
    let message = if status.is_redirection() {
        let place = response
            .headers()
            .get(LOCATION)
            .and_then(|place| place.to_str().ok());
        format!(
            "it sends us to another server, {}, and we do not follow",
            host_of(place)
        )
    } else {
        let content_type = content_type(&response);
        // The status says enough where its words cannot be read.
        let bytes = read_up_to(response, MAX_ERROR_ANSWER).await.unwrap_or_default();
        envelope::error_message(&Body { bytes, content_type })
    };
    Err(ObserveError::Rejected {
        status: status.as_u16(),
        message,
    })
}

/// The body, or an error as soon as it is longer than `limit`, without reading on.
async fn read_up_to(mut response: Response, limit: usize) -> Result<Vec<u8>, ObserveError> {
    let announced = response
        .content_length()
        .and_then(|length| usize::try_from(length).ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(ObserveError::TooLarge { limit });
    }
    let mut bytes = Vec::with_capacity(announced.unwrap_or(0));
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(bytes),
            Ok(Some(chunk)) if bytes.len() + chunk.len() > limit => {
                return Err(ObserveError::TooLarge { limit });
            }
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Err(_) => {
                return Err(ObserveError::Malformed {
                    reason: format!("it broke off after {} bytes", bytes.len()),
                });
            }
        }
    }
}

fn content_type(response: &Response) -> Option<String> {
    let value = response.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    Some(envelope::shortened(value, 80))
}

/// Follows a redirect on the same server alone: another would learn our credentials, or answer for it.
fn same_server() -> Policy {
    Policy::custom(|attempt| {
        let is_same = attempt
            .previous()
            .first()
            .is_some_and(|first| first.origin() == attempt.url().origin());
        if is_same && attempt.previous().len() <= MAX_REDIRECTS {
            attempt.follow()
        } else {
            attempt.stop()
        }
    })
}

fn host_of(location: Option<&str>) -> String {
    location
        .and_then(|location| Url::parse(location).ok())
        .and_then(|url| url.host_str().map(|host| envelope::shortened(host, 100)))
        .unwrap_or_else(|| "which it does not name".to_owned())
}

fn headers(
    options: &PrometheusOptions,
    credentials: &PrometheusCredentials,
) -> Result<HeaderMap, PrometheusSetupError> {
    let mut headers = HeaderMap::new();
    for (name, Hidden(value)) in &options.headers {
        let refuse = || PrometheusSetupError::Header { name: name.clone() };
        let key = HeaderName::try_from(name.as_str()).map_err(|_| refuse())?;
        headers.insert(key, sensitive(value).ok_or_else(refuse)?);
    }
    let authorization = match credentials {
        PrometheusCredentials::None => return Ok(headers),
        PrometheusCredentials::Bearer(Hidden(token)) => format!("Bearer {token}"),
        PrometheusCredentials::Basic { username, password } => {
            format!("Basic {}", BASE64.encode(format!("{username}:{}", password.0)))
        }
    };
    let authorization = sensitive(&authorization).ok_or(PrometheusSetupError::Credentials)?;
    headers.insert(AUTHORIZATION, authorization);
    Ok(headers)
}

fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn with_tls(
    mut builder: ClientBuilder,
    options: &PrometheusOptions,
) -> Result<ClientBuilder, PrometheusSetupError> {
    if let Some(ca) = &options.ca {
        let authorities = reqwest::Certificate::from_pem_bundle(ca).map_err(|_| PrometheusSetupError::Ca)?;
        if authorities.is_empty() {
            return Err(PrometheusSetupError::Ca);
        }
        builder = builder.tls_certs_only(authorities);
    }
    if let Some(ours) = &options.client_certificate {
        let mut pem = ours.certificate.0.clone();
        if let Some(Hidden(key)) = &ours.key {
            pem.push(b'\n');
            pem.extend_from_slice(key);
        }
        let identity =
            reqwest::Identity::from_pem(&pem).map_err(|_| PrometheusSetupError::ClientCertificate)?;
        builder = builder.identity(identity);
    }
    Ok(builder)
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
    envelope::shortened(&cause.to_string(), 200)
}
