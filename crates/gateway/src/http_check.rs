//! `POST` and `GET /v1/check`: JSON or a query in, JSON out.

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::Body as HttpBody;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use siphasher::sip128::{Hasher128, SipHasher13};
use tidegate_eligibility::{Mode, Reason, Request};
use tidegate_manifest::check::{self, BadRequest, CheckAnswer, CheckRequest};

use crate::answer::{TraceText, fields};
use crate::body::Body;
use crate::desk::{Answered, Desk, Explain};
use crate::limits;
use crate::problem::Refusal;
use crate::source::SnapshotSource;

/// Reads a whole body within its bounds of length and time.
pub(crate) async fn read_body<B>(body: B) -> Result<Bytes, Refusal>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let max = limits::BODY_BYTES_MAX;
    // What the head announces.
    if body.size_hint().lower() > max as u64 {
        return Err(Refusal::BodyTooLarge { max });
    }
    let mut reading = std::pin::pin!(Limited::new(body, max).collect());
    // Mostly it is there, and a timer is not worth its while.
    let read = match reading.as_mut().now_or_never() {
        Some(read) => Ok(read),
        None => tokio::time::timeout(limits::BODY_WAIT_MAX, reading).await,
    };
    match read {
        Err(_) => Err(Refusal::BodyTooSlow { max_s: limits::BODY_WAIT_MAX.as_secs() }),
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::BodyTooLarge { max }),
        Ok(Err(error)) => Err(Refusal::InvalidRequest { field: None, rule: format!("body broke off: {error}") }),
    }
}

/// Answers `POST /v1/check`. No 304 and no 412 here: the headers for them are not looked at.
pub(crate) async fn post<S: SnapshotSource>(desk: &Desk<S>, body: &[u8]) -> Result<(Reason, Response<Body>), Refusal> {
    if is_too_deep(body) {
        let rule = format!("body must nest at most {} deep", limits::BODY_DEPTH_MAX);
        return Err(Refusal::InvalidRequest { field: None, rule });
    }
    let asked = check::request_from_json(body).map_err(refusal)?;
    decide(desk, &asked, Tagging::Never).await
}

/// Whether JSON nests beyond [`limits::BODY_DEPTH_MAX`]. The reader skips unknown fields without recursion, so depth does
/// it no harm; but nothing that a device has to say is nested like that.
fn is_too_deep(body: &[u8]) -> bool {
    let mut depth = 0_usize;
    let mut bytes = body.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => skip_text(&mut bytes),
            _ => {} // Scalars and white space do not nest.
        }
        if depth > limits::BODY_DEPTH_MAX {
            return true;
        }
    }
    false
}

/// Goes to the end of a text whose opening quote has been read.
fn skip_text(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {} // Part of the text.
        }
    }
}

/// Answers `GET /v1/check`.
pub(crate) async fn get<S: SnapshotSource>(
    desk: &Desk<S>,
    query: &str,
    headers: &HeaderMap,
) -> Result<(Reason, Response<Body>), Refusal> {
    if query.len() > limits::QUERY_BYTES_MAX {
        return Err(Refusal::QueryTooLong { max: limits::QUERY_BYTES_MAX });
    }
    let asked = check::request_from_query(query).map_err(refusal)?;
    // A nonce asks for an answer of this moment, so there is nothing to compare with. A trace is for people.
    let tagging = if asked.nonce.is_some() || asked.explain { Tagging::Never } else { Tagging::Compare(headers) };
    decide(desk, &asked, tagging).await
}

/// Whether the answer gets an entity tag.
enum Tagging<'a> {
    Never,
    /// With one, compared with what these headers name.
    Compare(&'a HeaderMap),
}

async fn decide<S: SnapshotSource>(
    desk: &Desk<S>,
    asked: &CheckRequest,
    tagging: Tagging<'_>,
) -> Result<(Reason, Response<Body>), Refusal> {
    let lists = Lists::of(asked);
    let write = |answered: &Answered<'_>| {
        let text = TraceText::of(answered.trace);
        let trace = text.lines();
        let answer = fields(answered, asked.nonce.as_deref(), &trace);
        let response = match tagging {
            Tagging::Never => whole(&answer, None),
            Tagging::Compare(headers) => tagged(&answer, headers),
        };
        (answered.decision.reason, response)
    };
    desk.check(&lists.request(asked), Explain::from(asked.explain), write).await
}

/// The lists of a request, borrowed the way that a decision wants them.
pub(crate) struct Lists<'r> {
    attributes: Vec<(&'r str, &'r str)>,
    tags: Vec<&'r str>,
}

impl<'r> Lists<'r> {
    pub(crate) fn of(asked: &'r CheckRequest) -> Self {
        Self {
            attributes: asked.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
            tags: asked.tags.iter().map(String::as_str).collect(),
        }
    }

    pub(crate) fn request(&'r self, asked: &'r CheckRequest) -> Request<'r> {
        Request {
            product: &asked.product,
            device: asked.device.as_deref(),
            release: asked.release.as_deref(),
            bundle: asked.bundle.as_deref(),
            version: asked.version.as_deref(),
            attributes: &self.attributes,
            tags: &self.tags,
            mode: match asked.mode {
                check::Mode::Background => Mode::Background,
                check::Mode::Interactive => Mode::Interactive,
            },
            security_epoch: asked.security_epoch,
            min_config_version: asked.min_config_version,
            group: asked.group,
            pending: asked.pending.as_deref(),
        }
    }
}

fn refusal(bad: BadRequest) -> Refusal {
    match bad {
        BadRequest::TooLarge { max, .. } => Refusal::BodyTooLarge { max },
        BadRequest::Malformed { rule } => Refusal::InvalidRequest { field: None, rule },
        BadRequest::Field { field, rule } => Refusal::InvalidRequest { field: Some(field), rule: rule.to_owned() },
    }
}

fn whole(answer: &CheckAnswer<'_>, tag: Option<HeaderValue>) -> Response<Body> {
    let mut response = Response::new(Body::whole(answer.to_json()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    finish(response, tag)
}

fn tagged(answer: &CheckAnswer<'_>, headers: &HeaderMap) -> Response<Body> {
    let tag = entity_tag(answer);
    let is_known = headers.get_all(IF_NONE_MATCH).iter().any(|value| names(value, &tag));
    let tag = HeaderValue::from_str(&tag).expect("an entity tag is plain ASCII");
    if !is_known {
        return whole(answer, Some(tag));
    }
    let mut response = Response::new(Body::whole(Bytes::new()));
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    finish(response, Some(tag))
}

fn finish(mut response: Response<Body>, tag: Option<HeaderValue>) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(tag) = tag {
        headers.insert(ETAG, tag);
    }
    response
}

/// A weak tag over what was decided: not over the age, the node, or the times at which to ask again and at which the
/// offer ends, all of which differ from one answer to the next. The same decision has the same tag on every node.
fn entity_tag(answer: &CheckAnswer<'_>) -> String {
    let mut covered = String::with_capacity(512);
    CheckAnswer { expires_at: None, ..answer.clone() }.write_decision(&mut covered);
    let mut hasher = SipHasher13::new();
    std::hash::Hasher::write(&mut hasher, covered.as_bytes());
    format!("W/\"{:032x}\"", hasher.finish128().as_u128())
}

/// Whether an `If-None-Match` value names the tag, by the weak comparison of RFC 9110.
fn names(value: &HeaderValue, tag: &str) -> bool {
    let opaque = tag.trim_start_matches("W/");
    let Ok(value) = value.to_str() else { return false };
    value.split(',').map(str::trim).any(|named| named == "*" || named.trim_start_matches("W/") == opaque)
}
