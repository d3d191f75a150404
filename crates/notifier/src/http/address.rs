//! Where to send: a URL that may be spoken to, and that is not shown.

use std::{fmt, net::IpAddr};

use reqwest::Url;
use thiserror::Error;

use super::names::{Refused, refuse};

/// A URL that may be spoken to. Its path mostly is a credential, so it shows nothing of itself.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address(Url);

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(hidden)")
    }
}

/// Why a text is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum NotAddressed {
    #[error("the address is no URL: it has to begin with https://")]
    NoUrl,
    #[error(
        "the address begins with http://, and whoever is on the way could read along: use https://, or set allow_http = true"
    )]
    Unencrypted,
    #[error("{0}")]
    Refused(Refused),
}

impl Address {
    pub(super) fn parse(text: &str, allow_http: bool) -> Result<Self, NotAddressed> {
        let url = Url::parse(text.trim()).map_err(|_| NotAddressed::NoUrl)?;
        match url.scheme() {
            "https" => {}
            "http" if allow_http => {}
            "http" => return Err(NotAddressed::Unencrypted),
            _ => return Err(NotAddressed::NoUrl),
        }
        let host = url.host_str().ok_or(NotAddressed::NoUrl)?;
        // An address needs no looking up, so it is looked at here.
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>() {
            refuse(address).map_or(Ok(()), |why| Err(NotAddressed::Refused(why)))?;
        }
        Ok(Self(url))
    }

    /// The address with `path` behind its own, unless it ends so already.
    pub(crate) fn with_path(&self, path: &str) -> Self {
        let own = self.0.path().trim_end_matches('/');
        let mut url = self.0.clone();
        if !own.ends_with(path) {
            let longer = format!("{own}{path}");
            url.set_path(&longer);
        }
        Self(url)
    }

    pub(super) const fn url(&self) -> &Url {
        &self.0
    }

    pub(super) fn into_url(self) -> Url {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, allow_http: bool, expected: Result<&str, NotAddressed>) {
        let address = Address::parse(text, allow_http);
        let got = address.as_ref().map(|address| address.url().as_str());
        assert_eq!(got, expected.as_ref().map(|url| *url), "{text}");
    }

    #[test]
    fn what_is_encrypted_may_be_spoken_to() {
        check("https://example.com/x?y", false, Ok("https://example.com/x?y"));
        check(" https://example.com/x\n", false, Ok("https://example.com/x"));
        check("http://example.com/", true, Ok("http://example.com/"));
        check("http://example.com/", false, Err(NotAddressed::Unencrypted));
        check("HTTP://example.com/", false, Err(NotAddressed::Unencrypted));
        for text in [
            "",
            "example.com/x",
            "ftp://example.com/",
            "file:///etc/passwd",
            "https://",
        ] {
            check(text, true, Err(NotAddressed::NoUrl));
        }
    }

    #[test]
    fn addresses_at_which_nobody_receives_are_refused() {
        check("https://10.0.0.1/x", false, Ok("https://10.0.0.1/x"));
        check("https://[fd00::1]/x", false, Ok("https://[fd00::1]/x"));
        for host in [
            "169.254.169.254",
            "0.0.0.0",
            "224.0.0.1",
            "[fe80::1]",
            "[::ffff:169.254.169.254]",
            "2852039166",
        ] {
            let address = Address::parse(&format!("https://{host}/x"), false);
            assert!(matches!(address, Err(NotAddressed::Refused(_))), "{host}");
        }
    }

    #[test]
    fn nothing_of_it_is_shown() {
        let address = Address::parse("https://example.com/secret", false).unwrap();
        assert_eq!(format!("{address:?}"), "Address(hidden)");
    }

    #[test]
    fn a_path_is_added_once() {
        let at = |text: &str| {
            let address = Address::parse(text, false).unwrap();
            address.with_path("/api/v2/alerts").url().to_string()
        };
        assert_eq!(
            at("https://am.example.com"),
            "https://am.example.com/api/v2/alerts"
        );
        assert_eq!(
            at("https://am.example.com/am/?x=1"),
            "https://am.example.com/am/api/v2/alerts?x=1"
        );
        assert_eq!(
            at("https://am.example.com/api/v2/alerts"),
            "https://am.example.com/api/v2/alerts"
        );
    }
}
