//! What must not be said again, and how it is taken out of what others say.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::percent_decode_str;

use super::Address;

/// Parts of a URL that are shorter tell nothing, and would be found everywhere.
const SHORTEST_PART: usize = 4;

/// Texts that must not be said again, the longest first: one may be a part of another.
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

    /// Of who logs in, as they stand there and as they are sent: by HTTP, and by PLAIN and LOGIN of SMTP.
    pub(crate) fn of_login(user: &str, password: &str) -> Self {
        let mut secrets = Self::default();
        secrets.add_login(user, password);
        secrets
    }

    fn add(&mut self, secret: &str) {
        if !secret.is_empty() {
            let place = self.0.partition_point(|known| known.len() >= secret.len());
            self.0.insert(place, secret.to_owned());
        }
    }

    fn add_login(&mut self, user: &str, password: &str) {
        let together = [format!("{user}:{password}"), format!("\0{user}\0{password}")];
        for sent in together.iter().map(String::as_str).chain([user, password]) {
            if !sent.is_empty() {
                self.add(&STANDARD.encode(sent));
            }
        }
        self.add(user);
        self.add(password);
    }

    /// Also the whole of `address` and each part of it, as it stands there and as it is read: servers and libraries cite
    /// them.
    pub(super) fn add_address(&mut self, address: &Address) {
        let url = address.url();
        self.add(url.as_str());
        let query = url.query().unwrap_or_default();
        let values = query.split('&').map(|pair| match pair.split_once('=') {
            Some((_, value)) => value,
            None => pair,
        });
        let host = url.host_str().unwrap_or_default();
        let parts = url.path().split('/').chain([query, host]).chain(values);
        for part in parts.chain(url.fragment()) {
            self.add_part(part);
            self.add_part(&decoded(part));
            self.add_part(&decoded(&part.replace('+', " ")));
        }
        let (user, password) = (url.username(), url.password().unwrap_or_default());
        if !(user.is_empty() && password.is_empty()) {
            self.add(user);
            self.add(password);
            self.add_login(&decoded(user), &decoded(password));
        }
    }

    fn add_part(&mut self, part: &str) {
        if part.len() >= SHORTEST_PART && !self.0.iter().any(|known| known == part) {
            self.add(part);
        }
    }

    /// `text` without any of them.
    pub(crate) fn hide(&self, text: &str) -> String {
        let mut hidden = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(char) = rest.chars().next() {
            if let Some(behind) = self
                .0
                .iter()
                .find_map(|secret| rest.strip_prefix(secret.as_str()))
            {
                hidden.push_str("(hidden)");
                rest = behind;
            } else {
                hidden.push(char);
                rest = rest.get(char.len_utf8()..).unwrap_or_default();
            }
        }
        hidden
    }
}

fn decoded(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, said: &str, expected: &str) {
        let mut secrets = Secrets::default();
        secrets.add_address(&Address::parse(url, true).unwrap());
        assert_eq!(secrets.hide(said), expected, "{said} of {url}");
    }

    #[test]
    fn parts_of_an_address_are_hidden_as_they_stand_there_and_as_they_are_read() {
        let url = "https://hooks.example.com/in/T0%2FSEC+RET?k=abc%20def+ghi&x=1&bare-token#frag-ment";
        check(url, "no hook at hooks.example.com", "no hook at (hidden)");
        check(url, "/in/T0%2FSEC+RET or T0/SEC+RET", "/in/(hidden) or (hidden)");
        check(url, "k is abc%20def+ghi", "k is (hidden)");
        check(url, "k is abc def ghi, x is 1", "k is (hidden), x is 1");
        check(url, "bare-token, frag-ment", "(hidden), (hidden)");
        check(url, url, "(hidden)");
    }

    #[test]
    fn who_logs_in_is_hidden_plain_and_as_it_is_sent() {
        let url = "https://ops:p%40ss@hooks.example.com/";
        check(url, "ops with p@ss (p%40ss)", "(hidden) with (hidden) ((hidden))");
        check(url, "Basic b3BzOnBAc3M= is wrong", "Basic (hidden) is wrong");
        check(
            "https://ops@hooks.example.com/",
            "Basic b3BzOg==",
            "Basic (hidden)",
        );
        let login = Secrets::of_login("ops", "p@ss");
        // As PLAIN and LOGIN of SMTP send it.
        assert_eq!(
            login.hide("AG9wcwBwQHNz b3Bz cEBzcw=="),
            "(hidden) (hidden) (hidden)"
        );
    }

    #[test]
    fn the_longest_is_hidden_first_and_nothing_twice() {
        let secrets = Secrets::of(["hid", "hidden-key", " "]);
        assert_eq!(secrets.hide("hidden-key hid 키"), "(hidden) (hidden) 키");
    }
}
