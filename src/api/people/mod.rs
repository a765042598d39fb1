//! Who belongs to the business: asking people to join, taking their access away and giving it back, and the accounts themselves.

mod accounts;
mod invitations;
mod joining;
mod members;
mod sign_ins;

pub use self::{accounts::People, invitations::Invitations, members::Members, sign_ins::SignIns};

use serde_json::{Map, Value as Json};

use crate::actor::Role;
use crate::{
    db::{Row, Writer},
    engine::{Options, UPDATE, verbs},
    error::{Error, Result},
    outbox::{self, Channel, Message},
    resources::accounts::{Membership, membership::expect_rank},
};

/// A membership that the caller may change.
fn found(tx: &Writer<'_>, key: &str) -> Result<(i64, Membership)> {
    let id = verbs::find::<Membership>(tx, tx.actor(), key, UPDATE)?;
    let membership = verbs::load::<Membership>(tx, id)?;
    expect_rank(tx, membership.role == Role::Admin)?;
    Ok((id, membership))
}

/// Sets what only the program sets.
fn set<const N: usize>(tx: &mut Writer<'_>, id: i64, changes: [(&str, Json); N]) -> Result<()> {
    let changes: Map<String, Json> = changes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    verbs::change::<Membership>(tx, id, changes, Options { internal: true, ..Options::default() })
}

fn business_of(tx: &Writer<'_>) -> Result<i64> {
    tx.actor().business_id().ok_or_else(Error::forbidden)
}

fn business_name(tx: &Writer<'_>, business: i64) -> Result<String> {
    tx.one("SELECT name FROM businesses WHERE id = ?1", &[business.into()])?.ok_or_else(Error::not_found)
}

/// Tells a person something, by the way they can be reached; nobody is told who cannot be.
fn tell(tx: &mut Writer<'_>, user: i64, template: &str, payload: Map<String, Json>) -> Result<()> {
    let read = |row: &Row<'_>| Ok((row.get::<Option<String>>(0)?, row.get::<Option<String>>(1)?));
    let (email, phone) = tx.row("SELECT email, phone FROM users WHERE id = ?1", &[user.into()], read)?.unwrap_or_default();
    let way = email.map(|email| (Channel::Email, email)).or(phone.map(|phone| (Channel::Sms, phone)));
    let Some((channel, recipient)) = way else { return Ok(()) };
    outbox::send(tx, Message { channel, recipient, template: template.to_owned(), payload, key: None, due_at: None }).map(drop)
}
