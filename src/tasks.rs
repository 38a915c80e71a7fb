//! Where every task of the crate begins, so that tests can end each of them.

use std::future::Future;

use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

/// What a task does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// Drives a socket and the connections on it.
    Socket,
    /// Finds the addresses of an ICE server.
    ServerName,
    /// Finds the address behind a candidate's name.
    PeerName,
    /// Carries messages between here and a TURN server over TCP or TLS.
    RelayStream,
    /// Carries datagrams between here and a peer over TCP.
    PeerStream,
    /// Asks for the same by multicast, on one interface.
    Multicast,
    /// Answers to who asks for names of this side's, on one interface.
    Names,
    /// Asks the system's resolver, for either.
    Resolver,
    /// Asks one server of a diagnosis.
    Diagnosis,
    /// Watches the interfaces.
    Networks,
}

/// Begins a task, also from a thread that knows no runtime.
pub(crate) fn spawn<T: Send + 'static>(
    task: Task,
    runtime: &Handle,
    future: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    let handle = runtime.spawn(faults::hooked(task, future));
    faults::began(task, handle.abort_handle());
    handle
}

/// Begins a task that ends with the set.
pub(crate) fn spawn_in<T: Send + 'static>(
    set: &mut JoinSet<T>,
    task: Task,
    future: impl Future<Output = T> + Send + 'static,
) -> AbortHandle {
    let handle = set.spawn(faults::hooked(task, future));
    faults::began(task, handle.clone());
    handle
}

/// What reads files, aside: on a thread that may wait.
///
/// # Errors
/// It panicked, or the runtime is shutting down.
pub(crate) async fn aside<T: Send + 'static>(
    read: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    let read = tokio::task::spawn_blocking(read);
    read.await.map_err(|error| error.to_string())
}

#[cfg(not(test))]
mod faults {
    use super::{AbortHandle, Future, Task};

    pub(super) fn hooked<F: Future>(_: Task, future: F) -> F {
        future
    }

    pub(super) fn began(_: Task, _: AbortHandle) {}
}

/// Ends tasks that began on this thread: for runtimes that are a single thread.
#[cfg(test)]
pub(crate) mod faults {
    use std::cell::RefCell;
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::{Poll, Waker, ready};

    use super::{AbortHandle, Future, Task};

    thread_local! {
        static RUNNING: RefCell<Vec<(Task, AbortHandle)>> = const { RefCell::new(Vec::new()) };
        static PANICKING: RefCell<Vec<Task>> = const { RefCell::new(Vec::new()) };
        static WAITING: RefCell<Vec<(Task, Waker)>> = const { RefCell::new(Vec::new()) };
        static HELD: RefCell<Vec<Task>> = const { RefCell::new(Vec::new()) };
    }

    pub(super) async fn hooked<F: Future>(task: Task, future: F) -> F::Output {
        let mut future = pin!(future);
        let mut output = None;
        poll_fn(|context| {
            let panics = PANICKING.with_borrow(|tasks| tasks.contains(&task));
            assert!(!panics, "on purpose");
            WAITING.with_borrow_mut(|all| all.push((task, context.waker().clone())));
            if output.is_none() {
                output = Some(ready!(future.as_mut().poll(context)));
            }
            let held = HELD.with_borrow(|tasks| tasks.contains(&task));
            output.take_if(|_| !held).map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    pub(super) fn began(task: Task, handle: AbortHandle) {
        RUNNING.with_borrow_mut(|all| all.push((task, handle)));
    }

    /// The tasks of this kind that run.
    pub(crate) fn running(task: Task) -> usize {
        RUNNING.with_borrow_mut(|all| {
            all.retain(|(_, handle)| !handle.is_finished());
            all.iter().filter(|(kind, _)| *kind == task).count()
        })
    }

    pub(crate) fn abort(task: Task) {
        RUNNING.with_borrow(|all| {
            let of_kind = all.iter().filter(|(kind, _)| *kind == task);
            of_kind.for_each(|(_, handle)| handle.abort());
        });
    }

    /// From now on each of these panics when it is polled next, until [`calm`].
    pub(crate) fn panic(task: Task) {
        PANICKING.with_borrow_mut(|tasks| tasks.push(task));
        let woken = WAITING.with_borrow_mut(std::mem::take);
        woken.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// From now on none of these ends by itself, until [`calm`]: what is quick can be struck, too.
    pub(crate) fn hold(task: Task) {
        HELD.with_borrow_mut(|tasks| tasks.push(task));
    }

    pub(crate) fn calm() {
        PANICKING.with_borrow_mut(Vec::clear);
        HELD.with_borrow_mut(Vec::clear);
    }
}
