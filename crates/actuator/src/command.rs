//! Targets scaled by the user's own commands: one prints the count, one sets it.
//!
//! Owns what the answers mean. Running a command, with its deadline and its output, is [`run`]'s.

mod run;

use async_trait::async_trait;
use futures::future::{OptionFuture, join, join_all};
use headroom_policy_engine::{Readiness, Replicas, Timestamp, Workload};

use crate::{Actuator, CommandTarget, ScaleTarget, TargetError, TargetReader, TargetState, program::written};
use run::{LIMIT, run};

use std::time::Duration;

/// What stands for the count in the command that sets it.
const PLACE: &str = "{replicas}";
/// The most characters of an answer that an error repeats.
const SHOWN: usize = 80;

/// Reads targets of kind command. It never runs their `set`.
#[derive(Clone, Copy, Debug, Default)]
pub struct CommandReader;

/// Reads and sets targets of kind command.
///
/// Before it sets a count it asks for the present one again, so that a count that somebody changed since it was read
/// is left alone. Between that and setting lies the time the command takes; closing that gap is the command's.
#[derive(Clone, Copy, Debug, Default)]
pub struct CommandActuator;

#[async_trait]
impl TargetReader for CommandReader {
    async fn read(&self, targets: &[ScaleTarget], _now: Timestamp) -> Vec<Result<TargetState, TargetError>> {
        join_all(targets.iter().map(async |target| read(command(target)?).await)).await
    }
}

#[async_trait]
impl TargetReader for CommandActuator {
    async fn read(&self, targets: &[ScaleTarget], now: Timestamp) -> Vec<Result<TargetState, TargetError>> {
        CommandReader.read(targets, now).await
    }
}

#[async_trait]
impl Actuator for CommandActuator {
    async fn tend(&self, _target: &ScaleTarget, _now: Timestamp) -> Result<(), TargetError> {
        Ok(())
    }

    async fn set_replicas(
        &self,
        target: &ScaleTarget,
        from: Replicas,
        to: Replicas,
        _now: Timestamp,
    ) -> Result<(), TargetError> {
        let target = command(target)?;
        let found = count(target, &target.get).await?;
        if found != from {
            return Err(TargetError::Conflict {
                expected: from,
                found,
            });
        }
        let set: Vec<String> = target
            .set
            .iter()
            .map(|word| word.replace(PLACE, &to.to_string()))
            .collect();
        run(&set, target).await?;
        Ok(())
    }
}

fn command(target: &ScaleTarget) -> Result<&CommandTarget, TargetError> {
    match target {
        ScaleTarget::Command(target) => Ok(target),
        ScaleTarget::Kubernetes(_) | ScaleTarget::Process(_) => Err(TargetError::Unsupported),
    }
}

async fn read(target: &CommandTarget) -> Result<TargetState, TargetError> {
    let ready = OptionFuture::from(target.ready.as_ref().map(|ready| count(target, ready)));
    let (current, ready) = join(count(target, &target.get), ready).await;
    let current = current?;
    let readiness = match ready.transpose()? {
        None => Readiness::Unknown,
        Some(ready) => Readiness::Known {
            ready,
            // A count does not tell for how long, and one run after another must decide as one long run.
            longest_unready: (ready < current).then_some(Duration::ZERO),
        },
    };
    let workload = Workload {
        readiness,
        ..Workload::running(current)
    };
    Ok(TargetState {
        workload,
        identity: None,
        pods: None,
        replicas: Vec::new(),
    })
}

async fn count(target: &CommandTarget, command: &[String]) -> Result<Replicas, TargetError> {
    let printed = run(command, target).await?;
    parse(&printed).ok_or_else(|| TargetError::NotACount {
        command: written(command),
        printed: shortened(&printed),
    })
}

/// The count in `printed`: digits, with nothing but white space around them.
fn parse(printed: &[u8]) -> Option<Replicas> {
    let text = str::from_utf8(printed).ok()?.trim();
    let digits = printed.len() <= LIMIT && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits {
        text.parse().ok().map(Replicas::new)
    } else {
        None
    }
}

fn shortened(printed: &[u8]) -> String {
    let text = String::from_utf8_lossy(printed);
    let text = text.trim();
    let mut shown: String = text
        .chars()
        .take(SHOWN)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(printed: &str, expected: Option<u32>) {
        assert_eq!(
            parse(printed.as_bytes()),
            expected.map(Replicas::new),
            "{printed:?}"
        );
    }

    #[test]
    fn a_count_is_digits_alone() {
        check("3", Some(3));
        check("  0\n", Some(0));
        check("12\r\n", Some(12));
        for printed in [
            "",
            " \n",
            "-1",
            "+3",
            "3.0",
            "3 4",
            "three",
            "0x10",
            "4294967296",
            "3\n4",
            "\u{663}",
        ] {
            check(printed, None);
        }
    }

    #[test]
    fn what_was_printed_instead_is_shown_in_one_short_line() {
        assert_eq!(shortened(b"<html>\n\x1b[31m  \xff"), "<html>  [31m  \u{fffd}");
        assert_eq!(
            shortened("é".repeat(500).as_bytes()),
            format!("{}…", "é".repeat(SHOWN))
        );
    }
}
