//! What the database works out about a goal: how much there is, and how much is to come by when.

use crate::engine::{Computed, Output, about::schema};

/// The money that serves the goal `t`: posted payments and, what is no payment's row, posted income. Keys hold it in its currency.
macro_rules! current {
    () => {
        "(coalesce((SELECT sum(p.amount) FROM payments AS p WHERE p.business_id = t.business_id AND p.goal_id = t.id AND p.state = 'posted'), 0) \
          + coalesce((SELECT sum(x.amount) FROM transactions AS x WHERE x.business_id = t.business_id AND x.goal_id = t.id \
                      AND x.state = 'posted'), 0))"
    };
}
pub const CURRENT: &str = current!();

pub const PERCENTAGE: &str = concat!("round(", current!(), " * 100.0 / t.target_amount, 1)");

const STATE: &str = concat!(
    "CASE WHEN t.archived_at IS NOT NULL THEN 'archived' WHEN ",
    current!(),
    " >= t.target_amount THEN 'achieved' WHEN t.due_date < :today THEN 'missed' ELSE 'active' END"
);

/// Of what is left, rounded up, so that it is enough; on the last day all of it.
const PER_DAY: &str = concat!(
    "CASE WHEN t.due_date < :today THEN NULL ELSE (max(t.target_amount - ",
    current!(),
    ", 0) + max(CAST(julianday(t.due_date) - julianday(:today) AS INTEGER), 1) - 1) \
     / max(CAST(julianday(t.due_date) - julianday(:today) AS INTEGER), 1) END"
);

const MILESTONES: &str = "(SELECT json_group_array(json_object('id', m.id, 'amount', money_text(m.amount, m.currency), 'label', m.label, \
     'notify', json(CASE m.notify WHEN 1 THEN 'true' ELSE 'false' END), \
     'is_reached', json(CASE WHEN m.reached_at IS NULL THEN 'false' ELSE 'true' END), 'reached_at', m.reached_at, 'goal', m.goal_id)) \
     FROM (SELECT * FROM goal_milestones WHERE business_id = t.business_id AND goal_id = t.id AND deleted_at IS NULL ORDER BY amount) AS m)";

pub const ALL: &[Computed] = &[
    Computed::money("current_amount", CURRENT, "What there is of it: payments and income that serve it."),
    Computed::new("percentage", Output::Number, PERCENTAGE, "The same in percent of the target, with one decimal; may be more than 100."),
    Computed::money("remaining", concat!("max(t.target_amount - ", current!(), ", 0)"), "What is to come."),
    Computed::choice(
        "state",
        &["active", "achieved", "missed", "archived"],
        STATE,
        "archived, achieved, missed (past due, and not achieved) or active.",
    ),
    Computed::integer(
        "days_left",
        "max(CAST(julianday(t.due_date) - julianday(:today) AS INTEGER), 0)",
        "So many days until it is due; 0 once it is.",
    ),
    Computed::money("required_per_day", PER_DAY, "What is to come each day; empty when it is past due."),
    Computed::text(
        "owner_name",
        "(SELECT coalesce(nullif(u.full_name, ''), u.username, u.email, u.phone) FROM users AS u WHERE u.id = t.owner_id)",
        "What its owner is called.",
    ),
    Computed::new(
        "milestones",
        Output::Json(|| {
            schema::list_of_objects(&[
                ("id", "integer"),
                ("amount", "string"),
                ("label", "string"),
                ("notify", "boolean"),
                ("is_reached", "boolean"),
                ("reached_at", "string"),
                ("goal", "integer"),
            ])
        }),
        MILESTONES,
        "The amounts on the way, the least first.",
    ),
];
