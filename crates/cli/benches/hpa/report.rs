//! The figures of a comparison, as a table for people and as lines for programs.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use headroom_test_support::side_by_side::{Outcome, Phase, Reaction, Scaler};

/// Those phases in which the time from the change of load to the write is told.
const STEPS: [Phase; 3] = [Phase::StepUp, Phase::Spike, Phase::StepDown];

/// The figures in Markdown: what the book has.
pub(crate) fn table(outcome: &Outcome) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{} pairs, {} s, a look every {} s\n",
        outcome.pairs,
        outcome.took.as_secs(),
        outcome.interval.as_secs()
    );
    row(&mut text, "", |scaler| scaler.name().to_owned());
    row(&mut text, "---", |_| "---".to_owned());
    row(&mut text, "pairs", |scaler| {
        scaler.pairs(outcome.pairs).to_string()
    });
    for phase in STEPS {
        if outcome.phases.iter().any(|played| played.phase == phase) {
            let name = format!("{}: load to write, median (longest)", phase.name());
            row(&mut text, &name, |scaler| {
                reaction(&outcome.reaction(scaler, phase))
            });
        }
    }
    row(&mut text, "writes", |scaler| outcome.writes(scaler).to_string());
    row(&mut text, "reversals", |scaler| {
        let (own, load) = (outcome.reversals(scaler), outcome.reversals_of_load(scaler));
        format!("{own} (the load: {load})")
    });
    let interval = outcome.interval.as_secs();
    row(
        &mut text,
        &format!("requests to the API server in {interval} s"),
        |scaler| format!("{:.1}", outcome.requests_per_interval(scaler)),
    );
    for phase in &outcome.phases {
        let name = format!("{}: settled as the HPA", phase.phase.name());
        row(&mut text, &name, |scaler| {
            let wrong = outcome.disagreements(scaler);
            let wrong = wrong.iter().filter(|one| one.phase == phase.phase).count();
            let pairs = scaler.pairs(outcome.pairs);
            format!("{} of {pairs}", pairs - wrong)
        });
    }
    let _ = writeln!(text, "\nRequests by kind:\n");
    for scaler in Scaler::ALL {
        let requests = outcome.requests.get(&scaler).into_iter().flatten();
        let requests: Vec<String> = requests.map(|(what, count)| format!("{what} {count}")).collect();
        let _ = writeln!(text, "- {}: {}", scaler.name(), requests.join(", "));
    }
    text
}

fn row(text: &mut String, name: &str, cell: impl Fn(Scaler) -> String) {
    let cells = Scaler::ALL.map(cell).join(" | ");
    let _ = writeln!(text, "| {name} | {cells} |");
}

fn reaction(reaction: &Reaction) -> String {
    let seconds = |span: Option<Duration>| {
        span.map_or_else(
            || "never".to_owned(),
            |span| format!("{:.1} s", span.as_secs_f64()),
        )
    };
    let mut text = format!("{} ({})", seconds(reaction.median()), seconds(reaction.longest()));
    if reaction.missed > 0 {
        let _ = write!(text, ", {} not answered", reaction.missed);
    }
    text
}

/// Replicas over time: a line for each count that was written, and one for each change of the load, in replicas' worth.
pub(crate) fn csv(outcome: &Outcome) -> String {
    let mut lines: BTreeMap<(Duration, &str, usize), u32> = BTreeMap::new();
    for (scaler, counts) in &outcome.begins {
        for (pair, count) in counts.iter().enumerate() {
            lines.insert((Duration::ZERO, scaler.name(), pair), *count);
        }
    }
    for write in &outcome.writes {
        lines.insert((write.at, write.scaler.name(), write.pair), write.replicas);
    }
    for change in &outcome.changes {
        lines.insert((change.at, "load", change.pair), change.replicas);
    }
    let mut text = "seconds,who,pair,replicas\n".to_owned();
    for ((at, who, pair), replicas) in lines {
        let _ = writeln!(text, "{:.3},{who},{pair},{replicas}", at.as_secs_f64());
    }
    text
}
