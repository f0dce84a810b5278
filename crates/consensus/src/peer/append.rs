//! Log replication as one pipelined stream: requests go out without waiting for answers, up to a bound, and answers come
//! back in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use openraft::base::BoxStream;
use openraft::errors::{NetworkError, RPCError};
use openraft::raft::{AppendEntriesRequest, StreamAppendError, StreamAppendResult};
use tidegate_proto::peer::v1 as wire;
use tokio::sync::Semaphore;

use super::link::CallError;
use super::network::{Peer, append_out, malformed, unreachable};
use crate::codec::{CodecError, log_id_in, log_id_out, vote_in, vote_out};
use crate::limits::{APPEND_STALL_MAX, APPENDS_IN_FLIGHT_MAX};
use crate::node::types::{LogId, Types};
use crate::runtime::Runtime;

type Item<Rt> = Result<StreamAppendResult<Types<Rt>>, RPCError<Types<Rt>>>;

/// What is under way on one stream.
struct Window {
    room: Semaphore,
    unanswered: AtomicUsize,
}

/// Opens the stream and returns its answers. It ends after the first conflict, higher ballot or error.
pub(crate) async fn stream<'s, Rt: Runtime, S>(
    peer: Arc<Peer>,
    route: Option<wire::Route>,
    input: S,
) -> Result<BoxStream<'s, Item<Rt>>, RPCError<Types<Rt>>>
where
    S: Stream<Item = AppendEntriesRequest<Types<Rt>>> + Send + Unpin + 'static,
{
    use wire::stream_append_request::Message;
    let window = Arc::new(Window { room: Semaphore::new(APPENDS_IN_FLIGHT_MAX), unanswered: AtomicUsize::new(0) });
    let open = wire::StreamAppendRequest { message: route.map(Message::Open) };
    let mut requests = Box::pin(bounded(input, Arc::clone(&window)));
    // openraft puts its pause after a failure into the input, so the first request is awaited before connecting: a peer
    // that refuses connections would otherwise be tried without any pause.
    let Some(first) = requests.next().await else { return Ok(Box::pin(stream::empty())) };
    let appends = stream::iter([first])
        .chain(requests)
        .map(|request| wire::StreamAppendRequest { message: Some(Message::Append(append_out(&request))) });
    let outgoing = stream::iter([open]).chain(appends);
    let call = |mut client: super::link::Client| async move { client.stream_append(outgoing).await };
    let incoming = peer.replication.call(APPEND_STALL_MAX, call).await.map_err(|error| unreachable(&error))?;
    Ok(answers(peer, incoming, window))
}

/// Passes requests on while there is room in the window.
fn bounded<T: Send + 'static, S>(input: S, window: Arc<Window>) -> impl Stream<Item = T> + Send + 'static
where
    S: Stream<Item = T> + Send + Unpin + 'static,
{
    stream::unfold((input, window), |(mut input, window)| async move {
        window.room.acquire().await.ok()?.forget();
        let request = input.next().await?;
        window.unanswered.fetch_add(1, Ordering::Relaxed);
        Some((request, (input, window)))
    })
}

fn answers<'s, Rt: Runtime>(
    peer: Arc<Peer>,
    incoming: tonic::Streaming<wire::StreamAppendResponse>,
    window: Arc<Window>,
) -> BoxStream<'s, Item<Rt>> {
    Box::pin(stream::unfold(Some((peer, incoming, window)), |state| async move {
        let (peer, mut incoming, window) = state?;
        let item = match next_answer(&mut incoming, &window).await {
            Ok(None) => return None,
            Ok(Some(response)) => {
                window.unanswered.fetch_sub(1, Ordering::Relaxed);
                window.room.add_permits(1);
                result_in(response).map_err(|error| malformed(&error))
            }
            Err(error) => {
                peer.replication.distrust();
                Err(RPCError::Network(NetworkError::new(&error)))
            }
        };
        let goes_on = matches!(item, Ok(Ok(_)));
        Some((item, goes_on.then_some((peer, incoming, window))))
    }))
}

/// The next answer; an error if none comes although requests wait for one.
async fn next_answer(
    incoming: &mut tonic::Streaming<wire::StreamAppendResponse>,
    window: &Window,
) -> Result<Option<wire::StreamAppendResponse>, CallError> {
    let mut silent = Duration::ZERO;
    let look = APPEND_STALL_MAX / 4;
    loop {
        match tokio::time::timeout(look, incoming.message()).await {
            Ok(Ok(response)) => return Ok(response),
            Ok(Err(status)) => return Err(CallError::Broken(status)),
            Err(_) if window.unanswered.load(Ordering::Relaxed) == 0 => silent = Duration::ZERO,
            Err(_) => {
                silent += look;
                if silent >= APPEND_STALL_MAX {
                    return Err(CallError::TimedOut(silent));
                }
            }
        }
    }
}

fn result_in<Rt: Runtime>(response: wire::StreamAppendResponse) -> Result<StreamAppendResult<Types<Rt>>, CodecError> {
    use wire::stream_append_response::Result as Outcome;
    match response.result.ok_or(CodecError::Missing { field: "stream_append.result" })? {
        Outcome::Matched(matched) => Ok(Ok(matched.log_id.map(log_id_in))),
        Outcome::Conflict(log_id) => Ok(Err(StreamAppendError::Conflict(log_id_in(log_id)))),
        Outcome::Higher(ballot) => Ok(Err(StreamAppendError::HigherVote(vote_in(Some(ballot))?))),
    }
}

pub(crate) fn result_out<Rt: Runtime>(result: &StreamAppendResult<Types<Rt>>) -> wire::StreamAppendResponse {
    use wire::stream_append_response::Result as Outcome;
    let outcome = match result {
        Ok(matched) => Outcome::Matched(wire::Matched { log_id: matched.as_ref().map(log_id_out) }),
        Err(StreamAppendError::Conflict(log_id)) => Outcome::Conflict(log_id_out(log_id)),
        Err(StreamAppendError::HigherVote(vote)) => Outcome::Higher(vote_out(vote)),
    };
    wire::StreamAppendResponse { result: Some(outcome) }
}

/// The answer to a single append, in the form of a stream's.
pub(crate) fn single_result_in<Rt: Runtime>(
    response: wire::AppendResponse,
    previous: Option<LogId>,
    last: Option<LogId>,
) -> Result<StreamAppendResult<Types<Rt>>, CodecError> {
    use wire::append_response::Result as Outcome;
    match response.result.ok_or(CodecError::Missing { field: "append.result" })? {
        Outcome::Success(wire::Success {}) => Ok(Ok(last)),
        Outcome::Partial(matched) => Ok(Ok(matched.log_id.map(log_id_in))),
        Outcome::Conflict(wire::Conflict {}) => {
            let previous = previous.ok_or(CodecError::Missing { field: "append.previous" })?;
            Ok(Err(StreamAppendError::Conflict(previous)))
        }
        Outcome::Higher(ballot) => Ok(Err(StreamAppendError::HigherVote(vote_in(Some(ballot))?))),
    }
}
