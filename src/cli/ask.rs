//! Asking the person at the terminal, and what they may answer.

use std::io::{self, Write};

use super::{Failure, Outcome, say};
use crate::{
    app::App,
    auth::password,
    error::{Error, Result},
};

const PASSWORD: &str = "STUDIO_SUPERUSER_PASSWORD";

/// A variable of the environment, unless it is empty.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// The password where nothing is asked.
pub fn given_password() -> Outcome<String> {
    variable(PASSWORD).ok_or_else(|| Failure::new(format!("--noinput needs the password in the environment variable {PASSWORD}.")))
}

/// What was given on the command line, or else what is typed, asked for again while something is wrong with it.
pub fn answer(given: Option<String>, prompt: &str, wrong: fn(&str) -> Option<String>) -> Outcome<String> {
    let typed = given.is_none();
    let mut text = given.map_or_else(|| ask(prompt), Ok)?;
    while let Some(problem) = wrong(text.trim()) {
        if !typed {
            return Err(Failure::new(problem));
        }
        complain(&problem);
        text = ask(prompt)?;
    }
    Ok(text.trim().to_owned())
}

fn ask(prompt: &str) -> Outcome<String> {
    say(prompt)?;
    let mut line = String::new();
    match io::stdin().read_line(&mut line) {
        Ok(1..) => Ok(line),
        _ => Err(Failure::new("Operation cancelled.")),
    }
}

/// A new password, typed twice and not shown; asked for again while it will not do.
pub fn new_password(own: &[(&str, &str)]) -> Outcome<String> {
    let ask = |prompt| {
        let no_terminal = |error| Failure::new(format!("cannot ask for a password ({error}); use --noinput and {PASSWORD}"));
        rpassword::prompt_password(prompt).map_err(no_terminal)
    };
    loop {
        let password = ask("Password: ")?;
        let problems = password::check(&password, own);
        if !problems.is_empty() {
            complain(&problems.join("\n"));
        } else if ask("Password (again): ")? == password {
            return Ok(password);
        } else {
            complain("Error: Your passwords didn't match.");
        }
    }
}

fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Refuses a password that will not do.
pub fn fits(app: &App, password: &str, own: &[(&str, &str)], user: Option<i64>) -> Result<()> {
    let problems = app.check_password(password, own, user)?;
    if problems.is_empty() { Ok(()) } else { Err(Error::whole(problems.join(" "))) }
}
