//! What the database works out about a requisition.

use crate::engine::Computed;

/// What somebody is called.
macro_rules! name_of {
    ($id:literal) => {
        concat!("(SELECT coalesce(nullif(u.full_name, ''), u.username, u.email, u.phone) FROM users AS u WHERE u.id = ", $id, ")")
    };
}

/// How much of what was approved is paid, in a word.
const PAYMENT_STATUS: &str =
    "CASE WHEN t.paid_amount = 0 THEN 'unpaid' WHEN t.paid_amount < t.approved_amount THEN 'part_paid' ELSE 'paid' END";

pub const ALL: &[Computed] = &[
    Computed::choice(
        "payment_status",
        &["unpaid", "part_paid", "paid"],
        PAYMENT_STATUS,
        "unpaid, part_paid or paid: how much of what was approved is paid.",
    ),
    Computed::money("paid", "t.paid_amount", "What is paid of it."),
    Computed::money(
        "remaining",
        "CASE t.status WHEN 'approved' THEN t.approved_amount - t.paid_amount ELSE 0 END",
        "What was approved and is not paid yet.",
    ),
    Computed::bool(
        "has_items",
        "EXISTS (SELECT 1 FROM requisition_items AS i WHERE i.requisition_id = t.id)",
        "Is it made of items? Then these say what it comes to.",
    ),
    Computed::money(
        "calculated_total",
        "coalesce((SELECT sum(i.amount) FROM requisition_items AS i WHERE i.requisition_id = t.id), t.amount)",
        "What its items come to; the amount when it has none.",
    ),
    Computed::text("requested_by_name", name_of!("t.requested_by_id"), "What whoever asks is called."),
    Computed::integer("approved_by", "CASE WHEN t.approved_amount IS NOT NULL THEN t.decided_by END", "The id of whoever approved it."),
    Computed::text(
        "approved_by_name",
        concat!("CASE WHEN t.approved_amount IS NOT NULL THEN ", name_of!("t.decided_by"), " END"),
        "What whoever approved it is called.",
    ),
    Computed::text(
        "date_approved",
        "CASE WHEN t.approved_amount IS NOT NULL THEN substr(t.decided_at, 1, 10) END",
        "The day on which it was approved, in UTC.",
    ),
    Computed::text("party_name", "(SELECT p.name FROM parties AS p WHERE p.id = t.party_id)", "What the party is called."),
];
