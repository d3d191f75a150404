//! Through which proxy the environment wants a server to be reached, by the rules that kubectl follows.
//!
//! Source of the rules: Go's `http.ProxyFromEnvironment`, which client-go uses. `HTTPS_PROXY` is for servers that speak
//! TLS, `HTTP_PROXY` for the others; `NO_PROXY` names servers that are reached without; this machine always is.

use std::{env, net::IpAddr};

use http::Uri;

/// What the environment says of proxies.
#[derive(Clone, Debug, Default)]
pub(super) struct ProxySettings {
    https: Option<String>,
    http: Option<String>,
    exceptions: String,
}

/// A server as exceptions are held against it.
struct Server<'a> {
    host: &'a str,
    address: Option<IpAddr>,
    port: u16,
}

impl ProxySettings {
    /// Those of this process. The upper case goes before the lower.
    pub(super) fn of_this_process() -> Self {
        let variable = |name: &str| {
            let set = [name.to_owned(), name.to_lowercase()].map(|name| env::var(name).ok());
            set.into_iter().flatten().find(|value| !value.is_empty())
        };
        Self {
            https: variable("HTTPS_PROXY"),
            http: variable("HTTP_PROXY"),
            exceptions: variable("NO_PROXY").unwrap_or_default(),
        }
    }

    /// The URL of the proxy to `server`; `None`: none.
    pub(super) fn proxy(&self, server: &Uri) -> Option<String> {
        let is_tls = server.scheme_str() == Some("https");
        let proxy = if is_tls { &self.https } else { &self.http }.as_ref()?;
        let host = server.host()?.trim_start_matches('[').trim_end_matches(']');
        let server = Server {
            host,
            address: host.parse().ok(),
            port: server.port_u16().unwrap_or(if is_tls { 443 } else { 80 }),
        };
        if server.is_here() || self.exceptions.split(',').any(|one| server.is_meant(one.trim())) {
            return None;
        }
        Some(if proxy.contains("://") {
            proxy.clone()
        } else {
            format!("http://{proxy}")
        })
    }
}

impl Server<'_> {
    fn is_here(&self) -> bool {
        self.host == "localhost" || self.address.is_some_and(|address| address.is_loopback())
    }

    /// Whether one of the exceptions means it: an address, a network, or a domain with all below it, maybe with a port.
    fn is_meant(&self, exception: &str) -> bool {
        if exception == "*" {
            return true;
        }
        if let Some((network, length)) = exception.split_once('/') {
            return self
                .address
                .is_some_and(|address| is_within(address, network, length));
        }
        let (name, port) = with_port(exception);
        if name.is_empty() || port.is_some_and(|port| port != self.port) {
            return false;
        }
        if let Ok(address) = name.parse::<IpAddr>() {
            return self.address == Some(address);
        }
        let (name, host) = (name.to_ascii_lowercase(), self.host.to_ascii_lowercase());
        let below = name.strip_prefix('*').unwrap_or(&name);
        match below.strip_prefix('.') {
            // Only what is below it.
            Some(domain) => is_below(&host, domain),
            None => host == below || is_below(&host, below),
        }
    }
}

fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

/// The name or address, and the port where there is one.
fn with_port(text: &str) -> (&str, Option<u16>) {
    if let Some(address) = text.strip_prefix('[') {
        let (address, rest) = address.split_once(']').unwrap_or((address, ""));
        return (address, rest.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match text.split_once(':') {
        // More than one colon is an IPv6 address.
        Some((name, port)) if !port.contains(':') => (name, port.parse().ok()),
        Some(_) | None => (text, None),
    }
}

/// Whether `address` is in the network of `length` bits that `network` begins.
fn is_within(address: IpAddr, network: &str, length: &str) -> bool {
    let (Ok(network), Ok(length)) = (network.parse::<IpAddr>(), length.parse::<u32>()) else {
        return false;
    };
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let ((address, width), (network, other)) = (bits(address), bits(network));
    let mask = u128::MAX.checked_shl(128 - length.min(128)).unwrap_or(0);
    width == other && length <= width && address & mask == network & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(exceptions: &str, server: &str, is_proxied: bool) {
        let settings = ProxySettings {
            https: Some("http://proxy:3128".to_owned()),
            http: Some("plain:80".to_owned()),
            exceptions: exceptions.to_owned(),
        };
        let proxy = settings.proxy(&server.parse().unwrap());
        assert_eq!(
            proxy.is_some(),
            is_proxied,
            "{server} with NO_PROXY={exceptions}: {proxy:?}"
        );
    }

    #[test]
    fn exceptions_are_those_of_kubectl() {
        check("", "https://api.example:6443", true);
        check("*", "https://api.example:6443", false);
        for meant in [
            "api.example",
            "example",
            "*.example",
            ".example",
            "other, API.example",
            "api.example:6443",
        ] {
            check(meant, "https://api.example:6443", false);
        }
        for other in [
            "ample",
            ".api.example",
            "api.example:443",
            "api",
            "10.0.0.0/8",
            "proxy",
        ] {
            check(other, "https://api.example:6443", true);
        }
        for meant in [
            "10.1.2.3",
            "10.0.0.0/8",
            "10.1.2.3:443",
            "0.0.0.0/0",
            "10.1.2.3/32",
        ] {
            check(meant, "https://10.1.2.3", false);
        }
        for other in ["10.1.2.4", "10.2.0.0/16", "10.0.0.0/33", "::/0", "10.1.2.3:6443"] {
            check(other, "https://10.1.2.3", true);
        }
        check("fd00::/8", "https://[fd00::1]:6443", false);
        check("[fd00::1]:6443", "https://[fd00::1]:6443", false);
        check("fe80::/16", "https://[fd00::1]:6443", true);
    }

    #[test]
    fn this_machine_is_reached_without_a_proxy() {
        for here in [
            "https://localhost:6443",
            "https://127.0.0.1:6443",
            "https://[::1]:6443",
        ] {
            check("", here, false);
        }
    }

    #[test]
    fn each_scheme_has_its_own_and_a_proxy_without_a_scheme_is_one_of_http() {
        let settings = ProxySettings {
            https: None,
            http: Some("plain:80".to_owned()),
            exceptions: String::new(),
        };
        assert_eq!(settings.proxy(&"https://api.example".parse().unwrap()), None);
        assert_eq!(
            settings.proxy(&"http://api.example".parse().unwrap()).as_deref(),
            Some("http://plain:80")
        );
    }
}
