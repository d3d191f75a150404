//! The options that many commands share. They may stand before, between and after the words of a command; all count.

use std::path::PathBuf;

use clap::Args;
use headroom_autoscaler::KubernetesSettings;

use crate::output::{ColorChoice, Format};

/// What every command that works on workloads takes.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct CommonArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Where the configuration, the state and the cluster are.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ConfigArgs {
    /// A file, or a directory of *.toml files; give it again for a further layer.
    ///
    /// What stands in a later layer goes before what stands in an earlier one. Without it, the paths in
    /// HEADROOM_CONFIG (separated by colons) are read, and without those, headroom.toml.
    #[arg(short, long, value_name = "PATH", help_heading = "Shared options")]
    pub(crate) config: Vec<PathBuf>,
    /// Where state, locks and the logs of replicas live.
    ///
    /// Without it: `state_dir` of the configuration, or `.headroom` beside the first file. Keep it between runs: it is
    /// the memory by which counts are scaled down.
    #[arg(long, value_name = "DIR", help_heading = "Shared options")]
    pub(crate) state_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
}

/// Which cluster.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ClusterArgs {
    /// The kubeconfig of the cluster that targets are in.
    ///
    /// Without it, as for kubectl: the files in KUBECONFIG (separated by colons), else ~/.kube/config, else the service
    /// account of the pod that this runs in.
    #[arg(long, value_name = "FILE", help_heading = "Shared options")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The context in the kubeconfig, instead of its current one.
    #[arg(long, value_name = "NAME", help_heading = "Shared options")]
    pub(crate) context: Option<String>,
}

/// Which workloads, beside their names.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct SelectArgs {
    /// Only workloads of this namespace.
    #[arg(short, long, value_name = "NAMESPACE", help_heading = "Shared options")]
    pub(crate) namespace: Option<String>,
    /// Workloads of all namespaces; `pause`, `resume` and `override` want this said.
    #[arg(
        short = 'A',
        long,
        conflicts_with = "namespace",
        help_heading = "Shared options"
    )]
    pub(crate) all_namespaces: bool,
}

/// How output looks.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct OutputArgs {
    /// How results are written: `human`, or `json` (versioned). All else goes to stderr.
    #[arg(
        long,
        value_name = "FORMAT",
        hide_possible_values = true,
        help_heading = "Shared options"
    )]
    pub(crate) format: Option<Format>,
    /// Whether output is colored: `auto` (on a terminal, unless NO_COLOR is set), `always` or `never`.
    #[arg(
        long,
        value_name = "WHEN",
        hide_possible_values = true,
        help_heading = "Shared options"
    )]
    pub(crate) color: Option<ColorChoice>,
    /// Debug logs on stderr, and every decision; so does DEBUG=1.
    #[arg(short, long, help_heading = "Shared options")]
    pub(crate) verbose: bool,
}

impl CommonArgs {
    /// These, together with `later`, given after them.
    pub(crate) fn with(&self, later: &Self) -> Self {
        Self {
            config: self.config.with(&later.config),
            select: self.select.with(&later.select),
            output: self.output.with(&later.output),
        }
    }
}

impl ConfigArgs {
    /// These, together with `later`, given after them. Layers add up.
    pub(crate) fn with(&self, later: &Self) -> Self {
        Self {
            config: self.config.iter().chain(&later.config).cloned().collect(),
            state_dir: later.state_dir.clone().or_else(|| self.state_dir.clone()),
            cluster: self.cluster.with(&later.cluster),
        }
    }
}

impl ClusterArgs {
    /// These, together with `later`, given after them.
    pub(crate) fn with(&self, later: &Self) -> Self {
        Self {
            kubeconfig: later.kubeconfig.clone().or_else(|| self.kubeconfig.clone()),
            context: later.context.clone().or_else(|| self.context.clone()),
        }
    }

    /// The cluster that they mean.
    pub(crate) fn settings(&self) -> KubernetesSettings {
        KubernetesSettings {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
        }
    }
}

impl SelectArgs {
    /// These, or `later`, given after them.
    pub(crate) fn with(&self, later: &Self) -> Self {
        if later.namespace.is_some() || later.all_namespaces {
            later.clone()
        } else {
            self.clone()
        }
    }
}

impl OutputArgs {
    /// These, together with `later`, given after them.
    pub(crate) fn with(&self, later: &Self) -> Self {
        Self {
            format: later.format.or(self.format),
            color: later.color.or(self.color),
            verbose: self.verbose || later.verbose,
        }
    }
}
