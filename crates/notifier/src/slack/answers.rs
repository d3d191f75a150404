//! What Slack's answers mean, and what to do about those that mean no.

use serde::Deserialize;

use super::Said;
use crate::{
    SendError,
    http::{Answer, Body},
    words::{cut, one_line},
};

/// Why Slack did not take a message.
enum No {
    /// It would say so of any message, or does not say what became of this one.
    Any(SendError),
    /// Something is wrong with this message, or with where it is to be: this, in its word.
    This(String),
}

impl From<SendError> for No {
    fn from(error: SendError) -> Self {
        Self::Any(error)
    }
}

/// An answer of the API.
#[derive(Deserialize)]
struct ApiAnswer {
    ok: bool,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    needed: Option<String>,
    #[serde(default)]
    channel: Option<String>,
    #[serde(default)]
    ts: Option<String>,
}

/// What the API answered to a new message: which it is.
pub(super) fn judge_post(answer: &Answer) -> Result<Said, SendError> {
    judge(answer).map_err(|no| match no {
        No::Any(error) => error,
        No::This(code) => refused(&code, way_out(&code)),
    })
}

/// What the API answered to a message that was to be changed: which it is, or `None` where it cannot be changed, and what
/// is new can be said anew. Where Slack takes that neither, its answer to it tells why.
pub(super) fn judge_update(answer: &Answer) -> Result<Option<Said>, SendError> {
    match judge(answer) {
        Ok(said) => Ok(Some(said)),
        Err(No::This(_)) => Ok(None),
        Err(No::Any(error)) => Err(error),
    }
}

/// What the API answered. It says no with a good status too.
fn judge(answer: &Answer) -> Result<Said, No> {
    answer.judge()?;
    let Body::Whole(bytes) = &answer.body else {
        return Err(unanswered("Slack's answer broke off or has no end").into());
    };
    let said: ApiAnswer = serde_json::from_slice(bytes).map_err(|_| {
        unanswered("the answer is none of Slack's: does something else answer at its address?")
    })?;
    match said {
        ApiAnswer {
            ok: true,
            channel: Some(channel),
            ts: Some(ts),
            ..
        } => Ok(Said { channel, ts }),
        ApiAnswer { ok: true, .. } => {
            Err(unanswered("Slack took the message and does not say which it is").into())
        }
        ApiAnswer { error, needed, .. } => Err(no(
            answer,
            word(answer, &error.unwrap_or_default()),
            needed.as_deref(),
        )),
    }
}

/// A word of Slack's, as it may be said again.
fn word(answer: &Answer, word: &str) -> String {
    cut(&one_line(&answer.hide(word)), 80)
}

/// What Slack means by `code`.
fn no(answer: &Answer, code: String, needed: Option<&str>) -> No {
    No::Any(match code.as_str() {
        "ratelimited" | "rate_limited" | "message_limit_exceeded" => {
            answer.busy(format!("Slack wants fewer messages ({code})"))
        }
        "internal_error"
        | "fatal_error"
        | "service_unavailable"
        | "request_timeout"
        | "team_added_to_org"
        | "update_failed" => unanswered(&format!("Slack failed ({code})")),
        "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive" => refused(
            &code,
            "the token is not valid any more: install the app anew and take over the bot's token, which begins with xoxb-",
        ),
        "missing_scope" | "no_permission" => {
            let scope = word(answer, needed.unwrap_or("chat:write"));
            refused(
                &code,
                &format!("give the bot the scope {scope}, and install the app anew"),
            )
        }
        _ => return No::This(code),
    })
}

/// What to do about a message that Slack refuses with `code`.
fn way_out(code: &str) -> &'static str {
    match code {
        "channel_not_found" => {
            "give the channel's ID, and invite the bot where the channel is private: /invite @NAME"
        }
        "not_in_channel" => {
            "invite the bot into the channel, /invite @NAME, or give it the scope chat:write.public"
        }
        "is_archived" => "unarchive the channel, or name another one",
        "restricted_action" | "ekm_access_denied" | "org_login_required" | "access_denied" => {
            "an administrator of the workspace has to allow the app to post there"
        }
        _ => "Slack's documentation of chat.postMessage tells what it means",
    }
}

fn refused(code: &str, way_out: &str) -> SendError {
    SendError::Refused {
        reason: format!("Slack refuses it ({code}): {way_out}"),
    }
}

/// What an incoming webhook answered, which says no by its status, and by a word why.
pub(super) fn judge_webhook(answer: &Answer) -> Result<(), SendError> {
    let Err(error) = answer.judge() else {
        return Ok(());
    };
    let word = String::from_utf8_lossy(answer.body.bytes());
    let way_out = match word.trim() {
        "no_service" | "no_active_hooks" | "no_service_id" => {
            "the webhook is switched off or gone: make a new one in the app's settings"
        }
        "no_team" | "invalid_token" | "team_disabled" => {
            "the webhook's address is not complete or not valid any more: copy it anew from the app's settings"
        }
        "channel_not_found" | "channel_is_archived" => {
            "its channel is gone or archived: make a webhook for another one"
        }
        "action_prohibited" | "posting_to_general_channel_denied" => {
            "an administrator of the workspace forbids posting there: make a webhook for another channel"
        }
        _ => return Err(error),
    };
    match error {
        SendError::Refused { reason } => Err(SendError::Refused {
            reason: format!("{reason}: {way_out}"),
        }),
        other @ (SendError::Busy { .. } | SendError::Unanswered { .. } | SendError::Partly { .. }) => {
            Err(other)
        }
    }
}

fn unanswered(reason: &str) -> SendError {
    SendError::Unanswered {
        reason: reason.to_owned(),
    }
}
