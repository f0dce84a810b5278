//! Declarative apply: several wanted objects in one entry, all or none.
//!
//! Names may refer forward, so everything is put first and judged on the result. The passes follow the order of the codes:
//! versions of all documents, then values and references of all (every broken rule is named), then what may not change,
//! then lifecycle, then the graph. The first pass that refuses gives the answer.

mod immutable;
mod links;
mod policy;
mod references;
mod support;
mod wanted;

use std::collections::BTreeSet;

use tidegate_model::{Document, Invalid, Object, ObjectRef, ReleaseId, Spec};

use crate::commands::delete::{self, check_version};
use crate::edit::Edit;
use crate::follows;
use crate::index::cohort_of;
use crate::limits;
use crate::rejection::{Cause, Code, FieldError};

/// One document on its way.
struct Item<'a> {
    spec: &'a Spec,
    name: ObjectRef,
    /// The object as it was before this apply.
    before: Option<Object>,
}

impl Item<'_> {
    /// True if the apply leaves the object as it was.
    fn is_unchanged(&self, edit: &Edit) -> bool {
        self.before.is_some() && self.before == edit.get(&self.name)
    }

    /// The release that this document creates.
    fn new_release(&self) -> Option<&tidegate_model::ReleaseSpec> {
        match self.spec {
            Spec::Release(spec) if self.before.is_none() => Some(spec),
            Spec::Product(_)
            | Spec::Cohort(_)
            | Spec::Bundle(_)
            | Spec::Release(_)
            | Spec::Policy(_)
            | Spec::Device(_)
            | Spec::Hold(_)
            | Spec::Override(_)
            | Spec::Exclusion(_)
            | Spec::Attestation(_) => None,
        }
    }
}

/// Applies all documents.
pub(super) fn carry_out(edit: &mut Edit, documents: &[Document]) -> Result<(), Cause> {
    let (count, max) = (documents.len(), limits::DOCUMENTS_MAX);
    super::rule(count <= max, "documents", count, || format!("must be at most {max}"))?;
    let items: Vec<Item<'_>> = documents
        .iter()
        .map(|document| {
            let name = wanted::name(&document.spec, &edit.principal);
            Item { spec: &document.spec, before: edit.get(&name), name }
        })
        .collect();
    check_versions(documents, &items)?;
    put_all(edit, &items);
    check_values(edit, &items)?;
    items.iter().filter(|item| !item.is_unchanged(edit)).try_for_each(|item| immutable::check(edit, item))?;
    for item in &items {
        if let Spec::Policy(policy) = item.spec {
            policy::take_effect(edit, policy, item)?;
        }
    }
    check_places(edit, &items)?;
    replace_drafts(edit, &items)?;
    links::adopt(edit, &items)?;
    let explicit: BTreeSet<&ReleaseId> = items.iter().filter_map(says_whether_disabled).collect();
    items.iter().for_each(|item| disable_copies(edit, item, &explicit));
    for item in items.iter().filter(|item| !item.is_unchanged(edit)).collect::<Vec<_>>() {
        support::warn(edit, item.spec, &item.name);
    }
    Ok(())
}

fn says_whether_disabled<'a>(item: &Item<'a>) -> Option<&'a ReleaseId> {
    match item.spec {
        Spec::Release(spec) if spec.disabled.is_some() => Some(&spec.id),
        _ => None, // Only releases can be disabled.
    }
}

/// A release that is disabled or enabled by its document takes its copies in following cohorts along, as by the verbs; not
/// those of which a document of the same apply says it themselves.
fn disable_copies(edit: &mut Edit, item: &Item<'_>, explicit: &BTreeSet<&ReleaseId>) {
    let (Some(Object::Release(before)), Spec::Release(spec)) = (&item.before, item.spec) else { return };
    let Some(after) = edit.release(&spec.id) else { return };
    if before.body.disabled != after.body.disabled {
        follows::set_disabled(edit, &after.body, after.body.disabled, explicit);
    }
}

/// Compare-and-set of all documents, code by code.
fn check_versions(documents: &[Document], items: &[Item<'_>]) -> Result<(), Cause> {
    let mut first: Option<(Code, Cause)> = None;
    for (document, item) in documents.iter().zip(items) {
        let current = item.before.as_ref().map(Object::version);
        if let Err(cause) = check_version(&item.name, document.expected_version, current) {
            let code = cause.code();
            if first.as_ref().is_none_or(|(earlier, _)| code < *earlier) {
                first = Some((code, cause));
            }
        }
    }
    first.map_or(Ok(()), |(_, cause)| Err(cause))
}

/// Puts every wanted object, kind by kind, created in the order of the documents.
fn put_all(edit: &mut Edit, items: &[Item<'_>]) {
    let first_seq = edit.reserve_order(items.len());
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|i| items[*i].name.kind());
    for i in order {
        let seq = first_seq.saturating_add(u32::try_from(i).unwrap_or(u32::MAX));
        wanted::put(edit, items[i].spec, seq);
    }
    items.iter().for_each(|item| edit.name(item.name.clone()));
}

/// Every broken rule of every document, judged on the result.
fn check_values(edit: &Edit, items: &[Item<'_>]) -> Result<(), Cause> {
    let mut errors = Vec::new();
    let mut seen = BTreeSet::new();
    for (i, item) in items.iter().enumerate() {
        let mut broken = item.spec.validate();
        if !seen.insert(&item.name) {
            broken.push(Invalid::new("id", item.name.id(), "must not occur twice in one apply"));
        }
        broken.extend(references::check(edit, item.spec));
        broken.extend(support::check(edit, item.spec));
        let document = Some(i);
        errors.extend(broken.into_iter().map(|invalid| FieldError { document, object: Some(item.name.clone()), invalid }));
    }
    if errors.is_empty() { Ok(()) } else { Err(Cause::Invalid(errors)) }
}

/// Intended places of new drafts: within the cohort, and without a trigger if they are insertions.
fn check_places(edit: &Edit, items: &[Item<'_>]) -> Result<(), Cause> {
    for item in items {
        let Spec::Release(spec) = item.spec else { continue };
        let Some(release) = edit.release(&spec.id).filter(|release| !release.body.linked && !spec.adopt) else { continue };
        for id in spec.previous.iter().chain(&spec.next) {
            let other = edit.release(id);
            if other.is_some_and(|other| cohort_of(&other.body) != cohort_of(&release.body)) {
                return Err(crate::graph::invalid(&release.body, format!("{id} is in another cohort")));
            }
        }
    }
    Ok(())
}

/// A new draft with `replace` discards the older ones that want the same place.
fn replace_drafts(edit: &mut Edit, items: &[Item<'_>]) -> Result<(), Cause> {
    for spec in items.iter().filter_map(Item::new_release).filter(|spec| spec.replace) {
        let Some(release) = edit.release(&spec.id) else { continue };
        let older: Vec<ReleaseId> = edit
            .index()
            .drafts(&cohort_of(&release.body), &release.body.place)
            .filter(|id| **id != spec.id)
            .filter(|id| edit.release(id).is_some_and(|other| other.created < release.created))
            .cloned()
            .collect();
        for id in older {
            delete::remove_draft(edit, &id)?;
        }
    }
    Ok(())
}
