//! One conversation with a mail server, in which it is handed one mail.
//!
//! Every recipient is asked for by itself, and the mail then goes to those that were taken, in one go. A client that
//! gives up at the first recipient that is refused would keep a mail from all because of one; one mail for each
//! recipient would tell some of them twice where the connection breaks in between.

use std::{net::SocketAddr, time::Duration};

use lettre::{
    Address,
    transport::smtp::{
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, TlsParameters},
        commands::{Data, Mail as MailFrom, Rcpt},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter, ServerInfo},
    },
};
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, timeout, timeout_at},
};

use super::{
    mail::{Mail, Script},
    server::{Login, Server},
    stream::CarefulStream,
};

/// The ways to log in, the better one first.
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];
/// How long a server may take to say goodbye, for the sake of its log.
const GOODBYE: Duration = Duration::from_secs(1);

/// How a connection is encrypted, with whom to trust.
pub(super) enum Encryption {
    /// Once the server has said that it can.
    StartTls(TlsParameters),
    /// From the start.
    Implicit(TlsParameters),
    /// Not at all.
    Plaintext,
}

/// Which recipients have the mail.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) taken: Vec<Address>,
    /// They may be taken another time.
    pub(super) later: Vec<Rejected>,
    pub(super) never: Vec<Rejected>,
}

/// A recipient that the server did not take.
#[derive(Clone, Debug)]
pub(super) struct Rejected {
    pub(super) address: Address,
    /// Why not, in its words: they may repeat the login.
    pub(super) reason: String,
}

/// Why nobody has the mail, or it is not known who has it.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server said no.
    Reply { at: &'static str, reply: Reply },
    /// The server cannot be used as it is.
    Unusable(String),
    /// The connection could not be made, or broke.
    Broken(String),
}

/// What a server answered, in its words: they may repeat the login.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) code: u16,
    pub(super) text: String,
}

impl Reply {
    /// Whether it would say the same another time.
    pub(super) const fn is_final(&self) -> bool {
        self.code >= 500
    }

    /// Whether the server hangs up, whatever was asked.
    const fn hangs_up(&self) -> bool {
        self.code == 421
    }
}

/// Hands `mail` to `server` for each of `to`, within `deadline` in all.
pub(super) async fn deliver(
    server: &Server,
    encryption: Encryption,
    mail: &Mail,
    to: &[Address],
    deadline: Duration,
) -> Result<Outcome, Failure> {
    let end = Instant::now() + deadline;
    let conversing = Box::pin(converse(server, encryption, mail, to, deadline));
    let (outcome, mut connection) = match timeout_at(end, conversing).await {
        Ok(conversed) => conversed?,
        Err(_) => return Err(Failure::Broken(format!("no answer within {deadline:?}"))),
    };
    // What it says now changes nothing: it has what it took.
    drop(timeout_at(end.min(Instant::now() + GOODBYE), connection.quit()).await);
    Ok(outcome)
}

async fn converse(
    server: &Server,
    encryption: Encryption,
    mail: &Mail,
    to: &[Address],
    deadline: Duration,
) -> Result<(Outcome, AsyncSmtpConnection), Failure> {
    let mut connection = connect(server, encryption, mail.domain(), deadline).await?;
    if let Some(login) = &server.login {
        log_in(&mut connection, login).await?;
    }
    let outcome = hand_over(&mut connection, mail, to).await?;
    Ok((outcome, connection))
}

async fn connect(
    server: &Server,
    encryption: Encryption,
    domain: &str,
    deadline: Duration,
) -> Result<AsyncSmtpConnection, Failure> {
    let addresses = resolve(server).await?;
    // So that one that does not answer leaves time for the next.
    let each = deadline / u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    // A server may refuse a name that is none: a machine often has none that others know, and its mail's domain is one.
    let hello = ClientId::Domain(domain.to_owned());
    let tls = match encryption {
        Encryption::StartTls(tls) => tls,
        Encryption::Implicit(tls) => return connect_at_once(&addresses, each, &hello, Some(tls)).await,
        Encryption::Plaintext => return connect_at_once(&addresses, each, &hello, None).await,
    };
    let stream = CarefulStream::new(open(&addresses, each).await?);
    let mut connection = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello)
        .await
        .map_err(failed("the connection"))?;
    if !connection.can_starttls() {
        return Err(Failure::Unusable(
            "it offers no STARTTLS, and nothing is sent to it without encryption".to_owned(),
        ));
    }
    connection
        .starttls(tls, &hello)
        .await
        .map_err(failed("STARTTLS"))?;
    Ok(connection)
}

/// A connection that stays as it begins.
async fn connect_at_once(
    addresses: &[SocketAddr],
    each: Duration,
    hello: &ClientId,
    tls: Option<TlsParameters>,
) -> Result<AsyncSmtpConnection, Failure> {
    let connecting = AsyncSmtpConnection::connect_tokio1(addresses, Some(each), hello, tls, None);
    connecting.await.map_err(failed("the connection"))
}

/// A connection to the first of `addresses` that takes one within `each`.
async fn open(addresses: &[SocketAddr], each: Duration) -> Result<TcpStream, Failure> {
    let mut last = String::new();
    for address in addresses {
        last = match timeout(each, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {each:?}"),
        };
    }
    Err(Failure::Broken(format!("the connection: {last}")))
}

/// The server's addresses, looked up once: they alone are connected to.
async fn resolve(server: &Server) -> Result<Vec<SocketAddr>, Failure> {
    let found = lookup_host((server.host.as_str(), server.port)).await;
    let addresses: Vec<_> = found
        .map_err(|error| Failure::Broken(format!("its name could not be looked up: {error}")))?
        .collect();
    if addresses.is_empty() {
        return Err(Failure::Broken("its name has no address".to_owned()));
    }
    Ok(addresses)
}

async fn log_in(connection: &mut AsyncSmtpConnection, login: &Login) -> Result<(), Failure> {
    if connection.server_info().get_auth_mechanism(&MECHANISMS).is_none() {
        return Err(Failure::Unusable(
            "it offers to log in neither by PLAIN nor by LOGIN, and its URL has a user and a password"
                .to_owned(),
        ));
    }
    let credentials = Credentials::new(login.user.reveal().to_owned(), login.password.reveal().to_owned());
    let answer = connection.auth(&MECHANISMS, &credentials).await;
    answer.map(drop).map_err(failed("the login"))
}

async fn hand_over(
    connection: &mut AsyncSmtpConnection,
    mail: &Mail,
    to: &[Address],
) -> Result<Outcome, Failure> {
    let script = script_of(connection.server_info());
    let mut outcome = Outcome::default();
    let (to, unwritable): (Vec<&Address>, Vec<&Address>) = to
        .iter()
        .partition(|address| script == Script::Utf8 || is_ascii(address));
    outcome
        .never
        .extend(unwritable.into_iter().map(|address| Rejected {
            address: address.clone(),
            reason: "the server takes only addresses in ASCII (it offers no SMTPUTF8)".to_owned(),
        }));
    if to.is_empty() {
        return Ok(outcome);
    }
    if script == Script::Ascii && !is_ascii(mail.sender()) {
        return Err(Failure::Unusable(format!(
            "it takes only addresses in ASCII (it offers no SMTPUTF8), and {} is none",
            mail.sender()
        )));
    }
    let content = mail.formatted(script).map_err(Failure::Unusable)?;
    let parameters = parameters(&content);
    let sender = MailFrom::new(Some(mail.sender().clone()), parameters);
    connection.command(sender).await.map_err(failed("the sender"))?;

    for address in to {
        ask_for(connection, address, &mut outcome).await?;
    }
    if !outcome.taken.is_empty() {
        connection.command(Data).await.map_err(failed("DATA"))?;
        connection.message(&content).await.map_err(failed("the mail"))?;
    }
    Ok(outcome)
}

/// Asks the server to take the mail for one recipient.
async fn ask_for(
    connection: &mut AsyncSmtpConnection,
    address: &Address,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let answer = connection.command(Rcpt::new(address.clone(), Vec::new())).await;
    match answer.map_err(failed("a recipient")) {
        Ok(_) => outcome.taken.push(address.clone()),
        Err(Failure::Reply { reply, .. }) if !reply.hangs_up() => {
            let rejected = Rejected {
                address: address.clone(),
                reason: format!("{} {}", reply.code, reply.text),
            };
            if reply.is_final() {
                outcome.never.push(rejected);
            } else {
                outcome.later.push(rejected);
            }
        }
        Err(failure) => return Err(failure),
    }
    Ok(())
}

fn script_of(server: &ServerInfo) -> Script {
    if server.supports_feature(Extension::SmtpUtfEight) {
        Script::Utf8
    } else {
        Script::Ascii
    }
}

/// What MAIL has to say of a mail: only addresses can make one that is not in ASCII.
fn parameters(content: &[u8]) -> Vec<MailParameter> {
    if content.is_ascii() {
        Vec::new()
    } else {
        vec![
            MailParameter::SmtpUtfEight,
            MailParameter::Body(MailBodyParameter::EightBitMime),
        ]
    }
}

fn is_ascii(address: &Address) -> bool {
    AsRef::<str>::as_ref(address).is_ascii()
}

fn failed(at: &'static str) -> impl FnOnce(lettre::transport::smtp::Error) -> Failure {
    move |error| match error.status() {
        Some(code) => {
            let said = std::error::Error::source(&error);
            let text = said.map(ToString::to_string).unwrap_or_default();
            let code = code.into();
            Failure::Reply {
                at,
                reply: Reply { code, text },
            }
        }
        None => Failure::Broken(format!("{at}: {error}")),
    }
}
