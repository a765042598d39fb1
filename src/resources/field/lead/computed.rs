//! What the database works out about a lead.
//!
//! It runs for each row of the list that is asked for most, so every subquery here is a look into one index.

use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef},
    types::Type,
};

use crate::engine::{Computed, Output, about::schema};

/// SQL for "this lead is the caller's own", the lead being the row that is named.
macro_rules! own_lead {
    ($lead:literal) => {
        concat!(
            "(",
            $lead,
            ".assigned_rep_id = :me OR ",
            $lead,
            ".created_by = :me OR ",
            $lead,
            ".zone_id IN (SELECT id FROM zones WHERE business_id = :business AND manager_id = :me))"
        )
    };
}
pub(in crate::resources::field) use own_lead;

macro_rules! is_open {
    () => {
        "t.stage NOT IN ('won', 'lost')"
    };
}

macro_rules! is_overdue {
    () => {
        concat!("(", is_open!(), " AND t.follow_up_date IS NOT NULL AND t.follow_up_date < :today)")
    };
}

/// Explainable on purpose: anybody can add it up from what the lead shows.
macro_rules! score {
    () => {
        concat!(
            "max(0, min(100, ",
            "CASE t.stage WHEN 'prospect' THEN 10 WHEN 'qualified' THEN 40 WHEN 'negotiation' THEN 70 WHEN 'won' THEN 100 ELSE 0 END",
            " + CASE WHEN t.source IN ('referral', 'inbound') THEN 10 ELSE 0 END",
            // The last activity is never older than an action: most leads need no counting.
            " + CASE WHEN t.last_activity_at >= (SELECT date(:today, '-14 days')) THEN",
            " min(15, 5 * (SELECT count(*) FROM lead_actions AS a WHERE a.lead_id = t.id AND a.deleted_at IS NULL",
            " AND a.date >= (SELECT date(:today, '-14 days')) AND a.date < (SELECT date(:today, '+1 day')))) ELSE 0 END",
            " + CASE t.priority WHEN 'high' THEN 5 WHEN 'urgent' THEN 10 ELSE 0 END",
            " - CASE WHEN ",
            is_overdue!(),
            " THEN 10 ELSE 0 END))"
        )
    };
}

/// The priority comes first, so that the actions of such leads need not be counted; neither need those of an early stage, which
/// reaches 75 at most.
pub const IS_HOT: &str =
    concat!("(", is_open!(), " AND (t.priority IN ('high', 'urgent') OR t.stage = 'negotiation' AND ", score!(), " >= 80))");
pub const HOTTEST_FIRST: &str = concat!(score!(), " DESC, t.id DESC");
pub const IS_DUE: &str = concat!(is_open!(), " AND t.follow_up_date <= :today");

const STATUS_DISPLAY: &str = "CASE t.status WHEN 'new' THEN 'New' WHEN 'interested' THEN 'Interested' WHEN 'follow_up' THEN 'Follow Up' \
     WHEN 'quote_sent' THEN 'Quote Sent' WHEN 'closed_subscribed' THEN 'Closed – Subscribed' WHEN 'closed_lost' THEN 'Closed – Lost' \
     WHEN 'on_hold' THEN 'On Hold' END";

/// Most leads of a list have none: that is found out first, which is much cheaper than making an empty list.
const ACTIONS: &str = concat!(
    "CASE WHEN EXISTS (SELECT 1 FROM lead_actions WHERE lead_id = t.id AND deleted_at IS NULL) THEN ",
    "(SELECT json_group_array(json_object('id', a.id, 'uuid', a.uuid, 'lead', a.lead_id, 'type', a.type, 'date', a.date, ",
    "'notes', a.notes, 'outcome', a.outcome, 'next_follow_up', a.next_follow_up, 'created_by', ",
    "json((SELECT json_object('id', u.id, 'username', u.username, 'first_name', u.first_name, 'last_name', u.last_name) ",
    "FROM users AS u WHERE u.id = a.created_by)), 'created_at', a.created_at, 'updated_at', a.updated_at, ",
    "'created_by_id', a.created_by, 'updated_by', a.updated_by, 'deleted_at', a.deleted_at, 'is_deleted', json('false'), 'version', a.version)) ",
    "FROM (SELECT * FROM lead_actions WHERE lead_id = t.id AND deleted_at IS NULL ORDER BY date DESC, id DESC) AS a) ELSE '[]' END"
);

/// Not `OR`, for which SQLite would walk all leads of the business, nor `UNION`, for which it would make a table.
const DUPLICATES: &str = "(SELECT json_group_array(json_object('id', d.id, 'uuid', d.uuid, 'business_name', d.business_name)) FROM (\
     SELECT id, uuid, business_name FROM leads \
     WHERE business_id = :business AND deleted_at IS NULL AND phone_norm = t.phone_norm AND id <> t.id UNION ALL \
     SELECT id, uuid, business_name FROM leads \
     WHERE business_id = :business AND deleted_at IS NULL AND email_norm = t.email_norm AND phone_norm IS NOT t.phone_norm AND id <> t.id \
     LIMIT 10) AS d)";

const IS_STALE: &str = concat!("(", is_open!(), " AND coalesce(t.last_activity_at, t.created_at) < (SELECT date(:today, '-14 days')))");

pub const ALL: &[Computed] = &[
    Computed::text("status_display", STATUS_DISPLAY, "The status in words."),
    Computed::integer(
        "lead_score",
        score!(),
        "0 to 100. By stage: prospect 10, qualified 40, negotiation 70, won 100, lost 0; referral or inbound +10; each action of the \
         last 14 days +5, at most +15; high priority +5, urgent +10; follow-up overdue -10.",
    ),
    Computed::bool("is_hot", IS_HOT, "Is open, and has a high or urgent priority or a score of 80 or more."),
    Computed::bool("has_pending_follow_up", "coalesce(t.follow_up_date >= :today, FALSE)", "Is there a follow-up today or later?"),
    Computed::bool("follow_up_overdue", is_overdue!(), "Is open, and the day of the follow-up has passed."),
    Computed::bool("is_stale", IS_STALE, "Is open, and nobody was in touch for 14 days."),
    Computed::new("actions", Output::Json(|| schema::list_of("LeadActionRead")), ACTIONS, "What was done about the lead, newest first."),
    Computed::new(
        "duplicates",
        Output::Json(duplicates),
        DUPLICATES,
        "Other leads with the same telephone number or e-mail address, whoever looks after them.",
    )
    .on_detail(),
];

fn duplicates() -> MetaSchemaRef {
    let properties = vec![("id", i64::schema_ref()), ("uuid", String::schema_ref()), ("business_name", String::schema_ref())];
    let duplicate = MetaSchemaRef::Inline(Box::new(MetaSchema { properties, ..MetaSchema::new("object") }));
    MetaSchemaRef::Inline(Box::new(MetaSchema { items: Some(Box::new(duplicate)), ..MetaSchema::new("array") }))
}
