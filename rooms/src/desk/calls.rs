//! Calls between users: ringing, answering, ending.

use std::sync::{Arc, Weak};

use tokio::sync::mpsc;

use super::client::Client;
use super::event::DeskEvent;
use super::house::House;
use super::line::{Dialled, Line, Rung};
use super::locks::lock;
use super::store::Post;
use crate::room::Refusal;
use crate::signalling::{
    Answer, CallId, CallStatus, ErrorCode, Role, ServerMessage, SessionKind, User, UserId,
};

/// So many answers wait to go to other servers.
const REPLIES: usize = 4096;

impl House {
    /// Somebody asks for a call.
    pub(crate) async fn call(
        &self,
        client: &Arc<Client>,
        call: CallId,
        to: UserId,
        session: SessionKind,
    ) -> Result<(), Refusal> {
        if to == client.userid {
            return Err(Refusal::new(
                ErrorCode::NotAllowed,
                "you cannot call yourself",
            ));
        }
        let line = Line {
            call: call.clone(),
            with: to.clone(),
            caller: true,
            accepted: None,
            session,
        };
        let dialled = {
            let mut lines = lock(&self.lines);
            let dialled = lines.dial(&client.userid, line.clone(), self.store.now());
            // Told before anything else becomes of the line.
            match &dialled {
                Dialled::Rings(Some(other)) => {
                    client.tell(&call_status(other, CallStatus::Cancelled));
                }
                Dialled::Accepts(other) => {
                    client.tell(&call_status(&line, CallStatus::Cancelled));
                    client.tell(&call_status(other, CallStatus::Accepted));
                }
                Dialled::Rings(None) | Dialled::Busy => {}
            }
            dialled
        };
        match dialled {
            Dialled::Rings(_) => {}
            Dialled::Accepts(other) => {
                let post = Post::CallStatus {
                    call: other.call,
                    with: client.userid.clone(),
                    status: CallStatus::Accepted,
                };
                self.send_post(&to, post).await;
                return Ok(());
            }
            Dialled::Busy => {
                return Err(Refusal::new(
                    ErrorCode::NotAllowed,
                    "you are in a call; end it first",
                ));
            }
        }
        let from = client.user();
        let post = Post::Ring {
            call: call.clone(),
            from,
            session,
        };
        if self.send_post(&to, post).await {
            self.end_when_unanswered(client.userid.clone(), line);
        } else {
            self.hear_of_call(&client.userid, &call, &to, CallStatus::Gone);
        }
        Ok(())
    }

    /// Somebody answers a call, or ends it.
    pub(crate) async fn answer(
        &self,
        client: &Client,
        call: CallId,
        with: UserId,
        answer: Answer,
    ) -> Result<(), Refusal> {
        let now = self.store.now();
        let userid = &client.userid;
        let status = match answer {
            Answer::Accept => CallStatus::Accepted,
            Answer::Reject => CallStatus::Rejected,
            Answer::Busy => CallStatus::Busy,
            Answer::Cancel => CallStatus::Cancelled,
        };
        let line = {
            let mut lines = lock(&self.lines);
            let may = |line: &Line| !line.caller && line.accepted.is_none();
            match answer {
                Answer::Accept => lines.accept(userid, &call, &with, now),
                Answer::Cancel => lines.end(userid, &call, &with),
                Answer::Reject | Answer::Busy if lines.of(userid).is_some_and(may) => {
                    lines.end(userid, &call, &with)
                }
                Answer::Reject | Answer::Busy => None,
            }
        };
        let Some(line) = line else {
            return Err(Refusal::new(
                ErrorCode::NoSuchCall,
                "this call has ended, or never was",
            ));
        };
        self.note_call(userid, &line, status);
        let post = Post::CallStatus {
            call: call.clone(),
            with: userid.clone(),
            status,
        };
        if !self.send_post(&with, post).await && answer == Answer::Accept {
            self.hear_of_call(userid, &call, &with, CallStatus::Gone);
        }
        Ok(())
    }

    /// Somebody is gone: so is its call.
    pub(crate) async fn hang_up(&self, userid: &UserId) {
        let Some(line) = lock(&self.lines).drop_line(userid) else {
            return;
        };
        self.note_call(userid, &line, CallStatus::Gone);
        let post = Post::CallStatus {
            call: line.call,
            with: userid.clone(),
            status: CallStatus::Gone,
        };
        self.send_post(&line.with, post).await;
    }

    /// To a user, here or at another server. False if it is nowhere.
    async fn send_post(&self, to: &UserId, post: Post) -> bool {
        self.receive_post(to, post.clone()) || self.store.post(to.clone(), post).await
    }

    /// Something for a user of this desk. False if it is not here.
    pub(crate) fn receive_post(&self, to: &UserId, post: Post) -> bool {
        let Some(client) = self.client(to) else {
            return false;
        };
        match post {
            Post::Ring {
                call,
                from,
                session,
            } => self.ring(&client, call, from, session),
            Post::CallStatus { call, with, status } => {
                self.hear_of_call(to, &call, &with, status);
            }
            Post::Missed(said) => {
                for said in said {
                    client.push(said.get().into());
                }
            }
            Post::CallRefused {
                call,
                with,
                code,
                message,
            } => {
                if lock(&self.lines).end(to, &call, &with).is_some() {
                    client.error(code, message, None, None);
                }
            }
        }
        true
    }

    fn ring(&self, callee: &Arc<Client>, call: CallId, from: User, session: SessionKind) {
        let me = &callee.userid;
        let caller = from.userid.clone();
        let refused = match (from.role, callee.role) {
            (_, Role::Hub) => Some("a hub takes no calls"),
            (Role::Guest, Role::Admin) => None,
            (Role::Guest, _) => Some("a guest calls admins alone"),
            _ => None,
        };
        if let Some(words) = refused {
            let refused = Post::CallRefused {
                call,
                with: me.clone(),
                code: ErrorCode::NotAllowed,
                message: words.to_owned(),
            };
            return self.reply(&caller, refused);
        }
        let status = {
            let mut lines = lock(&self.lines);
            let (status, own) = match lines.ring(me, &caller, &call, session, self.store.now()) {
                Rung::Rings => (CallStatus::Ringing, None),
                Rung::Busy => (CallStatus::Busy, None),
                Rung::Yields => return,
                Rung::Both(own) => (CallStatus::Accepted, Some(own)),
            };
            // Told before anything else becomes of the line.
            if let Some(own) = &own {
                callee.tell(&call_status(own, CallStatus::Cancelled));
            }
            if status != CallStatus::Busy {
                callee.tell(&ServerMessage::Call {
                    call: call.clone(),
                    from,
                    session,
                });
            }
            if own.is_some() {
                callee.tell(&ServerMessage::CallStatus {
                    call: call.clone(),
                    with: caller.clone(),
                    status,
                });
            }
            status
        };
        let with = me.clone();
        self.reply(&caller, Post::CallStatus { call, with, status });
    }

    /// Answers another user from where nobody can wait.
    fn reply(&self, to: &UserId, post: Post) {
        if self.client(to).is_some() {
            self.receive_post(to, post);
            return;
        }
        let replies = self.replies.get_or_init(|| {
            let (replies, due) = mpsc::channel(REPLIES);
            tokio::spawn(send_replies(self.me.clone(), due));
            replies
        });
        if replies.try_send((to.clone(), post)).is_err() {
            self.counters.count_dropped(1);
        }
    }

    /// What became of a call reaches one of its two.
    fn hear_of_call(&self, userid: &UserId, call: &CallId, with: &UserId, status: CallStatus) {
        let now = self.store.now();
        let line = {
            let mut lines = lock(&self.lines);
            let Some(line) = lines.hear(userid, call, with, status, now) else {
                return;
            };
            if let Some(client) = self.client(userid) {
                client.tell(&call_status(&line, status));
            }
            line
        };
        self.note_call(userid, &line, status);
    }

    /// Tells who runs the desk: the caller's server does.
    fn note_call(&self, userid: &UserId, line: &Line, status: CallStatus) {
        if !line.caller {
            return;
        }
        let ended = !matches!(status, CallStatus::Ringing | CallStatus::Accepted);
        let lasted = |since: u64| self.store.now().saturating_sub(since);
        self.event(DeskEvent::Call {
            call: line.call.clone(),
            from: userid.clone(),
            to: line.with.clone(),
            status,
            lasted_ms: line.accepted.filter(|_| ended).map(lasted),
            session: line.session,
        });
    }

    fn end_when_unanswered(&self, caller: UserId, dialled: Line) {
        let (house, patience) = (self.me.clone(), self.options.ring);
        tokio::spawn(async move {
            tokio::time::sleep(patience).await;
            let Some(house) = house.upgrade() else { return };
            let rings = lock(&house.lines).of(&caller) == Some(&dialled);
            if !rings {
                return;
            }
            let Line { call, with, .. } = dialled;
            house.hear_of_call(&caller, &call, &with, CallStatus::Timeout);
            let post = Post::CallStatus {
                call,
                with: caller,
                status: CallStatus::Timeout,
            };
            house.send_post(&with, post).await;
        });
    }
}

/// One after the other, in the order in which they became due.
async fn send_replies(house: Weak<House>, mut due: mpsc::Receiver<(UserId, Post)>) {
    while let Some((to, post)) = due.recv().await {
        let Some(house) = house.upgrade() else { return };
        house.store.post(to, post).await;
    }
}

fn call_status(line: &Line, status: CallStatus) -> ServerMessage {
    ServerMessage::CallStatus {
        call: line.call.clone(),
        with: line.with.clone(),
        status,
    }
}
