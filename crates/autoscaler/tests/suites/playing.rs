//! How cases are played: values, events, expectations, and that all of it is what a pass does.

use std::{fs, time::Duration};

use headroom_autoscaler::{
    config::{Problems, load_suite},
    policy_test::{CaseRun, Suite},
};
use headroom_policy_engine::{Observation, Outcome};
use tempfile::TempDir;

/// From 2 to 10 replicas of 100 each. A fall waits a minute, and nothing limits a change.
const POLICY: &str = r#"
[workload.web]
min_replicas = 2
max_replicas = 10
command = { get = ["./replicas"], set = ["./scale", "{replicas}"] }
scale_up.limit = []
scale_down = { stabilization = "1m", limit = [] }
metrics.load = { recorded = "live.csv", per_replica = 100 }
"#;

/// A directory with [`POLICY`] and one file of tests.
struct World {
    directory: TempDir,
}

impl World {
    fn new(tests: &str) -> Self {
        let world = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        world.write("headroom.toml", POLICY);
        world.write(
            "headroom.test.toml",
            &format!("config = [\"headroom.toml\"]\n{tests}"),
        );
        world
    }

    fn write(&self, name: &str, text: &str) -> &Self {
        fs::write(self.directory.path().join(name), text).unwrap();
        self
    }

    fn load(&self) -> Result<Suite, Problems> {
        load_suite(&self.directory.path().join("headroom.test.toml"))
    }

    /// What came of the only case.
    #[track_caller]
    fn run(&self) -> CaseRun {
        let suite = self.load().unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(suite.cases.len(), 1);
        suite.cases[0].run()
    }
}

/// A case of three replicas with these further keys.
#[track_caller]
fn run(keys: &str) -> CaseRun {
    World::new(&format!("[case.a]\nreplicas = 3\n{keys}")).run()
}

/// The same without an expectation that is looked at.
#[track_caller]
fn rows(keys: &str) -> CaseRun {
    run(&format!("expect = [{{ min = 0 }}]\n{keys}"))
}

fn counts(run: &CaseRun) -> Vec<u32> {
    run.rows.iter().map(|row| row.after.get()).collect()
}

fn reasons(run: &CaseRun) -> Vec<&'static str> {
    let reason = |row: &headroom_autoscaler::policy_test::Row| row.decision.unwrap().reason().code();
    run.rows.iter().map(reason).collect()
}

fn seconds(run: &CaseRun) -> Vec<u64> {
    run.rows.iter().map(|row| row.at.as_secs()).collect()
}

#[test]
fn the_count_follows_the_decisions() {
    let run = rows("metrics.load = \"300 500 500 100x6\"");
    assert_eq!(counts(&run), [3, 5, 5, 5, 5, 5, 5, 2, 2, 2]);
    assert_eq!(
        seconds(&run)[..3],
        [0, 15, 30],
        "a pass at each interval of the workload"
    );
}

#[test]
fn an_expectation_is_met_only_by_what_it_says() {
    let load = "metrics.load = \"300 500 500 100x6\"\n";
    let check = |expectation: &str, is_met: bool| {
        let run = run(&format!("{load}expect = [{expectation}]"));
        assert_eq!(run.is_passed(), is_met, "{expectation}: {:?}", run.failures);
    };
    for (met, missed) in [
        ("{ at = '15s', replicas = 5 }", "{ at = '15s', replicas = 3 }"),
        ("{ at = '29s', replicas = 5 }", "{ at = '14s', replicas = 5 }"),
        (
            "{ from = '15s', to = '1m30s', replicas = 5 }",
            "{ from = '15s', to = '1m45s', replicas = 5 }",
        ),
        ("{ to = '0s', replicas = 3 }", "{ to = '15s', replicas = 3 }"),
        (
            "{ from = '1m45s', replicas = 2 }",
            "{ from = '1m30s', replicas = 2 }",
        ),
        ("{ by = '1m45s', replicas = 2 }", "{ by = '1m30s', replicas = 2 }"),
        (
            "{ from = '30s', by = '1m', replicas = 5 }",
            "{ from = '30s', by = '1m', replicas = 3 }",
        ),
        ("{ min = 2, max = 5 }", "{ min = 3 }"),
        ("{ max = 5 }", "{ max = 4 }"),
        (
            "{ at = '15s', decision = 'up' }",
            "{ at = '15s', decision = 'down' }",
        ),
        (
            "{ at = '30s', decision = 'hold' }",
            "{ at = '30s', decision = 'up' }",
        ),
        (
            "{ at = '1m', reason = 'stabilizing' }",
            "{ at = '1m', reason = 'on_target' }",
        ),
        ("{ at = '1m', recommended = 1 }", "{ at = '1m', recommended = 5 }"),
        (
            "{ at = '1m', steps = ['stabilized'] }",
            "{ at = '15s', steps = ['stabilized'] }",
        ),
        (
            "{ to = '30s', without = ['stabilized'] }",
            "{ without = ['stabilized'] }",
        ),
        ("{ max_changes = 2 }", "{ max_changes = 1 }"),
        (
            "{ from = '30s', max_changes = 1 }",
            "{ from = '30s', max_changes = 0 }",
        ),
    ] {
        check(met, true);
        check(missed, false);
    }
}

#[test]
fn a_failure_tells_the_first_pass_that_is_otherwise_and_every_difference() {
    let run =
        run("metrics.load = \"300 300 500x3\"\nexpect = [{ replicas = 3, decision = 'hold', max = 10 }]");
    let failure = &run.failures[0];
    let (row, record) = failure.at.as_ref().unwrap();
    assert_eq!(*row, 2);
    assert_eq!(record.decision(), run.rows[2].decision.as_ref());
    let differences: Vec<_> = failure
        .differences
        .iter()
        .map(|difference| {
            (
                difference.key,
                difference.expected.as_str(),
                difference.got.as_str(),
            )
        })
        .collect();
    assert_eq!(differences, [("replicas", "3", "5"), ("decision", "hold", "up")]);
}

#[test]
fn the_decision_at_a_time_is_the_last_until_then() {
    let world = World::new("[case.a]\nreplicas = 3\nmetrics.load = \"300 500x3\"\nexpect = [{ min = 0 }]");
    let suite = world.load().unwrap();
    let case = &suite.cases[0];
    let run = case.run();
    let at = |seconds| case.decision_at(Duration::from_secs(seconds)).unwrap();
    assert_eq!(at(14).decision(), run.rows[0].decision.as_ref());
    assert_eq!(at(15).decision(), run.rows[1].decision.as_ref());
    assert_eq!(at(10_000).decision(), run.rows[4].decision.as_ref());
    assert_eq!(case.run().rows, run.rows, "playing it again gives the same");
}

#[test]
fn values_are_judged_as_a_source_would_answer_them() {
    let run = rows("metrics.load = \"300 _ stale nan inf -1 350 error\"\ncoverage.load = \"3x5 2 ...\"");
    let seen: Vec<String> = run.rows.iter().map(|row| row.metrics[0].to_string()).collect();
    assert_eq!(
        seen,
        [
            "300",
            "unknown (no series matched)",
            "300 (1 min 1 s old, too old to act on)",
            "unknown (the value is not a number)",
            "unknown (the value is infinite)",
            "unknown (the value is negative)",
            "350 (measured only in part)",
            "unknown (the source could not be reached)",
        ]
    );
    assert_eq!(reasons(&run)[1..6], ["blind"; 5]);
}

#[test]
fn between_two_values_the_last_one_gets_older() {
    let run = rows("spacing = \"1m\"\nmetrics.load = \"300 500 500\"");
    assert_eq!(counts(&run), [3, 3, 3, 3, 5, 5, 5, 5, 5]);
    let measured = |row: usize| run.rows[row].metrics[0].known().unwrap().measured_at.unwrap();
    let age = |row: usize| measured(row).since(measured(0)).as_secs();
    assert_eq!([age(3), age(4), age(7), age(8)], [0, 60, 60, 120]);
    let policy = POLICY.replace("per_replica = 100", "per_replica = 100, max_age = \"30s\"");
    let world = World::new(
        "[case.a]\nreplicas = 3\nspacing = \"1m\"\nmetrics.load = 300\nexpect = [{ to = \"45s\", replicas = 3 }]",
    );
    let run = world.write("headroom.toml", &policy).run();
    let stale = |row: usize| matches!(run.rows[row].metrics[0], Observation::Stale { .. });
    assert_eq!([stale(2), stale(3)], [false, true], "the policy's own max_age");
}

#[test]
fn cron_makes_fewer_passes_and_the_policy_stays_as_it_is() {
    let run = rows("interval = \"2m\"\nmetrics.load = \"300 300 100x3\"");
    assert_eq!(seconds(&run), [0, 120, 240, 360, 480, 600]);
    assert_eq!(
        counts(&run),
        [3, 3, 3, 2, 2, 2],
        "a minute's window, and passes that are two apart"
    );
}

#[test]
fn a_write_that_fails_is_tried_again_and_is_no_change() {
    let keys = "metrics.load = 500\nevents = [{ to = \"30s\", writes = \"fail\" }]\nlength = \"1m\"";
    let run = rows(keys);
    assert_eq!(counts(&run), [3, 3, 3, 5, 5]);
    let outcomes: Vec<_> = run.rows.iter().map(|row| row.outcome.unwrap()).collect();
    assert_eq!(
        outcomes[..4],
        [
            Outcome::Failed,
            Outcome::Failed,
            Outcome::Failed,
            Outcome::Written
        ]
    );

    // Only what is written uses up a limit of changes.
    let policy = POLICY.replace("scale_up.limit = []", "scale_up.limit = [\"1 per 1m\"]");
    let world = World::new(&format!(
        "[case.a]\nreplicas = 3\n{keys}\nexpect = [{{ min = 0 }}]"
    ));
    assert_eq!(
        counts(&world.write("headroom.toml", &policy).run()),
        [3, 3, 3, 4, 4]
    );
    let conflict =
        rows("metrics.load = 500\nevents = [{ at = \"0s\", writes = \"conflict\" }]\nlength = \"15s\"");
    assert_eq!(conflict.rows[0].outcome, Some(Outcome::Conflict));
    assert_eq!(counts(&conflict), [3, 5]);
}

#[test]
fn somebody_else_may_set_the_count() {
    let run = rows("metrics.load = 300\nevents = [{ at = \"20s\", replicas = 7 }]\nlength = \"2m\"");
    assert_eq!(counts(&run)[..4], [3, 3, 7, 7], "at the next pass");
    assert_eq!(run.rows[2].before.get(), 7);
    assert_eq!(
        counts(&run).last(),
        Some(&3),
        "and headroom sets it right after its window"
    );
}

#[test]
fn a_pause_is_kept_and_ends() {
    let run = rows(
        "metrics.load = 500\nevents = [{ from = \"15s\", to = \"30s\", paused = true }]\nlength = \"45s\"",
    );
    assert_eq!(reasons(&run)[1..3], ["paused"; 2]);
    let run = rows("metrics.load = 500\nevents = [{ to = \"30s\", paused = true }]\nlength = \"45s\"");
    assert_eq!(counts(&run), [3, 3, 3, 5]);
    let run = rows("metrics.load = 500\nevents = [{ paused = true }]\nlength = \"45s\"");
    assert_eq!(counts(&run), [3; 4], "without times it goes on");
}

#[test]
fn a_person_may_override_the_bounds_or_hold_the_count() {
    let run = rows(
        "metrics.load = 300\nevents = [{ from = \"15s\", to = \"30s\", min = 7, max = 8 }]\nlength = \"2m\"",
    );
    assert_eq!(counts(&run)[..4], [3, 7, 7, 7]);
    assert_eq!(counts(&run).last(), Some(&3), "it ends by itself");
    let run = rows("metrics.load = 900\nevents = [{ to = \"15s\", max = 4 }]\nlength = \"45s\"");
    assert_eq!(counts(&run), [4, 4, 9, 9]);
    let run = rows("metrics.load = 100\nevents = [{ to = \"5m\", hold_down = true }]\nlength = \"6m\"");
    assert_eq!(counts(&run)[..21], [3; 21]);
    assert_eq!(counts(&run).last(), Some(&2));
    assert_eq!(reasons(&run)[20], "scale_down_held");
}

#[test]
fn a_target_may_be_unreadable_and_passes_may_be_left_out() {
    let run =
        rows("metrics.load = 500\nevents = [{ to = \"15s\", target = \"unreadable\" }]\nlength = \"30s\"");
    assert_eq!(counts(&run), [3, 3, 5]);
    assert_eq!(run.rows[0].decision, None);
    let run = rows("metrics.load = 500\nevents = [{ to = \"15s\", passes = \"skipped\" }]\nlength = \"45s\"");
    assert_eq!(seconds(&run), [30, 45]);
    let keys =
        "metrics.load = 500\nevents = [{ passes = \"skipped\" }]\nexpect = [{ at = \"1m\", replicas = 5 }]";
    assert_eq!(
        self::run(keys).failures[0].differences[0].got,
        "none was made by then"
    );
}

#[test]
fn replicas_that_do_not_become_ready_hold_a_rise() {
    let run = rows("metrics.load = \"500 900 ...\"\nready = \"3 ...\"\nlength = \"10m\"");
    assert_eq!(counts(&run)[..2], [5, 9], "at first they are only starting");
    let stuck = run.rows.iter().find(|row| row.steps.contains(&"held_not_ready"));
    assert!(stuck.is_none(), "nothing more is asked for");
    let run = rows("metrics.load = \"500x7m 900x3m\"\nready = 3");
    assert_eq!(run.rows.last().unwrap().steps.last(), Some(&"held_not_ready"));
    assert_eq!(run.rows.last().unwrap().ready.map(|ready| ready.get()), Some(3));
    let run = rows("metrics.load = \"500x7m 900x3m\"\nready = 10");
    assert_eq!(
        counts(&run).last(),
        Some(&9),
        "more than there are: all are ready"
    );
}

#[test]
fn replicas_that_cannot_start_hold_a_rise() {
    let run = rows("metrics.load = 500\nevents = [{ to = \"15s\", failing = 2 }]\nlength = \"30s\"");
    assert_eq!(reasons(&run)[..2], ["failing_to_start"; 2]);
    assert_eq!(counts(&run), [3, 3, 5]);
}

#[test]
fn a_recording_is_played_from_its_first_sample() {
    let recorded: String = (0..9)
        .map(|step| format!("{},{}\n", 1_700_000_000 + step * 15, 300 + 50 * step))
        .collect();
    let world = World::new("[case.a]\nreplicas = 3\nrecorded = \"day.csv\"\nexpect = [{ min = 0 }]");
    let run = world
        .write("day.csv", &format!("timestamp,load\n{recorded}"))
        .run();
    assert_eq!(counts(&run), [3, 4, 4, 5, 5, 5, 6, 6, 7]);
    let known = run.rows[8].metrics[0].known().unwrap();
    let first = run.rows[0].metrics[0].known().unwrap();
    let apart = known.measured_at.unwrap().since(first.measured_at.unwrap());
    assert_eq!(apart.as_secs(), 120, "on the clock of the case");
}

#[test]
fn defaults_are_laid_under_each_case() {
    let suite = World::new(
        "[defaults]\nreplicas = 5\nmetrics.load = 500\nexpect = [{ replicas = 5 }]\n\
         [case.as_it_is]\n[case.another_load]\nmetrics.load = 900\nexpect = [{ replicas = 9 }]",
    )
    .load()
    .unwrap();
    assert!(suite.cases.iter().all(|case| case.run().is_passed()));
    assert_eq!(suite.cases[1].line, 7);
}

#[test]
fn layers_and_the_environment_of_the_test_make_the_policy() {
    let world = World::new("");
    world.write(
        "headroom.test.toml",
        "config = [\"headroom.toml\", \"more.toml\"]\nenvironment = { NAMESPACE = \"staging\" }\n\
         [case.a]\nworkload = \"staging/web\"\nreplicas = 3\nmetrics.load = 1500\nexpect = [{ at = \"0s\", replicas = 15 }]",
    );
    let policy = POLICY.replace(
        "[workload.web]",
        "script_environment = true\n[workload.\"shop/web\"]",
    );
    world.write("headroom.toml", &policy);
    world.write(
        "more.toml",
        "[defaults]\nmode = \"preview\"\n[workload.\"staging/web\"]\nmax_replicas = 20\n",
    );
    assert!(world.run().is_passed(), "also where the mode is preview");
}

#[test]
fn schedules_act_by_the_start_of_the_case() {
    let tests = "[case.a]\nreplicas = 3\nstart = \"2026-11-27T07:55[Europe/Berlin]\"\nmetrics.load = 300\n\
                 expect = [{ to = \"4m45s\", replicas = 3 }, { at = \"5m\", replicas = 6, reason = \"out_of_bounds\" }]";
    let policy = format!(
        "{POLICY}[workload.web.schedule.morning]\ncron = \"0 8 * * 1-5\"\nduration = \"1h\"\n\
         timezone = \"Europe/Berlin\"\nmin_replicas = 6\n"
    );
    let run = World::new(tests).write("headroom.toml", &policy).run();
    assert!(run.is_passed(), "{:?}", run.failures);
    for start in ["2026-11-27T06:55Z", "2026-11-27T07:55+01:00"] {
        let tests = tests.replace("2026-11-27T07:55[Europe/Berlin]", start);
        assert!(
            World::new(&tests)
                .write("headroom.toml", &policy)
                .run()
                .is_passed(),
            "{start}"
        );
    }
    let sunday = tests.replace("2026-11-27", "2026-11-29");
    let run = World::new(&sunday).write("headroom.toml", &policy).run();
    assert_eq!(counts(&run), [3; 21], "not on a Sunday");
}

#[test]
fn files_of_tests_are_no_part_of_the_configuration_beside_them() {
    let world = World::new("[case.a]\nreplicas = 3\nmetrics.load = 300\nexpect = [{ replicas = 3 }]");
    let tests = fs::read_to_string(world.directory.path().join("headroom.test.toml")).unwrap();
    world.write("headroom.test.toml", &tests.replace("headroom.toml", "."));
    assert!(world.run().is_passed(), "the directory as a layer");
}

#[test]
fn resource_metrics_are_what_each_pod_uses() {
    let policy = "[workload.\"shop/api\"]\nscale_target = \"deployment/api\"\nmin_replicas = 1\nmax_replicas = 20\n\
                  scale_up.limit = []\n\
                  metrics.cpu = { utilization = \"50%\", container = \"app\" }\nmetrics.memory = { utilization = \"80%\" }\n";
    let world = World::new(
        "[case.a]\nreplicas = 4\nmetrics.cpu = \"75%\"\nmetrics.memory = \"10%\"\nexpect = [{ at = \"0s\", recommended = 6 }]",
    );
    assert!(world.write("headroom.toml", policy).run().is_passed());
    let hpa = format!("{policy}semantics = \"hpa\"\n");
    let run = world.write("headroom.toml", &hpa).run();
    assert!(run.is_passed(), "also as the HPA counts: {:?}", run.failures);
}

#[test]
fn pods_that_are_not_ready_carry_no_load_and_are_not_missing() {
    let policy = "[workload.\"shop/api\"]\nscale_target = \"deployment/api\"\nmin_replicas = 1\nmax_replicas = 20\n\
                  metrics.cpu = { utilization = \"50%\" }\n";
    for (cpu, recommended) in [("100%", 4), ("20%", 1)] {
        let world = World::new(&format!(
            "[case.a]\nreplicas = 4\nready = 2\nmetrics.cpu = \"{cpu}\"\n\
             expect = [{{ at = \"0s\", recommended = {recommended} }}]"
        ));
        let run = world.write("headroom.toml", policy).run();
        assert!(run.is_passed(), "{cpu}: {:?}", run.failures);
    }
}

#[test]
fn a_case_of_fifty_thousand_passes_is_played() {
    let run = rows("interval = \"1s\"\nmetrics.load = \"300+0.01x49999\"");
    assert_eq!(run.rows.len(), 50_000);
    assert_eq!(counts(&run).last(), Some(&8));
}

#[test]
fn an_alert_that_fires_in_a_case_holds_scaling_down() {
    let hold = "hold_scale_down_when = 'ALERTS{alertname=\"Down\",alertstate=\"firing\"}'";
    let with_alert = format!("[prometheus.main]\nurl = \"http://localhost:9090\"\n{POLICY}{hold}\n");
    let run = |series: &str| {
        let tests = format!(
            "[case.a]\nreplicas = 6\ninterval = \"1m\"\nlength = \"8m\"\nmetrics.load = \"200\"\n{series}\nexpect = [{{ \
             replicas = 6 }}]\n"
        );
        let world = World::new(&tests);
        world.write("headroom.toml", &with_alert);
        let run = world.run();
        run.rows.iter().map(|row| row.after.get()).collect::<Vec<_>>()
    };
    let falls_at = |counts: Vec<u32>| counts.iter().position(|count| *count == 2);
    let free = falls_at(run("")).unwrap();
    assert_eq!(falls_at(run("hold_scale_down_when = \"_\"")), Some(free));
    assert_eq!(falls_at(run("hold_scale_down_when = 0")), Some(free));
    assert_eq!(falls_at(run("hold_scale_down_when = \"1x5m _ ...\"")), Some(5));
    assert_eq!(falls_at(run("hold_scale_down_when = 1")), None);
    assert_eq!(falls_at(run("hold_scale_down_when = \"nan\"")), None);
}

#[test]
fn a_case_cannot_fire_what_the_policy_does_not_ask() {
    let world = World::new(
        "[case.a]\nreplicas = 6\nmetrics.load = 200\nhold_scale_down_when = 1\nexpect = [{ replicas = 6 }]\n",
    );
    let problems = world.load().unwrap_err().to_string();
    assert!(
        problems.contains("`web` has no `hold_scale_down_when`"),
        "{problems}"
    );
}
