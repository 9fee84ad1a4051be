//! Which addresses may be reached: public ones on the ports of the web, and the networks that the operator opened on every port.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket},
    sync::Arc,
};

/// The ports that may be called at public addresses.
const USUAL_PORTS: [u16; 2] = [80, 443];
/// The word for the others.
const ODD_PORT: &str = "a port other than 80 and 443";
/// The word for addresses of this machine.
const THIS_HOST: &str = "this host";

/// What is not public, by IANA's registries of special-purpose addresses, with the word that an error tells.
const BLOCKED_V4: &[(Ipv4Net, &str)] = &[
    (v4(0, 0, 0, 0, 8), THIS_HOST),
    (v4(10, 0, 0, 0, 8), "a private network"),
    (v4(100, 64, 0, 0, 10), "a carrier's private network"),
    (v4(127, 0, 0, 0, 8), THIS_HOST),
    (v4(169, 254, 0, 0, 16), "a link-local network"),
    (v4(172, 16, 0, 0, 12), "a private network"),
    (v4(192, 0, 0, 0, 24), "a reserved network"),
    (v4(192, 0, 2, 0, 24), "a network for documentation"),
    (v4(192, 88, 99, 0, 24), "a tunnel"),
    (v4(192, 168, 0, 0, 16), "a private network"),
    (v4(198, 18, 0, 0, 15), "a network for benchmarks"),
    (v4(198, 51, 100, 0, 24), "a network for documentation"),
    (v4(203, 0, 113, 0, 24), "a network for documentation"),
    (v4(224, 0, 0, 0, 3), "a multicast or reserved network"),
];

const BLOCKED_V6: &[(Ipv6Net, &str)] = &[
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 96), THIS_HOST),
    (v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96), "an IPv4 address in an IPv6 form"),
    (v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96), "an IPv4 address in an IPv6 form"),
    (v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), "a translated network"),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), "a translated network"),
    (v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64), "a reserved network"),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), "a tunnel or reserved network"),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), "a network for documentation"),
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), "a tunnel"),
    (v6([0x3ffe, 0, 0, 0, 0, 0, 0, 0], 16), "a reserved network"),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), "a network for documentation"),
    (v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16), "a reserved network"),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "a private network"),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "a link-local network"),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), "a private network"),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "a multicast network"),
];

/// All that is given to anybody in IPv6 today (IANA, IPv6 global unicast): what lies outside is not public, whatever it will be.
const GIVEN_V6: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// The block list, and what the operator took off it.
#[derive(Debug)]
pub(super) struct Rules {
    allow: Arc<[IpNet]>,
    ports: Vec<u16>,
    is_own: fn(IpAddr) -> bool,
}

impl Rules {
    pub(super) fn new(allow: Arc<[IpNet]>) -> Self {
        Self { allow, ports: USUAL_PORTS.to_vec(), is_own }
    }

    /// With more ports that everybody may call, so that a test's trap would be reached if only its address were passed.
    #[cfg(test)]
    pub(super) fn with_ports(mut self, ports: &[u16]) -> Self {
        self.ports.extend(ports);
        self
    }

    pub(super) fn is_usual(&self, port: u16) -> bool {
        self.ports.contains(&port)
    }

    /// Whether any address at all could pass with such a port.
    pub(super) fn check_port(&self, usual: bool) -> Result<(), &'static str> {
        if usual || !self.allow.is_empty() { Ok(()) } else { Err(ODD_PORT) }
    }

    /// The name of the rule that forbids `ip`, if one does.
    pub(super) fn check(&self, ip: IpAddr, usual_port: bool) -> Result<(), &'static str> {
        if self.allow.iter().any(|net| net.contains(&ip)) {
            // Who opens a translator does not open every private network behind it.
            return translated(ip).map_or(Ok(()), |inner| self.check(inner.into(), usual_port));
        }
        if !usual_port {
            return Err(ODD_PORT);
        }
        let rule = match ip {
            IpAddr::V4(ip) => BLOCKED_V4.iter().find(|(net, _)| net.contains(&ip)).map(|(_, rule)| *rule),
            IpAddr::V6(ip) => blocked_v6(ip),
        };
        match rule {
            Some(rule) => Err(rule),
            None if (self.is_own)(ip) => Err(THIS_HOST),
            None => Ok(()),
        }
    }
}

fn blocked_v6(ip: Ipv6Addr) -> Option<&'static str> {
    if let Some((_, rule)) = BLOCKED_V6.iter().find(|(net, _)| net.contains(&ip)) {
        return Some(rule);
    }
    if !GIVEN_V6.contains(&ip) {
        return Some("a reserved network");
    }
    // ISATAP (RFC 5214) puts an IPv4 address behind any prefix.
    matches!(ip.segments(), [_, _, _, _, 0 | 0x200, 0x5efe, _, _]).then_some("a tunnel")
}

/// The IPv4 address that a translator or a tunnel would reach for `ip`: v4-mapped, NAT64, 6to4, Teredo.
fn translated(ip: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(ip) = ip else { return None };
    let v4 = |high: u16, low: u16| Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match ip.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        [0x2001, 0, _, _, _, _, high, low] => v4(!high, !low),
        _ => None,
    }
}

/// Whether a public address is one of this machine's: then a datagram socket can be bound to it. Some machines may bind to anything
/// (`ip_nonlocal_bind`); an address that nobody has tells them.
fn is_own(ip: IpAddr) -> bool {
    let binds = |ip: IpAddr| UdpSocket::bind((ip, 0)).is_ok();
    let nobodys: IpAddr = match ip {
        IpAddr::V4(_) => Ipv4Addr::new(192, 0, 2, 1).into(),
        IpAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
    };
    binds(ip) && !binds(nobodys)
}

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}
const fn v6(s: [u16; 8], length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]), length)
}

#[cfg(test)]
mod tests {
    use super::is_own;

    #[test]
    fn the_machines_own_addresses_are_known() {
        assert!(is_own("127.0.0.1".parse().unwrap()));
        assert!(!is_own("1.1.1.1".parse().unwrap()));
        assert!(!is_own("192.0.2.1".parse().unwrap()), "nobody's");
    }
}
