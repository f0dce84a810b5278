//! The way of rows to the thread that stores them: bounded, in order, and quiet. The thread is woken by the first message,
//! by one that is urgent and by a full batch, not by each that comes while it waits for more: applying entries must not
//! pay for a change of threads each.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::Message;
use crate::limits::{JOURNAL_BATCH_MAX, JOURNAL_QUEUE_MAX};

/// There is no room for another message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// What the thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// Nothing: it works.
    No,
    /// Any message.
    ForAny,
    /// An urgent message or a full batch.
    ForMore,
}

struct Inner {
    messages: VecDeque<Message>,
    is_urgent: bool,
    is_closed: bool,
    waiting: Waiting,
}

struct Shared {
    inner: Mutex<Inner>,
    ready: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no panic happens under this lock")
    }
}

/// The sending side; the queue ends with the last clone.
#[derive(Clone)]
pub(super) struct Sender(Arc<Ending>);

/// Closes the queue when nobody is left who could send.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.ready.notify_one();
    }
}

/// The receiving side.
pub(super) struct Receiver(Arc<Shared>);

/// A queue of [`JOURNAL_QUEUE_MAX`] messages.
pub(super) fn queue() -> (Sender, Receiver) {
    let inner = Inner { messages: VecDeque::new(), is_urgent: false, is_closed: false, waiting: Waiting::No };
    let shared = Arc::new(Shared { inner: Mutex::new(inner), ready: Condvar::new() });
    (Sender(Arc::new(Ending(Arc::clone(&shared)))), Receiver(shared))
}

impl Sender {
    /// Adds a message without waiting.
    pub(super) fn try_send(&self, message: Message) -> Result<(), Full> {
        let shared = &self.0.0;
        let mut inner = shared.lock();
        if inner.messages.len() >= JOURNAL_QUEUE_MAX {
            return Err(Full);
        }
        inner.is_urgent |= message.is_urgent();
        inner.messages.push_back(message);
        let wakes = match inner.waiting {
            Waiting::No => false,
            Waiting::ForAny => true,
            Waiting::ForMore => inner.is_urgent || inner.messages.len() >= JOURNAL_BATCH_MAX,
        };
        drop(inner);
        if wakes {
            shared.ready.notify_one();
        }
        Ok(())
    }
}

impl Receiver {
    /// Waits for a message, then until `linger` has passed since, a message is urgent or the batch is full; nothing once
    /// the queue has ended and is empty.
    pub(super) fn receive(&self, linger: Duration) -> Option<Vec<Message>> {
        const FREE: &str = "no panic happens under this lock";
        let mut inner = self.0.lock();
        inner.waiting = Waiting::ForAny;
        inner = self.0.ready.wait_while(inner, |inner| inner.messages.is_empty() && !inner.is_closed).expect(FREE);
        let until = Instant::now() + linger;
        inner.waiting = Waiting::ForMore;
        while !inner.is_urgent && !inner.is_closed && inner.messages.len() < JOURNAL_BATCH_MAX {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            inner = self.0.ready.wait_timeout(inner, left).expect(FREE).0;
        }
        inner.waiting = Waiting::No;
        let count = inner.messages.len().min(JOURNAL_BATCH_MAX);
        let batch: Vec<Message> = inner.messages.drain(..count).collect();
        inner.is_urgent = inner.messages.iter().any(Message::is_urgent);
        (!batch.is_empty()).then_some(batch)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// Longer than any test may take.
    const FOR_EVER: Duration = Duration::from_secs(600);

    fn reached(index: u64) -> Message {
        Message::Reached { previous: index - 1, index }
    }

    fn indexes(batch: &[Message]) -> Vec<u64> {
        batch
            .iter()
            .filter_map(|message| if let Message::Reached { index, .. } = message { Some(*index) } else { None })
            .collect()
    }

    #[test]
    fn what_came_within_the_moment_comes_together_and_in_order() {
        let (sender, receiver) = queue();
        (1..=3).for_each(|index| sender.try_send(reached(index)).unwrap());
        assert_eq!(indexes(&receiver.receive(Duration::ZERO).unwrap()), [1, 2, 3]);
    }

    #[test]
    fn an_urgent_message_a_full_batch_and_the_end_cut_the_wait_short() {
        let (sender, receiver) = queue();
        let (batches, received) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            while let Some(batch) = receiver.receive(FOR_EVER) {
                batches.send(batch).unwrap();
            }
        });
        sender.try_send(reached(1)).unwrap();
        sender.try_send(Message::Hurry).unwrap();
        assert_eq!(indexes(&received.recv().unwrap()), [1]);
        let full = JOURNAL_BATCH_MAX as u64;
        (1..=full).for_each(|index| sender.try_send(reached(index)).unwrap());
        assert_eq!(received.recv().unwrap().len(), JOURNAL_BATCH_MAX);
        sender.try_send(reached(7)).unwrap();
        drop(sender);
        assert_eq!(indexes(&received.recv().unwrap()), [7]);
        thread.join().unwrap();
        assert!(received.recv().is_err());
    }

    #[test]
    fn a_full_queue_refuses_and_keeps_what_it_has() {
        let (sender, receiver) = queue();
        let max = JOURNAL_QUEUE_MAX as u64;
        (1..=max).for_each(|index| sender.try_send(reached(index)).unwrap());
        assert_eq!(sender.try_send(reached(max + 1)), Err(Full));
        assert_eq!(indexes(&receiver.receive(FOR_EVER).unwrap())[0], 1);
        sender.try_send(reached(max + 1)).unwrap();
    }
}
