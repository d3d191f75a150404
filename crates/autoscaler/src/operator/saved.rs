//! How the file of what people ask for is written, with times that people can read.
//!
//! Version 1 has pauses alone, and is what is written where there is nothing else, so that an earlier headroom reads it.
//! One that finds version 2 does not know what to do, and holds everything, as it should.

use std::{io, sync::Arc};

use headroom_notifier::delivery::Silence;
use headroom_policy_engine::{Operator, Replicas, Timestamp, WorkloadId};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{OperatorActs, Override, OverrideAsks, OverrideError, Pause, ScaleDown};

/// The version with pauses alone.
const PAUSES: u32 = 1;
/// The version with overrides.
const OVERRIDES: u32 = 2;
/// The version with silences.
const SILENCES: u32 = 3;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    version: u32,
    pauses: Vec<SavedPause>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    overrides: Vec<SavedOverride>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    silences: Vec<SavedSilence>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedSilence {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    workload: Option<WorkloadId>,
    from: String,
    until: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    critical: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<Arc<str>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedPause {
    workload: WorkloadId,
    since: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedOverride {
    workload: WorkloadId,
    since: String,
    until: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min_replicas: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_replicas: Option<u32>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    hold_down: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<Arc<str>>,
}

/// Why an entry of the file is none.
#[derive(Debug, Error)]
enum EntryError {
    #[error(transparent)]
    Moment(#[from] jiff::Error),
    #[error(transparent)]
    Override(#[from] OverrideError),
}

/// What stands in `bytes`.
///
/// # Errors
/// Why that is nothing headroom wrote, in words.
pub(super) fn read(bytes: &[u8]) -> Result<OperatorActs, String> {
    let saved: Saved = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if !(PAUSES..=SILENCES).contains(&saved.version) {
        return Err(format!(
            "it has version {}, and this headroom knows versions {PAUSES} to {SILENCES}",
            saved.version
        ));
    }
    let acts = || -> Result<OperatorActs, EntryError> {
        Ok(OperatorActs {
            pauses: saved
                .pauses
                .into_iter()
                .map(Pause::try_from)
                .collect::<Result<_, _>>()?,
            overrides: saved
                .overrides
                .into_iter()
                .map(Override::try_from)
                .collect::<Result<_, _>>()?,
            silences: saved
                .silences
                .into_iter()
                .map(silence)
                .collect::<Result<_, _>>()?,
        })
    };
    acts().map_err(|error| error.to_string())
}

/// What stands in the file for `acts`.
pub(super) fn written(acts: OperatorActs) -> io::Result<Vec<u8>> {
    let saved = Saved {
        version: match (&*acts.overrides, &*acts.silences) {
            ([], []) => PAUSES,
            ([_, ..], []) => OVERRIDES,
            (_, [_, ..]) => SILENCES,
        },
        pauses: acts.pauses.into_iter().map(SavedPause::from).collect(),
        overrides: acts.overrides.into_iter().map(SavedOverride::from).collect(),
        silences: acts.silences.into_iter().map(SavedSilence::from).collect(),
    };
    let mut text = serde_json::to_vec_pretty(&saved)?;
    text.push(b'\n');
    Ok(text)
}

impl From<Pause> for SavedPause {
    fn from(pause: Pause) -> Self {
        Self {
            workload: pause.workload,
            since: moment_text(pause.since),
            until: pause.until.map(moment_text),
            reason: pause.reason,
            by: pause.by,
        }
    }
}

impl TryFrom<SavedPause> for Pause {
    type Error = EntryError;

    fn try_from(saved: SavedPause) -> Result<Self, EntryError> {
        Ok(Self {
            workload: saved.workload,
            since: moment(&saved.since)?,
            until: saved.until.as_deref().map(moment).transpose()?,
            reason: saved.reason,
            by: saved.by,
        })
    }
}

impl From<Override> for SavedOverride {
    fn from(one: Override) -> Self {
        Self {
            workload: one.workload,
            since: moment_text(one.since),
            until: moment_text(one.until),
            min_replicas: one.asks.floor().map(Replicas::get),
            max_replicas: one.asks.ceiling().map(Replicas::get),
            hold_down: one.asks.scale_down() == ScaleDown::Held,
            reason: one.operator.reason,
            by: one.operator.by,
        }
    }
}

impl TryFrom<SavedOverride> for Override {
    type Error = EntryError;

    fn try_from(saved: SavedOverride) -> Result<Self, EntryError> {
        let scale_down = if saved.hold_down {
            ScaleDown::Held
        } else {
            ScaleDown::Allowed
        };
        Ok(Self {
            workload: saved.workload,
            since: moment(&saved.since)?,
            until: moment(&saved.until)?,
            operator: Operator {
                by: saved.by,
                reason: saved.reason,
            },
            asks: OverrideAsks::new(
                saved.min_replicas.map(Replicas::new),
                saved.max_replicas.map(Replicas::new),
                scale_down,
            )?,
        })
    }
}

impl From<Silence> for SavedSilence {
    fn from(one: Silence) -> Self {
        Self {
            workload: one.workload,
            from: moment_text(one.from),
            until: moment_text(one.until),
            critical: one.silences_critical,
            reason: one.operator.reason,
            by: one.operator.by,
        }
    }
}

fn silence(saved: SavedSilence) -> Result<Silence, EntryError> {
    Ok(Silence {
        workload: saved.workload,
        from: moment(&saved.from)?,
        until: moment(&saved.until)?,
        operator: Operator {
            by: saved.by,
            reason: saved.reason,
        },
        silences_critical: saved.critical,
    })
}

/// A moment as people write it. One beyond what can be written is the last one that can, which nobody will see.
fn moment_text(at: Timestamp) -> String {
    let earliest_or_latest = if at.unix_millis() < 0 {
        jiff::Timestamp::MIN
    } else {
        jiff::Timestamp::MAX
    };
    let at = jiff::Timestamp::from_millisecond(at.unix_millis());
    at.unwrap_or(earliest_or_latest).to_string()
}

fn moment(text: &str) -> Result<Timestamp, jiff::Error> {
    let at: jiff::Timestamp = text.parse()?;
    Ok(Timestamp::from_unix_millis(at.as_millisecond()))
}
