//! Prometheus servers and notification channels.

use std::collections::BTreeMap;

use super::{
    at::At,
    check::nearest,
    place::Place,
    problem::{Finding, ProblemKind, listed},
    raw::{RawFile, RawPrometheus},
    reader::{Reader, absent, conflict},
    words::{self, SecretText},
};
use crate::{Credentials, PrometheusSettings, Secret, TlsSettings};

/// The Prometheus servers by name. One with a problem is missing here, and still among the names.
#[derive(Debug, Default)]
pub(super) struct Servers {
    pub(super) settings: BTreeMap<String, PrometheusSettings>,
    /// The names with their places, in the order of the file.
    pub(super) names: Vec<At<String>>,
    /// The secrets of each server with their places, to be looked up by runs that need them.
    pub(super) secrets: BTreeMap<String, Vec<At<Secret>>>,
}

/// Who asks a Prometheus, for messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking<'a> {
    /// What asks, such as ``metric `cpu` ``.
    pub(super) what: &'a str,
    /// Where that stands.
    pub(super) place: Place,
    /// The key that says whom.
    pub(super) key: &'a str,
    /// Where it can be set.
    pub(super) in_tables: &'a str,
}

impl Servers {
    pub(super) fn read(raw: &RawFile, deadline: std::time::Duration, reader: &mut Reader<'_>) -> Self {
        let mut servers = Self::default();
        for (name, server) in raw.prometheus.iter().flat_map(|servers| &servers.0) {
            check_name("a Prometheus", name, reader);
            let mut secrets = Vec::new();
            if let Some(settings) = server_settings(name, server, deadline, &mut secrets, reader) {
                servers.settings.insert(name.value.clone(), settings);
            }
            servers.secrets.insert(name.value.clone(), secrets);
            servers.names.push(name.clone());
        }
        servers
    }

    /// The server that `source` names, or the only one.
    pub(super) fn choose(
        &self,
        source: Option<&At<String>>,
        metric: &At<String>,
        reader: &mut Reader<'_>,
    ) -> Option<String> {
        let whose = Asking {
            what: &format!("metric `{}`", metric.value),
            place: metric.place,
            key: "source",
            in_tables: "the metric, the workload or [defaults]",
        };
        self.choose_for(&whose, source, reader)
    }

    /// The server that `source` names, or the only one, for `whose` question.
    pub(super) fn choose_for(
        &self,
        whose: &Asking<'_>,
        source: Option<&At<String>>,
        reader: &mut Reader<'_>,
    ) -> Option<String> {
        let Asking {
            what,
            place,
            key,
            in_tables,
        } = *whose;
        let names = || self.names.iter().map(|name| name.value.as_str());
        match (source, self.names.as_slice()) {
            (Some(source), _) => self.check_known(source, reader).then(|| source.value.clone()),
            (None, [only]) => Some(only.value.clone()),
            (None, []) => {
                let message = format!("{what} asks a Prometheus, and there is none");
                let help = "add one: [prometheus.main] with url = \"http://prometheus:9090\"";
                reader.report(absent(message, place, help));
                None
            }
            (None, [first, ..]) => {
                let message = format!("{what} does not say which Prometheus it asks");
                let help = format!(
                    "set {key} = \"{}\" in {in_tables}; there are {}",
                    first.value,
                    listed(names())
                );
                reader.report(absent(message, place, help));
                None
            }
        }
    }

    /// Whether `source` is one of the servers; reports it otherwise.
    pub(super) fn check_known(&self, source: &At<String>, reader: &mut Reader<'_>) -> bool {
        let known = self.names.iter().any(|name| name.value == source.value);
        if !known {
            let message = format!("there is no Prometheus called `{}`", source.value);
            let names = self.names.iter().map(|name| name.value.as_str());
            reader.report(unknown_name(
                message,
                source,
                names,
                &format!("[prometheus.{}]", source.value),
            ));
        }
        known
    }
}

/// A name that nothing defines.
pub(super) fn unknown_name<'a>(
    message: String,
    name: &At<String>,
    known: impl Iterator<Item = &'a str> + Clone,
    table: &str,
) -> Finding {
    let finding = Finding::new(ProblemKind::UnknownName, message).at(name.place);
    finding.help(match nearest(&name.value, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.clone().count() == 1 => format!("there is only {}", listed(known)),
        None if known.clone().next().is_some() => format!("there are {}", listed(known)),
        None => format!("define it: {table}"),
    })
}

/// Names of servers, channels and metrics become labels and parts of messages, so they are plain words.
pub(super) fn check_name(what: &str, name: &At<String>, reader: &mut Reader<'_>) -> bool {
    let legal = |symbol: char| symbol.is_ascii_alphanumeric() || symbol == '_' || symbol == '-';
    let starts = name
        .value
        .starts_with(|symbol: char| symbol.is_ascii_alphabetic() || symbol == '_');
    let fine = starts && name.value.len() <= 63 && name.value.chars().all(legal);
    if !fine {
        let finding = Finding::new(
            ProblemKind::BadValue,
            format!("`{}` is no name for {what}", name.value),
        );
        reader.report(
            finding
                .at(name.place)
                .help("use letters, digits, _ and -, at most 63, a letter first"),
        );
    }
    fine
}

fn server_settings(
    name: &At<String>,
    raw: &RawPrometheus,
    deadline: std::time::Duration,
    secrets: &mut Vec<At<Secret>>,
    reader: &mut Reader<'_>,
) -> Option<PrometheusSettings> {
    let mut secret = |key: &str, text: Option<&At<SecretText>>, reader: &mut Reader<'_>| {
        let text = text?;
        let value = reader.secret(key, text)?;
        secrets.push(At {
            value: value.clone(),
            place: text.place,
        });
        Some(value)
    };
    let url = match &raw.url {
        Some(url) => reader.word(words::url(&url.value.0), url.place),
        None => {
            let message = format!("the Prometheus `{}` has no url", name.value);
            reader.report(absent(
                message,
                name.place,
                "set url = \"http://prometheus:9090\"",
            ));
            None
        }
    };
    let bearer = secret("bearer_token", raw.bearer_token.as_ref(), reader);
    let password = secret("password", raw.password.as_ref(), reader);
    let credentials = credentials(raw, bearer, password, reader);
    let mut headers = BTreeMap::new();
    for (header, text) in raw.headers.iter().flat_map(|headers| &headers.0) {
        check_header(header, reader);
        // A tenant's name is no secret; only headers that are known to carry one are remarked on.
        let value = if carries_secret(&header.value) {
            reader.secret(&header.value, text)
        } else {
            reader.place_of_secret(&header.value, &text.value.0, text.place)
        };
        headers.extend(value.map(|value| (header.value.clone(), value)));
    }
    let tls = TlsSettings {
        ca: pem(secret("ca", raw.ca.as_ref(), reader), raw.ca.as_ref(), reader),
        client_certificate: secret("client_certificate", raw.client_certificate.as_ref(), reader),
        client_key: secret("client_key", raw.client_key.as_ref(), reader),
    };
    if let (None, Some(key)) = (&raw.client_certificate, &raw.client_key) {
        reader.report(absent(
            "`client_key` without `client_certificate`",
            key.place,
            "set both",
        ));
    }
    let timeout = reader.span("timeout", raw.timeout.as_ref()).unwrap_or(deadline);
    let scrape_interval = reader.span("scrape_interval", raw.scrape_interval.as_ref());
    let max_concurrent = raw.max_concurrent.as_ref().and_then(|number| {
        let count = usize::try_from(number.value)
            .ok()
            .filter(|count| (1..=1000).contains(count));
        if count.is_none() {
            let message = format!("`max_concurrent` must be from 1 to 1000, not {}", number.value);
            let finding = Finding::new(ProblemKind::BadValue, message).at(number.place);
            reader.report(finding.help("write max_concurrent = 16"));
        }
        count
    });
    Some(PrometheusSettings {
        url: url?,
        credentials,
        headers,
        tls,
        timeout,
        max_concurrent: max_concurrent?,
        scrape_interval,
    })
}

/// A certificate is no secret, and hardly ever stands in the file; a bare path would be taken for one.
fn pem(secret: Option<Secret>, text: Option<&At<SecretText>>, reader: &mut Reader<'_>) -> Option<Secret> {
    if let (Some(Secret::Plain(plain)), Some(text)) = (&secret, text)
        && !plain.0.contains("-----BEGIN")
    {
        let finding = Finding::new(ProblemKind::BadValue, "`ca` is no certificate").at(text.place);
        reader.report(finding.help("write \"file:PATH\" with the path of a PEM file"));
        return None;
    }
    secret
}

fn credentials(
    raw: &RawPrometheus,
    bearer: Option<Secret>,
    password: Option<Secret>,
    reader: &mut Reader<'_>,
) -> Credentials {
    let bearer_at = raw.bearer_token.as_ref().map(|text| text.place);
    let basic_at = raw
        .username
        .as_ref()
        .map(|text| text.place)
        .or(raw.password.as_ref().map(|text| text.place));
    if let (Some(bearer), Some(basic)) = (bearer_at, basic_at) {
        let keys = [("bearer_token", bearer), ("username", basic)];
        reader.report(conflict(
            "a server is asked with one kind of credentials",
            &keys,
            "keep one of the two",
        ));
    }
    match (&raw.username, &raw.password) {
        (Some(username), None) => {
            reader.report(absent(
                "`username` without `password`",
                username.place,
                "set password = \"env:NAME\"",
            ));
        }
        (None, Some(password)) => {
            reader.report(absent(
                "`password` without `username`",
                password.place,
                "set username = \"NAME\"",
            ));
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
    match (bearer, &raw.username, password) {
        (Some(token), _, _) => Credentials::Bearer(token),
        (None, Some(username), Some(password)) => Credentials::Basic {
            username: username.value.clone(),
            password,
        },
        (None, _, _) => Credentials::None,
    }
}

fn check_header(name: &At<String>, reader: &mut Reader<'_>) {
    if !is_header_name(&name.value) {
        let message = format!("`{}` is no name for a header", name.value);
        let finding = Finding::new(ProblemKind::BadValue, message).at(name.place);
        reader.report(finding.help("write it as in HTTP: X-Scope-OrgID"));
    }
}

/// Whether HTTP takes `name` for a header.
pub(super) fn is_header_name(name: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(token)
}

/// Whether a header of this name is known to carry a secret.
pub(super) fn carries_secret(header: &str) -> bool {
    let header = header.to_ascii_lowercase();
    ["authorization", "cookie", "token", "key", "secret", "password"]
        .iter()
        .any(|word| header.contains(word))
}
