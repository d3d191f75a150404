//! Makes one answer of what the replicas said.
//!
//! A replica that said nothing is a missing part and never a zero: the value is that of the others, and its coverage
//! says how many they were.

use std::{sync::Arc, time::Duration};

use headroom_policy_engine::{Coverage, Reading, Timestamp};

use super::lost::Lost;
use crate::{Across, Answer, Endpoint, ObserveError, ScrapeQuery};

/// The most replicas that are named in remarks on one query.
const MAX_NAMED: usize = 3;

/// What one replica said to one query.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Seen {
    /// Its share of the value.
    Value(Share),
    /// The text was read, and has no such series.
    Absent,
    /// A rate needs an earlier reading.
    NoRateYet,
    /// There is no text, or none that can be used.
    Lost(Arc<Lost>),
}

/// One replica's share of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Share {
    pub(super) value: f64,
    /// When the oldest sample in it was measured.
    pub(super) at: Timestamp,
    /// How much of a rate's window it covers.
    pub(super) window: Option<f64>,
}

/// Makes one answer of `parts`, one for each endpoint of `query` and in their order, read at `read_at`.
pub(super) fn combine(query: &ScrapeQuery, parts: &[Seen], read_at: Timestamp) -> Answer {
    let all: Vec<(&Endpoint, &Seen)> = query.endpoints.iter().zip(parts).collect();
    let reading = reading(query, &all, read_at).ok_or_else(|| Arc::new(error(query, parts)));
    Answer {
        reading,
        remarks: remarks(query, &all),
        scrape_interval: None,
        pods: None,
    }
}

fn reading(query: &ScrapeQuery, all: &[(&Endpoint, &Seen)], read_at: Timestamp) -> Option<Reading> {
    let shares: Vec<(bool, Share)> = all
        .iter()
        .filter_map(|(endpoint, seen)| share(endpoint, seen))
        .collect();
    let ready = || shares.iter().filter(|(is_ready, _)| *is_ready);
    let counted: Vec<Share> = match query.across {
        // What is still starting carries load too, but says nothing about how busy the others are.
        Across::Average if ready().next().is_some() => ready().map(|(_, share)| *share).collect(),
        Across::Average | Across::Sum => shares.iter().map(|(_, share)| *share).collect(),
    };
    let oldest = counted.iter().map(|share| share.at).min()?;
    let window = counted.iter().filter_map(|share| share.window).reduce(f64::min);
    let sum: f64 = counted.iter().map(|share| share.value).sum();
    Some(Reading {
        value: match query.across {
            Across::Sum => sum,
            Across::Average => sum / as_f64(counted.len()),
        },
        answered_at: Some(read_at),
        newest_sample: Some(oldest),
        coverage: Coverage {
            // Compared with the ready replicas, so that one that is starting cannot stand in for one that is lost.
            replicas: Some(as_f64(ready().count())),
            window,
        },
    })
}

fn share(endpoint: &Endpoint, seen: &Seen) -> Option<(bool, Share)> {
    match seen {
        Seen::Value(share) => Some((endpoint.ready, *share)),
        Seen::Absent | Seen::NoRateYet | Seen::Lost(_) => None,
    }
}

/// Why there is no value at all. What an answering replica lacks says more than that others did not answer.
fn error(query: &ScrapeQuery, parts: &[Seen]) -> ObserveError {
    if parts.contains(&Seen::NoRateYet) {
        return ObserveError::NoRateYet {
            rate_over: query.rate_over.unwrap_or(Duration::ZERO),
        };
    }
    if parts.contains(&Seen::Absent) {
        return ObserveError::NoData;
    }
    let first = parts.iter().find_map(|part| match part {
        Seen::Lost(lost) => Some(&**lost),
        Seen::Value(_) | Seen::Absent | Seen::NoRateYet => None,
    });
    match first {
        Some(
            lost @ (Lost::Malformed(_)
            | Lost::NotACounter { .. }
            | Lost::TooManySeries { .. }
            | Lost::NoRoom { .. }),
        ) => ObserveError::Malformed {
            reason: lost.to_string(),
        },
        Some(Lost::TooLarge { limit }) => ObserveError::TooLarge { limit: *limit },
        Some(
            lost @ (Lost::NoAddress { .. }
            | Lost::TimedOut { .. }
            | Lost::Unreachable { .. }
            | Lost::Rejected { .. }),
        ) => ObserveError::NoReplicas {
            asked: parts.len(),
            first: Some(lost.to_string()),
        },
        None => ObserveError::NoReplicas {
            asked: parts.len(),
            first: None,
        },
    }
}

/// One remark for each replica that took no part, up to a few.
fn remarks(query: &ScrapeQuery, all: &[(&Endpoint, &Seen)]) -> Vec<Arc<str>> {
    let said = all.iter().filter_map(|(endpoint, seen)| {
        let why = match seen {
            Seen::Value(_) => return None,
            // Expected while it starts.
            Seen::Absent | Seen::Lost(_) if !endpoint.ready => return None,
            Seen::Absent => format!("has no series {}", query.series),
            Seen::NoRateYet => "has no rate yet".to_owned(),
            Seen::Lost(lost) => lost.to_string(),
        };
        Some(format!("replica {}: {why}", endpoint.id))
    });
    let said: Vec<String> = said.collect();
    let unnamed = said.len().saturating_sub(MAX_NAMED);
    let mut remarks: Vec<Arc<str>> = said.into_iter().take(MAX_NAMED).map(Arc::from).collect();
    if unnamed > 0 {
        remarks.push(format!("and {unnamed} more replicas took no part").into());
    }
    remarks
}

/// A count of replicas as a number; beyond four billion it no longer grows.
fn as_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
