//! Bundles with what they ask of a device, and attestations of them.

use tidegate_model::{
    Artifact, AttestationKind, AttestationSpec, Bundle, BundleId, BundleState, Framework, Principal, ProductId, Provides,
    Requirement, Signature,
};

use super::context::Context;
use super::fields::Fields;
use super::values::{checked, digits, dotted, flag, list, map, number, text, texts, version};
use crate::tree::Node;

/// `kind: bundle`. It is Ready: there is no way to upload chunks through a manifest.
pub fn bundle(fields: &mut Fields<'_, '_, '_>) -> Option<Bundle> {
    let id = fields.required("id", checked(BundleId::new));
    let product = fields.required("product", checked(ProductId::new));
    let version = fields.optional("version", version);
    let artifacts = fields.optional("artifacts", list(artifact)).unwrap_or_default();
    let requires = fields.optional("requires", requirement).unwrap_or_default();
    let provides = fields.optional("provides", list(provides)).unwrap_or_default();
    let security_epoch = fields.optional("security_epoch", number).unwrap_or(0);
    let recalled = fields.optional("recalled", flag).unwrap_or(false);
    let signatures = fields.optional("signatures", list(signature)).unwrap_or_default();
    let state = if recalled { BundleState::Recalled } else { BundleState::Ready };
    Some(Bundle { id: id?, product: product?, version, artifacts, requires, provides, security_epoch, state, signatures })
}

fn artifact(context: &mut Context<'_>, node: &Node, path: &str) -> Option<Artifact> {
    let mut fields = Fields::open(context, node, path)?;
    let name = fields.required("name", text);
    let size = fields.required("size", number);
    let sha256 = fields.required("sha256", digits);
    let base_sha256 = fields.optional("base_sha256", digits);
    let url = fields.optional("url", text);
    fields.finish();
    Some(Artifact { name: name?, size: size?, sha256: sha256?, base_sha256, url })
}

fn provides(context: &mut Context<'_>, node: &Node, path: &str) -> Option<Provides> {
    let mut fields = Fields::open(context, node, path)?;
    let name = fields.required("name", text);
    let version = fields.required("version", dotted);
    fields.finish();
    Some(Provides { name: name?, version: version? })
}

fn signature(context: &mut Context<'_>, node: &Node, path: &str) -> Option<Signature> {
    let mut fields = Fields::open(context, node, path)?;
    let key = fields.required("key", text);
    let signature = fields.optional("signature", text);
    fields.finish();
    Some(Signature { key: key?, signature })
}

/// `requires` of a bundle, `requirement` of a release.
pub fn requirement(context: &mut Context<'_>, node: &Node, path: &str) -> Option<Requirement> {
    let mut fields = Fields::open(context, node, path)?;
    let attributes = fields.optional("attributes", map(texts)).unwrap_or_default();
    let os = fields.optional("os", |context: &mut Context<'_>, node: &Node, path: &str| {
        let mut fields = Fields::open(context, node, path)?;
        let bounds = (fields.optional("min", dotted), fields.optional("max", dotted));
        fields.finish();
        Some(bounds)
    });
    let frameworks = fields.optional("frameworks", list(framework)).unwrap_or_default();
    fields.finish();
    let (os_min, os_max) = os.unwrap_or_default();
    Some(Requirement { attributes, os_min, os_max, frameworks })
}

fn framework(context: &mut Context<'_>, node: &Node, path: &str) -> Option<Framework> {
    let mut fields = Fields::open(context, node, path)?;
    let name = fields.required("name", text);
    let min = fields.required("min", dotted);
    fields.finish();
    Some(Framework { name: name?, min: min? })
}

/// `kind: attestation`.
pub fn attestation(fields: &mut Fields<'_, '_, '_>) -> Option<AttestationSpec> {
    let bundle = fields.required("bundle", checked(BundleId::new));
    let kind = fields.required("type", checked(AttestationKind::new));
    let by = fields.optional("by", checked(Principal::new));
    let evidence = fields.optional("evidence", text).unwrap_or_default();
    Some(AttestationSpec { bundle: bundle?, kind: kind?, by, evidence })
}
