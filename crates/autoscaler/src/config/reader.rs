//! Reads single values: text to checked values, each problem with its place.

use std::{ops::Range, path::PathBuf, time::Duration};

use headroom_policy_engine::Replicas;

use super::{
    at::At,
    lint::{Lint, Silences},
    place::{Place, Sources},
    problem::{Finding, Findings, ProblemKind},
    words::{self, AmountText, DurationText, NumberOrText, PathText, PercentageText, SecretText, WordError},
};
use crate::{PlainSecret, Remark, RemarkKind, Secret};

/// What reading needs and fills: the texts, and what is to be said about them.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub(super) sources: &'a Sources,
    pub(super) findings: &'a mut Findings,
    pub(super) remarks: &'a mut Vec<Remark>,
    pub(super) silences: Silences,
}

impl Reader<'_> {
    pub(super) fn report(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Something that is legal and dangerous, once for each place, unless it is silenced.
    pub(super) fn lint(&mut self, lint: Lint, place: Place, text: &str) {
        if !self.silences.are_lints_wanted() {
            return;
        }
        if self.silences.holds(lint) || !self.silences.told.insert((lint, place, text.to_owned())) {
            return;
        }
        self.remarks.push(Remark {
            kind: RemarkKind::Lint,
            code: Some(lint.code().to_owned()),
            place: Some(self.sources.describe(place)),
            text: text.to_owned(),
        });
    }

    /// The value, or `None` after reporting why there is none.
    pub(super) fn word<T>(&mut self, parsed: Result<T, WordError>, place: Place) -> Option<T> {
        parsed
            .map_err(|error| {
                let finding = Finding::new(ProblemKind::BadValue, error.to_string()).at(place);
                self.report(finding.help(error.help()));
            })
            .ok()
    }

    pub(super) fn duration(&mut self, text: Option<&At<DurationText>>) -> Option<At<Duration>> {
        let text = text?;
        let value = self.word(words::duration(&text.value.0), text.place)?;
        Some(At {
            value,
            place: text.place,
        })
    }

    /// A duration above zero.
    pub(super) fn span(&mut self, key: &str, text: Option<&At<DurationText>>) -> Option<Duration> {
        let span = self.duration(text)?;
        if span.value.is_zero() {
            let finding = Finding::new(ProblemKind::BadValue, format!("`{key}` must be above zero"));
            self.report(
                finding
                    .at(span.place)
                    .help("write a duration such as \"30s\", or remove the line"),
            );
            return None;
        }
        Some(span.value)
    }

    /// A fraction, not yet bounded.
    pub(super) fn fraction(&mut self, text: &At<PercentageText>) -> Option<f64> {
        match &text.value.0 {
            NumberOrText::Number(number) => Some(*number),
            NumberOrText::Text(percent) => self.word(words::percentage(percent), text.place),
        }
    }

    pub(super) fn amount(&mut self, text: &At<AmountText>) -> Option<f64> {
        match &text.value.0 {
            NumberOrText::Number(number) => Some(*number),
            NumberOrText::Text(amount) => self.word(words::amount(amount), text.place),
        }
    }

    /// A number of replicas from `least` up.
    pub(super) fn replicas(&mut self, key: &str, number: &At<i64>, least: u32) -> Option<Replicas> {
        let most = Replicas::LIMIT.get();
        match u32::try_from(number.value)
            .ok()
            .filter(|count| (least..=most).contains(count))
        {
            Some(count) => Some(Replicas::new(count)),
            None => {
                let message = format!("`{key}` must be from {least} to {most}, not {}", number.value);
                let finding = Finding::new(ProblemKind::BadValue, message).at(number.place);
                self.report(finding.help(format!("write a number of replicas, such as {}", least.max(2))));
                None
            }
        }
    }

    /// A path, relative to the directory of the file it stands in.
    pub(super) fn path(&mut self, path: &At<PathText>) -> Option<PathBuf> {
        if path.value.0.is_empty() {
            let finding = Finding::new(ProblemKind::BadValue, "a path cannot be empty").at(path.place);
            self.report(finding.help("write a path, or remove the line"));
            return None;
        }
        Some(self.below(path.place, &path.value.0))
    }

    /// `path` below the directory of the file that `place` is in.
    pub(super) fn below(&self, place: Place, path: &str) -> PathBuf {
        let directory = self.sources.directory(place);
        if directory == std::path::Path::new(".") {
            PathBuf::from(path)
        } else {
            directory.join(path)
        }
    }

    /// Where the bytes `part` of `text` stand, which stands at `place`: the whole of it where it is written with escapes.
    pub(super) fn part(&self, place: Place, text: &str, part: Range<usize>) -> Place {
        let span = place.span();
        let written = self.sources.text(place.source()).get(span.clone());
        let plain = |quote| written.is_some_and(|written| written == format!("{quote}{text}{quote}"));
        if plain('"') || plain('\'') {
            let start = span.start + 1;
            Place::new(place.source(), start + part.start..start + part.end)
        } else {
            place
        }
    }

    /// Where a secret stands. One in plain text is remarked on.
    pub(super) fn secret(&mut self, key: &str, text: &At<SecretText>) -> Option<Secret> {
        let secret = self.place_of_secret(key, &text.value.0, text.place)?;
        if matches!(secret, Secret::Plain(_)) {
            let warning = format!(
                "`{key}` is a secret in plain text; write \"env:NAME\" or \"file:PATH\", so that whoever reads this \
                 file does not have it"
            );
            self.lint(Lint::SecretInPlainText, text.place, &warning);
        }
        Some(secret)
    }

    /// Where a text stands that is no secret by itself, such as an address.
    pub(super) fn place_of_secret(&mut self, key: &str, text: &str, place: Place) -> Option<Secret> {
        let secret = if let Some(name) = text.strip_prefix("env:") {
            let legal = |symbol: char| symbol.is_ascii_alphanumeric() || symbol == '_';
            (!name.is_empty() && name.chars().all(legal)).then(|| Secret::Env(name.to_owned()))
        } else if let Some(path) = text.strip_prefix("file:") {
            (!path.is_empty()).then(|| Secret::File(self.below(place, path)))
        } else {
            (!text.is_empty()).then(|| Secret::Plain(PlainSecret(text.to_owned())))
        };
        if secret.is_none() {
            let finding = Finding::new(
                ProblemKind::BadValue,
                format!("`{key}` does not say where it stands"),
            );
            self.report(finding.at(place).help("write \"env:NAME\" or \"file:PATH\""));
        }
        secret
    }
}

/// A value that has to be there.
pub(super) fn absent(message: impl Into<String>, place: Place, help: impl Into<String>) -> Finding {
    Finding::new(ProblemKind::Absent, message).at(place).help(help)
}

/// Settings that exclude each other, each with its place.
pub(super) fn conflict(
    message: impl Into<String>,
    keys: &[(&str, Place)],
    help: impl Into<String>,
) -> Finding {
    let finding = Finding::new(ProblemKind::Conflict, message);
    let labelled =
        |finding: Finding, (key, place): &(&str, Place)| finding.labelled(*place, format!("`{key}`"));
    keys.iter().fold(finding, labelled).help(help)
}
