//! `studio users`: who can sign in, and what to do when they cannot or should not; while a server runs or not.

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

use super::{
    Outcome, Place, changepassword,
    control::{self, Task},
    say_lines,
};
use crate::{
    app::App,
    auth::{device, factor, families, passkey, throttle, totp},
    db::{Reader, Row, Writer},
    error::{Error, Result},
    kit::DateTime,
    outbox::Language,
};

/// So many people are listed.
const LISTED: i64 = 1000;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  studio users list\n  studio users show rana\n  studio users unlock rana\n  studio users reset-2fa rana\n  studio users revoke-sessions rana@example.com"
)]
pub struct Users {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// List people: id, name, e-mail, phone, role and state.
    List,
    /// Tell what is known of one person, with their sign-ins.
    Show(Who),
    /// Forget what was guessed wrong at somebody's account, so that they can sign in at once.
    Unlock(Who),
    /// Close somebody's account and end their sign-ins.
    Deactivate(Who),
    /// Open an account that was closed.
    Activate(Who),
    /// End all of somebody's sign-ins.
    RevokeSessions(Who),
    /// Take the second factor, passkeys included, from somebody who has lost it, and end all of their sign-ins.
    #[command(name = "reset-2fa")]
    ResetTwoFactor(Who),
}

#[derive(Args)]
struct Who {
    /// A username, e-mail address or phone number.
    username: String,
}

/// What is to be done with people.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    List,
    Show(String),
    Unlock(String),
    Deactivate(String),
    Activate(String),
    RevokeSessions(String),
    ResetTwoFactor(String),
}

impl Users {
    pub fn run(self, place: &Place) -> Outcome {
        let action = match self.what {
            What::List => Action::List,
            What::Show(who) => Action::Show(who.username),
            What::Unlock(who) => Action::Unlock(who.username),
            What::Deactivate(who) => Action::Deactivate(who.username),
            What::Activate(who) => Action::Activate(who.username),
            What::RevokeSessions(who) => Action::RevokeSessions(who.username),
            What::ResetTwoFactor(who) => Action::ResetTwoFactor(who.username),
        };
        say_lines(&control::perform(&Task::Users(action), &place.load(&[])?.config)?)
    }
}

impl Action {
    /// Does it and answers what to print. Blocks.
    pub fn run(&self, app: &App) -> Result<Vec<String>> {
        match self {
            Self::List => app.db.read(list),
            Self::Show(name) => show(app, changepassword::find(app, name)?),
            Self::Unlock(name) => unlock(app, name),
            Self::Deactivate(name) => deactivate(app, name),
            Self::Activate(name) => activate(app, name),
            Self::RevokeSessions(name) => revoke(app, name),
            Self::ResetTwoFactor(name) => reset_two_factor(app, name),
        }
    }
}

const PERSON: &str = "SELECT u.id, coalesce(u.username, '-'), coalesce(u.email, '-'), coalesce(u.phone, '-'),
       CASE WHEN u.is_superuser THEN 'superuser' ELSE coalesce((SELECT group_concat(DISTINCT m.role) FROM memberships AS m
            WHERE m.user_id = u.id AND m.status = 'active'), 'no business') END,
       CASE WHEN u.is_active THEN 'active' ELSE 'closed' END, coalesce(u.last_seen_at, 'never'), coalesce(u.full_name, '-'), u.created_at
       FROM users AS u WHERE u.deleted_at IS NULL";

fn cells(row: &Row<'_>) -> Result<Vec<String>> {
    let id: i64 = row.get(0)?;
    let rest = (1..9).map(|index| row.get::<String>(index)).collect::<Result<Vec<_>>>()?;
    Ok(std::iter::once(id.to_string()).chain(rest).collect())
}

fn list(reader: &Reader<'_>) -> Result<Vec<String>> {
    let people = reader.rows(&format!("{PERSON} ORDER BY u.id LIMIT ?1"), &[LISTED.into()], cells)?;
    let count: i64 = reader.one("SELECT count(*) FROM users WHERE deleted_at IS NULL", &[])?.unwrap_or(0);
    let mut lines: Vec<String> = people.iter().map(|cells| cells[..7].join("  ")).collect();
    if count > LISTED {
        lines.push(format!("and {} more", count - LISTED));
    }
    Ok(lines)
}

fn show(app: &App, id: i64) -> Result<Vec<String>> {
    let now = app.db.clock().now();
    app.db.snapshot(|reader| {
        let found = reader.row(&format!("{PERSON} AND u.id = ?1"), &[id.into()], cells)?.ok_or_else(Error::not_found)?;
        let names = ["id", "username", "e-mail", "phone", "role", "state", "last seen", "name", "since"];
        let mut lines: Vec<String> = names.iter().zip(&found).map(|(name, cell)| format!("{name:<10} {cell}")).collect();
        let locked = throttle::locked_until(reader, id, now)?;
        lines.push(format!("{:<10} {}", "locked", locked.map_or("no".to_owned(), |until| format!("until {until}"))));
        let app = if totp::is_on(reader, id)? { "authenticator app, " } else { "" };
        lines.push(format!("{:<10} {app}{} passkeys", "factors", passkey::count(reader, id)?));
        let sign_ins = families::list(reader, id, DateTime(now))?;
        lines.push(format!("{:<10} {}", "sign-ins", sign_ins.len()));
        lines.extend(sign_ins.iter().map(|one| {
            let (device, ip) = (device::in_words(one.user_agent.as_deref(), Language::English), one.ip.as_deref().unwrap_or("unknown"));
            format!("  {}  {device}, from {ip}, last used {}", one.family, one.last_used_at)
        }));
        Ok(lines)
    })
}

fn unlock(app: &App, name: &str) -> Result<Vec<String>> {
    let id = changepassword::find(app, name)?;
    let any = app.db.write_blocking(control::program(app)?, move |tx| {
        tx.note("users", id, "unlock", None, None)?;
        throttle::unlock(tx, id)
    })?;
    Ok(vec![if any { format!("User '{name}' can sign in again.") } else { format!("Nothing was held against user '{name}'.") }])
}

fn deactivate(app: &App, name: &str) -> Result<Vec<String>> {
    let (id, sessions) = (changepassword::find(app, name)?, app.sessions.clone());
    let ended = app.db.write_blocking(control::program(app)?, move |tx| {
        refuse_last(tx, id)?;
        tx.act("deactivate");
        tx.update("users", id, vec![("is_active", false.into())])?;
        sessions.end_all(tx, id, None, "deactivated")
    })?;
    Ok(vec![format!("User '{name}' can no longer sign in; {}.", counted(ended))])
}

/// Somebody must be left who can let others in.
fn refuse_last(tx: &Writer<'_>, id: i64) -> Result<()> {
    let is_superuser: bool = tx.one("SELECT is_superuser FROM users WHERE id = ?1", &[id.into()])?.unwrap_or(false);
    let others = "SELECT 1 FROM users WHERE is_superuser = 1 AND is_active = 1 AND deleted_at IS NULL AND id <> ?1";
    if is_superuser && !tx.exists(others, &[id.into()])? {
        return Err(Error::whole("the last superuser cannot be closed; make another one first"));
    }
    Ok(())
}

fn activate(app: &App, name: &str) -> Result<Vec<String>> {
    let id = changepassword::find(app, name)?;
    app.db.write_blocking(control::program(app)?, move |tx| {
        tx.act("activate");
        tx.update("users", id, vec![("is_active", true.into())])
    })?;
    Ok(vec![format!("User '{name}' can sign in.")])
}

fn revoke(app: &App, name: &str) -> Result<Vec<String>> {
    let (id, sessions) = (changepassword::find(app, name)?, app.sessions.clone());
    let ended = app.db.write_blocking(control::program(app)?, move |tx| {
        tx.note("users", id, "revoke_sessions", None, None)?;
        sessions.end_all(tx, id, None, "revoked")
    })?;
    Ok(vec![format!("User '{name}': {}.", counted(ended))])
}

fn reset_two_factor(app: &App, name: &str) -> Result<Vec<String>> {
    let id = changepassword::find(app, name)?;
    let had = app.db.write_blocking(control::program(app)?, move |tx| factor::reset(tx, id))?;
    let what = if had { "signs in with the password alone from now on" } else { "had no second factor" };
    Ok(vec![format!("User '{name}' {what}; all sign-ins were ended.")])
}

fn counted(ended: usize) -> String {
    if ended == 1 { "1 sign-in was ended".to_owned() } else { format!("{ended} sign-ins were ended") }
}
