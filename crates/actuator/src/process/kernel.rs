//! What the kernel says of processes, and sending them signals that reach nobody else.
//!
//! A process id is used again after its process is gone, so here a process is its id, its start time and the boot it
//! lives in, and all three are looked at with the process held open, right before a signal is sent.

use std::{fs, io};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// One process and no later one with its id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct ProcessIdentity {
    pub(super) pid: u32,
    /// When it started, in clock ticks since the machine did.
    pub(super) start_ticks: u64,
    /// Which start of the machine: the kernel's boot id.
    pub(super) boot: String,
}

impl ProcessIdentity {
    /// The process that has this id now.
    pub(super) fn of(pid: u32, boot: &str) -> io::Result<Self> {
        let stat = Stat::of(pid)?;
        Ok(Self {
            pid,
            start_ticks: stat.start_ticks,
            boot: boot.to_owned(),
        })
    }

    /// Whether it still runs. One that has ended and waits to be reaped does not.
    pub(super) fn is_alive(&self, boot: &str) -> bool {
        self.boot == boot
            && Stat::of(self.pid).is_ok_and(|stat| stat.start_ticks == self.start_ticks && !stat.has_ended)
    }

    /// Whether its id is still its own: it runs, or has ended and was not reaped.
    pub(super) fn holds_its_id(&self) -> bool {
        Stat::of(self.pid).is_ok_and(|stat| stat.start_ticks == self.start_ticks)
    }

    /// Sends `signal` to the process group that it leads. Nothing is sent when it is gone.
    ///
    /// The leader is held open and its start time compared first. Should it be reaped between that and the signal,
    /// its id is used again only after all others were.
    pub(super) fn signal_group(&self, signal: Signal, boot: &str) {
        let Some(pid) = raw(self.pid) else { return };
        let Ok(_held) = pidfd_open(pid, PidfdFlags::empty()) else {
            return;
        };
        let same = |stat: Stat| stat.start_ticks == self.start_ticks && stat.group == self.pid;
        if self.boot == boot && Stat::of(self.pid).is_ok_and(same) {
            // An error means that the last of the group has just ended, or that it is another user's.
            let _ = kill_process_group(pid, signal);
        }
    }
}

/// Which start of the machine this is.
pub(super) fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?
        .trim()
        .to_owned())
}

/// One line of the kernel's list of processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) pid: u32,
    pub(super) group: u32,
    pub(super) session: u32,
    pub(super) start_ticks: u64,
    /// It has ended, and its parent has not asked how.
    pub(super) has_ended: bool,
    /// It is between two programs: it was one, and is not the next one yet.
    is_becoming: bool,
}

/// The process is ending.
const PF_EXITING: u32 = 0x4;
/// It is a thread of the kernel.
const PF_KTHREAD: u32 = 0x20_0000;

impl Stat {
    fn of(pid: u32) -> io::Result<Self> {
        let line = fs::read(format!("/proc/{pid}/stat"))?;
        Self::parse(pid, &String::from_utf8_lossy(&line)).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("/proc/{pid}/stat is not understood"),
            )
        })
    }

    /// Fields are counted from the last `)`: a program's name may hold anything.
    fn parse(pid: u32, line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        // Threads of the kernel, and processes that end, have no code either.
        let flags: u32 = fields.get(6)?.parse().ok()?;
        Some(Self {
            pid,
            has_ended: matches!(*fields.first()?, "Z" | "X"),
            group: fields.get(2)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            start_ticks: fields.get(19)?.parse().ok()?,
            is_becoming: flags & (PF_EXITING | PF_KTHREAD) == 0 && *fields.get(23)? == "0",
        })
    }

    /// The environment the process was started with; empty where it may not be read.
    ///
    /// While a process becomes another program (`execve`) it has no environment to show, and for longer where that
    /// program has to be read from a slow disk. The kernel says where a program's code is once all else is in place.
    pub(super) fn environment(&self) -> (Environment, Shown) {
        let Ok(shown) = fs::read(format!("/proc/{}/environ", self.pid)) else {
            return (Environment::default(), Shown::Finally);
        };
        if !shown.is_empty() {
            return (Environment(shown), Shown::Finally);
        }
        match Self::of(self.pid) {
            Ok(now) if now.is_becoming => (Environment::default(), Shown::NotYet),
            Ok(_) | Err(_) => {
                // It was started without one, has ended, or has become the other program between the two looks.
                let shown = fs::read(format!("/proc/{}/environ", self.pid)).unwrap_or_default();
                (Environment(shown), Shown::Finally)
            }
        }
    }

    /// Kills this process, unless its id has become another's.
    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Sends `signal` to this process, unless its id has become another's.
    pub(super) fn signal(&self, signal: Signal) {
        let Some(Ok(held)) = raw(self.pid).map(|pid| pidfd_open(pid, PidfdFlags::empty())) else {
            return;
        };
        if Self::of(self.pid).is_ok_and(|stat| stat.start_ticks == self.start_ticks) {
            // An error means that it has just ended, or that it is another user's.
            let _ = pidfd_send_signal(held, signal);
        }
    }
}

/// All processes of this machine that run now.
pub(super) fn running() -> io::Result<Vec<Stat>> {
    let pids = fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    // One that cannot be read has just ended.
    Ok(pids
        .filter_map(|pid| Stat::of(pid).ok())
        .filter(|stat| !stat.has_ended)
        .collect())
}

/// Whether what a process shows of itself is all it will show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Finally,
    NotYet,
}

/// The environment a process was started with.
#[derive(Debug, Default)]
pub(super) struct Environment(Vec<u8>);

impl Environment {
    /// The value of the variable `name`.
    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        let assigned =
            |entry: &'_ [u8]| entry.starts_with(name.as_bytes()) && entry.get(name.len()) == Some(&b'=');
        let entry = self.0.split(|byte| *byte == 0).find(|entry| assigned(entry))?;
        entry.get(name.len() + 1..)
    }

    /// The value of the variable `name`, if it is the text of a `T`.
    pub(super) fn parse<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        str::from_utf8(self.get(name)?).ok()?.parse().ok()
    }
}

fn raw(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_any_name() {
        let line = "7 (a) Z) (b) S 1 7 8 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 991 0 0 9 4096 1 1";
        let stat = Stat::parse(7, line).unwrap();
        assert_eq!(
            (stat.group, stat.session, stat.start_ticks, stat.has_ended),
            (7, 8, 991, false)
        );
        assert!(Stat::parse(7, &line.replace(") S", ") Z")).unwrap().has_ended);
        assert!(!stat.is_becoming);
        assert!(Stat::parse(7, &line.replace("4096", "0")).unwrap().is_becoming);
        for flags in ["2097408", "4194564"] {
            let line = line.replace("4096", "0").replace("4194560", flags);
            assert!(!Stat::parse(7, &line).unwrap().is_becoming, "{flags}");
        }
        assert_eq!(Stat::parse(7, "7 (cut) S 1 7"), None);
    }

    #[test]
    fn the_environment_is_read_by_whole_names() {
        let environment = Environment(b"PORTS=1\0PORT=8080\0EMPTY=\0".to_vec());
        assert_eq!(environment.parse("PORT"), Some(8080_u16));
        assert_eq!(environment.get("EMPTY"), Some(&b""[..]));
        assert_eq!(environment.get("POR"), None);
    }

    #[test]
    fn this_process_is_alive_and_one_with_another_start_is_not() {
        let boot = boot_id().unwrap();
        let own = ProcessIdentity::of(std::process::id(), &boot).unwrap();
        assert!(own.is_alive(&boot));
        assert!(!own.is_alive("another boot"));
        let earlier = ProcessIdentity {
            start_ticks: own.start_ticks - 1,
            ..own.clone()
        };
        assert!(!earlier.is_alive(&boot));
        assert!(running().unwrap().iter().any(|stat| stat.pid == own.pid));
    }
}
