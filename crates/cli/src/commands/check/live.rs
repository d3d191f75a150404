//! What `check --live` asks: every source for each query, every target for its count, and whether it may be written.
//!
//! It makes the look ahead of `plan`, and reads from it what answered.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt as _};
use headroom_actuator::ScaleTarget;
use headroom_autoscaler::{
    Assembly, Clock as _, Configuration, DecisionRecord, MetricOrigin, MetricRecord, Mode, SystemClock,
    Verdict,
};
use headroom_policy_engine::{Hold, Observation, Proposal, Readiness, Step, WorkloadId};
use serde::Serialize;

use crate::{
    commands::pass,
    error::CliError,
    output::{Output, Tone},
    report::table::{Align, table},
};

/// The most targets that are asked at once whether they may be written.
const AT_ONCE: usize = 16;

/// What came of asking one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    /// It answered as it should.
    Ok,
    /// It answered, and a person should look at it.
    Look,
    /// It did not answer as it should.
    Failed,
    /// Nobody asks it.
    NotAsked,
}

/// One thing that was asked.
#[derive(Debug, Serialize)]
struct Finding {
    answer: Answer,
    /// The workload, `prometheus.NAME` for a server that no workload asks, or `state`.
    subject: String,
    /// The metric, `hold_scale_down_when`, `target` or `writing`; empty for what is asked of no workload.
    part: String,
    text: String,
}

/// Everything that was asked.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Findings(Vec<Finding>);

/// Asks everything that a pass needs.
///
/// # Errors
/// When the parts cannot be put together, or asking did not end in time.
pub(super) async fn ask(configuration: &Configuration) -> Result<Findings, CliError> {
    let ids: Vec<WorkloadId> = configuration
        .workloads
        .iter()
        .map(|workload| workload.id.clone())
        .collect();
    let record = pass::look_ahead(configuration, &ids).await?;
    let writing = may_be_written(configuration, &record.decisions).await?;
    let mut findings: Vec<Finding> = record.decisions.iter().flat_map(of_workload).collect();
    findings.extend(writing);
    findings.extend(
        record
            .notices
            .iter()
            .filter(|notice| notice.is_failure())
            .map(|notice| Finding {
                answer: Answer::Failed,
                subject: "state".to_owned(),
                part: String::new(),
                text: notice.to_string(),
            }),
    );
    findings.extend(idle_servers(configuration));
    Ok(Findings(findings))
}

/// Whether the counts that are in a cluster may be written: asked of its API server, which keeps nothing of it.
///
/// # Errors
/// When the cluster cannot be reached as it is configured, or asking did not end in time.
async fn may_be_written(
    configuration: &Configuration,
    records: &[DecisionRecord],
) -> Result<Vec<Finding>, CliError> {
    let Some(probe) = Assembly::probe(configuration)? else {
        return Ok(Vec::new());
    };
    let is_read = |id: &WorkloadId| {
        let mut records = records.iter();
        records.any(|record| record.workload == *id && matches!(record.verdict, Verdict::Decided { .. }))
    };
    // One that is not read has said so already.
    let written = configuration
        .workloads
        .iter()
        .filter(|workload| match workload.target {
            ScaleTarget::Kubernetes(_) => workload.mode == Mode::Apply && is_read(&workload.id),
            ScaleTarget::Process(_) | ScaleTarget::Command(_) => false,
        });
    let now = SystemClock.now();
    let asked: Vec<_> = written
        .map(async |workload| {
            let (answer, text) = match probe.try_write(&workload.target, now).await {
                Ok(()) => (Answer::Ok, "would be accepted (dry run)".to_owned()),
                Err(error) => (Answer::Failed, error.to_string()),
            };
            Finding {
                answer,
                subject: workload.id.to_string(),
                part: "writing".to_owned(),
                text,
            }
        })
        .collect();
    // Collected first: a stream over borrowed closures is not known to be `Send`.
    let findings = stream::iter(asked).buffered(AT_ONCE).collect();
    Ok(pass::in_time(configuration, findings).await?)
}

/// The servers that no workload asks, so that nothing is known of them.
fn idle_servers(configuration: &Configuration) -> Vec<Finding> {
    let used: BTreeSet<&str> = configuration
        .workloads
        .iter()
        .flat_map(|workload| workload.asked())
        .filter_map(|metric| match &metric.origin {
            MetricOrigin::Prometheus { server, .. } => Some(server.as_str()),
            MetricOrigin::Scrape { .. } | MetricOrigin::Recorded { .. } | MetricOrigin::Resource { .. } => {
                None
            }
        })
        .collect();
    let idle = configuration
        .settings
        .prometheus
        .iter()
        .filter(|(name, _)| !used.contains(name.as_str()));
    idle.map(|(name, settings)| Finding {
        answer: Answer::NotAsked,
        subject: format!("prometheus.{name}"),
        part: String::new(),
        text: format!("no workload asks {}", settings.url),
    })
    .collect()
}

fn of_workload(record: &DecisionRecord) -> Vec<Finding> {
    let finding = |answer, part: &str, text| Finding {
        answer,
        subject: record.workload.to_string(),
        part: part.to_owned(),
        text,
    };
    let target = match &record.verdict {
        Verdict::Unreadable { error } => finding(Answer::Failed, "target", error.clone()),
        Verdict::Decided { target, .. } => {
            let ready = match target.readiness {
                Readiness::Known { ready, .. } => format!("{ready} ready"),
                Readiness::Unknown => "how many are ready is not known".to_owned(),
            };
            finding(
                Answer::Ok,
                "target",
                format!("{} wanted, {ready}", target.current),
            )
        }
    };
    let metrics = record.metrics.iter().map(|metric| {
        let (answer, text) = of_metric(metric, record);
        finding(answer, metric.name.as_str(), text)
    });
    let hold = record.hold_query.as_ref().map(|asked| {
        let (answer, text) = of_hold(asked);
        finding(answer, asked.name.as_str(), text)
    });
    std::iter::once(target).chain(metrics).chain(hold).collect()
}

/// What the query that holds scaling down says. That nothing matches is its usual answer.
fn of_hold(asked: &MetricRecord) -> (Answer, String) {
    let seen = &asked.observation;
    match Hold::of_query(&"".into(), seen) {
        None => (
            Answer::Ok,
            "it has no value other than zero, and holds nothing".to_owned(),
        ),
        Some(hold) if hold.is_blind() => {
            let said = asked.error.clone().unwrap_or_else(|| seen.to_string());
            (Answer::Failed, said)
        }
        Some(_) => (Answer::Look, "it has a value, and holds scaling down".to_owned()),
    }
}

fn of_metric(metric: &MetricRecord, record: &DecisionRecord) -> (Answer, String) {
    let seen = &metric.observation;
    let said = metric
        .error
        .as_ref()
        .map_or_else(|| seen.to_string(), Clone::clone);
    match seen {
        Observation::Fresh(_) if metric.remarks.is_empty() => (Answer::Ok, seen.to_string()),
        Observation::Fresh(_) => (Answer::Ok, format!("{seen} ({})", metric.remarks.join("; "))),
        Observation::Partial(_) => (Answer::Look, seen.to_string()),
        Observation::Stale { .. } => (Answer::Failed, seen.to_string()),
        // A policy may say that it can do without: a quantile over no requests, a metric that is absent when idle.
        Observation::Missing { .. } if is_expected(metric, record) => (Answer::Look, said),
        Observation::Missing { .. } => (Answer::Failed, said),
    }
}

fn is_expected(metric: &MetricRecord, record: &DecisionRecord) -> bool {
    let Verdict::Decided { explanation, .. } = &record.verdict else {
        return false;
    };
    explanation.0.iter().any(|step| {
        let Step::Recommended {
            metric: name,
            proposal: Proposal::Replicas(_) | Proposal::NoVote,
            ..
        } = step
        else {
            return false;
        };
        *name == metric.name
    })
}

impl Findings {
    /// Whether everything that was asked answered.
    pub(super) fn is_good(&self) -> bool {
        self.0.iter().all(|finding| finding.answer != Answer::Failed)
    }

    /// Shows what came of it, and the sum.
    pub(super) fn show(&self, output: &Output) {
        let columns = [
            ("", Align::Left),
            ("workload", Align::Left),
            ("asked for", Align::Left),
            ("answer", Align::Left),
        ];
        let row = |finding: &Finding| {
            let answer = match finding.answer {
                Answer::Ok => "ok",
                Answer::Look => "look",
                Answer::Failed => "failed",
                Answer::NotAsked => "not asked",
            };
            vec![
                answer.to_owned(),
                finding.subject.clone(),
                finding.part.clone(),
                finding.text.clone(),
            ]
        };
        output.line(format_args!("\n{}", table(&columns, self.0.iter().map(row))));
        let failed = self
            .0
            .iter()
            .filter(|finding| finding.answer == Answer::Failed)
            .count();
        let asked = self
            .0
            .iter()
            .filter(|finding| finding.answer != Answer::NotAsked)
            .count();
        let (tone, sum) = if failed == 0 {
            (Tone::Good, format!("all {asked} answered"))
        } else {
            (Tone::Error, format!("{failed} of {asked} failed"))
        };
        output.line(format_args!("\n{}", output.paint().paint(tone, sum)));
    }
}
