//! A sign of life: one GET to a URL, so that an outside service notices when no more come.
//!
//! When there is one to give is not decided here: after each complete pass, and after none that was blind or failed.

use std::fmt;

use reqwest::{Method, header::HeaderMap};

use crate::{
    HttpOptions, HttpSetupError, SecretReader, SendError,
    http::{Http, Request, Secrets, Wanted, read_secret},
};

/// Where signs of life go.
#[derive(Clone, Debug)]
pub struct HeartbeatOptions {
    /// The URL, whose path mostly is its credential.
    pub url: SecretReader,
    /// How it is spoken to.
    pub http: HttpOptions,
}

/// Gives signs of life.
pub struct Heartbeat {
    url: SecretReader,
    http: Http,
}

impl fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heartbeat")
            .field("http", &self.http)
            .finish_non_exhaustive()
    }
}

impl Heartbeat {
    /// To the URL of `options`, which is read each time.
    ///
    /// # Errors
    /// When nothing could ever be sent.
    pub fn new(options: HeartbeatOptions) -> Result<Self, HttpSetupError> {
        Ok(Self {
            url: options.url,
            http: Http::new(&options.http)?,
        })
    }

    /// Gives one sign of life.
    ///
    /// # Errors
    /// When it was not taken, or it is not known whether it was. Never with anything secret in it.
    pub async fn beat(&self) -> Result<(), SendError> {
        let url = read_secret(&self.url, "the heartbeat's address")?;
        let request = Request {
            method: Method::GET,
            address: self.http.address(&url)?,
            headers: HeaderMap::new(),
            body: Vec::new(),
            secrets: Secrets::default(),
        };
        let answer = self
            .http
            .exchange(request, Wanted::Status, self.http.deadline())
            .await?;
        answer.judge()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{Act, Server};

    const PATH: &str = "/ping/s3cret-uuid";

    fn heartbeat(url: &str) -> Heartbeat {
        headroom_test_support::install_tls();
        let http = HttpOptions {
            allow_http: true,
            ..HttpOptions::default()
        };
        let url = SecretReader::fixed(url);
        Heartbeat::new(HeartbeatOptions { url, http }).unwrap()
    }

    #[tokio::test]
    async fn a_sign_of_life_is_one_get() {
        let server = Server::start(vec![Act::answer("200 OK", &[], "OK")]).await;
        heartbeat(&server.url(PATH)).beat().await.unwrap();
        let asked = server.asked();
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0].line, format!("GET {PATH}"));
        assert_eq!(asked[0].body, "");
    }

    #[tokio::test]
    async fn a_sign_that_is_not_taken_says_why_without_its_address() {
        for act in [
            Act::answer("404 Not Found", &[], PATH),
            Act::answer("500 Oops", &[], PATH),
            Act::answer("302 Found", &[("location", PATH)], ""),
            Act::HangUp,
        ] {
            let server = Server::start(vec![act]).await;
            let heartbeat = heartbeat(&server.url(PATH));
            let error = heartbeat.beat().await.unwrap_err();
            let said = format!("{heartbeat:?} {error:?} {error}");
            assert!(!said.contains("s3cret"), "{said}");
        }
    }
}
