//! The addresses of this host that may become host candidates.

use std::io;
use std::net::{IpAddr, Ipv6Addr};

/// More addresses than this (container hosts have hundreds of bridges) are ignored.
pub(crate) const MAX_ADDRESSES: usize = 32;

/// An address of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InterfaceAddress {
    pub(crate) ip: IpAddr,
    pub(crate) name: String,
    /// For the candidate's priority (RFC 8445 section 5.1.2.1); unique per address.
    pub(crate) local_preference: u16,
}

/// Which addresses to use besides the ordinary ones.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct InterfaceOptions {
    /// Loopback addresses too. Without this they are used only when there is nothing else.
    pub(crate) include_loopback: bool,
    /// IPv6 link-local addresses too. They need a scope, which signalling cannot carry.
    pub(crate) include_link_local: bool,
}

/// The usable addresses for a socket bound to `bound`: that one, or if it is unspecified those of
/// the interfaces that are up. `0.0.0.0` stands for IPv4 only, `[::]` for both families.
pub(crate) fn usable_addresses(
    bound: IpAddr,
    options: InterfaceOptions,
) -> io::Result<Vec<InterfaceAddress>> {
    if !bound.is_unspecified() {
        return Ok(select(
            vec![(bound, String::new())],
            bound,
            InterfaceOptions {
                include_loopback: true,
                include_link_local: true,
            },
        ));
    }
    let up = if_addrs::get_if_addrs()?
        .into_iter()
        .filter(|interface| interface.is_oper_up() || interface.is_loopback())
        .map(|interface| (interface.ip(), interface.name))
        .collect();
    Ok(select(up, bound, options))
}

fn select(
    mut found: Vec<(IpAddr, String)>,
    bound: IpAddr,
    options: InterfaceOptions,
) -> Vec<InterfaceAddress> {
    found.retain(|(ip, _)| {
        is_candidate_address(*ip)
            && (bound.is_ipv6() || ip.is_ipv4())
            && (options.include_link_local || !is_v6_link_local(*ip))
    });
    if !options.include_loopback && found.iter().any(|(ip, _)| !ip.is_loopback()) {
        found.retain(|(ip, _)| !ip.is_loopback());
    }
    // Real interfaces before loopback, then by name and address: the same host gives the same
    // order each time.
    found.sort_by(|(a_ip, a), (b_ip, b)| {
        (a_ip.is_loopback(), a, a_ip).cmp(&(b_ip.is_loopback(), b, b_ip))
    });
    found.dedup_by_key(|(ip, _)| *ip);

    // RFC 8421 section 4: one family must not be exhausted before the other is tried, so they
    // alternate, IPv6 first.
    let (v6, v4): (Vec<_>, Vec<_>) = found.into_iter().partition(|(ip, _)| ip.is_ipv6());
    let (mut v6, mut v4) = (v6.into_iter(), v4.into_iter());
    let mut order = Vec::new();
    loop {
        let before = order.len();
        order.extend(v6.next());
        order.extend(v4.next());
        if order.len() == before {
            break;
        }
    }
    order
        .into_iter()
        .take(MAX_ADDRESSES)
        .zip((0..=u16::MAX).rev())
        .map(|((ip, name), local_preference)| InterfaceAddress {
            ip,
            name,
            local_preference,
        })
        .collect()
}

/// RFC 8445 section 5.1.1.1: no IPv4-compatible or IPv4-mapped IPv6, no site-local addresses.
fn is_candidate_address(ip: IpAddr) -> bool {
    if ip.is_unspecified() || ip.is_multicast() {
        return false;
    }
    match ip {
        IpAddr::V4(ip) => !ip.is_broadcast(),
        IpAddr::V6(ip) => {
            let site_local = ip.segments()[0] & 0xffc0 == 0xfec0;
            let embeds_v4 = ip.to_ipv4().is_some() && ip != Ipv6Addr::LOCALHOST;
            !site_local && !embeds_v4
        }
    }
}

fn is_v6_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    const ANY: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

    fn list(addresses: &[(&str, &str)]) -> Vec<(IpAddr, String)> {
        addresses
            .iter()
            .map(|(ip, name)| (ip.parse().unwrap(), (*name).to_owned()))
            .collect()
    }

    fn ips(selected: &[InterfaceAddress]) -> Vec<String> {
        selected.iter().map(|a| a.ip.to_string()).collect()
    }

    #[test]
    fn unusable_addresses_are_left_out() {
        let found = list(&[
            ("127.0.0.1", "lo"),
            ("::1", "lo"),
            ("fe80::1", "eth0"),
            ("fec0::1", "eth0"),
            ("::10.0.0.1", "eth0"),
            ("::ffff:10.0.0.1", "eth0"),
            ("ff02::1", "eth0"),
            ("224.0.0.1", "eth0"),
            ("0.0.0.0", "eth0"),
            ("10.0.0.1", "eth0"),
        ]);
        let selected = select(found.clone(), ANY, InterfaceOptions::default());
        assert_eq!(ips(&selected), ["10.0.0.1"]);
        let all = InterfaceOptions {
            include_loopback: true,
            include_link_local: true,
        };
        let selected = select(found, ANY, all);
        assert_eq!(ips(&selected), ["fe80::1", "10.0.0.1", "::1", "127.0.0.1"]);
    }

    #[test]
    fn loopback_is_the_last_resort() {
        let found = list(&[("127.0.0.1", "lo"), ("::1", "lo"), ("fe80::1", "eth0")]);
        let selected = select(found.clone(), ANY, InterfaceOptions::default());
        assert_eq!(ips(&selected), ["::1", "127.0.0.1"]);
        let v4 = "0.0.0.0".parse().unwrap();
        let selected = select(found, v4, InterfaceOptions::default());
        assert_eq!(ips(&selected), ["127.0.0.1"]);
    }

    #[test]
    fn families_alternate_and_the_order_is_stable() {
        let found = list(&[
            ("10.0.1.1", "wlan0"),
            ("2001:db8::2", "wlan0"),
            ("10.0.0.1", "eth0"),
            ("2001:db8::1", "eth0"),
            ("10.0.0.1", "eth0"),
            ("10.0.2.1", "wlan1"),
        ]);
        let mut reversed = found.clone();
        reversed.reverse();
        let selected = select(found, ANY, InterfaceOptions::default());
        assert_eq!(
            ips(&selected),
            [
                "2001:db8::1",
                "10.0.0.1",
                "2001:db8::2",
                "10.0.1.1",
                "10.0.2.1"
            ]
        );
        assert_eq!(selected[0].local_preference, 65535);
        assert_eq!(selected[4].local_preference, 65531);
        assert_eq!(select(reversed, ANY, InterfaceOptions::default()), selected);
    }

    #[test]
    fn the_number_of_addresses_is_bounded() {
        let found = (0..=255u8)
            .map(|i| (IpAddr::from([10, 0, 0, i]), format!("br{i}")))
            .collect();
        assert_eq!(
            select(found, ANY, InterfaceOptions::default()).len(),
            MAX_ADDRESSES
        );
    }

    #[test]
    fn this_host_has_addresses_and_they_can_be_bound() {
        let addresses = usable_addresses(ANY, InterfaceOptions::default()).unwrap();
        assert!(!addresses.is_empty());
        for address in &addresses {
            std::net::UdpSocket::bind((address.ip, 0)).unwrap();
        }
        let one = "127.0.0.1".parse().unwrap();
        let addresses = usable_addresses(one, InterfaceOptions::default()).unwrap();
        assert_eq!(ips(&addresses), ["127.0.0.1"]);
    }
}
