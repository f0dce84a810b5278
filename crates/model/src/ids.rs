//! Ids are short texts in newtypes, so that a release id can never stand where a bundle id is meant.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use crate::invalid::Invalid;
use crate::limits;

/// True if `text` may be the id of a stored object: 1 to 128 bytes of ASCII letters, digits and `. _ @ : + ~ -`,
/// starting with a letter or digit.
fn is_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=limits::ID_BYTES_MAX).contains(&bytes.len())
        && bytes[0].is_ascii_alphanumeric()
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"._@:+~-".contains(b))
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $check:expr, $rule:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// True if [`Self::new`] would take `text`; allocates nothing.
            #[must_use]
            pub fn is_valid(text: &str) -> bool {
                let check: fn(&str) -> bool = $check;
                check(text)
            }

            /// Checks and wraps `text`.
            ///
            /// # Errors
            /// [`Invalid`] naming the rule, if the text breaks it.
            pub fn new(text: &str) -> Result<Self, Invalid> {
                if Self::is_valid(text) { Ok(Self(Arc::from(text))) } else { Err(Invalid::new("id", text, $rule)) }
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

const ID_RULE: &str = "must be 1 to 128 of A-Z a-z 0-9 . _ @ : + ~ - and start with a letter or digit";

id!(/** Id of a product; unique in the cluster. */ ProductId, is_id, ID_RULE);
id!(/** Id of a cohort; unique within its product. */ CohortId, is_id, ID_RULE);
id!(/** Id of a bundle; unique in the cluster. */ BundleId, is_id, ID_RULE);
id!(/** Id of a release, of its rollout and of its policy; unique in the cluster. */ ReleaseId, is_id, ID_RULE);
id!(/** Id of a hold; unique in the cluster. */ HoldId, is_id, ID_RULE);
id!(/** Id of an override; unique in the cluster. */ OverrideId, is_id, ID_RULE);
id!(/** Id of an exclusion; unique in the cluster. */ ExclusionId, is_id, ID_RULE);
id!(/** Kind of an attestation, such as `qa`. */ AttestationKind, is_id, ID_RULE);
id!(
    /** Who acted: the name of an API token, `anonymous`, or a component such as `controller`. */
    Principal, is_id, ID_RULE
);
id!(
    /** Chosen by the caller of a write; the same one answers the same result again. */
    RequestId, is_id, ID_RULE
);
id!(
    /** Key of a device: 1 to 256 bytes of UTF-8 without control characters, as sent, case-sensitive. The empty key is no key. */
    DeviceKey,
    |text| (1..=limits::DEVICE_KEY_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control),
    "must be 1 to 256 bytes without control characters"
);

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn ids_are_bounded_and_plain() {
        for good in ["r0", "32.20200601.3.0", "r1@beta", "A:b+c~d_e-f"] {
            assert_eq!(ReleaseId::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "-x", "a b", "a/b", "ü", &"x".repeat(129)] {
            assert!(ReleaseId::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn device_keys_take_any_printable_utf8() {
        assert!(DeviceKey::new("gerät-ü").is_ok());
        for bad in ["", "a\nb", &"x".repeat(257)] {
            assert!(DeviceKey::new(bad).is_err(), "{bad:?}");
        }
    }
}
