//! To whom mail goes, and from whom: addresses as people write them in one line.

use lettre::{Address, message::Mailbox};
use thiserror::Error;

/// What is wrong with a list of mail addresses.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AddressesError {
    /// There is none.
    #[error("there is no mail address")]
    Empty,
    /// One of them is none.
    #[error("`{text}` is no mail address")]
    Malformed {
        /// What stands there.
        text: String,
    },
    /// There are several where one is wanted.
    #[error("there are {found} mail addresses where there can be only one")]
    Several {
        /// So many.
        found: usize,
    },
}

/// Checks a list of recipients: mail addresses separated by commas, each with or without a name before it.
///
/// # Errors
/// Everything that is wrong with it, in the order in which it stands.
pub fn check_mail_recipients(text: &str) -> Result<(), Vec<AddressesError>> {
    let (all, malformed) = read(text);
    complain(malformed, all.is_empty().then_some(AddressesError::Empty))
}

/// Checks a sender: one mail address, with or without a name before it.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check_mail_sender(text: &str) -> Result<(), Vec<AddressesError>> {
    let (all, malformed) = read(text);
    complain(malformed, one(all).err())
}

fn complain(
    malformed: Vec<AddressesError>,
    other: Option<AddressesError>,
) -> Result<(), Vec<AddressesError>> {
    // What is malformed may be what is missing.
    let all = if malformed.is_empty() {
        other.into_iter().collect()
    } else {
        malformed
    };
    if all.is_empty() { Ok(()) } else { Err(all) }
}

/// The addresses in `text`, each once, in the order in which they stand.
pub(super) fn parse(text: &str) -> Result<Vec<Mailbox>, AddressesError> {
    let (all, malformed) = read(text);
    match malformed.into_iter().next() {
        Some(error) => Err(error),
        None if all.is_empty() => Err(AddressesError::Empty),
        None => Ok(all),
    }
}

/// The one address in `text`.
pub(super) fn parse_one(text: &str) -> Result<Mailbox, AddressesError> {
    one(parse(text)?)
}

fn one(mut all: Vec<Mailbox>) -> Result<Mailbox, AddressesError> {
    let found = all.len();
    match (all.pop(), found) {
        (Some(mailbox), 1) => Ok(mailbox),
        (None, _) => Err(AddressesError::Empty),
        (Some(_), _) => Err(AddressesError::Several { found }),
    }
}

/// The addresses in `text`, each once, and what is none.
fn read(text: &str) -> (Vec<Mailbox>, Vec<AddressesError>) {
    let (mut all, mut malformed): (Vec<Mailbox>, Vec<_>) = Default::default();
    for part in parts(text) {
        match mailbox(part) {
            Ok(mailbox) if all.iter().any(|known| is_same(&known.email, &mailbox.email)) => {}
            Ok(mailbox) => all.push(mailbox),
            Err(error) => malformed.push(error),
        }
    }
    (all, malformed)
}

/// The texts between commas that are not quoted, without those that are empty.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    text.split(move |symbol| {
        match symbol {
            '"' if !is_escaped => is_quoted = !is_quoted,
            _ => {}
        }
        is_escaped = is_quoted && symbol == '\\' && !is_escaped;
        symbol == ',' && !is_quoted
    })
    .map(str::trim)
    .filter(|part| !part.is_empty())
}

fn mailbox(text: &str) -> Result<Mailbox, AddressesError> {
    let malformed = || AddressesError::Malformed {
        text: text
            .chars()
            .map(|symbol| if symbol.is_control() { ' ' } else { symbol })
            .collect(),
    };
    if text.chars().any(char::is_control) {
        return Err(malformed());
    }
    let parsed: Mailbox = text.parse().map_err(|_| malformed())?;
    // A domain has a form in ASCII, which every server takes.
    let domain = idna::domain_to_ascii(parsed.email.domain()).map_err(|_| malformed())?;
    let email = Address::new(parsed.email.user(), domain).map_err(|_| malformed())?;
    let name = parsed.name.filter(|name| !name.trim().is_empty());
    Ok(Mailbox::new(name, email))
}

fn is_same(one: &Address, other: &Address) -> bool {
    one.user() == other.user() && one.domain().eq_ignore_ascii_case(other.domain())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(Option<&str>, &str)]) {
        let got = parse(text).unwrap();
        let got: Vec<_> = got
            .iter()
            .map(|one| (one.name.as_deref(), one.email.as_ref()))
            .collect();
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn addresses_stand_between_commas() {
        check("ops@example.com", &[(None, "ops@example.com")]);
        check(
            " ops@example.com,oncall@example.com,, ops@EXAMPLE.com ,\n",
            &[(None, "ops@example.com"), (None, "oncall@example.com")],
        );
    }

    #[test]
    fn names_may_stand_before_them() {
        check(
            r#"김민수 <minsu@example.com>, "Ops, first \"line\"" <ops@example.com>"#,
            &[
                (Some("김민수"), "minsu@example.com"),
                (Some("Ops, first \"line\""), "ops@example.com"),
            ],
        );
    }

    #[test]
    fn a_domain_is_put_into_ascii_and_a_user_is_not() {
        check("민수@메일.한국", &[(None, "민수@xn--h32bq4v.xn--3e0b707e")]);
    }

    #[test]
    fn what_is_no_address_is_named() {
        for text in [
            "ops",
            "ops@",
            "@example.com",
            "a b@example.com",
            "ops@example.com>",
            "a@b\r\nBcc: c@d",
        ] {
            let error = parse(&format!("ops@example.com, {text}")).unwrap_err();
            assert!(
                matches!(&error, AddressesError::Malformed { .. }),
                "{text}: {error}"
            );
            assert!(!error.to_string().contains('\n'), "{error}");
        }
        assert_eq!(parse(" , "), Err(AddressesError::Empty));
        assert_eq!(
            parse_one("a@example.com, b@example.com"),
            Err(AddressesError::Several { found: 2 })
        );
        assert!(parse_one("headroom <a@example.com>").is_ok());
    }

    #[test]
    fn everything_that_is_wrong_is_named_at_once() {
        let malformed = |text: &str| AddressesError::Malformed {
            text: text.to_owned(),
        };
        assert_eq!(
            check_mail_recipients("ops, on call <ops@example.com>, a@b@c"),
            Err(vec![malformed("ops"), malformed("a@b@c")])
        );
        assert_eq!(check_mail_recipients(" ,"), Err(vec![AddressesError::Empty]));
        assert_eq!(check_mail_recipients("\"Ops, first\" <ops@example.com>"), Ok(()));
        assert_eq!(check_mail_sender("headroom <a@example.com>"), Ok(()));
        assert_eq!(check_mail_sender("headroom"), Err(vec![malformed("headroom")]));
        assert_eq!(
            check_mail_sender("a@example.com, b@example.com"),
            Err(vec![AddressesError::Several { found: 2 }])
        );
    }
}
