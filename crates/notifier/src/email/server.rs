//! Which mail server, and how it is spoken to: what its URL says.
//!
//! Errors show nothing of the URL: where it is malformed, nobody can tell which part of it is the password.

use percent_encoding::percent_decode_str;
use thiserror::Error;
use url::{Host, Url};

use crate::{Hidden, http::Secrets};

/// A mail server that takes mail for others.
#[derive(Debug)]
pub(super) struct Server {
    /// Its name or address, under which its certificate is checked.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
    /// Who logs in, where somebody has to.
    pub(super) login: Option<Login>,
}

/// How the connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Security {
    /// Before anything else is said.
    StartTls,
    /// From the start.
    Implicit,
    /// Not at all.
    Plaintext,
}

/// A user and a password.
#[derive(Debug)]
pub(super) struct Login {
    pub(super) user: Hidden,
    pub(super) password: Hidden,
}

/// What is wrong with the URL of a mail server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SmtpUrlError {
    /// It is no URL.
    #[error(
        "the URL of the mail server cannot be read; it is to be such as smtps://user:password@mail.example.com, with %40 \
         for @ and %2F for / in the password"
    )]
    Malformed,
    /// It is the URL of something else.
    #[error("the URL of the mail server begins with neither smtp:// nor smtps://")]
    Scheme,
    /// It has a user or a password, and not both.
    #[error("the URL of the mail server has one of user and password, and not the other")]
    HalfLogin,
    /// What stands for a user or a password is no text.
    #[error(
        "the user or the password in the URL of the mail server is not UTF-8 once its %-sequences are read"
    )]
    NotText,
    /// There is something behind the port.
    #[error(
        "the URL of the mail server has a path, a query or a fragment; write %2F for /, %3F for ? and %23 for # in the \
         password"
    )]
    Beyond,
}

impl Server {
    /// What `url` says. `smtp://` is spoken over STARTTLS, or not encrypted at all where `plaintext` says so.
    pub(super) fn parse(url: &str, plaintext: Plaintext) -> Result<Self, SmtpUrlError> {
        let url = Url::parse(url.trim()).map_err(|_| SmtpUrlError::Malformed)?;
        let (security, usual_port) = match (url.scheme(), plaintext) {
            ("smtp", Plaintext::Refused) => (Security::StartTls, 587),
            ("smtp", Plaintext::Allowed) => (Security::Plaintext, 25),
            ("smtps", _) => (Security::Implicit, 465),
            _ => return Err(SmtpUrlError::Scheme),
        };
        let has_more = !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some();
        if has_more {
            return Err(SmtpUrlError::Beyond);
        }
        let host = match url.host() {
            Some(Host::Domain(name)) => decoded(name)
                .ok()
                .and_then(|name| idna::domain_to_ascii(&name).ok())
                .filter(|name| !name.is_empty())
                .ok_or(SmtpUrlError::Malformed)?,
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => return Err(SmtpUrlError::Malformed),
        };
        let login = match (url.username(), url.password()) {
            ("", None) => None,
            ("", Some(_)) | (_, None | Some("")) => return Err(SmtpUrlError::HalfLogin),
            (user, Some(password)) => Some(Login {
                user: Hidden::new(decoded(user)?),
                password: Hidden::new(decoded(password)?),
            }),
        };
        Ok(Self {
            host,
            port: url.port().unwrap_or(usual_port),
            security,
            login,
        })
    }

    /// What must not be said again.
    pub(super) fn secrets(&self) -> Secrets {
        self.login.as_ref().map_or_else(Secrets::default, |login| {
            Secrets::of_login(login.user.reveal(), login.password.reveal())
        })
    }

    /// For people: which server.
    pub(super) fn name(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Whether a mail server may be spoken to without encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plaintext {
    Allowed,
    Refused,
}

/// Checks the URL of a mail server, as it would be read to send.
///
/// # Errors
/// When it could not be used. The error shows nothing of it.
pub fn check_smtp_url(url: &str) -> Result<(), SmtpUrlError> {
    Server::parse(url, Plaintext::Refused).map(drop)
}

fn decoded(part: &str) -> Result<String, SmtpUrlError> {
    let text = percent_decode_str(part).decode_utf8();
    text.map(|text| text.into_owned())
        .map_err(|_| SmtpUrlError::NotText)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, name: &str, security: Security, login: Option<(&str, &str)>) {
        let server = Server::parse(url, Plaintext::Refused).unwrap();
        assert_eq!(
            (server.name().as_str(), server.security),
            (name, security),
            "{url}"
        );
        let got = server.login.as_ref();
        let got = got.map(|login| (login.user.reveal(), login.password.reveal()));
        assert_eq!(got, login, "{url}");
    }

    #[test]
    fn the_scheme_says_how_it_is_encrypted_and_which_port_is_usual() {
        check(
            "smtp://mail.example.com",
            "mail.example.com:587",
            Security::StartTls,
            None,
        );
        check(
            "smtps://mail.example.com/",
            "mail.example.com:465",
            Security::Implicit,
            None,
        );
        check(
            "smtp://10.0.0.7:2525\n",
            "10.0.0.7:2525",
            Security::StartTls,
            None,
        );
        check(
            "smtps://[2001:db8::1]:2525",
            "[2001:db8::1]:2525",
            Security::Implicit,
            None,
        );
        check(
            "smtp://메일.한국",
            "xn--h32bq4v.xn--3e0b707e:587",
            Security::StartTls,
            None,
        );
    }

    #[test]
    fn user_and_password_are_decoded() {
        let login = Some(("ops@example.com", "p@ss/w%rd 비밀"));
        check(
            "smtps://ops%40example.com:p%40ss%2Fw%25rd%20비밀@mail.example.com",
            "mail.example.com:465",
            Security::Implicit,
            login,
        );
        // The last @ ends the password.
        let login = Some(("ops", "p@ss"));
        check(
            "smtp://ops:p@ss@mail.example.com",
            "mail.example.com:587",
            Security::StartTls,
            login,
        );
    }

    #[test]
    fn plaintext_is_spoken_only_where_it_is_allowed() {
        let security = |url, plaintext| Server::parse(url, plaintext).unwrap().security;
        assert_eq!(security("smtp://relay", Plaintext::Allowed), Security::Plaintext);
        assert_eq!(security("smtp://relay", Plaintext::Refused), Security::StartTls);
        assert_eq!(security("smtps://relay", Plaintext::Allowed), Security::Implicit);
    }

    #[test]
    fn what_is_wrong_is_said_without_the_url() {
        let check = |url: &str, expected| {
            let error = check_smtp_url(url).unwrap_err();
            assert_eq!(error, expected, "{url}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        };
        check("mail.example.com", SmtpUrlError::Malformed);
        check("smtp://", SmtpUrlError::Malformed);
        check("smtp://ops@example.com:hunter2#x@mail", SmtpUrlError::Malformed);
        check("https://ops:hunter2@example.com", SmtpUrlError::Scheme);
        check("smtp://ops:1/hunter2@mail", SmtpUrlError::Beyond);
        check("smtp://mail?password=hunter2", SmtpUrlError::Beyond);
        check("smtp://hunter2@mail", SmtpUrlError::HalfLogin);
        check("smtp://:hunter2@mail", SmtpUrlError::HalfLogin);
        check("smtp://ops:@mail", SmtpUrlError::HalfLogin);
        check("smtp://ops:hunter2%FF@mail", SmtpUrlError::NotText);
        let shown = format!(
            "{:?}",
            Server::parse("smtp://ops:hunter2@mail", Plaintext::Refused)
        );
        assert!(!shown.contains("hunter2") && !shown.contains("ops"), "{shown}");
    }
}
