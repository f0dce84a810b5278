//! The pages beside the check: liveness, readiness, metrics, what snapshot there is, and the dashboard.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Response, StatusCode};
use http_body::Body as HttpBody;
use prometheus_client::registry::Registry;
use serde::Serialize;

use crate::body::Body;
use crate::desk::{Desk, SnapshotInfo, whole_ms};
use crate::problem::Refusal;
use crate::source::SnapshotSource;

const OPEN_API: &str = include_str!("../assets/openapi.json");
const DASHBOARD: &str = include_str!("../assets/dashboard.html");

/// Which snapshot this node answers from.
#[derive(Serialize)]
struct SnapshotPage<'a> {
    config_version: u64,
    epoch: u64,
    applied_index: u64,
    digest: String,
    /// Absent: not known, which counts as too old.
    staleness_ms: Option<u64>,
    max_staleness_ms: u64,
    ready: bool,
    node: &'a str,
}

/// `/livez`: the process runs.
pub(crate) fn live() -> Response<Body> {
    of_type("text/plain; charset=utf-8", "ok\n")
}

/// `/readyz`: 200 only while checks are decided, that is, while the snapshot is within its bound.
pub(crate) fn ready<S: SnapshotSource>(desk: &Desk<S>) -> Result<Response<Body>, Refusal> {
    let info = desk.snapshot_info().ok_or_else(|| desk.not_ready())?;
    let mut response = json(snapshot_page(desk, &info));
    if !info.is_ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(response)
}

/// `/v1/snapshot`: the same data, whether ready or not.
pub(crate) fn snapshot<S: SnapshotSource>(desk: &Desk<S>) -> Result<Response<Body>, Refusal> {
    let info = desk.snapshot_info().ok_or_else(|| desk.not_ready())?;
    Ok(json(snapshot_page(desk, &info)))
}

fn snapshot_page<S: SnapshotSource>(desk: &Desk<S>, info: &SnapshotInfo) -> Bytes {
    to_json(&SnapshotPage {
        config_version: info.stamp.config_version,
        epoch: info.stamp.epoch,
        applied_index: info.stamp.applied_index,
        digest: info.digest.to_string(),
        staleness_ms: info.staleness.map(whole_ms),
        max_staleness_ms: whole_ms(info.max_staleness),
        ready: info.is_ready,
        node: desk.source().node(),
    })
}

/// `/metrics`: everything in the registry.
pub(crate) fn metrics(registry: &Registry) -> Response<Body> {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry).expect("writing to a string cannot fail");
    of_type("application/openmetrics-text; version=1.0.0; charset=utf-8", text)
}

/// `/openapi.json`.
pub(crate) fn open_api() -> Response<Body> {
    of_type("application/json", OPEN_API)
}

/// `/`: one page without anything from elsewhere. Its script puts data in as text only, and may talk to this node only.
pub(crate) fn dashboard() -> Response<Body> {
    let mut response = of_type("text/html; charset=utf-8", DASHBOARD);
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                  base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    response
}

/// A JSON document of this moment.
pub(crate) fn json(body: Bytes) -> Response<Body> {
    let mut response = of_type("application/json", body);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(crate) fn to_json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("plain structs with text keys always serialize").into()
}

fn of_type(media_type: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::whole(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// The answer to `HEAD`: what `GET` would say, without its body.
pub(crate) fn head_only(response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact() {
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Response::from_parts(head, Body::whole(Bytes::new()))
}
