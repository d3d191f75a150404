//! What of a message has arrived already that has to be tried again for the rest.
//!
//! Kept in memory and for a bounded number of messages: it spares people a second copy, and what is lost with it costs no
//! more than that copy, which bears the same key.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// So many messages that wait for their rest are remembered.
const MESSAGES: usize = 256;

/// How far each message is that is to be tried again, by its key.
#[derive(Debug)]
pub(crate) struct Progress<T>(Mutex<VecDeque<(String, T)>>);

impl<T> Default for Progress<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone + Default> Progress<T> {
    /// How far the message with this key is.
    pub(crate) fn of(&self, key: &str) -> T {
        let messages = self.messages();
        let known = messages.iter().find(|(known, _)| known == key);
        known.map(|(_, done)| done.clone()).unwrap_or_default()
    }

    pub(crate) fn forget(&self, key: &str) {
        self.messages().retain(|(known, _)| known != key);
    }

    pub(crate) fn keep(&self, key: &str, done: T) {
        let mut messages = self.messages();
        messages.retain(|(known, _)| known != key);
        if messages.len() >= MESSAGES {
            messages.pop_front();
        }
        messages.push_back((key.to_owned(), done));
    }

    fn messages(&self) -> MutexGuard<'_, VecDeque<(String, T)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounded_number_of_messages_is_remembered() {
        let progress = Progress::default();
        for number in 0..=MESSAGES {
            progress.keep(&number.to_string(), number);
        }
        assert_eq!(progress.of("0"), 0, "the oldest makes room");
        assert_eq!(progress.of("256"), 256);
        progress.keep("256", 1);
        assert_eq!((progress.of("256"), progress.of("1")), (1, 1));
        progress.forget("256");
        assert_eq!(progress.of("256"), 0);
    }
}
