//! Errors at the door as `application/problem+json`. This is the one place that maps a refusal to an HTTP status and to
//! a gRPC status; every code is stable.

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use tidegate_manifest::check::{Problem, ProblemField};

use crate::body::Body;

/// Why a request got no decision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{}{rule}", .field.as_ref().map(|field| format!("{field}: ")).unwrap_or_default())]
    InvalidRequest { field: Option<String>, rule: String },
    #[error("no product of this id")]
    UnknownProduct,
    #[error("this node has no snapshot to decide on yet")]
    NotReady { retry_after_s: u64 },
    #[error("body must be <= {max} bytes")]
    BodyTooLarge { max: usize },
    #[error("query must be <= {max} bytes")]
    QueryTooLong { max: usize },
    #[error("body must arrive within {max_s} s")]
    BodyTooSlow { max_s: u64 },
    #[error("{in_flight_max} checks are waiting already")]
    Overloaded { in_flight_max: usize, retry_after_s: u64 },
    #[error("nothing is served at this path")]
    NotFound,
    #[error("this path takes {allow} only")]
    MethodNotAllowed { allow: &'static str },
}

impl Refusal {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest { .. } => "INVALID_REQUEST",
            Self::UnknownProduct => "UNKNOWN_PRODUCT",
            Self::NotReady { .. } => "NOT_READY",
            Self::BodyTooLarge { .. } => "BODY_TOO_LARGE",
            Self::QueryTooLong { .. } => "QUERY_TOO_LONG",
            Self::BodyTooSlow { .. } => "BODY_TOO_SLOW",
            Self::Overloaded { .. } => "OVERLOADED",
            Self::NotFound => "NOT_FOUND",
            Self::MethodNotAllowed { .. } => "METHOD_NOT_ALLOWED",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::InvalidRequest { .. } => StatusCode::BAD_REQUEST,
            Self::UnknownProduct | Self::NotFound => StatusCode::NOT_FOUND,
            Self::NotReady { .. } | Self::Overloaded { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::QueryTooLong { .. } => StatusCode::URI_TOO_LONG,
            Self::BodyTooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Self::InvalidRequest { .. } => "the request cannot be judged",
            Self::UnknownProduct => "unknown product",
            Self::NotReady { .. } => "not ready",
            Self::BodyTooLarge { .. } => "body too large",
            Self::QueryTooLong { .. } => "query too long",
            Self::BodyTooSlow { .. } => "body too slow",
            Self::Overloaded { .. } => "overloaded",
            Self::NotFound => "not found",
            Self::MethodNotAllowed { .. } => "method not allowed",
        }
    }

    fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::NotReady { retry_after_s } | Self::Overloaded { retry_after_s, .. } => Some(*retry_after_s),
            _ => None, // Nothing gets better by asking again.
        }
    }

    /// The refusal as an HTTP answer.
    pub(crate) fn to_http(&self) -> Response<Body> {
        let detail = self.to_string();
        let field = match self {
            Self::InvalidRequest { field: Some(field), rule } => Some(ProblemField { field, rule }),
            _ => None, // No other refusal is about a field.
        };
        let problem = Problem {
            status: self.status().as_u16(),
            code: self.code(),
            title: self.title(),
            detail: &detail,
            fields: field.as_slice(),
        };
        let mut response = Response::new(Body::whole(problem.to_json()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(Problem::MEDIA_TYPE));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_s() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Self::MethodNotAllowed { allow } = self {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        response
    }

    /// The refusal as a gRPC status; the stable code leads the message, as in `NOT_READY: ...`.
    pub(crate) fn to_grpc(&self) -> tonic::Status {
        let message = format!("{}: {self}", self.code());
        match self {
            Self::InvalidRequest { .. } | Self::QueryTooLong { .. } | Self::MethodNotAllowed { .. } => {
                tonic::Status::invalid_argument(message)
            }
            Self::UnknownProduct => tonic::Status::not_found(message),
            Self::NotFound => tonic::Status::unimplemented(message),
            Self::NotReady { .. } => tonic::Status::unavailable(message),
            Self::BodyTooLarge { .. } | Self::Overloaded { .. } => tonic::Status::resource_exhausted(message),
            Self::BodyTooSlow { .. } => tonic::Status::deadline_exceeded(message),
        }
    }
}
