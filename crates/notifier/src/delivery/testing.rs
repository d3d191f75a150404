//! Rows of an outbox in one word each, for the tests of what decides about them.

use std::{sync::Arc, time::Duration};

use headroom_policy_engine::Timestamp;

use super::{Phase, RowId, Thread, Waiting};
use crate::{EventKind, Receipt, Severity, testing::AT};

/// One row in one word.
pub(super) struct Row;

impl Row {
    /// Words for rows: `e` for what happened once, `o` for what goes on, `w` for what goes on and is a warning, `c` for
    /// what has ended. With `!` it is critical, with `?` it may have arrived. `:NAME` behind it names the incident. The
    /// rows are numbered from 1, wait since [`AT`] and have 100 bytes each.
    pub(super) fn parse(rows: &str) -> Vec<Waiting> {
        let one = |(index, word): (usize, &str)| {
            let number = i64::try_from(index).unwrap() + 1;
            let (marks, incident) = word.split_once(':').unwrap_or((word, "a"));
            let (kind, severity, phase) = match marks.chars().next().unwrap() {
                'e' => (EventKind::Scaled, Severity::Info, Phase::Once),
                'o' => (EventKind::AtMax, Severity::Info, Phase::Opened),
                'w' => (EventKind::AtMax, Severity::Warning, Phase::Opened),
                'c' => (EventKind::AtMax, Severity::Info, Phase::Closed),
                'd' => (EventKind::Digest, Severity::Info, Phase::Once),
                other => panic!("{other} is no row"),
            };
            Waiting {
                row: RowId(number),
                id: crate::NoticeId(format!("n-{number}").into()),
                incident: Arc::from(incident),
                workload: "devtrip/api".parse().ok(),
                kind,
                opened_as: kind,
                severity: if marks.contains('!') {
                    Severity::Critical
                } else {
                    severity
                },
                phase,
                put_at: AT,
                bytes: 100,
                attempts: u32::from(marks.contains('?')),
                claimed: marks.contains('?').then(|| "key".into()),
                retry_at: None,
                route: super::Route::default(),
                is_passed_on: false,
            }
        };
        rows.split_whitespace().enumerate().map(one).collect()
    }
}

/// What a channel was told about the incident `a`, at [`AT`].
pub(super) fn thread(open: Option<Severity>) -> Thread {
    Thread {
        incident: "a".into(),
        receipt: Some(Receipt("r-0".to_owned())),
        began_at: AT,
        last_at: AT,
        notices: 1,
        open,
    }
}

/// So many seconds after [`AT`].
pub(super) fn after(seconds: u64) -> Timestamp {
    AT.plus(Duration::from_secs(seconds))
}
