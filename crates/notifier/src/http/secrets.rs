//! What must not be said again, and how it is taken out of what others say.

use std::fmt;

use super::Address;

/// Parts of a URL that are shorter tell nothing, and would be found everywhere.
const SHORTEST_PART: usize = 4;

/// Texts that must not be said again.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Vec<String>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(hidden)")
    }
}

impl Secrets {
    /// Of these texts.
    pub(crate) fn of<const N: usize>(all: [&str; N]) -> Self {
        let mut secrets = Self::default();
        for secret in all {
            secrets.add(secret.trim());
        }
        secrets
    }

    fn add(&mut self, secret: &str) {
        if !secret.is_empty() {
            self.0.push(secret.to_owned());
        }
    }

    /// Also the whole of `address` and each part of it: servers and libraries cite them.
    pub(super) fn add_address(&mut self, address: &Address) {
        let url = address.url();
        self.add(url.as_str());
        let host = url.host_str().unwrap_or_default();
        let user = [url.username(), url.password().unwrap_or_default()];
        let parts = url.path().split('/').chain(url.query()).chain([host]).chain(user);
        for part in parts.filter(|part| part.len() >= SHORTEST_PART) {
            self.add(part);
        }
        // The longest first, of which others are parts.
        self.0.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    }

    /// `text` without any of them.
    pub(crate) fn hide(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| {
            text.replace(secret.as_str(), "(hidden)")
        })
    }
}
