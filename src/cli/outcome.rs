//! How a command ends, and what it prints.

use std::io::{self, Write};

use crate::error::Error;

/// Why a command ends early: one sentence, and the exit code.
#[derive(Debug)]
pub struct Failure {
    pub code: u8,
    pub text: String,
}

pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// Refused or failed.
    pub fn new(text: impl Into<String>) -> Self {
        Self { code: 1, text: text.into() }
    }
    /// Another process holds the database and cannot be asked.
    pub fn busy(text: impl Into<String>) -> Self {
        Self { code: 69, text: text.into() }
    }
    /// The settings cannot be used.
    pub fn configuration(text: impl Into<String>) -> Self {
        Self { code: 78, text: text.into() }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(error.to_string())
    }
}

/// Writes to stdout. A reader that has seen enough, such as `head`, is no failure.
pub fn say(text: &str) -> Outcome {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(format!("cannot write the output: {error}"))),
        _ => Ok(()),
    }
}

/// Writes lines to stdout.
pub fn say_lines(lines: &[String]) -> Outcome {
    say(&lines.iter().map(|line| format!("{line}\n")).collect::<String>())
}
