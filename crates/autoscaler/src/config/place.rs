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
    /// How many characters stand before every [`STRIDE`] bytes.
    characters: Vec<usize>,
}

/// So many bytes are walked over at most to find a column: a line may be as long as the file, with a problem in each word.
const STRIDE: usize = 1024;

/// The longest line that is drawn, in bytes.
const LONGEST_DRAWN: usize = 500;

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
        let (line, start) = self.line_at(offset);
        let column = self.characters_before(offset) - self.characters_before(start);
        (line + 1, column + 1)
    }

    /// The line that byte `offset` is in, without its end.
    pub(super) fn line(&self, offset: usize) -> &str {
        let (line, start) = self.line_at(offset);
        let end = self.lines.get(line + 1).copied().unwrap_or(self.text().len());
        let text = self.text().get(start..end).unwrap_or_default();
        text.trim_end_matches(['\r', '\n'])
    }

    /// Whether the lines of `span`, and those beside them, are short enough to be drawn for a person.
    pub(super) fn is_drawable(&self, span: &Range<usize>) -> bool {
        let (first, last) = (self.line_at(span.start).0, self.line_at(span.end).0);
        let starts = self.lines.iter().copied().chain([self.text().len()]);
        let around: Vec<usize> = starts
            .skip(first.saturating_sub(1))
            .take(last + 3 - first.saturating_sub(1))
            .collect();
        around.windows(2).all(|line| line[1] - line[0] <= LONGEST_DRAWN)
    }

    /// The index of the line that byte `offset` is in, and where it begins.
    fn line_at(&self, offset: usize) -> (usize, usize) {
        let line = self
            .lines
            .partition_point(|start| *start <= offset)
            .saturating_sub(1);
        (line, self.lines.get(line).copied().unwrap_or_default())
    }

    fn characters_before(&self, offset: usize) -> usize {
        let stride = offset / STRIDE;
        let known = self.characters.get(stride).copied().unwrap_or_default();
        let rest = self.text().as_bytes().get(stride * STRIDE..offset);
        known + characters(rest.unwrap_or_default())
    }
}

/// How many characters begin in these bytes of a text.
fn characters(bytes: &[u8]) -> usize {
    let is_start = |byte: &&u8| **byte & 0b1100_0000 != 0b1000_0000;
    bytes.iter().filter(is_start).count()
}

/// All texts of one load.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources(Vec<Source>);

impl Sources {
    pub(super) fn add(&mut self, kind: SourceKind, text: String) -> SourceId {
        let after_ends = text.match_indices('\n').map(|(at, _)| at + 1);
        let strides = text.as_bytes().chunks(STRIDE).scan(0, |before, stride| {
            *before += characters(stride);
            Some(*before)
        });
        self.0.push(Source {
            lines: std::iter::once(0).chain(after_ends).collect(),
            characters: std::iter::once(0).chain(strides).collect(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        let mut sources = Sources::default();
        let id = sources.add(SourceKind::Defaults, text.to_owned());
        sources.get(id).unwrap().clone()
    }

    #[test]
    fn a_column_counts_the_characters_of_its_line_however_long_it_is() {
        let long = "a\u{e4}\u{20ac}\u{1f600}".repeat(700);
        let text = format!("short\r\n{long}\n\n{long}");
        let source = source(&text);
        let (mut line, mut column) = (1, 1);
        for (offset, character) in text.char_indices() {
            assert_eq!(source.position(offset), (line, column), "byte {offset}");
            if character == '\n' {
                (line, column) = (line + 1, 1);
            } else {
                column += 1;
            }
        }
        assert_eq!(source.position(usize::MAX), (line, column));
        let starts = [0, 7, 7 + long.len() + 1, text.len()];
        assert_eq!(starts.map(|at| source.line(at)), ["short", &long, "", &long]);
    }

    #[test]
    fn what_stands_in_or_beside_a_long_line_is_not_drawn() {
        let long = "x".repeat(LONGEST_DRAWN + 1);
        let source = source(&format!("1\n2\n{long}\n4\n5\n"));
        let at = |offset: usize| source.is_drawable(&(offset..offset + 1));
        let after = 4 + long.len() + 1;
        assert_eq!(
            [at(0), at(2), at(4), at(after), at(after + 2)],
            [true, false, false, false, true]
        );
        assert!(!source.is_drawable(&(0..after + 2)));
    }
}
