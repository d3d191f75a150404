//! Webhooks: headroom's own JSON, signed, for whoever writes a receiver; PagerDuty and Alertmanager, so that an on-call
//! route that is there takes over.

mod alertmanager;
mod object;
mod pagerduty;
mod signature;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use headroom_policy_engine::Timestamp;
use reqwest::{
    Method,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

pub use self::object::notice_schema;
use crate::{
    HttpOptions, HttpSetupError, Message, Notifier, Receipt, SecretReader, SendError, Style,
    channel::LONGEST,
    http::{Address, Http, Request, Secrets, Wanted, headers, read_secret, secret_header},
    progress::Progress,
};

/// Where PagerDuty takes events. Accounts in the EU have `https://events.eu.pagerduty.com/v2/enqueue`.
pub const PAGERDUTY_EVENTS: &str = "https://events.pagerduty.com/v2/enqueue";

/// So long all requests of one message may take together; each has its own deadline within.
const ALL_EVENTS: Duration = Duration::from_secs(25);
const _: () = assert!(
    ALL_EVENTS.as_secs() < LONGEST.as_secs(),
    "whoever delivers waits for them"
);

const SIGNATURE: HeaderName = HeaderName::from_static("headroom-signature");
const TIMESTAMP: HeaderName = HeaderName::from_static("headroom-timestamp");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A receiver of webhooks.
#[derive(Clone, Debug)]
pub struct WebhookOptions {
    /// In which form, and where.
    pub form: WebhookForm,
    /// In which language and time its texts are.
    pub style: Style,
    /// How it is spoken to.
    pub http: HttpOptions,
}

/// A form of webhooks.
#[derive(Clone, Debug)]
pub enum WebhookForm {
    /// headroom's own JSON, of which [`notice_schema`] is the schema.
    Json {
        /// Where to send.
        url: SecretReader,
        /// What messages are signed with, so that the receiver knows that they are headroom's; `None`: not at all.
        secret: Option<SecretReader>,
        /// The header `Authorization`, such as `Bearer …`; `None`: none.
        authorization: Option<SecretReader>,
    },
    /// PagerDuty's Events API v2.
    PagerDuty {
        /// The key of an integration of the kind Events API v2.
        routing_key: SecretReader,
        /// Where the API is, mostly [`PAGERDUTY_EVENTS`].
        url: SecretReader,
    },
    /// Alertmanager's API v2.
    Alertmanager {
        /// Where it is, with or without `/api/v2/alerts` at the end.
        url: SecretReader,
        /// The header `Authorization`, such as `Bearer …`; `None`: none.
        authorization: Option<SecretReader>,
    },
}

/// Hands notices to a webhook.
#[derive(Debug)]
pub struct WebhookNotifier {
    form: WebhookForm,
    style: Style,
    http: Http,
    /// Of messages that are several requests: those that were taken, by their keys.
    taken: Progress<Vec<String>>,
}

impl WebhookNotifier {
    /// The receiver of `options`. Nothing is sent, and no secret read, before there is a message.
    ///
    /// # Errors
    /// When it could never be sent anything.
    pub fn new(options: WebhookOptions) -> Result<Self, HttpSetupError> {
        let WebhookOptions { form, style, http } = options;
        Ok(Self {
            form,
            style,
            http: Http::new(&http)?,
            taken: Progress::default(),
        })
    }

    async fn send_json(
        &self,
        message: &Message,
        url: &SecretReader,
        secret: Option<&SecretReader>,
        authorization: Option<&SecretReader>,
    ) -> Result<(), SendError> {
        let address = self.http.address(&read_secret(url, "the webhook's address")?)?;
        let body = object::of(message, &self.style).to_string().into_bytes();
        let mut headers = json_headers();
        headers.insert(IDEMPOTENCY_KEY, idempotency_key(&message.key));
        let credential = authorize(&mut headers, authorization)?;
        let mut key = String::new();
        if let Some(secret) = secret {
            key = read_secret(secret, "the secret that messages are signed with")?;
            if key.is_empty() {
                return Err(SendError::Unanswered {
                    reason: "the secret that messages are signed with is empty".to_owned(),
                });
            }
            let signed = signature::sign(&key, now(), &body);
            headers.insert(TIMESTAMP, signed.timestamp);
            headers.insert(SIGNATURE, signed.signature);
        }
        let secrets = Secrets::of([&credential, &key]);
        self.post(address, headers, body, secrets).await
    }

    async fn send_to_pagerduty(
        &self,
        message: &Message,
        routing_key: &SecretReader,
        url: &SecretReader,
    ) -> Result<(), SendError> {
        let address = self.http.address(&read_secret(url, "PagerDuty's address")?)?;
        let routing_key = read_secret(routing_key, "the routing key")?;
        let mut taken = self.taken.of(&message.key);
        let mut events = pagerduty::events(message.fresh(), &self.style);
        events.retain(|event| !taken.contains(&event.dedup_key));
        match self.send_each(events, &address, &routing_key, &mut taken).await {
            Ok(()) => {
                self.taken.forget(&message.key);
                Ok(())
            }
            Err(error) if taken.is_empty() => Err(error),
            Err(error) => {
                self.taken.keep(&message.key, taken);
                Err(error.of_the_rest())
            }
        }
    }

    /// Adds the keys of those `events` that are taken to `taken`. One that is refused does not keep the others back.
    async fn send_each(
        &self,
        events: Vec<pagerduty::Event>,
        address: &Address,
        routing_key: &str,
        taken: &mut Vec<String>,
    ) -> Result<(), SendError> {
        let end = Instant::now() + ALL_EVENTS;
        let mut all = Ok(());
        for (index, event) in events.into_iter().enumerate() {
            if index > 0 && self.http.deadline() > end {
                return Err(SendError::Unanswered {
                    reason: "PagerDuty is slow: the rest of the events follows".to_owned(),
                });
            }
            let dedup_key = event.dedup_key.clone();
            let body = event.with_key(routing_key).to_string().into_bytes();
            let secrets = Secrets::of([routing_key]);
            match self.post(address.clone(), json_headers(), body, secrets).await {
                Ok(()) => taken.push(dedup_key),
                Err(error @ SendError::Refused { .. }) => all = all.and(Err(error)),
                Err(error) => return Err(error),
            }
        }
        all
    }

    async fn send_to_alertmanager(
        &self,
        message: &Message,
        url: &SecretReader,
        authorization: Option<&SecretReader>,
    ) -> Result<(), SendError> {
        let url = read_secret(url, "Alertmanager's address")?;
        let address = self.http.address(&url)?.with_path(alertmanager::PATH);
        let alerts = alertmanager::alerts(message.fresh(), &self.style, now());
        let mut headers = json_headers();
        let credential = authorize(&mut headers, authorization)?;
        let body = alerts.to_string().into_bytes();
        self.post(address, headers, body, Secrets::of([&credential]))
            .await
    }

    async fn post(
        &self,
        address: Address,
        headers: HeaderMap,
        body: Vec<u8>,
        secrets: Secrets,
    ) -> Result<(), SendError> {
        let request = Request {
            method: Method::POST,
            address,
            headers,
            body,
            secrets,
        };
        let deadline = self.http.deadline();
        self.http
            .exchange(request, Wanted::Status, deadline)
            .await?
            .judge()
    }
}

#[async_trait]
impl Notifier for WebhookNotifier {
    async fn send(&self, message: &Message) -> Result<Receipt, SendError> {
        match &self.form {
            WebhookForm::Json {
                url,
                secret,
                authorization,
            } => {
                self.send_json(message, url, secret.as_ref(), authorization.as_ref())
                    .await?;
            }
            WebhookForm::PagerDuty { routing_key, url } => {
                self.send_to_pagerduty(message, routing_key, url).await?;
            }
            WebhookForm::Alertmanager { url, authorization } => {
                self.send_to_alertmanager(message, url, authorization.as_ref())
                    .await?;
            }
        }
        Ok(Receipt::default())
    }

    /// Alertmanager keeps alerts in memory alone, and counts on those who send them.
    fn forgets(&self) -> bool {
        matches!(self.form, WebhookForm::Alertmanager { .. })
    }

    fn preview(&self, message: &Message) -> String {
        let object = match &self.form {
            WebhookForm::Json { .. } => object::of(message, &self.style),
            WebhookForm::PagerDuty { .. } => {
                let events = pagerduty::events(message.fresh(), &self.style).into_iter();
                events.map(|event| event.with_key("(hidden)")).collect()
            }
            WebhookForm::Alertmanager { .. } => {
                let newest = message.fresh().last().map_or_else(now, |notice| notice.at);
                alertmanager::alerts(message.fresh(), &self.style, newest)
            }
        };
        format!("{object:#}")
    }
}

fn json_headers() -> HeaderMap {
    headers([(CONTENT_TYPE.as_str(), "application/json")])
}

/// Puts the credential into `headers`, and gives it back so that it can be hidden.
fn authorize(headers: &mut HeaderMap, authorization: Option<&SecretReader>) -> Result<String, SendError> {
    let Some(authorization) = authorization else {
        return Ok(String::new());
    };
    let value = read_secret(authorization, "the header Authorization")?;
    headers.insert(AUTHORIZATION, secret_header(&value)?);
    // A server cites it without its kind, too.
    let credential = value
        .split_once(' ')
        .map_or(value.as_str(), |(_, credential)| credential);
    Ok(credential.trim().to_owned())
}

/// `key` as a header may have it: itself, or where it may not, what stands for it.
fn idempotency_key(key: &str) -> HeaderValue {
    let is_plain = (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    let plain = HeaderValue::from_str(key).ok().filter(|_| is_plain);
    plain.unwrap_or_else(|| hex_header(&hash(key)))
}

/// The SHA-256 of `text`, in hex.
fn hash(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[expect(
    clippy::expect_used,
    reason = "letters and digits of hex are a header's value"
)]
fn hex_header(hex: &str) -> HeaderValue {
    HeaderValue::from_str(hex).expect("letters and digits are a header's value")
}

fn now() -> Timestamp {
    Timestamp::from_unix_millis(jiff::Timestamp::now().as_millisecond())
}

/// A moment as RFC 3339 has it, in UTC; what lies outside of the years that it knows is at their end.
fn rfc3339(at: Timestamp) -> String {
    // 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999Z less the largest offset that a zone may have.
    let millis = at.unix_millis().clamp(-62_135_596_800_000, 253_402_207_200_000);
    jiff::Timestamp::from_millisecond(millis)
        .unwrap_or_default()
        .to_string()
}

/// `value` where it is a number that JSON can say.
fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
