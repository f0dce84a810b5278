//! What a device asks, read from the query of `GET /v1/check`: the same names as in JSON. Attributes are written
//! `attributes.NAME=VALUE` or `attributes=NAME=VALUE`, several tags as several `tags`.

use super::request::{BadRequest, CheckRequest, Field, Mode, check_size};

/// Reads the part of the address after `?`. Unknown parameters are ignored, an empty value is the same as left out.
///
/// # Errors
/// [`BadRequest`] naming the first thing that is wrong.
pub fn request_from_query(query: &str) -> Result<CheckRequest, BadRequest> {
    check_size(query.len())?;
    let mut request = CheckRequest::default();
    let mut seen: Vec<Field> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name)?, decode(value)?);
        if let Some(attribute) = name.strip_prefix("attributes.") {
            request.attributes.push((attribute.to_owned(), value));
            continue;
        }
        let Some(field) = Field::parse(&name) else { continue };
        let repeats = matches!(field, Field::Attributes | Field::Tags);
        if !repeats && seen.contains(&field) {
            return Err(BadRequest::of(field.name(), "must not be there twice"));
        }
        seen.push(field);
        if !value.is_empty() {
            take(&mut request, field, value).ok_or_else(|| BadRequest::of(field.name(), field.rule()))?;
        }
    }
    request.finish()
}

/// `None` if the value does not fit the field.
fn take(request: &mut CheckRequest, field: Field, value: String) -> Option<()> {
    match field {
        Field::Product => request.product = value,
        Field::Device => request.device = Some(value),
        Field::Release => request.release = Some(value),
        Field::Bundle => request.bundle = Some(value),
        Field::Version => request.version = Some(value),
        Field::Attributes => {
            let (name, value) = value.split_once('=')?;
            request.attributes.push((name.to_owned(), value.to_owned()));
        }
        Field::Tags => request.tags.push(value),
        Field::Mode => request.mode = Mode::parse(&value)?,
        Field::Group => request.group = Some(number(&value)?.try_into().ok()?),
        Field::SecurityEpoch => request.security_epoch = Some(number(&value)?),
        Field::MinConfigVersion => request.min_config_version = Some(number(&value)?),
        Field::Pending => request.pending = Some(value),
        Field::Nonce => request.nonce = Some(value),
        Field::Explain => request.explain = value.parse().ok()?,
    }
    Some(())
}

/// Digits only: `str::parse` would also take a sign.
fn number(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Resolves `%XX` and `+`.
fn decode(text: &str) -> Result<String, BadRequest> {
    let malformed = |rule: &str| BadRequest::Malformed { rule: rule.to_owned() };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
                let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) else {
                    return Err(malformed("query has a % without two hexadecimal digits"));
                };
                u8::try_from(high * 16 + low).expect("two hexadecimal digits are below 256")
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| malformed("query is not UTF-8 once its escapes are resolved"))
}
