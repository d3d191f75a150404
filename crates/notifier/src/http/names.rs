//! From a name to the addresses that are connected to: looked up once for each connection, and looked at before.

use std::{fmt, io, net::IpAddr, net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;

/// Looks up names.
#[async_trait]
pub(super) trait Lookup: Send + Sync + 'static {
    /// The addresses of `name`.
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// As the system does.
pub(super) struct System;

#[async_trait]
impl Lookup for System {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((name, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// Why an address is not connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused(&'static str);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the address is {}, where nobody receives notices", self.0)
    }
}

/// Why `address` is not connected to; `None` where it may be. Private addresses may.
pub(super) fn refuse(address: IpAddr) -> Option<Refused> {
    let what = match address.to_canonical() {
        IpAddr::V4(v4) if v4.is_link_local() => "link-local, as that of a cloud's metadata is",
        IpAddr::V6(v6) if v6.is_unicast_link_local() => "link-local",
        address if address.is_unspecified() => "unspecified",
        address if address.is_multicast() => "one of many (multicast)",
        IpAddr::V4(v4) if v4.is_broadcast() => "that of everybody (broadcast)",
        IpAddr::V4(_) | IpAddr::V6(_) => return None,
    };
    Some(Refused(what))
}

/// Why a name leads nowhere.
#[derive(Debug, Error)]
enum NoWay {
    #[error("the name could not be looked up: {0}")]
    Lookup(String),
    #[error("the name has no address")]
    Nowhere,
    #[error("{0}")]
    Refused(Refused),
}

/// Hands on exactly the addresses that were looked at, which then are connected to without asking again.
pub(super) struct Pinned<L>(Arc<L>);

impl<L: Lookup> Pinned<L> {
    pub(super) fn new(lookup: L) -> Self {
        Self(Arc::new(lookup))
    }
}

impl<L: Lookup> Resolve for Pinned<L> {
    fn resolve(&self, name: Name) -> Resolving {
        let lookup = Arc::clone(&self.0);
        Box::pin(async move {
            let found = lookup.lookup(name.as_str()).await;
            let found = found.map_err(|error| NoWay::Lookup(error.to_string()))?;
            let (good, bad): (Vec<IpAddr>, Vec<IpAddr>) =
                found.into_iter().partition(|address| refuse(*address).is_none());
            if good.is_empty() {
                let why = bad.first().copied().and_then(refuse);
                return Err(why.map_or(NoWay::Nowhere, NoWay::Refused).into());
            }
            let addresses = good.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}
