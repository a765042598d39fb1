//! What the database works out about a party: what it owes and is owed, in its own currency and in each.

use crate::engine::{Computed, Output, about::schema};

/// The sum of a party's lines on what is owed to the business (`receivable`) or by it (`payable`), debit being positive.
macro_rules! sum {
    ($type:literal) => {
        concat!(
            "coalesce((SELECT sum(b.balance) FROM ledger_balances AS b JOIN accounts AS a ON a.id = b.account_id ",
            "WHERE b.party_id = t.id AND a.type = '",
            $type,
            "' AND a.currency = t.currency), 0)"
        )
    };
}

/// What is owed to or by a party, if anything: what was earned from it or spent on it is owed by nobody.
macro_rules! open {
    ($party:literal) => {
        concat!(
            "SELECT 1 FROM ledger_balances AS b JOIN accounts AS a ON a.id = b.account_id WHERE b.party_id = ",
            $party,
            " AND b.balance <> 0 AND (a.type = 'receivable' OR a.type = 'payable')"
        )
    };
}
pub const IS_OPEN: &str = open!("?1");
pub const HAS_OPEN_IS: &str = concat!("CASE WHEN EXISTS (", open!("t.id"), ") THEN 'true' ELSE 'false' END = ?");

const BALANCES: &str = "(SELECT json_group_array(json_object('currency', s.currency, \
     'receivable_open', money_text(max(s.receivable, 0), s.currency), 'payable_open', money_text(max(-s.payable, 0), s.currency), \
     'credit_available', money_text(max(-s.receivable, 0), s.currency), 'balance', money_text(s.receivable + s.payable, s.currency))) \
     FROM (SELECT a.currency AS currency, sum(CASE a.type WHEN 'receivable' THEN b.balance ELSE 0 END) AS receivable, \
                  sum(CASE a.type WHEN 'payable' THEN b.balance ELSE 0 END) AS payable \
           FROM ledger_balances AS b JOIN accounts AS a ON a.id = b.account_id \
           WHERE b.party_id = t.id AND a.type IN ('receivable', 'payable') GROUP BY a.currency ORDER BY a.currency) AS s)";

pub const ALL: &[Computed] = &[
    Computed::bool("is_internal_user", "t.user_id IS NOT NULL AND t.type = 'internal'", "Do they sign in, and belong to the business?"),
    Computed::money("receivable_open", concat!("max(", sum!("receivable"), ", 0)"), "What they owe, in their currency."),
    Computed::money("payable_open", concat!("max(-", sum!("payable"), ", 0)"), "What they are owed, in their currency."),
    Computed::money("credit_available", concat!("max(-", sum!("receivable"), ", 0)"), "What they have paid ahead, in their currency."),
    Computed::money(
        "balance",
        concat!(sum!("receivable"), " + ", sum!("payable")),
        "What they owe less what they are owed, in their currency.",
    ),
    Computed::new(
        "balances",
        Output::Json(|| {
            schema::list_of_objects(&[
                ("currency", "string"),
                ("receivable_open", "string"),
                ("payable_open", "string"),
                ("credit_available", "string"),
                ("balance", "string"),
            ])
        }),
        BALANCES,
        "The same in each currency that they have had anything to do with.",
    )
    .on_detail(),
];
