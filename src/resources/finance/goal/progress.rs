//! How far a goal has come: money that serves it, and the milestones that it reaches.

use super::computed::CURRENT;
use crate::{
    db::{Reader, Row, Value, Writer},
    error::{Error, Result},
    kit::{Money, exponent},
};

/// What happened to the money that serves a goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moves {
    /// There may be more of it. What is reached stays so, also when money comes to serve something else.
    Forward,
    /// Some of it was taken back: what is not reached any more is not.
    Back,
}

/// How far a goal has come.
pub struct Progress {
    pub current: Money,
    pub target: Money,
    /// With one decimal; may be more than 100.
    pub percentage: f64,
}

pub fn progress(reader: &Reader<'_>, goal: i64) -> Result<Progress> {
    let sql = format!("SELECT {CURRENT}, t.target_amount, {}, t.currency FROM goals AS t WHERE t.id = ?1", super::computed::PERCENTAGE);
    let read = |row: &Row<'_>| {
        let exponent = exponent(&row.get::<String>(3)?);
        let money = |index: usize| row.get::<i64>(index).map(|minor| Money { minor, exponent });
        Ok(Progress { current: money(0)?, target: money(1)?, percentage: row.get(2)? })
    };
    reader.row(&sql, &[goal.into()], read)?.ok_or_else(Error::not_found)
}

/// Marks the milestones of a goal that are reached now, deleted ones included, for they may come back.
pub fn moved(tx: &mut Writer<'_>, goal: i64, moves: Moves) -> Result<()> {
    let current = progress(tx, goal)?.current.minor;
    let sql = "SELECT id, reached_at IS NULL FROM goal_milestones WHERE business_id = ?1 AND goal_id = ?2 \
               AND (reached_at IS NULL AND amount <= ?3 OR reached_at IS NOT NULL AND amount > ?3 AND ?4) ORDER BY amount";
    let args = [tx.actor().business_id().into(), goal.into(), current.into(), (moves == Moves::Back).into()];
    let marks: Vec<(i64, bool)> = tx.rows(sql, &args, |row| Ok((row.get(0)?, row.get(1)?)))?;
    for (id, reached) in marks {
        let (action, at) = if reached { ("reach", tx.now().to_string().into()) } else { ("fall_back", Value::Null) };
        tx.step(|tx| {
            tx.act(action);
            tx.update("goal_milestones", id, vec![("reached_at", at)]).map(drop)
        })?;
    }
    Ok(())
}

/// May money in this currency serve the goal?
///
/// # Errors
/// 400 on `goal` for another currency, and for what is no income.
pub fn check_served(reader: &Reader<'_>, goal: i64, currency: &str, is_income: bool) -> Result<()> {
    if !is_income {
        return Err(Error::field("goal", "Only money that comes in serves a goal."));
    }
    let wanted: Option<String> = reader.one("SELECT currency FROM goals WHERE id = ?1", &[goal.into()])?;
    match wanted {
        Some(wanted) if wanted != currency => Err(Error::field("goal", format!("The goal is in {wanted}, the money in {currency}."))),
        _ => Ok(()),
    }
}
