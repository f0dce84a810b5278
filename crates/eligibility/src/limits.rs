//! Every bound of a decision, and what happens at it.

use tidegate_model::Span;

/// Longest product, release, bundle or version text of a request, in bytes; a longer one is `INVALID_REQUEST`. Shorter
/// garbage is merely unknown and ignored.
pub const REPORTED_BYTES_MAX: usize = 256;
/// Longest device key, in bytes of UTF-8; a longer one is `INVALID_REQUEST`.
pub const DEVICE_KEY_BYTES_MAX: usize = tidegate_model::limits::DEVICE_KEY_BYTES_MAX;
/// Most attributes of a request; more are `INVALID_REQUEST`.
pub const ATTRIBUTES_MAX: usize = tidegate_model::limits::ATTRIBUTES_MAX;
/// Most tags of a request; more are `INVALID_REQUEST`.
pub const TAGS_MAX: usize = tidegate_model::limits::TAGS_MAX;
/// Longest attribute name, attribute value or tag of a request, in bytes; a longer one is `INVALID_REQUEST`.
pub const ATTRIBUTE_BYTES_MAX: usize = tidegate_model::limits::ATTRIBUTE_BYTES_MAX;
/// Greatest group that a request may name; a greater one is `INVALID_REQUEST`.
pub const GROUP_MAX: u8 = 6;
/// Most candidates below the end of one path that are tested against the device, not counting those that nobody could
/// be offered; of a longer path the highest ones are tested, and lower ones are never offered by back-off.
pub const CANDIDATES_TESTED_MAX: usize = 1_024;
/// Most selectors of one product (holds and overrides together) that no index serves. Every decision of the product
/// tries each of them: beyond this, decisions stay right and grow slower; [`crate::Snapshot::unindexed_selectors`]
/// tells the shell, which refuses to add one more.
pub const SELECTORS_UNINDEXED_MAX: usize = 256;
/// Most lanes that one path can run through. Each change of lane at least doubles the number of releases behind, so
/// that more would need more releases than there can be.
pub const LANES_MAX: usize = 64;
/// How often devices are asked to check when their product does not say.
pub const POLL_INTERVAL_DEFAULT: Span = Span::from_secs(300);
/// How far around an instant the opening of a window is sought, in days: eight years and a day, the longest that a
/// leap day stays away. A window without an opening within it counts as closed for ever.
pub const WINDOW_SEARCH_DAYS_MAX: u32 = 8 * 366;
/// Rounds in which the next instant is sought at which several windows are open together; if it is not found the answer
/// is `HOLD_WINDOW` without an instant.
pub const WINDOW_ROUNDS_MAX: usize = 64;
