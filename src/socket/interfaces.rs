//! The addresses of this host that may become host candidates.

mod way_out;

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use way_out::WayOut;

use crate::engine::ice::scope::{is_link_local, on_link, scope_of};

/// More addresses than this (container hosts have hundreds of bridges) are ignored: the ones that
/// are the least likely to lead out.
pub(crate) const MAX_ADDRESSES: usize = 32;

/// An address of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InterfaceAddress {
    pub(crate) ip: IpAddr,
    /// The number of its link if the address is link-local, else 0.
    pub(crate) scope: u32,
    pub(crate) name: String,
    /// For the candidate's priority (RFC 8445 section 5.1.2.1); unique per address.
    pub(crate) local_preference: u16,
    /// The default route begins here.
    pub(crate) leads_out: bool,
    /// The name that stands for it in signalling.
    pub(crate) told_as: Option<Arc<str>>,
}

impl InterfaceAddress {
    pub(crate) fn at(&self, port: u16) -> SocketAddr {
        on_link(self.ip, port, self.scope)
    }
}

/// Which addresses to use besides the ordinary ones.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct InterfaceOptions {
    /// Loopback addresses too. Without this they are used only when there is nothing else.
    pub(crate) include_loopback: bool,
    /// IPv6 link-local addresses too.
    pub(crate) include_link_local: bool,
}

/// The usable addresses for a socket bound to `bound`: that one, or if it is unspecified those of
/// the interfaces that are up and admitted. `0.0.0.0` stands for IPv4 only, `[::]` for both families.
pub(crate) fn usable_addresses(
    bound: SocketAddr,
    options: InterfaceOptions,
    admits: impl Fn(&str, IpAddr) -> bool,
) -> io::Result<Vec<InterfaceAddress>> {
    let ip = bound.ip();
    if !ip.is_unspecified() {
        let scope = scope_of(bound);
        return Ok(select(
            vec![Found::new(ip, scope, String::new(), WayOut::Default)],
            ip,
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
        .filter(|interface| options.include_link_local || !is_link_local(interface.ip()))
        .filter(|interface| !is_of_no_network(interface.ip()))
        .filter(|interface| admits(&interface.name, interface.ip()))
        .map(|interface| {
            let way = if defaults.contains(&interface.ip()) {
                WayOut::Default
            } else {
                way_out::classify(&interface.name, interface.index)
            };
            let scope = scope(&interface);
            Found::new(interface.ip(), scope, interface.name, way)
        })
        .collect();
    Ok(select(up, ip, options))
}

/// All that decides on which addresses are used, to be compared.
pub(crate) fn snapshot() -> io::Result<Vec<(IpAddr, u32, String, bool)>> {
    let defaults = way_out::default_addresses();
    let all = if_addrs::get_if_addrs()?.into_iter();
    let mut all: Vec<_> = all
        .filter(|interface| interface.is_oper_up() || interface.is_loopback())
        .map(|interface| {
            let default = defaults.contains(&interface.ip());
            (interface.ip(), scope(&interface), interface.name, default)
        })
        .collect();
    all.sort();
    Ok(all)
}

/// What Windows gives to interfaces that found no network.
fn is_of_no_network(ip: IpAddr) -> bool {
    cfg!(windows) && matches!(ip, IpAddr::V4(ip) if ip.is_link_local())
}

/// Without a number its link cannot be told from others.
fn scope(interface: &if_addrs::Interface) -> u32 {
    let link_local = is_link_local(interface.ip());
    interface.index.filter(|_| link_local).unwrap_or_default()
}

struct Found {
    ip: IpAddr,
    scope: u32,
    name: String,
    way: WayOut,
}

impl Found {
    fn new(ip: IpAddr, scope: u32, name: String, way: WayOut) -> Self {
        Self {
            ip,
            scope,
            name,
            way,
        }
    }

    /// Real interfaces before loopback, what leads out before what does not, then by name and
    /// address: the same host gives the same order each time.
    fn order(&self) -> (bool, WayOut, &str, IpAddr, u32) {
        let loopback = self.ip.is_loopback();
        (loopback, self.way, &self.name, self.ip, self.scope)
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
            && (options.include_link_local || !is_link_local(*ip))
    });
    if !options.include_loopback && found.iter().any(|one| !one.ip.is_loopback()) {
        found.retain(|one| !one.ip.is_loopback());
    }
    found.sort_by(|a, b| a.order().cmp(&b.order()));
    found.dedup_by_key(|one| (one.ip, one.scope));

    // RFC 8421 section 4: one family must not be exhausted before the other is tried, so they
    // alternate, IPv6 first.
    let (links, found): (Vec<_>, Vec<_>) = found.into_iter().partition(|f| is_link_local(f.ip));
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
    // Those of a link come last: what others have reaches as far, and farther.
    order
        .into_iter()
        .chain(links)
        .take(MAX_ADDRESSES)
        .zip((0..=u16::MAX).rev())
        .map(|(one, local_preference)| InterfaceAddress {
            ip: one.ip,
            scope: one.scope,
            name: one.name,
            local_preference,
            leads_out: one.way == WayOut::Default,
            told_as: None,
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    const ANY: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

    fn list(addresses: &[(&str, &str)]) -> Vec<Found> {
        let found = |(ip, name): &(&str, &str)| {
            let way = way_out::classify(name, None);
            let ip = ip.parse().unwrap();
            let scope = u32::from(is_link_local(ip));
            Found::new(ip, scope, (*name).to_owned(), way)
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
        assert_eq!(ips(&selected), ["::1", "10.0.0.1", "127.0.0.1", "fe80::1"]);
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

    /// Those of links come last, however many there are, each with its link.
    #[test]
    fn link_local_addresses_take_no_place_from_others() {
        let found = [
            ("fe80::1", "eth0"),
            ("fe80::2", "eth1"),
            ("10.0.0.1", "eth1"),
        ];
        let mut found = list(&found);
        found.push(Found::new(
            "fe80::1".parse().unwrap(),
            2,
            "eth1".into(),
            WayOut::Default,
        ));
        let options = InterfaceOptions {
            include_link_local: true,
            ..InterfaceOptions::default()
        };
        let selected = select(found, ANY, options);
        let at: Vec<String> = selected.iter().map(|a| a.at(9).to_string()).collect();
        let expected = [
            "10.0.0.1:9",
            "[fe80::1%2]:9",
            "[fe80::1%1]:9",
            "[fe80::2%1]:9",
        ];
        assert_eq!(at, expected);
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
            .map(|i| Found::new([10, 0, 0, i].into(), 0, format!("br{i}"), WayOut::Inner))
            .collect();
        assert_eq!(
            select(found, ANY, InterfaceOptions::default()).len(),
            MAX_ADDRESSES
        );
    }

    #[test]
    fn this_host_has_addresses_and_they_can_be_bound() {
        let addresses =
            usable_addresses((ANY, 0).into(), InterfaceOptions::default(), |_, _| true).unwrap();
        assert!(!addresses.is_empty());
        for address in &addresses {
            std::net::UdpSocket::bind((address.ip, 0)).unwrap();
        }
        let one = "127.0.0.1:0".parse().unwrap();
        let addresses = usable_addresses(one, InterfaceOptions::default(), |_, _| true).unwrap();
        assert_eq!(ips(&addresses), ["127.0.0.1"]);
    }
}
