//! Plays a case: pass after pass, with the count following the decisions.

use std::{iter, time::Duration};

use headroom_metrics_source::Answer;
use headroom_policy_engine::{
    Hold, Memory, Operator, Outcome, Readiness, Replicas, Step, Timestamp, Workload,
};

use super::{Case, Difference, Event, Happening, Point, Row, input::Tick, pods::pods};
use crate::{
    DecisionRecord, InForce, Override, Verdict,
    pass::{Found, conclude, decide},
};

/// What came of a case.
#[derive(Clone, Debug)]
pub struct CaseRun {
    /// Its passes, in their order.
    pub rows: Vec<Row>,
    /// What was not as expected, in the order of the expectations. Empty: it passed.
    pub failures: Vec<Failure>,
}

/// An expectation that was not met.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Which of the case's.
    pub expectation: usize,
    /// Where it is otherwise.
    pub differences: Vec<Difference>,
    /// The first pass that is otherwise: its place in the rows, and its decision. `None` where there was no pass at all.
    pub at: Option<(usize, Box<DecisionRecord>)>,
}

impl CaseRun {
    /// Whether everything was as expected.
    #[must_use]
    pub const fn is_passed(&self) -> bool {
        self.failures.is_empty()
    }
}

impl Case {
    /// Plays the case, and compares it with what is expected.
    #[must_use]
    pub fn run(&self) -> CaseRun {
        let rows: Vec<Row> = self.play().map(|(row, _)| row).collect();
        let missed = self.expectations.iter().enumerate();
        let missed = missed.filter_map(|(index, expectation)| Some((index, expectation.miss(&rows)?)));
        let failures = missed.map(|(expectation, miss)| Failure {
            expectation,
            differences: miss.differences,
            // Playing it again gives the same, and most decisions are never looked at.
            at: miss.row.and_then(|row| {
                let (_, record) = self.play().nth(row)?;
                Some((row, Box::new(record)))
            }),
        });
        CaseRun {
            failures: failures.collect(),
            rows,
        }
    }

    /// The decision in force at `at` from the start: the last until then. `None` where no pass was made by then.
    #[must_use]
    pub fn decision_at(&self, at: Duration) -> Option<DecisionRecord> {
        let until = self.play().take_while(|(row, _)| row.at <= at);
        until.last().map(|(_, record)| record)
    }

    /// How long it lasts, from the first pass to the last.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.time_of(self.passes.saturating_sub(1))
    }

    /// Its passes with their decisions, in their order.
    fn play(&self) -> impl Iterator<Item = (Row, DecisionRecord)> {
        let mut world = World {
            case: self,
            memory: Memory::default(),
            current: self.replicas,
            unready_since: None,
            happening: Vec::new(),
            next: 0,
        };
        iter::from_fn(move || world.next_pass())
    }

    fn time_of(&self, pass: usize) -> Duration {
        let passes = u32::try_from(pass).unwrap_or(u32::MAX);
        self.interval.saturating_mul(passes)
    }
}

/// The workload of a case on its way through time.
struct World<'a> {
    case: &'a Case,
    memory: Memory,
    current: Replicas,
    /// Since when some replicas have not been ready.
    unready_since: Option<Timestamp>,
    /// What happens at this pass.
    happening: Vec<Event>,
    /// The number of the next pass.
    next: usize,
}

impl World<'_> {
    /// Makes the next pass that is made at all; `None` at the end.
    fn next_pass(&mut self) -> Option<(Row, DecisionRecord)> {
        loop {
            if self.next >= self.case.passes {
                return None;
            }
            let at = self.case.time_of(self.next);
            let before = self.next.checked_sub(1).map(|last| self.case.time_of(last));
            self.next += 1;
            let events = self.case.events.iter();
            let happening = events.filter(|event| event.during.includes(before, at));
            self.happening = happening.copied().collect();
            self.set_count();
            if !self.happens(Happening::NoPass) {
                return Some(self.pass(at));
            }
        }
    }

    /// Somebody else sets the count, before the pass.
    fn set_count(&mut self) {
        for event in &self.happening {
            if let Happening::Replicas(count) = event.what {
                self.current = count;
            }
        }
    }

    fn pass(&mut self, at: Duration) -> (Row, DecisionRecord) {
        let case = self.case;
        let settings = &*case.workload;
        let tick = Tick {
            at,
            now: case.start.plus(at),
            spacing: case.spacing,
        };
        let metrics = case.inputs.iter().zip(&settings.metrics);
        let answers: Vec<Answer> = metrics
            .map(|(input, metric)| input.answer(metric, tick))
            .collect();
        let workload = self.workload(tick);
        let is_paused = self.happens(Happening::Paused);
        let found = Found {
            pods: pods(&settings.policy, &workload, &answers, tick.now),
            target: if self.happens(Happening::Unreadable) {
                Err("the test says that the target cannot be read".to_owned())
            } else {
                Ok(workload)
            },
            answers: answers.into_iter(),
            hold: case
                .hold
                .as_ref()
                .zip(settings.hold_query.as_ref())
                .map(|(input, hold)| input.answer(&hold.asked, tick)),
            pause: is_paused.then_some(Hold::Paused { until: None }),
            overrides: self.overrides(tick),
        };
        let (mut record, _) = decide(settings, found, &mut self.memory, tick.now);
        let before = self.current;
        self.carry_out(&mut record, tick);
        (row(&record, at, before, self.current), record)
    }

    fn workload(&mut self, tick: Tick) -> Workload {
        let mut workload = Workload::running(self.current);
        workload.readiness = self.readiness(tick);
        for event in &self.happening {
            if let Happening::Failing(failing) = event.what {
                workload.holds.push(Hold::FailingToStart { failing });
            }
        }
        workload
    }

    /// What people ask for beside the policy.
    fn overrides(&self, tick: Tick) -> Vec<InForce> {
        let asked = self.happening.iter().filter_map(|event| match event.what {
            Happening::Override(asks) => Some((asks, event.during.end(tick.at))),
            Happening::Replicas(_)
            | Happening::Writes(_)
            | Happening::Paused
            | Happening::Failing(_)
            | Happening::Unreadable
            | Happening::NoPass => None,
        });
        let in_force = asked.map(|(asks, end)| Override {
            workload: self.case.workload.id.clone(),
            since: self.case.start,
            // It is over with the first pass after the span.
            until: self.case.start.plus(end).plus(self.case.interval),
            operator: Operator::default(),
            asks,
        });
        in_force.map(|asked| asked.in_force()).collect()
    }

    /// Whether `what` happens at this pass.
    fn happens(&self, what: Happening) -> bool {
        self.happening.iter().any(|event| event.what == what)
    }

    fn readiness(&mut self, tick: Tick) -> Readiness {
        let ready = self.case.ready.as_ref().and_then(|series| series.at(tick.step()));
        let Some(Point::Value(ready)) = ready else {
            self.unready_since = None;
            return Readiness::Unknown;
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count, as was checked when the file was read"
        )]
        let ready = Replicas::new(ready as u32).min(self.current);
        let longest_unready = (ready < self.current).then(|| {
            let since = self.unready_since.unwrap_or(tick.now);
            self.unready_since = Some(since);
            tick.now.since(since)
        });
        if longest_unready.is_none() {
            self.unready_since = None;
        }
        Readiness::Known {
            ready,
            longest_unready,
        }
    }

    /// Writes what was decided, if it can be, and remembers what became of it.
    fn carry_out(&mut self, record: &mut DecisionRecord, tick: Tick) {
        let Some(decision) = record.decision().copied() else {
            return;
        };
        let fails = self.happening.iter().find_map(|event| match event.what {
            Happening::Writes(outcome) => Some(outcome),
            Happening::Replicas(_)
            | Happening::Paused
            | Happening::Override(_)
            | Happening::Failing(_)
            | Happening::Unreadable
            | Happening::NoPass => None,
        });
        let (outcome, error) = match (decision.direction(), fails) {
            (None, _) => (Outcome::NotAttempted, None),
            (Some(_), Some(outcome)) => (outcome, Some("the test says so".to_owned())),
            (Some(_), None) => (Outcome::Written, None),
        };
        record.set_outcome(outcome, error);
        conclude(record, &self.case.workload, &mut self.memory, outcome, tick.now);
        if outcome == Outcome::Written {
            self.current = decision.desired();
        }
    }
}

fn row(record: &DecisionRecord, at: Duration, before: Replicas, after: Replicas) -> Row {
    let (steps, ready) = match &record.verdict {
        Verdict::Decided {
            explanation, target, ..
        } => (explanation.0.as_slice(), known_ready(target.readiness)),
        Verdict::Unreadable { .. } => (&[][..], None),
    };
    Row {
        at,
        before,
        after,
        ready,
        metrics: record.metrics.iter().map(|metric| metric.observation).collect(),
        recommended: steps.iter().find_map(recommended),
        decision: record.decision().copied(),
        outcome: record.outcome(),
        steps: steps.iter().map(Step::code).collect(),
    }
}

const fn known_ready(readiness: Readiness) -> Option<Replicas> {
    match readiness {
        Readiness::Known { ready, .. } => Some(ready),
        Readiness::Unknown => None,
    }
}

/// The recommendation, if it was made in this step.
const fn recommended(step: &Step) -> Option<Replicas> {
    if let Step::Combined { replicas, .. } = step {
        Some(*replicas)
    } else {
        None
    }
}
