//! What runs beside the listeners of a node for as long as it lives, and ends with it: every task holds the node weakly.

use std::sync::Arc;

use crate::context::Context;
use crate::{journal, steering, verify};

/// Starts the tasks. Consensus has to be attached.
pub fn start(context: &Arc<Context>) {
    let spawner = &context.platform.spawner;
    spawner.spawn("digest comparison", Box::pin(verify::watch_digests(Arc::downgrade(context))));
    spawner.spawn("steering", Box::pin(steering::run(Arc::downgrade(context))));
    spawner.spawn("sightings", Box::pin(steering::spread(Arc::downgrade(context))));
    spawner.spawn("journal refill", Box::pin(journal::refill(Arc::downgrade(context))));
}
