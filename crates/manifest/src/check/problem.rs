//! Errors of the device API as `application/problem+json` (RFC 9457), with a stable `code`.

use super::BadRequest;
use crate::json;

/// An error as its caller sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem<'a> {
    /// HTTP status.
    pub status: u16,
    /// Stable code, such as `INVALID_REQUEST`.
    pub code: &'a str,
    /// One short sentence that is the same for every problem of this code.
    pub title: &'a str,
    /// What is wrong this time; empty if the title says it all.
    pub detail: &'a str,
    /// Fields that break a rule.
    pub fields: &'a [ProblemField<'a>],
}

/// A field that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProblemField<'a> {
    /// Its name.
    pub field: &'a str,
    /// The rule.
    pub rule: &'a str,
}

impl Problem<'_> {
    /// Media type of [`Problem::to_json`].
    pub const MEDIA_TYPE: &'static str = "application/problem+json";

    /// The problem document.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::with_capacity(192);
        json::open(&mut out, "type");
        json::text(&mut out, "about:blank");
        json::field(&mut out, "title");
        json::text(&mut out, self.title);
        json::field(&mut out, "status");
        json::number(&mut out, u64::from(self.status));
        json::field(&mut out, "code");
        json::text(&mut out, self.code);
        if !self.detail.is_empty() {
            json::field(&mut out, "detail");
            json::text(&mut out, self.detail);
        }
        if !self.fields.is_empty() {
            json::field(&mut out, "errors");
            json::list(&mut out, self.fields, |out, field| {
                json::open(out, "field");
                json::text(out, field.field);
                json::field(out, "rule");
                json::text(out, field.rule);
                out.push('}');
            });
        }
        out.push('}');
        out
    }
}

impl BadRequest {
    /// The refusal as an HTTP status with its problem document.
    #[must_use]
    pub fn to_problem(&self) -> (u16, String) {
        let (status, title) = match self {
            Self::TooLarge { .. } => (413, "the request is too large"),
            Self::Malformed { .. } | Self::Field { .. } => (400, "the request breaks a rule"),
        };
        let detail = self.to_string();
        let field = match self {
            Self::Field { field, rule } => Some(ProblemField { field, rule }),
            Self::TooLarge { .. } | Self::Malformed { .. } => None,
        };
        let problem = Problem { status, code: self.code(), title, detail: &detail, fields: field.as_slice() };
        (status, problem.to_json())
    }
}
