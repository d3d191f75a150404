//! `headroom notify test`: a real notice to each channel, or how it would look.

use clap::{Args, ValueEnum};
use futures::future::join_all;
use headroom_autoscaler::{Channels, Configuration, config::SecretCheck};
use headroom_notifier::{EventKind, Message, Notice, delivery::Channel, sample};
use serde::Serialize;

use crate::{
    args::CommonArgs,
    commands::{block_on, state::Chosen},
    configuration,
    error::CliError,
    exit::ExitCode,
    json, moment,
    output::{Format, Output},
};

/// Sends a notice to channels, to see whether it arrives. It says of itself that it is a test.
///
/// Goes past what the channels are told of, their limits and quiet hours. With --print nothing is sent: shows what would be.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  headroom notify test
  headroom notify test --channel slack.ops --event at_max
  headroom notify test --event digest --print")]
pub(super) struct TestArgs {
    /// To this channel, as `notify` of a workload calls it; may be given again. All, where none is named.
    #[arg(long = "channel", value_name = "NAME")]
    channels: Vec<String>,
    /// What the notice is about.
    #[arg(long, value_name = "EVENT", default_value = "scaled")]
    event: Kind,
    /// Shows the message, as each channel would be sent it, and sends nothing.
    #[arg(long)]
    print: bool,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

/// What people are told of.
#[derive(Clone, Copy, Debug)]
struct Kind(EventKind);

impl ValueEnum for Kind {
    fn value_variants<'a>() -> &'a [Self] {
        static ALL: [Kind; EventKind::ALL.len()] = {
            let mut all = [Kind(EventKind::Scaled); EventKind::ALL.len()];
            let mut index = 0;
            while index < all.len() {
                all[index] = Kind(EventKind::ALL[index]);
                index += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.0.code()))
    }
}

/// What became of it on one channel.
#[derive(Debug, Serialize)]
struct Tried {
    channel: String,
    is_sent: bool,
    /// The message, where it was only to be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// Why it was not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What became of it, as an object.
#[derive(Debug, Serialize)]
struct Told {
    version: u32,
    channels: Vec<Tried>,
}

pub(super) fn run(args: &TestArgs, common: &CommonArgs, output: &Output) -> Result<ExitCode, CliError> {
    let chosen = Chosen::load(common, &[], SecretCheck::None)?;
    let configuration = &chosen.loaded.configuration;
    let mut channels = Channels::of(&configuration.settings.notify, &configuration::environment());
    let named = |name: &str| args.channels.is_empty() || args.channels.iter().any(|one| one == name);
    check_known(args, configuration)?;
    channels.usable.retain(|channel| named(channel.name.as_str()));
    channels.unusable.retain(|one| named(one.name.as_str()));
    let message = Message::of(notice(args.event.0, configuration)?);
    let mut tried: Vec<Tried> = channels
        .unusable
        .iter()
        // A person who looks at messages is warned of the others.
        .filter(|_| !args.print || output.format() == Format::Json)
        .map(|one| Tried {
            channel: one.name.to_string(),
            is_sent: false,
            message: None,
            error: Some(one.reason.clone()),
        })
        .collect();
    if args.print {
        tried.extend(channels.usable.iter().map(|channel| Tried {
            channel: channel.name.to_string(),
            is_sent: false,
            message: Some(channel.notifier.preview(&message)),
            error: None,
        }));
        for one in &channels.unusable {
            output.warn(one);
        }
    } else {
        let busy = output.busy("sending");
        let sent = block_on(async {
            Ok(join_all(channels.usable.iter().map(|channel| send(channel, &message))).await)
        })?;
        drop(busy);
        tried.extend(sent);
    }
    tried.sort_by(|one, other| one.channel.cmp(&other.channel));
    let has_failed = if args.print {
        channels.usable.is_empty()
    } else {
        tried.iter().any(|one| one.error.is_some())
    };
    let code = if has_failed {
        ExitCode::CouldNot
    } else {
        ExitCode::Done
    };
    show(tried, output);
    Ok(code)
}

fn show(tried: Vec<Tried>, output: &Output) {
    if output.format() == Format::Json {
        output.object(&Told {
            version: json::VERSION,
            channels: tried,
        });
        return;
    }
    for one in tried {
        match (&one.message, &one.error) {
            (Some(message), _) => output.line(format_args!("{}:\n{message}\n", one.channel)),
            (None, Some(error)) => output.line(format_args!("{}: not sent: {error}", one.channel)),
            (None, None) => output.line(format_args!("{}: sent", one.channel)),
        }
    }
}

async fn send(channel: &Channel, message: &Message) -> Tried {
    let sent = channel.notifier.send(message).await;
    Tried {
        channel: channel.name.to_string(),
        is_sent: sent.is_ok(),
        message: None,
        error: sent.err().map(|error| error.to_string()),
    }
}

/// A notice about the first workload.
fn notice(kind: EventKind, configuration: &Configuration) -> Result<Notice, CliError> {
    let cluster = configuration.settings.cluster.as_deref();
    // A configuration without any workload is none.
    let first = configuration.workloads.first().ok_or(CliError::NoChannels)?;
    Ok(sample(kind, cluster, &first.id, moment::now()))
}

/// Reports a channel that nobody defines.
fn check_known(args: &TestArgs, configuration: &Configuration) -> Result<(), CliError> {
    let known = || {
        configuration
            .settings
            .notify
            .channels
            .iter()
            .map(|channel| channel.name.as_str())
    };
    if let Some(unknown) = args.channels.iter().find(|name| !known().any(|one| one == *name)) {
        return Err(CliError::UnknownChannel {
            name: unknown.clone(),
            known: known().map(str::to_owned).collect(),
        });
    }
    if known().next().is_none() {
        return Err(CliError::NoChannels);
    }
    Ok(())
}
