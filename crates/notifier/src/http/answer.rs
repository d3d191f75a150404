//! What a receiver answered, and what its status means for all of them.

use std::time::Duration;

use jiff::{Timestamp, fmt::rfc2822};
use reqwest::{
    Response, StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};
use tokio::time::Instant;

use super::{Secrets, Wanted};
use crate::{
    SendError,
    words::{cut, one_line},
};

/// The most that is read of an answer, in bytes.
pub(crate) const MAX_ANSWER: usize = 64 * 1024;
/// The most that is said of an answer.
const MAX_SAID: usize = 200;

/// What a receiver answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// For how long it wants to be left alone, where it says so.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Body,
    secrets: Secrets,
}

/// What there is of the body of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// All of it, or as much as was wanted.
    Whole(Vec<u8>),
    /// The beginning: it is longer than what is read.
    TooLong(Vec<u8>),
    /// The beginning: the rest never came.
    BrokenOff(Vec<u8>),
}

impl Body {
    /// The bytes that there are.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Whole(bytes) | Self::TooLong(bytes) | Self::BrokenOff(bytes) => bytes,
        }
    }
}

impl Answer {
    /// Reads `response`, the body as far as it is wanted, before `deadline`.
    pub(super) async fn read(
        response: Response,
        wanted: Wanted,
        deadline: Instant,
        secrets: Secrets,
    ) -> Self {
        let status = response.status();
        let retry_after = retry_after(response.headers(), Timestamp::now());
        let body = if wanted == Wanted::Status && status.is_success() {
            Body::Whole(Vec::new())
        } else {
            read_body(response, deadline).await
        };
        Self {
            status,
            retry_after,
            body,
            secrets,
        }
    }

    /// `Ok` of a status that means that the receiver has it.
    pub(crate) fn judge(&self) -> Result<(), SendError> {
        let status = self.status;
        if status.is_success() {
            return Ok(());
        }
        let reason = format!("{}{}", status.as_u16(), self.said());
        Err(match status {
            StatusCode::TOO_MANY_REQUESTS => self.busy(reason),
            StatusCode::SERVICE_UNAVAILABLE if self.retry_after.is_some() => self.busy(reason),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => SendError::Unanswered { reason },
            _ if status.is_server_error() => SendError::Unanswered { reason },
            _ if status.is_redirection() => SendError::Refused {
                reason: format!(
                    "{}: it sends us to another address, and what is sent must not end up elsewhere: give that one where \
                     it is right",
                    status.as_u16()
                ),
            },
            _ => SendError::Refused { reason },
        })
    }

    /// That the receiver wants to be left alone.
    pub(crate) fn busy(&self, reason: String) -> SendError {
        SendError::Busy {
            after: self.retry_after,
            reason,
        }
    }

    /// What the body says, for people, behind a status; nothing where it says nothing.
    fn said(&self) -> String {
        let said = self.hide(&String::from_utf8_lossy(self.body.bytes()));
        let said = cut(&one_line(&said), MAX_SAID);
        if said.is_empty() {
            String::new()
        } else {
            format!(": {said}")
        }
    }

    /// `text` without anything secret.
    pub(crate) fn hide(&self, text: &str) -> String {
        self.secrets.hide(text)
    }
}

async fn read_body(mut response: Response, deadline: Instant) -> Body {
    let mut bytes = Vec::new();
    loop {
        match tokio::time::timeout_at(deadline, response.chunk()).await {
            Ok(Ok(None)) => return Body::Whole(bytes),
            Ok(Ok(Some(chunk))) => {
                let room = MAX_ANSWER - bytes.len();
                bytes.extend(chunk.iter().take(room));
                if chunk.len() > room {
                    return Body::TooLong(bytes);
                }
            }
            Ok(Err(_)) | Err(_) => return Body::BrokenOff(bytes),
        }
    }
}

/// For how long the receiver wants to be left alone, in seconds or as a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    Some(match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
            Duration::try_from(at.duration_since(now)).unwrap_or_default()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_says_in_two_ways_for_how_long_it_wants_to_be_left_alone() {
        let now: Timestamp = "2026-05-01T08:30:00Z".parse().unwrap();
        let said = |text: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            retry_after(&headers, now).map(|after| after.as_secs())
        };
        assert_eq!(said("30"), Some(30));
        assert_eq!(said(" 0 "), Some(0));
        assert_eq!(said("Fri, 01 May 2026 08:30:40 GMT"), Some(40));
        assert_eq!(said("Fri, 01 May 2026 08:29:00 GMT"), Some(0));
        assert_eq!(said("86400"), Some(86_400));
        assert_eq!(said("soon"), None);
        assert_eq!(said("-5"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
