//! JSON writes characters beyond the first plane as two escapes (`\ud83d\ude00`); YAML has one escape of its own for
//! them (`\U0001f600`) and refuses the halves. Otherwise JSON is YAML.

use std::borrow::Cow;

/// Rewrites pairs of surrogate escapes as YAML's one escape. Only texts that begin like JSON are looked at: elsewhere
/// such a sequence may be meant as it stands.
pub fn join(text: &str) -> Cow<'_, str> {
    if !text.trim_start().starts_with(['{', '[']) || !text.contains("\\u") {
        return Cow::Borrowed(text);
    }
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        match pair(escape) {
            Some(character) => {
                out.push_str(&format!("\\U{:08x}", u32::from(character)));
                rest = &escape[12..];
            }
            None => {
                // An escape of one character, whatever it is: `\\u` is a backslash and the letter u.
                let length = 1 + escape[1..].chars().next().map_or(0, char::len_utf8);
                out.push_str(&escape[..length]);
                rest = &escape[length..];
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The character that two escapes at the beginning of `text` mean together.
fn pair(text: &str) -> Option<char> {
    let unit = |from: usize| {
        let digits = text.get(from..from + 6)?.strip_prefix("\\u")?;
        if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) { u16::from_str_radix(digits, 16).ok() } else { None }
    };
    char::decode_utf16([unit(0)?, unit(6)?]).next()?.ok().filter(|character| u32::from(*character) > 0xffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_become_one_escape_and_nothing_else_changes() {
        for (from, to) in [
            (r#"["\ud83d\ude00x"]"#, r#"["\U0001f600x"]"#),
            (r#"["\\ud83d\ude00", "\u00fc"]"#, r#"["\\ud83d\ude00", "\u00fc"]"#),
            (r#"["\ude00\ud83d"]"#, r#"["\ude00\ud83d"]"#),
            (r#"["\ud83"#, r#"["\ud83"#),
            ("[\"\\", "[\"\\"),
            (r#"a: "\ud83d\ude00""#, r#"a: "\ud83d\ude00""#),
        ] {
            assert_eq!(join(from), to);
        }
    }
}
