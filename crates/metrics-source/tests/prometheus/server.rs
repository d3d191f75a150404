//! A server that answers as a test says, and does what no real one can be made to do.
//!
//! It blocks on threads of its own, so that it serves TLS by rustls alone, and tests may pause their clock.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

/// The time of evaluation in the answers made here, in seconds.
pub(crate) const TIME: f64 = 1_700_000_000.25;
/// Where an endless answer ends after all.
const ENDLESS: u64 = 100 * 1024 * 1024;

/// What came in.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// From the URL and the body.
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) headers: Vec<(String, String)>,
}

impl Request {
    pub(crate) fn query(&self) -> &str {
        self.parameter("query").unwrap_or_default()
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        find(&self.parameters, name)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }
}

fn find<'p>(pairs: &'p [(String, String)], name: &str) -> Option<&'p str> {
    let (_, value) = pairs.iter().find(|(key, _)| key == name)?;
    Some(value)
}

/// What goes out.
pub(crate) enum Reply {
    Whole {
        status: u16,
        content_type: &'static str,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    /// Promises more than it sends.
    BrokenOff(String),
    /// Sends without end, and without saying how much.
    Endless,
    /// Says how much it would be, in bytes, and waits.
    Announced(u64),
    /// Nothing, for as long as the other side waits.
    Silent,
    /// The beginning of a body, and then nothing.
    SilentAfter(String),
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::Whole {
            status,
            content_type: "application/json",
            headers: Vec::new(),
            body: body.to_string(),
        }
    }

    /// `data.result` of a query.
    pub(crate) fn result(kind: &str, result: &Value) -> Self {
        Self::json(
            200,
            &json!({ "status": "success", "data": { "resultType": kind, "result": result } }),
        )
    }

    /// A vector of one series.
    pub(crate) fn value(value: &str) -> Self {
        Self::by_job(&[("api", value)])
    }

    /// A vector of a series for each job.
    pub(crate) fn by_job(series: &[(&str, &str)]) -> Self {
        let series: Vec<Value> = series
            .iter()
            .map(|(job, value)| json!({ "metric": { "job": job }, "value": [TIME, value] }))
            .collect();
        Self::result("vector", &json!(series))
    }

    pub(crate) fn text(status: u16, content_type: &'static str, body: &str) -> Self {
        Self::Whole {
            status,
            content_type,
            headers: Vec::new(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn redirect(to: &str) -> Self {
        Self::Whole {
            status: 302,
            content_type: "text/plain",
            headers: vec![("location", to.to_owned())],
            body: String::new(),
        }
    }
}

type Handler = Box<dyn Fn(&Request) -> Reply + Send + Sync>;

struct Shared {
    handler: Handler,
    tls: Option<Arc<ServerConfig>>,
    requests: Mutex<Vec<Request>>,
    sent: AtomicU64,
    under_way: AtomicUsize,
    asked: AtomicUsize,
    most_asked: AtomicUsize,
    stopped: AtomicBool,
}

pub(crate) struct FakeServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl FakeServer {
    pub(crate) fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(Box::new(handler), None)
    }

    pub(crate) fn start_tls(
        tls: ServerConfig,
        handler: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(Box::new(handler), Some(Arc::new(tls)))
    }

    fn start_with(handler: Handler, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            handler,
            tls,
            requests: Mutex::default(),
            sent: AtomicU64::new(0),
            under_way: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            most_asked: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        });
        let server = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if server.stopped.load(SeqCst) {
                    return;
                }
                let server = Arc::clone(&server);
                thread::spawn(move || server.serve(stream));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.shared.tls.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// The queries that came in, sorted.
    pub(crate) fn queries(&self) -> Vec<String> {
        let mut queries: Vec<String> = self.requests().iter().map(|it| it.query().to_owned()).collect();
        queries.retain(|query| !query.is_empty());
        queries.sort();
        queries
    }

    /// How many bytes of bodies went out.
    pub(crate) fn sent(&self) -> u64 {
        self.shared.sent.load(SeqCst)
    }

    /// How many requests are being answered now.
    pub(crate) fn under_way(&self) -> usize {
        self.shared.under_way.load(SeqCst)
    }

    /// How many requests had no answer yet at once, at most.
    pub(crate) fn most_asked(&self) -> usize {
        self.shared.most_asked.load(SeqCst)
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.shared.stopped.store(true, SeqCst);
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
    }
}

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

impl Shared {
    fn serve(&self, stream: TcpStream) {
        // Whatever a test does, no thread waits for ever.
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let mut stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(stream),
            Some(tls) => {
                let connection = ServerConnection::new(Arc::clone(tls)).unwrap();
                Box::new(StreamOwned::new(connection, stream))
            }
        };
        let Some(request) = read_request(&mut stream) else {
            return;
        };
        self.requests.lock().unwrap().push(request.clone());
        self.under_way.fetch_add(1, SeqCst);
        let asked = self.asked.fetch_add(1, SeqCst) + 1;
        self.most_asked.fetch_max(asked, SeqCst);
        let reply = (self.handler)(&request);
        // Before the client has it, or the client's next request would be counted beside this one.
        self.asked.fetch_sub(1, SeqCst);
        // The client may have gone, which is no failure of the server.
        drop(self.reply(&mut stream, reply));
        self.under_way.fetch_sub(1, SeqCst);
        drop(stream.flush());
    }

    fn reply(&self, stream: &mut dyn Stream, reply: Reply) -> std::io::Result<()> {
        match reply {
            Reply::Whole {
                status,
                content_type,
                headers,
                body,
            } => {
                let extra: String = headers
                    .iter()
                    .map(|(name, value)| format!("{name}: {value}\r\n"))
                    .collect();
                write!(
                    stream,
                    "HTTP/1.1 {status} Whatever\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\
                     connection: close\r\n{extra}\r\n{body}",
                    body.len()
                )?;
            }
            Reply::BrokenOff(body) => {
                let promised = body.len() + 100;
                write!(
                    stream,
                    "HTTP/1.1 200 OK\r\ncontent-length: {promised}\r\n\r\n{body}"
                )?;
            }
            Reply::Endless => {
                write!(
                    stream,
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n"
                )?;
                let chunk = vec![b' '; 64 * 1024];
                while self.sent.load(SeqCst) < ENDLESS {
                    stream.write_all(&chunk)?;
                    self.sent.fetch_add(chunk.len() as u64, SeqCst);
                }
            }
            Reply::Announced(length) => {
                write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n")?;
                wait_for_end(stream)?;
            }
            Reply::Silent => wait_for_end(stream)?,
            Reply::SilentAfter(body) => {
                write!(
                    stream,
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len() + 100
                )?;
                wait_for_end(stream)?;
            }
        }
        stream.flush()
    }
}

/// Until the other side gives up.
fn wait_for_end(stream: &mut dyn Stream) -> std::io::Result<()> {
    stream.flush()?;
    let mut byte = [0];
    stream.read(&mut byte).map(drop)
}

fn read_request(stream: &mut Box<dyn Stream>) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length = find(&headers, "content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let text = format!("http://any/?{query}&{}", String::from_utf8(body).unwrap());
    let parameters = reqwest::Url::parse(&text).unwrap();
    let parameters = parameters
        .query_pairs()
        .into_owned()
        .filter(|(name, _)| !name.is_empty())
        .collect();
    Some(Request {
        method,
        path: path.to_owned(),
        parameters,
        headers,
    })
}
