//! How many are connected, in all and from one address, and how often one address connects.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::ServerConfig;

/// In so much time an address has at most as many connects as the settings say, whenever it begins.
const WINDOW: Duration = Duration::from_secs(1);

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
    connects_in_window: usize,
    /// When new clients of an address were let in, as far back as counts.
    connects: Mutex<HashMap<IpAddr, VecDeque<Instant>>>,
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
        let rate = usize::try_from(config.connects_per_second).unwrap_or(usize::MAX);
        Arc::new(Self {
            most: config.max_connections,
            most_of_one: config.connections_per_address,
            open: Mutex::default(),
            connects_in_window: rate,
            connects: Mutex::default(),
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

    /// False if there have been too many new clients from there within a second.
    pub(crate) fn may_connect(&self, address: IpAddr, now: Instant) -> bool {
        let mut connects = self.connects();
        let times = connects.entry(one(address)).or_default();
        while times
            .front()
            .is_some_and(|at| now.duration_since(*at) >= WINDOW)
        {
            times.pop_front();
        }
        let may = times.len() < self.connects_in_window;
        if may {
            times.push_back(now);
        }
        may
    }

    /// Forgets addresses that have been quiet.
    pub(crate) fn tidy(&self, now: Instant) {
        let mut connects = self.connects();
        let recent = |at: &Instant| now.duration_since(*at) < WINDOW;
        connects.retain(|_, times| times.back().is_some_and(recent));
        connects.shrink_to_fit();
    }

    fn connects(&self) -> MutexGuard<'_, HashMap<IpAddr, VecDeque<Instant>>> {
        self.connects.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn r_h06_of_a_thousand_connects_of_one_address_a_hundred_are_let_in() {
        let counts = Counts::new(&ServerConfig::default());
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let now = Instant::now();
        let let_in = (0..1_000).filter(|_| counts.may_connect(one, now)).count();
        assert_eq!(let_in, 100);
        assert!(counts.may_connect(other, now));
        counts.tidy(now + WINDOW);
        assert!(counts.connects().is_empty());
    }

    /// However they come: after a pause, at once, at the end of a second and the beginning of the
    /// next.
    #[test]
    fn r_h10_in_no_second_are_more_let_in_than_the_setting_says() {
        let counts = Counts::new(&ServerConfig::default());
        let one = "192.0.2.1".parse().unwrap();
        let begin = Instant::now();
        let mut let_in = Vec::new();
        for milliseconds in (0..20_000_u64).filter(|at| at % 7 != 0 && !(3_000..6_000).contains(at))
        {
            let now = begin + Duration::from_millis(milliseconds);
            let_in.extend(
                (0..3)
                    .filter(|_| counts.may_connect(one, now))
                    .map(|_| milliseconds),
            );
        }
        let most = let_in.iter().map(|at| {
            let_in
                .iter()
                .filter(|other| (*at..at + 1_000).contains(other))
                .count()
        });
        assert_eq!(most.max(), Some(100));
        assert!(let_in.len() >= 1_600, "{}", let_in.len());
    }
}
