//! Who decides about a requisition: those who run the business, up to a limit, and whoever leads the department; never whoever asks,
//! unless the business says so. Who somebody is counts, not as what they act.

use super::RequisitionStatus;
use crate::{
    actor::{Actor, Role},
    db::{Row, Writer},
    engine::{descriptor::bind, store},
    error::{Error, Result},
};

/// SQL for what the caller asked for themselves, or somebody through them.
const IS_OWN: &str = "(t.requested_by_id IS :me OR t.created_by IS :me)";
/// SQL for more than managers decide about. A limit says nothing of other currencies.
const IS_ABOVE: &str = "EXISTS (SELECT 1 FROM businesses AS b WHERE b.id = t.business_id AND b.requisition_manager_limit IS NOT NULL \
     AND (t.currency <> b.currency OR t.amount > b.requisition_manager_limit))";
/// SQL for what is of a department that the caller leads.
const IS_LED: &str = "EXISTS (SELECT 1 FROM departments AS d WHERE d.business_id = t.business_id AND d.id = t.department_id \
     AND d.manager_id = :me AND d.deleted_at IS NULL)";
/// SQL for a business in which one may decide about one's own.
const SELF_APPROVAL: &str = "EXISTS (SELECT 1 FROM businesses AS b WHERE b.id = t.business_id AND b.requisition_self_approval = 1)";

/// SQL for what waits for a decision that this actor can make.
pub fn decidable(actor: &Actor) -> String {
    let within = match actor.role {
        Role::Admin => "TRUE".to_owned(),
        Role::Manager => format!("NOT {IS_ABOVE}"),
        _ => format!("{IS_LED} AND NOT {IS_ABOVE}"),
    };
    format!("t.status = 'pending' AND ({SELF_APPROVAL} OR NOT {IS_OWN}) AND {within}")
}

/// What counts about a requisition for whoever wants to decide or pay.
struct Standing {
    is_own: bool,
    is_above: bool,
    is_led: bool,
    self_approval: bool,
}

fn standing(reader: &Writer<'_>, id: i64) -> Result<Standing> {
    let sql =
        format!("SELECT {IS_OWN}, {IS_ABOVE}, {IS_LED}, {SELF_APPROVAL} FROM requisitions AS t WHERE t.business_id = ?1 AND t.id = ?4");
    let read = |row: &Row<'_>| Ok(Standing { is_own: row.get(0)?, is_above: row.get(1)?, is_led: row.get(2)?, self_approval: row.get(3)? });
    reader.row(&bind(&sql), &store::args(reader.actor(), &[id.into()]), read)?.ok_or_else(Error::not_found)
}

/// Does the caller ask for it themselves, or has entered it for somebody?
pub fn is_own(tx: &Writer<'_>, id: i64) -> Result<bool> {
    Ok(standing(tx, id)?.is_own)
}

/// May the caller decide about it?
///
/// # Errors
/// 403 for those who decide nothing of the kind; 409 for what waits for no decision, and for one's own.
pub fn expect_decidable(tx: &Writer<'_>, id: i64, status: RequisitionStatus) -> Result<()> {
    let (standing, role) = (standing(tx, id)?, tx.actor().role);
    if !tx.actor().is_manager() && !standing.is_led {
        return Err(Error::forbidden());
    }
    if standing.is_above && role != Role::Admin {
        let detail = "This is above the limit up to which managers decide; ask an administrator.".into();
        return Err(Error::Forbidden { detail, code: "above_limit" });
    }
    if status != RequisitionStatus::Pending {
        return Err(Error::conflict("invalid_transition", "Only a pending requisition is decided about."));
    }
    if standing.is_own && !standing.self_approval {
        return Err(Error::conflict("self_approval", "Nobody decides about a requisition of their own."));
    }
    Ok(())
}

/// May the caller hand the money out?
///
/// # Errors
/// 409 for one's own.
pub fn expect_not_own(tx: &Writer<'_>, id: i64) -> Result<()> {
    let standing = standing(tx, id)?;
    if standing.is_own && !standing.self_approval {
        return Err(Error::conflict("self_approval", "Nobody pays a requisition of their own."));
    }
    Ok(())
}
