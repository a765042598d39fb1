//! Are the books as they should be? All of a business, line by line; what the API says of some of it; and what must be true at all times.

use std::rc::Rc;

use serde_json::{Value as Json, json};

use super::{
    books::{Books, Key, Side, State},
    chance::Chance,
    world::{Call, Person, World},
};

/// What the database has of a business, each in a line.
const FACTS: &str = "\
    SELECT 'invoice ' || id || ' of ' || party_id || ' ' || direction || ' ' || kind || ' ' || payment_status || ' ' || coalesce(number, '-') \
           || ' ' || issue_date || ' ' || due_date || ' ' || currency || ' ' || subtotal || ' + ' || tax_total || ' = ' || total \
           || ', settled ' || amount_allocated || ', corrects ' || coalesce(corrects_id, 0) || iif(deleted_at IS NULL, '', ', deleted') \
    FROM invoices WHERE business_id = ?1 \
    UNION ALL \
    SELECT 'payment ' || p.id || ' ' || p.number || ' ' || p.direction || ' of ' || coalesce(p.party_id, 0) || ' on ' || p.account_id \
           || ' ' || p.amount || ' ' || p.currency || ' ' || p.date || ' ' || p.purpose || ' ' || p.state || ', settles ' || p.amount_allocated \
           || ', requisition ' || coalesce(p.requisition_id, 0) || ', goal ' || coalesce(p.goal_id, 0) || ', shown as ' || t.type || ' ' || t.state \
    FROM payments AS p LEFT JOIN transactions AS t ON t.related_payment_id = p.id WHERE p.business_id = ?1 \
    UNION ALL \
    SELECT 'transaction ' || id || ' ' || type || ' ' || amount || ' ' || currency || ' on ' || account_id || ' to ' || coalesce(to_account_id, 0) \
           || ' of ' || coalesce(party_id, 0) || ' ' || date || ' ' || state || ', goal ' || coalesce(goal_id, 0) \
    FROM transactions WHERE business_id = ?1 AND related_payment_id IS NULL \
    UNION ALL \
    SELECT 'settled by ' || coalesce('payment ' || payment_id, 'credit note ' || credit_note_id) || ' of ' \
           || coalesce('invoice ' || invoice_id, 'refund ' || refund_id) || ': ' || amount FROM allocations WHERE business_id = ?1 \
    UNION ALL \
    SELECT 'requisition ' || id || ' ' || number || ' by ' || requested_by_id || ' for ' || coalesce(party_id, 0) || ' ' || amount || ' ' \
           || currency || ' ' || category || ' ' || status || ', approved ' || coalesce(approved_amount, '-') || ', paid ' || paid_amount \
           || iif(deleted_at IS NULL, '', ', deleted') FROM requisitions WHERE business_id = ?1 \
    UNION ALL \
    SELECT 'milestone ' || id || ' of ' || goal_id || ' at ' || amount || iif(reached_at IS NULL, '', ', reached') \
           || iif(deleted_at IS NULL, '', ', deleted') FROM goal_milestones WHERE business_id = ?1 \
    UNION ALL \
    SELECT 'goal ' || id || ' ' || target_amount || ' ' || currency || iif(archived_at IS NULL, '', ', archived') \
           || iif(deleted_at IS NULL, '', ', deleted') FROM goals WHERE business_id = ?1 \
    UNION ALL \
    SELECT 'quotation ' || id || ' ' || quote_number || ' of ' || party_id || ' ' || state || ' ' || issued_date || ' until ' \
           || coalesce(valid_until, '-') || ' ' || currency || ' ' || subtotal || ' + ' || tax_total || ' = ' || total_amount \
           || iif(deleted_at IS NULL, '', ', deleted') FROM quotations WHERE business_id = ?1 \
    UNION ALL \
    SELECT 'recurring ' || id || ' of ' || party_id || ' ' || direction || ' ' || currency || ' ' || status || ', ' || runs || ' so far, next on ' \
           || next_run_on || iif(deleted_at IS NULL, '', ', deleted') FROM recurring_invoices WHERE business_id = ?1 \
    UNION ALL \
    SELECT 'rate ' || id || ' ' || percent FROM tax_rates WHERE business_id = ?1 AND deleted_at IS NULL \
    UNION ALL \
    SELECT 'place ' || id || ' ' || currency || iif(is_active, '', ', off') FROM accounts WHERE business_id = ?1 AND is_money AND deleted_at IS NULL \
    UNION ALL \
    SELECT 'party ' || id || iif(deleted_at IS NULL, '', ', deleted') FROM parties WHERE business_id = ?1 \
    UNION ALL \
    SELECT 'series ' || key || ' ' || period || ': ' || next FROM number_sequences WHERE business_id = ?1 AND key <> 'journal' \
    UNION ALL \
    SELECT 'entries ' || count(*) || ' up to ' || coalesce(max(number), 0) FROM journal_entries WHERE business_id = ?1 AND state = 'posted' \
    UNION ALL \
    SELECT 'locked ' || coalesce(books_locked_until, 'never') FROM businesses WHERE id = ?1 \
    UNION ALL \
    SELECT 'balance of ' || account || party || ': ' || sum(balance) FROM \
        (SELECT iif(a.is_money, 'money ' || a.id, a.class || ' ' || a.code || ' ' || a.currency) AS account, \
                iif(a.type = 'receivable' OR a.type = 'payable', ' with ' || b.party_id, '') AS party, b.balance AS balance \
         FROM ledger_balances AS b JOIN accounts AS a ON a.id = b.account_id WHERE b.business_id = ?1) \
    GROUP BY account, party HAVING sum(balance) <> 0";

/// They are read anew when anything was committed since: SQLite says so, and not the program.
fn stored(world: &World, business: i64) -> Rc<Vec<String>> {
    let read = world.app.db.read(|reader| {
        let version: i64 = reader.one("PRAGMA data_version", &[])?.expect("a version");
        let mut known = world.facts.borrow_mut();
        if let Some((_, rows)) = known.get(&business).filter(|(then, _)| *then == version) {
            return Ok(rows.clone());
        }
        let mut rows = reader.rows(FACTS, &[business.into()], |row| row.get::<String>(0))?;
        rows.sort_unstable();
        let rows = Rc::new(rows);
        known.insert(business, (version, rows.clone()));
        Ok(rows)
    });
    read.expect("the facts are read")
}

fn or_zero(id: Option<i64>) -> i64 {
    id.unwrap_or_default()
}

fn payment_status(state: State, allocated: i64, total: i64) -> &'static str {
    match state {
        State::Draft => "draft",
        State::Void => "void",
        State::Issued if allocated == total => "paid",
        State::Issued if allocated > 0 => "partial",
        State::Issued => "unpaid",
    }
}

fn direction(is_incoming: bool) -> &'static str {
    if is_incoming { "incoming" } else { "outgoing" }
}

fn deleted(is: bool) -> &'static str {
    if is { ", deleted" } else { "" }
}

/// The same lines, as they should be.
fn expected(books: &Books) -> Vec<String> {
    let mut all = vec![];
    for (id, one) in &books.invoices {
        all.push(format!(
            "invoice {id} of {} {} {} {} {} {} {} {} {} + {} = {}, settled {}, corrects {}{}",
            one.party,
            direction(!one.outgoing),
            one.series(),
            payment_status(one.state, one.allocated, one.sums.total),
            one.number.as_deref().unwrap_or("-"),
            one.date,
            one.due,
            one.currency,
            one.sums.subtotal,
            one.sums.tax,
            one.sums.total,
            one.allocated,
            or_zero(one.corrects),
            deleted(one.deleted),
        ));
    }
    for (id, one) in &books.payments {
        all.push(format!(
            "payment {id} {} {} of {} on {} {} {} {} {} {}, settles {}, requisition {}, goal {}, shown as {} {}",
            one.number,
            direction(one.incoming),
            or_zero(one.party),
            one.account,
            one.amount,
            one.currency,
            one.posting.date,
            if one.refund { "refund" } else { "settlement" },
            if one.void { "void" } else { "posted" },
            one.allocated,
            or_zero(one.requisition),
            or_zero(one.goal),
            if one.incoming { "income" } else { "expense" },
            if one.void { "reversed" } else { "posted" },
        ));
    }
    for (id, one) in &books.transactions {
        let (kind, to) = (format!("{:?}", one.kind).to_lowercase(), or_zero(one.to_account));
        let (party, goal) = (or_zero(one.party), or_zero(one.goal));
        all.push(format!(
            "transaction {id} {kind} {} {} on {} to {to} of {party} {} {}, goal {goal}",
            one.amount, one.currency, one.account, one.date, one.state
        ));
    }
    for ((source, target), amount) in &books.allocations {
        let source = match source {
            Side::Payment(id) => format!("payment {id}"),
            Side::Invoice(id) => format!("credit note {id}"),
        };
        let target = match target {
            Side::Payment(id) => format!("refund {id}"),
            Side::Invoice(id) => format!("invoice {id}"),
        };
        all.push(format!("settled by {source} of {target}: {amount}"));
    }
    for (id, one) in &books.requisitions {
        let approved = one.approved.map_or_else(|| "-".to_owned(), |approved| approved.to_string());
        all.push(format!(
            "requisition {id} {} by {} for {} {} {} {} {}, approved {approved}, paid {}{}",
            one.number,
            one.by,
            or_zero(one.party),
            one.amount,
            one.currency,
            one.category,
            one.status,
            one.paid,
            deleted(one.deleted),
        ));
    }
    for (id, one) in &books.milestones {
        let (reached, gone) = (if one.reached { ", reached" } else { "" }, deleted(one.deleted.is_some()));
        all.push(format!("milestone {id} of {} at {}{reached}{gone}", one.goal, one.amount));
    }
    for (id, one) in &books.goals {
        let (archived, gone) = (if one.archived { ", archived" } else { "" }, deleted(one.deleted.is_some()));
        all.push(format!("goal {id} {} {}{archived}{gone}", one.target, one.currency));
    }
    for (id, one) in &books.quotations {
        let (number, until, sums) = (&one.number, one.until.map_or_else(|| "-".to_owned(), |until| until.to_string()), &one.sums);
        all.push(format!(
            "quotation {id} {number} of {} {} {} until {until} {} {} + {} = {}{}",
            one.party,
            one.state,
            one.issued,
            one.currency,
            sums.subtotal,
            sums.tax,
            sums.total,
            deleted(one.deleted),
        ));
    }
    for (id, one) in &books.recurring {
        let (direction, gone) = (direction(!one.outgoing), deleted(one.deleted));
        all.push(format!(
            "recurring {id} of {} {direction} {} {}, {} so far, next on {}{gone}",
            one.party, one.currency, one.status, one.runs, one.next
        ));
    }
    all.extend(books.rates.iter().map(|(id, percent)| format!("rate {id} {percent}")));
    for (id, one) in &books.accounts {
        all.push(format!("place {id} {}{}", one.currency, if one.active { "" } else { ", off" }));
    }
    all.extend(books.parties.iter().map(|(id, one)| format!("party {id}{}", deleted(one.deleted))));
    for ((key, year), next) in &books.series {
        all.push(format!("series {key} {}: {next}", if *year == 0 { String::new() } else { year.to_string() }));
    }
    all.push(format!("entries {0} up to {0}", books.posted));
    all.push(format!("locked {}", books.lock.map_or_else(|| "never".to_owned(), |until| until.to_string())));
    for ((key, party), balance) in books.balances.iter().filter(|(_, balance)| **balance != 0) {
        let account = match key {
            Key::Money(id) => format!("money {id}"),
            Key::Chart(class, code, currency) => format!("{class} {code} {currency}"),
        };
        all.push(format!("balance of {account}{}: {balance}", party.map_or_else(String::new, |party| format!(" with {party}"))));
    }
    all.sort_unstable();
    all
}

/// All of a business, as it should be and as it is.
pub fn facts(world: &World, books: &Books) {
    let (stored, expected) = (stored(world, books.business), expected(books));
    if *stored == expected {
        return;
    }
    let only =
        |these: &[String], those: &[String]| these.iter().filter(|line| !those.contains(line)).cloned().collect::<Vec<_>>().join("\n  ");
    panic!("business {}: there should be\n  {}\nand there is\n  {}", books.business, only(&expected, &stored), only(&stored, &expected));
}

/// What must be true of all books at all times.
pub fn checks(world: &World) {
    let findings = world.app.db.read(studio::resources::finance::check::run).expect("the checks run");
    for finding in findings {
        assert!(finding.problems.is_empty(), "{} ({}): {:?}", finding.name, finding.holds, finding.problems);
    }
}

/// What the API says of some of it, to somebody who sees all.
pub fn shown(world: &World, books: &Books, who: &Person, chance: &mut Chance) {
    let get = |path: String| {
        let answer = world.call(who, &Call { method: "GET", path, body: Json::Null }, None);
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.body
    };
    let today = world.clock.now().to_zoned(books.zone.clone()).date();
    for _ in 0..3 {
        if let Some((id, invoice)) = chance.that(books.invoices.iter().filter(|(_, one)| !one.deleted)) {
            let shown = get(format!("invoices/{id}/"));
            let late = invoice.state == State::Issued && !invoice.credit && invoice.open() > 0 && invoice.due < today;
            let status = if late { "overdue" } else { payment_status(invoice.state, invoice.allocated, invoice.sums.total) };
            let due = if invoice.state == State::Void { 0 } else { invoice.open() };
            let text = |minor| json!(Books::text(minor, &invoice.currency));
            assert_eq!(
                (&shown["status"], &shown["amount_due"], &shown["total"], &shown["paid_amount"]),
                (&json!(status), &text(due), &text(invoice.sums.total), &text(invoice.allocated)),
                "invoice {id}"
            );
        }
    }
    if let Some((id, account)) = chance.that(books.accounts.iter()) {
        let balance = Books::text(books.balance(&Key::Money(*id)), &account.currency);
        assert_eq!(get(format!("accounts/{id}/"))["balance"], json!(balance), "account {id}");
    }
    if let Some(id) = chance.that(books.parties.iter().filter(|(_, one)| !one.deleted).map(|(id, _)| *id)) {
        let shown = get(format!("parties/{id}/"));
        for currency in [&books.currency, &books.foreign] {
            let owed = |class, code: &str| {
                let key = (Key::Chart(class, code.to_owned(), currency.clone()), Some(id));
                books.balances.get(&key).copied().unwrap_or_default()
            };
            let sum = owed("asset", "1200") + owed("liability", "2100");
            let said = shown["balances"].as_array().into_iter().flatten().find(|one| one["currency"] == json!(currency));
            let said = said.map_or(json!(Books::text(0, currency)), |one| one["balance"].clone());
            assert_eq!(said, json!(Books::text(sum, currency)), "party {id}");
        }
    }
    if let Some((id, goal)) = chance.that(books.goals.iter().filter(|(_, one)| one.deleted.is_none())) {
        let collected = Books::text(books.collected(*id), &goal.currency);
        assert_eq!(get(format!("goals/{id}/"))["current_amount"], json!(collected), "goal {id}");
    }
    if let Some((id, one)) = chance.that(books.requisitions.iter().filter(|(_, one)| !one.deleted)) {
        let status = if one.paid == 0 {
            "unpaid"
        } else if Some(one.paid) < one.approved {
            "part_paid"
        } else {
            "paid"
        };
        assert_eq!(get(format!("requisitions/{id}/"))["payment_status"], json!(status), "requisition {id}");
    }
}
