//! Slack: by an incoming webhook, or as a bot that can change what it said.
//!
//! A webhook can only say something new, so it says what was not said before. A bot changes what it said where
//! it is told to, and says what is new anew where Slack does not allow that any more.

mod answers;
mod blocks;
mod mrkdwn;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use reqwest::{
    Method,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::time::Instant;

use self::answers::{judge_post, judge_update, judge_webhook};
use crate::{
    HttpOptions, HttpSetupError, Message, Notice, Notifier, Receipt, SecretReader, SendError, Style,
    http::{Address, Answer, Http, Request, Secrets, Wanted, headers, read_secret, secret_header},
};

/// Where Slack's API is.
pub const SLACK_API: &str = "https://slack.com/api";

/// A Slack channel, and how it is told.
#[derive(Clone, Debug)]
pub struct SlackOptions {
    /// Which way.
    pub way: SlackWay,
    /// In which language and time.
    pub style: Style,
    /// How Slack is spoken to.
    pub http: HttpOptions,
}

/// A way into a Slack channel.
#[derive(Clone, Debug)]
pub enum SlackWay {
    /// An incoming webhook, which belongs to one channel. Its URL is its credential.
    Webhook {
        /// `https://hooks.slack.com/services/…`.
        url: SecretReader,
    },
    /// A bot, which can change what it said.
    Bot {
        /// The bot's token, `xoxb-…`, with the scope `chat:write`.
        token: SecretReader,
        /// The channel's ID, such as `C0123456789`; a name works too.
        channel: String,
        /// Where the API is, mostly [`SLACK_API`].
        api: String,
    },
}

/// Why a Slack channel cannot be set up.
#[derive(Debug, Error)]
pub enum SlackSetupError {
    /// The channel is not named.
    #[error(
        "the channel has no name: give its ID, such as C0123456789, which Slack shows at the end of the channel's details"
    )]
    NoChannel,
    /// The API has no address.
    #[error("the address of Slack's API cannot be used: {reason}")]
    Api {
        /// Why not.
        reason: String,
    },
    /// Nobody can be spoken to that way.
    #[error(transparent)]
    Http(#[from] HttpSetupError),
}

/// Puts notices into a Slack channel.
#[derive(Debug)]
pub struct SlackNotifier {
    way: SlackWay,
    style: Style,
    http: Http,
}

impl SlackNotifier {
    /// The channel of `options`. Nothing is sent, and no secret read, before there is a message.
    ///
    /// # Errors
    /// When it could never be sent anything.
    pub fn new(options: SlackOptions) -> Result<Self, SlackSetupError> {
        let SlackOptions { way, style, http } = options;
        let http = Http::new(&http)?;
        if let SlackWay::Bot { channel, api, .. } = &way {
            if channel.trim().is_empty() {
                return Err(SlackSetupError::NoChannel);
            }
            http.address(api).map_err(|error| SlackSetupError::Api {
                reason: error.to_string(),
            })?;
        }
        Ok(Self { way, style, http })
    }

    /// What is said of `notices`.
    fn payload(&self, notices: &[Notice], left_out: u32) -> Value {
        blocks::payload(notices, left_out, &self.style)
    }

    async fn send_to_webhook(&self, url: &SecretReader, message: &Message) -> Result<Receipt, SendError> {
        let url = read_secret(url, "the webhook's address")?;
        let address = self.http.address(&url)?;
        let payload = self.payload(message.fresh(), message.left_out);
        let request = request(address, &payload, Secrets::default());
        let deadline = self.http.deadline();
        let answer = self.http.exchange(request, Wanted::Status, deadline).await?;
        judge_webhook(&answer)?;
        Ok(Receipt::default())
    }

    async fn send_as_bot(&self, bot: Bot<'_>, message: &Message) -> Result<Receipt, SendError> {
        let deadline = self.http.deadline();
        let said = message.earlier.as_ref().and_then(Said::read);
        if let Some(said) = said {
            let mut payload = self.payload(&message.notices, message.left_out);
            merge(&mut payload, json!({ "channel": said.channel, "ts": said.ts }));
            let answer = self.call(bot, "/chat.update", &payload, deadline).await?;
            if let Some(said) = judge_update(&answer)? {
                return Ok(said.receipt());
            }
            // It cannot be changed, so what is new is said anew.
        }
        let mut payload = self.payload(message.fresh(), message.left_out);
        let more = json!({ "channel": bot.channel.trim(), "unfurl_links": false, "unfurl_media": false });
        merge(&mut payload, more);
        let answer = self.call(bot, "/chat.postMessage", &payload, deadline).await?;
        Ok(judge_post(&answer)?.receipt())
    }

    async fn call(
        &self,
        bot: Bot<'_>,
        method: &str,
        payload: &Value,
        deadline: Instant,
    ) -> Result<Answer, SendError> {
        let token = read_secret(bot.token, "the bot's token")?;
        let address = self.http.address(bot.api)?.with_path(method);
        let mut request = request(address, payload, Secrets::of([&token]));
        let bearer = secret_header(&format!("Bearer {token}"))?;
        request.headers.insert(AUTHORIZATION, bearer);
        self.http.exchange(request, Wanted::Body, deadline).await
    }
}

#[async_trait]
impl Notifier for SlackNotifier {
    async fn send(&self, message: &Message) -> Result<Receipt, SendError> {
        match &self.way {
            SlackWay::Webhook { url } => self.send_to_webhook(url, message).await,
            SlackWay::Bot { token, channel, api } => {
                let bot = Bot { token, channel, api };
                self.send_as_bot(bot, message).await
            }
        }
    }

    fn preview(&self, message: &Message) -> String {
        let mut payload = self.payload(message.fresh(), message.left_out);
        if let SlackWay::Bot { channel, .. } = &self.way {
            merge(&mut payload, json!({ "channel": channel.trim() }));
        }
        format!("{payload:#}")
    }

    fn can_edit(&self) -> bool {
        matches!(self.way, SlackWay::Bot { .. })
    }
}

/// A bot, and where it speaks.
#[derive(Clone, Copy)]
struct Bot<'a> {
    token: &'a SecretReader,
    channel: &'a str,
    api: &'a str,
}

/// A message that was said: Slack finds it by these two.
struct Said {
    channel: String,
    ts: String,
}

impl Said {
    fn read(receipt: &Receipt) -> Option<Self> {
        let (channel, ts) = receipt.0.split_once(' ')?;
        Some(Self {
            channel: channel.to_owned(),
            ts: ts.to_owned(),
        })
    }

    fn receipt(&self) -> Receipt {
        Receipt(format!("{} {}", self.channel, self.ts))
    }
}

fn request(address: Address, payload: &Value, secrets: Secrets) -> Request {
    Request {
        method: Method::POST,
        address,
        headers: headers([(CONTENT_TYPE.as_str(), "application/json; charset=utf-8")]),
        body: payload.to_string().into_bytes(),
        secrets,
    }
}

/// Puts the members of one object into another.
fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}
