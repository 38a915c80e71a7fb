//! What clients leave at the server: recordings, and reports of what went wrong. Off unless a folder is named.

pub(crate) mod about;
pub(crate) mod help;
pub(crate) mod helpdesk;
pub(crate) mod recordings;
pub(crate) mod shelf;
