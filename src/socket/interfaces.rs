//! The addresses of this host that may become host candidates.

mod way_out;

use std::io;
use std::net::{IpAddr, Ipv6Addr};

use way_out::WayOut;

/// More addresses than this (container hosts have hundreds of bridges) are ignored: the ones that
/// are the least likely to lead out.
pub(crate) const MAX_ADDRESSES: usize = 32;

/// An address of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InterfaceAddress {
    pub(crate) ip: IpAddr,
    pub(crate) name: String,
    /// For the candidate's priority (RFC 8445 section 5.1.2.1); unique per address.
    pub(crate) local_preference: u16,
    /// The default route begins here.
    pub(crate) leads_out: bool,
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
/// the interfaces that are up and admitted. `0.0.0.0` stands for IPv4 only, `[::]` for both families.
pub(crate) fn usable_addresses(
    bound: IpAddr,
    options: InterfaceOptions,
    admits: impl Fn(&str, IpAddr) -> bool,
) -> io::Result<Vec<InterfaceAddress>> {
    if !bound.is_unspecified() {
        return Ok(select(
            vec![Found::new(bound, String::new(), WayOut::Default)],
            bound,
            InterfaceOptions {
                include_loopback: true,
                include_link_local: true,
            },
        ));
    }
    let defaults = way_out::default_addresses();
    let up = if_addrs::get_if_addrs()?
        .into_iter()
        .filter(|interface| interface.is_oper_up() || interface.is_loopback())
        .filter(|interface| admits(&interface.name, interface.ip()))
        .map(|interface| {
            let way = if defaults.contains(&interface.ip()) {
                WayOut::Default
            } else {
                way_out::classify(&interface.name, interface.index)
            };
            Found::new(interface.ip(), interface.name, way)
        })
        .collect();
    Ok(select(up, bound, options))
}

/// All that decides on which addresses are used, to be compared.
pub(crate) fn snapshot() -> io::Result<Vec<(IpAddr, String, bool)>> {
    let defaults = way_out::default_addresses();
    let all = if_addrs::get_if_addrs()?.into_iter();
    let mut all: Vec<_> = all
        .filter(|interface| interface.is_oper_up() || interface.is_loopback())
        .map(|interface| {
            let default = defaults.contains(&interface.ip());
            (interface.ip(), interface.name, default)
        })
        .collect();
    all.sort();
    Ok(all)
}

struct Found {
    ip: IpAddr,
    name: String,
    way: WayOut,
}

impl Found {
    fn new(ip: IpAddr, name: String, way: WayOut) -> Self {
        Self { ip, name, way }
    }

    /// Real interfaces before loopback, what leads out before what does not, then by name and
    /// address: the same host gives the same order each time.
    fn order(&self) -> (bool, WayOut, &str, IpAddr) {
        (self.ip.is_loopback(), self.way, &self.name, self.ip)
    }
}

fn select(
    mut found: Vec<Found>,
    bound: IpAddr,
    options: InterfaceOptions,
) -> Vec<InterfaceAddress> {
    found.retain(|Found { ip, .. }| {
        is_candidate_address(*ip)
            && (bound.is_ipv6() || ip.is_ipv4())
            && (options.include_link_local || !is_v6_link_local(*ip))
    });
    if !options.include_loopback && found.iter().any(|one| !one.ip.is_loopback()) {
        found.retain(|one| !one.ip.is_loopback());
    }
    found.sort_by(|a, b| a.order().cmp(&b.order()));
    found.dedup_by_key(|one| one.ip);

    // RFC 8421 section 4: one family must not be exhausted before the other is tried, so they
    // alternate, IPv6 first.
    let (v6, v4): (Vec<_>, Vec<_>) = found.into_iter().partition(|one| one.ip.is_ipv6());
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
        .map(|(one, local_preference)| InterfaceAddress {
            ip: one.ip,
            name: one.name,
            local_preference,
            leads_out: one.way == WayOut::Default,
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

    fn list(addresses: &[(&str, &str)]) -> Vec<Found> {
        let found = |(ip, name): &(&str, &str)| {
            let way = way_out::classify(name, None);
            Found::new(ip.parse().unwrap(), (*name).to_owned(), way)
        };
        addresses.iter().map(found).collect()
    }

    fn ips(selected: &[InterfaceAddress]) -> Vec<String> {
        selected.iter().map(|a| a.ip.to_string()).collect()
    }

    #[test]
    fn unusable_addresses_are_left_out() {
        let found = [
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
        ];
        let selected = select(list(&found), ANY, InterfaceOptions::default());
        assert_eq!(ips(&selected), ["10.0.0.1"]);
        let all = InterfaceOptions {
            include_loopback: true,
            include_link_local: true,
        };
        let selected = select(list(&found), ANY, all);
        assert_eq!(ips(&selected), ["fe80::1", "10.0.0.1", "::1", "127.0.0.1"]);
    }

    #[test]
    fn loopback_is_the_last_resort() {
        let found = [("127.0.0.1", "lo"), ("::1", "lo"), ("fe80::1", "eth0")];
        let selected = select(list(&found), ANY, InterfaceOptions::default());
        assert_eq!(ips(&selected), ["::1", "127.0.0.1"]);
        let v4 = "0.0.0.0".parse().unwrap();
        let selected = select(list(&found), v4, InterfaceOptions::default());
        assert_eq!(ips(&selected), ["127.0.0.1"]);
    }

    #[test]
    fn families_alternate_and_the_order_is_stable() {
        let found = [
            ("10.0.1.1", "wlan0"),
            ("2001:db8::2", "wlan0"),
            ("10.0.0.1", "eth0"),
            ("2001:db8::1", "eth0"),
            ("10.0.0.1", "eth0"),
            ("10.0.2.1", "wlan1"),
        ];
        let mut reversed = found;
        reversed.reverse();
        let selected = select(list(&found), ANY, InterfaceOptions::default());
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
        let reversed = select(list(&reversed), ANY, InterfaceOptions::default());
        assert_eq!(reversed, selected);
    }

    /// The default route first, then network cards, then bridges and tunnels.
    #[test]
    fn r_c14_what_leads_out_comes_first_and_is_never_left_out() {
        let bridges = (0..100u8).map(|i| (format!("172.16.{i}.1"), format!("br-{i:02}")));
        let others = [
            ("10.8.0.2", "tun0"),
            ("10.0.0.9", "wlan0"),
            ("10.0.0.5", "zeth0"),
        ];
        let others = others.map(|(ip, name)| (ip.to_owned(), name.to_owned()));
        let all: Vec<_> = bridges.chain(others).collect();
        let all: Vec<_> = all.iter().map(|(ip, name)| (&**ip, &**name)).collect();
        let mut found = list(&all);
        for one in found.iter_mut().filter(|one| one.name == "zeth0") {
            one.way = WayOut::Default;
        }
        let selected = select(found, ANY, InterfaceOptions::default());
        assert_eq!(ips(&selected)[..3], ["10.0.0.5", "10.0.0.9", "172.16.0.1"]);
        assert_eq!(selected.len(), MAX_ADDRESSES);
    }

    #[test]
    fn the_number_of_addresses_is_bounded() {
        let found = (0..=255u8)
            .map(|i| Found::new([10, 0, 0, i].into(), format!("br{i}"), WayOut::Inner))
            .collect();
        assert_eq!(
            select(found, ANY, InterfaceOptions::default()).len(),
            MAX_ADDRESSES
        );
    }

    #[test]
    fn this_host_has_addresses_and_they_can_be_bound() {
        let addresses = usable_addresses(ANY, InterfaceOptions::default(), |_, _| true).unwrap();
        assert!(!addresses.is_empty());
        for address in &addresses {
            std::net::UdpSocket::bind((address.ip, 0)).unwrap();
        }
        let one = "127.0.0.1".parse().unwrap();
        let addresses = usable_addresses(one, InterfaceOptions::default(), |_, _| true).unwrap();
        assert_eq!(ips(&addresses), ["127.0.0.1"]);
    }
}
