//! Who comes by WHIP or WHEP, and its place in a room.

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode, header};
use ortc_rooms::desk::Admission;
use ortc_rooms::session::{Events, RoomRequest, Session};
use ortc_rooms::signalling::memory::Memory;
use ortc_rooms::signalling::{Hello, Role, RoomName, UserId};
use serde_json::json;

use super::bridges::{Bridges, random};
use super::fault::Fault;
use crate::accept::Caller;
use crate::admit::admit;
use crate::site::Site;
use crate::tokens::same_secret;

/// The most letters of a name.
const NAME: usize = 64;

/// Who comes.
pub(super) struct Guest {
    hello: Hello,
    admission: Admission,
    /// What it came with, if that is no token.
    password: Option<String>,
}

/// What is behind `Bearer`, of an Authorization header.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

impl Guest {
    /// Let in by a token of a room's or the server's, or as the server lets in whoever comes.
    pub(super) fn new(
        site: &Arc<Site>,
        caller: Caller,
        headers: &HeaderMap,
        role: Role,
        name: Option<&str>,
    ) -> Result<Self, Fault> {
        let token = bearer(headers);
        let kind = match role {
            Role::Inspector => "whep",
            _ => "whip",
        };
        let mut hello = Hello::new();
        hello.userid = UserId::new(format!("{kind}.{}", random::<6>()?)).ok();
        hello.role = Some(role);
        let name: String = name.unwrap_or(kind).chars().take(NAME).collect();
        hello.extra =
            serde_json::from_value(json!({ "name": name, "by": kind })).unwrap_or_default();
        let own = site.config.api_token.as_deref();
        let is_server = token
            .zip(own)
            .is_some_and(|(one, own)| same_secret(one, own));
        let is_token = |word: &&str| jsonwebtoken::decode_header(word).is_ok();
        hello.token = token
            .filter(|word| !is_server && is_token(word))
            .map(str::to_owned);
        let password = token.filter(|word| !is_server && !is_token(word));
        let mut admission = match is_server {
            true => {
                let hooked = site.hooks.on_connect(&hello, caller.address);
                hooked.map_err(|words| Fault::new(StatusCode::FORBIDDEN, words))?;
                Admission::new(role)
            }
            false => admit(site, &hello, caller.address)?,
        };
        if admission.resume_only {
            return Err(Fault::new(StatusCode::UNAUTHORIZED, "a token is wanted"));
        }
        match (role, admission.role) {
            // It sends nothing, whatever it might.
            (Role::Inspector, _) => admission.role = Role::Inspector,
            (_, Role::Inspector) => {
                let words = "this token is an inspector's, who only receives";
                return Err(Fault::new(StatusCode::FORBIDDEN, words));
            }
            _ => {}
        }
        Ok(Self {
            hello,
            admission,
            password: password.map(str::to_owned),
        })
    }

    /// How it asks for the room: with what it came with, where that has a password. None is given
    /// to a room that has none, or is not there yet: the others would not know it.
    pub(super) fn request(&self, site: &Site, room: &RoomName) -> RoomRequest {
        let request = RoomRequest::from(room.as_str());
        let locked = site
            .desk
            .room(room)
            .is_some_and(|room| room.verifier.is_some());
        match &self.password {
            Some(password) if locked => request.password(password),
            _ => request,
        }
    }

    /// Arrives at the desk.
    pub(super) async fn arrive(
        self,
        site: &Arc<Site>,
        bridges: &Bridges,
    ) -> Result<(Session, Events), Fault> {
        let mut options = bridges.session();
        options.userid.clone_from(&self.hello.userid);
        options.extra = self.hello.extra.clone();
        options.role = self.hello.role;
        let arrived = Memory::admitted(&site.desk, self.hello, self.admission).await;
        let signaller =
            arrived.map_err(|error| Fault::new(StatusCode::CONFLICT, error.to_string()))?;
        Ok(Session::with(signaller, options).await?)
    }
}
