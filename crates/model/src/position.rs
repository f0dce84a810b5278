//! Where a device stands in a rollout: a 64-bit position from salt and key, compared with a threshold from a share.
//!
//! Anybody can compute it again (SipHash-2-4); a device that does not know the salt cannot choose it.

use std::fmt;
use std::hash::Hasher;

use siphasher::sip::SipHasher24;

use crate::invalid::Invalid;

/// A share in parts per million: 0 is nobody, 1,000,000 is everybody. Replicated state holds no floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ppm(u32);

impl Ppm {
    /// Nobody.
    pub const NOBODY: Self = Self(0);
    /// Everybody.
    pub const EVERYBODY: Self = Self(1_000_000);

    /// A share of `ppm` millionths.
    ///
    /// # Errors
    /// [`Invalid`] above 1,000,000.
    pub fn new(ppm: u32) -> Result<Self, Invalid> {
        if ppm > 1_000_000 {
            return Err(Invalid::new("ppm", ppm.to_string(), "must be 0 to 1000000"));
        }
        Ok(Self(ppm))
    }

    /// Millionths.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The first position that is not admitted at this share: `floor(ppm * 2^64 / 1e6)`; `None` at everybody.
    #[must_use]
    pub fn threshold(self) -> Option<u64> {
        share_threshold(u128::from(self.0), 1_000_000)
    }

    /// True if `position` is within this share.
    #[must_use]
    pub fn admits(self, position: Position) -> bool {
        self.threshold().is_none_or(|threshold| position.0 < threshold)
    }
}

/// `floor(2^64 * part / whole)`, or `None` if the share is everybody (`part >= whole`). `whole` must be below 2^63.
#[must_use]
pub fn share_threshold(part: u128, whole: u128) -> Option<u64> {
    if part >= whole { None } else { u64::try_from((part << 64) / whole).ok() }
}

impl fmt::Display for Ppm {
    /// As a percentage with at most four decimals, exactly as manifests write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 10_000, self.0 % 10_000);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        write!(f, "{whole}.{}", format!("{rest:04}").trim_end_matches('0'))
    }
}

/// 16 random bytes that make a rollout's positions its own. Travels to edges, not to devices.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Salt(pub [u8; 16]);

impl Salt {
    /// Parses 32 hexadecimal digits.
    ///
    /// # Errors
    /// [`Invalid`] if it is anything else.
    pub fn from_hex(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::new("salt", text, "must be 32 hexadecimal digits");
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(invalid());
        }
        let mut bytes = [0; 16];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| invalid())?;
        }
        Ok(Self(bytes))
    }

    /// The position of `key` under this salt: SipHash-2-4 with the salt as 128-bit key over the key's bytes.
    #[must_use]
    pub fn position(&self, key: &str) -> Position {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(key.as_bytes());
        Position(hasher.finish())
    }
}

impl fmt::Display for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where a device stands in a rollout, uniform over all 64-bit numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl Position {
    /// The group of this position when devices are split into `groups` equal ones: `floor(position * groups / 2^64)`.
    #[must_use]
    pub fn group(self, groups: u32) -> u32 {
        u32::try_from((u128::from(self.0) * u128::from(groups)) >> 64).expect("a group index is below the number of groups")
    }

    /// The smallest share that admits this position.
    #[must_use]
    pub fn smallest_share(self) -> Ppm {
        // position < floor(p * 2^64 / 1e6)  <=>  p * 2^64 / 1e6 >= position + 1
        let ppm = ((u128::from(self.0) + 1) * 1_000_000).div_ceil(1 << 64);
        Ppm(u32::try_from(ppm).expect("at most 1e6 because position + 1 is at most 2^64"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The published vectors: (salt, key, position, smallest share, group of 7).
    const VECTORS: [(&str, &str, u64, u32, u32); 8] = [
        ("000102030405060708090a0b0c0d0e0f", "dev-0001", 0x67f2_11fb_5353_0a05, 406_038, 2),
        ("000102030405060708090a0b0c0d0e0f", "dev-0002", 0x05c7_24b0_9b4b_de0a, 22_570, 0),
        ("000102030405060708090a0b0c0d0e0f", "dev-0003", 0x56a5_34d9_9f55_7a6c, 338_459, 2),
        ("000102030405060708090a0b0c0d0e0f", "gerät-ü", 0xf710_84ef_a4e9_60db, 965_096, 6),
        ("00000000000000000000000000000000", "dev-0001", 0x999b_d7ad_624e_c80a, 600_035, 4),
        ("00000000000000000000000000000000", "dev-0002", 0x3681_bec8_6417_9b1a, 212_918, 1),
        ("00000000000000000000000000000000", "dev-0003", 0xb51d_a177_cdd7_8530, 707_484, 4),
        ("00000000000000000000000000000000", "gerät-ü", 0x3805_ca4f_2985_beca, 218_839, 1),
    ];

    #[test]
    fn g_51_positions_match_the_published_vectors() {
        let long = "A".repeat(64);
        let extra = [
            ("000102030405060708090a0b0c0d0e0f", long.as_str(), 0x66ed_995e_80b6_0d79, 402_063, 2),
            ("00000000000000000000000000000000", long.as_str(), 0xd5ed_7f16_6c52_c507, 835_656, 5),
        ];
        for (salt, key, position, ppm, group) in VECTORS.into_iter().chain(extra) {
            let got = Salt::from_hex(salt).unwrap().position(key);
            assert_eq!(got, Position(position), "{salt} {key}");
            assert_eq!(got.group(7), group);
            assert_eq!(got.smallest_share(), Ppm(ppm));
            assert!(Ppm(ppm).admits(got));
            assert!(!Ppm(ppm - 1).admits(got));
        }
    }

    proptest! {
        /// P-10: a larger share admits everybody that a smaller one does; P-11: the ends are nobody and everybody.
        #[test]
        fn p_10_p_11_shares_are_nested(a in 0..=1_000_000u32, b in 0..=1_000_000u32, position: u64) {
            let (low, high) = (Ppm(a.min(b)), Ppm(a.max(b)));
            let position = Position(position);
            prop_assert!(!low.admits(position) || high.admits(position));
            prop_assert!(!Ppm::NOBODY.admits(position));
            prop_assert!(Ppm::EVERYBODY.admits(position));
            let smallest = position.smallest_share();
            prop_assert!(smallest.admits(position));
            prop_assert!(!Ppm(smallest.0 - 1).admits(position));
        }
    }

    #[test]
    fn percentages_print_without_noise() {
        for (ppm, text) in [(0, "0"), (200_000, "20"), (1, "0.0001"), (125_000, "12.5"), (1_000_000, "100")] {
            assert_eq!(Ppm(ppm).to_string(), text);
        }
    }

    #[test]
    fn salts_are_32_hex_digits() {
        assert!(Salt::from_hex(&"0g".repeat(16)).is_err());
        assert!(Salt::from_hex("00").is_err());
        let text = "000102030405060708090a0b0c0d0e0f";
        assert_eq!(Salt::from_hex(text).unwrap().to_string(), text);
    }
}
