//! Who somebody is: looked up for every request, so that a change of role or a revocation holds from the next one on.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    api_key::{self, Stored},
    factor,
    token::Claims,
};
use crate::{
    actor::{Actor, Business, Capability, Role, Without},
    db::{Reader, Row, Value},
    error::{Error, Result},
};

/// What the configuration says of people's proofs.
pub struct Rules {
    /// Roles that must have a second factor, in every business.
    pub two_factor: Vec<Role>,
    /// Seconds for which a proof is new enough for what is sensitive.
    pub fresh: i64,
}

/// By what somebody is known.
struct Shown<'c> {
    user: i64,
    /// The token's; a key has none, and outlives another password.
    claims: Option<&'c Claims>,
}

impl Shown<'_> {
    fn by_code(&self) -> bool {
        self.claims.is_some_and(|claims| claims.scope == "citizen")
    }
}

/// The person that a token is for, in the business that it names, or that they switch to.
pub(super) fn person(
    reader: &Reader<'_>,
    user: i64,
    claims: &Claims,
    switch: Option<&str>,
    rules: &Rules,
    now: Timestamp,
) -> Result<Actor> {
    let business = match switch {
        None => claims.biz.into(),
        Some(key) => business(reader, key)?,
    };
    let actor = look_up(reader, &Shown { user, claims: Some(claims) }, business, rules, now)?;
    if switch.is_some() && actor.business.is_none() {
        return Err(Error::forbidden());
    }
    Ok(actor)
}

/// The program that acts with a key: as its maker at this moment, and never as a superuser. With the second at which it ends, and that of
/// its last use that is written down.
pub(super) fn machine(reader: &Reader<'_>, key: &str, switch: Option<&str>, rules: &Rules, now: Timestamp) -> Result<(Actor, i64, i64)> {
    let Stored { id, business: at, user, scopes, expires, used } = api_key::find(reader, key, now)?.ok_or_else(api_key::refused)?;
    if let Some(other) = switch
        && business(reader, other)? != Value::from(at)
    {
        return Err(Error::forbidden());
    }
    let mut actor = look_up(reader, &Shown { user, claims: None }, at.into(), rules, now)
        .map_err(|error| if matches!(error, Error::Unauthenticated { .. }) { api_key::refused() } else { error })?;
    if actor.business.is_none() {
        return Err(api_key::refused());
    }
    actor.is_superuser = false;
    actor.api_key = Some((id, Arc::new(scopes)));
    Ok((actor, expires, used))
}

/// The id of a business by id or uuid.
fn business(reader: &Reader<'_>, key: &str) -> Result<Value> {
    Ok(match key.trim().parse::<i64>() {
        Ok(id) => id.into(),
        Err(_) => reader.one::<i64>("SELECT id FROM businesses WHERE uuid = ?1", &[key.trim().to_ascii_lowercase().into()])?.into(),
    })
}

fn look_up(reader: &Reader<'_>, shown: &Shown<'_>, business: Value, rules: &Rules, now: Timestamp) -> Result<Actor> {
    let sql = format!(
        "SELECT u.is_active, u.is_superuser, u.token_epoch, m.role, m.capabilities, m.branch_id, b.id, b.currency, b.timezone, b.country,
                      b.response_format, CASE json_type(b.settings, '$.require_2fa') WHEN 'array' THEN json_extract(b.settings, '$.require_2fa') END,
                      ({}), b.features
               FROM users AS u
               LEFT JOIN businesses AS b ON b.id = ?2 AND b.is_active = 1 AND b.deleted_at IS NULL
               LEFT JOIN memberships AS m ON m.business_id = b.id AND m.user_id = u.id AND m.status = 'active'
               WHERE u.id = ?1 AND u.deleted_at IS NULL",
        factor::ANY
    );
    let found = reader.row(&sql, &[shown.user.into(), business], |row| read(row, shown, rules, now))?;
    found.ok_or_else(|| Error::unauthenticated("user_not_found", "User not found"))?
}

fn read(row: &Row<'_>, shown: &Shown<'_>, rules: &Rules, now: Timestamp) -> Result<Result<Actor>> {
    if !row.get::<bool>(0)? {
        return Ok(Err(Error::unauthenticated("user_inactive", "User is inactive")));
    }
    let epoch: i64 = row.get(2)?;
    if shown.claims.is_some_and(|claims| claims.epoch != epoch) {
        return Ok(Err(Error::unauthenticated("password_changed", "The user's password has been changed.")));
    }
    let mut actor = Actor::system(now);
    actor.user_id = Some(shown.user);
    actor.session = shown.claims.map(|claims| claims.sid.clone());
    actor.by_code = shown.by_code();
    actor.fresh_seconds = rules.fresh;
    let is_superuser: bool = row.get(1)?;
    let role: Option<String> = row.get(3)?;
    let role = role.as_deref().and_then(Role::parse);
    let belongs = role.is_some() || is_superuser && !actor.by_code;
    if let (Some(id), true) = (row.get::<Option<i64>>(6)?, belongs) {
        let business = Business::new(id, row.get(7)?, &row.get::<String>(8)?, row.get(9)?);
        let without = Without::of(&serde_json::from_str(&row.get::<String>(13)?).unwrap_or_default());
        actor.business = Some(Arc::new(Business { envelope: row.get::<String>(10)? == "standard", without, ..business }));
    }
    // A one-time code proves a phone, not a password: its tokens give a citizen's rights whatever the account may do.
    if actor.by_code {
        return Ok(Ok(actor));
    }
    actor.is_superuser = is_superuser;
    actor.role = if is_superuser { Role::Admin } else { role.unwrap_or(Role::Citizen) };
    let capabilities: Option<String> = row.get(4)?;
    for name in capabilities.and_then(|list| serde_json::from_str::<Vec<String>>(&list).ok()).unwrap_or_default() {
        if let Some(capability) = Capability::parse(&name) {
            actor.grant(capability);
        }
    }
    actor.branch_id = row.get(5)?;
    let has_second_factor: bool = row.get(12)?;
    actor.needs_second_factor = !has_second_factor && is_required(actor.role, rules, row.get(11)?);
    Ok(Ok(actor))
}

/// Must people of this role have a second factor, by the configuration or by their business's settings?
fn is_required(role: Role, rules: &Rules, settings: Option<String>) -> bool {
    let of_business: Vec<serde_json::Value> = settings.and_then(|list| serde_json::from_str(&list).ok()).unwrap_or_default();
    rules.two_factor.contains(&role) || of_business.iter().any(|name| *name == role.name())
}
