//! A real Kubernetes control plane to play with, the one of the tests: started, found, stopped.
//!
//! One process holds it, which this module builds, starts in the background and asks to stop. While it lives a file beside
//! the cluster's folder is locked, and has its id: so an id that is read there is never another process's.

use std::{
    env,
    fs::{self, File, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    num::NonZeroU32,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use clap::Subcommand;

use crate::{cargo, problem::Problem, servers};

const PACKAGE: &str = "headroom-test-support";
const BINARY: &str = "headroom-test-cluster";
/// How often a process is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// What is to be done with the cluster.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum Action {
    /// Start it in the background, and say how to use it
    ///
    /// There is one for each target directory, in target/cluster. Builds the servers first where they are missing.
    /// Takes some ten seconds and 0.7 GiB of memory.
    Up,
    /// Stop it, and remove all that it had
    Down,
    /// Print the shell command that points kubectl and headroom to it
    ///
    ///   eval "$(cargo xtask cluster env)"
    #[command(verbatim_doc_comment)]
    Env,
}

pub(crate) fn run(action: Action) -> Result<(), Problem> {
    let place = Place::of_this_program()?;
    match action {
        Action::Up => up(&place),
        Action::Down => down(&place),
        Action::Env => print_env(&place),
    }
}

fn up(place: &Place) -> Result<(), Problem> {
    let mut lock = match place.state()? {
        State::HeldBy { process } => {
            if place.ready().exists() {
                eprintln!("the cluster is running already, as process {process}");
                explain(place);
            } else {
                eprintln!("the cluster is being started already, by process {process}");
            }
            return Ok(());
        }
        State::BeingStarted => return Err(Problem::ClusterBeingStarted),
        State::Free(lock) => lock,
    };
    write_id(&mut lock, None).map_err(place.trouble("locked"))?;
    servers::ensure()?;
    cargo::build(&["--package", PACKAGE, "--features", "cluster", "--bin", BINARY])?;
    place.remove_remains()?;
    let holder = place.start_holder(lock)?;
    eprintln!("starting the cluster …");
    wait_until_whole(place, holder)?;
    explain(place);
    Ok(())
}

/// Waits until the process that holds the cluster says that it is there.
fn wait_until_whole(place: &Place, mut holder: Child) -> Result<(), Problem> {
    while !place.ready().exists() {
        if let Some(status) = holder.try_wait().map_err(place.trouble("waited for"))? {
            return Err(Problem::ClusterEnded {
                status,
                said: fs::read_to_string(&place.log).unwrap_or_default(),
            });
        }
        thread::sleep(LOOK);
    }
    Ok(())
}

fn explain(place: &Place) {
    let url = fs::read_to_string(place.ready()).unwrap_or_default();
    eprint!(
        "\
the cluster: {url}
   logs                  {folder}/*.log
   use it                eval \"$(cargo xtask cluster env)\"
   a workload            kubectl create deployment api --image example.com/app:1 --replicas 3
                         kubectl set resources deployment api --requests cpu=100m,memory=64Mi
   load on all its pods  kubectl annotate --overwrite namespace default load.headroom.dev/api=cpu=600m,memory=1Gi
   what they use         kubectl top pods    (from half a minute after the start on)
   stop it               cargo xtask cluster down
",
        folder = place.folder.display(),
    );
}

fn down(place: &Place) -> Result<(), Problem> {
    let process = match place.state()? {
        State::HeldBy { process } => process,
        State::BeingStarted => return Err(Problem::ClusterBeingStarted),
        State::Free(_) => {
            eprintln!("no cluster is running");
            return place.remove_remains();
        }
    };
    // The lock says that the process is the one that holds the cluster.
    let command = format!("kill -s TERM {process}");
    let asked = Command::new("/bin/sh").args(["-c", &command]).status();
    let status = asked.map_err(|source| Problem::NotRun {
        command: command.clone(),
        source,
    })?;
    while let State::HeldBy { .. } = place.state()? {
        if !status.success() {
            return Err(Problem::Failed { command, status });
        }
        thread::sleep(LOOK);
    }
    eprintln!("the cluster is stopped");
    place.remove_remains()
}

fn print_env(place: &Place) -> Result<(), Problem> {
    match place.state()? {
        State::HeldBy { .. } => {}
        State::BeingStarted => return Err(Problem::ClusterBeingStarted),
        State::Free(_) => return Err(Problem::NoCluster),
    }
    let path = place.folder.join("kubeconfig");
    let quoted = path.display().to_string().replace('\'', r"'\''");
    writeln!(io::stdout(), "export KUBECONFIG='{quoted}'").map_err(place.trouble("printed"))
}

/// Says in a file that is locked who holds the cluster.
fn write_id(lock: &mut File, process: Option<u32>) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    process.map_or(Ok(()), |process| write!(lock, "{process}"))
}

/// Where the cluster is, or would be.
struct Place {
    /// The cluster's own files, which are there as long as it is.
    folder: PathBuf,
    /// What the process that holds it says.
    log: PathBuf,
    /// Locked by that process, whose id it has.
    lock: PathBuf,
    /// That program.
    program: PathBuf,
}

/// Whether there is a cluster.
enum State {
    /// There is none, and nobody can start one while this is kept.
    Free(File),
    /// Another `up` builds the servers.
    BeingStarted,
    /// A process holds it, whole or not yet.
    HeldBy { process: NonZeroU32 },
}

impl Place {
    /// In the target directory from which this program was started.
    fn of_this_program() -> Result<Self, Problem> {
        let program = env::current_exe().map_err(|source| Problem::NotRun {
            command: "cargo xtask".to_owned(),
            source,
        })?;
        let profile = program.parent().unwrap_or(&program);
        let target = profile.parent().unwrap_or(profile);
        Ok(Self::new(target, profile.join(BINARY)))
    }

    fn new(target: &Path, program: PathBuf) -> Self {
        Self {
            folder: target.join("cluster"),
            log: target.join("cluster.log"),
            lock: target.join("cluster.lock"),
            program,
        }
    }

    /// The file that says that the cluster is whole, with the address of its API server.
    fn ready(&self) -> PathBuf {
        self.folder.join("ready")
    }

    fn state(&self) -> Result<State, Problem> {
        let mut file = File::options()
            .create(true)
            .read(true)
            .write(true)
            .truncate(false)
            .open(&self.lock)
            .map_err(self.trouble("opened"))?;
        match file.try_lock() {
            Ok(()) => Ok(State::Free(file)),
            Err(TryLockError::WouldBlock) => {
                let mut process = String::new();
                file.read_to_string(&mut process).map_err(self.trouble("read"))?;
                let process = process.trim().parse();
                Ok(process.map_or(State::BeingStarted, |process| State::HeldBy { process }))
            }
            Err(TryLockError::Error(source)) => Err(self.trouble("locked")(source)),
        }
    }

    /// Starts the process that holds the cluster, out of reach of this one's end and of a Ctrl-C.
    fn start_holder(&self, mut lock: File) -> Result<Child, Problem> {
        // The lock belongs to the open file, which lives on as the input of the process.
        let input = lock.try_clone().map_err(self.trouble("opened"))?;
        let log = File::create(&self.log).map_err(self.trouble("opened"))?;
        let holder = Command::new(&self.program)
            .arg(&self.folder)
            .stdin(input)
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()
            .map_err(|source| Problem::NotRun {
                command: self.program.display().to_string(),
                source,
            })?;
        write_id(&mut lock, Some(holder.id())).map_err(self.trouble("locked"))?;
        Ok(holder)
    }

    /// Removes what is left of a cluster that runs no more.
    fn remove_remains(&self) -> Result<(), Problem> {
        let removed = [fs::remove_dir_all(&self.folder), fs::remove_file(&self.log)];
        for result in removed {
            match result {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(self.trouble("removed")(error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    fn trouble(&self, what: &'static str) -> impl FnOnce(io::Error) -> Problem {
        let path = self.folder.clone();
        move |source| Problem::File { path, what, source }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::fs::PermissionsExt as _,
        sync::{Mutex, MutexGuard, PoisonError},
    };

    use super::*;

    /// A place whose holder is a shell script in the stead of the real program.
    ///
    /// One at a time: a program cannot be started while another thread, about to start its own, has it open for writing.
    fn place(script: &str) -> (tempfile::TempDir, Place, MutexGuard<'static, ()>) {
        static ONE: Mutex<()> = Mutex::new(());
        let alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let target = tempfile::tempdir().unwrap();
        let program = target.path().join("holder");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let place = Place::new(target.path(), program);
        (target, place, alone)
    }

    fn start(place: &Place) -> Child {
        match place.state().unwrap() {
            State::Free(lock) => place.start_holder(lock).unwrap(),
            State::BeingStarted | State::HeldBy { .. } => panic!("another has it"),
        }
    }

    #[test]
    fn the_holder_is_found_while_it_runs_and_stopped() {
        let (_target, place, _alone) = place(r#"mkdir "$1"; echo url >"$1/ready"; exec sleep 600"#);
        let mut holder = start(&place);
        let id = holder.id();
        // As if it were the next `cargo xtask`, which is not its parent.
        let reaper = thread::spawn(move || holder.wait().unwrap());
        while !place.ready().exists() {
            thread::sleep(LOOK);
        }
        assert!(matches!(place.state().unwrap(), State::HeldBy { process } if process.get() == id));
        down(&place).unwrap();
        assert!(!reaper.join().unwrap().success());
        assert!(!place.folder.exists());
        assert!(matches!(place.state().unwrap(), State::Free(_)));
    }

    #[test]
    fn a_holder_that_ends_too_soon_is_heard() {
        let (_target, place, _alone) = place("echo no ports >&2; exit 3");
        let holder = start(&place);
        let Err(Problem::ClusterEnded { status, said }) = wait_until_whole(&place, holder) else {
            panic!("it is whole");
        };
        assert_eq!((status.code(), said.as_str()), (Some(3), "no ports\n"));
    }

    #[test]
    fn without_a_holder_there_is_no_cluster() {
        let (_target, place, _alone) = place("");
        // What a process that died left: an id that may be another's by now.
        fs::write(&place.lock, std::process::id().to_string()).unwrap();
        assert!(matches!(print_env(&place), Err(Problem::NoCluster)));
        down(&place).unwrap();
    }

    #[test]
    fn one_that_is_being_started_is_left_alone() {
        let (_target, place, _alone) = place("");
        fs::write(&place.lock, std::process::id().to_string()).unwrap();
        let State::Free(mut lock) = place.state().unwrap() else {
            panic!("another has it");
        };
        write_id(&mut lock, None).unwrap();
        for result in [up(&place), down(&place), print_env(&place)] {
            assert!(matches!(result, Err(Problem::ClusterBeingStarted)));
        }
    }
}
