//! `studio apikeys`: the keys that programs act with, while a server runs or not.

use clap::{Args, Subcommand};
use jiff::tz::TimeZone;

use super::{
    Outcome, Place, changepassword,
    control::{self, Task},
    say_lines,
};
use crate::{
    actor::Role,
    api::api_keys::wrong_scopes,
    app::App,
    auth::api_key::{self, NewKey},
    db::Row,
    error::{Error, Result},
    kit::DateTime,
};

#[derive(Args)]
#[command(arg_required_else_help = true)]
#[command(after_help = "Examples:\n  studio apikeys create rana --name website --scope field/leads:write\n  \
                        studio apikeys list\n  studio apikeys revoke 3")]
pub struct ApiKeys {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Make a key and print it: it is not told again.
    Create {
        /// Whose rights it has: a username, e-mail address or phone number of an administrator or manager.
        username: String,
        /// What it is for, in words.
        #[arg(long)]
        name: String,
        /// What it may do, such as field/leads:read or *:read; may be given more than once.
        #[arg(long = "scope", required = true, value_name = "SCOPE")]
        scopes: Vec<String>,
        /// When it ends, such as 2027-01-31; without it, never.
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
        /// The business's number; without it, the first that the person runs.
        #[arg(long, value_name = "ID")]
        business: Option<i64>,
    },
    /// List all keys: number, beginning, owner, scopes, state and name.
    List,
    /// Make a key worthless from the next request on.
    Revoke {
        /// The key's number, as `studio apikeys list` has it.
        id: i64,
    },
}

impl ApiKeys {
    pub fn run(self, place: &Place) -> Outcome {
        let task = match self.what {
            What::Create { username, name, scopes, expires, business } => Task::CreateApiKey { username, name, scopes, expires, business },
            What::List => Task::ListApiKeys,
            What::Revoke { id } => Task::RevokeApiKey { id },
        };
        say_lines(&control::perform(&task, &place.load(&[])?.config)?)
    }
}

/// Makes a key for an administrator or manager, and answers it.
pub fn create(
    app: &App,
    username: &str,
    name: &str,
    scopes: &[String],
    expires: Option<&str>,
    business: Option<i64>,
) -> Result<Vec<String>> {
    let user = changepassword::find(app, username)?;
    let name = name.trim().to_owned();
    if name.is_empty() || name.chars().count() > 100 {
        return Err(Error::whole("A name has 1 to 100 characters."));
    }
    wrong_scopes(scopes).map_or(Ok(()), |text| Err(Error::whole(text)))?;
    let expires_at = match expires {
        None => None,
        Some(text) => {
            let at = DateTime::parse(text, &TimeZone::UTC).filter(|at| at.0 > app.db.clock().now());
            Some(at.ok_or_else(|| Error::whole(format!("\"{text}\" is no time in the future.")))?)
        }
    };
    let sql = "SELECT m.business_id, m.role FROM memberships AS m JOIN businesses AS b ON b.id = m.business_id AND b.deleted_at IS NULL
               WHERE m.user_id = ?1 AND m.status = 'active' AND (?2 IS NULL OR m.business_id = ?2) ORDER BY m.business_id";
    let memberships = app.db.read(|reader| {
        reader.rows(sql, &[user.into(), business.into()], |row| Ok((row.get::<i64>(0)?, Role::parse(&row.get::<String>(1)?))))
    })?;
    let runs = memberships.into_iter().find(|(_, role)| matches!(role, Some(Role::Admin | Role::Manager)));
    let (business, _) = runs.ok_or_else(|| Error::whole(format!("user '{username}' runs no such business")))?;
    let new = NewKey { business, user, name, scopes: scopes.to_vec(), expires_at };
    let (id, key) = app.db.write_blocking(control::program(app)?, move |tx| api_key::make(tx, new.clone()))?;
    Ok(vec![format!("Key {id}, which is not told again:"), key])
}

/// All keys, a line for each.
pub fn list(app: &App) -> Result<Vec<String>> {
    let sql = "SELECT k.id, k.prefix, coalesce(u.username, u.email, u.phone), k.scopes, k.name, k.expires_at, k.revoked_at, k.last_used_at
               FROM api_keys AS k JOIN users AS u ON u.id = k.user_id ORDER BY k.id";
    let now = DateTime(app.db.clock().now()).to_string();
    let line = |row: &Row<'_>| {
        let scopes: Vec<String> = serde_json::from_str(&row.get::<String>(3)?).map_err(Error::internal)?;
        let (expires, revoked, used): (Option<String>, Option<String>, Option<String>) = (row.get(5)?, row.get(6)?, row.get(7)?);
        let state = match (revoked, expires) {
            (Some(at), _) => format!("revoked {at}"),
            (_, Some(at)) if at <= now => format!("expired {at}"),
            (_, Some(at)) => format!("until {at}"),
            _ => "good".to_owned(),
        };
        let used = used.map_or_else(|| "never used".to_owned(), |at| format!("last used {at}"));
        let (id, prefix, owner, name): (i64, String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(4)?);
        Ok(format!("{id}  {prefix}...  {owner}  {}  {state}, {used}  {name}", scopes.join(",")))
    };
    app.db.read(|reader| reader.rows(sql, &[], line))
}

/// Revokes a key.
pub fn revoke(app: &App, id: i64) -> Result<Vec<String>> {
    let sql = "SELECT 1 FROM api_keys WHERE id = ?1";
    if !app.db.read(|reader| reader.exists(sql, &[id.into()]))? {
        return Err(Error::whole(format!("there is no key {id}")));
    }
    let was_good = app.db.write_blocking(control::program(app)?, move |tx| api_key::revoke(tx, id))?;
    Ok(vec![if was_good { format!("Key {id} is revoked.") } else { format!("Key {id} was revoked before.") }])
}
