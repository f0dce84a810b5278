//! Field rules of bundles.

use super::Broken;
use crate::bundle::{Artifact, Bundle};
use crate::invalid::Invalid;
use crate::limits;

impl Bundle {
    /// All field rules that this bundle breaks.
    #[must_use]
    pub fn validate(&self) -> Vec<Invalid> {
        let mut broken = Broken::default();
        broken.count("artifacts", self.artifacts.len(), 0, limits::ARTIFACTS_MAX);
        for (i, artifact) in self.artifacts.iter().enumerate() {
            broken.part(&format!("artifacts[{i}]"), artifact.validate());
        }
        broken.distinct("artifacts", self.artifacts.iter().map(|artifact| artifact.name.as_str()));
        broken.part("requires", self.requires.validate());
        broken.count("provides", self.provides.len(), 0, limits::FRAMEWORKS_MAX);
        self.provides.iter().for_each(|provides| broken.name("provides", &provides.name));
        broken.distinct("provides", self.provides.iter().map(|provides| provides.name.as_str()));
        broken.count("signatures", self.signatures.len(), 0, limits::SIGNATURES_MAX);
        for (i, signature) in self.signatures.iter().enumerate() {
            broken.name(&format!("signatures[{i}].key"), &signature.key);
            broken.text(&format!("signatures[{i}].signature"), signature.signature.as_deref().unwrap_or_default());
        }
        broken.into_vec()
    }
}

impl Artifact {
    /// All field rules that this artifact breaks.
    #[must_use]
    pub fn validate(&self) -> Vec<Invalid> {
        let mut broken = Broken::default();
        broken.name("name", &self.name);
        broken.rule(is_sha256(&self.sha256), "sha256", &self.sha256, SHA256_RULE);
        if let Some(base) = &self.base_sha256 {
            broken.rule(is_sha256(base), "base_sha256", base, SHA256_RULE);
        }
        if let Some(url) = &self.url {
            broken.rule(!url.is_empty(), "url", url, "must not be empty");
            broken.text("url", url);
        }
        broken.into_vec()
    }
}

const SHA256_RULE: &str = "must be 64 lower-case hexadecimal digits";

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}
