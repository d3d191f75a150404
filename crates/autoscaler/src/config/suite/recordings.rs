//! The recordings that cases take their values from, each read once.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use headroom_metrics_source::{RecordedError, RecordedSource};

use super::super::{
    at::At,
    files,
    problem::{Finding, ProblemKind},
    reader::Reader,
    words::PathText,
};

/// The recordings of a file; `None` for one that cannot be used, which was said.
#[derive(Debug, Default)]
pub(super) struct Recordings(BTreeMap<PathBuf, Option<Arc<RecordedSource>>>);

impl Recordings {
    /// The recording at `path`.
    pub(super) fn get(
        &mut self,
        path: &At<PathText>,
        reader: &mut Reader<'_>,
    ) -> Option<Arc<RecordedSource>> {
        let file = reader.path(path)?;
        let read = |file: &PathBuf| match RecordedSource::from_file(file) {
            Ok(recording) => Some(Arc::new(recording)),
            Err(error) => {
                let message = match &error {
                    RecordedError::Unreadable(error) => {
                        format!("{} could not be read: {}", file.display(), files::reason(error))
                    }
                    RecordedError::TooLarge { .. }
                    | RecordedError::NotUtf8
                    | RecordedError::Empty
                    | RecordedError::Invalid { .. } => {
                        format!("{} is no recording: {error}", file.display())
                    }
                };
                let finding = Finding::new(ProblemKind::Unreadable, message).at(path.place);
                reader.report(finding.help(
                    "a recording is a CSV with the header timestamp,METRIC,METRIC…; paths are relative to this file",
                ));
                None
            }
        };
        let known = self.0.entry(file).or_insert_with_key(read);
        known.clone()
    }
}
