//! Answers what other servers of the cluster ask.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use prost::Message;
use tidegate_consensus::{AskHandler, AskRefused};
use tidegate_model::ReleaseId;
use tidegate_platform::Spawner;
use tokio::sync::oneshot;

use crate::codec;
use crate::context::Context;
use crate::wire::{Answer, DigestAnswer, DigestQuestion, Question, answer, question};

/// Answers what other servers ask. It holds the node weakly: consensus holds the handler, and the node holds consensus.
pub struct Asks {
    context: Weak<Context>,
    /// Where to answer; absent: on the runtime of whoever asks.
    home: Option<Arc<dyn Spawner>>,
}

impl Asks {
    /// Answers on behalf of this node, on the runtime of whoever asks.
    #[must_use]
    pub fn new(context: &Arc<Context>) -> Self {
        Self { context: Arc::downgrade(context), home: None }
    }

    /// The same as tasks of this spawner: consensus has a thread that nobody else may hold up.
    #[must_use]
    pub fn at_home(self, home: Arc<dyn Spawner>) -> Self {
        Self { home: Some(home), ..self }
    }
}

impl AskHandler for Asks {
    fn handle(
        &self,
        _from: u64,
        request: Bytes,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Bytes, AskRefused>> + Send + 'static>> {
        let answer = answer_to(self.context.upgrade(), request);
        match &self.home {
            None => Box::pin(answer),
            Some(home) => {
                let (done, answered) = oneshot::channel();
                let task = async move {
                    // Who asked may have gone.
                    let _is_wanted = done.send(answer.await).is_ok();
                };
                home.spawn("question of a server", Box::pin(task));
                // Lost if it panicked, which has been logged, or if the node is on its way out.
                Box::pin(async move { answered.await.unwrap_or(Err(AskRefused::Busy)) })
            }
        }
    }
}

async fn answer_to(context: Option<Arc<Context>>, request: Bytes) -> Result<Bytes, AskRefused> {
    let context = context.ok_or(AskRefused::NotLeader { leader: None })?;
    let question = Question::decode(request).map_err(|error| AskRefused::Invalid { reason: error.to_string() })?;
    let kind = match question.kind {
        Some(question::Kind::Write(write)) => context.write_forwarded(write).await?,
        Some(question::Kind::Change(change)) => context.change_forwarded(change).await?,
        Some(question::Kind::Digest(question)) => answer::Kind::Digest(digest(&context, question)),
        Some(question::Kind::Rows(question)) => {
            let books = context.books.clone();
            let read = context.blocking("rows read", move || codec::rows_answer(&books, question)).await;
            read.map_err(|_| AskRefused::Busy)?
        }
        Some(question::Kind::Evidence(evidence)) => answer::Kind::TakenIn(context.evidence_forwarded(evidence)?),
        Some(question::Kind::Progress(question)) => {
            let release = ReleaseId::new(&question.release);
            let release = release.map_err(|error| AskRefused::Invalid { reason: error.to_string() })?;
            let asked = Arc::clone(&context);
            let progress = context.blocking("progress", move || asked.own_progress(&release)).await;
            answer::Kind::Progress(progress.map_err(|_| AskRefused::Busy)?.unwrap_or_default())
        }
        None => return Err(AskRefused::Invalid { reason: "a question of a newer build".to_owned() }),
    };
    Ok(Answer { kind: Some(kind) }.encode_to_vec().into())
}

fn digest(context: &Context, question: DigestQuestion) -> DigestAnswer {
    let published = context.shelf.load();
    let epoch = published.state.epoch();
    let present = published.state.config_version();
    if question.config_version == 0 || question.config_version == present {
        let digest = Bytes::copy_from_slice(&published.snapshot.digest().0);
        return DigestAnswer { epoch, config_version: present, digest };
    }
    let digest = context.shelf.digest_at(question.config_version);
    let digest = digest.map_or_else(Bytes::new, |digest| Bytes::copy_from_slice(&digest.0));
    DigestAnswer { epoch, config_version: question.config_version, digest }
}
