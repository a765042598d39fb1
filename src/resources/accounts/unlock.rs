//! Letting somebody try to sign in again.

use poem_openapi::{OpenApi, param::Path};

use super::User;
use crate::{
    actor::Role,
    auth::{gate::Caller, throttle},
    engine::{READ, reply::Reply, verbs},
    error::Error,
};

pub struct UserVerbs;

#[OpenApi]
impl UserVerbs {
    /// Unlock a person
    ///
    /// For administrators: whatever was guessed wrong at the account is forgotten, and its owner can sign in at once.
    #[oai(path = "/accounts/users-list/:id/unlock", method = "post")]
    async fn unlock(&self, caller: Caller, id: Path<String>) -> poem::Result<Reply<User>> {
        if caller.actor.role != Role::Admin {
            return Err(Error::forbidden().into());
        }
        let unlocked = verbs::act_on::<User>(&caller, move |tx| {
            let user = verbs::find::<User>(tx, &tx.actor().clone(), &id.0, READ)?;
            throttle::unlock(tx, user)?;
            tx.note("users", user, "unlock", None, None)?;
            Ok(user)
        });
        Ok(unlocked.await?)
    }
}
