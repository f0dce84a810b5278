//! Every bound of this crate, and what happens at it: text beyond one is refused as a whole, with an error that names
//! the bound; nothing of it is decoded.

/// Most bytes of manifest text in one call, all sources together. Beyond it: one error, nothing is read.
pub const MANIFEST_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most documents in one call. Beyond it: an error at the first document too many.
pub const DOCUMENTS_MAX: usize = 100_000;
/// Most nodes (scalars, lists and maps) that the trees of one call may hold, expanded aliases included. Beyond it: an
/// error at the node; the rest of the source is not read.
pub const NODES_MAX: usize = 2_000_000;
/// Deepest nesting of lists and maps, expanded aliases included. Beyond it: an error at the node; the rest of the source
/// is not read.
pub const DEPTH_MAX: usize = 32;
/// Most errors that are reported for one call. Beyond it: the rest is counted in a last one.
pub const ERRORS_MAX: usize = 200;

/// Most bytes of a check request, as body or as query text. Beyond it: the request is refused as too large. Twice 64 KiB,
/// so that a text of 64 KiB is refused for the field that it is in.
pub const CHECK_BYTES_MAX: usize = 128 * 1024;
/// Longest `nonce`, in bytes. Beyond it: INVALID_REQUEST, as for all bounds of a check below.
pub const NONCE_BYTES_MAX: usize = 256;
/// Most attributes that one check may tell.
pub const CHECK_ATTRIBUTES_MAX: usize = 64;
/// Most tags that one check may tell.
pub const CHECK_TAGS_MAX: usize = 256;

/// Most releases in one document of a foreign update stream. Beyond it: the document is refused.
pub const STREAM_RELEASES_MAX: usize = 10_000;
/// Most attempts at one version of a foreign update stream. Beyond it: the document is refused.
pub const ATTEMPTS_MAX: usize = 1_000;

/// Longest line of the notes of a feed's item (title, links), in bytes. Beyond it: it is left out, with a warning.
pub const APPCAST_LINE_BYTES_MAX: usize = 512;
/// Longest notes of a feed's item, in bytes. Beyond it: the description is left out, with a warning.
pub const APPCAST_NOTES_BYTES_MAX: usize = 4_000;
/// Longest URL of an enclosure, in bytes. Beyond it: the feed is refused.
pub const APPCAST_URL_BYTES_MAX: usize = 2_048;
/// Longest name of an enclosure's file, in bytes. Beyond it: it is called `update`.
pub const APPCAST_NAME_BYTES_MAX: usize = 128;
/// Most channels of one feed. Beyond it: the feed is refused.
pub const APPCAST_CHANNELS_MAX: usize = 64;
