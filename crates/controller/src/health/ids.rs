//! The ids of events that were taken in, as far back as is remembered.

use std::sync::Arc;

use imbl::{OrdSet, Vector};
use tidegate_model::ProductId;

use crate::limits;

type Id = (ProductId, Arc<str>);

/// A window over event ids: the newest [`limits::EVENT_IDS_MAX`]. Ids are those of one product, not of one device.
#[derive(Clone, Debug, Default)]
pub(super) struct SeenIds {
    known: OrdSet<Id>,
    order: Vector<Id>,
}

impl SeenIds {
    /// Notes an id; false if it is in the window already.
    pub(super) fn note(&mut self, product: &ProductId, event_id: &str) -> bool {
        let id: Id = (product.clone(), Arc::from(event_id));
        if self.known.contains(&id) {
            return false;
        }
        self.known.insert(id.clone());
        self.order.push_back(id);
        if self.order.len() > limits::EVENT_IDS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}
