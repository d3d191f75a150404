//! The Prometheus servers that triggers ask, each once.

use super::draft::{free_name, plain_name, quoted};

/// The servers in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Servers(Vec<Server>);

#[derive(Debug, PartialEq, Eq)]
struct Server {
    url: String,
    headers: Vec<(String, String)>,
}

impl Servers {
    /// The number of the server, which is new if there was none like it.
    pub(super) fn number(&mut self, url: String, headers: Vec<(String, String)>) -> usize {
        let server = Server { url, headers };
        self.0
            .iter()
            .position(|known| *known == server)
            .unwrap_or_else(|| {
                self.0.push(server);
                self.0.len() - 1
            })
    }

    /// Their names: `main` where there is one, otherwise after their hosts.
    pub(super) fn names(&self) -> Vec<String> {
        if let [_] = self.0.as_slice() {
            return vec!["main".to_owned()];
        }
        let mut names: Vec<String> = Vec::new();
        for server in &self.0 {
            let host = server.url.split("://").nth(1).unwrap_or_default();
            let label = host.split(['.', ':', '/']).next().unwrap_or_default();
            let plain = plain_name(label, "prometheus");
            let name = free_name(&plain, |name| names.iter().any(|other| other == name));
            names.push(name);
        }
        names
    }

    /// Their tables.
    pub(super) fn toml(&self) -> String {
        let mut text = String::new();
        for (server, name) in self.0.iter().zip(self.names()) {
            text.push_str(&format!("\n[prometheus.{name}]\nurl = {}\n", quoted(&server.url)));
            if !server.headers.is_empty() {
                let headers = server.headers.iter();
                let headers: Vec<String> = headers
                    .map(|(header, value)| format!("{} = {}", quoted(header), quoted(value)))
                    .collect();
                text.push_str(&format!("headers = {{ {} }}\n", headers.join(", ")));
            }
        }
        text
    }
}
