//! The only place that prints. Results go to stdout, everything else to stderr.
//!
//! Nothing here decides what is said. A reader that goes away (`headroom plan | head -1`) never disturbs the work:
//! what it would have read is dropped. Any other failure to write is kept until the end, and makes the command fail.

mod busy;
mod paint;

use std::{
    fmt::{self, Display},
    io::{self, IsTerminal as _, Write},
    sync::{Arc, Mutex, PoisonError},
};

pub(crate) use busy::Busy;
use clap::ValueEnum;
pub(crate) use paint::{Paint, Tone};
use serde::Serialize;

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Human,
    /// Versioned JSON: one object, or for `run` one line for each decision.
    Json,
}

/// Whether output is colored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// What a person wants to hear of.
    Usual,
    /// Everything, with debug logs.
    Verbose,
}

/// Where a command's words go.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    format: Format,
    detail: Detail,
    results: Paint,
    notes: Paint,
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
    /// The first failure to write a result that is not a reader's leaving.
    failed: Arc<Mutex<Option<io::Error>>>,
}

impl Output {
    /// An output as the arguments and the environment ask for.
    pub(crate) fn new(format: Format, color: ColorChoice, detail: Detail) -> Self {
        let stdout_is_terminal = io::stdout().is_terminal();
        let stderr_is_terminal = io::stderr().is_terminal();
        Self {
            format,
            detail,
            results: Paint::new(is_colored(color, stdout_is_terminal)),
            notes: Paint::new(is_colored(color, stderr_is_terminal)),
            stdout_is_terminal,
            stderr_is_terminal,
            failed: Arc::default(),
        }
    }

    /// How results are written.
    pub(crate) const fn format(&self) -> Format {
        self.format
    }

    /// Whether everything is to be said.
    pub(crate) fn is_verbose(&self) -> bool {
        self.detail == Detail::Verbose
    }

    /// Colors for results.
    pub(crate) const fn paint(&self) -> Paint {
        self.results
    }

    /// Colors for everything else.
    pub(crate) const fn note_paint(&self) -> Paint {
        self.notes
    }

    /// Whether results are read by a person as they appear.
    pub(crate) const fn is_live(&self) -> bool {
        self.stdout_is_terminal
    }

    /// Whether what is no result is read by a person as it appears.
    pub(crate) const fn has_live_notes(&self) -> bool {
        self.stderr_is_terminal
    }

    /// Shows a person at a terminal that something is going on, until the value is dropped.
    pub(crate) fn busy(&self, what: &'static str) -> Busy {
        // Logs and a line that is drawn again and again would disturb each other.
        if self.stderr_is_terminal && !self.is_verbose() {
            Busy::show(what)
        } else {
            Busy::hidden()
        }
    }

    /// Writes one line of the result.
    pub(crate) fn line(&self, text: impl Display) {
        self.write(format_args!("{text}\n"));
    }

    /// Writes a text of the result that has its own line ends.
    pub(crate) fn text(&self, text: impl Display) {
        self.write(format_args!("{text}"));
    }

    /// Writes the result as one JSON object over several lines.
    pub(crate) fn object(&self, value: &impl Serialize) {
        match serde_json::to_string_pretty(value) {
            Ok(text) => self.line(text),
            Err(error) => self.keep(error.into()),
        }
    }

    /// Writes one JSON object on one line, for results that come one after the other.
    pub(crate) fn object_line(&self, value: &impl Serialize) {
        match serde_json::to_string(value) {
            Ok(text) => self.line(text),
            Err(error) => self.keep(error.into()),
        }
    }

    /// Says something that is no result, on stderr.
    pub(crate) fn note(&self, text: impl Display) {
        // Nobody can be told that stderr is gone.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Says something a person should look at, on stderr.
    pub(crate) fn warn(&self, text: impl Display) {
        self.note(format_args!(
            "{}: {text}",
            self.notes.paint(Tone::Warning, "warning")
        ));
    }

    /// Says what went wrong, on stderr.
    pub(crate) fn error(&self, text: impl Display) {
        self.note(format_args!("{}: {text}", self.notes.paint(Tone::Error, "error")));
    }

    /// Says what is wrong as one JSON object, on stderr.
    pub(crate) fn error_object(&self, value: &impl Serialize) {
        if let Ok(text) = serde_json::to_string_pretty(value) {
            self.note(text);
        }
    }

    /// Why results could not be written, if that happened.
    pub(crate) fn take_failure(&self) -> Option<io::Error> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn write(&self, text: fmt::Arguments<'_>) {
        let mut stdout = io::stdout().lock();
        if let Err(error) = stdout.write_fmt(text).and_then(|()| stdout.flush()) {
            drop(stdout);
            self.keep(error);
        }
    }

    fn keep(&self, error: io::Error) {
        if error.kind() != io::ErrorKind::BrokenPipe {
            self.failed
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get_or_insert(error);
        }
    }
}

fn is_colored(choice: ColorChoice, is_terminal: bool) -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => {
            is_terminal && !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    }
}
