//! Who comes by WHIP or WHEP, and its place in a room.

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode, header};
use ortc_rooms::desk::Admission;
use ortc_rooms::session::{Events, Session};
use ortc_rooms::signalling::memory::Memory;
use ortc_rooms::signalling::{Hello, Role, UserId};
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
        hello.token = token.filter(|_| !is_server).map(str::to_owned);
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
        Ok(Self { hello, admission })
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
