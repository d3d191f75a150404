//! Where a piece of the configuration stands: in which text, from where to where.
//!
//! A place is small and copied freely; the texts are kept once, in [`Sources`].

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

/// A span of bytes in one of the texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    source: usize,
    start: usize,
    end: usize,
}

impl Place {
    pub(super) const fn new(source: SourceId, span: Range<usize>) -> Self {
        Self {
            source: source.0,
            start: span.start,
            end: span.end,
        }
    }

    pub(super) const fn source(self) -> SourceId {
        SourceId(self.source)
    }

    pub(super) const fn span(self) -> Range<usize> {
        self.start..self.end
    }

    /// As plain numbers, for the way through serde.
    pub(super) const fn to_parts(self) -> [usize; 3] {
        [self.source, self.start, self.end]
    }

    pub(super) const fn from_parts([source, start, end]: [usize; 3]) -> Self {
        Self { source, start, end }
    }
}

/// One of the texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SourceId(usize);

/// What a text is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SourceKind {
    /// The built-in defaults.
    Defaults,
    /// A file, under the name the user gave it.
    File(PathBuf),
    /// The value of an environment variable.
    Environment(String),
}

/// One text that settings come from.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) kind: SourceKind,
    pub(super) text: String,
}

impl Source {
    /// What it is called in messages.
    pub(super) fn name(&self) -> String {
        match &self.kind {
            SourceKind::Defaults => "built-in defaults".to_owned(),
            SourceKind::File(path) => path.display().to_string(),
            SourceKind::Environment(name) => format!("environment variable {name}"),
        }
    }

    /// The line and column of byte `offset`, both from 1; the column counts characters.
    pub(super) fn position(&self, offset: usize) -> (usize, usize) {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
        (line, column)
    }

    /// The line that byte `offset` is in, without its end.
    pub(super) fn line(&self, offset: usize) -> &str {
        let (line, _) = self.position(offset);
        self.text.lines().nth(line - 1).unwrap_or_default()
    }
}

/// All texts of one load.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources(Vec<Source>);

impl Sources {
    pub(super) fn add(&mut self, kind: SourceKind, text: String) -> SourceId {
        self.0.push(Source { kind, text });
        SourceId(self.0.len() - 1)
    }

    /// The text a place is in; `None` for a place of another load.
    pub(super) fn get(&self, id: SourceId) -> Option<&Source> {
        self.0.get(id.0)
    }

    pub(super) fn text(&self, id: SourceId) -> &str {
        self.get(id).map_or("", |source| &source.text)
    }

    /// The directory that relative paths at `place` are relative to.
    pub(super) fn directory(&self, place: Place) -> PathBuf {
        let file = self.get(place.source()).and_then(|source| match &source.kind {
            SourceKind::File(path) => path.parent(),
            SourceKind::Defaults | SourceKind::Environment(_) => None,
        });
        match file {
            Some(directory) if directory != Path::new("") => directory.to_path_buf(),
            Some(_) | None => PathBuf::from("."),
        }
    }

    /// `file:line` of a place.
    pub(super) fn describe(&self, place: Place) -> String {
        self.get(place.source())
            .map_or_else(String::new, |source| match source.kind {
                SourceKind::Defaults | SourceKind::File(_) => {
                    format!("{}:{}", source.name(), source.position(place.start).0)
                }
                SourceKind::Environment(_) => source.name(),
            })
    }
}
