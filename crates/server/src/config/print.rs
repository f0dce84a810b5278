//! The merged result as text: what applies, and who said so.

use std::fmt::Write as _;

use super::fragment::Fragment;
use super::settings::{Kind, SETTINGS};
use super::value;

/// The merged settings as TOML with the origin of each value in a comment; reading it gives the same settings.
#[must_use]
pub fn print_merged(merged: &Fragment) -> String {
    let mut out = String::new();
    for setting in SETTINGS {
        let Some(sourced) = merged.get(setting.key) else {
            let _ = writeln!(out, "# {} is not set: {}", setting.key, setting.help);
            continue;
        };
        let text = sourced.raw.to_string();
        let shown = match setting.kind {
            Kind::Number if value::number(&sourced.raw, 0, u64::MAX).is_ok() => text.replace('_', ""),
            Kind::Switch if value::switch(&sourced.raw).is_ok() => text,
            Kind::HostPorts => {
                let items: Vec<String> = text.split(',').map(|item| toml_text(item.trim())).collect();
                format!("[{}]", items.join(", "))
            }
            Kind::Text
            | Kind::Path
            | Kind::SocketAddress
            | Kind::HostPort
            | Kind::Number
            | Kind::Duration
            | Kind::Switch
            | Kind::Word(_) => toml_text(&text),
        };
        let _ = writeln!(out, "{} = {shown}  # {}", setting.key, sourced.origin);
    }
    out
}

/// The reference of all settings as a Markdown table.
#[must_use]
pub fn reference() -> String {
    let mut out = String::from("| Setting | Flag | Environment | Default | Meaning |\n|---|---|---|---|---|\n");
    for setting in SETTINGS {
        let default = setting.default.map_or_else(String::new, |text| format!("`{text}`"));
        let _ =
            writeln!(out, "| `{}` | `--{}` | `{}` | {default} | {} |", setting.key, setting.flag(), setting.env(), setting.help);
    }
    out
}

fn toml_text(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
