//! The log's events, on standard error.

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;

use crate::args::{LogFormat, LogLevel};

/// Sends events from now on to standard error. A second call changes nothing.
pub(crate) fn start(format: LogFormat, level: LogLevel) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    // A reader that went away must not end a commit: the subscriber would tell that its line was lost on the very same
    // standard error, and panic.
    let builder = fmt().with_writer(std::io::stderr).with_max_level(level).log_internal_errors(false);
    // An error here means that a subscriber is there already: that of a program which uses this library.
    let _ = match format {
        LogFormat::Off => return,
        LogFormat::Json => builder.json().try_init(),
        LogFormat::Text => builder.with_ansi(false).try_init(),
    };
}
