//! The parser of the text formats against the real Prometheus: from the same text the same series, values and types,
//! and what Prometheus refuses is refused.
//!
//! `exposition/corpus` has one text in each file; `exposition/lines*.txt` one in each line, put between two good
//! ones. A name that ends in `.om.txt` is OpenMetrics. `<now>` and `<now-SECONDS>` become timestamps.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use headroom_metrics_source::exposition::{Entry, Exposition, Format, MetricKind, Samples};
use headroom_policy_engine::Timestamp;
use headroom_test_support::Prometheus;
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

/// One text, as it is served.
#[derive(Clone, Debug)]
struct Text {
    name: String,
    format: Format,
    bytes: Vec<u8>,
}

/// Series by their labels, with the value as text: NaN is equal to NaN there.
type Series = BTreeMap<BTreeMap<String, String>, String>;

/// What becomes of a text: nothing where it is refused.
#[derive(Debug, Default, PartialEq)]
struct Ingested {
    series: Series,
    /// The types that say something.
    types: BTreeMap<String, &'static str>,
}

/// Where Prometheus silently loses what follows, and we refuse the text.
const REFUSED_BY_US_ALONE: &str = "zero-byte-line.txt";

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/exposition")
}

fn format_of(name: &str) -> Format {
    if name.ends_with(".om.txt") {
        Format::OpenMetrics
    } else {
        Format::Prometheus
    }
}

fn dated(text: Vec<u8>, format: Format, now: Timestamp) -> Vec<u8> {
    let stamp = |before: i64| {
        let millis = now.unix_millis() - 1000 * before;
        match format {
            Format::Prometheus => millis.to_string(),
            Format::OpenMetrics => format!("{}.{:03}", millis / 1000, millis % 1000),
        }
    };
    match String::from_utf8(text) {
        Ok(text) => {
            let text = text.replace("<now>", &stamp(0));
            text.replace("<now-10>", &stamp(10))
                .replace("<now-20>", &stamp(20))
                .into_bytes()
        }
        Err(bytes) => bytes.into_bytes(),
    }
}

fn corpus(now: Timestamp) -> Vec<Text> {
    let files = fs::read_dir(directory().join("corpus")).unwrap();
    let mut texts: Vec<Text> = files
        .map(|file| {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let format = format_of(&name);
            let bytes = dated(fs::read(path).unwrap(), format, now);
            Text { name, format, bytes }
        })
        .collect();
    texts.sort_by(|one, other| one.name.cmp(&other.name));
    texts
}

/// Each line as a text of its own, after a good line and before another.
fn lines(file: &str, now: Timestamp) -> Vec<Text> {
    let format = format_of(file);
    let text = dated(fs::read(directory().join(file)).unwrap(), format, now);
    let text = String::from_utf8(text).unwrap();
    let end = match format {
        Format::Prometheus => "",
        Format::OpenMetrics => "# EOF\n",
    };
    text.lines()
        .map(|line| Text {
            name: format!("{file}: {line:?}"),
            format,
            bytes: format!("before 1\n{line}\nafter 2\n{end}").into_bytes(),
        })
        .collect()
}

/// Changes of good texts at random, always the same ones.
fn changed(now: Timestamp, count: usize) -> Vec<Text> {
    const PIECES: [&str; 24] = [
        " ", "\t", "\n", "{", "}", "\"", "\\", ",", "=", "#", ":", "1", "-", ".", "a", "e", "+Inf", "NaN",
        " # {", "é", "\r", "# TYPE ", "\"b\"", "# HELP ",
    ];
    let good: Vec<Text> = corpus(now)
        .into_iter()
        .filter(|text| ["labels.txt", "typical.txt", "typical.om.txt", "comments.txt"].contains(&&*text.name))
        .collect();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below).unwrap()).unwrap()
    };
    (0..count)
        .map(|number| {
            let origin = &good[random(good.len())];
            let text = std::str::from_utf8(&origin.bytes).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            // A few lines of it, so that one change decides about few others.
            let from = random(lines.len());
            let part = lines[from..lines.len().min(from + 3)].join("\n");
            let mut chars: Vec<String> = part.chars().map(String::from).collect();
            let place = random(chars.len() + 1);
            match random(3) {
                0 if place < chars.len() => {
                    chars.remove(place);
                }
                1 if place < chars.len() => PIECES[random(PIECES.len())].clone_into(&mut chars[place]),
                _ => chars.insert(place, PIECES[random(PIECES.len())].to_owned()),
            }
            let end = if origin.format == Format::OpenMetrics {
                "# EOF\n"
            } else {
                ""
            };
            Text {
                name: format!("change {number} of {}: {:?}", origin.name, chars.concat()),
                format: origin.format,
                bytes: format!("before 1\n{}\nafter 2\n{end}", chars.concat()).into_bytes(),
            }
        })
        .collect()
}

fn ours(text: &Text, now: Timestamp) -> Result<Ingested, String> {
    let mut exposition = Exposition::new(&text.bytes, text.format);
    let mut samples = Samples::default();
    let mut types = BTreeMap::new();
    while let Some(entry) = exposition.next_entry().map_err(|error| error.to_string())? {
        match entry {
            Entry::Sample(sample) => samples.add(&sample, now),
            Entry::Type { name, kind } => {
                types.insert(name.to_owned(), kind_name(kind));
            }
        }
    }
    types.retain(|_, kind| *kind != "unknown");
    // What is of the future, or older than it looks back, Prometheus does not show.
    let visible = |at: Timestamp| now.since(at).max(at.since(now)) < Duration::from_secs(200);
    let series = samples.iter().filter(|(_, measured)| visible(measured.at));
    let series = series.map(|(series, measured)| (labels(series), value(measured.value)));
    Ok(Ingested {
        series: series.collect(),
        types,
    })
}

fn kind_name(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Histogram => "histogram",
        MetricKind::GaugeHistogram => "gaugehistogram",
        MetricKind::Summary => "summary",
        MetricKind::Info => "info",
        MetricKind::StateSet => "stateset",
        MetricKind::Unknown => "unknown",
    }
}

/// The labels of a series as PromQL writes it.
fn labels(series: &str) -> BTreeMap<String, String> {
    let line = format!("{series} 0\n");
    let mut exposition = Exposition::new(line.as_bytes(), Format::Prometheus);
    let Ok(Some(Entry::Sample(sample))) = exposition.next_entry() else {
        panic!("{series} is no series");
    };
    let labels = sample.labels().iter();
    let mut labels = labels
        .map(|label| (label.name.to_string(), label.value.to_string()))
        .collect();
    without_spaces(&mut labels);
    labels
}

/// To Prometheus the spaces before a name are part of it, to us only those in quotes: without them it is the same.
fn without_spaces(labels: &mut BTreeMap<String, String>) {
    let name = labels.get_mut("__name__").unwrap();
    *name = name.trim_start_matches([' ', '\t']).to_owned();
}

fn value(value: f64) -> String {
    format!("{value:?}")
}

/// What Prometheus made of each text; nothing of those that it refused.
struct Oracle {
    server: Prometheus,
    client: reqwest::Client,
}

impl Oracle {
    async fn ingested(&self, job: &str) -> Option<Ingested> {
        let up = format!("up{{job=\"{job}\"}}");
        let up = self.server.wait_for_value(&up, |_| true).await;
        if up == 0.0 {
            return None;
        }
        let found = self.server.query(&format!("{{job=\"{job}\"}}")).await;
        let series = found.as_array().unwrap().iter().filter_map(series_of);
        Some(Ingested {
            series: series.collect(),
            types: self.types(job).await,
        })
    }

    async fn types(&self, job: &str) -> BTreeMap<String, &'static str> {
        let selector = format!("{{job=\"{job}\"}}");
        let url = format!("{}/api/v1/targets/metadata", self.server.url());
        let url = reqwest::Url::parse_with_params(&url, [("match_target", selector)]).unwrap();
        let body: Value = self.client.get(url).send().await.unwrap().json().await.unwrap();
        let all = body["data"].as_array().cloned().unwrap_or_default();
        let known = [
            MetricKind::Counter,
            MetricKind::Gauge,
            MetricKind::Histogram,
            MetricKind::GaugeHistogram,
            MetricKind::Summary,
            MetricKind::Info,
            MetricKind::StateSet,
        ];
        let kind = |name: &Value| known.map(kind_name).into_iter().find(|kind| name == kind);
        all.iter()
            .filter_map(|one| Some((one["metric"].as_str()?.to_owned(), kind(&one["type"])?)))
            .collect()
    }
}

/// A series of an answer without what the scrape added; nothing for those that only the scrape made.
fn series_of(found: &Value) -> Option<(BTreeMap<String, String>, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let metric = found["metric"].as_object().unwrap().iter();
    let mut labels: BTreeMap<String, String> =
        metric.map(|(name, value)| (name.clone(), text(value))).collect();
    labels.remove("job");
    labels.remove("instance");
    without_spaces(&mut labels);
    let name = &labels["__name__"];
    if name == "up" || name.starts_with("scrape_") {
        return None;
    }
    let number = text(&found["value"][1]);
    Some((labels, value(number.parse().unwrap())))
}

/// Serves text `N` at `/N`.
struct Texts(Arc<[Text]>);

impl Respond for Texts {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let number: usize = request.url.path().trim_start_matches('/').parse().unwrap();
        let text = &self.0[number];
        let kind = match text.format {
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        };
        ResponseTemplate::new(200).set_body_raw(text.bytes.clone(), kind)
    }
}

async fn oracle(texts: &Arc<[Text]>) -> (Oracle, MockServer) {
    headroom_test_support::install_tls();
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(Texts(Arc::clone(texts)))
        .mount(&server)
        .await;
    // Static targets: watching a file for each of hundreds of jobs is more than a machine may allow.
    let jobs: Vec<Value> = (0..texts.len())
        .map(|number| {
            json!({
                "job_name": format!("text{number}"),
                "metrics_path": format!("/{number}"),
                "static_configs": [{ "targets": [server.address().to_string()] }],
            })
        })
        .collect();
    let config = json!({
        "global": { "scrape_interval": "5s", "scrape_timeout": "5s" },
        "scrape_configs": jobs,
    });
    let oracle = Oracle {
        server: Prometheus::builder().config(&config.to_string()).start().await,
        client: reqwest::Client::new(),
    };
    (oracle, server)
}

async fn check(texts: Vec<Text>, now: Timestamp) {
    let texts: Arc<[Text]> = texts.into();
    let (oracle, _server) = oracle(&texts).await;
    let mut wrong = Vec::new();
    for (number, text) in texts.iter().enumerate() {
        let theirs = oracle.ingested(&format!("text{number}")).await;
        let ours = ours(text, now);
        let agreed = match (&ours, &theirs) {
            (Ok(ours), Some(theirs)) => ours == theirs,
            (Err(_), None) => true,
            (Err(_), Some(_)) => text.name == REFUSED_BY_US_ALONE,
            (Ok(_), None) => false,
        };
        if !agreed {
            wrong.push(format!("{}\n   ours: {ours:?}\n theirs: {theirs:?}", text.name));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        texts.len(),
        wrong.join("\n")
    );
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_unix_millis(since.as_millis().try_into().unwrap())
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn the_corpus_is_read_as_prometheus_reads_it() {
    let now = now();
    check(corpus(now), now).await;
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn single_lines_are_read_as_prometheus_reads_them() {
    let now = now();
    let mut texts = lines("lines.txt", now);
    texts.extend(lines("lines.om.txt", now));
    check(texts, now).await;
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn changed_texts_are_read_as_prometheus_reads_them() {
    let now = now();
    check(changed(now, 500), now).await;
}
