//! What a person should know about a pass as a whole, and is no decision: state that was lost, a file that cannot
//! be read, passes too far apart.
//!
//! Words are made once, in `Display`, each with its way out.

use std::{fmt, path::PathBuf, time::Duration};

use headroom_policy_engine::{Timestamp, WorkloadId};
use serde::{Deserialize, Serialize};

use crate::{DecisionRecord, Falls, Rebuilt};

/// What a person should know about a pass as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// There was no state, so this is a first pass.
    NoMemory {
        /// Where state was looked for.
        state_dir: PathBuf,
        /// What the past made up for.
        first: FirstPass,
    },
    /// The state could not be used and was moved out of the way.
    StateSetAside {
        /// Where it stood.
        from: PathBuf,
        /// Where it stands now.
        to: PathBuf,
        /// Why it could not be used.
        reason: String,
    },
    /// The state cannot be used, and was left where it is because nothing may be touched.
    StateUnusable {
        /// Where it stands.
        path: PathBuf,
        /// Why it cannot be used.
        reason: String,
    },
    /// What was remembered of one workload could not be read, so it starts anew. The rest was kept aside.
    MemorySetAside {
        /// Whose memory.
        workload: WorkloadId,
        /// Why it could not be read.
        reason: String,
    },
    /// The target was deleted and created anew, so what was remembered of the one before is not used.
    TargetReplaced {
        /// Whose target.
        workload: WorkloadId,
    },
    /// The pauses and overrides cannot be read, so every workload counts as paused.
    PausesUnreadable {
        /// The file.
        path: PathBuf,
        /// Why it cannot be read.
        reason: String,
    },
    /// The state could not be written. Without a record of what is about to be done, nothing is written to a target.
    StateNotWritten {
        /// Why not.
        reason: String,
    },
    /// Passes are so far apart that what was recommended before reaches no window.
    TooFarApart {
        /// How long ago the pass before was.
        spacing: Duration,
    },
    /// The fleet's brake has tripped, and holds scaling down.
    FleetBrake {
        /// What would have fallen.
        falls: Falls,
        /// Until when it holds.
        until: Timestamp,
    },
}

/// What a pass without memory could do about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstPass {
    /// How many workloads it looked at.
    pub workloads: usize,
    /// Of how many of them enough of the windows was rebuilt from the past to scale down by.
    pub rebuilt: usize,
}

impl FirstPass {
    /// With one more workload.
    #[must_use]
    pub fn with(self, record: &DecisionRecord) -> Self {
        let is_rebuilt = match &record.rebuilt {
            Some(Rebuilt::From { is_covered, .. }) => *is_covered,
            Some(Rebuilt::Refused { .. }) | None => false,
        };
        Self {
            workloads: self.workloads + 1,
            rebuilt: self.rebuilt + usize::from(is_rebuilt),
        }
    }
}

impl fmt::Display for FirstPass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { workloads, rebuilt } = *self;
        if rebuilt == 0 {
            f.write_str("this pass cannot scale down")
        } else if rebuilt == workloads {
            f.write_str("the windows were rebuilt from the past of the load, so this pass can scale down")
        } else {
            write!(
                f,
                "the windows of {rebuilt} of {workloads} workloads were rebuilt from the past of the load; this pass \
                 cannot scale down the others"
            )
        }
    }
}

impl Notice {
    /// Whether people are told of it beside what the pass prints. What each pass says again, and what goes on with
    /// workloads, is told otherwise.
    #[must_use]
    pub(crate) const fn is_worth_telling(&self) -> bool {
        match self {
            Self::StateSetAside { .. } | Self::StateUnusable { .. } | Self::MemorySetAside { .. } => true,
            Self::NoMemory { .. }
            | Self::TargetReplaced { .. }
            | Self::PausesUnreadable { .. }
            | Self::StateNotWritten { .. }
            | Self::TooFarApart { .. }
            | Self::FleetBrake { .. } => false,
        }
    }

    /// Whether the pass could not do what it was asked to do because of this.
    #[must_use]
    pub const fn is_failure(&self) -> bool {
        match self {
            Self::PausesUnreadable { .. } | Self::StateNotWritten { .. } => true,
            Self::NoMemory { .. }
            | Self::StateSetAside { .. }
            | Self::StateUnusable { .. }
            | Self::MemorySetAside { .. }
            | Self::TargetReplaced { .. }
            | Self::TooFarApart { .. }
            | Self::FleetBrake { .. } => false,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMemory { state_dir, first } => write!(
                f,
                "no memory: {first}; if you see this each time, keep {} between runs",
                state_dir.display()
            ),
            Self::StateSetAside { from, to, reason } => write!(
                f,
                "the state in {} could not be used ({reason}) and was set aside as {}; this is a first pass, which \
                 cannot scale down where its windows cannot be rebuilt from the past",
                from.display(),
                to.display()
            ),
            Self::StateUnusable { path, reason } => write!(
                f,
                "the state in {} cannot be used ({reason}); `headroom run` would set it aside and start anew, \
                 and so does this look ahead",
                path.display()
            ),
            Self::MemorySetAside { workload, reason } => write!(
                f,
                "what was remembered of {workload} could not be read ({reason}) and was kept aside; it starts anew \
                 and cannot scale down until its window is known again"
            ),
            Self::TargetReplaced { workload } => write!(
                f,
                "the target of {workload} was deleted and created anew, so what was remembered of the one before is \
                 not used: it starts anew, and cannot scale down until its window is known"
            ),
            Self::PausesUnreadable { path, reason } => write!(
                f,
                "the pauses and overrides in {} cannot be read ({reason}), so every workload counts as paused; mend \
                 the file, or move it away and pause and override again what should be",
                path.display()
            ),
            Self::StateNotWritten { reason } => write!(
                f,
                "the state could not be written ({reason}), so nothing was written to any target; make room or \
                 give the right to write, and run again"
            ),
            Self::TooFarApart { spacing } => write!(
                f,
                "the pass before was {} ago: passes more than 15 min apart cannot scale down; run at least every \
                 15 min, best every 2",
                minutes(*spacing)
            ),
            Self::FleetBrake { falls, until } => write!(
                f,
                "the fleet's brake holds scaling down until {}: {falls}, which is rather a broken measurement than less \
                 load. Look at what their metrics read (`headroom explain WORKLOAD`), for targets that are down and labels \
                 that were renamed. What is still wanted then is let through; `headroom override WORKLOAD --max N --for \
                 1h` lets one fall now, and max_fall = \"100%\" under [brake] switches the brake off",
                time(*until)
            ),
        }
    }
}

/// A moment as a text that stays the same from pass to pass.
fn time(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.unix_millis()).map_or_else(
        |_| at.unix_millis().to_string(),
        |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}

/// `spacing` in words, to the minute.
fn minutes(spacing: Duration) -> String {
    let minutes = spacing.as_secs() / 60;
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_how_far_apart_passes_are() {
        let text = |minutes: u64| {
            Notice::TooFarApart {
                spacing: Duration::from_secs(minutes * 60),
            }
            .to_string()
        };
        assert!(text(16).contains("was 16 min ago"), "{}", text(16));
        assert!(text(120).contains("was 2 h ago"), "{}", text(120));
        assert!(text(135).contains("was 2 h 15 min ago"), "{}", text(135));
    }
}
