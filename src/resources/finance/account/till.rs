//! Where money is when nobody says so, and whose it is.

use crate::{
    actor::{Actor, Capability::Finance},
    db::Reader,
    error::Result,
};

/// The account that is meant when none is named: the oldest cash box of the business in this currency, or another of its accounts for
/// money; for those who do not keep the books, their own cash box. Nobody else's box is ever meant.
pub fn default_till(reader: &Reader<'_>, actor: &Actor, currency: &str) -> Result<Option<i64>> {
    let sql = "SELECT id FROM accounts WHERE business_id = ?1 AND currency = ?2 AND is_money = 1 AND is_active = 1 AND deleted_at IS NULL \
               AND (owner_id = ?3 OR owner_id IS NULL AND ?4) ORDER BY owner_id IS NOT NULL, type <> 'cash', id LIMIT 1";
    reader.one(sql, &[actor.business_id().into(), currency.into(), actor.user_id.into(), actor.can(Finance).into()])
}

/// May they put money there? Those who do not keep the books have their own cash box, and no other exists for them.
pub fn may_use(reader: &Reader<'_>, actor: &Actor, account: i64) -> Result<bool> {
    let sql = "SELECT 1 FROM accounts WHERE id = ?1 AND business_id = ?2 AND (owner_id = ?3 OR ?4)";
    reader.exists(sql, &[account.into(), actor.business_id().into(), actor.user_id.into(), actor.can(Finance).into()])
}
