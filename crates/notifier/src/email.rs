//! Mail, handed to a server that takes it for others.
//!
//! A mail is a `multipart/alternative` of text and HTML. Mails about one incident stand in one thread. What a server
//! answers to each recipient is kept apart, so that one who is refused costs the others nothing, and one who is to be
//! tried again does not get the others a second mail.

mod addresses;
mod exchange;
mod layout;
mod mail;
mod server;
mod stream;

use std::{fmt, time::Duration};

use async_trait::async_trait;
use lettre::{
    Address,
    message::Mailbox,
    transport::smtp::client::{Certificate, CertificateStore, TlsParameters},
};
use thiserror::Error;

pub use self::{
    addresses::{AddressesError, check_mail_recipients, check_mail_sender},
    server::{SmtpUrlError, check_smtp_url},
};
use self::{
    exchange::{Encryption, Failure, Outcome, Rejected, deliver},
    mail::Mail,
    server::{Plaintext, Security, Server},
};
use crate::{
    Hidden, Message, Notifier, Receipt, SecretReader, SendError, Style,
    progress::Progress,
    words::{cut, one_line},
};

/// So much of what a server says is shown to people.
const MAX_SHOWN: usize = 300;

/// What a channel of mail is made of.
#[derive(Clone, Debug)]
pub struct EmailOptions {
    /// The URL of the mail server, with user and password: `smtps://user:password@host` is encrypted from the start,
    /// `smtp://` by STARTTLS before anything else. Read for each mail.
    pub smtp: SecretReader,
    /// The sender, as `headroom@example.com` or `headroom <headroom@example.com>`. Read for each mail.
    pub from: SecretReader,
    /// The recipients, separated by commas. Read for each mail.
    pub to: SecretReader,
    /// In what words.
    pub style: Style,
    /// How long a mail may take, from looking up the server to its word that it has it.
    pub deadline: Duration,
    /// Certificates, as PEM, that are trusted in place of the system's.
    pub ca: Option<Vec<u8>>,
    /// Whether `smtp://` is spoken without any encryption, as to a relay on the same machine.
    pub allow_plaintext: bool,
}

/// Why a channel of mail cannot be made.
#[derive(Debug, Error)]
pub enum EmailError {
    /// What should be certificates are none.
    #[error("there is no certificate in PEM in what is to be trusted for mail")]
    BadCa,
}

/// A channel of mail.
pub struct EmailNotifier {
    options: EmailOptions,
    ca: Option<Certificate>,
    progress: Progress<Delivered>,
}

/// What is settled of one mail.
#[derive(Clone, Debug, Default)]
struct Delivered {
    taken: Vec<Address>,
    never: Vec<Rejected>,
}

impl Delivered {
    /// Whether nothing more is to be tried for this recipient.
    fn is_settled(&self, address: &Address) -> bool {
        self.taken.contains(address) || self.never.iter().any(|rejected| rejected.address == *address)
    }

    /// What `error` means where some may have the mail already.
    fn with(&self, error: SendError) -> SendError {
        if self.taken.is_empty() {
            error
        } else {
            error.of_the_rest()
        }
    }
}

impl fmt::Debug for EmailNotifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmailNotifier")
            .field("style", &self.options.style)
            .field("deadline", &self.options.deadline)
            .field("allow_plaintext", &self.options.allow_plaintext)
            .finish_non_exhaustive()
    }
}

impl EmailNotifier {
    /// A channel with these options. Connects to nothing yet.
    ///
    /// # Errors
    /// When the certificates cannot be read.
    pub fn new(options: EmailOptions) -> Result<Self, EmailError> {
        let is_pem = |pem: &[u8]| String::from_utf8_lossy(pem).contains("-----BEGIN CERTIFICATE-----");
        let ca = match &options.ca {
            None => None,
            Some(pem) if is_pem(pem) => Some(Certificate::from_pem(pem).map_err(|_| EmailError::BadCa)?),
            Some(_) => return Err(EmailError::BadCa),
        };
        let notifier = Self {
            options,
            ca,
            progress: Progress::default(),
        };
        if notifier.ca.is_some() {
            // A certificate that is none is found only now.
            notifier.tls("localhost").map_err(|_| EmailError::BadCa)?;
        }
        Ok(notifier)
    }

    /// What is read anew for each mail.
    fn read(&self) -> Result<(Server, Mailbox, Vec<Mailbox>), SendError> {
        let plaintext = if self.options.allow_plaintext {
            Plaintext::Allowed
        } else {
            Plaintext::Refused
        };
        let server = Server::parse(read(&self.options.smtp)?.reveal(), plaintext).map_err(refused)?;
        let from = addresses::parse_one(read(&self.options.from)?.reveal());
        let from = from.map_err(|error| misaddressed("the sender", &error))?;
        let to = addresses::parse(read(&self.options.to)?.reveal());
        let to = to.map_err(|error| misaddressed("the recipients", &error))?;
        Ok((server, from, to))
    }

    fn tls(&self, host: &str) -> Result<TlsParameters, lettre::transport::smtp::Error> {
        let builder = TlsParameters::builder(host.to_owned());
        match &self.ca {
            None => builder.build(),
            Some(ca) => builder
                .certificate_store(CertificateStore::None)
                .add_root_certificate(ca.clone())
                .build(),
        }
    }

    async fn exchange(&self, server: &Server, mail: &Mail, to: &[Address]) -> Result<Outcome, Failure> {
        let tls = || {
            let built = self.tls(&server.host);
            built.map_err(|error| Failure::Broken(format!("TLS could not be set up: {error}")))
        };
        let encryption = match server.security {
            Security::StartTls => Encryption::StartTls(tls()?),
            Security::Implicit => Encryption::Implicit(tls()?),
            Security::Plaintext => Encryption::Plaintext,
        };
        deliver(server, encryption, mail, to, self.options.deadline).await
    }
}

#[async_trait]
impl Notifier for EmailNotifier {
    async fn send(&self, message: &Message) -> Result<Receipt, SendError> {
        let (server, from, to) = self.read()?;
        let told = self.progress.of(&message.key);
        let pending: Vec<Address> = to
            .iter()
            .map(|mailbox| mailbox.email.clone())
            .filter(|address| !told.is_settled(address))
            .collect();
        let mail = Mail::new(message, &self.options.style, from, to).map_err(refused)?;
        let outcome = if pending.is_empty() {
            Outcome::default()
        } else {
            let exchanged = self.exchange(&server, &mail, &pending).await;
            exchanged.map_err(|failure| told.with(to_error(failure, &server)))?
        };
        let receipt = Receipt(mail.id().to_owned());
        self.settle(&message.key, told, outcome, receipt, &server)
    }

    fn preview(&self, message: &Message) -> String {
        mail::preview(message, &self.options.style).unwrap_or_else(|problem| problem)
    }
}

impl EmailNotifier {
    /// What became of the message, after all attempts so far.
    fn settle(
        &self,
        key: &str,
        mut told: Delivered,
        outcome: Outcome,
        receipt: Receipt,
        server: &Server,
    ) -> Result<Receipt, SendError> {
        let reason = |rejected: &[Rejected]| -> String {
            let each = rejected
                .iter()
                .map(|one| shown(&format!("{}: {}", one.address, one.reason), server));
            each.collect::<Vec<_>>().join("; ")
        };
        told.taken.extend(outcome.taken);
        told.never.extend(outcome.never);
        if !outcome.later.is_empty() {
            let reason = reason(&outcome.later);
            let error = told.with(SendError::Busy { after: None, reason });
            self.progress.keep(key, told);
            return Err(error);
        }
        self.progress.forget(key);
        if told.never.is_empty() {
            return Ok(receipt);
        }
        let reason = reason(&told.never);
        if told.taken.is_empty() {
            Err(SendError::Refused { reason })
        } else {
            Err(SendError::Partly { reason, receipt })
        }
    }
}

/// The mail that tells what is new in `message`, as HTML; `None` where nothing is.
#[cfg(any(test, feature = "testing"))]
#[must_use]
pub fn mail_html(message: &Message, style: &Style) -> Option<String> {
    let text = crate::Text::of_all(message.fresh(), message.left_out, style)?;
    layout::html(&text, style.language).ok()
}

fn read(secret: &SecretReader) -> Result<Hidden, SendError> {
    secret.read().map_err(|reason| SendError::Unanswered { reason })
}

fn misaddressed(whose: &str, error: &AddressesError) -> SendError {
    refused(format!(
        "{whose}: {error}; write ops@example.com or \"김민수\" <ops@example.com>"
    ))
}

fn refused(reason: impl fmt::Display) -> SendError {
    SendError::Refused {
        reason: reason.to_string(),
    }
}

fn to_error(failure: Failure, server: &Server) -> SendError {
    let name = server.name();
    let reason = |words: String| shown(&words, server);
    match failure {
        Failure::Reply { at, reply } => {
            let reason = reason(format!("{name} answered {at} with {} {}", reply.code, reply.text));
            if reply.is_final() {
                SendError::Refused { reason }
            } else {
                SendError::Busy { after: None, reason }
            }
        }
        Failure::Unusable(why) => SendError::Refused {
            reason: reason(format!("{name} cannot be used: {why}")),
        },
        Failure::Broken(why) => SendError::Unanswered {
            reason: reason(format!("{name}: {why}")),
        },
    }
}

/// Words about `server` in one line of reasonable length, without the user and the password, which some servers repeat.
fn shown(words: &str, server: &Server) -> String {
    cut(&one_line(&server.secrets().hide(words)), MAX_SHOWN)
}
