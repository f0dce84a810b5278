//! Changes as they happen: complete, in order, resumed by itself when a node goes away.

use tidegate_model::{CatalogChange, ObjectKind, ProductId};
use tidegate_proto::admin::v1 as admin;
use tidegate_proto::admin::v1::watch_service_client::WatchServiceClient;
use tidegate_proto::types::v1 as types;
use tonic::{Code, Streaming};

use crate::client::{Client, jittered};
use crate::error::{Attempt, Error, Refusal, Verdict, judge};
use crate::limits;

/// A place in the order of changes. It survives restarts of the caller: keep it, and go on from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Place {
    /// Generation of the cluster; 0 stands for the current one.
    pub epoch: u64,
    /// Config version already known; 0 stands for whatever is current.
    pub config_version: u64,
}

/// All changes of one config version.
#[derive(Clone, Debug, PartialEq)]
pub struct Changes {
    /// Where the watch stands once these are taken in.
    pub place: Place,
    /// The changes, in the order of the log. Empty if the filter left none.
    pub changes: Vec<CatalogChange>,
}

/// Which changes to hear of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only these kinds; none: all.
    pub kinds: Vec<ObjectKind>,
    /// Only of this product.
    pub product: Option<ProductId>,
}

/// Why a watch ends.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// Changes after the place are no longer kept, or this watcher was too slow for its buffer: read the objects anew
    /// and watch from the config version of that read.
    #[error("changes after config version {} are no longer kept", .place.config_version)]
    Compacted {
        /// Where the watch stood.
        place: Place,
        /// Changes after this config version are kept, if the cluster said so.
        floor: Option<u64>,
    },
    /// Refused, or out of reach for too long.
    #[error(transparent)]
    Call(#[from] Error),
}

/// A running watch.
pub struct Watch {
    client: Client,
    filter: Filter,
    place: Place,
    stream: Option<Streaming<admin::WatchResponse>>,
    /// Of a config version whose last message has not come yet.
    partial: Vec<CatalogChange>,
    failures: Vec<Attempt>,
}

impl Client {
    /// Watches changes after `from`. Nothing is connected before the first [`Watch::next`].
    #[must_use]
    pub fn watch(&self, from: Place, filter: Filter) -> Watch {
        Watch { client: self.clone(), filter, place: from, stream: None, partial: Vec::new(), failures: Vec::new() }
    }
}

impl Watch {
    /// Where the watch stands: everything up to here has been handed out.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place
    }

    /// Waits for the next config version with changes, whole. The first one of a watch from "whatever is current" has no
    /// changes and says where that is. Streams that break off are opened again elsewhere, from where the watch stands.
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`WatchError::Compacted`], or [`WatchError::Call`] once no node was reached for long.
    pub async fn next(&mut self) -> Result<Changes, WatchError> {
        loop {
            let Some(stream) = &mut self.stream else {
                self.open().await?;
                continue;
            };
            match stream.message().await {
                Ok(Some(message)) => {
                    self.failures.clear();
                    if let Some(changes) = self.take(message)? {
                        return Ok(changes);
                    }
                }
                Ok(None) => self.broken("the stream ended".to_owned()).await?,
                Err(status) => match judge(&status) {
                    Verdict::Refused(refusal) => return Err(self.refused(refusal)),
                    Verdict::Later(reason) | Verdict::Unknown(reason) => self.broken(reason).await?,
                },
            }
        }
    }

    async fn open(&mut self) -> Result<(), WatchError> {
        let message = admin::WatchRequest {
            from_config_version: self.place.config_version,
            epoch: self.place.epoch,
            kinds: self.filter.kinds.iter().map(|kind| types::ObjectKind::from(*kind) as i32).collect(),
            product: self.filter.product.as_ref().map(ToString::to_string),
        };
        let opened = self
            .client
            .open(&message, |channel, request| async move {
                WatchServiceClient::new(channel).max_decoding_message_size(limits::MESSAGE_BYTES_MAX).watch(request).await
            })
            .await;
        self.partial.clear();
        match opened {
            Ok(stream) => self.stream = Some(stream),
            Err(Error::Refused(refusal)) => return Err(self.refused(refusal)),
            Err(error) => self.broken(error.to_string()).await?,
        }
        Ok(())
    }

    /// Notes a broken stream and pauses before the next one.
    async fn broken(&mut self, reason: String) -> Result<(), WatchError> {
        self.stream = None;
        self.failures.push(Attempt { endpoint: "watch".to_owned(), reason });
        self.client.avoid_preferred();
        let failed = u32::try_from(self.failures.len()).unwrap_or(u32::MAX);
        if failed > limits::WATCH_RECONNECTS_MAX {
            return Err(WatchError::Call(Error::Unreachable(std::mem::take(&mut self.failures))));
        }
        let pause = (limits::PAUSE_FIRST * 2_u32.saturating_pow(failed.min(10))).min(limits::PAUSE_MAX);
        tokio::time::sleep(jittered(pause, self.client.random().u64())).await;
        Ok(())
    }

    fn refused(&mut self, refusal: Box<Refusal>) -> WatchError {
        self.stream = None;
        if refusal.code == "COMPACTED" || refusal.status == Code::OutOfRange {
            return WatchError::Compacted { place: self.place, floor: refusal.floor };
        }
        WatchError::Call(Error::Refused(refusal))
    }

    /// Takes one message in; hands out a config version once it is whole.
    fn take(&mut self, message: admin::WatchResponse) -> Result<Option<Changes>, WatchError> {
        let place = Place { epoch: message.epoch, config_version: message.config_version };
        if place < self.place {
            return Err(WatchError::Call(Error::answer("a watch must not go back")));
        }
        for change in message.changes {
            if self.partial.len() == limits::WATCH_CHANGES_MAX {
                return Err(WatchError::Call(Error::answer("too many changes in one config version")));
            }
            self.partial.push(CatalogChange::try_from(change).map_err(Error::answer)?);
        }
        if message.is_partial {
            return Ok(None);
        }
        // The first message of a stream only says where it begins; a resumed watch has said that before.
        let is_news = place != self.place || !self.partial.is_empty();
        self.place = place;
        let changes = std::mem::take(&mut self.partial);
        Ok(is_news.then_some(Changes { place, changes }))
    }
}
