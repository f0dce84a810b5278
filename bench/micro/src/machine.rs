//! The machine on which figures were taken: without it they say nothing.

use serde_json::{Value, json};

/// Processor, cores, memory, kernel, compiler and load of this machine. What cannot be found out is `unknown`.
#[must_use]
pub fn describe() -> Value {
    json!({
        "processor": line_of("/proc/cpuinfo", "model name"),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "memory": line_of("/proc/meminfo", "MemTotal"),
        "kernel": file("/proc/sys/kernel/osrelease"),
        "rustc": output("rustc", "--version"),
        "valgrind": output("valgrind", "--version"),
        "load": file("/proc/loadavg"),
    })
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn file(path: &str) -> String {
    std::fs::read_to_string(path).map_or_else(|_| unknown(), |text| text.trim().to_owned())
}

fn line_of(path: &str, name: &str) -> String {
    let line = file(path).lines().find(|line| line.starts_with(name)).map(str::to_owned);
    let value = line.as_deref().and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned());
    value.unwrap_or_else(unknown)
}

fn output(program: &str, argument: &str) -> String {
    let ran = std::process::Command::new(program).arg(argument).output();
    let text = ran.ok().and_then(|ran| String::from_utf8(ran.stdout).ok());
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).unwrap_or_else(unknown)
}
