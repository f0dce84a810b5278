//! Every bound of the model, and what happens at it: an object beyond one is refused as a whole with `INVALID_OBJECT`
//! and nothing of the call is stored.

/// Longest id of a stored object, in bytes.
pub const ID_BYTES_MAX: usize = 128;
/// Longest device key, in bytes of UTF-8.
pub const DEVICE_KEY_BYTES_MAX: usize = 256;
/// Longest version text, in bytes.
pub const VERSION_BYTES_MAX: usize = 128;
/// Longest version requirement, in bytes.
pub const VERSION_REQUIREMENT_BYTES_MAX: usize = 256;
/// Most numeric parts of a dotted version.
pub const DOTTED_PARTS_MAX: usize = 16;
/// Longest free text (reason, notes, evidence), in bytes.
pub const TEXT_BYTES_MAX: usize = 4_096;
/// Longest attribute key, attribute value or tag, in bytes.
pub const ATTRIBUTE_BYTES_MAX: usize = 256;
/// Most attributes of one device, and most keys of one selector or requirement.
pub const ATTRIBUTES_MAX: usize = 64;
/// Most tags of one device or one selector list.
pub const TAGS_MAX: usize = 256;
/// Most accepted values of one attribute in a selector or requirement.
pub const SELECTOR_VALUES_MAX: usize = 1_000;
/// Most device keys in one override, selector or roster.
pub const DEVICE_KEYS_MAX: usize = 100_000;
/// Most stages of one policy.
pub const STAGES_MAX: usize = 64;
/// Most steps of one ramp.
pub const RAMP_STEPS_MAX: usize = 1_000;
/// Most domain values of one stage.
pub const DOMAINS_MAX: usize = 1_000;
/// Most people who approve one stage, and most approvals that a gate may ask for.
pub const APPROVALS_MAX: usize = 100;
/// Most artifacts of one bundle.
pub const ARTIFACTS_MAX: usize = 64;
/// Most signatures of one bundle.
pub const SIGNATURES_MAX: usize = 64;
/// Most trusted keys and most required attestations of one product.
pub const TRUST_ITEMS_MAX: usize = 64;
/// Most frameworks provided or required by one bundle.
pub const FRAMEWORKS_MAX: usize = 64;
/// Most rules of one cohort.
pub const COHORT_RULES_MAX: usize = 64;
/// Most groups of one exclusion, and most values of one group.
pub const EXCLUSION_GROUPS_MAX: usize = 64;
/// Most `previous` edges that one release may ask for.
pub const PREVIOUS_MAX: usize = 256;
/// Longest span of time anywhere (100 years), in milliseconds.
pub const SPAN_MS_MAX: u64 = 100 * 366 * 24 * 3_600 * 1_000;
/// Earliest instant in a wanted object (0001-01-01T00:00:00Z), in milliseconds since the Unix epoch.
pub const INSTANT_MS_MIN: i64 = -62_135_596_800_000;
/// Latest instant in a wanted object (9999-12-31T23:59:59.999Z), in milliseconds since the Unix epoch.
pub const INSTANT_MS_MAX: i64 = 253_402_300_799_999;
