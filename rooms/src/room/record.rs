//! What is known of a room.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::signalling::{
    Role, RoomInfo, RoomName, RoomPolicy, RoomState, SessionKind, User, UserId,
};

/// What is known of a room.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RoomRecord {
    /// Its name.
    pub room: RoomName,
    /// When it was opened, in milliseconds since 1970; tells it from an earlier one of its name.
    pub epoch: u64,
    /// Who is in it, in the order in which they came.
    pub members: Vec<Member>,
    /// Who owns it.
    pub owner: UserId,
    /// What it carries.
    pub session: SessionKind,
    /// Its rules.
    pub policy: RoomPolicy,
    /// What a password is verified with, in the form of the PHC; absent: none is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verifier: Option<String>,
    /// Who presents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presenter: Option<UserId>,
    /// Who may not come back.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub banned: BTreeSet<UserId>,
    /// Until when those who were in it may come back after its server was lost, in milliseconds
    /// since 1970; absent: no server was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuilt: Option<u64>,
}

/// One who is in a room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Member {
    /// Who.
    pub user: User,
    /// Since when, in milliseconds since 1970.
    pub since: u64,
    /// Since when its connection is lost; absent: it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<u64>,
    /// The server that it is connected to, in a cluster.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub node: String,
}

impl RoomRecord {
    /// The member of this id.
    pub fn member(&self, userid: &UserId) -> Option<&Member> {
        self.members
            .iter()
            .find(|member| member.user.userid == *userid)
    }

    pub(super) fn member_mut(&mut self, userid: &UserId) -> Option<&mut Member> {
        self.members
            .iter_mut()
            .find(|member| member.user.userid == *userid)
    }

    /// The members that are persons: all but a hub.
    pub fn persons(&self) -> impl Iterator<Item = &Member> {
        let persons = self.members.iter();
        persons.filter(|member| member.user.role != Role::Hub)
    }

    /// The hub, where there is one.
    pub fn hub(&self) -> Option<&Member> {
        let mut members = self.members.iter();
        members.find(|member| member.user.role == Role::Hub)
    }

    /// True if the user may eject, close and set the rules.
    pub fn governs(&self, userid: &UserId) -> bool {
        self.owner == *userid
            || self
                .member(userid)
                .is_some_and(|member| member.user.role == Role::Admin)
    }

    /// As who enters is told.
    pub fn state(&self, about: Option<u64>) -> RoomState {
        RoomState {
            room: self.room.clone(),
            epoch: self.epoch,
            users: self
                .members
                .iter()
                .map(|member| member.user.clone())
                .collect(),
            owner: self.owner.clone(),
            session: self.session,
            policy: self.policy.clone(),
            presenter: self.presenter.clone(),
            returning: false,
            hub: self.hub().map(|hub| hub.user.userid.clone()),
            about,
        }
    }

    /// As those who watch are told; nothing of a hidden room.
    pub fn info(&self) -> Option<RoomInfo> {
        if self.policy.hidden {
            return None;
        }
        Some(RoomInfo {
            sessionid: self.room.clone(),
            userid: self.owner.clone(),
            extra: self
                .member(&self.owner)
                .map(|owner| owner.user.extra.clone())
                .unwrap_or_default(),
            session: self.session,
            users: u32::try_from(self.persons().count()).unwrap_or(u32::MAX),
            places: u32::try_from(self.policy.places()).unwrap_or(u32::MAX),
            password: self.verifier.is_some(),
        })
    }
}

// A verifier can be tried against at leisure.
impl fmt::Debug for RoomRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoomRecord")
            .field("room", &self.room)
            .field("epoch", &self.epoch)
            .field("members", &self.members)
            .field("owner", &self.owner)
            .field("session", &self.session)
            .field("policy", &self.policy)
            .field("verifier", &self.verifier.as_ref().map(|_| "…"))
            .field("presenter", &self.presenter)
            .field("banned", &self.banned)
            .finish()
    }
}
