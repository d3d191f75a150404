//! What the commands that look at the state share: the configuration, its workloads, and the state opened to be read.

use std::time::Duration;

use clap::Args;
use headroom_autoscaler::{
    LeaderLock, Notice, OperatorActs, OperatorFile, Store,
    config::{Loaded, SecretCheck},
};
use headroom_policy_engine::{Timestamp, WorkloadId};

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

    /// The file of what people ask for.
    pub(crate) fn operator(&self) -> OperatorFile {
        OperatorFile::new(&self.loaded.configuration.settings.state_dir)
    }

    /// What people ask for that has not ended at `now`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn acts_at(&self, now: Timestamp) -> Result<OperatorActs, CliError> {
        Ok(self.operator().acts()?.at(now))
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

/// When something that a person asks for ends by itself.
#[derive(Args, Clone, Debug)]
pub(crate) struct EndArgs {
    /// Ends by itself after so long, such as 30m or 2h.
    #[arg(long = "for", value_name = "SPAN", value_parser = crate::moment::read_span)]
    lasting: Option<Duration>,
    /// Ends by itself then: RFC 3339, a local date and time, or a time of day, of today or else of tomorrow.
    #[arg(long, value_name = "MOMENT", value_parser = crate::moment::read_end, conflicts_with = "lasting")]
    until: Option<Timestamp>,
}

impl EndArgs {
    /// When it ends, if it is asked for at `now`; `None` where nothing is said.
    pub(crate) fn at(&self, now: Timestamp) -> Option<Timestamp> {
        self.until.or_else(|| Some(now.plus(self.lasting?)))
    }
}

/// The workloads that were named. Nothing named is no wish to change everything.
///
/// # Errors
/// When the configuration is wrong, a name fits no workload, or nothing was named.
pub(crate) fn named(
    common: &CommonArgs,
    names: &[String],
    command: &'static str,
) -> Result<(Chosen, Vec<WorkloadId>), CliError> {
    let chosen = Chosen::load(common, names, SecretCheck::None)?;
    if !chosen.is_asked_for && !common.select.all_namespaces {
        return Err(CliError::NothingChosen { command });
    }
    let workloads = chosen.workloads.clone();
    Ok((chosen, workloads))
}

/// Who is asking: the user's name, where the environment has it.
pub(crate) fn who() -> Option<String> {
    let mut names = ["SUDO_USER", "USER", "LOGNAME"].into_iter();
    names.find_map(|name| std::env::var(name).ok())
}
