//! Who is connected, and the two ends that a connection may be told to come to: by the clock, or because the process drains.
//!
//! A check costs a few microseconds, so a connection must not set a timer for each request, nor look at a channel each time
//! that it is woken. It has a seat: one clock for all of them looks twice a second at how long each has been idle, and
//! wakes those that have to end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Context;

use futures_util::task::AtomicWaker;

use crate::limits::{HEAD_WAIT_MAX, SEATS_LOOK};

/// What a connection is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Order {
    /// Go on.
    Serve = 0,
    /// Finish what runs, then end.
    Drain = 1,
    /// End now.
    Cut = 2,
}

/// Looks after which an idle connection has been idle for [`HEAD_WAIT_MAX`], whenever within the first of them it began.
fn looks_max() -> u64 {
    u64::try_from(HEAD_WAIT_MAX.as_millis() / SEATS_LOOK.as_millis()).unwrap_or(u64::MAX).saturating_add(1)
}

/// All open connections.
#[derive(Default)]
pub(crate) struct Seats {
    /// Counts looks: the time of this module.
    looks: Arc<AtomicU64>,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    next: u64,
    seats: BTreeMap<u64, Arc<State>>,
}

/// What a connection and the clock know of each other.
struct State {
    looks: Arc<AtomicU64>,
    order: AtomicU8,
    waker: AtomicWaker,
    /// Look at which the connection began, or began or ended its last request.
    active_at: AtomicU64,
    /// Requests under way.
    running: AtomicUsize,
    /// Whether the protocol sees to idle connections by itself, as HTTP/2 does with pings.
    is_kept_by_protocol: AtomicBool,
}

impl Seats {
    /// Takes a seat, held until the connection has ended.
    pub(crate) fn enter(self: &Arc<Self>) -> Seat {
        let state = Arc::new(State {
            looks: Arc::clone(&self.looks),
            order: AtomicU8::new(Order::Serve as u8),
            waker: AtomicWaker::new(),
            active_at: AtomicU64::new(self.looks.load(Ordering::Relaxed)),
            running: AtomicUsize::new(0),
            is_kept_by_protocol: AtomicBool::new(false),
        });
        let mut taken = self.lock();
        let number = taken.next;
        taken.next += 1;
        taken.seats.insert(number, Arc::clone(&state));
        Seat { seats: Arc::clone(self), number, state }
    }

    /// Goes on to the next look: who has been idle for too long is cut.
    pub(crate) fn look(&self) {
        let now = self.looks.fetch_add(1, Ordering::Relaxed) + 1;
        for state in self.lock().seats.values() {
            let is_idle = state.running.load(Ordering::Acquire) == 0 && !state.is_kept_by_protocol.load(Ordering::Acquire);
            if is_idle && now.saturating_sub(state.active_at.load(Ordering::Relaxed)) >= looks_max() {
                state.tell(Order::Cut);
            }
        }
    }

    /// Tells everybody who is here now.
    pub(crate) fn tell(&self, order: Order) {
        self.lock().seats.values().for_each(|state| state.tell(order));
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().expect("no panic happens under this lock")
    }
}

impl State {
    fn tell(&self, order: Order) {
        if self.order.fetch_max(order as u8, Ordering::AcqRel) < order as u8 {
            self.waker.wake();
        }
    }
}

/// The place of one connection.
pub(crate) struct Seat {
    seats: Arc<Seats>,
    number: u64,
    state: Arc<State>,
}

impl Seat {
    /// What to do now; whoever polls is woken when that changes.
    pub(crate) fn order(&self, cx: &Context<'_>) -> Order {
        self.state.waker.register(cx.waker());
        match self.state.order.load(Ordering::Acquire) {
            order if order == Order::Serve as u8 => Order::Serve,
            order if order == Order::Drain as u8 => Order::Drain,
            _ => Order::Cut,
        }
    }

    /// A request begins; it ends with the value.
    pub(crate) fn begin(&self) -> Busy {
        self.state.running.fetch_add(1, Ordering::AcqRel);
        Busy(Arc::clone(&self.state))
    }

    /// The protocol sees to an idle connection by itself from now on.
    pub(crate) fn leave_to_protocol(&self) {
        self.state.is_kept_by_protocol.store(true, Ordering::Release);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.lock().seats.remove(&self.number);
    }
}

/// A request under way.
pub(crate) struct Busy(Arc<State>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.active_at.store(self.0.looks.load(Ordering::Relaxed), Ordering::Relaxed);
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn order(seat: &Seat) -> Order {
        seat.order(&Context::from_waker(Waker::noop()))
    }

    #[test]
    fn only_who_is_idle_for_too_long_is_cut() {
        let seats = Arc::new(Seats::default());
        let (idle, busy, asking, pinged) = (seats.enter(), seats.enter(), seats.enter(), seats.enter());
        let _running = busy.begin();
        pinged.leave_to_protocol();
        for _ in 0..looks_max() - 1 {
            seats.look();
            drop(asking.begin());
        }
        assert_eq!(order(&idle), Order::Serve);
        seats.look();
        let orders = [&idle, &busy, &asking, &pinged].map(order);
        assert_eq!(orders, [Order::Cut, Order::Serve, Order::Serve, Order::Serve]);
    }

    #[test]
    fn orders_go_to_those_who_are_there_and_only_get_sterner() {
        let seats = Arc::new(Seats::default());
        let (here, gone) = (seats.enter(), seats.enter());
        drop(gone);
        seats.tell(Order::Cut);
        seats.tell(Order::Drain);
        assert_eq!((order(&here), order(&seats.enter())), (Order::Cut, Order::Serve));
    }
}
