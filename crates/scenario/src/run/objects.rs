//! What is expected of stored objects and rollouts.

use std::collections::BTreeSet;

use tidegate_machine::sub_status;
use tidegate_manifest::compare;
use tidegate_manifest::print::Value;
use tidegate_manifest::tree::{Data, Node};
use tidegate_model::{
    AttestationKind, BundleId, CellState, CohortId, DeviceKey, ExclusionId, HoldId, Invalid, Object, ObjectKind, ObjectRef,
    OverrideId, Principal, ProductId, Release, ReleaseId, RolloutState,
};

use crate::report::Wrong;
use crate::script::{ObjectExpectation, ObjectName, RolloutExpectation, RolloutField, Wish};
use crate::world::World;

/// `expect_rollout`.
pub(super) fn rollout(world: &World, expected: &RolloutExpectation) -> Result<String, Wrong> {
    let Some(stored) = world.catalog().releases().get(&expected.release) else {
        return Err(Wrong::new(format!("release {}", expected.release), "there is none"));
    };
    let value = |field: RolloutField| field_of(world, &stored.body, field);
    let told = |of: &dyn Fn(RolloutField, &Wish) -> String| {
        let fields: Vec<_> =
            expected.fields.iter().map(|(field, wish)| format!("{}: {}", field.name(), of(*field, wish))).collect();
        fields.join(", ")
    };
    let wanted = told(&|_, wish| print(wish));
    let all = RolloutField::ALL.map(|field| format!("{}: {}", field.name(), print(&value(field)))).join(", ");
    let is_equal = |field: RolloutField, wish: &Wish| match (wish, value(field)) {
        (Wish::Nothing, Wish::Set(set)) => set.is_empty(),
        (Wish::Nothing, Wish::Number(number)) => number == 0,
        (wish, came) => *wish == came,
    };
    if expected.fields.iter().all(|(field, wish)| is_equal(*field, wish)) { Ok(all) } else { Err(Wrong::new(wanted, all)) }
}

fn field_of(world: &World, release: &Release, field: RolloutField) -> Wish {
    let rollout = &release.rollout;
    let text = |text: &str| if text.is_empty() { Wish::Nothing } else { Wish::Text(text.to_owned()) };
    let cells = |is_meant: &dyn Fn(CellState) -> bool| {
        let meant = rollout.cells.iter().filter(|(_, cell)| is_meant(cell.state)).map(|(domain, _)| domain.clone());
        Wish::Set(meant.collect::<BTreeSet<_>>())
    };
    match field {
        RolloutField::State => text(rollout.state.as_str()),
        RolloutField::Stage if rollout.state == RolloutState::Draft => Wish::Nothing,
        RolloutField::Stage => {
            let index = usize::try_from(rollout.stage_index).unwrap_or(usize::MAX);
            let policy = world.catalog().policies().get(&release.id);
            match policy {
                Some(policy) => policy.body.stages.get(index).map_or(Wish::Nothing, |stage| text(&stage.name)),
                None => text(&tidegate_model::Policy::implicit(release.id.clone()).stages[0].name),
            }
        }
        RolloutField::SubStatus => sub_status(release, world.now()).map_or(Wish::Nothing, |status| text(status.as_str())),
        RolloutField::Reason => text(&rollout.reason),
        RolloutField::Admitted => Wish::Number(u64::try_from(rollout.admitted.len()).unwrap_or(u64::MAX)),
        // A rollout that is over has given everything back, whatever its cells were doing then.
        RolloutField::OpenDomains if matches!(rollout.state, RolloutState::Completed | RolloutState::RolledBack) => {
            Wish::Set(BTreeSet::new())
        }
        RolloutField::OpenDomains => cells(&|state| match state {
            CellState::Open | CellState::Settled | CellState::Failed => true,
            CellState::Closed | CellState::Passed => false,
        }),
        RolloutField::PassedDomains => cells(&|state| state == CellState::Passed),
        RolloutField::Flag => text(rollout.flag.as_deref().unwrap_or_default()),
    }
}

fn print(wish: &Wish) -> String {
    match wish {
        Wish::Nothing => "null".to_owned(),
        Wish::Text(text) => text.clone(),
        Wish::Number(number) => number.to_string(),
        Wish::Set(set) => format!("[{}]", set.iter().cloned().collect::<Vec<_>>().join(", ")),
    }
}

/// `expect_object`.
pub(super) fn object(world: &World, source_name: &str, expected: &ObjectExpectation) -> Result<String, Wrong> {
    let found = resolve(world, &expected.object).map_err(|(_, sentence)| sentence);
    let found = found.map(|reference| world.catalog().get(&reference).ok_or_else(|| format!("there is no {reference}")));
    let object = match found.and_then(|object| object) {
        Ok(_) if !expected.exists => return Err(Wrong::new("exists: false", "it exists")),
        Ok(object) => object,
        Err(sentence) if !expected.exists => return Ok(sentence),
        Err(sentence) => return Err(Wrong::new("exists: true", sentence)),
    };
    if let Some(version) = expected.version.filter(|version| *version != object.version()) {
        return Err(Wrong::new(format!("version: {version}"), format!("version: {}", object.version())));
    }
    if let Some(wanted) = &expected.software_version {
        let came = software_version(&object);
        if came != wanted.as_deref() {
            let print = |version: Option<&str>| format!("software_version: {}", version.unwrap_or("null"));
            return Err(Wrong::new(print(wanted.as_deref()), print(came)));
        }
    }
    for (name, wanted) in &expected.fields {
        field(world, source_name, &object, name, wanted)?;
    }
    Ok(format!("{} has version {}", object.reference(), object.version()))
}

fn software_version(object: &Object) -> Option<&str> {
    match object {
        Object::Release(stored) => stored.body.version.as_ref().map(|version| version.as_str()),
        Object::Bundle(stored) => stored.body.version.as_ref().map(|version| version.as_str()),
        _ => None, // The reader takes the field for these two kinds only.
    }
}

/// One field of the manifest. Edges of a linked release are those of the graph, not the place that its author asked for.
fn field(world: &World, source_name: &str, object: &Object, name: &str, wanted: &Node) -> Result<(), Wrong> {
    if let Object::Release(stored) = object
        && stored.body.linked
        && matches!(name, "next" | "previous")
    {
        let came = edges(world, &stored.body, name);
        let expected = texts(wanted);
        let print = |set: &BTreeSet<String>| format!("{name}: [{}]", set.iter().cloned().collect::<Vec<_>>().join(", "));
        return if came == expected { Ok(()) } else { Err(Wrong::new(print(&expected), print(&came))) };
    }
    let expected = || format!("{name}: {}", printed(wanted));
    match compare::has(object, source_name, name, wanted) {
        Ok(true) => Ok(()),
        Ok(false) => {
            let came = compare::value(object, name).map_or_else(|| "left out".to_owned(), |value: Value| value.to_json());
            Err(Wrong::new(expected(), format!("{name}: {came}")))
        }
        Err(errors) => {
            let rules: Vec<_> = errors.iter().map(ToString::to_string).collect();
            Err(Wrong::new(expected(), format!("no manifest can say that: {}", rules.join("; "))))
        }
    }
}

fn edges(world: &World, release: &Release, name: &str) -> BTreeSet<String> {
    if name == "next" {
        return release.next.iter().map(ToString::to_string).collect();
    }
    let leads_here = |id: &Option<ReleaseId>| id.as_ref() == Some(&release.id);
    let before = world.catalog().releases().values().filter(|other| leads_here(&other.body.next));
    before.map(|other| other.body.id.to_string()).collect()
}

/// A text, a list of texts, or none.
fn texts(node: &Node) -> BTreeSet<String> {
    match &node.data {
        _ if node.is_null() => BTreeSet::new(),
        Data::Scalar(scalar) => BTreeSet::from([scalar.text.clone()]),
        Data::List(items) => items.iter().map(|item| item.quote().to_owned()).collect(),
        Data::Map(_) => BTreeSet::from([node.quote().to_owned()]),
    }
}

/// A value as it was written, in one line.
fn printed(node: &Node) -> String {
    match &node.data {
        Data::Scalar(scalar) => scalar.text.clone(),
        Data::List(items) => format!("[{}]", items.iter().map(printed).collect::<Vec<_>>().join(", ")),
        Data::Map(fields) => {
            let fields: Vec<_> = fields.iter().map(|field| format!("{}: {}", field.name, printed(&field.value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
    }
}

/// The object that a name means. A cohort or device without product is the one of that id, if only one product has it.
/// The error has a code, as that of a write.
pub(super) fn resolve(world: &World, name: &ObjectName) -> Result<ObjectRef, (String, String)> {
    reference(world, name).map_err(|invalid| ("NOT_FOUND".to_owned(), format!("NOT_FOUND: {}", invalid.at("id"))))
}

fn reference(world: &World, name: &ObjectName) -> Result<ObjectRef, Invalid> {
    let id = name.id.as_str();
    Ok(match name.kind {
        ObjectKind::Product => ObjectRef::Product(ProductId::new(id)?),
        ObjectKind::Bundle => ObjectRef::Bundle(BundleId::new(id)?),
        ObjectKind::Release => ObjectRef::Release(ReleaseId::new(id)?),
        ObjectKind::Policy => ObjectRef::Policy(ReleaseId::new(id)?),
        ObjectKind::Hold => ObjectRef::Hold(HoldId::new(id)?),
        ObjectKind::Override => ObjectRef::Override(OverrideId::new(id)?),
        ObjectKind::Exclusion => ObjectRef::Exclusion(ExclusionId::new(id)?),
        ObjectKind::Cohort => {
            let (product, id) = in_product(world, name)?;
            ObjectRef::Cohort(product, CohortId::new(&id)?)
        }
        ObjectKind::Device => {
            let (product, id) = in_product(world, name)?;
            ObjectRef::Device(product, DeviceKey::new(&id)?)
        }
        ObjectKind::Attestation => {
            let parts: Vec<&str> = id.split('/').collect();
            let [bundle, kind, by] = parts.as_slice() else {
                return Err(Invalid::new("id", id, "must be written BUNDLE/TYPE/BY"));
            };
            ObjectRef::Attestation(BundleId::new(bundle)?, AttestationKind::new(kind)?, Principal::new(by)?)
        }
    })
}

/// Product and own id of a cohort or device.
fn in_product(world: &World, name: &ObjectName) -> Result<(ProductId, String), Invalid> {
    if let Some(product) = &name.product {
        return Ok((ProductId::new(product)?, name.id.clone()));
    }
    let catalog = world.catalog();
    if let Some((product, id)) = name.id.split_once('/')
        && let Some(product) = catalog.products().keys().find(|known| known.as_str() == product)
    {
        return Ok((product.clone(), id.to_owned()));
    }
    let has = |product: &ProductId| match name.kind {
        ObjectKind::Cohort => CohortId::new(&name.id).is_ok_and(|id| catalog.cohorts().contains_key(&(product.clone(), id))),
        _ => DeviceKey::new(&name.id).is_ok_and(|id| catalog.devices().contains_key(&(product.clone(), id))),
    };
    let mut with_it = catalog.products().keys().filter(|product| has(product));
    match (with_it.next(), with_it.next(), catalog.products().len(), catalog.products().keys().next()) {
        (Some(only), None, _, _) | (None, _, 1, Some(only)) => Ok((only.clone(), name.id.clone())),
        (Some(_), Some(_), _, _) => Err(Invalid::new("id", &name.id, "is in several products: name the product")),
        _ => Err(Invalid::new("id", &name.id, "is in no product")),
    }
}
