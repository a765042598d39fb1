//! What can be done with parties besides the operations that every resource has.

use poem_openapi::OpenApi;

use super::{
    Party,
    merge::{self, Merge},
};
use crate::{
    auth::gate::Caller,
    engine::{DELETE, body::Input, reply::Reply, verbs},
};

pub struct PartyVerbs;

#[OpenApi]
impl PartyVerbs {
    /// Make one party of several
    ///
    /// Fills the empty fields of the one that stays from the others, moves drafts, comments and files to it, and deletes the others.
    /// Refused while anything is open with them.
    #[oai(path = "/finance/parties/merge", method = "post")]
    async fn merge(&self, caller: Caller, body: Input<Merge>) -> poem::Result<Reply<Party>> {
        verbs::allowed::<Party>(&caller.actor, DELETE)?;
        Ok(verbs::act_on::<Party>(&caller, move |tx| merge::merge(tx, body.get()?)).await?)
    }
}
