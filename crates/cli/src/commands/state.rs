//! What the commands that look at the state share: the configuration, its workloads, and the state opened to be read.

use std::time::Duration;

use headroom_autoscaler::{
    LeaderLock, Notice, Pause, Pauses, Store,
    config::{Loaded, SecretCheck},
};
use headroom_policy_engine::WorkloadId;

use crate::{
    args::{CommonArgs, SelectArgs},
    choose, configuration,
    error::CliError,
    output::Output,
};

/// A configuration whose workloads are worked on.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) loaded: Loaded,
    /// The workloads that the arguments mean, in the order of the configuration.
    pub(crate) workloads: Vec<WorkloadId>,
    /// Whether the arguments named them, by name or namespace.
    pub(crate) is_asked_for: bool,
}

impl Chosen {
    /// Loads the configuration and picks the workloads that `names` and the options mean.
    ///
    /// # Errors
    /// When the configuration is wrong, or a name fits no workload.
    pub(crate) fn load(
        common: &CommonArgs,
        names: &[String],
        secrets: SecretCheck,
    ) -> Result<Self, CliError> {
        let loaded = configuration::load(&common.config, secrets)?;
        let workloads = choose::choose(ids(&loaded), names, &common.select)?;
        let is_asked_for = !names.is_empty() || common.select.namespace.is_some();
        Ok(Self {
            loaded,
            workloads,
            is_asked_for,
        })
    }

    /// The one workload that `name` means.
    ///
    /// # Errors
    /// When it fits no workload or several.
    pub(crate) fn one(&self, name: &str, select: &SelectArgs) -> Result<WorkloadId, CliError> {
        choose::choose_one(ids(&self.loaded), name, select)
    }

    /// The state, to be read. What is remarkable about it is said.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub(crate) fn open_state(&self, output: &Output) -> Result<Store, CliError> {
        let settings = &self.loaded.configuration.settings;
        let opened = Store::open_read_only(&settings.state_dir, settings.history)?;
        opened.notices.iter().for_each(|notice| output.warn(notice));
        Ok(opened.store)
    }

    /// The pauses.
    pub(crate) fn pauses(&self) -> Pauses {
        Pauses::new(&self.loaded.configuration.settings.state_dir)
    }

    /// The pauses that hold now.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) fn pauses_in_force(&self) -> Result<Vec<Pause>, CliError> {
        let now = crate::moment::now();
        let mut pauses = self.pauses().list()?;
        pauses.retain(|pause| pause.holds(now));
        Ok(pauses)
    }

    /// Who loops over the state, in words; `None` when nobody does.
    ///
    /// # Errors
    /// When the lock cannot be used.
    pub(crate) fn leader(&self) -> Result<Option<String>, CliError> {
        let holder = LeaderLock::holder(&self.loaded.configuration.settings.state_dir)?;
        Ok(holder.map(|holder| holder.to_string()))
    }
}

fn ids(loaded: &Loaded) -> impl Iterator<Item = &WorkloadId> {
    loaded.configuration.workloads.iter().map(|workload| &workload.id)
}

/// Says what a person should know about a pass as a whole.
pub(crate) fn say_notices(notices: &[Notice], output: &Output) {
    for notice in notices {
        if notice.is_failure() {
            output.error(notice);
        } else {
            output.warn(notice);
        }
    }
}

/// A span as an option takes it.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    crate::moment::read_span(text)
}
