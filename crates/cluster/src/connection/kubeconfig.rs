//! Which cluster is meant: a kubeconfig as kubectl finds it, else the service account of the pod that this runs in.

use std::{
    env, fmt,
    io::IsTerminal as _,
    path::{Path, PathBuf},
};

use kube::{
    Config,
    config::{ExecInteractiveMode, InClusterError, Kubeconfig, KubeconfigError},
};
use tracing::warn;

use super::{ConnectionOptions, ours};
use crate::ClusterError;

/// Where the way to the cluster is described.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// In files, merged as kubectl does.
    Files {
        paths: Vec<PathBuf>,
        /// `None`: the current one.
        context: Option<String>,
    },
    /// In the pod.
    Pod,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files { paths, context: None } => write!(f, "the current context of {}", written(paths)),
            Self::Files {
                paths,
                context: Some(context),
            } => write!(f, "context {context} of {}", written(paths)),
            Self::Pod => f.write_str("the service account of this pod"),
        }
    }
}

impl Origin {
    /// Finds it in kubectl's order.
    pub(super) fn find(options: &ConnectionOptions) -> Result<Self, ClusterError> {
        let files = |paths| {
            Ok(Self::Files {
                paths,
                context: options.context.clone(),
            })
        };
        if let Some(path) = &options.kubeconfig {
            return files(vec![path.clone()]);
        }
        let listed = env::var_os("KUBECONFIG").map(|value| env::split_paths(&value).collect::<Vec<_>>());
        let listed: Vec<PathBuf> = listed
            .into_iter()
            .flatten()
            .filter(|path| path != Path::new(""))
            .collect();
        if !listed.is_empty() {
            return files(listed);
        }
        let usual = env::home_dir().unwrap_or_default().join(".kube/config");
        if usual.exists() {
            files(vec![usual])
        } else if env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
            Ok(Self::Pod)
        } else {
            Err(ClusterError::NoCluster { looked_at: usual })
        }
    }

    /// Reads it, as it is now.
    pub(super) fn config(&self) -> Result<Config, ClusterError> {
        let config = match self {
            Self::Files { paths, context } => from_files(paths, context.as_deref())?,
            Self::Pod => Config::incluster().map_err(|error| ClusterError::ServiceAccount {
                reason: of_pod(&error),
            })?,
        };
        Ok(ours(config))
    }
}

fn from_files(paths: &[PathBuf], context: Option<&str>) -> Result<Config, ClusterError> {
    let file = written(paths);
    let unusable = |error: &KubeconfigError| ClusterError::Kubeconfig {
        file: file.clone(),
        reason: of_file(error),
    };
    let mut merged = Kubeconfig::default();
    for path in paths {
        let next = match Kubeconfig::read_from(path) {
            Ok(next) => next,
            // kubectl passes over files of a list that are not there.
            Err(KubeconfigError::ReadConfig(error, _))
                if paths.len() > 1 && error.kind() == std::io::ErrorKind::NotFound =>
            {
                continue;
            }
            Err(error) => return Err(unusable(&error)),
        };
        merged = merged.merge(next).map_err(|error| unusable(&error))?;
    }
    merged.current_context = Some(choose(&merged, context, &file)?);
    never_prompt_without_a_terminal(&mut merged);
    let config = Config::try_from(merged).map_err(|error| unusable(&error))?;
    if config.accept_invalid_certs {
        warn!(
            file,
            "the kubeconfig says insecure-skip-tls-verify: whoever answers is taken for the API server"
        );
    }
    Ok(config)
}

/// The context that was asked for, or the current one, if it exists.
fn choose(kubeconfig: &Kubeconfig, asked: Option<&str>, file: &str) -> Result<String, ClusterError> {
    let known = || {
        kubeconfig
            .contexts
            .iter()
            .map(|context| context.name.clone())
            .collect::<Vec<_>>()
    };
    let current = kubeconfig
        .current_context
        .as_deref()
        .filter(|name| !name.is_empty());
    let Some(context) = asked.or(current) else {
        return Err(ClusterError::NoContext {
            file: file.to_owned(),
            known: known(),
        });
    };
    let known = known();
    if known.iter().any(|name| name == context) {
        Ok(context.to_owned())
    } else {
        Err(ClusterError::UnknownContext {
            file: file.to_owned(),
            context: context.to_owned(),
            known,
        })
    }
}

/// A plugin that may ask its user something must not where there is none, and then its words are kept for the error.
fn never_prompt_without_a_terminal(kubeconfig: &mut Kubeconfig) {
    if std::io::stdin().is_terminal() {
        return;
    }
    let users = kubeconfig.auth_infos.iter_mut();
    for exec in users.filter_map(|user| user.auth_info.as_mut()?.exec.as_mut()) {
        if exec.interactive_mode != Some(ExecInteractiveMode::Always) {
            exec.interactive_mode = Some(ExecInteractiveMode::Never);
        }
    }
}

fn written(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    paths.join(":")
}

/// What is wrong with a file, without repeating which.
fn of_file(error: &KubeconfigError) -> String {
    if let KubeconfigError::ReadConfig(source, _) = error {
        return source.to_string();
    }
    error.to_string()
}

fn of_pod(error: &InClusterError) -> String {
    error.to_string()
}
