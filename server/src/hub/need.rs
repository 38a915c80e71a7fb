//! Whether a room needs a hub.

use ortc_rooms::room::RoomRecord;
use ortc_rooms::signalling::{Direction, Topology};

/// What a room's rules and its persons ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// None.
    None,
    /// One that is there stays; else none.
    Either,
    /// One.
    Hub,
}

/// What a room asks for now; `recorded`: its hub is to record it.
pub(super) fn need(record: &RoomRecord, recorded: bool) -> Need {
    let policy = &record.policy;
    let two = record.session.direction() == Ok(Direction::OneToOne);
    if policy.secret || two || policy.topology == Topology::Mesh {
        return Need::None;
    }
    if policy.topology == Topology::Hub || recorded {
        return Need::Hub;
    }
    let persons = u32::try_from(record.persons().count()).unwrap_or(u32::MAX);
    match persons.cmp(&policy.mesh_up_to) {
        std::cmp::Ordering::Greater => Need::Hub,
        std::cmp::Ordering::Equal => Need::Either,
        std::cmp::Ordering::Less => Need::None,
    }
}

#[cfg(test)]
mod tests {
    use ortc_rooms::room::{Entrant, Opening};
    use ortc_rooms::signalling::{Role, RoomName, RoomPolicy, SessionKind, User, UserId};

    use super::*;

    fn of(persons: usize, policy: RoomPolicy, session: SessionKind) -> Need {
        need(&room(persons, policy, session), false)
    }

    fn room(persons: usize, policy: RoomPolicy, session: SessionKind) -> RoomRecord {
        let entrant = |at: usize| Entrant {
            user: User::new(UserId::new(format!("user{at}")).unwrap(), Role::Participant),
            node: String::new(),
            verified: None,
            about: None,
        };
        let opening = Opening {
            room: RoomName::new("demo").unwrap(),
            session,
            policy,
            verifier: None,
        };
        let (mut record, _) = RoomRecord::open(opening, entrant(0), 1).unwrap();
        for at in 1..persons {
            record.join(entrant(at), 1).unwrap();
        }
        record
    }

    #[test]
    fn e05_a_room_asks_for_a_hub_by_its_rules_and_its_size() {
        let all = SessionKind::audio_video();
        let asks = |persons, set: fn(&mut RoomPolicy)| {
            let mut policy = RoomPolicy::default();
            set(&mut policy);
            of(persons, policy, all)
        };
        let sizes = [1, 3, 4, 5].map(|persons| asks(persons, |_| {}));
        assert_eq!(sizes, [Need::None, Need::None, Need::Either, Need::Hub]);
        assert_eq!(asks(1, |rules| rules.topology = Topology::Hub), Need::Hub);
        assert_eq!(asks(9, |rules| rules.topology = Topology::Mesh), Need::None);
        let secret: fn(&mut RoomPolicy) = |rules| {
            rules.topology = Topology::Hub;
            rules.secret = true;
        };
        assert_eq!(asks(9, secret), Need::None);
        // Whoever wants a mesh, or a secret, is not recorded by a server.
        assert_eq!(need(&room(1, RoomPolicy::default(), all), true), Need::Hub);
        let mut policy = RoomPolicy::default();
        policy.topology = Topology::Mesh;
        assert_eq!(need(&room(1, policy, all), true), Need::None);
        let mut policy = RoomPolicy::default();
        policy.topology = Topology::Hub;
        let two = all.with_direction(Direction::OneToOne);
        assert_eq!(of(2, policy, two), Need::None);
    }
}
