//! Locks, and waiting for what happens under them.
//!
//! Code of others runs where one does not see it: a waker may poll at once what it wakes, a buffer
//! may have a destructor of the application's. None of it can wedge a connection: wakers run when
//! the thread holds no lock any more, each by itself, and who comes back while it does hold one is
//! stopped by a panic where it would have waited for itself for ever.
//!
//! In which order locks are taken is the [`Rank`] of each; `connection/core` has the page on it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Poll, Waker};

thread_local! {
    static HELD: HeldLocks = const { HeldLocks {
        count: Cell::new(0),
        #[cfg(debug_assertions)]
        ranks: [const { Cell::new(Rank::Leaf) }; KNOWN],
        addresses: [const { Cell::new(0) }; KNOWN],
        any_woken: Cell::new(false),
    } };
    /// Whom to wake when this thread holds no lock.
    static WOKEN: RefCell<VecDeque<Waker>> = const { RefCell::new(VecDeque::new()) };
}

/// What is locked, from the outside inwards: under a lock only those further down are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// Adding a stream to a connection.
    Adding,
    /// The further legs of a connection.
    Legs,
    /// What is forwarded to one track.
    Forward,
    /// The connections that a track's media goes to.
    Outlets,
    /// The connections of a socket.
    Routes,
    /// The state of a connection; that of its first leg before those of the further ones.
    Connection,
    /// All others: under them nothing is called that could take one of those above.
    Leaf,
}

impl Rank {
    /// Whether one of this rank may be taken under one of another.
    #[cfg(debug_assertions)]
    fn goes_under(self, held: Self) -> bool {
        match self {
            Self::Connection | Self::Leaf => held <= self,
            _ => held < self,
        }
    }
}

/// How many locks of one thread are known by address. Those beyond are counted only.
const KNOWN: usize = 8;

/// The locks that a thread holds. Several are taken for each packet, so this is plain numbers in
/// their place: nothing to register, to allocate or to drop.
struct HeldLocks {
    count: Cell<usize>,
    /// In the order in which they were taken.
    addresses: [Cell<usize>; KNOWN],
    #[cfg(debug_assertions)]
    ranks: [Cell<Rank>; KNOWN],
    any_woken: Cell<bool>,
}

impl HeldLocks {
    fn known(&self) -> &[Cell<usize>] {
        let known = self.addresses.get(..self.count.get());
        known.unwrap_or(&self.addresses)
    }

    /// Whether it was the last one taken, as nearly always.
    #[inline]
    fn give_back_last(&self, address: usize) -> bool {
        let count = self.count.get().wrapping_sub(1);
        let last = self.addresses.get(count);
        let is_last = last.is_some_and(|last| last.get() == address);
        if is_last {
            self.count.set(count);
        }
        is_last
    }

    #[cold]
    fn give_back(&self, address: usize) {
        let known = self.known();
        if let Some(at) = known.iter().rposition(|known| known.get() == address)
            && let Some(from_here) = known.get(at..)
        {
            for (place, later) in from_here.iter().zip(from_here.iter().skip(1)) {
                place.swap(later);
            }
            if let Some(last) = from_here.last() {
                last.set(0);
            }
            #[cfg(debug_assertions)]
            if let Some(from_here) = self.ranks.get(at..) {
                for (place, later) in from_here.iter().zip(from_here.iter().skip(1)) {
                    place.swap(later);
                }
            }
        }
        self.count.set(self.count.get().saturating_sub(1));
    }

    /// Stops who breaks the order, whether or not another thread is in the way this time.
    #[cfg(debug_assertions)]
    fn check_order(&self, rank: Rank) {
        let held = self.ranks.iter().zip(self.known());
        for (held, _) in held {
            let held = held.get();
            assert!(
                rank.goes_under(held),
                "the order of locks: {rank:?} under {held:?}"
            );
        }
    }
}

/// Locks even when a panic poisoned the mutex: state stays consistent because panics are contained
/// and end what they happened in.
///
/// # Panics
///
/// When the thread holds this lock already, which only foreign code that is called back can bring
/// about: the standard library's lock "might panic or deadlock" then, this one panics.
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> Guard<'_, T> {
    lock_at(Rank::Leaf, mutex)
}

/// The same for a lock under which others are taken.
///
/// # Panics
///
/// As [`lock`]; in builds with debug assertions also when the thread holds a lock under which one of
/// this rank is not taken.
#[inline]
pub(crate) fn lock_at<T>(rank: Rank, mutex: &Mutex<T>) -> Guard<'_, T> {
    #[cfg(debug_assertions)]
    HELD.with(|held| held.check_order(rank));
    let address = std::ptr::from_ref(mutex).addr();
    let value = match mutex.try_lock() {
        Ok(value) => value,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => lock_when_free(mutex, address),
    };
    Guard {
        value,
        _held: Held::new(address, rank),
    }
}

#[cold]
fn lock_when_free<T>(mutex: &Mutex<T>, address: usize) -> MutexGuard<'_, T> {
    let own = HELD.with(|held| held.known().iter().any(|known| known.get() == address));
    assert!(
        !own,
        "called back by what is being done: the lock is held by this very thread"
    );
    #[allow(clippy::disallowed_methods)]
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What [`lock`] gives. The fields are dropped in their order: unlocked first, then noted.
pub(crate) struct Guard<'a, T> {
    value: MutexGuard<'a, T>,
    _held: Held,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

/// One lock among those of the thread, by its address.
struct Held(usize);

impl Held {
    #[inline]
    fn new(address: usize, rank: Rank) -> Self {
        #[cfg(not(debug_assertions))]
        let _ = rank;
        HELD.with(|held| {
            let count = held.count.get();
            #[cfg(debug_assertions)]
            if let Some(place) = held.ranks.get(count) {
                place.set(rank);
            }
            if let Some(place) = held.addresses.get(count) {
                place.set(address);
            }
            held.count.set(count.saturating_add(1));
        });
        Self(address)
    }
}

impl Drop for Held {
    #[inline]
    fn drop(&mut self) {
        HELD.with(|held| {
            if !held.give_back_last(self.0) {
                held.give_back(self.0);
            }
            if held.any_woken.get() && held.count.get() == 0 {
                held.any_woken.set(false);
                wake_those_that_wait();
            }
        });
    }
}

/// Also those that are woken meanwhile.
#[cold]
fn wake_those_that_wait() {
    // A thread that is ending has no such list any more.
    while let Ok(Some(waker)) = WOKEN.try_with(|woken| woken.borrow_mut().pop_front()) {
        wake_now(waker);
    }
}

/// Wakes once this thread holds no lock.
fn wake(waker: Waker) {
    let mut waker = Some(waker);
    if HELD.with(|held| held.count.get() != 0) {
        let _ = WOKEN.try_with(|woken| woken.borrow_mut().extend(waker.take()));
        HELD.with(|held| held.any_woken.set(true));
    }
    if let Some(waker) = waker {
        wake_now(waker);
    }
}

/// A waker that panics is no reason not to wake the others.
fn wake_now(waker: Waker) {
    let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
}

/// Those who wait for something that happens under a lock. All of them are woken at once, so none
/// depends on what another does with its turn.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    waiting: Vec<(u64, Waker)>,
    next: u64,
}

impl Waiters {
    pub(crate) fn wake_all(&mut self) {
        for (_, waker) in self.waiting.drain(..) {
            wake(waker);
        }
    }

    fn register(&mut self, place: &mut Option<u64>, waker: &Waker) {
        let own = |(id, _): &&mut (u64, Waker)| Some(*id) == *place;
        match self.waiting.iter_mut().find(own) {
            Some((_, known)) => known.clone_from(waker),
            None => {
                self.next += 1;
                *place = Some(self.next);
                self.waiting.push((self.next, waker.clone()));
            }
        }
    }

    fn remove(&mut self, place: u64) -> Option<Waker> {
        let at = self.waiting.iter().position(|(id, _)| *id == place)?;
        Some(self.waiting.swap_remove(at).1)
    }
}

/// Waits until `ready` gives something; it is asked under the lock, at first and whenever the
/// waiters were woken. Cancel-safe: dropped before, it has taken nothing.
pub(crate) async fn wait<S, T>(
    state: &Mutex<S>,
    waiters: fn(&mut S) -> &mut Waiters,
    mut ready: impl FnMut(&mut S) -> Option<T>,
) -> T {
    let done = ready(&mut lock(state));
    if let Some(done) = done {
        return done;
    }
    let mut place = Place {
        state,
        waiters,
        id: None,
    };
    poll_fn(|context| {
        let mut state = lock(place.state);
        if let Some(done) = ready(&mut state) {
            return Poll::Ready(done);
        }
        (place.waiters)(&mut state).register(&mut place.id, context.waker());
        Poll::Pending
    })
    .await
}

/// A place among the waiters, which is given up when the future is dropped.
struct Place<'a, S> {
    state: &'a Mutex<S>,
    waiters: fn(&mut S) -> &mut Waiters,
    id: Option<u64>,
}

impl<S> Drop for Place<'_, S> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            let waker = (self.waiters)(&mut lock(self.state)).remove(id);
            // Not under the lock: it may be the last handle of a task.
            drop(waker);
        }
    }
}

/// Tells all who wait that something has changed.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    changes: AtomicU64,
    waiters: Mutex<Waiters>,
}

impl Signal {
    pub(crate) fn notify(&self) {
        let mut waiters = lock(&self.waiters);
        self.changes.fetch_add(1, Ordering::AcqRel);
        waiters.wake_all();
    }

    /// The next change after this call, whenever it is awaited.
    pub(crate) fn change(&self) -> impl Future<Output = ()> + '_ {
        let seen = self.changes.load(Ordering::Acquire);
        wait(
            &self.waiters,
            |waiters| waiters,
            move |_| (self.changes.load(Ordering::Acquire) != seen).then_some(()),
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::{Context, Wake};

    use super::*;

    /// Does something when it is woken.
    struct Doing<F>(F);

    impl<F: Fn() + Send + Sync> Wake for Doing<F> {
        fn wake(self: Arc<Self>) {
            (self.0)();
        }
    }

    fn doing(f: impl Fn() + Send + Sync + 'static) -> Waker {
        Arc::new(Doing(f)).into()
    }

    #[test]
    fn wakers_run_without_any_lock_and_all_of_them() {
        let signal = Arc::new(Signal::default());
        let outer = Arc::new(Mutex::new(0));
        let woken = Arc::new(AtomicUsize::new(0));
        let mut futures: Vec<_> = (0..3).map(|_| Box::pin(signal.change())).collect();
        for (n, future) in futures.iter_mut().enumerate() {
            let (signal, outer, woken) = (signal.clone(), outer.clone(), woken.clone());
            let waker = doing(move || {
                *lock(&outer) += 1;
                signal.notify();
                woken.fetch_add(1, Ordering::Relaxed);
                assert_ne!(n, 1, "on purpose");
            });
            let mut context = Context::from_waker(&waker);
            assert!(future.as_mut().poll(&mut context).is_pending());
        }
        {
            let guard = lock(&outer);
            signal.notify();
            assert_eq!(woken.load(Ordering::Relaxed), 0);
            assert_eq!(*guard, 0);
        }
        assert_eq!(woken.load(Ordering::Relaxed), 3);
        assert_eq!(*lock(&outer), 3);
    }

    #[test]
    fn a_change_between_the_look_and_the_wait_is_not_missed() {
        let signal = Signal::default();
        let change = signal.change();
        signal.notify();
        let mut context = Context::from_waker(Waker::noop());
        assert!(pin!(change).poll(&mut context).is_ready());
        assert!(pin!(signal.change()).poll(&mut context).is_pending());
    }

    #[test]
    fn whoever_is_dropped_keeps_no_place() {
        let signal = Signal::default();
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..10 {
            let mut change = Box::pin(signal.change());
            for _ in 0..3 {
                assert!(change.as_mut().poll(&mut context).is_pending());
            }
            assert_eq!(lock(&signal.waiters).waiting.len(), 1);
        }
        assert!(lock(&signal.waiters).waiting.is_empty());
    }

    #[test]
    fn r_g08_a_thread_that_would_wait_for_itself_is_stopped() {
        let mutex = Mutex::new(1);
        let guard = lock(&mutex);
        assert!(catch_unwind(AssertUnwindSafe(|| drop(lock(&mutex)))).is_err());
        drop(guard);
        assert_eq!(*lock(&mutex), 1);
    }

    #[test]
    fn the_order_of_locks_is_kept() {
        const ALL: [Rank; 7] = [
            Rank::Adding,
            Rank::Legs,
            Rank::Forward,
            Rank::Outlets,
            Rank::Routes,
            Rank::Connection,
            Rank::Leaf,
        ];
        let locks = ALL.map(|rank| (rank, Mutex::new(())));
        let all: Vec<_> = locks.iter().map(|(rank, of)| lock_at(*rank, of)).collect();
        drop(all);
        let other = Mutex::new(());
        for (held, outer) in &locks {
            for rank in ALL {
                let guard = lock_at(*held, outer);
                let taken = catch_unwind(AssertUnwindSafe(|| drop(lock_at(rank, &other))));
                drop(guard);
                // Legs follow each other, and so do those under which nothing is taken.
                let alike = matches!(rank, Rank::Connection | Rank::Leaf);
                let fits = rank > *held || rank == *held && alike;
                assert_eq!(taken.is_ok(), fits, "{rank:?} under {held:?}");
            }
        }
        // What is no longer held counts no more, in whatever order it was given back.
        let (first, second) = (lock_at(ALL[0], &locks[0].1), lock(&locks[6].1));
        drop(first);
        drop(second);
        let (first, second) = (lock_at(ALL[3], &locks[3].1), lock_at(ALL[5], &locks[5].1));
        drop(first);
        assert!(catch_unwind(AssertUnwindSafe(|| drop(lock_at(ALL[4], &other)))).is_err());
        drop(second);
        drop(lock_at(ALL[0], &locks[0].1));
    }

    #[test]
    fn locks_are_given_back_in_any_order_and_any_number() {
        let locks: Vec<_> = (0..2 * KNOWN).map(|_| Mutex::new(())).collect();
        for step in [1, 3, 5, 2 * KNOWN - 1] {
            let mut guards: Vec<_> = locks.iter().map(lock).map(Some).collect();
            let mut at = 0;
            for _ in 0..locks.len() {
                drop(guards[at].take());
                assert!(locks[at].try_lock().is_ok());
                // None of what was given back counts as held: taken again, given back again.
                drop(lock(&locks[at]));
                at = (at + step) % locks.len();
            }
            HELD.with(|held| assert_eq!(held.count.get(), 0));
        }
    }
}
