//! Permissions and channels of one allocation (RFC 8656 sections 9, 10 and 12).
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::wire::Ask;

/// RFC 8656 section 9: a permission lasts 300 s. Refreshed so that a whole transaction of 39.5 s
/// fits before its end.
const PERMISSION: Duration = Duration::from_secs(300);
const PERMISSION_REFRESH: Duration = Duration::from_secs(240);
/// RFC 8656 section 12: a channel lasts 600 s.
const CHANNEL: Duration = Duration::from_secs(600);
const CHANNEL_REFRESH: Duration = Duration::from_secs(300);
/// RFC 8656 section 12: how long after its end a channel's peer must not get another number.
const CHANNEL_RETIRED: Duration = Duration::from_secs(300);
/// What was not sent to for this long is no longer refreshed.
const IDLE: Duration = Duration::from_secs(300);
/// How long after a refusal the server is asked again.
const REFUSED: Duration = Duration::from_secs(60);
/// The same after an error that may pass, and after none at all.
const NOT_NOW: Duration = Duration::from_secs(3);
/// The same for a refresh of what is still granted.
const RETRY: Duration = Duration::from_secs(10);
/// Permissions and channels at once. Datagrams to further peers are dropped.
pub(super) const MAX_PERMISSIONS: usize = 256;
pub(super) const MAX_CHANNELS: usize = 256;
/// Datagrams that wait for one permission; more are dropped, ICE and DTLS repeat theirs.
pub(super) const MAX_HELD: usize = 4;
const CHANNEL_NUMBERS: std::ops::RangeInclusive<u16> = 0x4000..=0x4fff;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Asked for, never answered.
    Asked,
    Granted {
        until: Instant,
        refresh: Instant,
    },
    Refused {
        until: Instant,
    },
}

struct Permission {
    standing: Standing,
    last_used: Instant,
    held: Vec<(SocketAddr, Vec<u8>)>,
}

struct Channel {
    number: u16,
    standing: Standing,
    last_used: Instant,
}

/// How a datagram gets to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Channel(u16),
    Indication,
    /// Not permitted yet: hold it.
    Hold,
    /// Refused by the server, or over a bound.
    Drop,
}

/// What a server said to a request, or that it said nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Granted,
    Refused,
    /// It may be otherwise before long.
    NotNow,
}

pub(super) struct Peers {
    permissions: HashMap<IpAddr, Permission>,
    channels: HashMap<SocketAddr, Channel>,
    by_number: HashMap<u16, SocketAddr>,
    /// Numbers are never used twice in the life of an allocation.
    numbers_given: u16,
    next_check: Option<Instant>,
    /// No refresh waits longer.
    pace: Duration,
}

impl Default for Peers {
    fn default() -> Self {
        Self {
            permissions: HashMap::new(),
            channels: HashMap::new(),
            by_number: HashMap::new(),
            numbers_given: 0,
            next_check: None,
            pace: Duration::MAX,
        }
    }
}

impl Peers {
    /// How often the allocation is refreshed; the shortest counts. A server never says how long permissions and channels
    /// last; one that cuts the life of allocations below RFC 8656's may cut theirs as well.
    pub(super) fn set_pace(&mut self, pace: Duration) {
        self.pace = self.pace.min(pace);
    }

    fn permission_refresh(&self) -> Duration {
        PERMISSION_REFRESH.min(self.pace)
    }

    fn channel_refresh(&self) -> Duration {
        CHANNEL_REFRESH.min(self.pace)
    }

    /// The way to `peer`, and what to ask of the server now. Only payloads other than STUN
    /// (`data`) get a channel: they flow on the pair that ICE selected.
    pub(super) fn way(&mut self, now: Instant, peer: SocketAddr, data: bool) -> (Way, Option<Ask>) {
        let ip = peer.ip();
        if !self.permissions.contains_key(&ip) && self.permissions.len() >= MAX_PERMISSIONS {
            self.permissions
                .retain(|_, p| now.saturating_duration_since(p.last_used) < IDLE);
            if self.permissions.len() >= MAX_PERMISSIONS {
                return (Way::Drop, None);
            }
        }
        let mut ask = None;
        let permission = self.permissions.entry(ip).or_insert_with(|| {
            ask = Some(Ask::Permission(ip));
            Permission {
                standing: Standing::Asked,
                last_used: now,
                held: Vec::new(),
            }
        });
        permission.last_used = now;
        match permission.standing {
            Standing::Asked => return (Way::Hold, ask),
            Standing::Granted { until, .. } if now < until => {}
            Standing::Refused { until } if now < until => return (Way::Drop, None),
            Standing::Granted { .. } | Standing::Refused { .. } => {
                permission.standing = Standing::Asked;
                return (Way::Hold, Some(Ask::Permission(ip)));
            }
        }
        match self.channels.get_mut(&peer) {
            Some(channel) => {
                channel.last_used = now;
                match channel.standing {
                    Standing::Granted { until, .. } if now < until => {
                        return (Way::Channel(channel.number), None);
                    }
                    Standing::Asked => {}
                    Standing::Refused { until } if now < until => {}
                    Standing::Granted { .. } | Standing::Refused { .. } if data => {
                        channel.standing = Standing::Asked;
                        return (Way::Indication, Some(Ask::Channel(channel.number, peer)));
                    }
                    Standing::Granted { .. } | Standing::Refused { .. } => {}
                }
                (Way::Indication, None)
            }
            None if data => (Way::Indication, self.new_channel(now, peer)),
            None => (Way::Indication, None),
        }
    }

    fn new_channel(&mut self, now: Instant, peer: SocketAddr) -> Option<Ask> {
        if self.channels.len() >= MAX_CHANNELS {
            self.forget_old_channels(now);
            if self.channels.len() >= MAX_CHANNELS {
                return None;
            }
        }
        let number = CHANNEL_NUMBERS.start().checked_add(self.numbers_given)?;
        if !CHANNEL_NUMBERS.contains(&number) {
            return None;
        }
        self.numbers_given += 1;
        self.by_number.insert(number, peer);
        self.channels.insert(
            peer,
            Channel {
                number,
                standing: Standing::Asked,
                last_used: now,
            },
        );
        Some(Ask::Channel(number, peer))
    }

    fn forget_old_channels(&mut self, now: Instant) {
        let by_number = &mut self.by_number;
        self.channels.retain(|_, channel| {
            let gone = channel.last_used + IDLE + CHANNEL + CHANNEL_RETIRED <= now;
            if gone {
                by_number.remove(&channel.number);
            }
            !gone
        });
    }

    /// Keeps a datagram until the permission is there; false when it is dropped.
    pub(super) fn hold(&mut self, peer: SocketAddr, datagram: &[u8]) -> bool {
        let Some(permission) = self.permissions.get_mut(&peer.ip()) else {
            return false;
        };
        let room = permission.held.len() < MAX_HELD;
        if room {
            permission.held.push((peer, datagram.to_vec()));
        }
        room
    }

    /// The server's answer to a request; what was held and may be sent now.
    pub(super) fn answered(
        &mut self,
        now: Instant,
        ask: Ask,
        verdict: Verdict,
    ) -> Vec<(SocketAddr, Vec<u8>)> {
        let granted = verdict == Verdict::Granted;
        match ask {
            Ask::Permission(ip) => {
                let refresh = self.permission_refresh();
                self.note_check(now + if granted { refresh } else { RETRY });
                let Some(permission) = self.permissions.get_mut(&ip) else {
                    return Vec::new();
                };
                let new = standing(now, verdict, PERMISSION, refresh);
                settle(&mut permission.standing, now, new);
                let held = std::mem::take(&mut permission.held);
                if granted { held } else { Vec::new() }
            }
            Ask::Channel(_, peer) => {
                let refresh = self.channel_refresh();
                self.note_check(now + if granted { refresh } else { RETRY });
                if let Some(channel) = self.channels.get_mut(&peer) {
                    let new = standing(now, verdict, CHANNEL, refresh);
                    settle(&mut channel.standing, now, new);
                }
                Vec::new()
            }
            Ask::Allocate | Ask::Refresh { .. } => Vec::new(),
        }
    }

    /// The peer behind a channel number of ours.
    pub(super) fn by_number(&self, number: u16) -> Option<SocketAddr> {
        self.by_number.get(&number).copied()
    }

    /// Whether data from `ip` may be believed to come from a peer that was permitted. An answer
    /// of the server may be late or lost, so having asked is enough.
    pub(super) fn permits(&self, ip: IpAddr) -> bool {
        self.permissions
            .get(&ip)
            .is_some_and(|p| !matches!(p.standing, Standing::Refused { .. }))
    }

    fn note_check(&mut self, at: Instant) {
        self.next_check = Some(self.next_check.map_or(at, |next| next.min(at)));
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.next_check
    }

    /// What is granted may be over: all that is in use is to be refreshed now.
    pub(super) fn resumed(&mut self, now: Instant) -> Vec<Ask> {
        let permissions = self.permissions.values_mut().map(|p| &mut p.standing);
        let channels = self.channels.values_mut().map(|c| &mut c.standing);
        for standing in permissions.chain(channels) {
            if let Standing::Granted { refresh, .. } = standing {
                *refresh = now;
            }
        }
        self.next_check = self.next_check.map(|_| now);
        self.due(now)
    }

    /// What is to be refreshed now.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Ask> {
        if self.next_check.is_none_or(|at| now < at) {
            return Vec::new();
        }
        let (permission_refresh, channel_refresh) =
            (self.permission_refresh(), self.channel_refresh());
        let mut due = Vec::new();
        let mut next: Option<Instant> = None;
        let mut visit = |standing: &mut Standing, last_used: Instant, again: Duration, ask: Ask| {
            let Standing::Granted { refresh, .. } = standing else {
                return;
            };
            if now.saturating_duration_since(last_used) >= IDLE {
                return;
            }
            if *refresh <= now {
                due.push(ask);
                *refresh = now + again;
            }
            next = Some(next.map_or(*refresh, |next| next.min(*refresh)));
        };
        for (ip, p) in &mut self.permissions {
            let ask = Ask::Permission(*ip);
            visit(&mut p.standing, p.last_used, permission_refresh, ask);
        }
        for (peer, c) in &mut self.channels {
            let ask = Ask::Channel(c.number, *peer);
            visit(&mut c.standing, c.last_used, channel_refresh, ask);
        }
        self.next_check = next;
        due
    }
}

fn standing(now: Instant, verdict: Verdict, lasts: Duration, refresh: Duration) -> Standing {
    match verdict {
        Verdict::Granted => Standing::Granted {
            until: now + lasts,
            refresh: now + refresh,
        },
        Verdict::Refused => Standing::Refused {
            until: now + REFUSED,
        },
        Verdict::NotNow => Standing::Refused {
            until: now + NOT_NOW,
        },
    }
}

/// A refused refresh takes nothing away that was granted before.
fn settle(standing: &mut Standing, now: Instant, new: Standing) {
    match (&mut *standing, new) {
        (Standing::Granted { until, refresh }, Standing::Refused { .. }) if now < *until => {
            *refresh = now + RETRY;
        }
        _ => *standing = new,
    }
}
