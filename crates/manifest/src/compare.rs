//! Whether a stored object is what a field of a manifest says.
//!
//! Texts are not compared: the field is put into the object's own manifest, which is read again, and the wanted objects are
//! compared. So `90m` equals `1h30m`, the order of a set does not matter, and a field that is left out has its default.

use tidegate_model::{Object, Spec};

use crate::decode;
use crate::error::ManifestError;
use crate::print::{self, Value};
use crate::tree::{Data, Field, Node};

/// True if `object` has the value `wanted` in the field `name` of its manifest; `null` stands for the default.
///
/// # Errors
/// Every rule that a manifest with this value in this field breaks; then no object can have it.
pub fn has(object: &Object, source_name: &str, name: &str, wanted: &Node) -> Result<bool, Vec<ManifestError>> {
    let mut manifest = Node::from(&print::manifest(object));
    if let Data::Map(fields) = &mut manifest.data {
        fields.retain(|field| field.name != name);
        fields.push(Field { mark: wanted.mark, name: name.to_owned(), value: wanted.clone() });
    }
    let documents = decode(source_name, &manifest)?;
    let as_wanted = documents.into_iter().map(|document| plain(document.value.spec)).collect::<Vec<_>>();
    Ok(as_wanted == [plain(print::wanted(object))])
}

/// The value of a field as a manifest would say it; `None` if it is at its default.
#[must_use]
pub fn value(object: &Object, name: &str) -> Option<Value> {
    match print::manifest(object) {
        Value::Map(fields) => fields.into_iter().find(|(field, _)| field == name).map(|(_, value)| value),
        _ => None,
    }
}

/// A release that does not say whether it is disabled keeps its value; compared, it is not.
fn plain(spec: Spec) -> Spec {
    match spec {
        Spec::Release(mut release) => {
            release.disabled = Some(release.disabled.unwrap_or(false));
            Spec::Release(release)
        }
        other => other,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::sync::Arc;

    use tidegate_model::{Created, ObjectKind, Stored};

    use super::*;
    use crate::{Source, parse, read, tree};

    fn policy() -> Object {
        let text = "{kind: policy, release: r1, stages: [{name: a, exposure: {percent: 10}, gate: {bake: 90m}}]}";
        let document = parse(&[Source { name: "p".to_owned(), text: text.to_owned() }]).unwrap().remove(0);
        let Spec::Policy(body) = document.value.spec else { panic!("a policy was written") };
        Object::Policy(Arc::new(Stored { version: 1, created: Created { config_version: 1, seq: 0 }, body }))
    }

    fn node(text: &str) -> Node {
        let text = format!("value: {text}");
        let document = tree::read("expected", &text, &mut tree::Budget::default()).0.remove(0);
        document.get("value").unwrap().clone()
    }

    #[test]
    fn fields_are_compared_by_what_they_mean() {
        let object = policy();
        let has = |name: &str, text: &str| has(&object, "expected", name, &node(text));
        assert_eq!(has("stages", "[{name: a, gate: {bake: 1h30m}, exposure: {percent: 10.0}}]"), Ok(true));
        assert_eq!(has("stages", "[{name: a, exposure: {percent: 11}, gate: {bake: 90m}}]"), Ok(false));
        assert_eq!(has("auto_complete", "false"), Ok(true), "left out is the default");
        assert_eq!(has("auto_complete", "null"), Ok(true));
        assert_eq!(has("auto_complete", "true"), Ok(false));
        assert_eq!(has("auto_complete", "often").unwrap_err()[0].field, "auto_complete");
        assert!(has("autocomplete", "true").unwrap_err()[0].is_unknown_field());
        assert_eq!(value(&object, "auto_complete"), None);
        assert_eq!(value(&object, "release"), Some(Value::text("r1")));
    }

    #[test]
    fn every_kind_knows_its_fields() {
        for kind in ObjectKind::ALL {
            let names = read::field_names(kind);
            assert!(names.len() >= 3, "{kind:?} has {names:?}");
        }
        assert!(read::field_names(ObjectKind::Release).contains(&"dead_end"));
    }
}
