//! Where a process listens, by the kernel's word.

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// The addresses on which a process listens for TCP.
pub(crate) fn listening(pid: u32) -> Vec<SocketAddr> {
    let own: BTreeSet<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| {
            let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(inode.to_owned())
        })
        .collect();
    let mut found = Vec::new();
    for table in ["tcp", "tcp6"] {
        let text = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        for line in text.lines().skip(1) {
            let columns: Vec<&str> = line.split_whitespace().collect();
            // The fourth is the state, of which 0A is listening; the tenth is the inode.
            if columns[3] == "0A" && own.contains(columns[9]) {
                found.push(address(columns[1]));
            }
        }
    }
    found
}

/// Reads the kernel's notation: words of the address in the machine's order of bytes, then the port.
fn address(text: &str) -> SocketAddr {
    let (ip, port) = text.split_once(':').unwrap();
    let words: Vec<[u8; 4]> = (0..ip.len())
        .step_by(8)
        .map(|at| u32::from_str_radix(&ip[at..at + 8], 16).unwrap().to_ne_bytes())
        .collect();
    let ip: IpAddr = match words.as_slice() {
        [word] => Ipv4Addr::from(*word).into(),
        words => Ipv6Addr::from(<[u8; 16]>::try_from(words.concat()).unwrap()).to_canonical(),
    };
    SocketAddr::new(ip, u16::from_str_radix(port, 16).unwrap())
}
