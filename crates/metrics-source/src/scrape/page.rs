//! Reads one text of one replica, whole and within limits, and picks the samples that are wanted.

use std::{error::Error, sync::Arc, time::Duration};

use headroom_policy_engine::Timestamp;
use reqwest::{
    Client, Response,
    header::{ACCEPT, CONTENT_TYPE},
    redirect::Policy,
};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

use super::{ScrapeSetupError, Selector, lost::Lost};
use crate::exposition::{Entry, Exposition, Format, Samples};

/// Prometheus' own text first, because it is what most libraries were tested with.
const ACCEPTED: &str = "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.9,text/plain;version=0.0.4;q=0.8,\
    application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,*/*;q=0.1";

/// One text of one replica.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct PageKey {
    /// The replica's id.
    pub(super) replica: Arc<str>,
    pub(super) base_url: Arc<str>,
    pub(super) path: Arc<str>,
}

impl PageKey {
    pub(super) fn url(&self) -> String {
        let base = self.base_url.trim_end_matches('/');
        format!("{base}/{}", self.path.trim_start_matches('/'))
    }
}

/// Asks replicas over HTTP.
#[derive(Debug)]
pub(super) struct Pages {
    client: Client,
    max_body: usize,
}

impl Pages {
    pub(super) fn new(max_body: usize) -> Result<Self, ScrapeSetupError> {
        let client = Client::builder()
            .user_agent(concat!("headroom/", env!("CARGO_PKG_VERSION")))
            // A replica that points elsewhere would be counted as what it points to.
            .redirect(Policy::none())
            // Replicas are neighbours; what a proxy says is not what they say.
            .no_proxy()
            .build()
            .map_err(|error| ScrapeSetupError {
                reason: innermost(&error),
            })?;
        Ok(Self { client, max_body })
    }

    /// What each of `selectors` finds at `url`, in their order; samples without a timestamp were measured at `now`.
    pub(super) async fn read(
        &self,
        url: &str,
        selectors: &[&Selector],
        now: Timestamp,
        until: Instant,
        after: Duration,
    ) -> Result<Vec<Samples>, Lost> {
        let fetched = timeout_at(until, self.fetch(url)).await;
        let (text, format) = fetched.unwrap_or(Err(Lost::TimedOut { after }))?;
        pick(&text, format, selectors, now)
    }

    async fn fetch(&self, url: &str) -> Result<(Vec<u8>, Format), Lost> {
        let request = self.client.get(url).header(ACCEPT, ACCEPTED);
        let mut response = request.send().await.map_err(unreachable)?;
        if !response.status().is_success() {
            return Err(Lost::Rejected {
                status: response.status().as_u16(),
            });
        }
        let format = format(&response);
        let too_large = Lost::TooLarge { limit: self.max_body };
        let mut text = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if text.len() + chunk.len() > self.max_body {
                return Err(too_large);
            }
            text.extend_from_slice(&chunk);
        }
        Ok((text, format))
    }
}

fn format(response: &Response) -> Format {
    let content_type = response.headers().get(CONTENT_TYPE);
    Format::from_content_type(content_type.and_then(|value| value.to_str().ok()))
}

fn pick(text: &[u8], format: Format, selectors: &[&Selector], now: Timestamp) -> Result<Vec<Samples>, Lost> {
    let mut picked = vec![Samples::default(); selectors.len()];
    let mut exposition = Exposition::new(text, format);
    while let Some(entry) = exposition.next_entry()? {
        let Entry::Sample(sample) = entry else { continue };
        for (selector, samples) in selectors.iter().zip(&mut picked) {
            if selector.matches(&sample) {
                samples.add(&sample, now);
            }
        }
    }
    Ok(picked)
}

fn unreachable(error: reqwest::Error) -> Lost {
    Lost::Unreachable {
        reason: innermost(&error),
    }
}

/// The first cause: what the layers above it add is that they failed too.
fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
