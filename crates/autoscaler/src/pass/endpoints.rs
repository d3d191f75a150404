//! Where the replicas of a target are asked for their own metrics: what the target told of them, with what the metric says.

use std::{net::SocketAddr, num::NonZeroU16, sync::Arc};

use headroom_actuator::{ReplicaAddress, ReplicaEndpoint};
use headroom_cluster::NamedPort;
use headroom_metrics_source::{Endpoint, EndpointAddress};

use crate::{PodPort, ScrapeAddress, Scraped};

/// Who is asked, of `replicas` or beside them.
pub(super) fn endpoints(asked: &Scraped, replicas: &[ReplicaEndpoint]) -> Arc<[Endpoint]> {
    let of_target = |address: &dyn Fn(&ReplicaAddress) -> EndpointAddress| {
        let endpoint = |replica: &ReplicaEndpoint| Endpoint {
            id: Arc::clone(&replica.id),
            address: address(&replica.address),
            ready: replica.ready,
        };
        replicas.iter().map(endpoint).collect()
    };
    match asked {
        Scraped::Fixed(urls) => urls.iter().map(fixed).collect(),
        Scraped::Replicas => of_target(&own),
        Scraped::Pods { port, annotation } => of_target(&|address| on_port(address, port, *annotation)),
    }
}

/// A fixed endpoint: what answers there is the same replica each time, as far as anyone can tell.
fn fixed(url: &Arc<str>) -> Endpoint {
    Endpoint {
        id: Arc::clone(url),
        address: EndpointAddress::Url(Arc::clone(url)),
        ready: true,
    }
}

fn own(address: &ReplicaAddress) -> EndpointAddress {
    match address.url() {
        Some(url) => EndpointAddress::Url(Arc::clone(url)),
        None => EndpointAddress::Unknown("nothing says on which port it listens".into()),
    }
}

fn on_port(address: &ReplicaAddress, port: &PodPort, annotation: ScrapeAddress) -> EndpointAddress {
    let (ip, ports, instead) = match address {
        ReplicaAddress::Url(url) => return EndpointAddress::Url(Arc::clone(url)),
        ReplicaAddress::Pod {
            ip,
            ports,
            scrape_address,
        } => (ip, ports, scrape_address),
    };
    let found = match (annotation, instead, ip) {
        (ScrapeAddress::Honored, Some(instead), _) => on_this_machine(instead),
        (ScrapeAddress::Honored | ScrapeAddress::Ignored, _, Some(ip)) => {
            number(port, ports).map(|port| SocketAddr::new(*ip, port.get()))
        }
        (ScrapeAddress::Honored | ScrapeAddress::Ignored, _, None) => Err("has no address yet".to_owned()),
    };
    match found {
        Ok(address) => EndpointAddress::Url(format!("http://{address}").into()),
        Err(why) => EndpointAddress::Unknown(why.into()),
    }
}

/// The address in an annotation. Of other machines, whoever writes pods could have any server asked.
fn on_this_machine(annotation: &str) -> Result<SocketAddr, String> {
    let address = annotation.parse().ok();
    address
        .filter(|address: &SocketAddr| address.ip().is_loopback())
        .ok_or_else(|| {
            format!(
                "its annotation headroom.dev/scrape-address is `{annotation}`, which is no address of this machine with a \
                 port, such as 127.0.0.1:9090"
            )
        })
}

fn number(port: &PodPort, ports: &[NamedPort]) -> Result<NonZeroU16, String> {
    let name = match port {
        PodPort::Number(number) => return Ok(*number),
        PodPort::Named(name) => &**name,
    };
    if let Some(found) = ports.iter().find(|known| &*known.name == name) {
        return Ok(found.number);
    }
    let known: Vec<&str> = ports.iter().map(|port| &*port.name).collect();
    Err(match known.as_slice() {
        [] => format!("has no port called `{name}`: none of its containers gives a port a name"),
        known => format!("has no port called `{name}`, only {}", known.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(annotation: Option<&str>) -> ReplicaEndpoint {
        let port = |name: &str, number| NamedPort {
            name: name.into(),
            number: NonZeroU16::new(number).unwrap(),
        };
        ReplicaEndpoint {
            id: "uid".into(),
            address: ReplicaAddress::Pod {
                ip: Some("10.1.0.7".parse().unwrap()),
                ports: Arc::from([port("http", 8080), port("metrics", 9090)]),
                scrape_address: annotation.map(Arc::from),
            },
            ready: true,
        }
    }

    fn named(name: &str) -> PodPort {
        PodPort::Named(name.into())
    }

    #[track_caller]
    fn check(replica: &ReplicaEndpoint, port: PodPort, annotation: ScrapeAddress, expected: &str) {
        let asked = Scraped::Pods { port, annotation };
        let endpoints = endpoints(&asked, std::slice::from_ref(replica));
        let [endpoint] = &*endpoints else {
            panic!("{endpoints:?}")
        };
        let found = match &endpoint.address {
            EndpointAddress::Url(found) | EndpointAddress::Unknown(found) => found,
        };
        assert_eq!(&**found, expected);
    }

    #[test]
    fn a_pod_is_asked_at_its_own_address_on_the_port_of_the_metric() {
        let number = PodPort::Number(NonZeroU16::new(80).unwrap());
        check(&pod(None), number, ScrapeAddress::Ignored, "http://10.1.0.7:80");
        check(
            &pod(None),
            named("metrics"),
            ScrapeAddress::Ignored,
            "http://10.1.0.7:9090",
        );
        check(
            &pod(None),
            named("metrics"),
            ScrapeAddress::Honored,
            "http://10.1.0.7:9090",
        );
        let mut six = pod(None);
        if let ReplicaAddress::Pod { ip, .. } = &mut six.address {
            *ip = Some("fd00::7".parse().unwrap());
        }
        check(
            &six,
            named("http"),
            ScrapeAddress::Ignored,
            "http://[fd00::7]:8080",
        );
    }

    #[test]
    fn a_pod_that_cannot_be_asked_stays_among_those_that_do_not_answer() {
        check(
            &pod(None),
            named("admin"),
            ScrapeAddress::Ignored,
            "has no port called `admin`, only http, metrics",
        );
        let mut pending = pod(None);
        if let ReplicaAddress::Pod { ip, .. } = &mut pending.address {
            *ip = None;
        }
        check(
            &pending,
            named("http"),
            ScrapeAddress::Ignored,
            "has no address yet",
        );
    }

    #[test]
    fn an_annotation_counts_only_where_it_is_allowed_and_for_this_machine_alone() {
        let there = pod(Some("127.0.0.1:1234"));
        check(
            &there,
            named("metrics"),
            ScrapeAddress::Ignored,
            "http://10.1.0.7:9090",
        );
        check(
            &there,
            named("metrics"),
            ScrapeAddress::Honored,
            "http://127.0.0.1:1234",
        );
        for elsewhere in ["169.254.169.254:80", "metadata:80", "127.0.0.1"] {
            let expected = format!(
                "its annotation headroom.dev/scrape-address is `{elsewhere}`, which is no address of this machine with a \
                 port, such as 127.0.0.1:9090"
            );
            check(
                &pod(Some(elsewhere)),
                named("metrics"),
                ScrapeAddress::Honored,
                &expected,
            );
        }
    }
}
