//! Documents in and out: manifests (YAML or JSON), the device check as JSON, and foreign update streams.
//!
//! Three doors. [`parse`] turns manifests into the documents of an apply, or into every error they hold, each with
//! file, line, column, field, value and rule; [`mod@print`] is the way back. [`check`] reads check requests and writes their
//! answers. [`fcos`] turns the update stream of an operating system, [`appcast`] a Sparkle feed, into the commands that bring
//! cohorts there.
//!
//! Pure: this crate opens no file, reads no clock and draws nothing. It must not know the wire or the disk, nor judge
//! what only the whole state can judge (references, versions, the graph): that is for `tidegate-machine`. Every bound is
//! in [`limits`].

pub mod appcast;
pub mod check;
pub mod compare;
mod decode;
mod error;
pub mod fcos;
mod json;
pub mod limits;
pub mod print;
pub mod read;
mod scalar;
pub mod stream;
pub mod tree;

pub use decode::{decode, from_value, parse};
pub use error::ManifestError;
pub use scalar::{instant, percent, span};

/// A text to read, with the name that its errors bear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// File name, `-` or `body`.
    pub name: String,
    /// Its content.
    pub text: String,
}

/// A value with the place that it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Name of the source.
    pub source_name: String,
    /// Line, from 1; 0 if it came from no text.
    pub line: usize,
    /// Column in characters, from 1; 0 if it came from no text.
    pub column: usize,
}
