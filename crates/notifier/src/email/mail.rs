//! One mail: what stands in its headers, and its two forms.

use std::time::{Duration, SystemTime};

use lettre::{
    Address, Message as Mime,
    address::Envelope,
    message::{
        Mailbox, Mailboxes, MultiPart, SinglePart,
        header::{ContentType, Header as _, HeaderName, HeaderValue, Headers, To},
    },
};
use sha2::{Digest as _, Sha256};

use super::layout;
use crate::{
    Message, Notice, Style, Text,
    words::{Mark, one_line},
};

/// In what addresses may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    Ascii,
    Utf8,
}

/// A mail that has not been written yet.
#[derive(Debug)]
pub(super) struct Mail {
    from: Mailbox,
    to: Vec<Mailbox>,
    /// What tells it from every other one, alike at each attempt to send it.
    id: String,
    /// What the mails about one incident answer to. No mail bears it: which was the first is known to nobody after a
    /// restart, and readers keep together what answers to the same one also where they do not have that.
    root: String,
    at: SystemTime,
    subject: String,
    is_urgent: bool,
    labels: Vec<(&'static str, String)>,
    plain: String,
    html: String,
}

impl Mail {
    /// The mail that tells what is new in `message`; why it cannot be written, where it cannot.
    pub(super) fn new(
        message: &Message,
        style: &Style,
        from: Mailbox,
        to: Vec<Mailbox>,
    ) -> Result<Self, String> {
        let notices = message.fresh();
        let text = text_of(message, style)?;
        let newest = notices.last().ok_or(NOTHING)?;
        let unwritten = |error| format!("the mail could not be written: {error}");
        Ok(Self {
            id: reference("", &message.key, &from.email),
            root: reference("incident.", &newest.incident(), &from.email),
            from,
            to,
            at: system_time(newest),
            subject: subject(&text),
            is_urgent: text.mark == Mark::Critical,
            labels: labels(newest, &text),
            plain: layout::plain(&text, style.language).map_err(unwritten)?,
            html: layout::html(&text, style.language).map_err(unwritten)?,
        })
    }

    /// The sender on the envelope.
    pub(super) fn sender(&self) -> &Address {
        &self.from.email
    }

    /// The sender's domain.
    pub(super) fn domain(&self) -> &str {
        self.from.email.domain()
    }

    /// Its Message-ID.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The mail as it is sent, without the recipients whose addresses cannot be written in `script`.
    pub(super) fn formatted(&self, script: Script) -> Result<Vec<u8>, String> {
        let to: Vec<Mailbox> = self
            .to
            .iter()
            .filter(|mailbox| script == Script::Utf8 || mailbox.email.to_string().is_ascii())
            .cloned()
            .collect();
        let addresses = to.iter().map(|mailbox| mailbox.email.clone()).collect();
        let unwritten = |error: lettre::error::Error| format!("the mail could not be written: {error}");
        let envelope = Envelope::new(Some(self.from.email.clone()), addresses).map_err(unwritten)?;
        let mut mime = Mime::builder()
            .from(self.from.clone())
            .raw_header(recipients(&to))
            .date(self.at)
            .message_id(Some(self.id.clone()))
            .in_reply_to(self.root.clone())
            .references(self.root.clone())
            .raw_header(header("Subject", &self.subject))
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .raw_header(header("X-Auto-Response-Suppress", "All"));
        if self.is_urgent {
            mime = mime
                .raw_header(header("X-Priority", "1"))
                .raw_header(header("Importance", "high"));
        }
        for (name, value) in &self.labels {
            mime = mime.raw_header(header(name, value));
        }
        let mime = mime
            .envelope(envelope)
            .multipart(self.parts())
            .map_err(unwritten)?;
        Ok(mime.formatted())
    }

    /// The text first: a reader shows the last form that it knows.
    fn parts(&self) -> MultiPart {
        let part = |kind, body: &str| SinglePart::builder().header(kind).body(body.to_owned());
        MultiPart::alternative()
            // Alike at each attempt, as all the rest is.
            .boundary(format!("headroom-{}", digest(&self.id)))
            .singlepart(part(ContentType::TEXT_PLAIN, &self.plain))
            .singlepart(part(ContentType::TEXT_HTML, &self.html))
    }
}

/// The mail as people read it without HTML, with its subject.
pub(super) fn preview(message: &Message, style: &Style) -> Result<String, String> {
    let text = text_of(message, style)?;
    let plain = layout::plain(&text, style.language).map_err(|error| error.to_string())?;
    Ok(format!("Subject: {}\n\n{plain}", subject(&text)))
}

const NOTHING: &str = "there is nothing new to tell";

fn text_of(message: &Message, style: &Style) -> Result<Text, String> {
    Text::of_all(message.fresh(), message.left_out, style).ok_or_else(|| NOTHING.to_owned())
}

fn subject(text: &Text) -> String {
    match text.mark {
        Mark::Info => text.title.clone(),
        Mark::Warning | Mark::Critical | Mark::Resolved => format!("{}: {}", text.mark_word, text.title),
    }
}

/// What filters of readers can go by.
fn labels(notice: &Notice, text: &Text) -> Vec<(&'static str, String)> {
    let all = [
        ("X-Headroom-Event", Some(notice.kind().code())),
        ("X-Headroom-Severity", Some(notice.severity.code())),
        ("X-Headroom-Cluster", text.cluster.as_deref()),
        ("X-Headroom-Workload", text.workload.as_deref()),
    ];
    all.into_iter()
        .filter_map(|(name, value)| Some((name, value?.to_owned())))
        .collect()
}

/// The header that names the recipients, one to a line: so an encoded name stays in one piece, which not every reader puts
/// together again.
fn recipients(to: &[Mailbox]) -> HeaderValue {
    let encoded = |mailbox: &Mailbox| {
        let mut alone = Headers::new();
        alone.set(To::from(Mailboxes::from(mailbox.clone())));
        let header = alone.to_string();
        header.trim_start_matches("To: ").trim_end().to_owned()
    };
    let each: Vec<String> = to.iter().map(encoded).collect();
    let all = Mailboxes::from(to.to_vec()).to_string();
    HeaderValue::dangerous_new_pre_encoded(To::name(), all, each.join(",\r\n "))
}

/// A header with `value` in one line, whatever is in it.
fn header(name: &'static str, value: &str) -> HeaderValue {
    // What looks like an encoded word would be read as what it encodes.
    let value = one_line(value).replace("=?", "= ?");
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value)
}

fn reference(kind: &str, key: &str, from: &Address) -> String {
    format!("<{kind}{}@{}>", digest(key), from.domain())
}

fn digest(key: &str) -> String {
    let hash = Sha256::digest(key.as_bytes());
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// When it happened, within the years that a mail can be of.
fn system_time(notice: &Notice) -> SystemTime {
    const LAST: u64 = 253_402_300_799_000; // the end of the year 9999
    let millis = u64::try_from(notice.at.unix_millis()).unwrap_or(0).min(LAST);
    SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;
    use crate::{Language, Severity, Stage, any, testing};

    fn style(language: Language) -> Style {
        let timezone = TimeZone::UTC;
        Style { language, timezone }
    }

    fn mail(message: &Message) -> Mail {
        let to = vec!["김민수 <minsu@example.com>".parse().unwrap()];
        let from = "headroom <headroom@example.com>".parse().unwrap();
        Mail::new(message, &style(Language::Ko), from, to).unwrap()
    }

    fn formatted(message: &Message) -> String {
        String::from_utf8(mail(message).formatted(Script::Utf8).unwrap()).unwrap()
    }

    fn header_names(mail: &str) -> Vec<&str> {
        let head = mail.split_once("\r\n\r\n").unwrap().0;
        let lines = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
        lines.map(|line| line.split_once(':').unwrap().0).collect()
    }

    #[test]
    fn another_attempt_is_the_same_mail() {
        let message = Message::of(testing::scaled());
        assert_eq!(formatted(&message), formatted(&message));
        let mut other = message.clone();
        other.key = "another".to_owned();
        assert_ne!(mail(&message).id(), mail(&other).id());
        assert_eq!(mail(&message).root, mail(&other).root);
    }

    #[test]
    fn what_closes_an_incident_stands_in_the_thread_of_what_opened_it() {
        let max = |stage, id: &str| {
            let all = testing::notices();
            let opened = all.iter().find(|notice| notice.kind() == crate::EventKind::AtMax);
            let mut notice = Notice {
                stage,
                ..opened.unwrap().clone()
            };
            notice.id.0 = id.into();
            mail(&Message::of(notice))
        };
        let opened = max(Stage::Opened, "1");
        let closed = max(
            Stage::Closed {
                after: Duration::from_secs(60),
            },
            "2",
        );
        assert_eq!(opened.root, closed.root);
        assert_ne!(opened.id, closed.id);
        assert_ne!(opened.root, mail(&Message::of(testing::scaled())).root);
    }

    #[test]
    fn only_what_is_critical_and_goes_on_is_urgent() {
        let is_urgent = |severity, stage| {
            let failure = testing::failures().remove(0);
            let notice = testing::notice(severity, stage, crate::Event::Error { failure });
            formatted(&Message::of(notice)).contains("\r\nX-Priority: 1\r\n")
        };
        assert!(is_urgent(Severity::Critical, Stage::Opened));
        assert!(!is_urgent(Severity::Warning, Stage::Opened));
        let after = Duration::from_secs(60);
        assert!(!is_urgent(Severity::Critical, Stage::Closed { after }));
    }

    #[test]
    fn a_moment_that_no_mail_can_be_of_is_the_nearest_that_it_can() {
        let date = |millis| {
            let mut notice = testing::scaled();
            notice.at = headroom_policy_engine::Timestamp::from_unix_millis(millis);
            formatted(&Message::of(notice))
                .lines()
                .find(|line| line.starts_with("Date"))
                .unwrap()
                .to_owned()
        };
        assert_eq!(date(i64::MIN), "Date: Thu, 01 Jan 1970 00:00:00 +0000");
        assert_eq!(date(i64::MAX), "Date: Fri, 31 Dec 9999 23:59:59 +0000");
        assert_eq!(date(1_777_624_200_000), "Date: Fri, 01 May 2026 08:30:00 +0000");
    }

    proptest! {
        #[test]
        fn no_text_becomes_a_header_or_breaks_a_line(
            notices in proptest::collection::vec(any::notice(), 1..4),
            key in any::text(),
            left_out in 0_u32..3,
        ) {
            let message = Message { key: key.to_string(), notices, told: 0, earlier: None, left_out };
            let mail = formatted(&message);
            prop_assert!(mail.is_ascii());
            prop_assert!(mail.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])));
            let allowed = [
                "From", "To", "Date", "Message-ID", "In-Reply-To", "References", "Subject", "Auto-Submitted",
                "X-Auto-Response-Suppress", "X-Priority", "Importance", "X-Headroom-Event", "X-Headroom-Severity",
                "X-Headroom-Cluster", "X-Headroom-Workload", "MIME-Version", "Content-Type",
            ];
            let names = header_names(&mail);
            for (index, name) in names.iter().enumerate() {
                prop_assert!(allowed.contains(name), "{name}");
                prop_assert!(!names[..index].contains(name), "{name} twice");
            }
        }
    }
}
