//! What headroom and another scaler of the same target answered, side by side.

use headroom_policy_engine::{Replicas, Timestamp};

use crate::{Beside, HistoryRow};

/// The answers of headroom and of one other scaler to the same moments.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison<'a> {
    /// The other scaler, as it was last seen.
    pub other: &'a Beside,
    /// Since when they are compared.
    pub since: Timestamp,
    /// In how many passes both answered.
    pub passes: u64,
    /// In how many of these they gave the same answer.
    pub agreed: u64,
    /// In how many passes one of the two gave none.
    pub unanswered: u64,
    /// Where they differed, in the order of time.
    pub differences: Vec<Difference<'a>>,
}

/// A span in which two scalers wanted different counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference<'a> {
    /// The first pass of it.
    pub from: Timestamp,
    /// The first pass after it; the last pass of all while it lasts.
    pub until: Timestamp,
    /// What headroom wanted where they were furthest apart.
    pub ours: Replicas,
    /// What the other one wanted then.
    pub theirs: Replicas,
    /// The decision then, which tells why.
    pub row: &'a HistoryRow,
}

impl<'a> Comparison<'a> {
    /// Compares what `rows`, the history of one workload with the newest first, say of the scaler that it runs beside
    /// now. `None` where there is no such scaler.
    ///
    /// Two scalers that look at different moments answer a change of load one after the other. Such a difference is in
    /// here too; whoever reads it leaves out what is no longer than the interval of either. A pass that could not read the
    /// target ends nothing: it is one in which neither answered.
    #[must_use]
    pub fn of(rows: &'a [HistoryRow]) -> Option<Self> {
        let is_read = |row: &&HistoryRow| row.record.decision().is_some();
        let other = rows.iter().find(is_read)?.record.beside.first()?;
        let wants = |row: &'a HistoryRow| {
            let found = row.record.beside.iter().find(|one| one.name == other.name);
            if is_read(&row) {
                found.map(|one| one.wants)
            } else {
                Some(None)
            }
        };
        let mut compared: Vec<_> = rows
            .iter()
            .map_while(|row| wants(row).map(|theirs| (row, theirs)))
            .collect();
        // Of a pass before the other one was seen nobody knows whether it was there.
        while compared.pop_if(|(row, _)| !is_read(&&**row)).is_some() {}
        let mut comparison = Self {
            other,
            since: compared.last()?.0.first_at,
            passes: 0,
            agreed: 0,
            unanswered: 0,
            differences: Vec::new(),
        };
        let mut lasts = false;
        for (row, theirs) in compared.into_iter().rev() {
            lasts = comparison.add(row, theirs, lasts);
        }
        Some(comparison)
    }

    /// Adds a later row, and says whether the two differ in it. `lasts` tells whether they did in the row before.
    fn add(&mut self, row: &'a HistoryRow, theirs: Option<Replicas>, lasts: bool) -> bool {
        let open = self.differences.last_mut().filter(|_| lasts);
        let Some((ours, theirs)) = row.record.own_answer().zip(theirs) else {
            self.unanswered += row.count;
            if let Some(open) = open {
                open.until = row.first_at;
            }
            return false;
        };
        self.passes += row.count;
        let is_same = ours == theirs;
        if is_same {
            self.agreed += row.count;
        }
        match open {
            Some(open) if is_same => open.until = row.first_at,
            Some(open) => {
                open.until = row.last_at;
                if ours.get().abs_diff(theirs.get()) > open.distance() {
                    (open.ours, open.theirs, open.row) = (ours, theirs, row);
                }
            }
            None if is_same => {}
            None => self.differences.push(Difference {
                from: row.first_at,
                until: row.last_at,
                ours,
                theirs,
                row,
            }),
        }
        !is_same
    }
}

impl Difference<'_> {
    fn distance(&self) -> u32 {
        self.ours.get().abs_diff(self.theirs.get())
    }
}
