//! Who has a mail already that has to be tried again for others.
//!
//! Kept in memory and for a bounded number of mails: it spares people a second copy, and what is lost with it costs no
//! more than that copy, which bears the same Message-ID.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use lettre::Address;

use super::exchange::Rejected;

/// So many mails that wait for some of their recipients are remembered.
const MAILS: usize = 256;

/// The mails of which some recipients are to be tried again.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<VecDeque<(String, Delivered)>>);

/// What is settled of one mail.
#[derive(Clone, Debug, Default)]
pub(super) struct Delivered {
    pub(super) taken: Vec<Address>,
    pub(super) never: Vec<Rejected>,
}

impl Delivered {
    /// Whether nothing more is to be tried for this recipient.
    pub(super) fn is_settled(&self, address: &Address) -> bool {
        self.taken.contains(address) || self.never.iter().any(|rejected| rejected.address == *address)
    }
}

impl Progress {
    /// What is settled of the mail with this key.
    pub(super) fn of(&self, key: &str) -> Delivered {
        let mails = self.mails();
        let known = mails.iter().find(|(known, _)| known == key);
        known.map(|(_, delivered)| delivered.clone()).unwrap_or_default()
    }

    pub(super) fn forget(&self, key: &str) {
        self.mails().retain(|(known, _)| known != key);
    }

    pub(super) fn keep(&self, key: &str, delivered: Delivered) {
        let mut mails = self.mails();
        mails.retain(|(known, _)| known != key);
        if mails.len() >= MAILS {
            mails.pop_front();
        }
        mails.push_back((key.to_owned(), delivered));
    }

    fn mails(&self) -> MutexGuard<'_, VecDeque<(String, Delivered)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_settled_is_remembered_of_a_bounded_number_of_mails() {
        let progress = Progress::default();
        let address: Address = "ops@example.com".parse().unwrap();
        let delivered = Delivered {
            taken: vec![address.clone()],
            never: Vec::new(),
        };
        for number in 0..=MAILS {
            progress.keep(&number.to_string(), delivered.clone());
        }
        assert!(!progress.of("0").is_settled(&address), "the oldest makes room");
        assert!(progress.of("1").is_settled(&address));
        progress.forget("1");
        assert!(!progress.of("1").is_settled(&address));
    }
}
