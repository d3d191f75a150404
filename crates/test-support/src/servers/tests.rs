use std::{os::unix::fs::PermissionsExt as _, sync::Barrier, thread};

use super::{
    pins::{GoModule, PythonPackages},
    *,
};

/// Stands for Go: answers as Go does, counts its builds in a file, and fails where it is told to.
const FAKE_GO: &str = r#"#!/bin/sh
here=$(dirname "$0")
case "$1" in
  list)
    if [ "$5" = sigs.k8s.io/kwok ]; then echo "$here/module"; exit 0; fi
    if [ -f "$here/too-old" ]; then echo "go: go.mod requires go >= 1.26.7 (running go 1.20)" >&2; exit 1; fi ;;
  install)
    echo "$*" >>"$here/builds"
    mkdir -p "$GOBIN"
    echo half >"$GOBIN/prometheus"
    for name in server kwok; do echo whole >"$GOBIN/$name"; done
    if [ -f "$here/broken" ]; then echo "cmd/prometheus: no such thing" >&2; exit 1; fi
    echo whole >"$GOBIN/promtool" ;;
esac
"#;

/// Stands for Python: makes an environment whose own python stands for pip, and fails where it is told to.
const FAKE_PYTHON: &str = r#"#!/bin/sh
here=$(dirname "$0")
if [ -f "$here/no-venv" ]; then echo "ensurepip is not available"; exit 1; fi
mkdir -p "$3/bin"
cat >"$3/bin/python" <<PIP
#!/bin/sh
for last; do :; done
mkdir -p "\$last/aiosmtpd"
echo "\$*" >>"$here/builds"
if [ -f "$here/broken" ]; then echo "THESE PACKAGES DO NOT MATCH THE HASHES" >&2; exit 1; fi
PIP
chmod +x "$3/bin/python"
"#;

fn module_of(server: &Server) -> GoModule {
    match server.source {
        Source::Go(module) => module,
        Source::Python(_) => panic!("{} is no Go module", server.name),
    }
}

struct World {
    folder: tempfile::TempDir,
    servers: Servers,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = |name: &str, script: &str| {
            let path = folder.path().join(name);
            fs::write(&path, script).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            path.into()
        };
        let servers = Servers {
            root: folder.path().join("cache/servers"),
            go: program("go", FAKE_GO),
            python: program("python3", FAKE_PYTHON),
        };
        Self { folder, servers }
    }

    fn with(self, file: &str) -> Self {
        fs::write(self.folder.path().join(file), "").unwrap();
        self
    }

    fn builds(&self) -> usize {
        fs::read_to_string(self.folder.path().join("builds"))
            .unwrap_or_default()
            .lines()
            .count()
    }

    fn ensure(&self) -> Result<Vec<String>, ServersError> {
        self.ensure_one(&PROMETHEUS)
    }

    fn ensure_one(&self, server: &Server) -> Result<Vec<String>, ServersError> {
        let mut said = Vec::new();
        self.servers
            .ensure(server, |progress| said.push(progress.to_string()))?;
        Ok(said)
    }
}

#[test]
fn builds_once_and_then_finds_it_there() {
    let world = World::new();
    let said = world.ensure().unwrap();
    assert!(
        said[0].starts_with("building prometheus and promtool v"),
        "{said:?}"
    );
    assert!(world.servers.binary(&PROMETHEUS, "promtool").is_ok());
    let said = world.ensure().unwrap();
    assert!(said.len() == 1 && said[0].contains("is there"), "{said:?}");
    assert_eq!(world.builds(), 1);
}

#[test]
fn clones_that_build_at_once_build_once() {
    let world = World::new();
    let begin = Barrier::new(8);
    thread::scope(|scope| {
        let clones: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    begin.wait();
                    world.ensure()
                })
            })
            .collect();
        for clone in clones {
            clone.join().unwrap().unwrap();
        }
    });
    assert_eq!(world.builds(), 1);
}

#[test]
fn a_failed_build_leaves_nothing_and_says_what_go_said() {
    let world = World::new().with("broken");
    let error = world.ensure().unwrap_err();
    assert!(
        error.to_string().contains("cmd/prometheus: no such thing"),
        "{error}"
    );
    assert!(world.servers.binary(&PROMETHEUS, "prometheus").is_err());
    let left: Vec<_> = fs::read_dir(&world.servers.root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, [OsString::from(format!("{}.lock", PROMETHEUS.hash()))]);
}

#[test]
fn what_killed_builds_left_is_removed_and_built_anew() {
    let world = World::new();
    let stale = world
        .servers
        .root
        .join(format!(".building-{}-abc", PROMETHEUS.hash()));
    let half = world.servers.directory(&PROMETHEUS);
    for path in [&stale, &half] {
        fs::create_dir_all(path).unwrap();
        fs::write(path.join("prometheus"), "half").unwrap();
    }
    world.ensure().unwrap();
    assert!(!stale.exists());
    assert!(half.join("promtool").is_file());
}

#[test]
fn a_binary_has_the_name_of_its_server() {
    let world = World::new();
    let said = world.ensure_one(&ETCD).unwrap();
    assert!(said[0].starts_with("building etcd v"), "{said:?}");
    assert!(world.servers.binary(&ETCD, "etcd").is_ok());
    assert!(world.servers.binary(&ETCD, "server").is_err());
}

#[test]
fn files_of_the_module_are_kept_beside_the_binaries() {
    let world = World::new();
    assert!(world.servers.files(&KWOK, "crds").is_err());
    let definitions = world.folder.path().join("module/kustomize/crd/bases");
    fs::create_dir_all(definitions.join("testdata")).unwrap();
    fs::write(definitions.join("stages.yaml"), "kind: CustomResourceDefinition").unwrap();
    world.ensure_one(&KWOK).unwrap();
    // The modules' own cache may be emptied at any time.
    fs::remove_dir_all(world.folder.path().join("module")).unwrap();
    let kept = world.servers.files(&KWOK, "crds").unwrap();
    assert_eq!(
        fs::read_to_string(kept.join("stages.yaml")).unwrap(),
        "kind: CustomResourceDefinition"
    );
    // Without them it is not whole.
    fs::remove_dir_all(kept).unwrap();
    assert!(!world.servers.is_built(&KWOK));
}

#[test]
fn files_that_are_not_there_leave_nothing_behind() {
    let world = World::new();
    let error = world.ensure_one(&KWOK).unwrap_err();
    assert!(error.to_string().contains("kustomize/crd/bases"), "{error}");
    assert!(!world.servers.directory(&KWOK).exists());
}

#[test]
fn the_version_is_linked_into_kubernetes() {
    let flags = module_of(&KUBERNETES).link_flags();
    let version = KUBERNETES.version();
    assert!(flags.contains(&format!(".gitVersion={version} ")), "{flags}");
    assert!(flags.contains(".gitMajor=1 "), "{flags}");
    assert!(!flags.contains('{'), "{flags}");
}

#[test]
fn several_binaries_are_listed_as_people_do() {
    let server = KUBERNETES;
    let line = Progress::Building { server }.to_string();
    assert!(
        line.starts_with("building kube-apiserver, kube-controller-manager and kube-scheduler v1."),
        "{line}"
    );
}

#[test]
fn without_go_it_says_what_to_install() {
    let mut world = World::new();
    world.servers.go = world.folder.path().join("no-such-go").into();
    let error = world.ensure().unwrap_err();
    assert!(matches!(error, ServersError::NoGo { .. }), "{error:?}");
    let help = error.help().unwrap();
    assert!(
        help.contains(&format!("install Go {}", module_of(&PROMETHEUS).go_version())),
        "{help}"
    );
}

#[test]
fn python_packages_are_fetched_once_with_their_hashes() {
    let world = World::new();
    let said = world.ensure_one(&AIOSMTPD).unwrap();
    assert!(said[0].starts_with("fetching aiosmtpd 1.4.6 (about"), "{said:?}");
    let packages = world.servers.files(&AIOSMTPD, "packages").unwrap();
    assert!(packages.join("aiosmtpd").is_dir());
    let said = world.ensure_one(&AIOSMTPD).unwrap();
    assert!(said.len() == 1 && said[0].contains("is there"), "{said:?}");
    assert_eq!(world.builds(), 1);
    let pip = fs::read_to_string(world.folder.path().join("builds")).unwrap();
    assert!(pip.contains("--require-hashes --no-deps"), "{pip}");
}

#[test]
fn packages_that_are_not_those_pinned_leave_nothing_behind() {
    let world = World::new().with("broken");
    let error = world.ensure_one(&AIOSMTPD).unwrap_err();
    assert!(error.to_string().contains("DO NOT MATCH"), "{error}");
    assert!(!world.servers.directory(&AIOSMTPD).exists());
}

#[test]
fn without_python_or_its_venv_it_says_what_to_install() {
    let error = World::new().with("no-venv").ensure_one(&AIOSMTPD).unwrap_err();
    assert!(
        error.to_string().contains("ensurepip is not available"),
        "{error}"
    );
    assert!(error.help().unwrap().contains("python3-venv"));

    let mut world = World::new();
    world.servers.python = world.folder.path().join("no-such-python").into();
    let error = world.ensure_one(&AIOSMTPD).unwrap_err();
    assert!(matches!(error, ServersError::NoPython { .. }), "{error:?}");
    assert!(error.help().unwrap().contains("apt-get install python3"));
}

#[test]
fn a_go_that_is_too_old_is_named_with_the_one_needed() {
    let error = World::new().with("too-old").ensure().unwrap_err();
    assert!(error.to_string().contains("running go 1.20"), "{error}");
    assert!(
        error
            .help()
            .unwrap()
            .contains(module_of(&PROMETHEUS).go_version())
    );
}

#[test]
fn the_hash_follows_the_pins_and_the_flags() {
    let with = |change: &dyn Fn(&mut GoModule)| {
        let mut module = module_of(&PROMETHEUS);
        change(&mut module);
        let source = Source::Go(module);
        Server { source, ..PROMETHEUS }
    };
    let others = [
        with(&|module| module.go_mod = "module other"),
        with(&|module| module.go_sum = ""),
        with(&|module| module.tags = "netgo"),
        with(&|module| module.link_flags = ""),
        Server {
            name: "other",
            ..PROMETHEUS
        },
    ];
    assert_eq!(PROMETHEUS.hash(), PROMETHEUS.hash());
    assert_eq!(PROMETHEUS.hash().len(), 16);
    for other in others {
        assert_ne!(other.hash(), PROMETHEUS.hash(), "{other:?}");
    }
    let source = Source::Python(PythonPackages {
        requirements: "aiosmtpd==1.4.6 --hash=sha256:other",
        version_of: "aiosmtpd",
    });
    assert_ne!(Server { source, ..AIOSMTPD }.hash(), AIOSMTPD.hash());
}

#[test]
fn versions_are_read_from_the_pins() {
    for server in ALL {
        match &server.source {
            Source::Go(module) => {
                assert!(server.version().starts_with('v'), "{}", server.version());
                assert!(module.go_version().starts_with("1."), "{}", module.go_version());
            }
            Source::Python(_) => assert_eq!(server.version(), "1.4.6"),
        }
    }
}
