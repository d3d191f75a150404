//! Which cluster is meant: a kubeconfig as kubectl finds it, else the service account of the pod that this runs in.

use std::{
    env,
    ffi::OsString,
    fmt,
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
        /// Its name, also where it was the current one: what is current later is another question.
        context: String,
    },
    /// In the pod.
    Pod,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files { paths, context } => write!(f, "context {context} of {}", written(paths)),
            Self::Pod => f.write_str("the service account of this pod"),
        }
    }
}

/// What the environment says of where a cluster is described.
#[derive(Debug)]
pub(super) struct Surroundings {
    /// `KUBECONFIG`.
    listed: Option<OsString>,
    home: PathBuf,
    /// Whether this is a pod.
    in_pod: bool,
}

impl Surroundings {
    pub(super) fn of_this_process() -> Self {
        Self {
            listed: env::var_os("KUBECONFIG"),
            home: env::home_dir().unwrap_or_default(),
            in_pod: env::var_os("KUBERNETES_SERVICE_HOST").is_some(),
        }
    }
}

impl Origin {
    /// Finds it in kubectl's order.
    pub(super) fn find(options: &ConnectionOptions, around: &Surroundings) -> Result<Self, ClusterError> {
        let asked = options.context.as_deref();
        let files = |paths: Vec<PathBuf>| {
            let context = choose(&merged(&paths)?, asked, &written(&paths))?;
            Ok(Self::Files { paths, context })
        };
        if let Some(path) = &options.kubeconfig {
            return files(vec![path.clone()]);
        }
        let listed = around.listed.iter().flat_map(env::split_paths);
        let listed: Vec<PathBuf> = listed.filter(|path| path != Path::new("")).collect();
        if !listed.is_empty() {
            return files(listed);
        }
        let usual = around.home.join(".kube/config");
        if usual.exists() {
            return files(vec![usual]);
        }
        match asked {
            Some(context) if around.in_pod => Err(ClusterError::UnknownContext {
                file: usual.display().to_string(),
                context: context.to_owned(),
                known: Vec::new(),
            }),
            None if around.in_pod => Ok(Self::Pod),
            Some(_) | None => Err(ClusterError::NoCluster { looked_at: usual }),
        }
    }

    /// Says once what is worth a look in `config`, which was read from it.
    pub(super) fn warn_of(&self, config: &Config) {
        if config.accept_invalid_certs {
            warn!(
                origin = %self,
                "the kubeconfig says insecure-skip-tls-verify: whoever answers is taken for the API server"
            );
        }
    }

    /// Reads it, as it is now.
    pub(super) fn config(&self) -> Result<Config, ClusterError> {
        let config = match self {
            Self::Files { paths, context } => from_files(paths, context)?,
            Self::Pod => Config::incluster().map_err(|error| ClusterError::ServiceAccount {
                reason: of_pod(&error),
            })?,
        };
        Ok(ours(config))
    }
}

fn from_files(paths: &[PathBuf], context: &str) -> Result<Config, ClusterError> {
    let mut merged = merged(paths)?;
    merged.current_context = Some(choose(&merged, Some(context), &written(paths))?);
    never_prompt_without_a_terminal(&mut merged);
    Config::try_from(merged).map_err(|error| unusable(paths, &error))
}

/// The files as one, as kubectl merges them.
fn merged(paths: &[PathBuf]) -> Result<Kubeconfig, ClusterError> {
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
            Err(error) => return Err(unusable(paths, &error)),
        };
        merged = merged.merge(next).map_err(|error| unusable(paths, &error))?;
    }
    Ok(merged)
}

fn unusable(paths: &[PathBuf], error: &KubeconfigError) -> ClusterError {
    ClusterError::Kubeconfig {
        file: written(paths),
        reason: of_file(error),
    }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_context_that_was_asked_for_is_not_passed_over_in_a_pod() {
        let find = |context: Option<&str>| {
            let options = ConnectionOptions {
                kubeconfig: None,
                context: context.map(str::to_owned),
                deadline: Duration::from_secs(1),
            };
            let pod = Surroundings {
                listed: None,
                home: PathBuf::from("/nonexistent"),
                in_pod: true,
            };
            Origin::find(&options, &pod)
        };
        assert!(matches!(find(None), Ok(Origin::Pod)));
        assert_eq!(
            find(Some("prod")).unwrap_err().to_string(),
            "the kubeconfig /nonexistent/.kube/config has no context `prod`; it has none"
        );
    }
}
