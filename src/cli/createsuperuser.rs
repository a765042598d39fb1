//! `studio createsuperuser`.

use clap::Args;

use super::{
    Failure, Outcome, Place, ask,
    control::{self, Task},
    say_lines,
};
use crate::{
    app::App,
    auth::{
        account::{self, NewUser},
        password,
    },
    error::{Error, Result},
};

#[derive(Args)]
#[command(after_help = "Examples:\n  studio createsuperuser\n  \
                        STUDIO_SUPERUSER_PASSWORD=... studio createsuperuser --noinput --username rana --email rana@example.org")]
pub struct CreateSuperuser {
    /// The name to sign in with.
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// The e-mail address; may be empty.
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Ask nothing: what is not given is read from STUDIO_SUPERUSER_USERNAME, _EMAIL and _PASSWORD.
    #[arg(long)]
    noinput: bool,
}

impl CreateSuperuser {
    pub fn run(self, place: &Place) -> Outcome {
        let config = place.load(&[])?.config;
        let (username, email, password);
        if self.noinput {
            let missing = || Failure::new("You must use --username with --noinput.");
            username = self.username.or_else(|| ask::variable("STUDIO_SUPERUSER_USERNAME")).ok_or_else(missing)?;
            email = self.email.or_else(|| ask::variable("STUDIO_SUPERUSER_EMAIL"));
            password = ask::given_password()?;
        } else {
            username = ask::answer(self.username, "Username: ", wrong_username)?;
            let address = ask::answer(self.email, "E-mail address (may be empty): ", wrong_email)?;
            password = ask::new_password(&[("username", &username), ("email address", &address)])?;
            email = Some(address);
        }
        say_lines(&control::perform(&Task::CreateSuperuser { username, email, password }, &config)?)
    }
}

/// Makes an administrator: a superuser, and an admin of the first business.
pub fn create(app: &App, username: &str, email: Option<&str>, password: &str) -> Result<Vec<String>> {
    let (username, email) = (username.trim(), email.map(str::trim).filter(|email| !email.is_empty()));
    let problems = wrong_username(username).or_else(|| wrong_email(email.unwrap_or_default()));
    problems.map_or(Ok(()), |text| Err(Error::whole(text)))?;
    ask::fits(app, password, &[("username", username), ("email address", email.unwrap_or_default())], None)?;
    let user = NewUser {
        username: Some(username.to_owned()),
        email: email.map(str::to_owned),
        password_hash: password::hash(password)?,
        is_superuser: true,
        ..NewUser::default()
    };
    app.db.write_blocking(control::program(app)?, move |tx| {
        let taken = account::taken(tx, user.username.as_deref(), user.email.as_deref(), None, None)?;
        for (field, what) in [("username", "username"), ("email", "e-mail address")] {
            if taken.has(field) {
                return Err(Error::whole(format!("Error: That {what} is already taken.")));
            }
        }
        account::create_administrator(tx, user.clone())
    })?;
    Ok(vec!["Superuser created successfully.".into()])
}

fn wrong_username(username: &str) -> Option<String> {
    if username.is_empty() { Some("A username may not be empty.".into()) } else { account::check_username(username) }
}

fn wrong_email(email: &str) -> Option<String> {
    if email.is_empty() { None } else { account::check_email(email) }
}
