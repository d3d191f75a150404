//! Which servers there are: a pinned Go module each, and the flags that it is built with.

use std::env;

use sha2::{Digest, Sha256};

/// Prometheus and promtool.
///
/// `remove_all_sd` leaves static targets and files of targets, which is all that tests use, and halves the build.
pub const PROMETHEUS: Server = Server {
    name: "prometheus",
    go_mod: include_str!("../../servers/prometheus/go.mod"),
    go_sum: include_str!("../../servers/prometheus/go.sum"),
    version_of: "github.com/prometheus/prometheus",
    tags: "netgo,remove_all_sd",
    link_flags: "-s -w",
    binaries: &["prometheus", "promtool"],
    minutes: 4,
};

/// Every server that tests use.
pub const ALL: &[Server] = &[PROMETHEUS];

/// One pinned Go module, and what becomes of it.
#[derive(Clone, Copy, Debug)]
pub struct Server {
    pub(super) name: &'static str,
    pub(super) go_mod: &'static str,
    pub(super) go_sum: &'static str,
    /// The module whose version is the server's.
    pub(super) version_of: &'static str,
    pub(super) tags: &'static str,
    pub(super) link_flags: &'static str,
    pub(super) binaries: &'static [&'static str],
    /// How long the first build takes on two cores, to tell people.
    pub(super) minutes: u32,
}

impl Server {
    /// The server's name, also that of its folder of pins.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The pinned version, such as `v0.316.0`.
    pub fn version(&self) -> &'static str {
        directive(self.go_mod, self.version_of).unwrap_or("unknown")
    }

    /// The oldest Go that builds it, such as `1.26.7`.
    pub fn go_version(&self) -> &'static str {
        directive(self.go_mod, "go").unwrap_or("unknown")
    }

    /// Names the folder of the binaries: other pins, flags or machines give another hash.
    pub(super) fn hash(&self) -> String {
        let mut hash = Sha256::new();
        let parts = [
            ("name", self.name),
            ("go.mod", self.go_mod),
            ("go.sum", self.go_sum),
            ("tags", self.tags),
            ("ldflags", self.link_flags),
            ("os", env::consts::OS),
            ("arch", env::consts::ARCH),
        ];
        for (name, content) in parts {
            // Lengths keep two neighbours from trading characters.
            hash.update(format!("{name} {}\n{content}\n", content.len()));
        }
        let digest = hash.finalize();
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The word after `name` on the first line of a `go.mod` that starts with it.
fn directive(go_mod: &'static str, name: &str) -> Option<&'static str> {
    go_mod.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == name).then(|| words.next())?
    })
}
