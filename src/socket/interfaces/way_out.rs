//! How likely an interface leads to a peer: hosts of containers have dozens that lead nowhere.

use std::net::{IpAddr, SocketAddr, UdpSocket};

/// The smaller, the likelier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum WayOut {
    /// The kernel's own choice of address for the rest of the world.
    Default,
    /// A network card, or what is as good.
    #[default]
    Ordinary,
    /// A bridge of virtual machines or containers, or a tunnel.
    Inner,
}

/// Addresses of documentation (RFC 5737, RFC 3849): nobody has a route of its own for them.
const ELSEWHERE: [&str; 2] = ["198.51.100.1:9", "[2001:db8::1]:9"];

/// The local addresses that the default routes choose. Connecting a UDP socket sends nothing.
pub(super) fn default_addresses() -> Vec<IpAddr> {
    let choice = |elsewhere: &str| {
        let elsewhere: SocketAddr = elsewhere.parse().ok()?;
        let any = match elsewhere {
            SocketAddr::V4(_) => "0.0.0.0:0",
            SocketAddr::V6(_) => "[::]:0",
        };
        let socket = UdpSocket::bind(any).ok()?;
        socket.connect(elsewhere).ok()?;
        socket.local_addr().ok().map(|local| local.ip())
    };
    ELSEWHERE.into_iter().filter_map(choice).collect()
}

/// Of an interface without the default route.
pub(super) fn classify(name: &str, index: Option<u32>) -> WayOut {
    of_kernel(name, index).unwrap_or_else(|| of_name(name))
}

/// What Linux says of the interface; `None` elsewhere, and where `/sys` shows another network
/// namespace than this process is in.
fn of_kernel(name: &str, index: Option<u32>) -> Option<WayOut> {
    if !cfg!(target_os = "linux") || name.contains('/') {
        return None;
    }
    let about = std::path::Path::new("/sys/class/net").join(name);
    let known: u32 = std::fs::read_to_string(about.join("ifindex"))
        .ok()?
        .trim()
        .parse()
        .ok()?;
    if index != Some(known) {
        return None;
    }
    let has = |what: &str| about.join(what).exists();
    if has("device") {
        return Some(WayOut::Ordinary);
    }
    if has("bridge") {
        // One with a network card in it is the host's own connection.
        let members = std::fs::read_dir(about.join("brif")).into_iter().flatten();
        let card = members
            .flatten()
            .any(|member| member.path().join("../device").exists());
        return Some(if card {
            WayOut::Ordinary
        } else {
            WayOut::Inner
        });
    }
    if has("tun_flags") {
        return Some(WayOut::Inner);
    }
    // ARPHRD_ETHER has most of what is left: bonds, VLANs, and the ends of containers.
    let kind = std::fs::read_to_string(about.join("type")).ok()?;
    Some(match kind.trim() {
        "1" => of_name(name),
        _ => WayOut::Inner,
    })
}

/// What the usual makers of such interfaces call them.
fn of_name(name: &str) -> WayOut {
    const INNER: [&str; 31] = [
        "br",
        "docker",
        "podman",
        "virbr",
        "vmnet",
        "vboxnet",
        "vethernet",
        "veth",
        "lxc",
        "lxd",
        "incus",
        "cni",
        "cali",
        "cilium",
        "flannel",
        "weave",
        "kube",
        "dummy",
        "vnet",
        "awdl",
        "llw",
        "tun",
        "tap",
        "utun",
        "wg",
        "ppp",
        "ipsec",
        "zt",
        "tailscale",
        "nordlynx",
        "ham",
    ];
    let name = name.to_ascii_lowercase();
    if INNER.iter().any(|inner| name.starts_with(inner)) {
        WayOut::Inner
    } else {
        WayOut::Ordinary
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_bridges_and_tunnels() {
        for name in [
            "docker0",
            "br-1f2e3d4c",
            "virbr0",
            "vEthernet (WSL)",
            "tun0",
            "utun3",
            "wg0",
        ] {
            assert_eq!(of_name(name), WayOut::Inner, "{name}");
        }
        for name in ["eth0", "enp3s0", "wlan0", "en0", "Wi-Fi", "bond0", "v0", ""] {
            assert_eq!(of_name(name), WayOut::Ordinary, "{name}");
        }
    }

    #[test]
    fn an_unknown_interface_is_judged_by_its_name() {
        assert_eq!(classify("docker999", Some(1)), WayOut::Inner);
        assert_eq!(classify("../../eth0", Some(1)), WayOut::Ordinary);
    }
}
