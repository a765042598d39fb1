//! What must be true of the books at all times. The database and the program refuse whatever would break it; this finds out whether
//! somebody got past both.

use super::{documents, ledger};
use crate::{db::Reader, error::Result};

/// Something that must be true.
pub struct Check {
    pub name: &'static str,
    /// In words, for whoever reads that it is so.
    pub holds: &'static str,
    /// Answers a sentence for each place where it does not hold; the business is `b`, where there is one.
    pub sql: &'static str,
}

/// All of it that SQL can say. Documents that post add theirs here.
pub const CHECKS: &[Check] = &[
    Check {
        name: "entries",
        holds: "every entry adds up to zero in each currency",
        sql: "SELECT 'entry ' || e.number || ' of business ' || e.business_id || ' is off by ' || sum(l.amount) || ' minor units of ' || l.currency \
              FROM journal_entries AS e JOIN journal_lines AS l ON l.entry_id = e.id WHERE e.state = 'posted' \
              GROUP BY e.id, l.currency HAVING sum(l.amount) <> 0 \
              UNION ALL SELECT 'entry ' || e.number || ' of business ' || e.business_id || ' has less than two lines' FROM journal_entries AS e \
              WHERE e.state = 'posted' AND (SELECT count(*) FROM journal_lines AS l WHERE l.entry_id = e.id) < 2 \
              UNION ALL SELECT 'entry ' || e.number || ' of business ' || e.business_id || ' was left a draft' FROM journal_entries AS e \
              WHERE e.state = 'draft'",
    },
    Check {
        name: "trial balance",
        holds: "all accounts together come to zero in each currency",
        sql: "SELECT 'business ' || a.business_id || ' is off by ' || sum(b.balance) || ' minor units of ' || a.currency \
              FROM ledger_balances AS b JOIN accounts AS a ON a.id = b.account_id GROUP BY a.business_id, a.currency HAVING sum(b.balance) <> 0",
    },
    Check {
        name: "balances",
        holds: "the kept balances are the sums of the lines",
        sql: "SELECT 'account ' || account_id || coalesce(', party ' || party_id, '') || ': kept ' || sum(kept) || ', the lines say ' || sum(said) \
              FROM (SELECT b.account_id, b.party_id, b.balance AS kept, 0 AS said FROM ledger_balances AS b \
                    UNION ALL SELECT l.account_id, l.party_id, 0, l.amount FROM journal_lines AS l JOIN journal_entries AS e ON e.id = l.entry_id \
                              WHERE e.state = 'posted') \
              GROUP BY account_id, party_id HAVING sum(kept) <> sum(said)",
    },
    Check {
        name: "currencies",
        holds: "every line is in the currency of its account",
        sql: "SELECT 'line ' || l.id || ' is in ' || l.currency || ', account ' || a.id || ' in ' || a.currency \
              FROM journal_lines AS l JOIN accounts AS a ON a.id = l.account_id WHERE a.currency <> l.currency OR a.business_id <> l.business_id",
    },
    Check {
        name: "parties",
        holds: "every line on what is owed names the party",
        sql: "SELECT 'line ' || l.id || ' names no party' FROM journal_lines AS l JOIN accounts AS a ON a.id = l.account_id \
              WHERE l.party_id IS NULL AND a.type IN ('receivable', 'payable')",
    },
    Check {
        name: "reversals",
        holds: "every reversal is the exact negation of one entry",
        sql: "SELECT 'entry ' || e.number || ' of business ' || e.business_id || ' does not take back entry ' || o.number \
              FROM journal_entries AS e JOIN journal_entries AS o ON o.id = e.reverses_id \
              WHERE EXISTS (SELECT 1 FROM journal_lines AS l WHERE l.entry_id = e.id OR l.entry_id = o.id \
                            GROUP BY l.account_id, l.party_id HAVING sum(l.amount) <> 0)",
    },
    Check {
        name: "transactions",
        holds: "every posted transaction has one entry, and every reversed one its reversal",
        sql: "SELECT 'transaction ' || t.id || ' is ' || t.state || ' without its entry' FROM transactions AS t \
              WHERE t.state <> 'draft' AND t.journal_entry_id IS NULL \
              UNION ALL SELECT 'transaction ' || t.id || ' is a draft with an entry' FROM transactions AS t \
              WHERE t.state = 'draft' AND t.journal_entry_id IS NOT NULL \
              UNION ALL SELECT 'transaction ' || t.id || ' is ' || t.state || ', its entry is not' FROM transactions AS t \
              WHERE t.journal_entry_id IS NOT NULL AND (t.state = 'reversed') <> EXISTS \
                    (SELECT 1 FROM journal_entries AS r WHERE r.reverses_id = t.journal_entry_id) \
              UNION ALL SELECT 'entry ' || e.number || ' of business ' || e.business_id || ' is of transaction ' || e.source_id || ', which has another' \
              FROM journal_entries AS e WHERE e.source_type = 'transaction' AND e.reverses_id IS NULL AND NOT EXISTS \
                    (SELECT 1 FROM transactions AS t WHERE t.id = e.source_id AND t.journal_entry_id = e.id)",
    },
    Check {
        name: "funds",
        holds: "no account is overdrawn that may not be",
        sql: "SELECT 'account ' || a.id || ' of business ' || a.business_id || ' stands at ' || sum(b.balance) || ' minor units of ' || a.currency \
              FROM accounts AS a JOIN ledger_balances AS b ON b.account_id = a.id WHERE a.is_money AND NOT a.allow_negative \
              GROUP BY a.id HAVING sum(b.balance) < 0",
    },
    Check {
        name: "lock",
        holds: "nothing was posted into locked books",
        // By the order of the audit log: a clock may have been set back.
        sql: "WITH posted AS (SELECT e.number, e.business_id, e.date, \
                              (SELECT json_extract(a.after, '$.books_locked_until') FROM audit_log AS a \
                               WHERE a.target_type = 'businesses' AND a.target_id = e.business_id AND a.id < p.id \
                               AND json_type(a.after, '$.books_locked_until') IS NOT NULL ORDER BY a.id DESC LIMIT 1) AS locked \
                              FROM journal_entries AS e JOIN audit_log AS p \
                              ON p.target_type = 'journal_entries' AND p.target_id = e.id AND p.action = 'journal_entries.post') \
              SELECT 'entry ' || number || ' of business ' || business_id || ' is dated ' || date || ', and was posted after the books were locked to ' || locked \
              FROM posted WHERE locked >= date",
    },
    Check {
        name: "numbers",
        holds: "entries are numbered without gaps",
        sql: "SELECT 'business ' || e.business_id || ' has ' || count(*) || ' entries, the last is number ' || max(e.number) \
              FROM journal_entries AS e GROUP BY e.business_id HAVING count(*) <> max(e.number)",
    },
];

/// What came of a check.
pub struct Finding {
    pub name: &'static str,
    pub holds: &'static str,
    /// None: it holds.
    pub problems: Vec<String>,
}

/// Looks at everything; may walk every table of the books.
pub fn run(reader: &Reader<'_>) -> Result<Vec<Finding>> {
    let mut findings = vec![];
    for check in CHECKS.iter().chain(documents::CHECKS) {
        let problems = reader.rows(check.sql, &[], |row| row.get::<String>(0))?;
        findings.push(Finding { name: check.name, holds: check.holds, problems });
    }
    let (problems, _) = journal(reader)?;
    findings.push(Finding { name: "series", holds: "documents are numbered without gaps", problems: ledger::gaps(reader)? });
    findings.push(Finding { name: "chain", holds: "every entry is as it was posted", problems });
    Ok(findings)
}

/// Where the journal is not what was posted, by its own chain and by the audit log; and how many entries there are.
pub fn journal(reader: &Reader<'_>) -> Result<(Vec<String>, u64)> {
    let (broken, count) = ledger::verify(reader)?;
    let problems = broken.iter().map(|at| format!("entry {} of business {}: {}", at.number, at.business, at.why));
    Ok((problems.chain(ledger::compare_with_log(reader)?).collect(), count))
}
