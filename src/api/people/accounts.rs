//! Closing accounts of people, and opening them again.

use poem::Result;
use poem_openapi::{OpenApi, param::Path};

use crate::{
    auth::gate::Caller,
    db::{Row, Writer},
    engine::{READ, reply::Reply, verbs},
    error::{self, Error},
    resources::accounts::{
        User,
        membership::{expect_another_admin, expect_rank},
    },
};

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
            let (id, epoch) = found(tx, &id.0)?;
            let sql = "SELECT business_id FROM memberships WHERE user_id = ?1 AND role = 'admin' AND status = 'active'";
            for business in tx.rows(sql, &[id.into()], |row| row.get::<i64>(0))? {
                expect_another_admin(tx, business, id)?;
            }
            tx.act("deactivate");
            tx.update("users", id, vec![("is_active", false.into()), ("token_epoch", (epoch + 1).into())])?;
            Ok(id)
        };
        Ok(verbs::act_on::<User>(&caller, close).await?)
    }

    /// Open a closed account again
    #[oai(path = "/accounts/users-list/:id/activate", method = "post")]
    async fn activate(&self, caller: Caller, id: Path<String>) -> Result<Reply<User>> {
        let open = move |tx: &mut Writer<'_>| {
            let (id, _) = found(tx, &id.0)?;
            tx.act("activate");
            tx.update("users", id, vec![("is_active", true.into())])?;
            Ok(id)
        };
        Ok(verbs::act_on::<User>(&caller, open).await?)
    }
}

/// A person whose account the caller may close and open: id and epoch.
fn found(tx: &Writer<'_>, key: &str) -> error::Result<(i64, i64)> {
    let actor = tx.actor();
    if !actor.is_manager() {
        return Err(Error::forbidden());
    }
    let id = verbs::find::<User>(tx, actor, key, READ)?;
    let sql = "SELECT u.token_epoch, u.is_superuser,
                      EXISTS (SELECT 1 FROM memberships AS m WHERE m.user_id = u.id AND m.business_id = ?2 AND m.role = 'admin'),
                      EXISTS (SELECT 1 FROM memberships AS m WHERE m.user_id = u.id AND m.business_id <> ?2
                              AND (m.status = 'active' OR m.status = 'suspended'))
               FROM users AS u WHERE u.id = ?1";
    let read = |row: &Row<'_>| Ok((row.get::<i64>(0)?, row.get::<bool>(1)?, row.get::<bool>(2)?, row.get::<bool>(3)?));
    let found = tx.row(sql, &[id.into(), actor.business_id().into()], read)?;
    let (epoch, is_superuser, is_admin, is_elsewhere) = found.ok_or_else(Error::not_found)?;
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
    Ok((id, epoch))
}
