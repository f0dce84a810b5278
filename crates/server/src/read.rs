//! The two ways of a read: linearizable behind a barrier, or whatever this node has.

use std::sync::Arc;

use tidegate_proto::admin::v1::Consistency;
use tokio::time::Instant;

use crate::context::Context;
use crate::published::Published;
use crate::refusal::{Door, Refusal};

impl Context {
    /// The state to read from, as the caller asked for it (the number of a [`Consistency`]).
    ///
    /// # Errors
    /// The barrier failed, or the number means nothing.
    pub async fn read(&self, consistency: i32) -> Result<Arc<Published>, Refusal> {
        match Consistency::try_from(consistency) {
            Ok(Consistency::Unspecified | Consistency::Linearizable) => self.read_linearizable().await,
            Ok(Consistency::Local) => Ok(self.published()?),
            Err(_) => Err(Door::field("consistency", consistency.to_string(), "must be LINEARIZABLE or LOCAL").into()),
        }
    }

    /// A state that contains everything acknowledged before the call.
    ///
    /// # Errors
    /// No majority confirmed it in time.
    pub async fn read_linearizable(&self) -> Result<Arc<Published>, Refusal> {
        let deadline = Instant::now() + self.config.limits.read_timeout;
        self.handle()?.read_index(deadline).await?;
        // Published covers the index once the barrier has answered.
        Ok(self.published()?)
    }
}
