//! Whether a replica can serve, asked on its port.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::table::Ready;
use crate::ReadyCheck;

/// How long a replica may take to answer. A replica that is busier than that is not one to send more work to.
const DEADLINE: Duration = Duration::from_secs(1);
/// The beginning of an answer, up to its status: `HTTP/1.1 200`.
const STATUS_LINE: usize = 12;

/// Asks the replica that lives and has this port.
pub(super) async fn ask(check: &ReadyCheck, port: u16) -> Ready {
    let asked = async {
        match check {
            ReadyCheck::Alive => true,
            ReadyCheck::Tcp => TcpStream::connect(("127.0.0.1", port)).await.is_ok(),
            ReadyCheck::Http { path } => status(path, port)
                .await
                .is_ok_and(|status| matches!(status, Some(200..=399))),
        }
    };
    match timeout(DEADLINE, asked).await {
        Ok(true) => Ready::Yes,
        Ok(false) | Err(_) => Ready::No,
    }
}

/// The status that a GET is answered with; `None` if the answer is not one of HTTP.
///
/// Spoken by hand: a client would bring proxies, pools and TLS to a question of one line to this machine.
async fn status(path: &str, port: u16) -> io::Result<Option<u16>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let slash = if path.starts_with('/') { "" } else { "/" };
    let request = format!(
        "GET {slash}{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: headroom\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut line = [0; STATUS_LINE];
    stream.read_exact(&mut line).await?;
    Ok(parse(&line))
}

fn parse(line: &[u8; STATUS_LINE]) -> Option<u16> {
    let (version, status) = str::from_utf8(line).ok()?.split_once(' ')?;
    if version.starts_with("HTTP/1.") {
        status.parse().ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_from_http_alone() {
        assert_eq!(parse(b"HTTP/1.1 204"), Some(204));
        assert_eq!(parse(b"HTTP/1.0 503"), Some(503));
        assert_eq!(parse(b"SSH-2.0-Open"), None);
        assert_eq!(parse(b"HTTP/1.1 20 "), None);
    }
}
