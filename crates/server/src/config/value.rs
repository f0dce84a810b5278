//! From the text of one value to its type; each failure is the rule that was broken.

use std::net::SocketAddr;
use std::time::Duration;

use super::fragment::Raw;
use crate::limits::{CONFIG_DURATION_MAX, CONFIG_LIST_MAX};

pub(super) fn text(raw: &Raw) -> Result<String, String> {
    match raw {
        Raw::One(text) if text.is_empty() => Err("must not be empty".to_owned()),
        Raw::One(text) => Ok(text.clone()),
        Raw::Many(_) => Err("must be one value, not a list".to_owned()),
    }
}

pub(super) fn number(raw: &Raw, min: u64, max: u64) -> Result<u64, String> {
    let rule = || format!("must be a whole number from {min} to {max}");
    let value: u64 = text(raw)?.replace('_', "").parse().map_err(|_| rule())?;
    if (min..=max).contains(&value) { Ok(value) } else { Err(rule()) }
}

pub(super) fn switch(raw: &Raw) -> Result<bool, String> {
    match text(raw)?.as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

pub(super) fn word(raw: &Raw, words: &[&str]) -> Result<String, String> {
    let text = text(raw)?;
    if words.contains(&text.as_str()) { Ok(text) } else { Err(format!("must be one of {}", words.join(", "))) }
}

pub(super) fn socket_address(raw: &Raw) -> Result<SocketAddr, String> {
    text(raw)?.parse().map_err(|_| "must be ADDRESS:PORT with a numeric address, such as 127.0.0.1:7401".to_owned())
}

pub(super) fn host_port(text: &str) -> Result<String, String> {
    let rule = || "must be HOST:PORT with a port from 1 to 65535".to_owned();
    let (host, port) = text.rsplit_once(':').ok_or_else(rule)?;
    let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
    let is_host = !host.is_empty() && host.len() <= 253 && !host.chars().any(|c| c.is_whitespace() || c == '/');
    if is_port && is_host { Ok(text.to_owned()) } else { Err(rule()) }
}

pub(super) fn host_ports(raw: &Raw) -> Result<Vec<String>, String> {
    let texts: Vec<String> = match raw {
        Raw::One(text) => text.split(',').map(|part| part.trim().to_owned()).collect(),
        Raw::Many(texts) => texts.clone(),
    };
    if texts.len() > CONFIG_LIST_MAX {
        return Err(format!("must name <= {CONFIG_LIST_MAX} addresses"));
    }
    let parsed: Vec<String> = texts.iter().map(|text| host_port(text)).collect::<Result<_, _>>()?;
    let distinct: std::collections::BTreeSet<&String> = parsed.iter().collect();
    if distinct.len() == parsed.len() { Ok(parsed) } else { Err("must name each address once".to_owned()) }
}

/// `500ms`, `5s`, `1m30s`, `2h`: whole numbers with units, largest first.
pub(super) fn duration(raw: &Raw) -> Result<Duration, String> {
    let rule = || "must be a length of time such as 200ms, 5s or 1m30s".to_owned();
    let text = text(raw)?;
    let mut rest = text.as_str();
    let mut total: u64 = 0;
    let mut last_unit = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(rule)?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let unit = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(rule()),
        };
        if unit >= last_unit {
            return Err(rule());
        }
        last_unit = unit;
        let amount: u64 = number.parse().map_err(|_| rule())?;
        total = amount.checked_mul(unit).and_then(|ms| total.checked_add(ms)).ok_or_else(rule)?;
        rest = tail;
    }
    let duration = Duration::from_millis(total);
    if duration <= CONFIG_DURATION_MAX { Ok(duration) } else { Err(format!("must be <= {CONFIG_DURATION_MAX:?}")) }
}
