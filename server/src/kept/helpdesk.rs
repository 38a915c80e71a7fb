//! Where reports of what went wrong are kept, and how often one address may leave one.

use std::io;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::Path;

use governor::{DefaultKeyedRateLimiter, Quota};

use super::shelf::Shelf;

/// The most bytes of a report: the picture is most of it.
pub(crate) const MOST: usize = 6 * 1024 * 1024;
/// So many in a minute from one address.
const PER_MINUTE: NonZeroU32 = NonZeroU32::new(4).unwrap();
/// And from all.
const PER_MINUTE_OF_ALL: NonZeroU32 = NonZeroU32::new(60).unwrap();

pub(crate) struct Helpdesk {
    pub(crate) shelf: Shelf,
    one: DefaultKeyedRateLimiter<IpAddr>,
    all: governor::DefaultDirectRateLimiter,
}

impl Helpdesk {
    pub(crate) fn open(folder: &Path, quota: u64) -> io::Result<Self> {
        Ok(Self {
            shelf: Shelf::open(folder, u64::try_from(MOST).unwrap_or(u64::MAX), quota)?,
            one: DefaultKeyedRateLimiter::keyed(Quota::per_minute(PER_MINUTE)),
            all: governor::DefaultDirectRateLimiter::direct(Quota::per_minute(PER_MINUTE_OF_ALL)),
        })
    }

    /// False if there were too many of late.
    pub(crate) fn may(&self, address: IpAddr) -> bool {
        if self.all.check().is_err() {
            return false;
        }
        self.one.retain_recent();
        self.one.check_key(&address).is_ok()
    }
}
