//! What a device asks and tells.

use crate::limits;

/// Whether somebody looks at the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// The device checks by itself.
    #[default]
    Background,
    /// A user asked for it.
    Interactive,
}

/// One update check, borrowed from wherever it was read. An empty text is the same as an absent one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'r> {
    /// Product; the only mandatory field.
    pub product: &'r str,
    /// Device key.
    pub device: Option<&'r str>,
    /// Reported release id.
    pub release: Option<&'r str>,
    /// Reported bundle id.
    pub bundle: Option<&'r str>,
    /// Reported software version.
    pub version: Option<&'r str>,
    /// Reported attributes, in any order; of two with one name the first counts.
    pub attributes: &'r [(&'r str, &'r str)],
    /// Reported tags, in any order; heard from unregistered devices only.
    pub tags: &'r [&'r str],
    /// Whether somebody looks at the screen.
    pub mode: Mode,
    /// Security epoch that the device runs.
    pub security_epoch: Option<u64>,
    /// The client has seen this config version elsewhere and wants no older answer.
    pub min_config_version: Option<u64>,
    /// Group of a Sparkle-like ramp (0 to 6); heard for `client_phased` products only.
    pub group: Option<u8>,
    /// The offer that the device is about to install. It changes no decision: the answer says whether it still stands.
    pub pending: Option<&'r str>,
}

impl<'r> Request<'r> {
    /// True if every field is within its limits. Costs one pass over the request.
    pub(crate) fn is_well_formed(&self) -> bool {
        let short = |text: Option<&str>| text.is_none_or(|text| text.len() <= limits::REPORTED_BYTES_MAX);
        let named = |text: &str| text.len() <= limits::ATTRIBUTE_BYTES_MAX;
        // Most keys are ASCII, of which bytes tell.
        let key_is_plain = |key: &str| {
            key.len() <= limits::DEVICE_KEY_BYTES_MAX && (is_printable(key.as_bytes()) || !key.chars().any(char::is_control))
        };
        !self.product.is_empty()
            && short(Some(self.product))
            && short(self.release)
            && short(self.bundle)
            && short(self.version)
            && short(self.pending)
            && self.device.is_none_or(key_is_plain)
            && self.group.is_none_or(|group| group <= limits::GROUP_MAX)
            && self.attributes.len() <= limits::ATTRIBUTES_MAX
            && self.tags.len() <= limits::TAGS_MAX
            && self.attributes.iter().all(|(name, value)| named(name) && named(value))
            && self.tags.iter().all(|tag| named(tag))
    }

    /// The device key, if there is one.
    pub(crate) fn key(&self) -> Option<&'r str> {
        present(self.device)
    }

    /// The value of a reported attribute.
    pub(crate) fn attribute(&self, name: &str) -> Option<&'r str> {
        self.attributes.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }
}

/// True if all bytes are from the space to the tilde; eight are looked at together.
fn is_printable(bytes: &[u8]) -> bool {
    const ONES: u64 = u64::MAX / 255;
    // The highest bit of a byte of the result is set below the space and above the tilde. A byte can spoil another only by being
    // outside itself.
    let is_within = |word: u64| ((word.wrapping_sub(ONES * 0x20) & !word) | word.wrapping_add(ONES) | word) & (ONES * 0x80) == 0;
    let (words, rest) = bytes.as_chunks::<8>();
    let word = |chunk: &[u8; 8]| u64::from_le_bytes(*chunk);
    // The last eight bytes stand for those that are left over, if there are eight.
    let is_rest_within = match bytes.last_chunk::<8>() {
        Some(last) => is_within(word(last)),
        None => rest.iter().all(|byte| matches!(byte, b' '..=b'~')),
    };
    is_rest_within && words.iter().all(|chunk| is_within(word(chunk)))
}

/// An empty text is the same as an absent one.
pub(crate) fn present(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_over_a_limit_are_not_well_formed() {
        let base = Request { product: "os", ..Request::default() };
        let long = "x".repeat(65_536);
        let attributes = vec![("a", "b"); 65];
        let tags = vec!["t"; 257];
        assert!(base.is_well_formed());
        let bad = [
            Request { product: "", ..base },
            Request { product: &long, ..base },
            Request { device: Some(&long), ..base },
            Request { device: Some("a\u{0}"), ..base },
            Request { release: Some(&long), ..base },
            Request { bundle: Some(&long), ..base },
            Request { version: Some(&long), ..base },
            Request { pending: Some(&long), ..base },
            Request { group: Some(7), ..base },
            Request { attributes: &attributes, ..base },
            Request { attributes: &[("a", long.as_str())], ..base },
            Request { tags: &tags, ..base },
            Request { tags: &[long.as_str()], ..base },
        ];
        for (i, request) in bad.iter().enumerate() {
            assert!(!request.is_well_formed(), "case {i}");
        }
    }

    #[test]
    fn printable_bytes_are_those_from_space_to_tilde_wherever_they_stand() {
        for length in 0..20 {
            for place in 0..length {
                for byte in 0..=255_u8 {
                    for other in [b' ', b'~', b'a'] {
                        let mut bytes = vec![other; length];
                        bytes[place] = byte;
                        assert_eq!(is_printable(&bytes), (b' '..=b'~').contains(&byte), "{bytes:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn of_two_attributes_with_one_name_the_first_counts() {
        let request = Request { product: "os", attributes: &[("b", "1"), ("a", "2"), ("b", "3")], ..Request::default() };
        assert_eq!(request.attribute("b"), Some("1"));
        assert_eq!(request.attribute("c"), None);
    }
}
