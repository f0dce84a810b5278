//! The device check as JSON: requests in, answers and problems out.
//!
//! Nothing here decides anything, and nothing panics on hostile input: [`request_from_json`] and [`request_from_query`]
//! hold every bound of `limits.rs` and name the field that breaks one. Start with [`CheckRequest`].

mod answer;
mod problem;
mod query;
mod request;

#[cfg(test)]
mod tests;

pub use answer::{CheckAnswer, TraceLine};
pub use problem::{Problem, ProblemField};
pub use query::request_from_query;
pub use request::{BadRequest, CheckRequest, Mode, request_from_json};
