//! How many are connected, in all and from one address, and how often one address connects.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::config::ServerConfig;

/// A network of one customer in IPv6 is at least a /64, which therefore counts as one address.
fn one(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

pub(crate) struct Counts {
    most: usize,
    most_of_one: usize,
    open: Mutex<Open>,
    connects: DefaultKeyedRateLimiter<IpAddr>,
}

#[derive(Default)]
struct Open {
    all: usize,
    of: HashMap<IpAddr, usize>,
}

/// One connection's place; free again when it is dropped.
pub(crate) struct Place {
    counts: Arc<Counts>,
    address: IpAddr,
}

impl Counts {
    pub(crate) fn new(config: &ServerConfig) -> Arc<Self> {
        let rate = NonZeroU32::new(config.connects_per_second).unwrap_or(NonZeroU32::MIN);
        Arc::new(Self {
            most: config.max_connections,
            most_of_one: config.connections_per_address,
            open: Mutex::default(),
            connects: RateLimiter::keyed(Quota::per_second(rate)),
        })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection from there, if there is one.
    pub(crate) fn place(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = one(address);
        let mut open = self.open();
        let of = open.of.get(&address).copied().unwrap_or(0);
        if open.all >= self.most || of >= self.most_of_one {
            return None;
        }
        open.all = open.all.saturating_add(1);
        open.of.insert(address, of.saturating_add(1));
        drop(open);
        Some(Place {
            counts: Arc::clone(self),
            address,
        })
    }

    /// False if there have been too many new clients from there.
    pub(crate) fn may_connect(&self, address: IpAddr) -> bool {
        self.connects.check_key(&one(address)).is_ok()
    }

    /// Forgets addresses that have been quiet.
    pub(crate) fn tidy(&self) {
        self.connects.retain_recent();
        self.connects.shrink_to_fit();
    }

    pub(crate) fn connections(&self) -> usize {
        self.open().all
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.counts.open();
        open.all = open.all.saturating_sub(1);
        if let Some(of) = open.of.get_mut(&self.address) {
            *of = of.saturating_sub(1);
            if *of == 0 {
                open.of.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r_h06_places_are_bounded_in_all_and_for_one_address() {
        let config = ServerConfig {
            max_connections: 3,
            connections_per_address: 2,
            ..ServerConfig::default()
        };
        let counts = Counts::new(&config);
        let at = |text: &str| counts.place(text.parse().unwrap());
        let first = at("2001:db8::1").unwrap();
        let second = at("2001:db8::ffff:1").unwrap();
        assert!(at("2001:db8::2").is_none());
        let third = at("192.0.2.1").unwrap();
        assert!(at("192.0.2.2").is_none());
        drop((first, second, third));
        assert_eq!(counts.connections(), 0);
        assert!(counts.open().of.is_empty());
    }

    #[test]
    fn r_h06_a_thousand_connects_of_one_address_are_mostly_refused() {
        let counts = Counts::new(&ServerConfig::default());
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let let_in = (0..1_000).filter(|_| counts.may_connect(one)).count();
        assert!((100..200).contains(&let_in), "{let_in}");
        assert!(counts.may_connect(other));
    }
}
