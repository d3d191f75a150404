//! Secrets: reading them where they stand, and looking whether they are there.

use std::{collections::BTreeSet, path::PathBuf};

use thiserror::Error;

use super::{
    Environment,
    problem::{Finding, ProblemKind},
    reader::Reader,
    servers::Servers,
};
use crate::{MetricOrigin, PlainSecret, Secret, WorkloadSettings};

/// Why a secret cannot be had.
#[derive(Debug, Error)]
pub enum SecretError {
    /// Its environment variable is not set.
    #[error("the environment variable {name} is not set")]
    NotSet {
        /// The variable.
        name: String,
    },
    /// Its environment variable or file has nothing in it.
    #[error("{place} is empty")]
    Empty {
        /// The variable or file.
        place: String,
    },
    /// Its file cannot be read.
    #[error("{} could not be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

impl Secret {
    /// Reads the secret where it stands: from `environment`, or from its file without the newline at its end.
    ///
    /// # Errors
    /// When it is not there, empty, or cannot be read.
    pub fn resolve(&self, environment: &Environment) -> Result<PlainSecret, SecretError> {
        let (text, place) = match self {
            Self::Plain(secret) => return Ok(secret.clone()),
            Self::Env(name) => {
                let value = environment
                    .get(name)
                    .ok_or_else(|| SecretError::NotSet { name: name.clone() })?;
                (value.to_owned(), format!("the environment variable {name}"))
            }
            Self::File(path) => {
                let text = std::fs::read_to_string(path).map_err(|source| SecretError::Unreadable {
                    path: path.clone(),
                    source,
                })?;
                (text, path.display().to_string())
            }
        };
        let text = text
            .strip_suffix('\n')
            .map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
        if text.is_empty() {
            return Err(SecretError::Empty { place });
        }
        Ok(PlainSecret(text.to_owned()))
    }
}

/// Reports the secrets that are not there, of the servers that some workload asks.
pub(super) fn check_sources(
    workloads: &[WorkloadSettings],
    servers: &Servers,
    environment: &Environment,
    reader: &mut Reader<'_>,
) {
    let asked: BTreeSet<&str> = workloads
        .iter()
        .flat_map(WorkloadSettings::asked)
        .filter_map(|metric| match &metric.origin {
            MetricOrigin::Prometheus { server, .. } => Some(server.as_str()),
            MetricOrigin::Scrape { .. } | MetricOrigin::Recorded { .. } | MetricOrigin::Resource { .. } => {
                None
            }
        })
        .collect();
    for secret in asked
        .iter()
        .filter_map(|server| servers.secrets.get(*server))
        .flatten()
    {
        let Err(error) = secret.value.resolve(environment) else {
            continue;
        };
        let (message, help) = match &error {
            SecretError::NotSet { name } => (error.to_string(), format!("set it: export {name}=…")),
            SecretError::Empty { .. } => (error.to_string(), "put the secret there".to_owned()),
            SecretError::Unreadable { source, .. } => (
                format!("{error}: {}", super::files::reason(source)),
                "put the secret there, readable to whoever runs headroom".to_owned(),
            ),
        };
        let finding = Finding::new(ProblemKind::Absent, message).at(secret.place);
        reader.report(finding.help(help));
    }
}
