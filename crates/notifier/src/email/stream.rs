//! A connection on which nothing that came before the encryption is taken for what comes after it.
//!
//! What reads a server's answers reads ahead. Somebody in between could so put answers behind that to STARTTLS, in
//! plaintext, and have them count as the server's own under TLS. Here bytes are handed out singly until TLS begins: what
//! is too much then disturbs its handshake, which fails.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// The first byte of a handshake of TLS. No command of SMTP begins with it.
const HANDSHAKE: u8 = 0x16;

/// A connection that begins in plaintext.
#[derive(Debug)]
pub(super) struct CarefulStream {
    stream: TcpStream,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Plaintext,
    Tls,
}

impl CarefulStream {
    pub(super) const fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            phase: Phase::Plaintext,
        }
    }
}

impl AsyncRead for CarefulStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.phase == Phase::Tls {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let mut one = [0];
        let mut single = ReadBuf::new(&mut one);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut single))?;
        buffer.put_slice(single.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for CarefulStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.first() == Some(&HANDSHAKE) {
            self.phase = Phase::Tls;
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl AsyncTokioStream for CarefulStream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }
}
