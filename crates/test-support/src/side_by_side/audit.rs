//! What the API server's audit log says of each scaler: what it wrote, and what it asked.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::MicroTime, jiff};
use serde::Deserialize;

use super::{Scaler, Write};

/// Whose requests belong to which scaler.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) scaler: Scaler,
    /// As the API server calls it.
    pub(super) user: String,
    pub(super) namespace: String,
}

/// How often each scaler asked what.
pub(super) type Requests = BTreeMap<Scaler, BTreeMap<String, u32>>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    verb: String,
    #[serde(rename = "requestURI", default)]
    request_uri: String,
    user: User,
    #[serde(default)]
    object_ref: Object,
    stage_timestamp: MicroTime,
    response_status: Option<Status>,
    request_object: Option<Scale>,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Object {
    resource: String,
    api_group: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Deserialize)]
struct Status {
    code: u16,
}

#[derive(Deserialize)]
struct Scale {
    spec: Option<ScaleSpec>,
}

#[derive(Deserialize)]
struct ScaleSpec {
    replicas: Option<u32>,
}

/// What happened between `started` and so long after it. Nothing is known without a log.
pub(super) fn read(
    log: &Path,
    started: SystemTime,
    took: Duration,
    accounts: &[Account],
) -> (Vec<Write>, Requests) {
    let text = fs::read_to_string(log).unwrap_or_default();
    let mut writes = Vec::new();
    let mut requests = Requests::new();
    // A line that is being written is not whole, and later than all that is asked for.
    for event in text
        .lines()
        .filter_map(|line| serde_json::from_str::<Event>(line).ok())
    {
        let Some(account) = accounts
            .iter()
            .find(|account| account.user == event.user.username)
        else {
            continue;
        };
        let Some(at) = since(started, event.stage_timestamp.0).filter(|at| *at <= took) else {
            continue;
        };
        let asked = requests.entry(account.scaler).or_default();
        *asked.entry(event.what()).or_default() += 1;
        writes.extend(event.write(account, at));
    }
    writes.sort_by_key(|write: &Write| write.at);
    (writes, requests)
}

impl Event {
    /// What was asked, such as `list pods.metrics.k8s.io` or `get /apis`.
    fn what(&self) -> String {
        let Object {
            resource,
            subresource,
            api_group,
            ..
        } = &self.object_ref;
        if resource.is_empty() {
            let path = self.request_uri.split('?').next().unwrap_or_default();
            return format!("{} {path}", self.verb);
        }
        let of_group = |name: &str, mark: &str| {
            if name.is_empty() {
                String::new()
            } else {
                format!("{mark}{name}")
            }
        };
        let group = of_group(api_group, ".");
        let subresource = of_group(subresource, "/");
        format!("{} {resource}{group}{subresource}", self.verb)
    }

    /// The count that was written, if one was.
    fn write(self, account: &Account, at: Duration) -> Option<Write> {
        let is_write = matches!(self.verb.as_str(), "update" | "patch")
            && self.object_ref.subresource == "scale"
            && self.object_ref.namespace == account.namespace
            && self.response_status.is_some_and(|status| status.code < 300);
        let replicas = self.request_object.filter(|_| is_write)?.spec?.replicas?;
        Some(Write {
            at,
            scaler: account.scaler,
            pair: self.object_ref.name.strip_prefix("pair-")?.parse().ok()?,
            replicas,
        })
    }
}

fn since(started: SystemTime, at: jiff::Timestamp) -> Option<Duration> {
    SystemTime::from(at).duration_since(started).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = r#"
{"verb":"update","user":{"username":"hpa"},"objectRef":{"resource":"deployments","apiGroup":"apps","namespace":"hpa-0","name":"pair-1","subresource":"scale"},"responseStatus":{"code":200},"requestObject":{"spec":{"replicas":6}},"stageTimestamp":"2026-11-26T10:00:05.500000Z"}
{"verb":"update","user":{"username":"hpa"},"objectRef":{"resource":"deployments","apiGroup":"apps","namespace":"hpa-0","name":"pair-1","subresource":"scale"},"responseStatus":{"code":409},"requestObject":{"spec":{"replicas":7}},"stageTimestamp":"2026-11-26T10:00:06.000000Z"}
{"verb":"list","user":{"username":"hpa"},"objectRef":{"resource":"pods","namespace":"hpa-0"},"responseStatus":{"code":200},"stageTimestamp":"2026-11-26T10:00:07.000000Z"}
{"verb":"get","requestURI":"/apis?timeout=5s","user":{"username":"hpa"},"responseStatus":{"code":200},"stageTimestamp":"2026-11-26T10:00:08.000000Z"}
{"verb":"list","user":{"username":"hpa"},"objectRef":{"resource":"pods","namespace":"hpa-0"},"responseStatus":{"code":200},"stageTimestamp":"2026-11-26T10:01:07.000000Z"}
{"verb":"list","user":{"username":"other"},"objectRef":{"resource":"pods","namespace":"hpa-0"},"responseStatus":{"code":200},"stageTimestamp":"2026-11-26T10:00:07.000000Z"}
{"verb":"#;

    #[test]
    fn what_was_refused_or_is_too_late_or_of_others_does_not_count() {
        let folder = crate::temp_dir();
        let path = folder.path().join("audit.log");
        fs::write(&path, LOG.trim_start()).unwrap();
        let account = Account {
            scaler: Scaler::Hpa,
            user: "hpa".to_owned(),
            namespace: "hpa-0".to_owned(),
        };
        let started: jiff::Timestamp = "2026-11-26T10:00:00Z".parse().unwrap();
        let (writes, requests) = read(&path, started.into(), Duration::from_secs(60), &[account]);
        let write = Write {
            at: Duration::from_millis(5500),
            scaler: Scaler::Hpa,
            pair: 1,
            replicas: 6,
        };
        assert_eq!(writes, [write]);
        let expected = BTreeMap::from([
            ("get /apis".to_owned(), 1),
            ("list pods".to_owned(), 1),
            ("update deployments.apps/scale".to_owned(), 2),
        ]);
        assert_eq!(requests, BTreeMap::from([(Scaler::Hpa, expected)]));
    }
}
