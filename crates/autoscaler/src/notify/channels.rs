//! From the settings of channels to what hands messages over.
//!
//! A channel that cannot be used does not keep anything from being scaled: it is left out, and said.

use std::{fmt, sync::Arc, time::Duration};

use headroom_notifier::{
    EmailNotifier, EmailOptions, Heartbeat, HeartbeatOptions, Hidden, HttpOptions, Notifier,
    PAGERDUTY_EVENTS, SLACK_API, SecretReader, SlackNotifier, SlackOptions, SlackWay, WebhookForm,
    WebhookNotifier, WebhookOptions,
    delivery::{Channel, ChannelName},
};

use super::{ChannelSettings, Medium, NotifySettings};
use crate::{PlainSecret, Secret, config::Environment, pass::in_one_line};

/// How long handing a message over may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long handing a mail over may take: a mail server asks others before it says yes.
const MAIL_DEADLINE: Duration = Duration::from_secs(20);

/// What hands messages over, and what cannot.
#[derive(Debug, Default)]
pub struct Channels {
    /// The channels that can be used, in the order of the configuration.
    pub usable: Vec<Channel>,
    /// What is asked after each pass that could see everything; `None` where nothing is.
    pub heartbeat: Option<Heartbeat>,
    /// Those that cannot, each with the reason.
    pub unusable: Vec<UnusableChannel>,
}

/// A channel that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusableChannel {
    /// Its name, or `heartbeat`.
    pub name: ChannelName,
    /// Why not, and the way out; without anything secret.
    pub reason: String,
}

impl fmt::Display for UnusableChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing is sent to {}: {}", self.name, self.reason)
    }
}

impl Channels {
    /// What hands messages over to the channels of `settings`. Secrets are read when they are used, from files and from
    /// `environment`; what is not set there is not going to be.
    #[must_use]
    pub fn of(settings: &NotifySettings, environment: &Environment) -> Self {
        let mut channels = Self::default();
        let maker = Maker {
            environment: Arc::new(environment.clone()),
        };
        for one in &settings.channels {
            match maker.notifier(one) {
                Ok(notifier) => channels.usable.push(Channel {
                    name: one.name.clone(),
                    notifier,
                    rules: one.rules.clone(),
                    alternates: Vec::new(),
                }),
                Err(reason) => channels.unusable.push(UnusableChannel {
                    name: one.name.clone(),
                    reason,
                }),
            }
        }
        channels.set_alternates(settings);
        channels.heartbeat = settings.heartbeat.as_ref().and_then(|heartbeat| {
            let options = maker.secret(&heartbeat.url).map(|url| HeartbeatOptions {
                url,
                http: http(heartbeat.allow_http, None),
            });
            let made =
                options.and_then(|options| Heartbeat::new(options).map_err(|error| in_one_line(&error)));
            made.map_err(|reason| {
                let name = ChannelName::from("heartbeat");
                channels.unusable.push(UnusableChannel { name, reason });
            })
            .ok()
        });
        channels
    }

    /// Where a channel does not take what is urgent, the general ones do, and then the others in their order.
    fn set_alternates(&mut self, settings: &NotifySettings) {
        let general = settings.general.critical.iter().chain(&settings.general.channels);
        let mut order: Vec<ChannelName> = Vec::new();
        let all = self.usable.iter().map(|channel| &channel.name);
        for name in general.chain(all.clone()) {
            if !order.contains(name) && all.clone().any(|known| known == name) {
                order.push(name.clone());
            }
        }
        for channel in &mut self.usable {
            channel.alternates = order
                .iter()
                .filter(|name| **name != channel.name)
                .cloned()
                .collect();
        }
    }
}

struct Maker {
    environment: Arc<Environment>,
}

impl Maker {
    fn notifier(&self, settings: &ChannelSettings) -> Result<Arc<dyn Notifier>, String> {
        let style = settings.style.clone();
        let slack = |way, allow_http| {
            let (style, http) = (style.clone(), http(allow_http, None));
            let made = SlackNotifier::new(SlackOptions { way, style, http });
            made.map(|made| Arc::new(made) as Arc<dyn Notifier>)
                .map_err(|error| in_one_line(&error))
        };
        let webhook = |form, allow_http, ca| {
            let (style, http) = (style.clone(), http(allow_http, ca));
            let made = WebhookNotifier::new(WebhookOptions { form, style, http });
            made.map(|made| Arc::new(made) as Arc<dyn Notifier>)
                .map_err(|error| in_one_line(&error))
        };
        match &settings.medium {
            Medium::SlackWebhook { url, allow_http } => slack(
                SlackWay::Webhook {
                    url: self.secret(url)?,
                },
                *allow_http,
            ),
            Medium::SlackBot {
                token,
                channel,
                api,
                allow_http,
            } => {
                let way = SlackWay::Bot {
                    token: self.secret(token)?,
                    channel: channel.clone(),
                    api: api.as_deref().unwrap_or(SLACK_API).to_owned(),
                };
                slack(way, *allow_http)
            }
            Medium::Email {
                smtp,
                from,
                to,
                ca,
                allow_plaintext,
            } => {
                let made = EmailNotifier::new(EmailOptions {
                    smtp: self.secret(smtp)?,
                    from: SecretReader::fixed(from),
                    to: self.secret(to)?,
                    style,
                    deadline: MAIL_DEADLINE,
                    ca: self.file(ca.as_ref())?,
                    allow_plaintext: *allow_plaintext,
                });
                made.map(|made| Arc::new(made) as Arc<dyn Notifier>)
                    .map_err(|error| in_one_line(&error))
            }
            Medium::Webhook {
                url,
                secret,
                authorization,
                ca,
                allow_http,
            } => {
                let form = WebhookForm::Json {
                    url: self.secret(url)?,
                    secret: self.optional(secret.as_ref())?,
                    authorization: self.optional(authorization.as_ref())?,
                };
                webhook(form, *allow_http, self.file(ca.as_ref())?)
            }
            Medium::PagerDuty {
                routing_key,
                url,
                ca,
                allow_http,
            } => {
                let url = match url {
                    Some(url) => self.secret(url)?,
                    None => SecretReader::fixed(PAGERDUTY_EVENTS),
                };
                let form = WebhookForm::PagerDuty {
                    routing_key: self.secret(routing_key)?,
                    url,
                };
                webhook(form, *allow_http, self.file(ca.as_ref())?)
            }
            Medium::Alertmanager {
                url,
                authorization,
                ca,
                allow_http,
            } => {
                let form = WebhookForm::Alertmanager {
                    url: self.secret(url)?,
                    authorization: self.optional(authorization.as_ref())?,
                };
                webhook(form, *allow_http, self.file(ca.as_ref())?)
            }
        }
    }

    /// Reads `secret` each time it is used: a file may change. A variable that is not set will not be.
    fn secret(&self, secret: &Secret) -> Result<SecretReader, String> {
        match secret {
            Secret::Env(_) => {
                self.resolved(secret)?;
            }
            Secret::File(_) | Secret::Plain(_) => {}
        }
        let (secret, environment) = (secret.clone(), Arc::clone(&self.environment));
        Ok(SecretReader::new(move || {
            let read = secret.resolve(&environment);
            read.map(|PlainSecret(text)| Hidden::new(text))
                .map_err(|error| in_one_line(&error))
        }))
    }

    fn optional(&self, secret: Option<&Secret>) -> Result<Option<SecretReader>, String> {
        secret.map(|secret| self.secret(secret)).transpose()
    }

    fn file(&self, secret: Option<&Secret>) -> Result<Option<Vec<u8>>, String> {
        let read = secret.map(|secret| self.resolved(secret)).transpose()?;
        Ok(read.map(|PlainSecret(text)| text.into_bytes()))
    }

    fn resolved(&self, secret: &Secret) -> Result<PlainSecret, String> {
        secret
            .resolve(&self.environment)
            .map_err(|error| in_one_line(&error))
    }
}

const fn http(allow_http: bool, ca: Option<Vec<u8>>) -> HttpOptions {
    HttpOptions {
        deadline: DEADLINE,
        allow_http,
        ca,
    }
}
