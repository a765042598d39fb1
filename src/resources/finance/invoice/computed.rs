//! What the database works out about an invoice: how much of it is open, and what was paid towards it.

use crate::engine::{Computed, Output, about::schema};

/// Is there still something to be paid, and is it late?
const IS_OVERDUE: &str = "t.state = 'issued' AND t.kind = 'invoice' AND t.amount_allocated < t.total AND t.due_date < :today";

const STATUS: &str = "CASE WHEN t.state = 'issued' AND t.kind = 'invoice' AND t.amount_allocated < t.total AND t.due_date < :today \
     THEN 'overdue' ELSE t.payment_status END";

const PAYMENTS: &str = "(SELECT json_group_array(json_object('id', a.id, 'payment', a.payment_id, 'credit_note', a.credit_note_id, \
     'number', coalesce(p.number, c.number), 'date', a.date, 'method', p.method, 'amount', money_text(a.amount, t.currency))) \
     FROM (SELECT * FROM allocations WHERE invoice_id = t.id AND business_id = t.business_id ORDER BY id) AS a \
     LEFT JOIN payments AS p ON p.id = a.payment_id LEFT JOIN invoices AS c ON c.id = a.credit_note_id)";

pub const ALL: &[Computed] = &[
    Computed::choice(
        "status",
        &["draft", "unpaid", "partial", "overdue", "paid", "void"],
        STATUS,
        "draft, void, paid, partial, unpaid; overdue: issued, not paid in full, and past the due date.",
    ),
    Computed::choice(
        "payment_status",
        &["draft", "unpaid", "partial", "paid", "void"],
        "t.payment_status",
        "draft, void, paid, partial or unpaid, whatever the date.",
    ),
    Computed::bool("is_overdue", IS_OVERDUE, "Issued, not paid in full, and past the due date."),
    Computed::integer(
        "overdue_days",
        "CASE WHEN t.state = 'issued' AND t.kind = 'invoice' AND t.amount_allocated < t.total AND t.due_date < :today \
         THEN CAST(julianday(:today) - julianday(t.due_date) AS INTEGER) ELSE 0 END",
        "So many days past the due date; 0 when it is not overdue.",
    ),
    Computed::money("paid_amount", "t.amount_allocated", "What was paid or credited towards it; for a credit note, what was used of it."),
    Computed::money("amount_due", "CASE t.state WHEN 'void' THEN 0 ELSE t.total - t.amount_allocated END", "What is still open."),
    Computed::money("amount", "t.total", "The total, as older clients call it. Sent without items, it makes an invoice of one item."),
    Computed::money("tax", "t.tax_total", "The tax, as older clients call it."),
    Computed::money("discount", "t.discount_total", "All discounts, as older clients call them."),
    Computed::text("party_name", "(SELECT p.name FROM parties AS p WHERE p.id = t.party_id)", "What the party is called."),
    Computed::new(
        "payments",
        Output::Json(|| {
            schema::list_of_objects(&[
                ("id", "integer"),
                ("payment", "integer"),
                ("credit_note", "integer"),
                ("number", "string"),
                ("date", "string"),
                ("method", "string"),
                ("amount", "string"),
            ])
        }),
        PAYMENTS,
        "The payments and credit notes that settle it.",
    )
    .on_detail(),
];
