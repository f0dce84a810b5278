//! Structured logs to standard error, as text or as one JSON object per line.

use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};

/// Starts logging as configured. A second call in a process changes nothing.
pub fn start(config: &Config) {
    // The filter was judged when the configuration was validated.
    let filter = EnvFilter::new(&config.log_level);
    // Colours are for people: a log file stays plain.
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(is_terminal).with_writer(std::io::stderr);
    let _is_first = match config.log_format {
        LogFormat::Text => builder.try_init().is_ok(),
        LogFormat::Json => builder.json().try_init().is_ok(),
    };
}
