//! Color by meaning: what is said stays the same without it.

use std::fmt::{self, Display};

/// What a piece of text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// More replicas.
    Up,
    /// Fewer replicas.
    Down,
    /// Of little interest now.
    Quiet,
    /// A name to look for.
    Strong,
    /// Good.
    Good,
    /// To be looked at.
    Warning,
    /// Wrong.
    Error,
}

impl Tone {
    /// The numbers of the terminal's own escape sequence.
    const fn code(self) -> &'static str {
        match self {
            Self::Up | Self::Good => "32",
            Self::Down => "36",
            Self::Quiet => "2",
            Self::Strong => "1",
            Self::Warning => "33",
            Self::Error => "1;31",
        }
    }
}

/// Paints text, or leaves it as it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    is_on: bool,
}

impl Paint {
    /// Paints if `is_on`.
    pub(crate) const fn new(is_on: bool) -> Self {
        Self { is_on }
    }

    /// Leaves everything as it is.
    #[cfg(test)]
    pub(crate) const fn none() -> Self {
        Self::new(false)
    }

    /// Whether anything is painted.
    pub(crate) const fn is_on(self) -> bool {
        self.is_on
    }

    /// `text` in the color of `tone`.
    pub(crate) fn paint<T: Display>(self, tone: Tone, text: T) -> Painted<T> {
        Painted {
            code: self.is_on.then(|| tone.code()),
            text,
        }
    }
}

/// A text in a color.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Painted<T> {
    code: Option<&'static str>,
    text: T,
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            None => self.text.fmt(f),
            Some(code) => {
                write!(f, "\x1b[{code}m")?;
                self.text.fmt(f)?;
                f.write_str("\x1b[0m")
            }
        }
    }
}
