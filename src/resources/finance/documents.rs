//! What must be true of invoices and payments at all times, and of what the books say of them.

use super::check::Check;

/// What of an allocation's two sides is written where.
const SUMS: &str = "SELECT 'invoice ' || i.id || ' says ' || i.amount_allocated || ', its allocations ' || a.sum \
     FROM invoices AS i JOIN (SELECT i.id, (SELECT coalesce(sum(amount), 0) FROM allocations WHERE invoice_id = i.id AND business_id = i.business_id) \
          + (SELECT coalesce(sum(amount), 0) FROM allocations WHERE credit_note_id = i.id AND business_id = i.business_id) AS sum FROM invoices AS i) AS a \
     ON a.id = i.id WHERE a.sum <> i.amount_allocated \
     UNION ALL SELECT 'payment ' || p.id || ' says ' || p.amount_allocated || ', its allocations ' || a.sum \
     FROM payments AS p JOIN (SELECT p.id, (SELECT coalesce(sum(amount), 0) FROM allocations WHERE payment_id = p.id AND business_id = p.business_id) \
          + (SELECT coalesce(sum(amount), 0) FROM allocations WHERE refund_id = p.id AND business_id = p.business_id) AS sum FROM payments AS p) AS a \
     ON a.id = p.id WHERE a.sum <> p.amount_allocated";

/// What documents say that parties owe and are owed, beside what was posted for them. Manual entries are nobody's document.
const OPEN: &str = "SELECT 'party ' || party_id || ': the documents in ' || currency || ' say ' || sum(said) || ' of ' || side || ', the books ' || sum(posted) \
     FROM (SELECT party_id, currency, CASE direction WHEN 'outgoing' THEN 'receivable' ELSE 'payable' END AS side, \
                  CASE WHEN (direction = 'outgoing') = (kind = 'invoice') THEN total - amount_allocated ELSE amount_allocated - total END AS said, \
                  0 AS posted \
           FROM invoices WHERE state = 'issued' \
           UNION ALL \
           SELECT party_id, currency, CASE WHEN (direction = 'incoming') = (purpose = 'settlement') THEN 'receivable' ELSE 'payable' END, \
                  CASE direction WHEN 'incoming' THEN amount_allocated - amount ELSE amount - amount_allocated END, 0 \
           FROM payments WHERE state = 'posted' AND party_id IS NOT NULL \
           UNION ALL \
           SELECT l.party_id, l.currency, a.type, 0, l.amount FROM journal_lines AS l JOIN accounts AS a ON a.id = l.account_id \
           JOIN journal_entries AS e ON e.id = l.entry_id \
           WHERE (a.type = 'receivable' OR a.type = 'payable') AND (e.source_type = 'invoice' OR e.source_type = 'payment')) \
     GROUP BY party_id, currency, side HAVING sum(said) <> sum(posted)";

const ENTRIES: &str = "SELECT 'invoice ' || i.id || ' is ' || i.state || ', its entries are not' FROM invoices AS i \
     WHERE (SELECT count(*) FROM journal_entries AS e WHERE e.business_id = i.business_id AND e.source_type = 'invoice' AND e.source_id = i.id \
            AND e.reverses_id IS NULL) <> (i.state <> 'draft' AND i.total > 0) \
        OR (SELECT count(*) FROM journal_entries AS e WHERE e.business_id = i.business_id AND e.source_type = 'invoice' AND e.source_id = i.id \
            AND e.reverses_id IS NOT NULL) <> (i.state = 'void' AND i.total > 0) \
     UNION ALL SELECT 'payment ' || p.id || ' is ' || p.state || ', its entries are not' FROM payments AS p \
     WHERE (SELECT count(*) FROM journal_entries AS e WHERE e.business_id = p.business_id AND e.source_type = 'payment' AND e.source_id = p.id \
            AND e.reverses_id IS NULL) <> 1 \
        OR (SELECT count(*) FROM journal_entries AS e WHERE e.business_id = p.business_id AND e.source_type = 'payment' AND e.source_id = p.id \
            AND e.reverses_id IS NOT NULL) <> (p.state = 'void') \
     UNION ALL SELECT 'payment ' || p.id || ' has ' || count(t.id) || ' rows in the cash book' FROM payments AS p \
     LEFT JOIN transactions AS t ON t.related_payment_id = p.id GROUP BY p.id HAVING count(t.id) <> 1";

const ITEMS: &str = "SELECT 'invoice ' || i.id || ' does not come to its items' FROM invoices AS i WHERE i.state <> 'draft' \
     AND (SELECT coalesce(sum(net_amount), 0) <> i.subtotal OR coalesce(sum(tax_amount), 0) <> i.tax_total FROM invoice_items WHERE invoice_id = i.id)";

/// What is paid of a requisition, and who approved it.
const REQUISITIONS: &str = "SELECT 'requisition ' || r.id || ' says that ' || r.paid_amount || ' is paid, its payments ' || p.sum FROM requisitions AS r \
     JOIN (SELECT r.id, coalesce((SELECT sum(amount) FROM payments WHERE business_id = r.business_id AND requisition_id = r.id \
                                  AND state = 'posted'), 0) AS sum FROM requisitions AS r) AS p ON p.id = r.id WHERE p.sum <> r.paid_amount \
     UNION ALL SELECT 'requisition ' || id || ' is paid ' || paid_amount || ', approved was ' || coalesce(approved_amount, 0) FROM requisitions \
     WHERE paid_amount > 0 AND (status <> 'approved' OR paid_amount > coalesce(approved_amount, 0)) \
     UNION ALL SELECT 'requisition ' || r.id || ' does not come to its items' FROM requisitions AS r \
     WHERE r.amount <> (SELECT coalesce(sum(amount), r.amount) FROM requisition_items WHERE requisition_id = r.id)";

/// A milestone that is reached may stay so when money comes to serve something else; one that is crossed is always marked.
const MILESTONES: &str = "SELECT 'milestone ' || m.id || ' of goal ' || m.goal_id || ' is at ' || m.amount || ', there are ' || g.sum || ', and it is not marked' \
     FROM goal_milestones AS m JOIN (SELECT g.id, \
          coalesce((SELECT sum(amount) FROM payments WHERE business_id = g.business_id AND goal_id = g.id AND state = 'posted'), 0) \
          + coalesce((SELECT sum(amount) FROM transactions WHERE business_id = g.business_id AND goal_id = g.id AND state = 'posted'), 0) AS sum \
          FROM goals AS g) AS g ON g.id = m.goal_id WHERE m.reached_at IS NULL AND m.amount <= g.sum";

pub const CHECKS: &[Check] = &[
    Check { name: "allocations", holds: "what is settled is what the allocations add up to", sql: SUMS },
    Check { name: "open items", holds: "the books owe what the documents say", sql: OPEN },
    Check { name: "documents", holds: "every issued document has one entry, and every void one its reversal", sql: ENTRIES },
    Check { name: "requisitions", holds: "no more is paid of a requisition than was approved, and as much as it says", sql: REQUISITIONS },
    Check { name: "milestones", holds: "every milestone that is crossed is marked", sql: MILESTONES },
    Check { name: "items", holds: "every issued invoice comes to its items", sql: ITEMS },
];
