//! What is legal and dangerous: each with a code, a place, a way out, and a way to silence it with a reason.
//!
//! A lint is raised where its facts are at hand: here for what concerns a workload as a whole, in the modules of single
//! settings for theirs. Whether it is silenced is decided in one place, [`Silences`].

mod codes;
mod crossing;
mod measure;
mod queries;
mod workload;

use std::collections::{BTreeMap, BTreeSet};

pub(super) use self::{codes::Lint, workload::check};
use super::{
    Lints,
    at::{At, Named},
    check::nearest,
    place::Place,
    problem::{Finding, ProblemKind, listed},
    reader::Reader,
};

/// The lints page of the book.
#[must_use]
pub fn page() -> String {
    codes::page()
}

/// Which lints are silenced while a workload is read, which of all silences were ever needed, and what was found.
#[derive(Debug, Default)]
pub(super) struct Silences {
    /// In force now: the lint, and where that is said.
    now: BTreeMap<Lint, Place>,
    /// All that were ever in force, and whether something was silenced by them.
    all: BTreeMap<Place, (Lint, bool)>,
    /// What was found and not silenced, each once.
    pub(super) told: BTreeSet<(Lint, Place, String)>,
    wanted: Lints,
}

impl Silences {
    /// No silences yet. Where lints are not asked for, none is told.
    pub(super) fn new(wanted: Lints) -> Self {
        Self {
            wanted,
            ..Self::default()
        }
    }

    /// Whether anybody will read what lints find.
    pub(super) fn are_lints_wanted(&self) -> bool {
        self.wanted == Lints::Told
    }

    /// Whether `lint` is silenced; notes that the silence was needed.
    pub(super) fn holds(&mut self, lint: Lint) -> bool {
        let place = self.now.get(&lint);
        if let Some((_, needed)) = place.and_then(|place| self.all.get_mut(place)) {
            *needed = true;
        }
        place.is_some()
    }
}

/// Takes up what `raw` silences, in place of what was silenced before.
pub(super) fn silence(raw: Option<&Named<At<String>>>, reader: &mut Reader<'_>) {
    reader.silences.now.clear();
    for (code, reason) in raw.iter().flat_map(|lints| &lints.0) {
        let Some(lint) = Lint::ALL.into_iter().find(|lint| lint.code() == code.value) else {
            let message = format!("there is no lint called `{}`", code.value);
            let codes = || Lint::ALL.into_iter().map(Lint::code);
            let help = match nearest(&code.value, codes()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the lints are {}", listed(codes())),
            };
            let finding = Finding::new(ProblemKind::BadValue, message).at(code.place);
            reader.report(finding.help(help));
            continue;
        };
        if reason.value.trim().is_empty() {
            let message = format!("`{}` is silenced without a reason", code.value);
            let finding = Finding::new(ProblemKind::BadValue, message).at(reason.place);
            reader.report(finding.help("write why it is no danger here, for whoever reads this next"));
            continue;
        }
        reader.silences.now.insert(lint, code.place);
        reader.silences.all.entry(code.place).or_insert((lint, false));
    }
}

/// Says which silences silence nothing any more.
pub(super) fn tell_unneeded(reader: &mut Reader<'_>) {
    if !reader.silences.are_lints_wanted() {
        return;
    }
    reader.silences.now.clear();
    let unneeded: Vec<_> = reader
        .silences
        .all
        .iter()
        .filter(|(_, (_, needed))| !needed)
        .map(|(place, (lint, _))| (*place, *lint))
        .collect();
    for (place, lint) in unneeded {
        let text = format!(
            "`{}` is silenced, and finds nothing here; remove the line",
            lint.code()
        );
        reader.lint(Lint::SilencesNothing, place, &text);
    }
}
