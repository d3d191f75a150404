//! Ports of 127.0.0.1: one to listen on, and one that refuses whoever asks.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use tokio::net::TcpSocket;

/// A port of 127.0.0.1 that was free a moment ago.
///
/// Another process may take it before it is used: whoever listens on it tries again with another one. Where nobody
/// shall listen, [`ClosedPort`] is the one to take.
///
/// # Panics
///
/// When the system has none.
#[expect(clippy::expect_used, reason = "without a port the test cannot run")]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("the address of a listener").port()
}

/// A port of 127.0.0.1 where connections are refused, and that nobody else is given, for as long as the value lives.
#[derive(Debug)]
pub struct ClosedPort {
    /// Bound, and never listening.
    socket: TcpSocket,
}

impl ClosedPort {
    /// One that the system picks.
    ///
    /// # Panics
    ///
    /// When the system has none.
    #[expect(
        clippy::new_without_default,
        clippy::expect_used,
        reason = "it takes a port of the system, without which the test cannot run"
    )]
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket
            .bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .expect("a port that is free");
        Self { socket }
    }

    /// Its number.
    ///
    /// # Panics
    ///
    /// Never: it is bound.
    #[expect(clippy::expect_used, reason = "a socket that is bound has an address")]
    pub fn port(&self) -> u16 {
        self.socket.local_addr().expect("it is bound").port()
    }

    /// Its address, such as `http://127.0.0.1:34567`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }
}

#[cfg(test)]
mod tests {
    use std::{io::ErrorKind, net::TcpStream};

    use super::*;

    #[test]
    fn a_closed_port_refuses_and_is_nobody_else_s() {
        let closed = ClosedPort::new();
        let address = (Ipv4Addr::LOCALHOST, closed.port());
        let refused = TcpStream::connect(address).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let taken = TcpListener::bind(address).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AddrInUse);
    }
}
