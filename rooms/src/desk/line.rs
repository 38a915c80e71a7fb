//! Who calls whom: the state of each user's line, and what becomes of it. Each user's server has
//! its line; two lines of a call agree by what they tell each other.

use std::collections::HashMap;

use crate::signalling::{CallId, CallStatus, SessionKind, UserId};

/// One user's end of a call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) call: CallId,
    /// The other.
    pub(crate) with: UserId,
    /// This user asked for it.
    pub(crate) caller: bool,
    /// When the other said yes, in milliseconds since 1970.
    pub(crate) accepted: Option<u64>,
    pub(crate) session: SessionKind,
}

/// What becomes of somebody who calls.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Dialled {
    /// The other is to be rung; the other's call, which this one takes the place of, ends.
    Rings(Option<Line>),
    /// The other's call is the one that goes on.
    Accepts(Line),
    /// The user is in a call.
    Busy,
}

/// What becomes of somebody who is called.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Rung {
    /// It rings.
    Rings,
    /// Another call goes on.
    Busy,
    /// Both called each other, and this call is the one that goes on. The other's is at its end.
    Both(Line),
    /// Both called each other, and the other call is the one that goes on.
    Yields,
}

/// The lines of the users who are in a call.
#[derive(Debug, Default)]
pub(crate) struct Lines(HashMap<UserId, Line>);

impl Lines {
    pub(crate) fn of(&self, userid: &UserId) -> Option<&Line> {
        self.0.get(userid)
    }

    /// Somebody calls.
    pub(crate) fn dial(&mut self, caller: &UserId, line: Line, now: u64) -> Dialled {
        match self.0.get_mut(caller) {
            None => {
                self.0.insert(caller.clone(), line);
                Dialled::Rings(None)
            }
            // Both call each other, and the other's call came first.
            Some(own) if own.with == line.with && !own.caller && own.accepted.is_none() => {
                if (&own.call, &own.with) < (&line.call, caller) {
                    own.accepted = Some(now);
                    Dialled::Accepts(own.clone())
                } else {
                    let before = std::mem::replace(own, line);
                    Dialled::Rings(Some(before))
                }
            }
            Some(_) => Dialled::Busy,
        }
    }

    /// Somebody is called.
    pub(crate) fn ring(
        &mut self,
        callee: &UserId,
        caller: &UserId,
        call: &CallId,
        session: SessionKind,
        now: u64,
    ) -> Rung {
        let line = |accepted| Line {
            call: call.clone(),
            with: caller.clone(),
            caller: false,
            accepted,
            session,
        };
        match self.0.get(callee) {
            None => {
                self.0.insert(callee.clone(), line(None));
                Rung::Rings
            }
            Some(own) if own.with == *caller && own.caller && own.accepted.is_none() => {
                // Equal ids of both: the caller with the smaller user id wins.
                if (call, caller) < (&own.call, callee) {
                    let own = self.0.insert(callee.clone(), line(Some(now)));
                    own.map_or(Rung::Rings, Rung::Both)
                } else {
                    Rung::Yields
                }
            }
            // The same, and this call is the one that goes on already.
            Some(own)
                if own.with == *caller && own.caller && (&own.call, callee) < (call, caller) =>
            {
                Rung::Yields
            }
            Some(_) => Rung::Busy,
        }
    }

    /// Somebody who is called says yes. The line then, if it rang.
    pub(crate) fn accept(
        &mut self,
        callee: &UserId,
        call: &CallId,
        with: &UserId,
        now: u64,
    ) -> Option<Line> {
        let line = self.0.get_mut(callee)?;
        if line.caller || line.call != *call || line.with != *with || line.accepted.is_some() {
            return None;
        }
        line.accepted = Some(now);
        Some(line.clone())
    }

    /// The call of a line ends. The line as it was, if it was this call.
    pub(crate) fn end(&mut self, userid: &UserId, call: &CallId, with: &UserId) -> Option<Line> {
        let line = self.0.get(userid)?;
        if line.call != *call || line.with != *with {
            return None;
        }
        self.0.remove(userid)
    }

    /// Whatever call a user is in ends.
    pub(crate) fn drop_line(&mut self, userid: &UserId) -> Option<Line> {
        self.0.remove(userid)
    }

    /// The other's word of a call reaches a line. The line as it was, if it was this call.
    pub(crate) fn hear(
        &mut self,
        userid: &UserId,
        call: &CallId,
        with: &UserId,
        status: CallStatus,
        now: u64,
    ) -> Option<Line> {
        match status {
            CallStatus::Ringing => {
                let line = self.0.get(userid)?;
                (line.call == *call && line.with == *with).then(|| line.clone())
            }
            CallStatus::Accepted => {
                let line = self.0.get_mut(userid)?;
                if !line.caller || line.call != *call || line.with != *with {
                    return None;
                }
                let before = line.clone();
                line.accepted.get_or_insert(now);
                before.accepted.is_none().then_some(before)
            }
            _ => self.end(userid, call, with),
        }
    }
}
