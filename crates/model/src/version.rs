//! Versions of released software under the scheme of their product, and requirements on them.
//!
//! Stored objects keep the text ([`VersionText`]); the scheme of the product says how to read it. Comparison is only
//! possible between versions of one scheme.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use crate::invalid::Invalid;
use crate::limits;

/// How a product writes its versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VersionScheme {
    /// Semantic versions, ordered by precedence (build metadata does not count).
    SemVer,
    /// Numbers joined by dots, of any count; a missing part is 0.
    Dotted,
    /// One number.
    Integer,
}

/// A version as its author wrote it. 1 to 128 bytes, no spaces or control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionText(Arc<str>);

impl VersionText {
    /// Checks length and characters; whether it fits a scheme is asked with [`Version::parse`].
    ///
    /// # Errors
    /// [`Invalid`] naming the rule.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let plain = !text.chars().any(|c| c.is_control() || c.is_whitespace());
        if (1..=limits::VERSION_BYTES_MAX).contains(&text.len()) && plain {
            Ok(Self(Arc::from(text)))
        } else {
            Err(Invalid::new("version", text, "must be 1 to 128 bytes without spaces"))
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VersionText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for VersionText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A dotted number such as `15.04` or `31.20200108.3.0`; trailing zeros do not count. Fixed size, so that reading one
/// out of a request allocates nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DottedVersion {
    // Unused parts are 0, so that derived comparison treats a missing part as 0.
    parts: [u64; limits::DOTTED_PARTS_MAX],
}

impl DottedVersion {
    /// Reads `1`, `1.2`, `1.2.3.4`, ...
    ///
    /// # Errors
    /// [`Invalid`] if a part is no number below 2^64 or there are more than 16 parts.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Self::read(text).ok_or_else(|| Invalid::new("version", text, "must be 1 to 16 numbers joined by dots"))
    }

    /// As [`DottedVersion::parse`], for those who only want to know whether it is one: one pass over the text, and nothing
    /// is allocated, since no error quotes it.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = [0_u64; limits::DOTTED_PARTS_MAX];
        let (mut at, mut is_empty) = (0, true);
        for byte in text.bytes() {
            if byte == b'.' {
                at += 1;
                if is_empty || at == parts.len() {
                    return None;
                }
                is_empty = true;
            } else {
                let digit = byte.wrapping_sub(b'0');
                if digit > 9 {
                    return None;
                }
                parts[at] = parts[at].checked_mul(10)?.checked_add(u64::from(digit))?;
                is_empty = false;
            }
        }
        (!is_empty).then_some(Self { parts })
    }

    /// All sixteen parts; unused ones are 0.
    #[must_use]
    pub fn parts(&self) -> &[u64; limits::DOTTED_PARTS_MAX] {
        &self.parts
    }
}

impl fmt::Display for DottedVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = self.parts.iter().rposition(|part| *part != 0).map_or(1, |last| last + 1);
        write!(f, "{}", self.parts[0])?;
        self.parts[1..used].iter().try_for_each(|part| write!(f, ".{part}"))
    }
}

impl fmt::Debug for DottedVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Digits only: `str::parse` would also take a sign.
fn parse_number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) { None } else { text.parse().ok() }
}

/// A version read under a scheme.
#[derive(Clone, Debug)]
pub enum Version {
    /// Semantic.
    SemVer(semver::Version),
    /// Dotted numbers.
    Dotted(DottedVersion),
    /// One number.
    Integer(u64),
}

impl Version {
    /// Reads `text` as a version of `scheme`. Allocates only for semantic versions with pre-release or build parts
    /// longer than eight bytes.
    ///
    /// # Errors
    /// [`Invalid`] if it is none.
    pub fn parse(scheme: VersionScheme, text: &str) -> Result<Self, Invalid> {
        if text.len() > limits::VERSION_BYTES_MAX {
            return Err(Invalid::new("version", text, "must be at most 128 bytes"));
        }
        match scheme {
            VersionScheme::SemVer => semver::Version::parse(text)
                .map(Self::SemVer)
                .map_err(|_| Invalid::new("version", text, "must be a semantic version such as 1.2.3 or 1.2.3-rc.1")),
            VersionScheme::Dotted => DottedVersion::parse(text).map(Self::Dotted),
            VersionScheme::Integer => {
                parse_number(text).map(Self::Integer).ok_or_else(|| Invalid::new("version", text, "must be a whole number"))
            }
        }
    }

    /// Order of precedence; `None` between versions of different schemes.
    #[must_use]
    pub fn precedence(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::SemVer(a), Self::SemVer(b)) => Some(a.cmp_precedence(b)),
            (Self::Dotted(a), Self::Dotted(b)) => Some(a.cmp(b)),
            (Self::Integer(a), Self::Integer(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }

    /// True if this version is known to come before `other`.
    #[must_use]
    pub fn is_below(&self, other: &Self) -> bool {
        self.precedence(other) == Some(Ordering::Less)
    }
}

impl PartialEq for Version {
    /// Equal precedence: `1.0.0+a` equals `1.0.0+b`.
    fn eq(&self, other: &Self) -> bool {
        self.precedence(other) == Some(Ordering::Equal)
    }
}

/// A requirement on versions: comparators joined by commas, all of which must hold. For semantic versions it has Cargo's
/// meaning; for dotted and whole numbers the comparators are `=`, `>`, `>=`, `<`, `<=`, and a bare number means `=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionRequirement {
    /// Cargo's meaning.
    SemVer(semver::VersionReq),
    /// Comparators over dotted or whole numbers, the latter as one part.
    Numeric(Vec<(Comparator, DottedVersion)>),
}

/// A comparator over numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparator {
    /// `=`
    Equal,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `<`
    Below,
    /// `<=`
    AtMost,
}

impl Comparator {
    fn accepts(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Above => order.is_gt(),
            Self::AtLeast => order.is_ge(),
            Self::Below => order.is_lt(),
            Self::AtMost => order.is_le(),
        }
    }

    /// Splits the operator off `text`.
    fn split(text: &str) -> (Self, &str) {
        let operators = [(">=", Self::AtLeast), ("<=", Self::AtMost), (">", Self::Above), ("<", Self::Below), ("=", Self::Equal)];
        operators
            .into_iter()
            .find_map(|(sign, op)| text.strip_prefix(sign).map(|rest| (op, rest.trim())))
            .unwrap_or((Self::Equal, text))
    }
}

impl VersionRequirement {
    /// Reads a requirement for versions of `scheme`.
    ///
    /// # Errors
    /// [`Invalid`] if the text is none.
    pub fn parse(scheme: VersionScheme, text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::new("version_requirement", text, "must be comparators joined by commas, such as >=1.2, <3");
        if text.is_empty() || text.len() > limits::VERSION_REQUIREMENT_BYTES_MAX {
            return Err(invalid());
        }
        if scheme == VersionScheme::SemVer {
            return semver::VersionReq::parse(text).map(Self::SemVer).map_err(|_| invalid());
        }
        let mut comparators = Vec::new();
        for part in text.split(',') {
            let (comparator, number) = Comparator::split(part.trim());
            if scheme == VersionScheme::Integer && parse_number(number).is_none() {
                return Err(invalid());
            }
            comparators.push((comparator, DottedVersion::parse(number).map_err(|_| invalid())?));
        }
        Ok(Self::Numeric(comparators))
    }

    /// True if `version` satisfies every comparator. A version of another scheme satisfies none.
    #[must_use]
    pub fn accepts(&self, version: &Version) -> bool {
        match (self, version) {
            (Self::SemVer(requirement), Version::SemVer(version)) => requirement.matches(version),
            (Self::Numeric(comparators), Version::Dotted(version)) => {
                comparators.iter().all(|(comparator, bound)| comparator.accepts(version.cmp(bound)))
            }
            (Self::Numeric(comparators), Version::Integer(number)) => {
                comparators.iter().all(|(comparator, bound)| comparator.accepts(number.cmp(&bound.parts[0])))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn check_order(scheme: VersionScheme, ascending: &[&str]) {
        let versions: Vec<_> = ascending.iter().map(|text| Version::parse(scheme, text).unwrap()).collect();
        for (i, low) in versions.iter().enumerate() {
            for high in &versions[i + 1..] {
                assert!(low.is_below(high), "{low:?} {high:?}");
                assert!(!high.is_below(low));
            }
        }
    }

    #[test]
    fn g_86_versions_order_by_their_scheme() {
        check_order(VersionScheme::SemVer, &["1.9.0", "1.10.0-rc.1", "1.10.0"]);
        check_order(VersionScheme::Dotted, &["1.9", "1.10", "1.10.0.1", "31.20200108.3.0"]);
        check_order(VersionScheme::Integer, &["7", "12", "100"]);
        let zero = |text| Version::parse(VersionScheme::Dotted, text).unwrap();
        assert_eq!(zero("1.2"), zero("1.2.0"));
        assert_eq!(Version::parse(VersionScheme::SemVer, "1.0.0+a"), Version::parse(VersionScheme::SemVer, "1.0.0+b"));
    }

    #[test]
    fn bad_versions_are_errors() {
        for (scheme, text) in [
            (VersionScheme::SemVer, "banana"),
            (VersionScheme::SemVer, "1.0"),
            (VersionScheme::Dotted, "1..2"),
            (VersionScheme::Dotted, "+1"),
            (VersionScheme::Dotted, "1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17"),
            (VersionScheme::Integer, "99999999999999999999999"),
            (VersionScheme::Integer, ""),
        ] {
            assert!(Version::parse(scheme, text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn requirements_combine_comparators() {
        let accepts = |scheme, requirement, version| {
            VersionRequirement::parse(scheme, requirement).unwrap().accepts(&Version::parse(scheme, version).unwrap())
        };
        assert!(accepts(VersionScheme::SemVer, ">=1.2, <3", "2.9.9"));
        assert!(!accepts(VersionScheme::SemVer, ">=1.2, <3", "3.0.0"));
        assert!(accepts(VersionScheme::SemVer, "1.2", "1.9.0"), "Cargo's caret");
        assert!(accepts(VersionScheme::Dotted, ">=1.2, <3", "2"));
        assert!(!accepts(VersionScheme::Dotted, "<33.20210104.3.1", "33.20210104.3.1"));
        assert!(accepts(VersionScheme::Integer, ">6", "7"));
        for bad in ["", "abc", ">=", ">1,,<2"] {
            assert!(VersionRequirement::parse(VersionScheme::Dotted, bad).is_err(), "{bad:?}");
        }
    }
}
