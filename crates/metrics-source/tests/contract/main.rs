//! What every source keeps to, whatever it reads: one suite, and a subject for each adapter.

mod kubernetes;
mod prometheus;
mod recorded;
mod scrape;
mod scripted;
mod suite;
