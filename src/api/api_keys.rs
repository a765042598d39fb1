//! The keys of machines: making, listing and revoking them.

use poem::Result;
use poem_openapi::{Object, OpenApi, param::Path};
use serde_json::{Value as Json, json};

use crate::{
    actor::{Actor, Role, Scopes},
    app::doors,
    auth::{
        api_key::{self, NewKey},
        proof::Person,
    },
    db::{Reader, Row, Writer},
    engine::{
        body::Input,
        reply::{NoContent, Reply},
    },
    error::{self, Error, Problems},
    kit::DateTime,
};

const LONGEST_NAME: usize = 100;
const MOST_SCOPES: usize = 100;

/// A key to be made.
#[derive(Object)]
#[oai(rename = "ApiKeyRequest")]
struct ApiKeyRequest {
    /// What it is for, in words.
    name: Option<String>,
    /// What it may do: `field/leads:read`, `field/leads:write` and the like, or `*:read` and `*:write` for everything. Writing does not
    /// include reading, and nothing goes beyond the rights of whoever made it.
    scopes: Option<Vec<String>>,
    /// When it ends; never, if there is none.
    expires_at: Option<DateTime>,
}

/// The key of a program.
#[derive(Object)]
struct ApiKey {
    /// Its number.
    id: i64,
    /// Its universal id.
    uuid: String,
    /// What it is for, in words.
    name: String,
    /// How it begins.
    prefix: String,
    /// What it may do.
    scopes: Vec<String>,
    /// The id of whoever made it, whose rights it has.
    user: i64,
    /// When it was made.
    created_at: DateTime,
    /// When it ends.
    expires_at: Option<DateTime>,
    /// When it was last used, to the hour.
    last_used_at: Option<DateTime>,
    /// When it was revoked.
    revoked_at: Option<DateTime>,
}

/// A key that was just made.
#[derive(Object)]
struct NewApiKey {
    /// The key itself, which is not told again: for `Authorization: Bearer` or `X-Api-Key`.
    key: String,
    /// Its number.
    id: i64,
    /// Its universal id.
    uuid: String,
    /// What it is for, in words.
    name: String,
    /// How it begins.
    prefix: String,
    /// What it may do.
    scopes: Vec<String>,
    /// The id of whoever made it, whose rights it has.
    user: i64,
    /// When it was made.
    created_at: DateTime,
    /// When it ends.
    expires_at: Option<DateTime>,
    /// Empty as yet.
    last_used_at: Option<DateTime>,
    /// Empty as yet.
    revoked_at: Option<DateTime>,
}

pub struct ApiKeys;

#[OpenApi]
impl ApiKeys {
    /// List API keys
    ///
    /// Administrators see those of the business, others their own. The newest come first, at most 1,000.
    #[oai(path = "/auth/api-keys", method = "get")]
    async fn list(&self, caller: Person) -> Result<Reply<Vec<ApiKey>>> {
        let actor = manager(&caller)?;
        let keys = caller.read(|reader| listed(reader, actor, None))?;
        Ok(Reply::json(&Json::Array(keys)))
    }

    /// Make an API key
    ///
    /// For administrators and managers who have signed in, or confirmed their password, minutes ago. The key is told once.
    #[oai(path = "/auth/api-keys", method = "post")]
    async fn create(&self, caller: Person, body: Input<ApiKeyRequest>) -> Result<Reply<NewApiKey, 201>> {
        let actor = manager(&caller)?;
        caller.expect_fresh()?;
        let new = checked(actor, body.get()?)?;
        let (id, key) = caller.write(move |tx| api_key::make(tx, new.clone())).await?;
        let mut made = caller.read(|reader| listed(reader, actor, Some(id)))?.pop().ok_or_else(Error::not_found)?;
        made["key"] = key.into();
        Ok(Reply::json(&made))
    }

    /// Revoke an API key
    ///
    /// It is good for nothing from the next request on. Administrators revoke any of the business, others their own.
    #[oai(path = "/auth/api-keys/:id", method = "delete")]
    async fn revoke(&self, caller: Person, id: Path<String>) -> Result<NoContent> {
        manager(&caller)?;
        let id: i64 = id.0.parse().map_err(|_| Error::not_found())?;
        let work = move |tx: &mut Writer<'_>| {
            let actor = tx.actor().clone();
            if listed(tx, &actor, Some(id))?.is_empty() {
                return Err(Error::not_found());
            }
            api_key::revoke(tx, id).map(drop)
        };
        caller.write(work).await?;
        Ok(NoContent)
    }
}

/// Programs are the business of whoever runs the business.
fn manager(caller: &Person) -> error::Result<&Actor> {
    let actor = caller.actor.as_ref();
    if actor.needs_second_factor || !actor.is_manager() || actor.business.is_none() { Err(Error::forbidden()) } else { Ok(actor) }
}

/// The keys that somebody may know of, or one of them.
fn listed(reader: &Reader<'_>, actor: &Actor, id: Option<i64>) -> error::Result<Vec<Json>> {
    let sql = "SELECT id, uuid, name, prefix, scopes, user_id, created_at, expires_at, last_used_at, revoked_at FROM api_keys
               WHERE business_id = ?1 AND (?2 IS NULL OR user_id = ?2) AND (?3 IS NULL OR id = ?3) ORDER BY id DESC LIMIT 1000";
    let owner = if actor.role == Role::Admin { None } else { actor.user_id };
    reader.rows(sql, &[actor.business_id().into(), owner.into(), id.into()], |row: &Row<'_>| {
        let scopes: Json = serde_json::from_str(&row.get::<String>(4)?).map_err(Error::internal)?;
        let text = |index| row.get::<Option<String>>(index);
        Ok(json!({
            "id": row.get::<i64>(0)?, "uuid": text(1)?, "name": text(2)?, "prefix": text(3)?, "scopes": scopes,
            "user": row.get::<i64>(5)?, "created_at": text(6)?, "expires_at": text(7)?, "last_used_at": text(8)?, "revoked_at": text(9)?,
        }))
    })
}

fn checked(actor: &Actor, body: &ApiKeyRequest) -> error::Result<NewKey> {
    let mut problems = Problems::default();
    let name = body.name.as_deref().unwrap_or_default().trim().to_owned();
    if name.is_empty() {
        problems.add("name", "This field is required.");
    } else if name.chars().count() > LONGEST_NAME {
        problems.add("name", format!("Ensure this field has no more than {LONGEST_NAME} characters."));
    } else if name.contains('\0') {
        problems.add("name", "Null characters are not allowed.");
    }
    let scopes = body.scopes.clone().unwrap_or_default();
    if let Some(text) = wrong_scopes(&scopes) {
        problems.add("scopes", text);
    }
    if body.expires_at.is_some_and(|at| at.0 <= actor.now) {
        problems.add("expires_at", "This must be in the future.");
    }
    problems.or_ok()?;
    let (Some(business), Some(user)) = (actor.business_id(), actor.user_id) else { return Err(Error::forbidden()) };
    Ok(NewKey { business, user, name, scopes, expires_at: body.expires_at })
}

/// What is wrong with the scopes of a key to be made.
pub fn wrong_scopes(texts: &[String]) -> Option<String> {
    if texts.is_empty() {
        return Some("This list may not be empty.".into());
    }
    if texts.len() > MOST_SCOPES {
        return Some(format!("Ensure this field has no more than {MOST_SCOPES} elements."));
    }
    match Scopes::parse(texts) {
        Err(text) => Some(format!("\"{text}\" is not a scope: write a resource's path and what to do there, such as field/leads:read.")),
        Ok(scopes) => doors().unknown(&scopes).map(|path| format!("There is no resource \"{path}\".")),
    }
}
