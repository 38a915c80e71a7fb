//! What a program that has a server in it may look at, and refuse.

use std::net::IpAddr;

use ortc_rooms::desk::DeskEvent;
use ortc_rooms::signalling::{Hello, UserId};

/// Looks at what happens, and may refuse it. All of it is called while clients wait, so it has to
/// be quick.
pub trait Hooks: Send + Sync {
    /// Somebody says hello. The error is what it is told, and it is not let in.
    ///
    /// # Errors
    ///
    /// The words for one who is not to come.
    fn on_connect(&self, hello: &Hello, address: IpAddr) -> Result<(), String> {
        let _ = (hello, address);
        Ok(())
    }

    /// A client says something: the text of an envelope as it came. The error ends its connection.
    ///
    /// # Errors
    ///
    /// The words with which the connection ends.
    fn on_message(&self, userid: &UserId, text: &str) -> Result<(), String> {
        let _ = (userid, text);
        Ok(())
    }

    /// Something happened: a room began or ended, somebody came or left, a call.
    fn on_event(&self, event: &DeskEvent) {
        let _ = event;
    }
}

/// Looks at nothing.
pub(crate) struct NoHooks;

impl Hooks for NoHooks {}
