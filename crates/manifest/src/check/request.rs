//! What a device asks, read from JSON in one pass: no tree is built, unknown fields are skipped where they stand.

use std::cell::Cell;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use thiserror::Error;
use tidegate_model::limits::{ATTRIBUTE_BYTES_MAX, DEVICE_KEY_BYTES_MAX, ID_BYTES_MAX, VERSION_BYTES_MAX};

use crate::limits;

/// A check request within all bounds. Whether its ids name anything is not known here; a malformed release, bundle or
/// version is for the decision to ignore.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct CheckRequest {
    /// Product; the only field that must be there.
    pub product: String,
    /// Device key. The empty key is no key.
    pub device: Option<String>,
    /// Release that the device runs.
    pub release: Option<String>,
    /// Bundle that it runs.
    pub bundle: Option<String>,
    /// Version that it runs.
    pub version: Option<String>,
    /// Attributes, sorted by name, names unique.
    pub attributes: Vec<(String, String)>,
    /// Tags, sorted, unique.
    pub tags: Vec<String>,
    /// Who asks.
    pub mode: Mode,
    /// Group 0 to 6; heard only by client-phased products.
    pub group: Option<u8>,
    /// Greatest security epoch that the device knows of itself.
    pub security_epoch: Option<u64>,
    /// Config version below which no answer will do.
    pub min_config_version: Option<u64>,
    /// Release that was offered earlier and is about to be installed.
    pub pending: Option<String>,
    /// Echoed.
    pub nonce: Option<String>,
    /// Whether the answer is to carry a trace.
    pub explain: bool,
}

/// Who asks for an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// The device by itself.
    #[default]
    Background,
    /// Its user.
    Interactive,
}

/// Why a request is refused at the door.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadRequest {
    /// More bytes than a request may have.
    #[error("request of {bytes} bytes must have at most {max}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// Not JSON, or not a query.
    #[error("{rule}")]
    Malformed {
        /// What is wrong, with its place.
        rule: String,
    },
    /// A field breaks a rule.
    #[error("{field}: {rule}")]
    Field {
        /// Name of the field.
        field: String,
        /// The rule.
        rule: &'static str,
    },
}

impl BadRequest {
    /// The stable code: `BODY_TOO_LARGE` or `INVALID_REQUEST`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "BODY_TOO_LARGE",
            Self::Malformed { .. } | Self::Field { .. } => "INVALID_REQUEST",
        }
    }

    /// The field that breaks a rule, if it is one field.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Field { field, .. } => Some(field),
            Self::TooLarge { .. } | Self::Malformed { .. } => None,
        }
    }

    pub(super) fn of(field: impl Into<String>, rule: &'static str) -> Self {
        Self::Field { field: field.into(), rule }
    }
}

/// Reads the body of `POST /v1/check`. Unknown fields are ignored, `null` is the same as left out.
///
/// # Errors
/// [`BadRequest`] naming the first thing that is wrong.
pub fn request_from_json(body: &[u8]) -> Result<CheckRequest, BadRequest> {
    check_size(body.len())?;
    let mut request = CheckRequest::default();
    let at = Cell::new(None);
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let read = Body { request: &mut request, at: &at }.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    if let Err(error) = read {
        return Err(match at.get() {
            Some((field, rule)) if error.is_data() => BadRequest::of(field.name(), rule),
            _ => BadRequest::Malformed { rule: format!("body is no JSON object: {error}") },
        });
    }
    request.finish()
}

pub(super) fn check_size(bytes: usize) -> Result<(), BadRequest> {
    let max = limits::CHECK_BYTES_MAX;
    if bytes > max { Err(BadRequest::TooLarge { bytes, max }) } else { Ok(()) }
}

impl CheckRequest {
    /// The value of an attribute.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.binary_search_by(|(key, _)| key.as_str().cmp(name)).ok()?;
        Some(&self.attributes[found].1)
    }

    /// True if the device bears the tag.
    #[must_use]
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.binary_search_by(|own| own.as_str().cmp(tag)).is_ok()
    }

    /// Checks all bounds and brings lists into order.
    pub(super) fn finish(mut self) -> Result<Self, BadRequest> {
        if self.product.is_empty() {
            return Err(BadRequest::of("product", "must be given"));
        }
        self.device = self.device.filter(|key| !key.is_empty());
        bound("product", Some(&self.product), ID_BYTES_MAX, "must be at most 128 bytes")?;
        bound("device", self.device.as_ref(), DEVICE_KEY_BYTES_MAX, "must be at most 256 bytes")?;
        if self.device.as_ref().is_some_and(|key| key.chars().any(char::is_control)) {
            return Err(BadRequest::of("device", "must have no control characters"));
        }
        for (field, value) in [("release", &self.release), ("bundle", &self.bundle), ("pending", &self.pending)] {
            bound(field, value.as_ref(), ID_BYTES_MAX, "must be at most 128 bytes")?;
        }
        bound("version", self.version.as_ref(), VERSION_BYTES_MAX, "must be at most 128 bytes")?;
        bound("nonce", self.nonce.as_ref(), limits::NONCE_BYTES_MAX, "must be at most 256 bytes")?;
        if self.group.is_some_and(|group| group > 6) {
            return Err(BadRequest::of("group", "must be 0 to 6"));
        }
        if self.attributes.len() > limits::CHECK_ATTRIBUTES_MAX {
            return Err(BadRequest::of("attributes", "must be at most 64"));
        }
        for (name, value) in &self.attributes {
            if name.is_empty() || name.len() > ATTRIBUTE_BYTES_MAX || value.len() > ATTRIBUTE_BYTES_MAX {
                return Err(BadRequest::of("attributes", "must have names of 1 to 256 bytes and values of at most 256"));
            }
        }
        self.attributes.sort();
        if self.attributes.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(BadRequest::of("attributes", "must not name one twice"));
        }
        if self.tags.len() > limits::CHECK_TAGS_MAX {
            return Err(BadRequest::of("tags", "must be at most 256"));
        }
        if self.tags.iter().any(|tag| tag.is_empty() || tag.len() > ATTRIBUTE_BYTES_MAX) {
            return Err(BadRequest::of("tags", "must be of 1 to 256 bytes each"));
        }
        self.tags.sort();
        self.tags.dedup();
        Ok(self)
    }
}

fn bound(field: &str, value: Option<&String>, max: usize, rule: &'static str) -> Result<(), BadRequest> {
    if value.is_some_and(|value| value.len() > max) { Err(BadRequest::of(field, rule)) } else { Ok(()) }
}

/// Fields of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Product,
    Device,
    Release,
    Bundle,
    Version,
    Attributes,
    Tags,
    Mode,
    Group,
    SecurityEpoch,
    MinConfigVersion,
    Pending,
    Nonce,
    Explain,
}

impl Field {
    const ALL: [Self; 14] = [
        Self::Product,
        Self::Device,
        Self::Release,
        Self::Bundle,
        Self::Version,
        Self::Attributes,
        Self::Tags,
        Self::Mode,
        Self::Group,
        Self::SecurityEpoch,
        Self::MinConfigVersion,
        Self::Pending,
        Self::Nonce,
        Self::Explain,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Device => "device",
            Self::Release => "release",
            Self::Bundle => "bundle",
            Self::Version => "version",
            Self::Attributes => "attributes",
            Self::Tags => "tags",
            Self::Mode => "mode",
            Self::Group => "group",
            Self::SecurityEpoch => "security_epoch",
            Self::MinConfigVersion => "min_config_version",
            Self::Pending => "pending",
            Self::Nonce => "nonce",
            Self::Explain => "explain",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    /// What a value of the wrong type breaks.
    pub(super) const fn rule(self) -> &'static str {
        match self {
            Self::Product | Self::Device | Self::Release | Self::Bundle | Self::Version | Self::Pending | Self::Nonce => {
                "must be text"
            }
            Self::Attributes => "must be a map of text to text",
            Self::Tags => "must be a list of text",
            Self::Mode => "must be background or interactive",
            Self::Group => "must be 0 to 6",
            Self::SecurityEpoch | Self::MinConfigVersion => "must be a whole number from 0 to 2^64 - 1",
            Self::Explain => "must be true or false",
        }
    }
}

impl Mode {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "background" => Some(Self::Background),
            "interactive" => Some(Self::Interactive),
            _ => None,
        }
    }
}

/// Where the reader stands, for the error if there is one.
type At = Cell<Option<(Field, &'static str)>>;

struct Body<'a> {
    request: &'a mut CheckRequest,
    at: &'a At,
}

impl<'de> DeserializeSeed<'de> for Body<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Body<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = [false; Field::ALL.len()];
        while let Some(field) = map.next_key_seed(Name)? {
            let Some(field) = field else {
                map.next_value::<Skipped>()?;
                continue;
            };
            self.at.set(Some((field, "must not be there twice")));
            if std::mem::replace(&mut seen[field as usize], true) {
                return Err(serde::de::Error::custom("duplicate field"));
            }
            self.at.set(Some((field, field.rule())));
            let request = &mut *self.request;
            match field {
                Field::Product => request.product = map.next_value::<Option<String>>()?.unwrap_or_default(),
                Field::Device => request.device = map.next_value()?,
                Field::Release => request.release = map.next_value()?,
                Field::Bundle => request.bundle = map.next_value()?,
                Field::Version => request.version = map.next_value()?,
                Field::Attributes => map.next_value_seed(Attributes(&mut request.attributes))?,
                Field::Tags => request.tags = map.next_value::<Option<Vec<String>>>()?.unwrap_or_default(),
                Field::Mode => {
                    if let Some(text) = map.next_value::<Option<String>>()? {
                        request.mode = Mode::parse(&text).ok_or_else(|| serde::de::Error::custom("unknown mode"))?;
                    }
                }
                Field::Group => request.group = map.next_value()?,
                Field::SecurityEpoch => request.security_epoch = map.next_value()?,
                Field::MinConfigVersion => request.min_config_version = map.next_value()?,
                Field::Pending => request.pending = map.next_value()?,
                Field::Nonce => request.nonce = map.next_value()?,
                Field::Explain => request.explain = map.next_value::<Option<bool>>()?.unwrap_or_default(),
            }
            self.at.set(None);
        }
        Ok(())
    }
}

/// Reads the name of a field without keeping it.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<Field>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Field::parse(name))
    }
}

/// Steps over a value that nobody asked for. Unlike serde's `IgnoredAny` it looks at what it skips: text must be UTF-8,
/// and the reader's bound on depth holds.
struct Skipped;

impl<'de> Deserialize<'de> for Skipped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Skipped {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self, A::Error> {
        while fields.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}

/// Reads attributes in the order sent; duplicates are found when they are sorted.
struct Attributes<'a>(&'a mut Vec<(String, String)>);

impl<'de> DeserializeSeed<'de> for Attributes<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Attributes<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(attribute) = map.next_entry()? {
            self.0.push(attribute);
        }
        Ok(())
    }
}
