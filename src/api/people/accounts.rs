//! What is done with the accounts of people: closing them and opening them again, letting somebody try to sign in again, and taking a
//! second factor from somebody who has lost it.

use poem::Result;
use poem_openapi::{Object, OpenApi, param::Path};
use serde_json::json;

use crate::{
    actor::Role,
    auth::{account, factor, gate::Caller, proof::Person, throttle},
    db::{Row, Writer},
    engine::{READ, reply::Reply, verbs},
    error::{self, Error},
    resources::accounts::{
        User,
        membership::{expect_another_admin, expect_rank},
    },
};

/// Whether there was something to take.
#[derive(Object)]
struct TwoFactorReset {
    /// In words.
    detail: String,
}

pub struct People;

#[OpenApi]
impl People {
    /// Close an account
    ///
    /// The person cannot sign in any more, anywhere; all their sessions end. An account that is used in other businesses as well is closed
    /// by superusers only: suspend the membership instead.
    #[oai(path = "/accounts/users-list/:id/deactivate", method = "post")]
    async fn deactivate(&self, caller: Caller, id: Path<String>) -> Result<Reply<User>> {
        let close = move |tx: &mut Writer<'_>| {
            let id = found(tx, &id.0)?;
            let sql = "SELECT business_id FROM memberships WHERE user_id = ?1 AND role = 'admin' AND status = 'active'";
            for business in tx.rows(sql, &[id.into()], |row| row.get::<i64>(0))? {
                expect_another_admin(tx, business, id)?;
            }
            account::sign_out(tx, id, ("deactivate", "deactivated"), vec![("is_active", false.into())])?;
            Ok(id)
        };
        Ok(verbs::act_on::<User>(&caller, close).await?)
    }

    /// Open a closed account again
    #[oai(path = "/accounts/users-list/:id/activate", method = "post")]
    async fn activate(&self, caller: Caller, id: Path<String>) -> Result<Reply<User>> {
        let open = move |tx: &mut Writer<'_>| {
            let id = found(tx, &id.0)?;
            tx.act("activate");
            tx.update("users", id, vec![("is_active", true.into())])?;
            Ok(id)
        };
        Ok(verbs::act_on::<User>(&caller, open).await?)
    }

    /// Unlock a person
    ///
    /// For administrators: whatever was guessed wrong at the account is forgotten, and its owner can sign in at once.
    #[oai(path = "/accounts/users-list/:id/unlock", method = "post")]
    async fn unlock(&self, caller: Caller, id: Path<String>) -> Result<Reply<User>> {
        if caller.actor.role != Role::Admin {
            return Err(Error::forbidden().into());
        }
        let unlock = move |tx: &mut Writer<'_>| {
            let user = verbs::find::<User>(tx, tx.actor(), &id.0, READ)?;
            throttle::unlock(tx, user)?;
            tx.note("users", user, "unlock", None, None)?;
            Ok(user)
        };
        Ok(verbs::act_on::<User>(&caller, unlock).await?)
    }

    /// Take the second factor from somebody
    ///
    /// Passkeys included. For an administrator of the business whose member has lost it, and who has signed in, or confirmed their password, minutes ago. All
    /// their sessions end. A superuser's, and that of somebody who runs another business as well, only a superuser can take; and nobody
    /// takes their own.
    #[oai(path = "/accounts/users-list/:id/reset-2fa", method = "post")]
    async fn reset(&self, caller: Person, id: Path<String>) -> Result<Reply<TwoFactorReset>> {
        if caller.actor.needs_second_factor || caller.actor.role != Role::Admin || caller.actor.business.is_none() {
            return Err(Error::forbidden().into());
        }
        caller.expect_fresh()?;
        let key = id.0;
        let had = caller.write(move |tx| {
            let user = resettable(tx, &key)?;
            factor::reset(tx, user)
        });
        let detail =
            if had.await? { "Two-factor authentication was reset." } else { "There was no second factor; all sessions were ended." };
        Ok(Reply::json(&json!({"detail": detail})))
    }
}

/// A person whose account the caller may close and open.
fn found(tx: &Writer<'_>, key: &str) -> error::Result<i64> {
    let actor = tx.actor();
    if !actor.is_manager() {
        return Err(Error::forbidden());
    }
    let id = verbs::find::<User>(tx, actor, key, READ)?;
    let sql = "SELECT u.is_superuser,
                      EXISTS (SELECT 1 FROM memberships AS m WHERE m.user_id = u.id AND m.business_id = ?2 AND m.role = 'admin'),
                      EXISTS (SELECT 1 FROM memberships AS m WHERE m.user_id = u.id AND m.business_id <> ?2
                              AND (m.status = 'active' OR m.status = 'suspended'))
               FROM users AS u WHERE u.id = ?1";
    let read = |row: &Row<'_>| Ok((row.get::<bool>(0)?, row.get::<bool>(1)?, row.get::<bool>(2)?));
    let found = tx.row(sql, &[id.into(), actor.business_id().into()], read)?;
    let (is_superuser, is_admin, is_elsewhere) = found.ok_or_else(Error::not_found)?;
    expect_rank(tx, is_admin)?;
    if is_superuser && !actor.is_superuser {
        return Err(Error::forbidden());
    }
    if actor.user_id == Some(id) {
        return Err(Error::Forbidden { detail: "This is your own account.".into(), code: "own_account" });
    }
    if is_elsewhere && !actor.is_superuser {
        return Err(Error::conflict(
            "other_businesses",
            "The account is used in other businesses as well. Suspend the membership instead.",
        ));
    }
    Ok(id)
}

/// The member whose second factor the caller may take.
fn resettable(tx: &Writer<'_>, key: &str) -> error::Result<i64> {
    let actor = tx.actor();
    let missing = || Error::NotFound("No User matches the given query.".into());
    let sql = "SELECT u.id, u.is_superuser, EXISTS (SELECT 1 FROM memberships AS o WHERE o.user_id = u.id AND o.business_id <> ?1
                                                    AND o.status = 'active' AND (o.role = 'admin' OR o.role = 'manager'))
               FROM users AS u JOIN memberships AS m ON m.user_id = u.id AND m.business_id = ?1
               WHERE u.deleted_at IS NULL AND (u.id = ?2 OR u.uuid = ?3)";
    let id: Option<i64> = key.parse().ok();
    let found = tx.row(sql, &[actor.business_id().into(), id.into(), key.to_ascii_lowercase().into()], |row| {
        Ok((row.get::<i64>(0)?, row.get::<bool>(1)?, row.get::<bool>(2)?))
    })?;
    let (user, is_superuser, runs_others) = found.ok_or_else(missing)?;
    if (is_superuser || runs_others) && !actor.is_superuser || Some(user) == actor.user_id {
        return Err(Error::forbidden());
    }
    Ok(user)
}
