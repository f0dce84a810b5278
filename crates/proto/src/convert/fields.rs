//! Reading one field: each function names the field in its error.

use std::collections::BTreeSet;

use prost::bytes::Bytes;
use tidegate_model::{Invalid, Ppm, Span, Timestamp};

use crate::error::{Malformed, Problem};

/// A text that a type of the model takes.
pub(crate) fn text<T>(field: &str, text: &str, new: impl FnOnce(&str) -> Result<T, Invalid>) -> Result<T, Malformed> {
    new(text).map_err(|invalid| broken(field, invalid))
}

/// Likewise, if it is there.
pub(super) fn text_if<T>(
    field: &str,
    value: Option<&String>,
    new: impl FnOnce(&str) -> Result<T, Invalid>,
) -> Result<Option<T>, Malformed> {
    value.map(|value| text(field, value, new)).transpose()
}

/// A set or list of texts.
pub(super) fn texts<T, C: FromIterator<T>>(
    field: &str,
    values: &[String],
    new: impl Fn(&str) -> Result<T, Invalid>,
) -> Result<C, Malformed> {
    values.iter().enumerate().map(|(i, value)| new(value).map_err(|invalid| broken(&format!("{field}[{i}]"), invalid))).collect()
}

/// A message that must be there.
pub(crate) fn must<T>(field: &str, value: Option<T>) -> Result<T, Malformed> {
    value.ok_or_else(|| Malformed::new(field, Problem::Missing))
}

/// The alternative of a oneof.
pub(super) fn alternative<T>(value: Option<T>) -> Result<T, Malformed> {
    value.ok_or_else(|| Malformed::new("kind", Problem::UnknownAlternative))
}

/// A message within a message.
pub(crate) fn inner<W, M: TryFrom<W, Error = Malformed>>(field: &str, value: W) -> Result<M, Malformed> {
    M::try_from(value).map_err(|error| error.within(field))
}

/// Likewise, if it is there.
pub(super) fn inner_if<W, M: TryFrom<W, Error = Malformed>>(field: &str, value: Option<W>) -> Result<Option<M>, Malformed> {
    value.map(|value| inner(field, value)).transpose()
}

/// Likewise, with a default for what is left out.
pub(super) fn inner_or<W, M: TryFrom<W, Error = Malformed>>(field: &str, value: Option<W>, default: M) -> Result<M, Malformed> {
    Ok(inner_if(field, value)?.unwrap_or(default))
}

/// A list of messages.
pub(super) fn inners<W, M: TryFrom<W, Error = Malformed>>(field: &str, values: Vec<W>) -> Result<Vec<M>, Malformed> {
    values.into_iter().enumerate().map(|(i, value)| inner(&format!("{field}[{i}]"), value)).collect()
}

/// A share.
pub(super) fn share(field: &str, ppm: u32) -> Result<Ppm, Malformed> {
    Ppm::new(ppm).map_err(|invalid| broken(field, invalid))
}

/// A share, if it is there.
pub(super) fn share_if(field: &str, ppm: Option<u32>) -> Result<Option<Ppm>, Malformed> {
    ppm.map(|ppm| share(field, ppm)).transpose()
}

/// A hash, salt or seed.
pub(crate) fn array<const N: usize>(field: &str, bytes: &Bytes) -> Result<[u8; N], Malformed> {
    bytes.as_ref().try_into().map_err(|_| Malformed::new(field, Problem::Length { actual: bytes.len(), expected: N }))
}

/// An instant, if it is there.
pub(super) fn instant(ms: Option<i64>) -> Option<Timestamp> {
    ms.map(Timestamp::from_millis)
}

/// An instant for the wire, if it is there.
pub(super) fn ms(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_millis)
}

/// A span, if it is there.
pub(super) fn span(ms: Option<u64>) -> Option<Span> {
    ms.map(Span::from_millis)
}

/// Texts for the wire.
pub(super) fn strings<'a, T: ToString + 'a>(values: impl IntoIterator<Item = &'a T>) -> Vec<String> {
    values.into_iter().map(ToString::to_string).collect()
}

/// A text for the wire, if it is there.
pub(super) fn string<T: ToString>(value: Option<&T>) -> Option<String> {
    value.map(ToString::to_string)
}

/// A set of plain texts.
pub(super) fn set(values: Vec<String>) -> BTreeSet<String> {
    values.into_iter().collect()
}

fn broken(field: &str, invalid: Invalid) -> Malformed {
    Malformed::new(field, Problem::Invalid { value: invalid.value, rule: invalid.rule })
}

/// Reads a number as an enum of the model.
pub(super) trait Enumeration: Sized {
    fn read(field: &str, value: i32) -> Result<Self, Malformed>;
}

/// Pairs the values of an enum of the model with those of the wire, which has the same name there. What stands behind
/// `unspecified` is the default, or why there is none.
macro_rules! enumeration {
    ($($name:ident { $($model:ident = $wire:ident),* $(,)? } unspecified $default:expr;)*) => {$(
        impl From<tidegate_model::$name> for crate::types::v1::$name {
            fn from(value: tidegate_model::$name) -> Self {
                match value {
                    $(tidegate_model::$name::$model => Self::$wire,)*
                }
            }
        }

        impl crate::convert::fields::Enumeration for tidegate_model::$name {
            fn read(field: &str, value: i32) -> Result<Self, crate::error::Malformed> {
                use tidegate_model::$name as Model;
                let read: Result<Model, crate::error::Problem> = match crate::types::v1::$name::try_from(value) {
                    $(Ok(crate::types::v1::$name::$wire) => Ok(Model::$model),)*
                    Ok(crate::types::v1::$name::Unspecified) => $default,
                    Err(_) => Err(crate::error::Problem::UnknownValue(value)),
                };
                read.map_err(|problem| crate::error::Malformed::new(field, problem))
            }
        }
    )*};
}
pub(super) use enumeration;
