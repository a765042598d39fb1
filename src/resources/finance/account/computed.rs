//! What the database works out about an account.

use crate::engine::Computed;

/// What is owed and earned stands on the credit side: it is shown as positive.
const BALANCE: &str = "CASE WHEN t.class IN ('asset', 'expense') THEN 1 ELSE -1 END \
     * coalesce((SELECT sum(b.balance) FROM ledger_balances AS b WHERE b.account_id = t.id), 0)";

pub const ALL: &[Computed] = &[
    Computed::bool("is_money", "t.is_money", "Is money kept there?"),
    Computed::money("balance", BALANCE, "What is on it, as is natural for its class: what is owed or earned is positive."),
    Computed::text(
        "balance_as_of",
        "(SELECT max(b.last_date) FROM ledger_balances AS b WHERE b.account_id = t.id)",
        "The day of the latest entry in the balance; empty when there is none.",
    ),
];
