//! `studio changepassword`.

use clap::Args;

use super::{
    Outcome, Place, ask,
    control::{self, Task},
    say_lines,
};
use crate::{
    app::App,
    auth::{
        account,
        notice::{self, Notice},
        password,
    },
    db::Row,
    error::{Error, Result},
};

#[derive(Args)]
#[command(after_help = "Example:\n  studio changepassword rana")]
pub struct ChangePassword {
    /// Whose password: a username, e-mail address or phone number.
    username: String,
    /// Ask nothing: read the new password from STUDIO_SUPERUSER_PASSWORD.
    #[arg(long)]
    noinput: bool,
}

impl ChangePassword {
    pub fn run(self, place: &Place) -> Outcome {
        let config = place.load(&[])?.config;
        let username = self.username;
        let password = if self.noinput {
            ask::given_password()?
        } else {
            // Nobody should type a password for a person who is not there.
            control::perform(&Task::FindUser { username: username.clone() }, &config)?;
            ask::new_password(&[])?
        };
        say_lines(&control::perform(&Task::ChangePassword { username, password }, &config)?)
    }
}

/// The id of a person who is there.
pub fn find(app: &App, username: &str) -> Result<i64> {
    let found = app.db.read(|reader| account::find(reader, username))?;
    found.map(|found| found.id).ok_or_else(|| Error::whole(format!("user '{username}' does not exist")))
}

/// Gives somebody a new password.
pub fn change(app: &App, username: &str, password: &str) -> Result<Vec<String>> {
    let id = find(app, username)?;
    let columns =
        "SELECT coalesce(username, ''), coalesce(email, ''), coalesce(full_name, ''), coalesce(phone, '') FROM users WHERE id = ?1";
    let read = |row: &Row<'_>| (0..4).map(|index| row.get::<String>(index)).collect::<Result<Vec<_>>>();
    let names = app.db.read(|reader| reader.row(columns, &[id.into()], read))?.unwrap_or_default();
    let own: Vec<_> =
        ["username", "email address", "full name", "phone number"].into_iter().zip(names.iter().map(String::as_str)).collect();
    ask::fits(app, password, &own, Some(id))?;
    let hash = password::hash(password)?;
    app.db.write_blocking(control::program(app)?, move |tx| {
        account::set_password(tx, id, &hash)?;
        notice::send(tx, id, Notice::PasswordChanged)
    })?;
    Ok(vec![format!("Password changed successfully for user '{username}'.")])
}
