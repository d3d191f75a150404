//! Which cluster is meant: a kubeconfig as kubectl finds it, else the service account of the pod that this runs in.

use std::{
    env,
    ffi::OsString,
    fmt, fs,
    io::IsTerminal as _,
    path::{Path, PathBuf},
};

use kube::{
    Config,
    config::{ExecInteractiveMode, Kubeconfig, KubeconfigError},
};
use serde_json::json;
use tracing::warn;

use super::{ConnectionOptions, ours, proxy::ProxySettings};
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
    Pod(Pod),
}

/// What a pod is told of its cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pod {
    /// `KUBERNETES_SERVICE_HOST` with `KUBERNETES_SERVICE_PORT`.
    address: String,
    /// Where the files of its service account are.
    account: PathBuf,
}

/// Where a pod has the files of its service account.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The name of its one context.
const POD: &str = "pod";

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files { paths, context } => write!(f, "context {context} of {}", written(paths)),
            Self::Pod(_) => f.write_str("the service account of this pod"),
        }
    }
}

/// What the environment says of where a cluster is described.
#[derive(Debug)]
pub(super) struct Surroundings {
    /// `KUBECONFIG`.
    listed: Option<OsString>,
    home: PathBuf,
    /// What is known of the cluster where this is a pod.
    pod: Option<Pod>,
}

impl Surroundings {
    pub(super) fn of_this_process() -> Self {
        Self {
            listed: env::var_os("KUBECONFIG"),
            home: env::home_dir().unwrap_or_default(),
            pod: env::var("KUBERNETES_SERVICE_HOST").ok().map(|host| Pod {
                address: address(&host, env::var("KUBERNETES_SERVICE_PORT").ok().as_deref()),
                account: PathBuf::from(ACCOUNT),
            }),
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
        match (&around.pod, asked) {
            (Some(pod), None) => Ok(Self::Pod(pod.clone())),
            (Some(_), Some(context)) => Err(ClusterError::UnknownContext {
                file: usual.display().to_string(),
                context: context.to_owned(),
                known: Vec::new(),
            }),
            (None, _) => Err(ClusterError::NoCluster { looked_at: usual }),
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
            Self::Pod(pod) => {
                let unusable = |error: &KubeconfigError| ClusterError::ServiceAccount {
                    reason: of_file(error),
                };
                configured(pod.kubeconfig()?, unusable)?
            }
        };
        Ok(ours(config))
    }
}

impl Pod {
    /// As client-go has it: the address of the environment, and the authority and token of the account's files. The
    /// token is read anew as it is rotated.
    fn kubeconfig(&self) -> Result<Kubeconfig, ClusterError> {
        let unusable = |reason: String| ClusterError::ServiceAccount { reason };
        let [authority, token] = ["ca.crt", "token"].map(|name| self.account.join(name));
        for file in [&authority, &token] {
            fs::metadata(file).map_err(|error| unusable(format!("{}: {error}", file.display())))?;
        }
        let kubeconfig = json!({
            "clusters": [{"name": POD, "cluster": {
                "server": format!("https://{}", self.address), "certificate-authority": authority}}],
            "users": [{"name": POD, "user": {"tokenFile": token}}],
            "contexts": [{"name": POD, "context": {"cluster": POD, "user": POD}}],
            "current-context": POD,
        });
        serde_json::from_value(kubeconfig).map_err(|error| unusable(error.to_string()))
    }
}

/// The host with the port; one with colons in it is an IPv6 address.
fn address(host: &str, port: Option<&str>) -> String {
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    format!("{host}:{}", port.unwrap_or("443"))
}

fn from_files(paths: &[PathBuf], context: &str) -> Result<Config, ClusterError> {
    let mut merged = merged(paths)?;
    merged.current_context = Some(choose(&merged, Some(context), &written(paths))?);
    never_prompt_without_a_terminal(&mut merged);
    configured(merged, |error| unusable(paths, error))
}

/// The configuration of the current context, with the proxy that kubectl would use. `unusable` is the error where what
/// describes it cannot be used.
fn configured(
    kubeconfig: Kubeconfig,
    unusable: impl Fn(&KubeconfigError) -> ClusterError,
) -> Result<Config, ClusterError> {
    let named = proxy_of_current(&kubeconfig);
    let mut config = Config::try_from(kubeconfig).map_err(|error| {
        // Not the kubeconfig is wrong then, but the environment.
        if let KubeconfigError::ParseNoProxy(reason) = &error {
            let reason = reason.to_string();
            return ClusterError::ProxyExceptions { reason };
        }
        unusable(&error)
    })?;
    // What is named in the kubeconfig goes before the environment, whose exceptions do not concern it.
    let proxy = named.or_else(|| ProxySettings::of_this_process().proxy(&config.cluster_url));
    let parsed = proxy.map(|proxy| proxy.parse()).transpose();
    config.proxy_url = parsed.map_err(|error| unusable(&KubeconfigError::ParseProxyUrl(error)))?;
    Ok(config)
}

/// The `proxy-url` of the cluster in the current context.
fn proxy_of_current(kubeconfig: &Kubeconfig) -> Option<String> {
    let current = kubeconfig.current_context.as_ref()?;
    let context = kubeconfig
        .contexts
        .iter()
        .find(|context| context.name == *current)?;
    let cluster = &context.context.as_ref()?.cluster;
    let named = kubeconfig.clusters.iter().find(|one| one.name == *cluster)?;
    let proxy = named.cluster.as_ref()?.proxy_url.clone()?;
    (!proxy.is_empty()).then_some(proxy)
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

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use headroom_policy_engine::Timestamp;
    use headroom_test_support::{
        cluster::{Cluster, rule},
        wait_until,
    };

    use super::*;
    use crate::{ClusterView, Connection, Filling};

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
                pod: Some(Pod {
                    address: "10.0.0.1:443".to_owned(),
                    account: PathBuf::from("/nonexistent"),
                }),
            };
            Origin::find(&options, &pod)
        };
        assert!(matches!(find(None), Ok(Origin::Pod(_))));
        assert_eq!(
            find(Some("prod")).unwrap_err().to_string(),
            "the kubeconfig /nonexistent/.kube/config has no context `prod`; it has none"
        );
    }

    #[test]
    fn an_address_is_what_the_environment_says() {
        assert_eq!(address("10.0.0.1", Some("6443")), "10.0.0.1:6443");
        assert_eq!(address("fd00::1", Some("443")), "[fd00::1]:443");
        assert_eq!(address("kubernetes", None), "kubernetes:443");
    }

    #[test]
    fn an_account_without_a_token_is_named() {
        let account = headroom_test_support::temp_dir();
        fs::write(account.path().join("ca.crt"), "").unwrap();
        let pod = Pod {
            address: "10.0.0.1:443".to_owned(),
            account: account.path().to_owned(),
        };
        let error = Origin::Pod(pod).config().unwrap_err();
        let token = account.path().join("token");
        assert_eq!(
            error.to_string(),
            format!(
                "the pod's service account cannot be used: {}: No such file or directory (os error 2)",
                token.display()
            )
        );
    }

    /// A real API server, reached as from a pod: by its address and the files of an account, whose token is rotated.
    #[tokio::test]
    #[ignore = "needs the real servers: run `cargo xtask test`"]
    async fn in_a_pod_the_files_of_its_account_are_enough_and_a_token_that_is_rotated_is_taken_up() {
        let cluster = Cluster::shared().await;
        let namespace = cluster.namespace("pod").await;
        let rules = [rule(&[""], &["pods"], &["list"])];
        let account = headroom_test_support::temp_dir();
        let user = namespace.user("headroom", &rules).await;
        let kubeconfig: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(user.kubeconfig()).unwrap()).unwrap();
        let token = kubeconfig["users"][0]["user"]["token"].as_str().unwrap();
        let set = |token: &str| fs::write(account.path().join("token"), token).unwrap();
        set("of another cluster");
        fs::copy(cluster.folder().join("ca.crt"), account.path().join("ca.crt")).unwrap();
        let pod = Pod {
            address: cluster.url().trim_start_matches("https://").to_owned(),
            account: account.path().to_owned(),
        };
        let connection = Connection::of(Origin::Pod(pod), Duration::from_secs(5)).unwrap();
        let view = ClusterView::new(Arc::new(connection), Filling::Lists);
        let pods = async || {
            let now = jiff::Timestamp::now().as_millisecond();
            view.pods(namespace.name(), Timestamp::from_unix_millis(now))
                .await
        };
        let error = pods().await.unwrap_err();
        assert!(matches!(error, ClusterError::Unauthorized { .. }), "{error}");
        set(token);
        wait_until(Duration::from_secs(60), "the new token is taken up", async || {
            pods().await.is_ok()
        })
        .await;
    }
}
