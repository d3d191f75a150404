//! `headroom notify status`: what waits for each channel, how the channel is, and what is silenced.

use clap::Args;
use headroom_autoscaler::config::SecretCheck;
use headroom_notifier::delivery::{ChannelName, Outbox as _, View};
use headroom_policy_engine::{Span, Timestamp};
use serde::Serialize;

use super::silence::{SilenceObject, in_force, said};
use crate::{
    args::CommonArgs,
    commands::state::Chosen,
    error::CliError,
    exit::ExitCode,
    json, moment,
    output::{Format, Output},
};

/// Shows what waits for each channel, whether the channel takes what it is given, and what is silenced.
///
/// Also what waits for channels that the configuration no longer has: what is urgent is told on another one, and the rest is
/// removed after a day.
///
/// Reads the state, and asks nobody; `headroom notify test` does.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  headroom notify status
  headroom notify status --format json")]
pub(super) struct StatusArgs {
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

/// All of it, as an object.
#[derive(Debug, Serialize)]
struct Shown {
    version: u32,
    channels: Vec<ChannelObject>,
    silences: Vec<SilenceObject>,
}

/// One channel, as an object.
#[derive(Debug, Serialize)]
struct ChannelObject {
    channel: String,
    /// Whether the configuration has it.
    is_configured: bool,
    /// So many notices wait.
    waiting: usize,
    /// Since when the oldest of them does.
    waiting_since: Option<String>,
    /// So many attempts have failed since the last one that did not.
    failures: u32,
    /// Why the last attempt failed.
    last_error: Option<String>,
    /// So many messages within the last hour that count against `max_per_hour`.
    sent_within_an_hour: usize,
}

pub(super) fn run(_: &StatusArgs, common: &CommonArgs, output: &Output) -> Result<ExitCode, CliError> {
    let chosen = Chosen::load(common, &[], SecretCheck::None)?;
    let store = chosen.open_state(output)?;
    let now = moment::now();
    let mut channels = Vec::new();
    let configured = &chosen.loaded.configuration.settings.notify.channels;
    let configured: Vec<_> = configured.iter().map(|channel| channel.name.clone()).collect();
    let gone = store.channels().map_err(CliError::Outbox)?.into_iter();
    let gone: Vec<_> = gone.filter(|name| !configured.contains(name)).collect();
    let silences = chosen.acts_at(now)?.silences;
    let silences: Vec<_> = in_force(&silences, now).collect();
    if configured.is_empty() && gone.is_empty() && silences.is_empty() {
        return Err(CliError::NoChannels);
    }
    for (name, is_configured) in configured
        .iter()
        .map(|name| (name, true))
        .chain(gone.iter().map(|name| (name, false)))
    {
        let view = store.view(name).map_err(CliError::Outbox)?;
        if output.format() == Format::Human {
            let but = if is_configured {
                ""
            } else {
                "; there is no such channel any more"
            };
            output.line(format_args!("{}{but}", line(name, &view, now)));
        }
        channels.push(object(name, is_configured, &view));
    }
    if output.format() == Format::Json {
        output.object(&Shown {
            version: json::VERSION,
            channels,
            silences: silences.into_iter().map(SilenceObject::from).collect(),
        });
        return Ok(ExitCode::Done);
    }
    for silence in silences {
        output.line(said(silence));
    }
    Ok(ExitCode::Done)
}

/// How a channel is, in words.
fn line(name: &ChannelName, view: &View, now: Timestamp) -> String {
    let waiting = match (view.waiting.len(), view.waiting.first()) {
        (0, _) | (_, None) => "nothing waits".to_owned(),
        (1, Some(first)) => format!("1 notice waits, for {}", Span(now.since(first.put_at))),
        (count, Some(first)) => format!(
            "{count} notices wait, the oldest for {}",
            Span(now.since(first.put_at))
        ),
    };
    let standing = &view.standing;
    let error = standing.last_error.as_deref().filter(|_| standing.failures > 0);
    let failing = error.map(|error| {
        let times = if standing.failures == 1 {
            "once"
        } else {
            &format!("{} times", standing.failures)
        };
        format!("; it has failed {times}: {error}")
    });
    format!("{name}: {waiting}{}", failing.unwrap_or_default())
}

fn object(name: &ChannelName, is_configured: bool, view: &View) -> ChannelObject {
    ChannelObject {
        channel: name.to_string(),
        is_configured,
        waiting: view.waiting.len(),
        waiting_since: view.waiting.first().map(|first| moment::rfc3339(first.put_at)),
        failures: view.standing.failures,
        last_error: view.standing.last_error.as_deref().map(str::to_owned),
        sent_within_an_hour: view.standing.sent.len(),
    }
}
