//! A channel of mail: its server, its sender and its recipients, checked as they are when a mail is sent.

use headroom_notifier::{AddressesError, check_mail_recipients, check_mail_sender, check_smtp_url};

use super::{given, is_set, optional};
use crate::{
    Medium, PlainSecret, Secret,
    config::{
        at::At,
        place::Place,
        problem::{Finding, ProblemKind},
        raw::RawEmail,
        reader::Reader,
        words::SecretText,
    },
};

/// Reads a channel of mail; `None` after reporting everything that is wrong with it.
pub(super) fn email(name: &At<String>, raw: &RawEmail, reader: &mut Reader<'_>) -> Option<Medium> {
    let smtp = given(name, "smtp", raw.smtp.as_ref(), "\"env:SMTP_URL\"", reader);
    let from = given(
        name,
        "from",
        raw.from.as_ref(),
        "\"headroom@example.com\"",
        reader,
    );
    let to = given(name, "to", raw.to.as_ref(), "\"ops@example.com\"", reader);
    let smtp = smtp.and_then(|text| mail_server(text, reader));
    let from = from.and_then(|text| sender(text, reader));
    let to = to.and_then(|text| recipients(text, reader));
    let ca = optional("ca", raw.ca.as_ref(), reader);
    Some(Medium::Email {
        smtp: smtp?,
        from: from?,
        to: to?,
        ca: ca?,
        allow_plaintext: is_set(raw.allow_plaintext.as_ref()),
    })
}

/// The recipients, or where they stand.
fn recipients(text: &At<String>, reader: &mut Reader<'_>) -> Option<Secret> {
    let secret = reader.place_of_secret("to", &text.value, text.place)?;
    if let Secret::Plain(PlainSecret(addresses)) = &secret {
        let help = "write \"a@example.com, b@example.com\", or \"env:NAME\"";
        are_addresses("to", text.place, check_mail_recipients(addresses), help, reader)?;
    }
    Some(secret)
}

/// The sender, who is no secret.
fn sender(text: &At<String>, reader: &mut Reader<'_>) -> Option<String> {
    let help = "write from = \"headroom@example.com\"";
    match reader.place_of_secret("from", &text.value, text.place)? {
        Secret::Plain(PlainSecret(address)) => {
            are_addresses("from", text.place, check_mail_sender(&address), help, reader)?;
            Some(address)
        }
        Secret::Env(_) | Secret::File(_) => {
            let message = "`from` is an address, and not where one stands";
            reader.report(
                Finding::new(ProblemKind::BadValue, message)
                    .at(text.place)
                    .help(help),
            );
            None
        }
    }
}

/// Reports everything that was found wrong with addresses.
fn are_addresses(
    key: &str,
    place: Place,
    checked: Result<(), Vec<AddressesError>>,
    help: &str,
    reader: &mut Reader<'_>,
) -> Option<()> {
    for error in checked.as_ref().err().into_iter().flatten() {
        let finding = Finding::new(ProblemKind::BadValue, format!("`{key}`: {error}"));
        reader.report(finding.at(place).help(help));
    }
    checked.ok()
}

/// The mail server, or where it stands.
fn mail_server(text: &At<SecretText>, reader: &mut Reader<'_>) -> Option<Secret> {
    let secret = reader.secret("smtp", text)?;
    if let Secret::Plain(PlainSecret(url)) = &secret
        && let Err(error) = check_smtp_url(url)
    {
        let finding = Finding::new(ProblemKind::BadValue, format!("`smtp`: {error}"));
        reader.report(
            finding.at(text.place).help(
                "write \"env:NAME\" or \"file:PATH\", and there smtps://user:password@mail.example.com",
            ),
        );
        return None;
    }
    Some(secret)
}
