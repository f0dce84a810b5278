//! The state machine's answers as stored and sent: the form in which the request table keeps them, in which a proposer
//! hears them, and in which a leader returns them to a forwarding node.

use tidegate_machine::{Code, Effect, FieldError, ObjectOutcome, Outcome, Rejection, Warning, WarningCode};
use tidegate_model::{Invalid, ObjectRef};
use tidegate_proto::types::v1 as types;

/// A result as bytes carry it.
#[must_use]
pub fn result_out(result: &Result<Outcome, Rejection>) -> types::Result {
    let kind = match result {
        Ok(outcome) => types::result::Kind::Outcome(outcome_out(outcome)),
        Err(rejection) => types::result::Kind::Rejection(rejection_out(rejection)),
    };
    types::Result { kind: Some(kind) }
}

/// Reads a result; `Err` says what cannot be read.
///
/// # Errors
/// A part that this build does not know.
pub fn result_in(result: types::Result) -> Result<Result<Outcome, Rejection>, String> {
    match result.kind {
        Some(types::result::Kind::Outcome(outcome)) => Ok(Ok(outcome_in(outcome)?)),
        Some(types::result::Kind::Rejection(rejection)) => Ok(Err(rejection_in(rejection)?)),
        None => Err("result of a kind that this build does not know".to_owned()),
    }
}

/// An outcome as bytes carry it.
#[must_use]
pub fn outcome_out(outcome: &Outcome) -> types::Outcome {
    types::Outcome {
        config_version: outcome.config_version,
        objects: outcome.objects.iter().map(object_outcome_out).collect(),
        warnings: outcome.warnings.iter().map(warning_out).collect(),
    }
}

fn outcome_in(outcome: types::Outcome) -> Result<Outcome, String> {
    Ok(Outcome {
        config_version: outcome.config_version,
        objects: outcome.objects.into_iter().map(object_outcome_in).collect::<Result<_, _>>()?,
        warnings: outcome.warnings.into_iter().map(warning_in).collect::<Result<_, _>>()?,
    })
}

fn object_outcome_out(outcome: &ObjectOutcome) -> types::ObjectOutcome {
    let effect = match outcome.effect {
        Effect::Created => types::Effect::Created,
        Effect::Changed => types::Effect::Changed,
        Effect::Unchanged => types::Effect::Unchanged,
        Effect::Deleted => types::Effect::Deleted,
    };
    types::ObjectOutcome { object: Some((&outcome.reference).into()), effect: effect.into(), version: outcome.version }
}

fn object_outcome_in(outcome: types::ObjectOutcome) -> Result<ObjectOutcome, String> {
    let effect = match types::Effect::try_from(outcome.effect) {
        Ok(types::Effect::Created) => Effect::Created,
        Ok(types::Effect::Changed) => Effect::Changed,
        Ok(types::Effect::Unchanged) => Effect::Unchanged,
        Ok(types::Effect::Deleted) => Effect::Deleted,
        Ok(types::Effect::Unspecified) | Err(_) => return Err(format!("effect {} is unknown", outcome.effect)),
    };
    let reference = reference_in(outcome.object)?.ok_or("object of an outcome is missing")?;
    Ok(ObjectOutcome { reference, effect, version: outcome.version })
}

fn warning_out(warning: &Warning) -> types::Warning {
    types::Warning {
        code: warning.code.as_str().to_owned(),
        object: Some((&warning.subject).into()),
        message: warning.text.clone(),
    }
}

fn warning_in(warning: types::Warning) -> Result<Warning, String> {
    let code = WarningCode::parse(&warning.code).ok_or_else(|| format!("warning {:?} is unknown", warning.code))?;
    let subject = reference_in(warning.object)?.ok_or("object of a warning is missing")?;
    Ok(Warning { code, subject, text: warning.message })
}

/// A rejection as bytes carry it.
#[must_use]
pub fn rejection_out(rejection: &Rejection) -> types::Rejection {
    types::Rejection {
        code: rejection.code.as_str().to_owned(),
        object: rejection.subject.as_ref().map(Into::into),
        current_version: rejection.current_version,
        fields: rejection.fields.iter().map(field_out).collect(),
        message: rejection.sentence.clone(),
    }
}

fn rejection_in(rejection: types::Rejection) -> Result<Rejection, String> {
    Ok(Rejection {
        code: Code::parse(&rejection.code).ok_or_else(|| format!("code {:?} is unknown", rejection.code))?,
        subject: reference_in(rejection.object)?,
        current_version: rejection.current_version,
        fields: rejection.fields.into_iter().map(field_in).collect::<Result<_, _>>()?,
        sentence: rejection.message,
    })
}

fn reference_in(reference: Option<types::ObjectRef>) -> Result<Option<ObjectRef>, String> {
    reference.map(ObjectRef::try_from).transpose().map_err(|error| error.to_string())
}

fn field_out(field: &FieldError) -> types::FieldViolation {
    types::FieldViolation {
        document: field.document.and_then(|number| u32::try_from(number).ok()),
        field: field.invalid.field.clone(),
        value: field.invalid.value.clone(),
        rule: field.invalid.rule.clone(),
        object: field.object.as_ref().map(Into::into),
    }
}

fn field_in(field: types::FieldViolation) -> Result<FieldError, String> {
    let document = field.document.map(|number| usize::try_from(number).expect("32 bits fit usize"));
    let invalid = Invalid { field: field.field, value: field.value, rule: field.rule };
    Ok(FieldError { document, object: reference_in(field.object)?, invalid })
}
