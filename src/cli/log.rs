//! The log: lines on stderr, text for people and JSON for programs.

use std::io::{self, IsTerminal};

use tracing_subscriber::filter::LevelFilter;

use crate::config::{Format, Level, Log};

/// Starts logging as the settings say. The first call counts.
pub fn start(log: &Log) {
    begin(log, filter(log.level));
}

/// Logging for commands that end by themselves: only what goes wrong.
pub fn start_quiet(log: &Log) {
    begin(log, filter(log.level).min(LevelFilter::WARN));
}

fn begin(log: &Log, level: LevelFilter) {
    let terminal = io::stderr().is_terminal();
    let text = match log.format {
        Format::Auto => terminal,
        Format::Text => true,
        Format::Json => false,
    };
    let lines = tracing_subscriber::fmt().with_max_level(level).with_writer(io::stderr).with_ansi(text && terminal);
    let _ = if text { lines.try_init() } else { lines.json().flatten_event(true).try_init() };
}

fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Off => LevelFilter::OFF,
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}
