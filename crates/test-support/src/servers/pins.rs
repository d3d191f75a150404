//! Which servers there are: a pinned Go module or pinned Python packages each, and how they are built.

use std::env;

use sha2::{Digest, Sha256};

/// Prometheus and promtool.
///
/// `remove_all_sd` leaves static targets and files of targets, which is all that tests use, and halves the build.
pub const PROMETHEUS: Server = Server {
    name: "prometheus",
    source: Source::Go(GoModule {
        go_mod: include_str!("../../servers/prometheus/go.mod"),
        go_sum: include_str!("../../servers/prometheus/go.sum"),
        version_of: "github.com/prometheus/prometheus",
        tags: "netgo,remove_all_sd",
        link_flags: "-s -w",
        binaries: &["prometheus", "promtool"],
        renames: &[],
        files: &[],
    }),
    minutes: 4,
};

/// Alertmanager, whose routes tell people of alerts.
///
/// The newest whose module has the built pages of its user interface in it, which the program does not compile without.
pub const ALERTMANAGER: Server = Server {
    name: "alertmanager",
    source: Source::Go(GoModule {
        go_mod: include_str!("../../servers/alertmanager/go.mod"),
        go_sum: include_str!("../../servers/alertmanager/go.sum"),
        version_of: "github.com/prometheus/alertmanager",
        tags: "netgo",
        link_flags: "-s -w",
        binaries: &["alertmanager"],
        renames: &[],
        files: &[],
    }),
    minutes: 2,
};

/// etcd, where the API server keeps its objects.
pub const ETCD: Server = Server {
    name: "etcd",
    source: Source::Go(GoModule {
        go_mod: include_str!("../../servers/etcd/go.mod"),
        go_sum: include_str!("../../servers/etcd/go.sum"),
        version_of: "go.etcd.io/etcd/server/v3",
        tags: "",
        link_flags: "-s -w",
        binaries: &["etcd"],
        // Go names a binary after the last word of its package's path.
        renames: &[("server", "etcd")],
        files: &[],
    }),
    minutes: 1,
};

/// kwok, which plays nodes and pods without a kubelet, and the definitions of its own resources.
pub const KWOK: Server = Server {
    name: "kwok",
    source: Source::Go(GoModule {
        go_mod: include_str!("../../servers/kwok/go.mod"),
        go_sum: include_str!("../../servers/kwok/go.sum"),
        version_of: "sigs.k8s.io/kwok",
        tags: "",
        link_flags: "-s -w",
        binaries: &["kwok"],
        renames: &[],
        files: &[ModuleFiles {
            module: "sigs.k8s.io/kwok",
            path: "kustomize/crd/bases",
            name: "crds",
        }],
    }),
    minutes: 2,
};

/// metrics-server, which serves metrics.k8s.io.
pub const METRICS_SERVER: Server = Server {
    name: "metrics-server",
    source: Source::Go(GoModule {
        go_mod: include_str!("../../servers/metrics-server/go.mod"),
        go_sum: include_str!("../../servers/metrics-server/go.sum"),
        version_of: "sigs.k8s.io/metrics-server",
        tags: "",
        link_flags: "-s -w",
        binaries: &["metrics-server"],
        renames: &[],
        files: &[],
    }),
    minutes: 3,
};

/// The API server, the controllers and the scheduler of Kubernetes.
///
/// Without the version linked in, the API server says a template of one, which clients refuse to parse.
pub const KUBERNETES: Server = Server {
    name: "kubernetes",
    source: Source::Go(GoModule {
        go_mod: include_str!("../../servers/kubernetes/go.mod"),
        go_sum: include_str!("../../servers/kubernetes/go.sum"),
        version_of: "k8s.io/kubernetes",
        tags: "",
        link_flags: "-s -w -X k8s.io/component-base/version.gitVersion={version} \
                     -X k8s.io/component-base/version.gitMajor={major} \
                     -X k8s.io/component-base/version.gitMinor={minor} \
                     -X k8s.io/component-base/version.gitTreeState=clean",
        binaries: &["kube-apiserver", "kube-controller-manager", "kube-scheduler"],
        renames: &[],
        files: &[],
    }),
    minutes: 9,
};

/// aiosmtpd, which receives mail.
pub const AIOSMTPD: Server = Server {
    name: "aiosmtpd",
    source: Source::Python(PythonPackages {
        requirements: include_str!("../../servers/aiosmtpd/requirements.txt"),
        version_of: "aiosmtpd",
    }),
    minutes: 1,
};

/// Every server that tests use, in the order in which they are built.
pub const ALL: &[Server] = &[
    AIOSMTPD,
    PROMETHEUS,
    ALERTMANAGER,
    ETCD,
    KWOK,
    METRICS_SERVER,
    KUBERNETES,
];

/// A server, and what it is built from.
#[derive(Clone, Copy, Debug)]
pub struct Server {
    pub(super) name: &'static str,
    pub(super) source: Source,
    /// How long the first build takes on two cores, to tell people.
    pub(super) minutes: u32,
}

/// What a server is built from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    Go(GoModule),
    Python(PythonPackages),
}

/// One pinned Go module, and what becomes of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct GoModule {
    pub(super) go_mod: &'static str,
    pub(super) go_sum: &'static str,
    /// The module whose version is the server's.
    pub(super) version_of: &'static str,
    pub(super) tags: &'static str,
    /// For the linker; `{version}`, `{major}` and `{minor}` stand for the parts of the version.
    pub(super) link_flags: &'static str,
    pub(super) binaries: &'static [&'static str],
    /// Binaries that Go builds under another name: that one, and the one in `binaries`.
    pub(super) renames: &'static [(&'static str, &'static str)],
    /// What is kept beside the binaries.
    pub(super) files: &'static [ModuleFiles],
}

/// Files of a Go module that are kept with the server's binaries.
#[derive(Clone, Copy, Debug)]
pub(super) struct ModuleFiles {
    pub(super) module: &'static str,
    /// Their folder in the module.
    pub(super) path: &'static str,
    /// Their folder beside the binaries.
    pub(super) name: &'static str,
}

/// Pinned Python packages, all of them written in nothing but Python, in one folder for `PYTHONPATH`.
#[derive(Clone, Copy, Debug)]
pub(super) struct PythonPackages {
    /// As pip reads them: each with its version and the hash of its wheel.
    pub(super) requirements: &'static str,
    /// The package whose version is the server's.
    pub(super) version_of: &'static str,
}

impl PythonPackages {
    /// The folder with the packages.
    pub(super) const FOLDER: &'static str = "packages";
}

impl Server {
    /// The server's name, also that of its folder of pins.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The pinned version, such as `v0.316.0`.
    pub fn version(&self) -> &'static str {
        match &self.source {
            Source::Go(module) => module.version(),
            Source::Python(packages) => packages.version(),
        }
    }

    /// What there is to be built and kept, binaries and folders of files.
    pub(super) fn products(&self) -> Vec<&'static str> {
        match &self.source {
            Source::Go(module) => module.products().collect(),
            Source::Python(_) => vec![PythonPackages::FOLDER],
        }
    }

    /// Names the folder of what is built: other pins, flags or machines give another hash.
    pub(super) fn hash(&self) -> String {
        match &self.source {
            Source::Go(module) => module.hash(self.name),
            Source::Python(packages) => hash([("name", self.name), ("requirements", packages.requirements)]),
        }
    }
}

impl GoModule {
    fn version(&self) -> &'static str {
        directive(self.go_mod, self.version_of).unwrap_or("unknown")
    }

    /// The oldest Go that builds it, such as `1.26.7`.
    pub(super) fn go_version(&self) -> &'static str {
        directive(self.go_mod, "go").unwrap_or("unknown")
    }

    /// What the linker is told.
    pub(super) fn link_flags(&self) -> String {
        let version = self.version();
        let mut parts = version.trim_start_matches('v').split('.');
        let mut part = || parts.next().unwrap_or_default();
        let (major, minor) = (part(), part());
        self.link_flags
            .replace("{version}", version)
            .replace("{major}", major)
            .replace("{minor}", minor)
    }

    /// What there is to be built and kept, binaries and folders of files.
    pub(super) fn products(&self) -> impl Iterator<Item = &'static str> {
        let files = self.files.iter().map(|files| files.name);
        self.binaries.iter().copied().chain(files)
    }

    fn hash(&self, name: &str) -> String {
        let link_flags = self.link_flags();
        let files: String = self
            .files
            .iter()
            .map(|files| format!("{}/{} {}\n", files.module, files.path, files.name))
            .collect();
        let parts = [
            ("name", name),
            ("go.mod", self.go_mod),
            ("go.sum", self.go_sum),
            ("tags", self.tags),
            ("ldflags", &link_flags),
            ("os", env::consts::OS),
            ("arch", env::consts::ARCH),
        ];
        let files = (!files.is_empty()).then_some(("files", files.as_str()));
        hash(parts.into_iter().chain(files))
    }
}

impl PythonPackages {
    fn version(&self) -> &'static str {
        let of = |line: &'static str| {
            let (name, rest) = line.split_once("==")?;
            (name == self.version_of).then(|| rest.split_whitespace().next())?
        };
        self.requirements.lines().find_map(of).unwrap_or("unknown")
    }
}

fn hash<'p>(parts: impl IntoIterator<Item = (&'static str, &'p str)>) -> String {
    let mut hash = Sha256::new();
    for (name, content) in parts {
        // Lengths keep two neighbours from trading characters.
        hash.update(format!("{name} {}\n{content}\n", content.len()));
    }
    let digest = hash.finalize();
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The word after `name` on the first line of a `go.mod` that starts with it.
fn directive(go_mod: &'static str, name: &str) -> Option<&'static str> {
    go_mod.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == name).then(|| words.next())?
    })
}
