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
    #[error("`{text}` is no mail address; write ops@example.com or \"김민수\" <ops@example.com>")]
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

/// Checks a list of mail addresses, separated by commas, each with or without a name before it.
///
/// # Errors
/// When there is none, or one of them is none.
pub fn check_mail_addresses(text: &str) -> Result<(), AddressesError> {
    parse(text).map(drop)
}

/// The addresses in `text`, each once, in the order in which they stand.
pub(super) fn parse(text: &str) -> Result<Vec<Mailbox>, AddressesError> {
    let mut all: Vec<Mailbox> = Vec::new();
    for part in parts(text) {
        let mailbox = mailbox(part)?;
        if !all.iter().any(|known| is_same(&known.email, &mailbox.email)) {
            all.push(mailbox);
        }
    }
    if all.is_empty() {
        return Err(AddressesError::Empty);
    }
    Ok(all)
}

/// The one address in `text`.
pub(super) fn parse_one(text: &str) -> Result<Mailbox, AddressesError> {
    let mut all = parse(text)?;
    match (all.pop(), all.len()) {
        (Some(mailbox), 0) => Ok(mailbox),
        (_, others) => Err(AddressesError::Several { found: others + 1 }),
    }
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
}
