//! What can be done with leads besides the operations that every resource has.

use poem_openapi::{Object, OpenApi, param::Path, types::ToJSON};
use serde_json::Map;

use super::{
    Lead, LostReason, Stage,
    computed::{HOTTEST_FIRST, IS_DUE, IS_HOT},
    convert::{self, Convert, Converted},
    merge::{self, Merge},
    name_of,
};
use crate::{
    actor::Actor,
    auth::gate::Caller,
    db::{Reader, Writer},
    engine::{
        LIST, Options, Reach, UPDATE,
        body::Input,
        descriptor,
        reply::{Read, Reply},
        store, verbs,
    },
    error::{Error, Result},
    kit::{Currency, Money, exponent},
};

/// Why a lead is given up.
#[derive(Object)]
pub struct Lose {
    /// Why it was lost.
    pub lost_reason: LostReason,
}

/// The leads of one stage, counted and added up.
#[derive(Object)]
pub struct BoardStage {
    /// The stage.
    pub stage: Stage,
    /// How many leads are in it.
    pub count: i64,
    /// What they may spend, one sum for each currency.
    pub expected_values: Vec<BoardValue>,
}

/// A sum of expected values in one currency.
#[derive(Object)]
pub struct BoardValue {
    /// The currency.
    pub currency: Currency,
    /// The sum.
    pub expected_value: Money,
}

pub struct LeadVerbs;

#[OpenApi]
impl LeadVerbs {
    /// The hot leads
    ///
    /// Open leads with a high or urgent priority or a score of 80 or more, the highest score first.
    #[oai(path = "/field/leads/hot", method = "get")]
    async fn hot(&self, caller: Caller) -> poem::Result<Reply<Vec<Read<Lead>>>> {
        Ok(verbs::rows::<Lead, _>(&caller, IS_HOT, HOTTEST_FIRST).await?)
    }

    /// The leads to get in touch with
    ///
    /// Open leads whose follow-up is today or overdue, the longest overdue first.
    #[oai(path = "/field/leads/due", method = "get")]
    async fn due(&self, caller: Caller) -> poem::Result<Reply<Vec<Read<Lead>>>> {
        Ok(verbs::rows::<Lead, _>(&caller, IS_DUE, "t.follow_up_date, t.id").await?)
    }

    /// The leads by stage
    ///
    /// For each stage, how many leads are in it and what they may spend.
    #[oai(path = "/field/leads/board", method = "get")]
    async fn board(&self, caller: Caller) -> poem::Result<Reply<Vec<BoardStage>>> {
        let actor = caller.actor.clone();
        let stages = caller.scan(move |reader| board(reader, &actor)).await?;
        Ok(Reply::json(&stages.to_json().unwrap_or_default()))
    }

    /// Give a lead up
    ///
    /// Sets its stage to lost and its status to closed_lost.
    #[oai(path = "/field/leads/:id/lose", method = "post")]
    async fn lose(&self, caller: Caller, id: Path<String>, body: Input<Lose>) -> poem::Result<Reply<Lead>> {
        let lose = move |tx: &mut Writer<'_>| {
            let id = verbs::find::<Lead>(tx, tx.actor(), &id.0, UPDATE)?;
            let reason = body.get()?.lost_reason;
            if verbs::load::<Lead>(tx, id)?.stage.is_closed() {
                return Err(Error::conflict("invalid_transition", "The lead is won or lost already."));
            }
            tx.act("lose");
            let changes = Map::from_iter([("stage".to_owned(), "lost".into()), ("lost_reason".to_owned(), name_of(&reason).into())]);
            verbs::change::<Lead>(tx, id, changes, Options::default())?;
            Ok(id)
        };
        Ok(verbs::act_on::<Lead>(&caller, lose).await?)
    }

    /// Take a lead up again
    ///
    /// Makes a won or lost lead a prospect; for managers and administrators.
    #[oai(path = "/field/leads/:id/reopen", method = "post")]
    async fn reopen(&self, caller: Caller, id: Path<String>) -> poem::Result<Reply<Lead>> {
        let reopen = move |tx: &mut Writer<'_>| {
            let id = verbs::find::<Lead>(tx, tx.actor(), &id.0, UPDATE)?;
            if !tx.actor().is_manager() {
                return Err(Error::forbidden());
            }
            if !verbs::load::<Lead>(tx, id)?.stage.is_closed() {
                return Err(Error::conflict("invalid_transition", "Only a won or lost lead can be reopened."));
            }
            tx.act("reopen");
            let changes = Map::from_iter([("stage".to_owned(), "prospect".into())]);
            verbs::change::<Lead>(tx, id, changes, Options::default())?;
            Ok(id)
        };
        Ok(verbs::act_on::<Lead>(&caller, reopen).await?)
    }

    /// Make a customer of a lead
    ///
    /// Wins it: finds the party with its telephone number or e-mail address, or makes one. `create_invoice` drafts an invoice over the
    /// expected value. Whoever does it again gets the same party and the same invoice.
    #[oai(path = "/field/leads/:id/convert", method = "post")]
    async fn convert(&self, caller: Caller, id: Path<String>, body: Input<Convert>) -> poem::Result<Reply<Converted>> {
        let work = move |tx: &mut Writer<'_>| {
            let id = verbs::find::<Lead>(tx, tx.actor(), &id.0, UPDATE)?;
            convert::convert(tx, id, body.get()?)
        };
        Ok(verbs::act(&caller, work, |_, _, done: Converted| Ok(Reply::json(&done.to_json().unwrap_or_default()))).await?)
    }

    /// Make one lead of several
    ///
    /// Moves actions and visits of the others to the one that stays, fills its empty fields from them, and deletes them.
    #[oai(path = "/field/leads/merge", method = "post")]
    async fn merge(&self, caller: Caller, body: Input<Merge>) -> poem::Result<Reply<Lead>> {
        verbs::allowed::<Lead>(&caller.actor, UPDATE)?;
        Ok(verbs::act_on::<Lead>(&caller, move |tx| merge::merge(tx, body.get()?)).await?)
    }
}

/// All stages in their order, also those without leads.
fn board(reader: &Reader<'_>, actor: &Actor) -> Result<Vec<BoardStage>> {
    let reach = descriptor::of::<Lead>().reach(actor, LIST);
    if reach == Reach::Nothing {
        return Err(Error::forbidden());
    }
    let scope = store::scope(descriptor::of::<Lead>(), actor, reach, store::Deleted::Without);
    let sql = format!(
        "SELECT t.stage, t.currency, count(*), count(t.expected_value), coalesce(sum(t.expected_value), 0) \
         FROM leads AS t WHERE {scope} GROUP BY t.stage, t.currency ORDER BY t.currency"
    );
    let mut stages: Vec<BoardStage> = Stage::ALL.into_iter().map(|stage| BoardStage { stage, count: 0, expected_values: vec![] }).collect();
    reader.each(&sql, &store::args(actor, &[]), |row| {
        let (name, currency): (String, String) = (row.get(0)?, row.get(1)?);
        let Some(stage) = stages.iter_mut().find(|stage| name_of(&stage.stage).as_ref() == Some(&name)) else { return Ok(()) };
        stage.count += row.get::<i64>(2)?;
        if row.get::<i64>(3)? > 0 {
            let expected_value = Money { minor: row.get(4)?, exponent: exponent(&currency) };
            stage.expected_values.push(BoardValue { currency: Currency(currency), expected_value });
        }
        Ok(())
    })?;
    Ok(stages)
}
