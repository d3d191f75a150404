//! What came of asking, and how it is shown: one line a question, under what it was asked of.

use std::{fmt, iter::once};

use schemars::JsonSchema;
use serde::Serialize;

use crate::output::{Output, Paint, Tone};

/// What came of asking one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
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
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Finding {
    pub(super) answer: Answer,
    /// The workload, `cluster`, `prometheus.NAME` for a server, or `state`.
    pub(super) subject: String,
    /// What was asked of it: of a workload a metric, `hold_scale_down_when`, `range`, `target`, `pods`, `evictions`,
    /// `requests`, `scaler`, `problem`, `count` or `writing`; of the cluster `api server`, `permission` or `metrics API`; empty where it says
    /// no more than the subject.
    pub(super) part: String,
    pub(super) text: String,
}

/// Everything that was asked.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct Findings(pub(super) Vec<Finding>);

impl Answer {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Look => "look",
            Self::Failed => "failed",
            Self::NotAsked => "not asked",
        }
    }

    const fn sign(self) -> (Tone, &'static str) {
        match self {
            Self::Ok => (Tone::Good, "\u{2713}"),
            Self::Look => (Tone::Warning, "\u{203c}"),
            Self::Failed => (Tone::Error, "\u{2717}"),
            Self::NotAsked => (Tone::Quiet, "\u{2013}"),
        }
    }
}

impl Findings {
    /// Whether everything that was asked answered.
    pub(crate) fn is_good(&self) -> bool {
        self.0.iter().all(|finding| finding.answer != Answer::Failed)
    }

    /// Shows what came of it, and the sum.
    pub(crate) fn show(&self, output: &Output) {
        output.text(Sections(&self.0, output.paint()));
        let count = |answer| self.0.iter().filter(|finding| finding.answer == answer).count();
        let failed = count(Answer::Failed);
        let asked = self.0.len() - count(Answer::NotAsked);
        let (tone, sum) = match (failed, count(Answer::Look)) {
            (0, 0) => (Tone::Good, format!("all {asked} answered")),
            (0, look) => (Tone::Warning, format!("all {asked} answered, {look} to look at")),
            (failed, _) => (Tone::Error, format!("{failed} of {asked} failed")),
        };
        output.line(format_args!("\n{}", output.paint().paint(tone, sum)));
    }
}

/// Findings under their subjects, each in the order in which it came first.
struct Sections<'a>(&'a [Finding], Paint);

impl fmt::Display for Sections<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(findings, paint) = self;
        let mut subjects: Vec<&str> = Vec::new();
        for finding in *findings {
            if !subjects.contains(&finding.subject.as_str()) {
                subjects.push(&finding.subject);
            }
        }
        let width = findings.iter().map(|finding| finding.part.chars().count());
        let width = width.max().unwrap_or_default();
        for subject in subjects {
            writeln!(f, "\n{}", paint.paint(Tone::Strong, subject))?;
            for finding in findings.iter().filter(|finding| finding.subject == subject) {
                line(f, finding, width, *paint)?;
            }
        }
        Ok(())
    }
}

/// A sign in color where a person reads it, and a word elsewhere.
fn line(f: &mut fmt::Formatter<'_>, finding: &Finding, width: usize, paint: Paint) -> fmt::Result {
    if paint.is_on() {
        let (tone, sign) = finding.answer.sign();
        write!(f, "{}  ", paint.paint(tone, sign))?;
    } else {
        let words = [Answer::Ok, Answer::Look, Answer::Failed, Answer::NotAsked].map(Answer::word);
        let widest = words.iter().map(|word| word.len()).max().unwrap_or_default();
        write!(f, "  {:widest$}  ", finding.answer.word())?;
    }
    let text = once(format!("{:width$}", finding.part)).chain(once(finding.text.clone()));
    let text = text.collect::<Vec<_>>().join("  ");
    writeln!(f, "{}", text.trim_end())
}
