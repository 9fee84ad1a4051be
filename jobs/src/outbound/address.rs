//! Which addresses may be reached: public ones, and the networks that the operator opened.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

/// What is not public, by IANA's registries of special-purpose addresses, with the word that an error tells.
const BLOCKED_V4: &[(Ipv4Net, &str)] = &[
    (v4(0, 0, 0, 0, 8), "this host"),
    (v4(10, 0, 0, 0, 8), "a private network"),
    (v4(100, 64, 0, 0, 10), "a carrier's private network"),
    (v4(127, 0, 0, 0, 8), "this host"),
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
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 96), "this host"),
    (v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96), "an IPv4 address in an IPv6 form"),
    (v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), "a translated network"),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), "a translated network"),
    (v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64), "a reserved network"),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), "a tunnel or reserved network"),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), "a network for documentation"),
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), "a tunnel"),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), "a network for documentation"),
    (v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16), "a reserved network"),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "a private network"),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "a link-local network"),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), "a private network"),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "a multicast network"),
];

/// The block list, and what the operator took off it.
#[derive(Debug)]
pub(super) struct Rules {
    allow: Arc<[IpNet]>,
}

impl Rules {
    pub(super) fn new(allow: Arc<[IpNet]>) -> Self {
        Self { allow }
    }
    /// The name of the rule that forbids `ip`, if one does.
    pub(super) fn check(&self, ip: IpAddr) -> Result<(), &'static str> {
        if self.allow.iter().any(|net| net.contains(&ip)) {
            return Ok(());
        }
        let rule = match ip {
            IpAddr::V4(ip) => BLOCKED_V4.iter().find(|(net, _)| net.contains(&ip)).map(|(_, rule)| *rule),
            IpAddr::V6(ip) => BLOCKED_V6.iter().find(|(net, _)| net.contains(&ip)).map(|(_, rule)| *rule),
        };
        rule.map_or(Ok(()), Err)
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}
const fn v6(s: [u16; 8], length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]), length)
}
