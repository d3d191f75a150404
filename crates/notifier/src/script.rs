//! A server on this machine that answers as a script says, for tests.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What is done with one connection, once the request is there.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// These bytes are sent, and the connection is closed.
    Say(Vec<u8>),
    /// These bytes are sent, and nothing more ever.
    SayAndWait(Vec<u8>),
    /// The connection is closed before the request has been read.
    HangUp,
}

impl Act {
    /// A whole answer.
    pub(crate) fn answer(status: &str, headers: &[(&str, &str)], body: &str) -> Self {
        let more: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let length = body.len();
        let text = format!("HTTP/1.1 {status}\r\n{more}content-length: {length}\r\n\r\n{body}");
        Self::Say(text.into_bytes())
    }
}

/// What somebody asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// `POST /path`.
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// The server. Stops when it is dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Takes one connection for each of `acts`, in order, and then none.
    pub(crate) async fn start(acts: Vec<Act>) -> Self {
        headroom_test_support::install_tls();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            let mut waiting = Vec::new();
            for act in acts {
                let (stream, _) = listener.accept().await.unwrap();
                waiting.extend(serve(stream, act, &seen).await);
            }
            // Open for as long as the server is.
            std::future::pending::<()>().await;
        });
        Self { port, asked, task }
    }

    /// A URL of it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// What it was asked for, in order.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// Does `act` with one connection, which is given back where it stays open.
async fn serve(mut stream: TcpStream, act: Act, seen: &Mutex<Vec<Asked>>) -> Option<TcpStream> {
    if let Act::HangUp = act {
        return None;
    }
    let asked = read(&mut stream).await?;
    seen.lock().unwrap().push(asked);
    match act {
        Act::HangUp => None,
        Act::Say(bytes) => {
            stream.write_all(&bytes).await.ok()?;
            stream.shutdown().await.ok()?;
            None
        }
        Act::SayAndWait(bytes) => {
            stream.write_all(&bytes).await.ok()?;
            Some(stream)
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(chunk.get(..count)?);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let asked = parse(head, body);
        let length = asked
            .header("content-length")
            .and_then(|length| length.parse().ok());
        if body.len() >= length.unwrap_or(0_usize) {
            return Some(asked);
        }
    }
}

fn parse(head: &str, body: &str) -> Asked {
    let mut lines = head.lines();
    let line = lines.next().unwrap_or_default();
    Asked {
        line: line.trim_end_matches(" HTTP/1.1").to_owned(),
        headers: lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        body: body.to_owned(),
    }
}
