//! Every bound of the controller, and what happens at it.

/// Event ids that are remembered to know a duplicate. The oldest is forgotten first: an event repeated later than that
/// is taken in again, which changes no count but that of failed attempts.
pub const EVENT_IDS_MAX: usize = 262_144;
/// Devices of all products that are remembered as seen. At the bound, a device that is not known yet stays unknown: it
/// enters no roster until others are forgotten.
pub const SIGHTINGS_MAX: usize = 1_000_000;
/// Attributes and tags that are remembered of a device that was seen; more are not heard.
pub const SIGHTED_FACTS_MAX: usize = 64;
/// Attempts (device and release) that are remembered. At the bound, those of releases that are neither active nor paused
/// are forgotten; if that frees nothing, an event of another device counts for nothing.
pub const TRIALS_MAX: usize = 2_000_000;
/// Outcomes of one attempt that are remembered, newest first: what a device told before that is not needed any more.
pub const OUTCOMES_MAX: usize = 16;
/// Failed attempts of one device and release that are remembered; the oldest is forgotten first, which can only shorten
/// the count towards a back-off above this limit.
pub const FAILURES_MAX: usize = 1_024;
/// Devices of which a local roll-back is remembered. At the bound the next one is not: its hold is never written.
pub const ROLL_BACKS_MAX: usize = 1_000_000;
/// Codes of failures that are remembered per release. Further ones are not told and fail no gate; when the next release
/// shows one of them, it is taken to be new.
pub const CODES_MAX: usize = 256;
/// Devices per code and stage that are remembered to have told it. A new problem that only others told in a cell is not
/// laid to that cell: the rollout is stopped because of those that are remembered.
pub const REPORTERS_MAX: usize = 64;
/// Keys that one entry adds to a roster; the rest follows in the next entries.
pub const ADMIT_KEYS_MAX: usize = 10_000;
/// Keys on a roster; it grows no further.
pub const ROSTER_KEYS_MAX: usize = tidegate_model::limits::DEVICE_KEYS_MAX;
/// Holds that one entry writes; the rest follows in the next entries.
pub const HOLDS_MAX: usize = 1_000;
/// Commands of one round; what else is due follows in the next round.
pub const COMMANDS_MAX: usize = 1_024;
