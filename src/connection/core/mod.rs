//! The state of a connection and what acts on all of it.
//!
//! # Locks
//!
//! Which locks there are in the crate, from the outside inwards: under one of them only those below
//! it are taken. Each names its [`Rank`](crate::locks::Rank); where debug assertions are on, and so in
//! every test, taking one under one that is below it panics, whether or not another thread is in the
//! way this time.
//!
//! 1. **Adding** (`ConnectionShared::adding`): while a stream is added, so that a second call with
//!    the same stream returns when it is there. Under it the stream's tracks are sent, each with the
//!    state locked anew.
//! 2. **Legs** (`Handle::legs`): a connection's further sockets. Under it a leg is made, which joins
//!    its socket, and the state of each is looked at.
//! 3. **Outlets** (`Source::outlets` of a track): the connections that a local track's media goes to.
//!    Under it each of them gets the sample, which locks its state. Thus a connection attaches and
//!    detaches tracks when its own state is not locked.
//! 4. **Routes** (`SocketShared::routes`): which datagrams go to which connection. Where addresses do
//!    not tell, connections are asked under it, so one whose state is locked does not call it: what
//!    concerns routes is collected under the state and told afterwards (`update_route`).
//! 5. **Connection** (`ConnectionShared::state`): everything that changes on one. The first leg's is
//!    taken before those of the further legs, when it closes them. The engine is run under this one
//!    and calls nobody.
//! 6. **Leaves**: queues of events and packets, those who wait (`Signal`, `Waiters`), a track's jitter
//!    buffer and encodings, a stream's list, a channel's messages, the group of legs, the socket's list
//!    of connections to be served and its gathering, digits that wait, the pool of receive buffers,
//!    what DTLS sees of its own keys. Under them no code of a
//!    connection or of the application runs: wakers run when the thread holds no lock at all, and a
//!    handle that is dropped with an event only leaves a note (`abandoned`) for the driver.
//!
//! All are taken by [`lock_at`](crate::locks::lock_at), or [`lock`](crate::locks::lock) for leaves:
//! clippy refuses the standard library's own, which would be unseen.
//!
//! None is held over an await, since a task that waits with a lock stops the thread of the next that
//! wants it, which may be the one that would end the wait. The guards cannot leave their thread,
//! so the futures of this crate, which can, have none; who waits does so with
//! [`wait`](crate::locks::wait), which looks under the lock and sleeps without.

pub(crate) mod auto_restart;
pub(crate) mod event;
pub(crate) mod event_sink;
mod member;
mod others;
mod publish;
pub(crate) mod servers;
pub(crate) mod setup;
pub(crate) mod shared;
mod ssrc;
pub(crate) mod state;
