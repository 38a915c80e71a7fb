//! A client that speaks arrays.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use futures_util::StreamExt;
use ortc_rooms::desk::{CLOSE_POLICY, Out, Outgoing, Seat};
use ortc_rooms::signalling::{
    ClientMessage, Enter, Envelope, Hello, RoomName, RoomPolicy, RoomState, ServerMessage, UserId,
};
use tokio::time::timeout;

use super::wire::{self, Asked};
use crate::accept::Caller;
use crate::admit::admit;
use crate::frames::{End, Frames, HELLO, closing, small, turned_away};
use crate::site::Site;

/// Lets a client in. `?token=` is its token where one is wanted.
pub(crate) async fn upgrade(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    match turned_away(&site, caller, &headers) {
        Some(response) => response,
        None => {
            let token = query.get("token").cloned();
            small(upgrade).on_upgrade(move |socket| run(socket, site, caller, token))
        }
    }
}

async fn run(socket: WebSocket, site: Arc<Site>, caller: Caller, token: Option<String>) {
    let _counted = site.metrics.client();
    let mut frames = Frames::new(socket, &site);
    let mut guest = Guest {
        site: &site,
        caller,
        token,
        place: None,
    };
    let end = match guest.talk(&mut frames).await {
        Ok(()) => End::Lost,
        Err(end) => end,
    };
    // Nobody of these comes back to its place.
    if let Some(place) = guest.place {
        place.seat.gone().await;
    }
    frames.end(end).await;
}

struct Guest<'a> {
    site: &'a Site,
    caller: Caller,
    token: Option<String>,
    place: Option<Place>,
}

/// Under the name of its first sender.
struct Place {
    seat: Seat,
    outgoing: Outgoing,
    sender: UserId,
    number: u64,
}

impl Guest<'_> {
    async fn talk(&mut self, frames: &mut Frames<'_>) -> Result<(), End> {
        let first = timeout(HELLO, frames.text()).await;
        let mut text = first.map_err(|_| closing(CLOSE_POLICY, "nothing said within 5 s"))??;
        loop {
            let answer = match wire::read(text.as_str()) {
                Ok(asked) => self.answer(asked).await,
                Err(words) => wire::error(&words),
            };
            frames.tell(answer).await?;
            text = self.next(frames).await?;
        }
    }

    /// The next text; what the desk tells meanwhile has no array, but its end is one.
    async fn next(&mut self, frames: &mut Frames<'_>) -> Result<axum::extract::ws::Utf8Bytes, End> {
        let Some(place) = &mut self.place else {
            return frames.text().await;
        };
        loop {
            tokio::select! {
                text = frames.text() => return text,
                out = place.outgoing.next() => match out {
                    Some(Out::Text(text)) => place.heard(&text).await,
                    Some(Out::Close(closing)) => return Err(End::Closed(closing)),
                    Some(_) => {}
                    None => return Err(End::Lost),
                },
            }
        }
    }

    async fn answer(&mut self, asked: Asked) -> String {
        match asked {
            Asked::Presence { channel } => wire::presence(self.site.desk.room(&channel).is_some()),
            Asked::Open {
                channel,
                sender,
                max_allowed,
            } => {
                let mut policy = RoomPolicy::default();
                // Beside the one who opens it.
                policy.max_participants_allowed = max_allowed.saturating_sub(1);
                let mut enter = Enter::new(channel.clone());
                enter.policy = Some(policy);
                let state = self
                    .enter(sender, ClientMessage::Open(enter), &channel)
                    .await;
                wire::opened(&channel, state.map(drop))
            }
            Asked::Join { channel, sender } => {
                let message = ClientMessage::Join(Enter::new(channel.clone()));
                let state = self.enter(sender, message, &channel).await;
                let users =
                    state.map(|state| state.users.into_iter().map(|user| user.userid).collect());
                wire::joined(&channel, users)
            }
        }
    }

    async fn enter(
        &mut self,
        sender: UserId,
        message: ClientMessage,
        channel: &RoomName,
    ) -> Result<RoomState, String> {
        if self.place.is_none() {
            self.place = Some(self.arrive(sender.clone()).await?);
        }
        match &mut self.place {
            Some(place) if place.sender == sender => place.ask(message, channel).await,
            _ => Err("this connection is of another sender".to_owned()),
        }
    }

    async fn arrive(&self, sender: UserId) -> Result<Place, String> {
        let mut hello = Hello::new();
        hello.token = self.token.clone();
        hello.userid = Some(sender.clone());
        let admission = admit(self.site, &hello, self.caller.address);
        let admission = admission.map_err(|refusal| refusal.message)?;
        let arrived = self.site.desk.arrive(hello, admission).await;
        let (seat, outgoing) = arrived.map_err(|refusal| refusal.message)?;
        Ok(Place {
            sender: seat.userid().clone(),
            seat,
            outgoing,
            number: 0,
        })
    }
}

impl Place {
    /// Says something, and waits for what becomes of it.
    async fn ask(
        &mut self,
        message: ClientMessage,
        channel: &RoomName,
    ) -> Result<RoomState, String> {
        self.number = self.number.saturating_add(1);
        let number = Some(self.number);
        let envelope = Envelope::new(self.number, 0, message).to_json();
        let envelope = envelope.map_err(|error| error.to_string())?;
        self.seat
            .said(&envelope)
            .await
            .map_err(|closing| closing.reason)?;
        loop {
            let text = match self.outgoing.next().await {
                Some(Out::Text(text)) => text,
                Some(Out::Close(closing)) => return Err(closing.reason),
                _ => return Err("the server goes away".to_owned()),
            };
            self.heard(&text).await;
            let message = Envelope::<ServerMessage>::from_json(&text)
                .ok()
                .and_then(|e| e.message);
            match message {
                Some(ServerMessage::Room(state)) if state.room == *channel => return Ok(state),
                Some(ServerMessage::Error { message, about, .. }) if about == number => {
                    return Err(message);
                }
                _ => {}
            }
        }
    }

    /// Tells the desk that a message came, so that it need not be kept.
    async fn heard(&mut self, text: &str) {
        let number = Envelope::<serde::de::IgnoredAny>::from_json(text)
            .ok()
            .and_then(|e| e.seq);
        if let Some(number) = number
            && let Ok(text) = Envelope::<ClientMessage>::seen(number).to_json()
        {
            // The end of the connection is told by what goes out.
            let _ = self.seat.said(&text).await;
        }
    }
}
