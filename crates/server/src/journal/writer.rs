//! The thread that appends rows, in log order, and notices when some are missing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tidegate_model::ObjectRef;
use tidegate_proto::storage::v1 as storage;
use tidegate_store::journal::{JournalBounds, Row};
use tidegate_store::limits::PURGE_SLICE_MAX;

use super::queue::Receiver;
use super::{Bounds, Content, Gap, Message, Rows, Shared};
use crate::limits::{JOURNAL_HELD_MAX, JOURNAL_LINGER, REBUILD_PAUSE};
use crate::wire;

/// Appends until the sending side is gone. What comes within a moment is written together: a batch of the database costs
/// hardly more than one entry, and nobody who waits for rows waits that long, for they say [`Message::Hurry`].
pub(super) fn run(shared: Arc<Shared>, receiver: &Receiver) {
    let mut writer = Writer::new(Arc::clone(&shared));
    while let Some(batch) = receiver.receive(JOURNAL_LINGER) {
        batch.into_iter().for_each(|message| writer.take(message));
        writer.commit();
    }
    // Without promise: whatever is lost is fetched again.
    if let Err(error) = shared.journal.flush() {
        tracing::warn!(%error, "the journal was not flushed at the end");
    }
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    /// Rows are complete up to here once the batch is committed.
    through: u64,
    /// Entries in order whose rows are still to be stored.
    batch: Vec<(u64, Option<Box<Rows>>)>,
    /// Bounds of the last entry that told them.
    bounds: Option<Bounds>,
    gap: Option<Gap>,
    /// What came after the gap, in order.
    held: VecDeque<Message>,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let through = *shared.through.borrow();
        let mut writer = Self { shared, through, batch: Vec::new(), bounds: None, gap: None, held: VecDeque::new() };
        writer.reopen_if_needed();
        writer
    }

    /// A journal that was found damaged is empty by now; one that broke since is emptied here.
    fn reopen_if_needed(&mut self) {
        if !self.shared.journal.needs_rebuild() {
            return;
        }
        if let Err(error) = self.shared.journal.reset() {
            tracing::error!(%error, "the journal cannot be emptied, history and audit of this node stop");
            return;
        }
        self.through = 0;
        self.publish();
    }

    fn publish(&self) {
        self.shared.through.send_if_modified(|through| std::mem::replace(through, self.through) != self.through);
    }

    /// Takes a message in; what it adds is stored by the next [`commit`](Self::commit).
    pub(super) fn take(&mut self, message: Message) {
        // Also before rows of other nodes are taken in, which do not say how many are to be kept.
        if let Message::Entry { rows, .. } = &message
            && let Some(bounds) = rows.bounds
            && self.bounds != Some(bounds)
        {
            // What came before keeps to the bounds that it came with.
            self.commit();
            self.bounds = Some(bounds);
            self.shared.journal.set_bounds(JournalBounds { history_versions: bounds.history_versions_max });
        }
        match message {
            Message::Page(page) => self.fill(page),
            Message::GiveUp => self.give_up(),
            Message::Hurry => {}
            message @ (Message::Entry { .. } | Message::Reached { .. }) => {
                if self.gap.is_none() {
                    self.follow(message);
                } else {
                    self.hold(message);
                }
            }
        }
    }

    /// Takes the next message in order, or finds that something is missing before it.
    fn follow(&mut self, message: Message) {
        let (previous, index) = bounds(&message);
        if previous > self.through {
            self.open_gap(Gap { from: self.through + 1, to: previous });
            self.hold(message);
            return;
        }
        if index <= self.through {
            return;
        }
        let rows = match message {
            Message::Entry { rows, .. } => Some(rows),
            Message::Reached { .. } | Message::Page(_) | Message::GiveUp | Message::Hurry => None,
        };
        self.append(index, rows);
    }

    fn append(&mut self, index: u64, rows: Option<Box<Rows>>) {
        self.through = index;
        self.batch.push((index, rows));
    }

    /// Stores what was taken in, then tells whoever waits or listens.
    pub(super) fn commit(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return;
        }
        let stored = |rows: &Option<Box<Rows>>| rows.as_deref().map_or_else(Vec::new, Rows::stored);
        let entries: Vec<(u64, Vec<Row>)> = batch.iter().map(|(index, rows)| (*index, stored(rows))).collect();
        match self.shared.journal.append_all(&entries) {
            Ok(()) => {}
            Err(tidegate_store::JournalError::NeedsRebuild) => {
                // On a full disk it breaks again as soon as it is filled: not as fast as it can. This thread may wait, its
                // queue is bounded. Emptied, the next message finds everything before it missing.
                std::thread::sleep(REBUILD_PAUSE);
                self.through = *self.shared.through.borrow();
                self.reopen_if_needed();
                return;
            }
            Err(error) => self.append_singly(&entries, &error),
        }
        self.publish();
        if let Some(bounds) = self.bounds {
            self.purge(bounds.audit_records_max);
        }
        // After they were published: who begins to listen later finds them in the books.
        if self.shared.news.receiver_count() > 0 {
            for rows in batch.into_iter().filter_map(|(_, rows)| rows) {
                // Nobody may be listening any more.
                let _listeners = self.shared.news.send(Arc::new(rows.audit().into_owned()));
            }
        }
    }

    /// One entry among them cannot be kept: the others are.
    fn append_singly(&self, entries: &[(u64, Vec<Row>)], refused: &tidegate_store::JournalError) {
        tracing::debug!(%refused, entries = entries.len(), "a batch is taken apart");
        for (index, rows) in entries {
            if let Err(error) = self.shared.journal.append(*index, rows) {
                tracing::error!(index, %error, "rows of an entry cannot be kept");
            }
        }
    }

    /// Keeps the audit within its bound, a slice at a time.
    fn purge(&self, records_max: u64) {
        let excess = self.shared.journal.audit_records().saturating_sub(records_max);
        if excess >= u64::try_from(PURGE_SLICE_MAX).expect("a small number")
            && let Err(error) = self.shared.journal.purge_audit(u64::MAX)
        {
            tracing::warn!(%error, "old audit records were not removed");
        }
    }

    fn open_gap(&mut self, gap: Gap) {
        tracing::info!(from = gap.from, to = gap.to, "history and audit rows are missing, asking other nodes for them");
        self.gap = Some(gap);
        self.shared.gap.send_replace(self.gap);
    }

    /// Keeps what comes after the gap; beyond the bound the gap grows over it instead.
    fn hold(&mut self, message: Message) {
        if self.held.len() < JOURNAL_HELD_MAX {
            self.held.push_back(message);
            return;
        }
        let (_, index) = bounds(&message);
        self.held.clear();
        if let Some(gap) = &mut self.gap {
            gap.to = index;
        }
        self.shared.gap.send_replace(self.gap);
    }

    /// Appends what another node had for the gap.
    fn fill(&mut self, page: wire::RowsAnswer) {
        let Some(gap) = self.gap else { return };
        let mut history: BTreeMap<u64, Vec<storage::HistoryRow>> = BTreeMap::new();
        for row in page.history {
            history.entry(row.index).or_default().push(row);
        }
        for audit in page.audit {
            let index = audit.index;
            let is_missing = (self.through + 1..=gap.to).contains(&index);
            let Some(rows) = received_rows(audit, history.remove(&index).unwrap_or_default()).filter(|_| is_missing) else {
                continue;
            };
            self.append(index, Some(Box::new(rows)));
        }
        let reached = if page.next_index > 0 { page.next_index - 1 } else { page.applied_to };
        if reached > self.through {
            self.append(reached.min(gap.to), None);
        }
        self.go_on();
    }

    fn give_up(&mut self) {
        if let Some(gap) = self.gap {
            tracing::warn!(from = self.through + 1, to = gap.to, "no node has these history and audit rows any more");
            self.append(gap.to, None);
            self.go_on();
        }
    }

    /// Closes the gap if it is filled, and takes what came after it.
    fn go_on(&mut self) {
        let Some(gap) = self.gap else { return };
        if self.through < gap.to {
            let left = Gap { from: self.through + 1, ..gap };
            self.gap = Some(left);
            self.shared.gap.send_replace(self.gap);
            return;
        }
        self.gap = None;
        self.commit();
        self.shared.gap.send_replace(None);
        // Not if the journal broke just now: then the next message finds the gap again.
        if self.through >= gap.to {
            if let Err(error) = self.shared.journal.rebuilt() {
                tracing::warn!(%error, "the journal is not marked as complete");
            }
            tracing::info!(through = self.through, "history and audit rows are complete again");
        }
        for message in std::mem::take(&mut self.held) {
            self.take(message);
        }
    }
}

/// The index before the message, and the one that it leads to.
fn bounds(message: &Message) -> (u64, u64) {
    match message {
        Message::Entry { previous, rows } => (*previous, rows.index()),
        Message::Reached { previous, index } => (*previous, *index),
        Message::Page(_) | Message::GiveUp | Message::Hurry => (0, 0),
    }
}

/// Rows as another node sent them; `None` if they cannot be read.
fn received_rows(audit: storage::AuditRow, history: Vec<storage::HistoryRow>) -> Option<Rows> {
    let named = |row: storage::HistoryRow| {
        let change = tidegate_model::CatalogChange::try_from(row.change.clone()?).ok()?;
        let reference: ObjectRef = change.reference();
        Some((reference, row))
    };
    let history = history.into_iter().map(named).collect::<Option<Vec<_>>>()?;
    Some(Rows { content: Content::Received { audit, history }, bounds: None })
}
