//! What Slack's answers mean, and what to do about those that mean no.

use serde::Deserialize;

use super::Said;
use crate::{
    SendError,
    http::{Answer, Body},
    words::{cut, one_line},
};

/// What became of a call of the API.
pub(super) enum Sent {
    /// It is there.
    Said(Said),
    /// The message that was to be changed cannot be changed any more.
    Gone,
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

/// What the API answered. It says no with a good status too.
pub(super) fn judge_api(answer: &Answer) -> Result<Sent, SendError> {
    answer.judge()?;
    let Body::Whole(bytes) = &answer.body else {
        return Err(unanswered("Slack's answer broke off or has no end"));
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
        } => Ok(Sent::Said(Said { channel, ts })),
        ApiAnswer { ok: true, .. } => Err(unanswered("Slack took the message and does not say which it is")),
        ApiAnswer { error, needed, .. } => {
            let code = word(answer, &error.unwrap_or_default());
            refused(answer, &code, needed.as_deref())
        }
    }
}

/// A word of Slack's, as it may be said again.
fn word(answer: &Answer, word: &str) -> String {
    cut(&one_line(&answer.hide(word)), 80)
}

fn refused(answer: &Answer, code: &str, needed: Option<&str>) -> Result<Sent, SendError> {
    let way_out = match code {
        "message_not_found" | "cant_update_message" | "edit_window_closed" => return Ok(Sent::Gone),
        "ratelimited" | "rate_limited" | "message_limit_exceeded" => {
            return Err(answer.busy(format!("Slack wants fewer messages ({code})")));
        }
        "internal_error"
        | "fatal_error"
        | "service_unavailable"
        | "request_timeout"
        | "team_added_to_org" => {
            return Err(unanswered(&format!("Slack failed ({code})")));
        }
        "channel_not_found" => {
            "give the channel's ID, and invite the bot where the channel is private: /invite @NAME"
        }
        "not_in_channel" => {
            "invite the bot into the channel, /invite @NAME, or give it the scope chat:write.public"
        }
        "is_archived" => "unarchive the channel, or name another one",
        "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive" => {
            "the token is not valid any more: install the app anew and take over the bot's token, which begins with xoxb-"
        }
        "missing_scope" | "no_permission" => {
            let scope = word(answer, needed.unwrap_or("chat:write"));
            return Err(SendError::Refused {
                reason: format!(
                    "Slack refuses it ({code}): give the bot the scope {scope}, and install the app anew"
                ),
            });
        }
        "restricted_action" | "ekm_access_denied" | "org_login_required" | "access_denied" => {
            "an administrator of the workspace has to allow the app to post there"
        }
        _ => "Slack's documentation of chat.postMessage tells what it means",
    };
    Err(SendError::Refused {
        reason: format!("Slack refuses it ({code}): {way_out}"),
    })
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
