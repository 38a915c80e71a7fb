//! What may become of a room.

use std::collections::BTreeSet;

use super::{Member, Notice, Refusal, RoomRecord};
use crate::signalling::{
    ClosedReason, Direction, ErrorCode, Extra, LeftReason, Role, RoomName, RoomPolicy,
    ServerMessage, SessionKind, Topology, User, UserId,
};

/// Who enters.
#[derive(Debug, Clone)]
pub struct Entrant {
    /// Who.
    pub user: User,
    /// The server that it is connected to, in a cluster; else empty.
    pub node: String,
    /// The verifier that its password was found right against.
    pub verified: Option<String>,
    /// The number of its message.
    pub about: Option<u64>,
}

/// What a room is opened with.
#[derive(Debug, Clone)]
pub struct Opening {
    /// Its name.
    pub room: RoomName,
    /// What it carries.
    pub session: SessionKind,
    /// Its rules.
    pub policy: RoomPolicy,
    /// What a password is verified with; absent: none is wanted.
    pub verifier: Option<String>,
}

type Notices = Result<Vec<Notice>, Refusal>;

fn refuse(code: ErrorCode, message: impl Into<String>) -> Refusal {
    Refusal::new(code, message)
}

impl RoomRecord {
    /// A room with its opener in it.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if the session contradicts itself, or who opens it is an inspector.
    pub fn open(
        opening: Opening,
        opener: Entrant,
        now: u64,
    ) -> Result<(Self, Vec<Notice>), Refusal> {
        check_session(opening.session)?;
        if let Role::Inspector | Role::Hub = opener.user.role {
            return Err(refuse(
                ErrorCode::NotAllowed,
                "an inspector or a hub cannot open a room",
            ));
        }
        let mut policy = opening.policy;
        limit_places(&mut policy, opening.session);
        let record = Self {
            room: opening.room,
            epoch: now,
            owner: opener.user.userid.clone(),
            members: vec![Member {
                user: opener.user,
                since: now,
                lost: None,
                node: opener.node,
            }],
            session: opening.session,
            policy,
            verifier: opening.verifier,
            presenter: None,
            banned: BTreeSet::new(),
            rebuilt: None,
        };
        let state = ServerMessage::Room(record.state(opener.about));
        let notices = vec![Notice::to_one(&record.owner, state)];
        Ok((record, notices))
    }

    /// Somebody enters.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if it is banned or in the room, the password is wrong, or no place is left.
    pub fn join(&mut self, entrant: Entrant, now: u64) -> Notices {
        let userid = entrant.user.userid.clone();
        if self.member(&userid).is_some() {
            return Err(refuse(
                ErrorCode::AlreadyInRoom,
                "you are in this room already",
            ));
        }
        match entrant.user.role {
            Role::Hub => self.takes_hub()?,
            _ => self.takes_person(&userid, entrant.verified.as_ref())?,
        }
        let user = entrant.user.clone();
        self.members.push(Member {
            user: entrant.user,
            since: now,
            lost: None,
            node: entrant.node,
        });
        let joined = ServerMessage::Joined {
            room: self.room.clone(),
            user,
        };
        Ok(vec![
            Notice::to_one(&userid, ServerMessage::Room(self.state(entrant.about))),
            Notice::others(&userid, joined),
        ])
    }

    fn takes_person(&self, userid: &UserId, verified: Option<&String>) -> Result<(), Refusal> {
        if self.banned.contains(userid) {
            return Err(refuse(
                ErrorCode::Banned,
                "you were put out of this room and may not come back",
            ));
        }
        if self.verifier.as_ref() != verified && self.verifier.is_some() {
            return Err(refuse(
                ErrorCode::BadPassword,
                "this room wants a password, and this is not it",
            ));
        }
        if self.persons().count() >= self.policy.places() {
            let places = self.policy.places();
            return Err(refuse(
                ErrorCode::RoomFull,
                format!("all {places} places of this room are taken"),
            ));
        }
        Ok(())
    }

    /// One hub, which needs no place and no password, where the rules do not forbid it.
    fn takes_hub(&self) -> Result<(), Refusal> {
        let words = match (self.hub(), self.policy.secret, self.policy.topology) {
            (Some(_), ..) => "this room has a hub already",
            (None, true, _) => "who proves a secret to each other trusts no hub",
            (None, false, Topology::Mesh) => "the rules of this room want no hub",
            _ => return Ok(()),
        };
        Err(refuse(ErrorCode::NotAllowed, words))
    }

    /// Somebody leaves, or does not come back. The room may end with it: see [`Self::ended`].
    ///
    /// # Errors
    ///
    /// [`Refusal`] if it is not in the room.
    pub fn leave(&mut self, userid: &UserId, reason: LeftReason) -> Notices {
        self.wants_member(userid)?;
        let mut notices = Vec::new();
        if reason == LeftReason::Left {
            notices.push(self.closed_for(userid, ClosedReason::Left));
        }
        self.without(userid, reason, &mut notices);
        Ok(notices)
    }

    /// Somebody is put out.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if who asks may not, or whom it asks for is not in the room or the owner.
    pub fn eject(&mut self, by: &UserId, userid: &UserId, ban: bool) -> Notices {
        self.wants_governor(by)?;
        self.wants_user(userid)?;
        self.wants_person(userid)?;
        if *userid == self.owner {
            return Err(refuse(
                ErrorCode::NotAllowed,
                "the owner of a room cannot be put out of it",
            ));
        }
        self.put_out(userid, ban)
    }

    /// Who runs the server puts somebody out.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if it is not in the room.
    pub fn put_out(&mut self, userid: &UserId, ban: bool) -> Notices {
        self.wants_user(userid)?;
        self.wants_person(userid)?;
        let reason = if ban {
            ClosedReason::Banned
        } else {
            ClosedReason::Ejected
        };
        let mut notices = vec![self.closed_for(userid, reason)];
        if ban {
            self.banned.insert(userid.clone());
        }
        self.without(userid, LeftReason::Ejected, &mut notices);
        Ok(notices)
    }

    /// The room ends for all.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if who asks may not.
    pub fn close(&mut self, by: &UserId) -> Notices {
        self.wants_governor(by)?;
        Ok(self.end(ClosedReason::Closed))
    }

    /// Who runs the server ends the room for all.
    pub fn shut(&mut self) -> Vec<Notice> {
        self.end(ClosedReason::Closed)
    }

    /// The room's time is up: its rules ended it.
    pub fn time_up(&mut self) -> Vec<Notice> {
        self.end(ClosedReason::TimeUp)
    }

    /// Another becomes the owner.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if who asks may not, or the other is not in the room or an inspector.
    pub fn hand_over(&mut self, by: &UserId, to: &UserId) -> Notices {
        self.wants_governor(by)?;
        self.wants_user(to)?;
        self.wants_person(to)?;
        if self
            .member(to)
            .is_some_and(|member| member.user.role == Role::Inspector)
        {
            return Err(refuse(
                ErrorCode::NotAllowed,
                "an inspector cannot own a room",
            ));
        }
        self.owner = to.clone();
        Ok(vec![Notice::all(self.owner_is())])
    }

    /// The rules change. A room that has more users than the new ones allow keeps them.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if who asks may not.
    pub fn set_policy(&mut self, by: &UserId, policy: RoomPolicy) -> Notices {
        self.wants_governor(by)?;
        self.policy = policy;
        limit_places(&mut self.policy, self.session);
        let mut notices = vec![Notice::all(ServerMessage::Policy {
            room: self.room.clone(),
            policy: self.policy.clone(),
        })];
        if !self.policy.one_presenter && self.presenter.take().is_some() {
            notices.push(Notice::all(self.presenter_is()));
        }
        Ok(notices)
    }

    /// Somebody tells something else of itself.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if it is not in the room.
    pub fn set_extra(&mut self, userid: &UserId, extra: Extra) -> Notices {
        self.wants_member(userid)?;
        if let Some(member) = self.member_mut(userid) {
            member.user.extra = extra.clone();
        }
        let message = ServerMessage::Extra {
            userid: userid.clone(),
            extra,
        };
        Ok(vec![Notice::others(userid, message)])
    }

    /// Somebody takes the presenter's place, or gives it back.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if another has it, or it is not in the room or an inspector. Owner and admins
    /// take it from another.
    pub fn present(&mut self, userid: &UserId, on: bool) -> Notices {
        self.wants_member(userid)?;
        let other = self
            .presenter
            .as_ref()
            .is_some_and(|presenter| presenter != userid);
        if on {
            self.wants_person(userid)?;
            if self
                .member(userid)
                .is_some_and(|member| member.user.role == Role::Inspector)
            {
                return Err(refuse(ErrorCode::NotAllowed, "an inspector cannot present"));
            }
            if self.policy.one_presenter && other && !self.governs(userid) {
                return Err(refuse(
                    ErrorCode::PresenterTaken,
                    "somebody else presents; wait for the end",
                ));
            }
            self.presenter = Some(userid.clone());
        } else if other || self.presenter.is_none() {
            return Ok(Vec::new());
        } else {
            self.presenter = None;
        }
        Ok(vec![Notice::all(self.presenter_is())])
    }

    /// Somebody's connection is lost: it may come back within the grace.
    pub fn lost(&mut self, userid: &UserId, now: u64) {
        if let Some(member) = self.member_mut(userid) {
            member.lost.get_or_insert(now);
        }
    }

    /// Somebody came back.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if it is not in the room any longer.
    pub fn returned(&mut self, userid: &UserId, node: &str) -> Notices {
        self.wants_member(userid)?;
        if let Some(member) = self.member_mut(userid) {
            member.lost = None;
            node.clone_into(&mut member.node);
        }
        Ok(Vec::new())
    }

    /// The owner's connection was lost at this time, and somebody else who is there owns the room
    /// from now on; who owned it is in it still. Not where the rules tie the room to its owner, nor
    /// where media go by who owns it.
    pub fn succeed(&mut self, userid: &UserId, lost: u64) -> Vec<Notice> {
        let direction = self.session.direction().unwrap_or(Direction::ManyToMany);
        let tied = self.policy.close_when_owner_leaves || !direction.sends(false, false);
        let absent = |member: &Member| member.lost == Some(lost);
        if tied || self.owner != *userid || !self.member(userid).is_some_and(absent) {
            return Vec::new();
        }
        let heir = self.heir();
        let there = |userid: &UserId| self.member(userid).is_some_and(|at| at.lost.is_none());
        match heir.filter(there) {
            Some(heir) => {
                self.owner = heir;
                vec![Notice::all(self.owner_is())]
            }
            None => Vec::new(),
        }
    }

    /// A room that nobody is in ends.
    pub fn ended(&self) -> bool {
        self.members.is_empty()
    }

    fn without(&mut self, userid: &UserId, reason: LeftReason, notices: &mut Vec<Notice>) {
        self.members.retain(|member| member.user.userid != *userid);
        let (room, gone) = (self.room.clone(), userid.clone());
        notices.push(Notice::all(ServerMessage::Left {
            room,
            userid: gone,
            reason,
        }));
        if self.presenter.as_ref() == Some(userid) {
            self.presenter = None;
            notices.push(Notice::all(self.presenter_is()));
        }
        if self.owner != *userid {
            return;
        }
        match self.heir() {
            Some(heir) if !self.policy.close_when_owner_leaves => {
                self.owner = heir;
                notices.push(Notice::all(self.owner_is()));
            }
            _ => notices.extend(self.end(ClosedReason::OwnerLeft)),
        }
    }

    /// Who owns the room after its owner: the admin who is there longest, else the participant,
    /// else the guest. One whose connection is lost comes last, an inspector never.
    fn heir(&self) -> Option<UserId> {
        let rank = |member: &&Member| {
            let role = match member.user.role {
                Role::Admin => 0,
                Role::Participant => 1,
                _ => 2,
            };
            (member.lost.is_some(), role, member.since)
        };
        let able = self
            .members
            .iter()
            .filter(|member| !matches!(member.user.role, Role::Inspector | Role::Hub));
        able.min_by_key(rank)
            .map(|member| member.user.userid.clone())
    }

    fn end(&mut self, reason: ClosedReason) -> Vec<Notice> {
        let gone = std::mem::take(&mut self.members);
        gone.iter()
            .map(|member| self.closed_for(&member.user.userid, reason))
            .collect()
    }

    fn closed_for(&self, userid: &UserId, reason: ClosedReason) -> Notice {
        Notice::to_one(
            userid,
            ServerMessage::Closed {
                room: self.room.clone(),
                reason,
            },
        )
    }

    fn owner_is(&self) -> ServerMessage {
        ServerMessage::Owner {
            room: self.room.clone(),
            userid: self.owner.clone(),
        }
    }

    fn presenter_is(&self) -> ServerMessage {
        ServerMessage::Presenter {
            room: self.room.clone(),
            userid: self.presenter.clone(),
        }
    }

    fn wants_member(&self, userid: &UserId) -> Result<(), Refusal> {
        match self.member(userid) {
            Some(_) => Ok(()),
            None => Err(refuse(
                ErrorCode::NotInRoom,
                "you are not in this room; join it first",
            )),
        }
    }

    fn wants_user(&self, userid: &UserId) -> Result<(), Refusal> {
        match self.member(userid) {
            Some(_) => Ok(()),
            None => Err(refuse(
                ErrorCode::NoSuchUser,
                format!("{userid} is not in this room"),
            )),
        }
    }

    fn wants_person(&self, userid: &UserId) -> Result<(), Refusal> {
        match self.hub() {
            Some(hub) if hub.user.userid == *userid => Err(refuse(
                ErrorCode::NotAllowed,
                "the hub of a room is the server's; the room's rules say whether there is one",
            )),
            _ => Ok(()),
        }
    }

    fn wants_governor(&self, by: &UserId) -> Result<(), Refusal> {
        self.wants_member(by)?;
        if self.governs(by) {
            return Ok(());
        }
        Err(refuse(
            ErrorCode::NotAllowed,
            "only the owner of a room and its admins may do this",
        ))
    }
}

fn check_session(session: SessionKind) -> Result<Direction, Refusal> {
    session
        .direction()
        .map_err(|error| refuse(ErrorCode::BadSession, error.to_string()))
}

/// A session of two has two places, whatever the rules say.
fn limit_places(policy: &mut RoomPolicy, session: SessionKind) {
    if session.direction() == Ok(Direction::OneToOne) {
        policy.max_participants_allowed = policy.max_participants_allowed.min(1);
    }
}
