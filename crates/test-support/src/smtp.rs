//! A real mail server, receiving what a test sends, and misbehaving as the test names.
//!
//! It is aiosmtpd with a small handler (`servers/aiosmtpd/server.py`). Owns its process, its certificates and what it
//! received; reading a mail is left to the test.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    Process,
    servers::{AIOSMTPD, built},
    temp_dir, wait_for,
};

/// How long it may take to listen: Python starts slowly on a busy machine.
const START: Duration = Duration::from_secs(60);
/// How long mail is waited for.
const WAIT: Duration = Duration::from_secs(60);

/// A running mail server with a folder of its own. Dropping it stops it and removes the folder.
#[derive(Debug)]
pub struct Smtp {
    // Before the folder, so that the process is gone when it is removed.
    process: Process,
    port: u16,
    folder: TempDir,
    ca: String,
}

/// How connections are encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// Not at all.
    #[default]
    Plain,
    /// Once the client asks for it, and nothing is taken before.
    StartTls,
    /// From the start.
    Implicit,
}

/// What the server shows to those who connect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Certificate {
    /// A certificate for `localhost`.
    #[default]
    Valid,
    /// One for `localhost` that was good until 2021.
    Expired,
    /// One for `elsewhere.example.com`.
    OtherHost,
}

/// How the server behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behavior {
    /// It takes mail.
    #[default]
    Takes,
    /// It greets with 421 and hangs up.
    Busy,
    /// It greets with 554 and hangs up.
    Closed,
    /// It answers MAIL with 421.
    ShutsDown,
    /// It accepts connections and never says a word.
    Silent,
    /// It takes a mail and never says so.
    SilentAfterData,
    /// It hangs up while it is being told a mail.
    Cuts,
    /// It answers the content of a mail with 554.
    RefusesContent,
    /// Behind its answer to STARTTLS there is more in plaintext, as from somebody in between.
    Injected,
    /// It refuses every login, and repeats in its answer what it was told.
    RefusesAuth,
}

impl Behavior {
    const fn name(self) -> &'static str {
        match self {
            Self::Takes => "takes",
            Self::Busy => "busy",
            Self::Closed => "closed",
            Self::ShutsDown => "shuts_down",
            Self::Silent => "silent",
            Self::SilentAfterData => "silent_after_data",
            Self::Cuts => "cuts",
            Self::RefusesContent => "refuses_content",
            Self::Injected => "injected",
            Self::RefusesAuth => "refuses_auth",
        }
    }
}

/// A mail that the server took.
#[derive(Clone, Debug)]
pub struct Received {
    /// The sender on the envelope.
    pub from: String,
    /// The recipients on the envelope.
    pub to: Vec<String>,
    /// What else MAIL said, such as `BODY=8BITMIME`.
    pub options: Vec<String>,
    /// How the client logged in and as whom, such as `PLAIN user`; `None` where it did not.
    pub login: Option<String>,
    /// Where the mail is, as it came.
    pub path: PathBuf,
}

impl Received {
    /// The mail as it came.
    ///
    /// # Panics
    ///
    /// When its file is gone, which it is when its server was dropped.
    #[expect(clippy::panic, reason = "a mail that is gone fails the test")]
    pub fn content(&self) -> String {
        match fs::read(&self.path) {
            Ok(content) => String::from_utf8_lossy(&content).into_owned(),
            Err(error) => panic!("{}: {error}", self.path.display()),
        }
    }
}

/// A mail server that has not been started.
#[derive(Clone, Debug)]
pub struct SmtpBuilder {
    security: Security,
    certificate: Certificate,
    behavior: Behavior,
    login: Option<(String, String)>,
    mechanisms: Vec<String>,
    unknown: Vec<String>,
    greylisted: Vec<String>,
    smtputf8: bool,
}

impl Smtp {
    /// One that takes mail from everybody, without encryption.
    pub fn builder() -> SmtpBuilder {
        SmtpBuilder {
            security: Security::default(),
            certificate: Certificate::default(),
            behavior: Behavior::default(),
            login: None,
            mechanisms: ["PLAIN", "LOGIN"].map(str::to_owned).to_vec(),
            unknown: Vec::new(),
            greylisted: Vec::new(),
            smtputf8: true,
        }
    }

    /// The port on 127.0.0.1 that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The authority that signed its certificate, as PEM.
    pub fn ca(&self) -> &str {
        &self.ca
    }

    /// What it logged.
    pub fn log(&self) -> String {
        self.process.stderr()
    }

    /// The mail that it took, in the order in which it came.
    pub fn received(&self) -> Vec<Received> {
        received_in(self.folder.path())
    }

    /// Waits until it took `count` mails, and returns all that it took.
    ///
    /// # Panics
    ///
    /// When it has fewer after a minute.
    pub async fn wait_for_received(&self, count: usize) -> Vec<Received> {
        let what = format!("{count} mails were received");
        wait_for(WAIT, &what, async || {
            let received = self.received();
            (received.len() >= count).then_some(received)
        })
        .await
    }
}

impl SmtpBuilder {
    /// Encrypts connections so.
    #[must_use]
    pub const fn security(mut self, security: Security) -> Self {
        self.security = security;
        self
    }

    /// Shows this certificate.
    #[must_use]
    pub const fn certificate(mut self, certificate: Certificate) -> Self {
        self.certificate = certificate;
        self
    }

    /// Behaves so.
    #[must_use]
    pub const fn behavior(mut self, behavior: Behavior) -> Self {
        self.behavior = behavior;
        self
    }

    /// Takes mail only from who logs in so.
    #[must_use]
    pub fn login(mut self, user: &str, password: &str) -> Self {
        self.login = Some((user.to_owned(), password.to_owned()));
        self
    }

    /// Offers only this way to log in, `PLAIN` or `LOGIN`, where it would offer both.
    #[must_use]
    pub fn only_mechanism(mut self, name: &str) -> Self {
        self.mechanisms = vec![name.to_owned()];
        self
    }

    /// Answers this recipient with 550.
    #[must_use]
    pub fn unknown(mut self, address: &str) -> Self {
        self.unknown.push(address.to_owned());
        self
    }

    /// Answers this recipient with 450 the first time.
    #[must_use]
    pub fn greylisted(mut self, address: &str) -> Self {
        self.greylisted.push(address.to_owned());
        self
    }

    /// Takes no addresses with letters outside of ASCII.
    #[must_use]
    pub const fn ascii_only(mut self) -> Self {
        self.smtputf8 = false;
        self
    }

    /// Starts it on a port that the system picks, and waits until it listens.
    ///
    /// # Panics
    ///
    /// When it has not been fetched (`cargo xtask servers` does), or does not listen in time.
    pub async fn start(self) -> Smtp {
        let folder = temp_dir();
        let mail = folder.path().join("mail");
        must("create", fs::create_dir(&mail));
        let ca = write_certificates(folder.path(), self.certificate);
        let script = folder.path().join("server.py");
        must(
            "write",
            fs::write(&script, include_str!("../servers/aiosmtpd/server.py")),
        );
        let mut command = Command::new("python3");
        command
            .env(
                "PYTHONPATH",
                built(|servers| servers.files(&AIOSMTPD, "packages")),
            )
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .arg(&script)
            .arg(self.settings(folder.path(), &mail).to_string());
        let mut process = Process::start("aiosmtpd", &mut command);
        let port = wait_for(START, "the mail server listens", async || {
            let listening = process.stdout().lines().find_map(|line| {
                let port = line.strip_prefix("listening on ")?;
                port.parse().ok()
            });
            let ended = listening.is_none() && process.exit_status().is_some();
            if ended { Some(0) } else { listening }
        })
        .await;
        assert_ne!(port, 0, "the mail server did not start:\n{}", process.stderr());
        Smtp {
            process,
            port,
            folder,
            ca,
        }
    }

    fn settings(&self, folder: &Path, mail: &Path) -> Value {
        let login = self.login.as_ref();
        json!({
            "folder": mail,
            "security": match self.security {
                Security::Plain => "plain",
                Security::StartTls => "starttls",
                Security::Implicit => "implicit",
            },
            "certificate": folder.join("certificate.pem"),
            "key": folder.join("key.pem"),
            "user": login.map(|(user, _)| user),
            "password": login.map(|(_, password)| password),
            "mechanisms": self.mechanisms,
            "unknown": self.unknown,
            "greylisted": self.greylisted,
            "smtputf8": self.smtputf8,
            "behavior": self.behavior.name(),
        })
    }
}

/// Makes an authority and a certificate of it, and returns the authority's own.
#[expect(clippy::expect_used, reason = "without a certificate the test cannot run")]
fn write_certificates(folder: &Path, certificate: Certificate) -> String {
    crate::install_tls();
    let mut parameters = CertificateParams::new(Vec::new()).expect("no names");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let own = KeyPair::generate().expect("a key");
    let authority = CertifiedIssuer::self_signed(parameters, own).expect("an authority");

    let name = match certificate {
        Certificate::Valid | Certificate::Expired => "localhost",
        Certificate::OtherHost => "elsewhere.example.com",
    };
    let mut parameters = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    if certificate == Certificate::Expired {
        parameters.not_before = date_time_ymd(2020, 1, 1);
        parameters.not_after = date_time_ymd(2021, 1, 1);
    }
    let key = KeyPair::generate().expect("a key");
    let signed = parameters.signed_by(&key, &authority).expect("a certificate");
    for (name, content) in [
        ("certificate.pem", signed.pem()),
        ("key.pem", key.serialize_pem()),
    ] {
        must("write", fs::write(folder.join(name), content));
    }
    authority.pem()
}

fn received_in(folder: &Path) -> Vec<Received> {
    let entries = fs::read_dir(folder.join("mail")).into_iter().flatten().flatten();
    let mut envelopes: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.ends_with(".json") && !name.starts_with('.')
        })
        .collect();
    envelopes.sort();
    envelopes.iter().filter_map(|path| envelope(path)).collect()
}

fn envelope(path: &Path) -> Option<Received> {
    let envelope: Value = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let texts = |name: &str| {
        let all = envelope.get(name).and_then(Value::as_array);
        all.into_iter().flatten().filter_map(text).collect()
    };
    Some(Received {
        from: text(envelope.get("from")?)?,
        to: texts("to"),
        options: texts("options"),
        login: envelope.get("login").and_then(text),
        path: path.with_extension("eml"),
    })
}

#[expect(clippy::panic, reason = "without its files the test cannot run")]
fn must(what: &str, result: std::io::Result<()>) {
    if let Err(error) = result {
        panic!("could not {what} a file of the mail server: {error}");
    }
}
