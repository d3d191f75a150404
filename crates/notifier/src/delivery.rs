//! Between what happened and the channels: what waits, what goes together, when it is sent, and what becomes of it.
//!
//! Deciding is arithmetic here as well: [`plan`] takes what waits for a channel and says what is sent next, when, and what
//! is left out; [`settle`] takes what the channel said and says what is recorded of it. The [`Outbox`] keeps it all, and
//! the [`Dispatcher`] fetches, sends and records, and decides nothing.

mod backoff;
mod bound;
mod dispatcher;
mod failing;
mod folding;
mod memory;
mod orphans;
mod outbox;
mod outcome;
mod quiet_hours;
mod rules;
mod scheduler;
mod silence;
#[cfg(test)]
mod testing;

pub use self::{
    backoff::backoff,
    dispatcher::{Channel, Dispatcher, Now, Parts},
    memory::MemoryOutbox,
    outbox::{
        Addressed, Change, ChannelName, Failing, Outbox, OutboxError, Phase, Route, RowId, Sent, Standing,
        Thread, View, Waiting,
    },
    outcome::settle,
    quiet_hours::{QuietHours, QuietHoursError},
    rules::{ChannelRules, Deadlines, QueueBound},
    scheduler::{Draft, Form, LeftOut, Next, Plan, Reason, Terms, plan},
    silence::Silence,
};
