//! Where a piece of the configuration stands: in which text, from where to where.
//!
//! A place is small and copied freely; the texts are kept once, in [`Sources`].

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use miette::NamedSource;

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
    /// The text with its name, shared with every problem that points into it.
    text: Arc<NamedSource<String>>,
    /// Where each line begins.
    lines: Vec<usize>,
}

impl SourceKind {
    fn name(&self) -> String {
        match self {
            Self::Defaults => "built-in defaults".to_owned(),
            Self::File(path) => path.display().to_string(),
            Self::Environment(name) => format!("environment variable {name}"),
        }
    }
}

impl Source {
    /// What it is called in messages.
    pub(super) fn name(&self) -> &str {
        self.text.name()
    }

    /// The text.
    pub(super) fn text(&self) -> &str {
        self.text.inner()
    }

    /// The text with its name, as miette draws it.
    pub(super) fn drawn(&self) -> Arc<NamedSource<String>> {
        Arc::clone(&self.text)
    }

    /// The line and column of byte `offset`, both from 1; the column counts characters.
    pub(super) fn position(&self, offset: usize) -> (usize, usize) {
        let offset = offset.min(self.text().len());
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self
            .lines
            .get(line.saturating_sub(1))
            .copied()
            .unwrap_or_default();
        let before = self.text().as_bytes().get(start..offset).unwrap_or_default();
        (line, String::from_utf8_lossy(before).chars().count() + 1)
    }

    /// The line that byte `offset` is in, without its end.
    pub(super) fn line(&self, offset: usize) -> &str {
        let (line, _) = self.position(offset);
        let start = self
            .lines
            .get(line.saturating_sub(1))
            .copied()
            .unwrap_or_default();
        self.text()
            .get(start..)
            .and_then(|rest| rest.lines().next())
            .unwrap_or_default()
    }
}

/// All texts of one load.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources(Vec<Source>);

impl Sources {
    pub(super) fn add(&mut self, kind: SourceKind, text: String) -> SourceId {
        let after_ends = text.match_indices('\n').map(|(at, _)| at + 1);
        self.0.push(Source {
            lines: std::iter::once(0).chain(after_ends).collect(),
            text: Arc::new(NamedSource::new(kind.name(), text)),
            kind,
        });
        SourceId(self.0.len() - 1)
    }

    /// The text a place is in; `None` for a place of another load.
    pub(super) fn get(&self, id: SourceId) -> Option<&Source> {
        self.0.get(id.0)
    }

    pub(super) fn text(&self, id: SourceId) -> &str {
        self.get(id).map_or("", Source::text)
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

    /// Whether a place is in the built-in defaults.
    pub(super) fn is_default(&self, place: Place) -> bool {
        self.get(place.source()).is_some_and(|source| match source.kind {
            SourceKind::Defaults => true,
            SourceKind::File(_) | SourceKind::Environment(_) => false,
        })
    }

    /// `file:line` of a place.
    pub(super) fn describe(&self, place: Place) -> String {
        self.get(place.source())
            .map_or_else(String::new, |source| match source.kind {
                SourceKind::Defaults | SourceKind::File(_) => {
                    format!("{}:{}", source.name(), source.position(place.start).0)
                }
                SourceKind::Environment(_) => source.name().to_owned(),
            })
    }
}
