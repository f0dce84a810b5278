//! Structured logs to standard error, as text or as one JSON object per line.

use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};

/// Starts logging as configured. A second call in a process changes nothing.
pub fn start(config: &Config) {
    start_with(&config.log_level, config.log_format);
}

/// The same for a process that is no node. Parts of the filter that cannot be read are left out.
pub fn start_with(level: &str, format: LogFormat) {
    // A node's filter was judged when its configuration was validated.
    let filter = EnvFilter::new(level);
    // Colours are for people: a log file stays plain.
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(is_terminal).with_writer(std::io::stderr);
    let _is_first = match format {
        LogFormat::Text => builder.try_init().is_ok(),
        LogFormat::Json => builder.json().try_init().is_ok(),
    };
}
