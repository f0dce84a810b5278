//! What a bundle or release asks of the device it runs on. What a device does not tell is not met.

use std::collections::{BTreeMap, BTreeSet};

use crate::version::DottedVersion;

/// Hardware, OS and framework conditions; the empty one fits every device.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Requirement {
    /// For each hardware attribute (`model`, `arch`, ...), the accepted values.
    pub attributes: BTreeMap<String, BTreeSet<String>>,
    /// Lowest OS version, inclusive.
    pub os_min: Option<DottedVersion>,
    /// Highest OS version, inclusive.
    pub os_max: Option<DottedVersion>,
    /// Frameworks that the device must provide.
    pub frameworks: Vec<Framework>,
}

/// A framework, with the lowest version that will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framework {
    /// Name; the device tells its version in the attribute `framework.NAME`.
    pub name: String,
    /// Lowest version, inclusive.
    pub min: DottedVersion,
}
