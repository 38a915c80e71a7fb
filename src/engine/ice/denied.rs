//! Addresses that nothing is ever sent to, whatever a peer says.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses of a peer are not used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Denied {
    /// Of this host and of its links, cloud metadata services among them.
    pub(crate) local: bool,
    /// Of private networks, of carriers' inner networks, and reserved ones; `local` with them.
    pub(crate) private: bool,
    /// An address and how many of its leading bits count.
    pub(crate) ranges: Vec<(IpAddr, u8)>,
}

impl Denied {
    pub(crate) fn denies(&self, ip: IpAddr) -> bool {
        let ip = inner(ip);
        ((self.local || self.private) && is_local(ip))
            || (self.private && is_private(ip))
            || self.ranges.iter().any(|range| is_in(ip, *range))
    }
}

/// What a NAT64 (RFC 6052) or 6to4 (RFC 3056) would make of it.
fn inner(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip.to_canonical() else {
        return ip.to_canonical();
    };
    let [a, b, c, d, _, _, g, h] = v6.segments();
    let v4 = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match (a, b) {
        (0x64, 0xff9b) => v4(g, h),
        (0x2002, _) => v4(b, c),
        (0, 0) if c == 0 && d == 0 && v6.to_ipv4().is_some() && v6 != Ipv6Addr::LOCALHOST => {
            v4(g, h)
        }
        _ => ip,
    }
}

/// RFC 6890: loopback, "this network", link-local (169.254.169.254 and fd00:ec2::254 are services
/// of clouds), multicast, broadcast.
fn is_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let [first, ..] = v4.octets();
            v4.is_loopback()
                || first == 0
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast()
        }
        IpAddr::V6(v6) => {
            let [a, b, ..] = v6.segments();
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_unicast_link_local()
                || v6.is_multicast()
                || (a, b) == (0xfd00, 0x0ec2)
        }
    }
}

/// RFC 6890: RFC 1918, RFC 6598, RFC 4193, benchmarks, documentation and what is reserved.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            v4.is_private()
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && (18..20).contains(&b))
                || v4.is_documentation()
                || a >= 240
        }
        IpAddr::V6(v6) => {
            let [a, b, ..] = v6.segments();
            let site_local = a & 0xffc0 == 0xfec0;
            v6.is_unique_local() || site_local || (a, b) == (0x2001, 0x0db8)
        }
    }
}

fn is_in(ip: IpAddr, (of, bits): (IpAddr, u8)) -> bool {
    let same = |a: u128, b: u128, width: u32| {
        let rest = width.saturating_sub(u32::from(bits));
        a.checked_shr(rest).unwrap_or(0) == b.checked_shr(rest).unwrap_or(0)
    };
    match (ip, of.to_canonical()) {
        (IpAddr::V4(ip), IpAddr::V4(of)) => same(u32::from(ip).into(), u32::from(of).into(), 32),
        (IpAddr::V6(ip), IpAddr::V6(of)) => same(ip.into(), of.into(), 128),
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn denied(denied: &Denied, all: &[&str]) -> Vec<bool> {
        all.iter()
            .map(|ip| denied.denies(ip.parse().unwrap()))
            .collect()
    }

    const LOCAL: [&str; 14] = [
        "127.0.0.1",
        "127.255.0.9",
        "0.0.0.0",
        "0.1.2.3",
        "169.254.169.254",
        "224.0.0.251",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "ff02::fb",
        "fd00:ec2::254",
        "::ffff:127.0.0.1",
        "64:ff9b::a9fe:a9fe",
    ];
    const PRIVATE: [&str; 11] = [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "192.0.0.8",
        "198.18.0.1",
        "240.0.0.1",
        "fd12::1",
        "::ffff:10.0.0.1",
        "::10.0.0.1",
        "2002:0a00:0001::1",
    ];
    const PUBLIC: [&str; 6] = [
        "8.8.8.8",
        "100.63.255.255",
        "172.32.0.1",
        "192.0.1.1",
        "2a00::1",
        "64:ff9b::808:808",
    ];

    #[test]
    fn each_level_denies_what_it_says() {
        let none = Denied::default();
        let local = Denied {
            local: true,
            ..Denied::default()
        };
        let private = Denied {
            private: true,
            ..Denied::default()
        };
        for (level, expected) in [
            (&none, [false, false, false]),
            (&local, [true, false, false]),
            (&private, [true, true, false]),
        ] {
            assert_eq!(denied(level, &LOCAL), [expected[0]; 14]);
            assert_eq!(denied(level, &PRIVATE), [expected[1]; 11]);
            assert_eq!(denied(level, &PUBLIC), [expected[2]; 6]);
        }
    }

    #[test]
    fn ranges_are_denied_by_their_leading_bits() {
        let range = |ip: &str, bits| Denied {
            ranges: vec![(ip.parse().unwrap(), bits)],
            ..Denied::default()
        };
        let of = |ip: &str, bits, asked: &str| range(ip, bits).denies(asked.parse().unwrap());
        assert!(of("8.8.0.0", 16, "8.8.4.4") && !of("8.8.0.0", 16, "8.9.4.4"));
        assert!(of("8.8.8.8", 32, "8.8.8.8") && !of("8.8.8.8", 32, "8.8.8.9"));
        assert!(of("0.0.0.0", 0, "8.8.8.8") && !of("0.0.0.0", 0, "2a00::1"));
        assert!(of("::", 0, "2a00::1") && of("2a00::", 12, "2a0f::1"));
        assert!(!of("2a00::", 12, "2a10::1") && of("8.8.8.8", 99, "8.8.8.8"));
    }
}
