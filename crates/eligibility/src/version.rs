//! Versions as a decision compares them: borrowed, whatever their length, so that reading one out of a request allocates
//! nothing. The results are those of `tidegate_model::Version`, which a property shows.

use std::cell::OnceCell;
use std::cmp::Ordering;

use semver::{Comparator, Op};
use tidegate_model::version::DottedVersion;
use tidegate_model::{Version, VersionRequirement, VersionScheme};

/// A semantic version without its build metadata, which counts for nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Semantic<'a> {
    core: [u64; 3],
    pre: &'a str,
}

/// A version of any scheme.
#[derive(Clone, Copy, Debug)]
pub(crate) enum VersionRef<'a> {
    Semantic(Semantic<'a>),
    Dotted(&'a DottedVersion),
    Integer(u64),
}

impl<'a> VersionRef<'a> {
    /// Reads `text` under `scheme`; `None` if it is no version. The numbers of a dotted one are kept in `dotted`, which must be
    /// empty, so that what is handed about stays small.
    pub(crate) fn parse(scheme: VersionScheme, text: &'a str, dotted: &'a OnceCell<DottedVersion>) -> Option<Self> {
        if text.len() > tidegate_model::limits::VERSION_BYTES_MAX {
            return None;
        }
        match scheme {
            VersionScheme::SemVer => Semantic::parse(text).map(Self::Semantic),
            VersionScheme::Dotted => DottedVersion::read(text).map(|read| Self::Dotted(dotted.get_or_init(|| read))),
            VersionScheme::Integer => number(text).map(Self::Integer),
        }
    }

    /// Borrows a parsed version.
    pub(crate) fn of(version: &'a Version) -> Self {
        match version {
            Version::SemVer(v) => Self::Semantic(Semantic { core: [v.major, v.minor, v.patch], pre: v.pre.as_str() }),
            Version::Dotted(v) => Self::Dotted(v),
            Version::Integer(v) => Self::Integer(*v),
        }
    }

    /// Order of precedence; `None` between schemes.
    pub(crate) fn precedence(&self, other: &VersionRef<'_>) -> Option<Ordering> {
        match (self, other) {
            (Self::Semantic(a), VersionRef::Semantic(b)) => Some(a.cmp(b)),
            (Self::Dotted(a), VersionRef::Dotted(b)) => Some(a.cmp(b)),
            (Self::Integer(a), VersionRef::Integer(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }

    /// True if this version is known to come before `other`.
    pub(crate) fn is_below(&self, other: &VersionRef<'_>) -> bool {
        self.precedence(other) == Some(Ordering::Less)
    }

    /// True if the requirement accepts this version.
    pub(crate) fn satisfies(&self, requirement: &VersionRequirement) -> bool {
        match (requirement, self) {
            (VersionRequirement::SemVer(requirement), Self::Semantic(version)) => version.satisfies(&requirement.comparators),
            (VersionRequirement::Numeric(_), Self::Dotted(version)) => requirement.accepts(&Version::Dotted(**version)),
            (VersionRequirement::Numeric(_), Self::Integer(version)) => requirement.accepts(&Version::Integer(*version)),
            _ => false,
        }
    }
}

/// The greater of two versions; one that is unknown does not count.
pub(crate) fn greater<'a>(a: Option<VersionRef<'a>>, b: Option<VersionRef<'a>>) -> Option<VersionRef<'a>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if a.is_below(&b) { b } else { a }),
        (a, b) => a.or(b),
    }
}

/// Digits only; `None` from 2^64 on.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) { None } else { text.parse().ok() }
}

impl<'a> Semantic<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (core, rest) = core(text)?;
        let (rest, build) = split_at(rest, b'+');
        let pre = if rest.is_empty() { None } else { Some(rest.strip_prefix('-')?) };
        if !pre.is_none_or(|pre| are_identifiers(pre, true)) || !build.is_none_or(|build| are_identifiers(build, false)) {
            return None;
        }
        Some(Self { core, pre: pre.unwrap_or_default() })
    }

    fn satisfies(&self, comparators: &[Comparator]) -> bool {
        // A pre-release is only accepted if some comparator names a pre-release of the same three numbers.
        let is_asked_for = |c: &Comparator| {
            c.major == self.core[0] && c.minor == Some(self.core[1]) && c.patch == Some(self.core[2]) && !c.pre.is_empty()
        };
        comparators.iter().all(|comparator| self.meets(comparator))
            && (self.pre.is_empty() || comparators.iter().any(is_asked_for))
    }

    fn meets(&self, comparator: &Comparator) -> bool {
        let [major, minor, patch] = self.core;
        let pre = compare_pre_releases(self.pre, comparator.pre.as_str());
        // Over the numbers that the comparator names; the pre-release counts once all three are named and equal.
        let named = major
            .cmp(&comparator.major)
            .then(comparator.minor.map_or(Ordering::Equal, |named| minor.cmp(&named)))
            .then(comparator.patch.map_or(Ordering::Equal, |named| patch.cmp(&named)));
        let is_complete = comparator.patch.is_some();
        let equals = named.is_eq() && pre.is_eq();
        let above = named.is_gt() || (named.is_eq() && is_complete && pre.is_gt());
        let below = named.is_lt() || (named.is_eq() && is_complete && pre.is_lt());
        let at_least = named.is_gt() || (named.is_eq() && pre.is_ge());
        match comparator.op {
            Op::Exact | Op::Wildcard => equals,
            Op::Greater => above,
            Op::GreaterEq => equals || above,
            Op::Less => below,
            Op::LessEq => equals || below,
            Op::Tilde => major == comparator.major && comparator.minor.is_none_or(|named| minor == named) && at_least,
            Op::Caret => self.is_compatible_with(comparator) && (!is_complete || at_least),
            _ => false,
        }
    }

    /// Cargo's caret: nothing left of the first number above zero may change, and nothing may go down.
    fn is_compatible_with(&self, comparator: &Comparator) -> bool {
        let [major, minor, patch] = self.core;
        let Some(named_minor) = comparator.minor else { return major == comparator.major };
        if major != comparator.major {
            return false;
        }
        if comparator.major > 0 {
            return minor >= named_minor;
        }
        minor == named_minor && (named_minor > 0 || comparator.patch.is_none_or(|named| patch == named))
    }
}

impl PartialOrd for Semantic<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Semantic<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.core.cmp(&other.core).then_with(|| compare_pre_releases(self.pre, other.pre))
    }
}

/// What stands before an ASCII character, and after it if it is there. (Texts are short: byte by byte beats a search.)
fn split_at(text: &str, mark: u8) -> (&str, Option<&str>) {
    match text.bytes().position(|byte| byte == mark) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

/// The three numbers at the beginning of a semantic version, without leading zeros and below 2^64 each, and what follows.
fn core(text: &str) -> Option<([u64; 3], &str)> {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit <= 9);
    let mut core = [0_u64; 3];
    let mut at = 0;
    for (place, number) in core.iter_mut().enumerate() {
        if place > 0 {
            bytes.get(at).filter(|byte| **byte == b'.')?;
            at += 1;
        }
        let begin = at;
        while let Some(digit) = digit(at) {
            *number = number.checked_mul(10)?.checked_add(u64::from(digit))?;
            at += 1;
        }
        if at == begin || (at > begin + 1 && bytes[begin] == b'0') {
            return None;
        }
    }
    Some((core, &text[at..]))
}

/// True for identifiers joined by dots; numeric ones of a pre-release have no leading zeros.
fn are_identifiers(text: &str, is_pre_release: bool) -> bool {
    text.split('.').all(|part| {
        let is_numeric = part.bytes().all(|b| b.is_ascii_digit());
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !(is_pre_release && is_numeric && part.len() > 1 && part.starts_with('0'))
    })
}

/// Precedence of pre-releases; none at all is the greatest.
fn compare_pre_releases(a: &str, b: &str) -> Ordering {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let (mut left, mut right) = (a.split('.'), b.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => compare_identifiers(a, b),
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Numbers by value and before words; words by bytes.
fn compare_identifiers(a: &str, b: &str) -> Ordering {
    let is_numeric = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match (is_numeric(a), is_numeric(b)) {
        (true, true) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => a.cmp(b),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn versions() -> impl Strategy<Value = String> {
        prop_oneof![
            8 => "[0-3]\\.[0-3]\\.[0-3](-(rc|alpha|0|12|a-long-pre-release|01)(\\.(1|x|10)){0,2})?(\\+(b|01|long-build-data))?",
            1 => "[0-9.+-]{0,12}",
            1 => "[0-2](\\.0?[0-2]){0,4}",
            1 => Just("18446744073709551616.0.0".to_owned()),
        ]
    }

    fn requirements() -> impl Strategy<Value = String> {
        let comparator = "(=|>|>=|<|<=|~|\\^|)[0-2](\\.[0-2](\\.[0-2](-(rc|alpha|a-long-pre-release)(\\.1)?)?)?)?";
        proptest::collection::vec(comparator, 1..4).prop_map(|parts| parts.join(", "))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        /// Reading, ordering and matching agree with the model's versions.
        #[test]
        fn agrees_with_the_model(a in versions(), b in versions(), requirement in requirements()) {
            for scheme in [VersionScheme::SemVer, VersionScheme::Dotted, VersionScheme::Integer] {
                let (parsed_a, parsed_b) = (Version::parse(scheme, &a), Version::parse(scheme, &b));
                let (kept_a, kept_b) = (OnceCell::new(), OnceCell::new());
                let (ours_a, ours_b) = (VersionRef::parse(scheme, &a, &kept_a), VersionRef::parse(scheme, &b, &kept_b));
                prop_assert_eq!(parsed_a.is_ok(), ours_a.is_some(), "{} {:?}", a, scheme);
                if let (Ok(a), Ok(b), Some(ours_a), Some(ours_b)) = (&parsed_a, &parsed_b, ours_a, ours_b) {
                    prop_assert_eq!(a.precedence(b), ours_a.precedence(&ours_b));
                    prop_assert_eq!(a.precedence(b), VersionRef::of(a).precedence(&ours_b));
                }
                if let (Ok(requirement), Ok(a), Some(ours)) = (VersionRequirement::parse(scheme, &requirement), &parsed_a, ours_a) {
                    prop_assert_eq!(requirement.accepts(a), ours.satisfies(&requirement), "{:?} {:?}", requirement, a);
                }
            }
        }
    }

    #[test]
    fn the_greater_of_two_is_never_the_unknown() {
        let unused = OnceCell::new();
        let parse = |text| VersionRef::parse(VersionScheme::Integer, text, &unused);
        assert!(greater(parse("1"), parse("2")).unwrap().precedence(&parse("2").unwrap()).unwrap().is_eq());
        assert!(greater(None, parse("x")).is_none());
        assert!(greater(parse("x"), parse("1")).is_some());
    }
}
