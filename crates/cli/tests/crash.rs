//! Killed at random moments, headroom reads its state again, settles what was under way, and counts each change once.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use headroom_test_support::{LeftoverCheck, temp_dir};

const KILLS: u32 = 50;
/// The change limit of the policy, and a period that is shorter than its own by what lies between a decision and the
/// moment in which the target writes it down.
const ROOM: u32 = 3;
const PERIOD_NANOS: u128 = 1_200_000_000;

const POLICY: &str = r#"
[workload.web]
min_replicas = 1
max_replicas = 30
interval = "100ms"
command = { get = ["cat", "count"], set = ["sh", "set.sh", "{replicas}"] }
metrics.load = { recorded = "load.csv", per_replica = 100 }
scale_up = { limit = ["3 per 2s"] }
scale_down = { stabilization = "1s", limit = ["3 per 2s"] }
guards = { max_reversals = 200 }
"#;

/// Writes down each count with its moment before it becomes the count, as a real target would in its own log.
const SET: &str = "echo \"$(date +%s%N) $1\" >> writes && echo \"$1\" > count.new && mv count.new count\n";

fn write_world(directory: &Path) {
    fs::write(directory.join("headroom.toml"), POLICY).unwrap();
    fs::write(directory.join("set.sh"), SET).unwrap();
    fs::write(directory.join("count"), "5\n").unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let load = |second: u64| {
        if (second / 3).is_multiple_of(2) {
            2_500
        } else {
            150
        }
    };
    let lines: String = (now - 60..now + 900)
        .map(|second| format!("{second},{}\n", load(second)))
        .collect();
    fs::write(directory.join("load.csv"), format!("timestamp,load\n{lines}")).unwrap();
}

fn headroom(directory: &Path, arguments: &[&str], mark: &LeftoverCheck) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headroom"));
    command
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command.env_remove("HEADROOM_CONFIG").env_remove("DEBUG");
    mark.mark(&mut command);
    command
}

/// A small generator of its own: the moments must differ from run to run, and be printed.
struct Moments(u64);

impl Moments {
    fn next_millis(&mut self, from: u64, to: u64) -> Duration {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        Duration::from_millis(from + (self.0 >> 33) % (to - from))
    }
}

#[test]
fn killed_at_any_moment_it_goes_on_as_if_it_had_not_been() {
    let directory = temp_dir();
    let directory = directory.path();
    let mark = LeftoverCheck::new();
    write_world(directory);
    let seed = u64::from(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .subsec_nanos(),
    );
    println!("seed {seed}");
    let mut moments = Moments(seed);

    // One whole pass, so that there is a state to lose from the first round on.
    let first = headroom(directory, &["run", "--once"], &mark)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(first.success(), "{first}");
    for round in 0..KILLS {
        let log = fs::File::create(directory.join("stderr")).unwrap();
        let mut running = headroom(directory, &["run"], &mark).stderr(log).spawn().unwrap();
        // The moment of the kill is what is tried out here, so this waits for nothing but time.
        thread::sleep(moments.next_millis(20, 600));
        running.kill().unwrap();
        let status = running.wait().unwrap();
        let said = fs::read_to_string(directory.join("stderr")).unwrap();
        assert!(
            status.code().is_none(),
            "round {round}: it ended by itself: {status}\n{said}"
        );
        assert!(
            !said.contains("set aside"),
            "round {round}: the state was not readable\n{said}"
        );
        assert!(
            !said.contains("no memory"),
            "round {round}: the state was lost\n{said}"
        );
    }

    let output = headroom(directory, &["run", "--once"], &mark)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    mark.assert_none(Duration::from_secs(10));
    check_writes(directory);
}

/// In no period did the count move by more than the limit allows, killed or not.
fn check_writes(directory: &Path) {
    let text = fs::read_to_string(directory.join("writes")).unwrap();
    let mut before = 5_u32;
    let moves: Vec<(u128, i64)> = text
        .lines()
        .map(|line| {
            let (at, count) = line.split_once(' ').unwrap_or_else(|| panic!("{line}"));
            let count: u32 = count.parse().unwrap();
            assert!((1..=30).contains(&count), "{count} lies outside the bounds");
            let change = i64::from(count) - i64::from(before);
            before = count;
            (at.parse().unwrap(), change)
        })
        .collect();
    assert!(moves.len() >= 4, "too few writes to tell anything: {text}");
    for (index, &(start, _)) in moves.iter().enumerate() {
        let within = || {
            moves[index..]
                .iter()
                .take_while(|(at, _)| at - start < PERIOD_NANOS)
                .map(|&(_, change)| change)
        };
        let (up, down): (i64, i64) = (
            within().filter(|&c| c > 0).sum(),
            -within().filter(|&c| c < 0).sum::<i64>(),
        );
        assert!(
            up <= i64::from(ROOM) && down <= i64::from(ROOM),
            "{up} up and {down} down within one period:\n{text}"
        );
    }
    let last: u32 = fs::read_to_string(directory.join("count"))
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert_eq!(last, before, "the count is the last that was written");
}
