//! Who may do what: every operation of the OpenAPI document, by everybody who may call, on every kind of row.
//!
//! The expectations stand in one table, transcribed from the matrices of the specification; an operation that no line covers fails by
//! name, and so does a line that covers no operation. Allowed means a 2xx. Refused means 401 for nobody, 403 for a role without the
//! verb and for a row that may be read but not this, 404 for a row that may not be read; another business's row and no row at all get
//! the same bytes; what is refused changes nothing. Lists hold exactly the rows that may be read.

mod finance;

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeSet, HashMap},
};

use serde_json::{Value as Json, json};
use studio::{
    actor::{Capability, Role},
    api,
    db::{Value, Writer},
    engine::{Descriptor, field},
    error::Result,
    resources,
};

use crate::support::{Answer, Client, Server};

/// For each resource who may do what: List, Read, Create, Update, Delete; with all rows, or those that are their `.own`; in brackets the
/// only field. Who is not named may nothing. `staff+` is staff with the capability of the module: `hr` or `field`.
const RESOURCES: [(&str, &str); 30] = [
    ("accounts/departments", "admin LRCUD; manager LRCUD; staff LR; staff+ LRCU; agent LR; teacher LR"),
    ("accounts/designations", "admin LRCUD; manager LRCUD; staff LR; staff+ LRCU; agent LR; teacher LR"),
    ("accounts/branches", "admin LRCUD; manager LRCUD; staff LR; staff+ LRCU; agent LR; teacher LR"),
    ("accounts/staff-roles", "admin LRCUD; manager LRCUD; staff LR; staff+ LRCU; agent LR; teacher LR"),
    ("accounts/staff-profiles", "admin LRCUD; manager LRCUD; staff LR U.own(work_phone); staff+ LRCU; agent LR; teacher LR"),
    ("accounts/customer-profiles", "admin LRCUD; manager LRCUD; staff LR; staff+ LRCU; customer R.own U.own(referred_by)"),
    ("accounts/referrals", "admin LRCU; manager LRCU; staff LRC; staff+ LRC; customer R.own"),
    (
        "accounts/users-list",
        "admin LR; manager LR; staff LR; staff+ LR; agent LR; teacher LR; student R.own; customer R.own; citizen R.own",
    ),
    ("accounts/memberships", "admin LRU; manager LRU; staff L; staff+ L; agent L; teacher L"),
    ("integrations", "admin LRCUD"),
    ("field/zones", "admin LRCUD; manager LRCUD; staff LR; staff+ LRCU; agent LR"),
    ("field/leads", "admin LRCUD; manager LRCUD; staff LRCU.own; staff+ LRCU; agent LRCUD.own"),
    ("field/actions", "admin LRCUD; manager LRCUD; staff LRCUD.own; staff+ LRC UD.own; agent LRCUD.own"),
    ("field/visits", "admin LRCUD; manager LRCUD; staff LRCU.own; staff+ LR CU.own; agent LRCUD.own"),
    ("finance/parties", "admin LRCUD; manager LRCUD; staff m; staff+ LRCU; agent LRC.own; customer R.own U.own(phone); student R.own"),
    ("finance/accounts", "admin LRCUD; manager LRCU; staff+ LRC; agent LR.own"),
    ("finance/tax-rates", "admin LRCUD; manager LRCU; staff+ LR"),
    // An agent's are those of their own cash box. Who reverses what depends on the day as well, which `ledger` looks at.
    ("finance/transactions", "admin LRCU; manager LRCU; staff+ LRCU; agent LRCU.own"),
    ("finance/journal", "admin LR; manager LR; staff+ LR"),
    // `quotations` and `recurring` look at these three.
    ("finance/quotations", "admin LRCUD; manager LRCUD; staff+ LRCU; customer LR.own; student LR.own"),
    ("finance/quotation-items", "admin LRCU; manager LRCU; staff+ LRCU; customer LR.own; student LR.own"),
    ("finance/recurring-invoices", "admin LRCUD; manager LRCUD; staff+ LRCU"),
    // Customers see what was issued to them and what they paid.
    ("finance/invoices", "admin LRCUD; manager LRCUD; staff+ LRCU; customer LR.own; student LR.own"),
    ("finance/payments", "admin LRCU; manager LRCU; staff+ LRCU; agent C.own; customer LR.own; student LR.own"),
    // Whoever asks writes what they ask for; `requisitions` looks at those who lead a department.
    ("finance/requisitions", "admin LRCD U.own; manager LRCD U.own; staff LRCU.own; staff+ LR CU.own; agent LRCU.own; teacher LRCU.own"),
    ("finance/goals", "admin LRCUD; manager LRCUD; staff LR; staff+ LRCU; agent LR.own"),
    ("finance/goal-milestones", "admin LRCUD; manager LRCUD; staff LR; staff+ LRCU; agent LR.own"),
    (
        "saved-views",
        "admin LRCUD.own; manager LRCUD.own; staff LRCUD.own; staff+ LRCUD.own; agent LRCUD.own; teacher LRCUD.own; \
         student LRCUD.own; customer LRCUD.own",
    ),
    // On leads, and on the profiles of customers: an `.own` one is by the caller on a record that they may read.
    // Students and customers see their own payments, teachers what they ask for.
    (
        "comments",
        "admin LRCD U.own; manager LRCD U.own; staff LRCUD.own; staff+ LRC UD.own; agent LRCUD.own; teacher LRCUD.own; student LRCUD.own; \
         customer LRCUD.own",
    ),
    // On leads, and on the profiles of staff: for those who work here alone.
    ("files", "admin LRUD; manager LRUD; staff LRUD.own; staff+ LR UD.own; agent LRUD.own; teacher LRUD.own"),
];

/// What is attached to records of others; it is listed for one record, has nothing for pickers, and is changed in part only.
const ATTACHED: [&str; 2] = ["comments", "files"];

/// What only rows that stand for themselves have.
const FOR_ROWS_ALONE: [&str; 4] = ["minimal/", "import/", "import/template/", "export/"];

/// The same for what can be done besides: `x` is the action itself.
const ACTIONS: [(&str, &str); 84] = [
    // Who imported what: `transfer` looks at this one.
    ("GET imports/", IMPORTS),
    ("GET imports/{id}/", IMPORTS),
    ("GET accounts/org-chart/", "admin x; manager x; staff x; staff+ x; agent x; teacher x"),
    ("POST accounts/users-list/{id}/unlock/", "admin x"),
    // What passed with somebody is for those who keep the books.
    ("GET finance/parties/{id}/statement/", "admin x; manager x; staff+ x"),
    ("GET finance/parties/{id}/open-items/", "admin x; manager x; staff+ x"),
    ("GET finance/debts/party/{party_id}/", "admin x; manager x; staff+ x"),
    ("GET finance/party-finance/{id}/", "admin x; manager x; staff+ x"),
    ("POST finance/parties/merge/", "admin x; manager x"),
    ("POST finance/transactions/{id}/reverse/", "admin x; manager x; staff+ x.own; agent x.own"),
    ("DELETE finance/transactions/{id}/", "admin x; manager x; staff+ x.own; agent x.own"),
    ("POST finance/journal/", "admin C; manager C; staff+ C"),
    ("POST finance/journal/{id}/reverse/", "admin x; manager x; staff+ x.own"),
    ("POST finance/lock/", "admin x; manager x"),
    ("POST accounts/memberships/invite/", "admin C; manager C"),
    ("POST accounts/memberships/{id}/resend/", "admin x; manager x"),
    ("POST accounts/memberships/{id}/suspend/", "admin x; manager x"),
    ("POST accounts/memberships/{id}/activate/", "admin x; manager x"),
    // Those who buy and visit may go; who that leaves out of the business can do nothing else here, so `people` tests it.
    ("POST accounts/memberships/{id}/end/", "admin x; manager x; customer x.own; citizen x.own"),
    ("POST accounts/users-list/{id}/deactivate/", "admin x; manager x"),
    ("POST accounts/users-list/{id}/activate/", "admin x; manager x"),
    ("PUT integrations/{id}/secret/", "admin x"),
    ("POST integrations/{id}/test/", "admin x"),
    ("POST finance/quotations/{id}/accept/", "admin x; manager x; staff+ x"),
    ("POST finance/quotations/{id}/create-invoice/", "admin x; manager x; staff+ x"),
    ("DELETE finance/quotation-items/{id}/", "admin x; manager x; staff+ x"),
    ("POST finance/recurring-invoices/{id}/pause/", "admin x; manager x; staff+ x"),
    ("POST finance/recurring-invoices/{id}/resume/", "admin x; manager x; staff+ x"),
    ("POST finance/recurring-invoices/{id}/run-now/", "admin x; manager x; staff+ x"),
    ("POST finance/recurring-invoices/{id}/skip/", "admin x; manager x; staff+ x"),
    ("GET finance/invoices/{id}/pdf/", "admin x; manager x; staff+ x; customer x.own; student x.own"),
    ("POST finance/invoices/{id}/issue/", "admin x; manager x; staff+ x"),
    ("POST finance/invoices/{id}/send/", "admin x; manager x; staff+ x"),
    ("POST finance/invoices/{id}/allocate/", "admin x; manager x; staff+ x"),
    ("POST finance/invoices/{id}/unallocate/", "admin x; manager x; staff+ x"),
    ("POST finance/invoices/{id}/credit-note/", "admin x; manager x; staff+ x"),
    ("POST finance/invoices/{id}/pay/", "admin x; manager x; staff+ x"),
    ("POST finance/invoices/{id}/duplicate/", "admin x; manager x; staff+ x"),
    // Members of staff on the day on which it was issued: `invoices` looks at that.
    ("POST finance/invoices/{id}/void/", "admin x; manager x; staff+ x"),
    ("POST finance/invoices/{id}/write-off/", "admin x; manager x"),
    ("GET finance/invoices/summary/", "admin x; manager x; staff+ x; customer x.own; student x.own"),
    ("POST finance/payments/{id}/allocate/", "admin x; manager x; staff+ x"),
    ("POST finance/payments/{id}/unallocate/", "admin x; manager x; staff+ x"),
    ("POST finance/payments/{id}/refund/", "admin x; manager x; staff+ x"),
    ("POST finance/payments/{id}/void/", "admin x; manager x"),
    ("DELETE finance/payments/{id}/", "admin x; manager x"),
    ("GET finance/payments/{id}/receipt/", "admin x; manager x; staff+ x; customer x.own; student x.own"),
    ("GET finance/payments/by_goal/", "admin x; manager x; staff+ x; customer x.own; student x.own"),
    // What waits for them: `check_list` knows which that is.
    ("GET finance/requisitions/pending/", "admin x; manager x; staff x; staff+ x; agent x; teacher x"),
    ("POST finance/requisitions/{id}/submit/", BY_WHOEVER_ASKS),
    ("POST finance/requisitions/{id}/resubmit/", BY_WHOEVER_ASKS),
    ("POST finance/requisitions/{id}/cancel/", BY_WHOEVER_ASKS),
    ("POST finance/requisitions/{id}/add_item/", BY_WHOEVER_ASKS),
    ("DELETE finance/requisitions/{id}/items/{item_id}/", BY_WHOEVER_ASKS),
    // Of others; what happens to their own is told in `requisitions`.
    ("POST finance/requisitions/{id}/approve/", "admin x; manager x"),
    ("POST finance/requisitions/{id}/reject/", "admin x; manager x"),
    ("POST finance/requisitions/{id}/pay/", "admin x; manager x; staff+ x"),
    // Those who see all of them attach to all of them; what changes nothing is nobody's harm.
    ("POST finance/requisitions/{id}/files/", "admin x; manager x; staff x.own; staff+ x; agent x.own; teacher x.own"),
    ("POST finance/requisitions/{id}/upload_document/", "admin x; manager x; staff x.own; staff+ x; agent x.own; teacher x.own"),
    ("POST finance/requisitions/{id}/revert/", "admin x; manager x; staff x.own; staff+ x; agent x.own; teacher x.own"),
    // By who attached it: `requisitions` looks at this one.
    (DOCUMENT, "admin x; manager x"),
    ("GET finance/goals/{id}/progress/", "admin x; manager x; staff x; staff+ x; agent x.own"),
    ("POST finance/goals/{id}/add_payment/", "admin x; manager x; staff+ x"),
    ("POST finance/goals/{id}/link_transaction/", "admin x; manager x; staff+ x"),
    ("GET finance/party-finance/", "admin x; manager x; staff+ x"),
    ("GET finance/debts/debtors/", "admin x; manager x; staff+ x"),
    ("GET finance/debts/creditors/", "admin x; manager x; staff+ x"),
    ("GET finance/reports/aging/", "admin x; manager x; staff+ x"),
    ("GET finance/reports/cash-flow/", "admin x; manager x; staff+ x"),
    ("GET finance/reports/profit-loss/", "admin x; manager x; staff+ x"),
    ("GET finance/reports/tax/", "admin x; manager x; staff+ x"),
    ("GET finance/reports/trial-balance/", "admin x; manager x; staff+ x"),
    ("GET finance/summary/", "admin x; manager x; staff+ x"),
    ("GET field/leads/hot/", "admin x; manager x; staff x.own; staff+ x; agent x.own"),
    ("GET field/leads/due/", "admin x; manager x; staff x.own; staff+ x; agent x.own"),
    ("GET field/leads/board/", "admin x; manager x; staff x.own; staff+ x; agent x.own"),
    ("POST field/leads/merge/", "admin x; manager x; staff x.own; staff+ x.own; agent x.own"),
    ("POST field/leads/{id}/convert/", "admin x; manager x; staff x.own; staff+ x; agent x.own"),
    ("POST field/leads/{id}/lose/", "admin x; manager x; staff x.own; staff+ x; agent x.own"),
    ("POST field/leads/{id}/reopen/", "admin x; manager x"),
    ("POST field/visits/{id}/check-in/", "admin x.own; manager x.own; staff x.own; staff+ x.own; agent x.own"),
    ("POST field/visits/{id}/check-out/", "admin x.own; manager x.own; staff x.own; staff+ x.own; agent x.own"),
    ("POST field/visits/{id}/cancel/", "admin x; manager x; staff x.own; staff+ x.own; agent x.own"),
    ("POST field/visits/{id}/convert_to_lead/", "admin x; manager x; staff x.own; staff+ x.own; agent x.own"),
];

const BY_WHOEVER_ASKS: &str = "admin x.own; manager x.own; staff x.own; staff+ x.own; agent x.own; teacher x.own";
const DOCUMENT: &str = "DELETE finance/requisitions/{id}/documents/{doc_id}/";

const IMPORTS: &str =
    "admin x; manager x; staff x.own; staff+ x.own; agent x.own; teacher x.own; student x.own; customer x.own; citizen x.own";

/// Signing in, below each of its paths: for anybody, or for whoever is signed in, as what being all the same; a `prover` is asked
/// for more than the token.
const SIGN_IN: [&str; 3] = ["auth", "users", "v1/accounts"];
const SIGN_IN_OPERATIONS: [(&str, &str); 36] = [
    ("POST register/", "anybody"),
    ("POST login/", "anybody"),
    ("POST token/", "anybody"),
    ("POST token/refresh/", "anybody"),
    ("POST token/verify/", "anybody"),
    ("POST token/blacklist/", "anybody"),
    ("POST logout/", "anybody"),
    ("POST 2fa/verify/", "anybody"),
    // What they do to a second factor is tested by `factors`: here, that whoever is signed in, and nobody else, gets so far.
    ("GET 2fa/", "their own"),
    ("POST 2fa/setup/", "their own"),
    ("POST 2fa/confirm/", "their own"),
    ("POST 2fa/disable/", "their own"),
    ("POST 2fa/recovery-codes/", "their own"),
    ("POST reauthenticate/", "their own"),
    ("GET me/", "somebody"),
    ("PATCH me/", "somebody"),
    ("PUT me/", "somebody"),
    ("GET profile/", "somebody"),
    ("PATCH profile/", "somebody"),
    ("POST send-otp/", "anybody"),
    ("POST verify-otp/", "anybody"),
    ("POST staff-login/", "anybody"),
    ("GET verify-email/", "anybody"),
    ("POST verify-email/", "anybody"),
    ("POST password-reset-request/", "anybody"),
    ("GET password-reset-confirm/", "anybody"),
    ("POST password-reset-confirm/", "anybody"),
    ("GET email-change-confirm/", "anybody"),
    ("POST email-change-confirm/", "anybody"),
    ("POST resend-verification/", "prover"),
    ("POST password-change/", "prover"),
    ("POST email-change/", "prover"),
    // What they do to whom is told in `sessions`.
    ("GET sessions/", "session"),
    ("DELETE sessions/{id}/", "session"),
    ("POST sessions/end-others/", "session"),
    ("POST sessions/end-all/", "session"),
];

/// Businesses and invitations are not of the business that one acts in: `people` and `businesses` test these. A `R` is for whoever is
/// signed in, an `M` for members of the business, an `A` for its administrators, an `S` for superusers; for others it is 403 or 404.
const BELONGING: [(&str, char); 12] = [
    ("GET auth/invitations/", 'R'),
    ("GET auth/invitations/accept/", '-'),
    ("POST auth/invitations/accept/", '-'),
    ("POST accounts/memberships/{id}/accept/", 'N'),
    ("GET businesses/", 'R'),
    ("POST businesses/", 'S'),
    ("GET businesses/{id}/", 'M'),
    ("PATCH businesses/{id}/", 'A'),
    ("POST businesses/switch/", 'M'),
    ("POST businesses/{id}/deactivate/", 'A'),
    ("POST businesses/{id}/activate/", 'S'),
    ("GET business/settings/", 'M'),
];
/// As the one before, of the business that one acts in.
const SETTINGS: &str = "PATCH business/settings/";

/// One search through everything that they may list is for whoever has a place in a business.
const SEARCH: &str = "GET search/";
/// What changes, for whoever is somebody in a business; of what they may read, which `events` tests.
const FEED: [&str; 2] = ["GET events/", "POST events/ticket/"];

/// The keys of machines, and taking a lost second factor: for those who run the business.
const RUNNING: [&str; 4] =
    ["GET auth/api-keys/", "POST auth/api-keys/", "DELETE auth/api-keys/{id}/", "POST accounts/users-list/{id}/reset-2fa/"];

const MISSING: i64 = 987_654_321;

// ------------------------------------------------------------------------------------------------ the table, read

/// What a line allows somebody with a verb.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Grant {
    own: bool,
    only: Option<&'static str>,
}

fn granted(line: &'static str, who: &str, verb: char) -> Option<Grant> {
    let parts = line.split(';').filter_map(|part| part.trim().split_once(' '));
    let words = parts.filter(|(name, _)| *name == who).flat_map(|(_, words)| words.split(' '));
    let mut grants = words.filter_map(|word| {
        let (word, only) = word.split_once('(').map_or((word, None), |(word, field)| (word, Some(field.trim_end_matches(')'))));
        let (letters, own) = word.strip_suffix(".own").map_or((word, false), |letters| (letters, true));
        letters.contains(verb).then_some(Grant { own, only })
    });
    grants.next()
}

/// An operation of the document, as the table knows it.
#[derive(Clone, Debug)]
struct Operation {
    method: String,
    /// Below `/api/`.
    path: String,
    resource: &'static str,
    /// L, R, C, U, D; `d` for what concerns deleted rows; `x` for an action.
    verb: char,
    line: &'static str,
}

impl Operation {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn grant(&self, plays: &str) -> Option<Grant> {
        // Deleted rows are for those who run the business.
        let runs = ["admin", "manager"].contains(&plays);
        let listed = (self.verb == 'm').then(|| granted(self.line, plays, 'L')).flatten();
        if listed.is_some() {
            listed
        } else if self.verb == 'd' {
            granted(self.line, plays, 'D').filter(|_| runs)
        } else {
            granted(self.line, plays, self.verb)
        }
    }

    fn is_write(&self) -> bool {
        self.method != "GET"
    }

    /// For many records: what it does to one of them must be what the operation for one does.
    fn is_bulk(&self) -> bool {
        self.path.contains("/bulk_")
    }
}

/// The document's operations: method and path below `/api/`.
fn documented() -> Vec<(String, String)> {
    let document: Json = serde_json::from_str(&api::openapi_json("studio")).expect("the document is JSON");
    let paths = document["paths"].as_object().expect("paths");
    let operations =
        paths.iter().flat_map(|(path, methods)| methods.as_object().expect("methods").keys().map(move |method| (method, path)));
    let methods = ["get", "post", "put", "patch", "delete"];
    let all = operations.filter(|(method, _)| methods.contains(&method.as_str()));
    all.map(|(method, path)| (method.to_uppercase(), path.trim_start_matches("/api/").to_owned())).collect()
}

/// The operations that every resource can have, and the verb of each.
fn standard(method: &str, rest: &str) -> Option<char> {
    Some(match (method, rest) {
        ("GET", "" | "export/") => 'L',
        // Some have this and no list.
        ("GET", "minimal/") => 'm',
        ("GET", "{id}/" | "{id}/history/") => 'R',
        ("POST", "" | "import/") | ("GET", "import/template/") => 'C',
        ("PUT" | "PATCH", "{id}/") | ("POST", "{id}/revert/") => 'U',
        ("DELETE", "{id}/") => 'D',
        ("GET", "deleted/") | ("POST", "{id}/restore/" | "bulk_restore/") => 'd',
        ("POST", "bulk_create/") => 'C',
        ("POST", "bulk_update/") => 'U',
        ("POST", "bulk_delete/") => 'D',
        ("GET", "tags/") => 'L',
        // What is attached to a record is read by whoever may read the record.
        ("GET", "{id}/comments/" | "{id}/files/" | "{id}/download/" | "{id}/thumbnail/") => 'R',
        // Whoever may read something may say what they think of it; what is attached to a record changes it.
        ("POST", "{id}/comments/" | "{id}/react/" | "{id}/like/") => 'R',
        ("POST", "{id}/files/") => 'U',
        _ => return None,
    })
}

fn resource_of(path: &str) -> Option<(&'static str, &'static str, &str)> {
    RESOURCES.iter().find_map(|(name, line)| Some((*name, *line, path.strip_prefix(name)?.strip_prefix('/')?)))
}

fn operation(method: &str, path: &str) -> Option<Operation> {
    let made = |resource, verb, line| Some(Operation { method: method.to_owned(), path: path.to_owned(), resource, verb, line });
    let name = format!("{method} {path}");
    let resource = resource_of(path);
    if let Some((_, line)) = ACTIONS.iter().find(|(action, _)| *action == name) {
        let verb = if line.contains(" C;") { 'C' } else { 'x' };
        return made(resource.map_or("", |(name, ..)| name), verb, *line);
    }
    let (resource, line, rest) = resource?;
    made(resource, standard(method, rest)?, line)
}

/// Who may do an operation of signing in.
fn sign_in(method: &str, path: &str) -> Option<&'static str> {
    let rest = SIGN_IN.iter().find_map(|prefix| path.strip_prefix(prefix)?.strip_prefix('/'))?;
    let name = format!("{method} {rest}");
    SIGN_IN_OPERATIONS.iter().find(|(known, _)| *known == name).map(|(_, who)| *who)
}

#[test]
fn every_operation_has_its_expectation() {
    let documented = documented();
    let is_expected = |(method, path): &&(String, String)| {
        let name = format!("{method} {path}");
        operation(method, path).is_some()
            || sign_in(method, path).is_some()
            || name == SEARCH
            || FEED.contains(&name.as_str())
            || RUNNING.contains(&name.as_str())
            || name == SETTINGS
            || BELONGING.iter().any(|(known, _)| *known == name)
    };
    let unexpected: Vec<_> = documented.iter().filter(|one| !is_expected(one)).collect();
    assert!(unexpected.is_empty(), "operations that the table says nothing of: {unexpected:#?}");
    let known: BTreeSet<String> = documented.iter().map(|(method, path)| format!("{method} {path}")).collect();
    let mut expected: Vec<String> = ACTIONS
        .iter()
        .map(|(name, _)| *name)
        .chain(FEED)
        .chain(RUNNING)
        .chain([SEARCH, SETTINGS])
        .chain(BELONGING.map(|(name, _)| name))
        .map(str::to_owned)
        .collect();
    for prefix in SIGN_IN {
        expected.extend(
            SIGN_IN_OPERATIONS
                .iter()
                .filter_map(|(name, _)| name.split_once(' '))
                .map(|(method, rest)| format!("{method} {prefix}/{rest}")),
        );
    }
    let rests = [
        ('L', "GET", ""),
        ('L', "GET", "minimal/"),
        ('R', "GET", "{id}/"),
        ('R', "GET", "{id}/history/"),
        ('C', "POST", ""),
        ('C', "POST", "import/"),
        ('C', "GET", "import/template/"),
        ('L', "GET", "export/"),
        ('U', "PUT", "{id}/"),
        ('U', "PATCH", "{id}/"),
        ('D', "DELETE", "{id}/"),
        ('D', "GET", "deleted/"),
        ('D', "POST", "{id}/restore/"),
    ];
    for (resource, line) in RESOURCES {
        let granted = rests.iter().filter(|(verb, ..)| granted(line, "admin", *verb).is_some());
        let granted =
            granted.filter(|(_, method, rest)| !ATTACHED.contains(&resource) || *method != "PUT" && !FOR_ROWS_ALONE.contains(rest));
        expected.extend(granted.map(|(_, method, rest)| format!("{method} {resource}/{rest}")));
    }
    let unserved: Vec<_> = expected.iter().filter(|name| !known.contains(*name)).collect();
    assert!(unserved.is_empty(), "lines of the table for no operation of the document: {unserved:#?}");
}

// ------------------------------------------------------------------------------------------------ the world

struct Person {
    name: &'static str,
    /// As what the table knows them; nothing for those without a place in a business.
    plays: &'static str,
    business: i64,
    client: Client,
}

impl Person {
    fn signed_in(&self) -> bool {
        self.client.token.is_some()
    }
}

/// What a row is to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Own,
    /// A lead of the caller's that is theirs by who entered it, or by whose zone it is in.
    OwnByEntry,
    OwnByZone,
    /// Somebody else's action on a lead of the caller's: it can be seen, and is not theirs to correct.
    Shared,
    /// Of somebody else in the business.
    Other,
    /// In another business.
    Foreign,
    Missing,
}

impl Kind {
    fn is_own(self) -> bool {
        matches!(self, Self::Own | Self::OwnByEntry | Self::OwnByZone)
    }
    /// Somewhere else, or nowhere.
    fn is_away(self) -> bool {
        matches!(self, Self::Foreign | Self::Missing)
    }
}

fn kinds(resource: &str) -> &'static [Kind] {
    use Kind::{Foreign, Missing, Other, Own, OwnByEntry, OwnByZone, Shared};
    match resource {
        "field/leads" => &[Missing, Foreign, Other, Own, OwnByEntry, OwnByZone],
        "field/actions" | "comments" | "files" => &[Missing, Foreign, Other, Own, Shared],
        "field/visits"
        | "finance/parties"
        | "finance/accounts"
        | "finance/requisitions"
        | "finance/goals"
        | "finance/goal-milestones"
        | "finance/invoices"
        | "finance/payments"
        | "finance/transactions"
        | "finance/journal"
        | "saved-views"
        | "accounts/staff-profiles"
        | "accounts/customer-profiles"
        | "accounts/referrals"
        | "accounts/users-list" => &[Missing, Foreign, Other, Own],
        _ => &[Missing, Foreign, Other],
    }
}

/// A resource's table, and which of its rows are somebody's (`?2`) own.
fn table(resource: &str) -> (&'static str, &'static str) {
    match resource {
        "accounts/staff-profiles" => ("staff_profiles", "user_id = ?2"),
        "accounts/customer-profiles" => ("customer_profiles", "user_id = ?2"),
        "accounts/referrals" => ("referrals", "referrer_id = ?2"),
        "accounts/users-list" => ("users", "id = ?2"),
        "accounts/memberships" => ("memberships", "user_id = ?2"),
        "field/leads" => ("leads", OWN_LEAD),
        "field/actions" => ("lead_actions", OWN_ACTION),
        "field/visits" => ("visits", "rep_id = ?2"),
        "finance/parties" => ("parties", OWN_PARTY),
        "finance/accounts" => ("accounts", "owner_id = ?2"),
        "finance/transactions" => ("transactions", "account_id IN (SELECT id FROM accounts WHERE owner_id = ?2)"),
        "finance/quotations" => ("quotations", "state <> 'draft' AND party_id IN (SELECT id FROM parties WHERE user_id = ?2)"),
        "finance/quotation-items" => ("quotation_items", OWN_ITEM),
        "finance/invoices" => ("invoices", "state = 'issued' AND party_id IN (SELECT id FROM parties WHERE user_id = ?2)"),
        "finance/payments" => ("payments", "state = 'posted' AND party_id IN (SELECT id FROM parties WHERE user_id = ?2)"),
        "finance/requisitions" => ("requisitions", "(requested_by_id = ?2 OR created_by = ?2)"),
        "finance/goals" => ("goals", "owner_id = ?2"),
        "finance/goal-milestones" => ("goal_milestones", "goal_id IN (SELECT id FROM goals WHERE owner_id = ?2)"),
        "saved-views" => ("saved_views", "(created_by = ?2 OR is_shared = 1)"),
        "comments" => ("comments", OWN_TARGET),
        "files" => ("files", OWN_TARGET),
        other => (described(other).about.table, "FALSE"),
    }
}

fn described(resource: &str) -> &'static Descriptor {
    resources::all().iter().find(|d| d.about.path == resource).unwrap_or_else(|| panic!("no resource {resource}"))
}

/// The text that a resource is first of all: a name, a title, a code.
fn first_text(resource: &str) -> &'static str {
    let text = described(resource).fields.iter().find(|field| field.kind == field::Kind::Text);
    text.map_or("name", |field| field.name)
}

const OWN_LEAD: &str = "(assigned_rep_id = ?2 OR created_by = ?2 OR zone_id IN (SELECT id FROM zones WHERE manager_id = ?2))";
const OWN_ACTION: &str = "lead_id IN (SELECT id FROM leads WHERE assigned_rep_id = ?2 OR created_by = ?2 OR zone_id IN (SELECT id FROM zones WHERE manager_id = ?2))";

/// What an agent has entered, and the party that somebody signs in for.
const OWN_PARTY: &str = "(user_id = ?2 OR created_by = ?2 AND 'agent' = (SELECT role FROM memberships WHERE user_id = ?2))";
const OWN_ITEM: &str =
    "quotation_id IN (SELECT id FROM quotations WHERE state <> 'draft' AND party_id IN (SELECT id FROM parties WHERE user_id = ?2))";

/// What is attached to a record that somebody sees who only sees their own.
const OWN_TARGET: &str = "(target_type = 'lead' AND target_id IN (SELECT id FROM leads WHERE assigned_rep_id = ?2) \
                          OR target_type = 'payment' AND target_id IN (SELECT id FROM payments WHERE party_id IN (SELECT id FROM parties WHERE user_id = ?2)) \
                          OR target_type = 'requisition' AND target_id IN (SELECT id FROM requisitions WHERE requested_by_id = ?2) \
                          OR target_type = 'customer_profile' AND target_id IN (SELECT id FROM customer_profiles WHERE user_id = ?2) \
                          OR target_type = 'staff_profile' AND 'teacher' = (SELECT role FROM memberships WHERE user_id = ?2))";

/// A row that was made: resource, business, whose, which and how it stands.
type RowKey = (&'static str, i64, i64, Kind, State);

/// How a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    Fresh,
    Deleted,
    Lost,
    CheckedIn,
    Completed,
    /// Being written.
    Draft,
    /// Something that settles an invoice, or may do so.
    Settled,
    Unsettled,
    Invited,
    Suspended,
    Approved,
    Rejected,
}

struct World {
    server: Server,
    people: Vec<Person>,
    /// A business and somebody in it whose rows are nobody else's.
    home: (i64, i64),
    abroad: (i64, i64),
    count: Cell<u32>,
    rows: RefCell<HashMap<RowKey, i64>>,
}

/// What a row is made from.
#[derive(Clone)]
struct Making {
    resource: &'static str,
    business: i64,
    owner: i64,
    /// Somebody else of the business.
    other: i64,
    kind: Kind,
    state: State,
    name: String,
}

impl World {
    fn new(capability: Capability) -> Self {
        let server = Server::start();
        crate::files::place(&server, &crate::files::png(2, 2));
        let abroad = server.business("Abroad");
        let mut people: Vec<Person> = vec![];
        let mut add = |name, plays, business, client| people.push(Person { name, plays, business, client });
        // What nobody in particular sends is refused unread, after which the server may close the connection.
        add("anonymous", "", 1, server.client().with("connection", "close"));
        for role in [Role::Citizen, Role::Student, Role::Customer, Role::Teacher, Role::Agent, Role::Staff, Role::Manager, Role::Admin] {
            add(role.name(), role.name(), 1, server.member(role.name(), role));
        }
        add("staff with the capability", "staff+", 1, server.staff("capable", &[capability]));
        add("superuser", "admin", 1, server.superuser("root"));
        add("admin of another business", "admin", abroad, server.member_with("stranger", Role::Admin, abroad, &[]));
        for status in ["invited", "suspended", "ended"] {
            let client = server.member(status, Role::Admin);
            let id = client.id;
            server.write(move |tx| {
                let membership: i64 = tx.one("SELECT id FROM memberships WHERE user_id = ?1", &[id.into()])?.expect("a membership");
                tx.update("memberships", membership, vec![("status", status.into())])
            });
            add(status, "", 1, client);
        }
        let home = (1, server.member("bystander", Role::Agent).id);
        let abroad = (abroad, server.member_with("foreigner", Role::Agent, abroad, &[]).id);
        Self { server, people, home, abroad, count: Cell::new(0), rows: RefCell::default() }
    }

    fn person(&self, name: &str) -> &Person {
        self.people.iter().find(|person| person.name == name).unwrap_or_else(|| panic!("nobody is called {name}"))
    }

    fn unique(&self) -> String {
        self.count.set(self.count.get() + 1);
        format!("name{}", self.count.get())
    }

    fn bystander(&self, business: i64) -> i64 {
        if business == self.home.0 { self.home.1 } else { self.abroad.1 }
    }

    /// The id of a row that is this to the person; made when there is none, or when it must be a new one.
    fn row(&self, person: &Person, resource: &'static str, kind: Kind, state: State, new: bool) -> i64 {
        let there = if person.business == self.home.0 { self.abroad.0 } else { self.home.0 };
        let business = if kind == Kind::Foreign { there } else { person.business };
        let other = self.bystander(business);
        let owner = if kind.is_own() || kind == Kind::Shared { person.client.id } else { other };
        match (kind, resource) {
            (Kind::Missing, _) => return MISSING,
            (_, "accounts/users-list") => return owner,
            _ => {}
        }
        let key = (resource, business, owner, kind, state);
        let known = self.rows.borrow().get(&key).copied();
        if let Some(id) = known.filter(|_| !new) {
            return id;
        }
        let making = Making { resource, business, owner, other, kind, state, name: self.unique() };
        let by_request = finance::MADE_BY_REQUESTS.contains(&resource);
        let id = if by_request { finance::make(self, person, &making) } else { self.server.write(move |tx| make(tx, &making)) };
        // Somebody has one profile at a time, and signs in for one party: a new one takes the place of those that are known.
        let signs_in = resource == "finance/parties" && kind.is_own() && ["customer", "student"].contains(&person.plays);
        let is_profile = resource.ends_with("-profiles") || signs_in;
        if is_profile {
            self.rows.borrow_mut().retain(|known, _| (known.0, known.2) != (resource, owner) || kind != known.3);
        }
        if known.is_none() || is_profile {
            self.rows.borrow_mut().insert(key, id);
        }
        id
    }

    fn ids(&self, sql: &str, args: &[Value]) -> BTreeSet<i64> {
        let ids = self.server.app.db.read(|reader| reader.rows(sql, args, |row| row.get::<i64>(0)));
        ids.expect("a query of the test").into_iter().collect()
    }

    /// The rows that a list must hold, asked of the database by other words than the program's.
    fn listed(&self, person: &Person, resource: &str, own: bool, deleted: bool) -> BTreeSet<i64> {
        let (table, predicate) = table(resource);
        let within = match table {
            // The chart is for those who ask for it.
            "accounts" => {
                "business_id = ?1 AND type NOT IN ('receivable', 'payable', 'tax_payable', 'tax_receivable', 'equity', 'fx_clearing', 'income', 'expense')"
            }
            "users" => "id IN (SELECT user_id FROM memberships WHERE business_id = ?1 AND status IN ('active', 'suspended'))",
            _ => "business_id = ?1",
        };
        let mark = match (table, deleted) {
            ("referrals" | "memberships" | "payments" | "transactions" | "journal_entries" | "quotation_items", _) => "",
            (_, true) => " AND deleted_at IS NOT NULL",
            (_, false) => " AND deleted_at IS NULL",
        };
        let mine = if own { format!(" AND {predicate}") } else { String::new() };
        self.ids(&format!("SELECT id FROM {table} WHERE {within}{mark}{mine}"), &[person.business.into(), person.client.id.into()])
    }

    fn is_deletable(&self, resource: &str) -> bool {
        self.server.app.db.catalog().has(table(resource).0, "deleted_at")
    }

    /// Enough of a row to see whether anything happened to it.
    fn trace(&self, resource: &str, id: i64) -> Option<(i64, Option<String>)> {
        let mark = if self.is_deletable(resource) { "deleted_at" } else { "NULL" };
        let sql = format!("SELECT version, {mark} FROM {}", table(resource).0);
        let found = self
            .server
            .app
            .db
            .read(|reader| reader.row(&format!("{sql} WHERE id = ?1"), &[id.into()], |row| Ok((row.get(0)?, row.get(1)?))));
        found.expect("a query of the test")
    }
}

fn make(tx: &mut Writer<'_>, making: &Making) -> Result<i64> {
    let Making { business, owner, other, kind, state, .. } = *making;
    let name = || Value::from(making.name.as_str());
    let lead = |tx: &mut Writer<'_>, owner: i64, kind: Kind| -> Result<i64> {
        let mut values: Vec<(&str, Value)> = vec![
            ("business_id", business.into()),
            ("business_name", name()),
            ("contact_phone", "0700".into()),
            ("currency", "USD".into()),
            // Hot and due, unless it is closed.
            ("priority", "high".into()),
            ("follow_up_date", "2026-02-01".into()),
        ];
        match kind {
            Kind::OwnByEntry => values.push(("created_by", owner.into())),
            Kind::OwnByZone => {
                let zone = vec![("business_id", business.into()), ("name", name()), ("manager_id", owner.into())];
                values.push(("zone_id", tx.insert("zones", zone)?.into()));
            }
            _ => values.push(("assigned_rep_id", owner.into())),
        }
        if state == State::Lost {
            values.extend([("stage", "lost".into()), ("status", "closed_lost".into()), ("lost_reason", "price".into())]);
        }
        tx.insert("leads", values)
    };
    let within = ("business_id", Value::from(business));
    let table = table(making.resource).0;
    let id = match table {
        "referrals" => tx.insert(table, vec![within, ("code", name()), ("referrer_id", owner.into())])?,
        "staff_profiles" if !kind.is_own() => tx.insert(table, vec![within, ("name", name())])?,
        "staff_profiles" | "customer_profiles" => {
            let user = if kind.is_own() { owner } else { newcomer(tx, business, &making.name)? };
            let sql = format!("SELECT id FROM {table} WHERE business_id = ?1 AND user_id = ?2 AND deleted_at IS NULL");
            for id in tx.rows(&sql, &[business.into(), user.into()], |row| row.get::<i64>(0))? {
                tx.delete(table, id)?;
            }
            tx.insert(table, vec![within, ("user_id", user.into())])?
        }
        "parties" => {
            let values = vec![within, ("name", name()), ("currency", "USD".into())];
            let role: Option<String> = tx.one("SELECT role FROM memberships WHERE user_id = ?1", &[owner.into()])?;
            // Customers sign in for one, and for one only; that of others is what they have entered.
            let signs_in = kind.is_own() && ["customer", "student"].contains(&role.as_deref().unwrap_or_default());
            let whose = if signs_in { "user_id" } else { "created_by" };
            tx.each("UPDATE parties SET user_id = NULL WHERE user_id = ?1", &[owner.into()], |_| Ok(()))?;
            tx.insert(table, [values, vec![(whose, owner.into())]].concat())?
        }
        "accounts" => {
            let values = vec![within, ("name", name()), ("currency", "USD".into()), ("allow_negative", true.into())];
            let owner = kind.is_own().then_some(owner);
            tx.insert(table, [values, vec![("owner_id", owner.into())]].concat())?
        }
        "payments" => payment_of(tx, business, None, &making.name)?,
        "transactions" => {
            let account = till(tx, business)?;
            let values = vec![within, ("type", "income".into()), ("amount", 100.into()), ("account_id", account.into())];
            let more = vec![("currency", "USD".into()), ("category", "miscellaneous".into()), ("date", "2026-02-01".into())];
            tx.insert(table, [values, more, vec![("description", name()), ("state", "draft".into())]].concat())?
        }
        "invoices" => {
            let party = tx.insert("parties", vec![within.clone(), ("name", name()), ("currency", "USD".into())])?;
            let day = || Value::from("2026-02-01");
            let values = vec![within, ("party_id", party.into()), ("issue_date", day()), ("due_date", day()), ("currency", "USD".into())];
            let sums = ["prices_include_tax", "subtotal", "discount_total", "tax_total", "total"].map(|column| (column, 0.into()));
            tx.insert(table, [values, sums.to_vec()].concat())?
        }
        "quotations" => quotation_of(tx, business, &making.name)?,
        "quotation_items" => {
            let quotation = quotation_of(tx, business, &making.name)?;
            tx.insert(table, vec![within, ("quotation_id", quotation.into()), ("name", name()), ("unit_cost", 0.into())])?
        }
        "recurring_invoices" => {
            let party = tx.insert("parties", vec![within.clone(), ("name", name()), ("currency", "USD".into())])?;
            let values =
                vec![within, ("name", name()), ("party_id", party.into()), ("currency", "USD".into()), ("frequency", "weekly".into())];
            let more = vec![("next_run_on", "2026-06-01".into()), ("prices_include_tax", 0.into()), ("total", 0.into())];
            tx.insert(table, [values, more].concat())?
        }
        "journal_entries" => {
            let sql = "SELECT 1 + coalesce(max(number), 0) FROM journal_entries WHERE business_id = ?1";
            let number: Option<i64> = tx.one(sql, &[business.into()])?;
            let values = vec![within, ("number", number.into()), ("date", "2026-02-01".into()), ("memo", name())];
            tx.insert(table, [values, vec![("source_type", "manual".into()), ("source_id", 0.into())]].concat())?
        }
        "tax_rates" => tx.insert(table, vec![within, ("name", name()), ("percent", 180_000.into())])?,
        "requisitions" => {
            let status = if state == State::Draft { "draft" } else { "pending" };
            let id = requisition_of(tx, business, owner, &making.name, status)?;
            let item = vec![within, ("requisition_id", id.into()), ("position", 0.into()), ("particular", name())];
            tx.insert("requisition_items", [item, vec![("unit_cost", 1_000_000.into()), ("amount", 100.into())]].concat())?;
            let decided = vec![("decided_by", other_than(tx, business, owner)?.into()), ("decided_at", tx.now().to_string().into())];
            match state {
                State::Approved => {
                    tx.update(table, id, [decided, vec![("status", "approved".into()), ("approved_amount", 100.into())]].concat())?
                }
                State::Rejected => tx.update(table, id, [decided, vec![("status", "rejected".into())]].concat())?,
                _ => false,
            };
            id
        }
        "goals" => goal_of(tx, business, owner, &making.name)?,
        "goal_milestones" => {
            let goal = goal_of(tx, business, owner, &making.name)?;
            tx.insert(table, vec![within, ("goal_id", goal.into()), ("amount", 100.into()), ("currency", "USD".into())])?
        }
        "memberships" => {
            let user = newcomer(tx, business, &making.name)?;
            let id: i64 = tx.one("SELECT id FROM memberships WHERE user_id = ?1", &[user.into()])?.expect("a membership");
            let status = match state {
                State::Invited => "invited",
                State::Suspended => "suspended",
                _ => "active",
            };
            let to = format!("{}@example.net", making.name);
            tx.update(table, id, vec![("role", "agent".into()), ("status", status.into()), ("invited_to", to.into())])?;
            id
        }
        "integrations" => tx.insert(table, vec![within, ("name", name()), ("kind", "smtp".into())])?,
        "leads" => lead(tx, owner, kind)?,
        "lead_actions" => {
            let by = if kind == Kind::Shared { other } else { owner };
            let lead = lead(tx, owner, Kind::Own)?;
            let date = tx.now().to_string().into();
            tx.insert(table, vec![within, ("lead_id", lead.into()), ("type", "call".into()), ("date", date), ("created_by", by.into())])?
        }
        "saved_views" => {
            let resource = ("resource", "accounts/departments".into());
            tx.insert(table, vec![within, resource, ("name", name()), ("created_by", owner.into())])?
        }
        "comments" | "files" => {
            let by = if kind == Kind::Shared { other } else { owner };
            let role: Option<String> = tx.one("SELECT role FROM memberships WHERE user_id = ?1", &[owner.into()])?;
            let (target_type, target) = match role.as_deref() {
                // Who sees no leads sees this.
                Some("customer") if table == "comments" => ("customer_profile", profile_of(tx, business, owner)?),
                Some("customer" | "student") => ("payment", payment_of(tx, business, Some(owner), &making.name)?),
                Some("teacher") if table == "comments" => ("requisition", requisition_of(tx, business, owner, &making.name, "pending")?),
                Some("teacher") if table == "files" => {
                    ("staff_profile", tx.insert("staff_profiles", vec![within.clone(), ("name", name())])?)
                }
                _ => ("lead", lead(tx, owner, Kind::Own)?),
            };
            let mut values = vec![within, ("target_type", target_type.into()), ("target_id", target.into()), ("created_by", by.into())];
            if table == "comments" {
                values.extend([
                    ("content", name()),
                    ("author_id", by.into()),
                    ("is_internal", (!["customer", "student"].contains(&role.as_deref().unwrap_or_default())).into()),
                ]);
            } else {
                let png = crate::files::png(2, 2);
                values.extend([("filename", name()), ("content_type", "image/png".into()), ("sha256", crate::files::sha256(&png).into())]);
                values.push(("size", i64::try_from(png.len()).expect("few").into()));
            }
            tx.insert(table, values)?
        }
        "visits" => {
            // A rep is checked in at one visit at a time.
            for id in
                tx.rows("SELECT id FROM visits WHERE rep_id = ?1 AND status = 'checked_in'", &[owner.into()], |row| row.get::<i64>(0))?
            {
                tx.update(table, id, vec![("status", "cancelled".into())])?;
            }
            let mut values = vec![
                within,
                ("business_name", name()),
                ("contact_phone", "0700".into()),
                ("rep_id", owner.into()),
                ("date_time", "2026-03-20T09:00:00.000Z".into()),
            ];
            match state {
                State::CheckedIn => values.extend([("status", "checked_in".into()), ("check_in_at", tx.now().to_string().into())]),
                State::Completed => values.extend([("status", "completed".into()), ("visit_outcome", "interested".into())]),
                _ => values.push(("status", "planned".into())),
            }
            tx.insert(table, values)?
        }
        _ => tx.insert(table, vec![within, (first_text(making.resource), name())])?,
    };
    if state == State::Deleted {
        tx.delete(table, id)?;
    }
    Ok(id)
}

/// Somebody's profile as a customer; made when there is none.
fn profile_of(tx: &mut Writer<'_>, business: i64, user: i64) -> Result<i64> {
    let sql = "SELECT id FROM customer_profiles WHERE business_id = ?1 AND user_id = ?2 AND deleted_at IS NULL";
    match tx.one(sql, &[business.into(), user.into()])? {
        Some(id) => Ok(id),
        None => tx.insert("customer_profiles", vec![("business_id", business.into()), ("user_id", user.into())]),
    }
}

/// Somebody else of the business.
fn other_than(tx: &mut Writer<'_>, business: i64, user: i64) -> Result<Option<i64>> {
    tx.one("SELECT user_id FROM memberships WHERE business_id = ?1 AND user_id <> ?2 ORDER BY id LIMIT 1", &[business.into(), user.into()])
}

/// What somebody asks money for.
fn requisition_of(tx: &mut Writer<'_>, business: i64, owner: i64, name: &str, status: &'static str) -> Result<i64> {
    let values = vec![("business_id", business.into()), ("requested_by_id", owner.into()), ("purpose", name.into())];
    let more = vec![("category", "travel".into()), ("amount", 100.into()), ("currency", "USD".into()), ("status", status.into())];
    tx.insert("requisitions", [values, more, vec![("created_by", owner.into())]].concat())
}

/// A goal of somebody.
fn goal_of(tx: &mut Writer<'_>, business: i64, owner: i64, name: &str) -> Result<i64> {
    let values =
        vec![("business_id", business.into()), ("title", name.into()), ("target_amount", 1_000_000.into()), ("currency", "USD".into())];
    let more = vec![("start_date", "2026-01-01".into()), ("due_date", "2027-01-01".into()), ("owner_id", owner.into())];
    tx.insert("goals", [values, more].concat())
}

/// A quotation of nothing.
fn quotation_of(tx: &mut Writer<'_>, business: i64, name: &str) -> Result<i64> {
    let party = tx.insert("parties", vec![("business_id", business.into()), ("name", name.into()), ("currency", "USD".into())])?;
    let values =
        vec![("business_id", business.into()), ("quote_number", name.into()), ("party_id", party.into()), ("currency", "USD".into())];
    let sums = ["prices_include_tax", "subtotal", "discount_total", "tax_total", "total_amount"].map(|column| (column, 0.into()));
    tx.insert("quotations", [values, vec![("issued_date", "2026-02-01".into())], sums.to_vec()].concat())
}

/// A place for money.
fn till(tx: &mut Writer<'_>, business: i64) -> Result<i64> {
    match tx.one("SELECT id FROM accounts WHERE business_id = ?1 AND name = 'Till'", &[business.into()])? {
        Some(id) => Ok(id),
        None => {
            let values = vec![("business_id", business.into()), ("name", "Till".into()), ("currency", "USD".into())];
            tx.insert("accounts", [values, vec![("allow_negative", true.into())]].concat())
        }
    }
}

/// A payment of somebody's party, which is made when there is none; or of nobody's.
fn payment_of(tx: &mut Writer<'_>, business: i64, user: Option<i64>, name: &str) -> Result<i64> {
    let sql = "SELECT id FROM parties WHERE business_id = ?1 AND user_id = ?2 AND deleted_at IS NULL";
    let party = match tx.one(sql, &[business.into(), user.into()])? {
        Some(id) => id,
        None => {
            let values = vec![("business_id", business.into()), ("name", name.into()), ("currency", "USD".into())];
            tx.insert("parties", [values, vec![("user_id", user.into())]].concat())?
        }
    };
    let values = vec![("business_id", business.into()), ("party_id", i64::into(party)), ("account_id", till(tx, business)?.into())];
    tx.insert("payments", [values, vec![("amount", 100.into()), ("currency", "USD".into()), ("date", "2026-02-01".into())]].concat())
}

/// A customer who has not been seen before.
fn newcomer(tx: &mut Writer<'_>, business: i64, name: &str) -> Result<i64> {
    let user = tx.insert("users", vec![("username", format!("newcomer-{name}").into())])?;
    tx.insert("memberships", vec![("business_id", business.into()), ("user_id", user.into()), ("role", "customer".into())])?;
    Ok(user)
}

// ------------------------------------------------------------------------------------------------ the matrix

/// All that was answered otherwise than expected.
#[derive(Default)]
struct Verdict {
    wrong: Vec<String>,
    asked: usize,
}

impl Verdict {
    fn expect(&mut self, holds: bool, say: impl FnOnce() -> String) {
        self.asked += 1;
        if !holds {
            self.wrong.push(say());
        }
    }

    fn status(&mut self, who: &str, what: &str, answer: &Answer, wanted: u16) {
        let code = match wanted {
            401 => Some("not_authenticated"),
            403 => Some("permission_denied"),
            404 => Some("not_found"),
            _ => None,
        };
        let fits = answer.status == wanted && code.is_none_or(|code| answer.json()["code"] == code);
        self.expect(fits, || format!("{who}, {what}: {} instead of {wanted}: {} {}", answer.status, answer.call, answer.text));
    }

    fn done(self) {
        let shown = self.wrong.iter().take(60).cloned().collect::<Vec<_>>().join("\n");
        assert!(self.wrong.is_empty(), "{} of {} answers are wrong:\n{shown}", self.wrong.len(), self.asked);
    }
}

/// The answer that the table demands for a row.
fn wanted(operation: &Operation, person: &Person, kind: Kind) -> u16 {
    if !person.signed_in() {
        return 401;
    }
    let line = RESOURCES.iter().find(|(name, _)| *name == operation.resource).map_or("", |(_, line)| line);
    let reads = granted(line, person.plays, 'R');
    let sees = |kind: Kind| !kind.is_away() && reads.is_some_and(|grant| !grant.own || kind != Kind::Other);
    match operation.grant(person.plays) {
        // Whoever may change rows of this kind, but not do this to any, is told so of those they see.
        // Merging deletes, and statements are for those who keep the books: others are told so at once.
        None if operation.verb == 'x' && operation.resource == "finance/parties" => 403,
        None if operation.verb == 'x' && granted(line, person.plays, 'U').is_some() => {
            if sees(kind) {
                403
            } else {
                404
            }
        }
        None => 403,
        Some(_) if kind.is_away() => 404,
        // Files are for those who work here, whatever they are attached to.
        Some(grant) if (!grant.own || kind.is_own()) && operation.path.ends_with("{id}/files/") => {
            let files = RESOURCES.iter().find(|(name, _)| *name == "files").map_or("", |(_, line)| line);
            if granted(files, person.plays, 'R').is_some() { 200 } else { 403 }
        }
        Some(grant) if !grant.own || kind.is_own() => 200,
        Some(_) if kind == Kind::Shared && ['L', 'R'].contains(&operation.verb) => 200,
        Some(_) => {
            if sees(kind) {
                403
            } else {
                404
            }
        }
    }
}

/// A body that changes a row, or makes one.
fn body(world: &World, operation: &Operation, person: &Person, id: i64) -> Json {
    let name = world.unique();
    let column = |column: &str| {
        let sql = format!("SELECT {column} FROM {} WHERE id = ?1", table(operation.resource).0);
        world.ids(&sql, &[id.into()]).pop_first().unwrap_or(MISSING)
    };
    // What a new record points to must be the caller's own, if only such may be made.
    let mine = if operation.grant(person.plays).is_some_and(|grant| grant.own) { Kind::Own } else { Kind::Other };
    let creates = operation.verb == 'C';
    match operation.resource {
        "accounts/staff-profiles" if creates => json!({"name": name}),
        "accounts/staff-profiles" => json!({"work_phone": name}),
        "accounts/customer-profiles" => {
            let business = person.business;
            let user = if creates { world.server.write(move |tx| newcomer(tx, business, &name)) } else { column("user_id") };
            json!({"user": user, "referred_by": world.row(person, "accounts/referrals", Kind::Other, State::Fresh, true)})
        }
        "accounts/memberships" if creates => json!({"email": format!("{name}@example.net"), "role": "agent"}),
        "accounts/memberships" => json!({"role": "teacher"}),
        "integrations" => json!({"kind": "sms", "name": name}),
        "field/leads" => json!({"business_name": name, "contact_phone": "0701"}),
        "field/actions" => {
            let lead = if creates { world.row(person, "field/leads", mine, State::Fresh, true) } else { column("lead_id") };
            json!({"lead": lead, "type": "demo", "notes": name})
        }
        "field/visits" => json!({"business_name": name}),
        "saved-views" => json!({"resource": "accounts/departments", "name": name}),
        "comments" if creates && person.plays == "customer" => {
            let (business, id) = (person.business, person.client.id);
            let profile = world.server.write(move |tx| profile_of(tx, business, id));
            json!({"target_type": "customer_profile", "target_id": profile, "content": name})
        }
        "comments" if creates && person.plays == "student" => {
            let (business, id) = (person.business, person.client.id);
            let named = name.clone();
            let payment = world.server.write(move |tx| payment_of(tx, business, Some(id), &named));
            json!({"target_type": "payment", "target_id": payment, "content": name})
        }
        "comments" if creates && person.plays == "teacher" => {
            let target = world.row(person, "finance/requisitions", Kind::Own, State::Fresh, false);
            json!({"target_type": "requisition", "target_id": target, "content": name})
        }
        "comments" if creates => {
            let lead = if person.signed_in() { world.row(person, "field/leads", mine, State::Fresh, true) } else { MISSING };
            json!({"target_type": "lead", "target_id": lead, "content": name})
        }
        "comments" => json!({"content": name, "emoji": "👍"}),
        "files" => json!({"purpose": name}),
        "finance/tax-rates" => json!({"name": name, "percent": "18"}),
        resource if finance::MADE_BY_REQUESTS.contains(&resource) => finance::body(world, operation, person, id, mine, &name),
        // What is theirs to change, beside what must be there.
        "finance/parties" if person.plays == "customer" => json!({"name": text(world, operation.resource, "name", id), "phone": "0701"}),
        // With an item, it comes to what that does.
        "finance/requisitions" if creates => json!({"purpose": name, "amount": "5"}),
        "finance/requisitions" => json!({"purpose": name}),
        "finance/goals" => json!({"title": name, "target_amount": "5000", "due_date": "2027-01-01"}),
        "finance/goal-milestones" => {
            let goal = if creates { world.row(person, "finance/goals", mine, State::Fresh, false) } else { column("goal_id") };
            json!({"goal": goal, "amount": format!("{}.5", world.count.get()), "label": name})
        }
        resource => json!({first_text(resource): name}),
    }
}

/// A text of a row as it stands.
fn text(world: &World, resource: &str, column: &str, id: i64) -> Option<String> {
    let sql = format!("SELECT {column} FROM {} WHERE id = ?1", table(resource).0);
    world.server.app.db.read(|reader| reader.one(&sql, &[id.into()])).expect("a query of the test")
}

/// Sends an operation for many records with one, and answers what became of that one.
fn send_bulk(operation: &Operation, client: &Client, id: i64, body: Json) -> Answer {
    let body = match operation.verb {
        'C' => json!({"items": [body]}),
        'U' => json!({"ids": [id], "set": body}),
        _ => json!({"ids": [id]}),
    };
    let answer = client.post(&format!("/api/{}", operation.path), body);
    if answer.status != 200 {
        return answer;
    }
    let row = answer.json()["results"][0].clone();
    let status = if row["ok"] == true { success(operation) } else { u16::try_from(row["status"].as_i64().unwrap_or(0)).unwrap_or(0) };
    let text = if row["ok"] == true { row.to_string() } else { row["errors"].to_string() };
    Answer { status, text, ..answer }
}

/// Sends a file with one line, and answers what became of that.
fn send_file(world: &World, operation: &Operation, client: &Client, body: &Json) -> Answer {
    let fields = body.as_object().expect("a body");
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let (headings, cells): (Vec<String>, Vec<String>) = fields.iter().map(|(name, value)| (name.clone(), text(value))).unzip();
    let file = format!("{}\r\n{}\r\n", headings.join(","), cells.join(","));
    let answer = client.with("connection", "close").import(&format!("/api/{}", operation.path), "text/csv", file);
    if answer.status != 200 {
        return answer;
    }
    if answer.json()["created"] != 1 {
        return Answer { status: 400, ..answer };
    }
    let newest = world.ids(&format!("SELECT max(id) FROM {}", table(operation.resource).0), &[]).pop_last();
    Answer { status: 201, text: json!({"id": newest}).to_string(), ..answer }
}

/// Sends an operation for a row, or for none, and a body that fits.
fn send(world: &World, operation: &Operation, person: &Person, key: &str, id: i64) -> Answer {
    let client = &person.client;
    if operation.is_bulk() {
        return send_bulk(operation, client, id, body(world, operation, person, id));
    }
    if operation.path.ends_with("/import/") {
        return send_file(world, operation, client, &body(world, operation, person, id));
    }
    let path = format!("/api/{}", operation.path.replace("{id}", key));
    let path = path.replace("{item_id}", &item_of(world, id).to_string());
    let action = operation.path.rsplit('/').nth(1).filter(|_| operation.verb == 'x');
    if let Some(body) = finance::action(world, operation, id) {
        return client.with("connection", "close").post(&path, body);
    }
    match (operation.method.as_str(), action) {
        ("GET", _) => client.get(&path),
        ("DELETE", _) => client.delete(&path),
        ("POST", _) if ["{id}/files/", "/upload_document/"].iter().any(|end| operation.path.ends_with(end)) => {
            client.with("connection", "close").send("POST", &path, Some(("text/plain", world.unique().into_bytes())))
        }
        ("POST", None) if operation.path.ends_with("{id}/comments/") => client.post(&path, json!({"content": world.unique()})),
        ("POST", None) if operation.path.ends_with("/like/") => client.with("connection", "close").send("POST", &path, None),
        ("PUT", Some("secret")) => client.put(&path, json!({"secret": "a secret of the service"})),
        (_, Some("reject")) => client.post(&path, json!({"comment": "Too much"})),
        (_, Some("add_item")) => client.post(&path, json!({"particular": "More", "unit_cost": 2})),
        (_, Some("pay" | "add_payment")) => {
            let business = person.business;
            let account = world.server.write(move |tx| till(tx, business));
            client.post(&path, if action == Some("pay") { json!({"account": account}) } else { json!({"account": account, "amount": 1}) })
        }
        (_, Some("link_transaction")) => {
            let income = world.row(person, "finance/transactions", Kind::Other, State::Fresh, true);
            client.post(&path, json!({"transaction_id": income}))
        }
        (_, Some("lose")) => client.post(&path, json!({"lost_reason": "price"})),
        (_, Some("check-in")) => client.post(&path, json!({"lat": 0, "lon": 0, "accuracy_m": 5})),
        (_, Some("check-out")) => client.post(&path, json!({"visit_outcome": "interested"})),
        (_, Some("merge")) => {
            // The other one is the caller's own; which of the two stays is changed about.
            let mine = if person.signed_in() {
                world.row(person, operation.resource, Kind::Own, State::Fresh, true).to_string()
            } else {
                "1".into()
            };
            let swaps = world.count.get().is_multiple_of(2);
            client.post(&path, if swaps { json!({"into": key, "from": [mine]}) } else { json!({"into": mine, "from": [key]}) })
        }
        ("POST", _) if operation.path.ends_with("/revert/") => {
            let sql = format!("SELECT max(id) FROM audit_log WHERE target_type = '{}' AND target_id = ?1", table(operation.resource).0);
            client.post(&path, json!({"to": world.ids(&format!("SELECT coalesce(({sql}), 0)"), &[id.into()]).pop_first()}))
        }
        // Nobody reads the end of a body that is not asked for, after which the server may close the connection.
        ("POST", Some(_)) => client.with("connection", "close").send("POST", &path, None),
        ("POST", None) if operation.verb == 'd' => client.with("connection", "close").send("POST", &path, None),
        (method, _) => {
            let body = body(world, operation, person, id);
            client.send(method, &path, Some(("application/json", body.to_string().into_bytes())))
        }
    }
}

fn success(operation: &Operation) -> u16 {
    let makes = ["{id}/comments/", "{id}/files/", "/upload_document/", "/add_item/", "/add_payment/", "requisitions/{id}/pay/"];
    match operation.verb {
        _ if operation.method == "POST" && makes.iter().any(|end| operation.path.ends_with(end)) => 201,
        _ if finance::makes(operation) => 201,
        'C' => 201,
        'D' => 204,
        'x' if operation.method == "DELETE" => 204,
        _ => 200,
    }
}

/// The state that a row must be in for an operation to go through.
fn state(operation: &Operation) -> State {
    if let Some(state) = finance::state(operation) {
        return state;
    }
    match operation.path.rsplit('/').nth(1) {
        Some("restore" | "bulk_restore") => State::Deleted,
        Some("reopen") => State::Lost,
        Some("resend") => State::Invited,
        Some("activate") => State::Suspended,
        Some("check-out") => State::CheckedIn,
        Some("convert_to_lead") => State::Completed,
        Some("submit") => State::Draft,
        Some("resubmit") => State::Rejected,
        Some("pay") => State::Approved,
        _ => State::Fresh,
    }
}

fn check_row(world: &World, verdict: &mut Verdict, operation: &Operation, person: &Person) {
    let mut nothing = None;
    // Nobody closes their own account.
    let spares_own = |kind: &Kind| {
        kind.is_own() && operation.verb == 'x' && operation.resource == "accounts/users-list"
            // Nor do they decide about what they ask for.
            || kind.is_own() && ["approve/", "reject/", "requisitions/{id}/pay/"].iter().any(|end| operation.path.ends_with(end))
    };
    for kind in kinds(operation.resource).iter().copied().filter(|kind| person.signed_in() || !kind.is_own() && *kind != Kind::Shared) {
        if spares_own(&kind) {
            continue;
        }
        let wanted = wanted(operation, person, kind);
        let allowed = wanted == 200;
        let id = world.row(person, operation.resource, kind, state(operation), allowed && operation.is_write());
        let before = world.trace(operation.resource, id);
        let answer = send(world, operation, person, &id.to_string(), id);
        let what = format!("{kind:?} row");
        verdict.status(person.name, &what, &answer, if allowed { success(operation) } else { wanted });
        if allowed && operation.verb == 'D' {
            world.rows.borrow_mut().retain(|_, known| *known != id);
        }
        if !allowed {
            verdict.expect(world.trace(operation.resource, id) == before, || {
                format!("{}, {what}: refused, but changed: {}", person.name, answer.call)
            });
        }
        // Foreign and unreadable rows look like rows that are not there.
        match kind {
            Kind::Missing => nothing = Some(answer.text),
            _ if wanted == 404 => {
                let same = nothing.as_ref() == Some(&answer.text);
                verdict.expect(same, || format!("{}, {what}: {} tells {}, no row {nothing:?}", person.name, answer.call, answer.text));
            }
            _ => {}
        }
        if kind == Kind::Foreign && operation.verb == 'R' {
            let sql = format!("SELECT uuid FROM {} WHERE id = ?1", table(operation.resource).0);
            let uuid: Option<String> = world.server.app.db.read(|reader| reader.one(&sql, &[id.into()])).expect("a uuid");
            let answer = send(world, operation, person, &uuid.expect("a row"), id);
            verdict.status(person.name, "foreign row by uuid", &answer, wanted);
        }
        if let Some(only) = operation
            .grant(person.plays)
            .and_then(|grant| grant.only)
            .filter(|_| allowed && !operation.path.ends_with("/revert/") && !answer_is_file(operation))
        {
            // Only one's own, and of that only the field.
            let stranger = world.bystander(person.business);
            let other = match only {
                "work_phone" => json!({"employee_no": world.unique()}),
                "phone" => json!({"name": text(world, operation.resource, "name", id), "user": stranger}),
                _ => json!({"user": stranger}),
            };
            let path = &answer.call[operation.method.len() + 1..];
            let answer = match operation.is_bulk() {
                true => send_bulk(operation, &person.client, id, other),
                false => person.client.send(&operation.method, path, Some(("application/json", other.to_string().into()))),
            };
            verdict.status(person.name, "another field of their own row", &answer, 403);
        }
    }
}

/// The first item of a requisition.
fn item_of(world: &World, id: i64) -> i64 {
    let sql = "SELECT id FROM requisition_items WHERE requisition_id = ?1 ORDER BY position LIMIT 1";
    world.ids(sql, &[id.into()]).pop_first().unwrap_or(MISSING)
}

/// Attaching a file sets no field.
fn answer_is_file(operation: &Operation) -> bool {
    operation.path.ends_with("{id}/files/")
}

/// Lists of what is attached are for one record: of one that may be read they hold everything, of any other nothing.
fn check_attached(world: &World, verdict: &mut Verdict, operation: &Operation, person: &Person) {
    let path = format!("/api/{}", operation.path);
    let wanted = match (person.signed_in(), operation.grant(person.plays)) {
        (false, _) => 401,
        (true, None) => 403,
        (true, Some(_)) => 200,
    };
    let state = if operation.verb == 'd' { State::Deleted } else { State::Fresh };
    for kind in kinds(operation.resource).iter().copied().filter(|kind| person.signed_in() || !kind.is_own() && *kind != Kind::Shared) {
        let id = world.row(person, operation.resource, kind, state, false);
        let sql = format!("SELECT target_type, target_id FROM {} WHERE id = ?1", table(operation.resource).0);
        let read = |row: &studio::db::Row<'_>| Ok((row.get::<String>(0)?, row.get::<i64>(1)?));
        let found = world.server.app.db.read(|reader| reader.row(&sql, &[id.into()], read)).expect("a query of the test");
        let (word, target) = found.unwrap_or(("lead".to_owned(), MISSING));
        let answer = person.client.get(&format!("{path}?target_type={word}&target_id={target}&page_size=100"));
        verdict.status(person.name, "list", &answer, wanted);
        if answer.status == 200 {
            let all = operation.grant(person.plays).is_some_and(|grant| !grant.own);
            let sees = !kind.is_away() && (all || kind != Kind::Other);
            let holds = pages(&person.client, &path, &answer).contains(&id);
            verdict.expect(holds == sees, || format!("{}, {kind:?} row: {} shows {}", person.name, answer.call, answer.text));
        }
    }
    if wanted == 200 {
        let answer = person.client.get(&path);
        let required = json!({"target_type": ["This field is required."], "target_id": ["This field is required."]});
        verdict.expect((answer.status, answer.json()) == (400, required), || format!("{}: {} {}", person.name, answer.call, answer.text));
    }
}

/// The ids of every page of a list.
fn pages(client: &Client, path: &str, first: &Answer) -> BTreeSet<i64> {
    let mut ids = BTreeSet::new();
    let (mut page, mut body) = (1, first.json());
    loop {
        let rows = body["results"].as_array().or(body.as_array()).cloned().unwrap_or_default();
        ids.extend(rows.iter().filter_map(|row| row["id"].as_i64()));
        if body["next"].is_null() {
            return ids;
        }
        page += 1;
        body = client.get(&format!("{path}?page_size=100&page={page}")).expect(200);
    }
}

/// A goal of the person's business that one payment serves.
fn goal_of_payment(world: &World, person: &Person) -> i64 {
    let (business, user, name) = (person.business, person.client.id, world.unique());
    if !person.signed_in() {
        return 1;
    }
    world.server.write(move |tx| {
        let goal = goal_of(tx, business, user, &name)?;
        let sql = "SELECT id FROM payments WHERE business_id = ?1 AND direction = 'incoming' AND purpose = 'settlement' \
                   AND currency = 'USD' AND state = 'posted' ORDER BY id LIMIT 1";
        let payment: i64 = tx.one(sql, &[business.into()])?.expect("a payment");
        tx.update("payments", payment, vec![("goal_id", goal.into())])?;
        Ok(goal)
    })
}

fn check_list(world: &World, verdict: &mut Verdict, operation: &Operation, person: &Person) {
    let path = format!("/api/{}", operation.path);
    let of_goal = operation.path.ends_with("by_goal/");
    let goal = if of_goal { goal_of_payment(world, person) } else { 0 };
    let asked = if of_goal { format!("&goal={goal}") } else { String::new() };
    let answer = person.client.get(&format!("{path}?page_size=100&format=json{asked}"));
    let grant = operation.grant(person.plays);
    let wanted = match (person.signed_in(), grant) {
        (false, _) => 401,
        (true, None) => 403,
        (true, Some(_)) => 200,
    };
    verdict.status(person.name, "list", &answer, wanted);
    // Tags have no ids.
    let Some(grant) = grant.filter(|_| answer.status == 200 && !path.ends_with("/tags/")) else { return };
    let expected = world.listed(person, operation.resource, grant.own, operation.verb == 'd');
    let others = world.listed(person, operation.resource, false, operation.verb == 'd');
    assert!(
        !expected.is_empty() && (!grant.own || expected.len() < others.len()),
        "{} {}: the test has too few rows",
        person.name,
        operation.name()
    );
    if of_goal {
        let sql = "SELECT id FROM payments WHERE goal_id = ?1";
        let served = world.ids(sql, &[goal.into()]);
        let wanted: BTreeSet<i64> = served.intersection(&expected).copied().collect();
        let found = pages(&person.client, &path, &answer);
        verdict.expect(served.len() == 1 && found == wanted, || format!("{}: {found:?} serve the goal, not {wanted:?}", person.name));
        return;
    }
    if operation.path.ends_with("pending/") {
        let sql =
            "SELECT id FROM requisitions WHERE business_id = ?1 AND requested_by_id <> ?2 AND status = 'pending' AND deleted_at IS NULL";
        let waiting = world.ids(sql, &[person.business.into(), person.client.id.into()]);
        let wanted = if ["admin", "manager"].contains(&person.plays) { waiting } else { BTreeSet::new() };
        let found = pages(&person.client, &path, &answer);
        verdict.expect(found == wanted, || format!("{}: {found:?} wait, not {wanted:?}", person.name));
        return;
    }
    if operation.path.ends_with("board/") {
        let counted: i64 = answer.json().as_array().into_iter().flatten().filter_map(|stage| stage["count"].as_i64()).sum();
        verdict.expect(counted == i64::try_from(expected.len()).expect("few"), || {
            format!("{}: the board counts {counted} of {expected:?}", person.name)
        });
        return;
    }
    let found = pages(&person.client, &path, &answer);
    let closed =
        if operation.verb == 'x' { world.ids("SELECT id FROM leads WHERE stage IN ('won', 'lost')", &[]) } else { BTreeSet::new() };
    let expected: BTreeSet<i64> = expected.difference(&closed).copied().collect();
    verdict.expect(found == expected, || {
        let (more, fewer) = (found.difference(&expected), expected.difference(&found));
        format!(
            "{}: {} has too many {:?}, too few {:?}",
            person.name,
            operation.name(),
            more.collect::<Vec<_>>(),
            fewer.collect::<Vec<_>>()
        )
    });
}

fn check_create(world: &World, verdict: &mut Verdict, operation: &Operation, person: &Person) {
    let answer = send(world, operation, person, "", MISSING);
    let grant = operation.grant(person.plays);
    let wanted = match (person.signed_in(), grant) {
        (false, _) => 401,
        (true, None) => 403,
        // They may not list anything that there could be a view of.
        (true, Some(_))
            if operation.resource == "saved-views" && operation.is_write() && ["student", "customer"].contains(&person.plays) =>
        {
            400
        }
        (true, Some(_)) if !operation.is_write() => 200,
        (true, Some(_)) => 201,
    };
    verdict.status(person.name, "a new row", &answer, wanted);
    if answer.status == 201 {
        // It is in their business, and theirs to see.
        let again = person.client.get(&format!("/api/{}/{}/", operation.resource, answer.json()["id"]));
        let line = RESOURCES.iter().find(|(name, _)| *name == operation.resource).map_or("", |(_, line)| line);
        let sees = granted(line, person.plays, 'R').is_some();
        verdict.status(person.name, "the row they made", &again, if sees { 200 } else { 403 });
    }
}

fn check_chart(world: &World, verdict: &mut Verdict, operation: &Operation, person: &Person) {
    let answer = person.client.get(&format!("/api/{}", operation.path));
    let wanted = match (person.signed_in(), operation.grant(person.plays)) {
        (false, _) => 401,
        (true, None) => 403,
        (true, Some(_)) => 200,
    };
    verdict.status(person.name, "the chart", &answer, wanted);
    if answer.status == 200 {
        let shown: BTreeSet<i64> =
            answer.json()["departments"].as_array().into_iter().flatten().filter_map(|one| one["id"].as_i64()).collect();
        let expected = world.listed(person, "accounts/departments", false, false);
        verdict.expect(shown == expected, || format!("{}: the chart shows {shown:?} of {expected:?}", person.name));
    }
}

/// The matrix of one module.
fn matrix(module: &str, capability: Capability) {
    let world = World::new(capability);
    let mut verdict = Verdict::default();
    let all: Vec<Operation> = documented()
        .iter()
        .filter_map(|(method, path)| operation(method, path))
        .filter(|one| one.path.starts_with(module) && one.name() != DOCUMENT)
        .collect();
    let resources = RESOURCES.iter().map(|(name, _)| *name).filter(|name| name.starts_with(module));
    for resource in resources.filter(|name| *name != "accounts/users-list") {
        for person in world.people.iter().filter(|person| person.signed_in()) {
            for kind in kinds(resource) {
                world.row(person, resource, *kind, State::Fresh, false);
            }
            if world.is_deletable(resource) {
                world.row(person, resource, Kind::Other, State::Deleted, false);
                // Of those that nobody sees but their owner, one's own.
                if resource == "saved-views" {
                    world.row(person, resource, Kind::Own, State::Deleted, false);
                }
            }
        }
    }
    // Lists first, as long as the rows are known.
    let all: Vec<Operation> = all.into_iter().filter(|one| !one.path.ends_with("/summary/")).collect();
    let is_list = |one: &&Operation| one.method == "GET" && !one.path.contains("{id}") && one.path != "accounts/org-chart/";
    for operation in all.iter().filter(is_list).chain(all.iter().filter(|one| !is_list(one))) {
        for person in &world.people {
            match operation.verb {
                'C' => check_create(&world, &mut verdict, operation, person),
                _ if is_list(&operation) && ATTACHED.contains(&operation.resource) => {
                    check_attached(&world, &mut verdict, operation, person);
                }
                _ if is_list(&operation) => check_list(&world, &mut verdict, operation, person),
                _ if operation.path == "accounts/org-chart/" => check_chart(&world, &mut verdict, operation, person),
                _ => check_row(&world, &mut verdict, operation, person),
            }
        }
    }
    assert!(verdict.asked > 400, "only {} answers were looked at", verdict.asked);
    verdict.done();
}

#[test]
fn people() {
    matrix("accounts/", Capability::Hr);
}

#[test]
fn field_sales() {
    matrix("field/", Capability::Field);
}

#[test]
fn parties() {
    matrix("finance/parties", Capability::Finance);
}

#[test]
fn accounts_and_rates() {
    matrix("finance/accounts", Capability::Finance);
    matrix("finance/tax-rates", Capability::Finance);
}

#[test]
fn requisitions() {
    matrix("finance/requisitions", Capability::Finance);
}

#[test]
fn goals() {
    matrix("finance/goal", Capability::Finance);
}

#[test]
fn services() {
    matrix("integrations", Capability::Field);
}

#[test]
fn views() {
    matrix("saved-views", Capability::Field);
}

#[test]
fn comments() {
    matrix("comments", Capability::Field);
}

#[test]
fn files() {
    matrix("files", Capability::Field);
}

// ------------------------------------------------------------------------------------------------ signing in

#[test]
fn signing_in_is_for_anybody_and_ones_profile_for_whoever_is_signed_in() {
    let world = World::new(Capability::Hr);
    let mut verdict = Verdict::default();
    for (method, path) in documented() {
        let Some(who) = sign_in(&method, &path) else { continue };
        for person in &world.people {
            let username = person.client.get("/api/auth/me/").json()["username"].clone();
            let body = match (method.as_str(), who) {
                ("GET" | "DELETE", _) => None,
                ("PUT", _) => Some(json!({"username": username})),
                (_, "somebody") => Some(json!({"bio": "x"})),
                _ => Some(json!({})),
            };
            // Signing out with nothing but an access token ends the session: somebody else's turn.
            let public = world.server.client();
            let ends = path.ends_with("logout/") || path.ends_with("end-all/");
            let client = if ends { &public } else { &person.client };
            let path = path.replace("{id}", &"0".repeat(32));
            let answer =
                client.send(&method, &format!("/api/{path}"), body.map(|body| ("application/json", body.to_string().into_bytes())));
            let fits = match (who, person.signed_in()) {
                ("their own", true) => [200, 400, 409].contains(&answer.status),
                ("anybody", _) => [200, 205, 400].contains(&answer.status),
                ("prover", true) => [200, 400, 429].contains(&answer.status),
                ("session", _) if ends => answer.status == 401,
                ("session", true) => answer.status == if method == "DELETE" { 404 } else { 200 },
                (_, true) => answer.status == 200 && answer.json()["id"] == person.client.id,
                (_, false) => answer.status == 401,
            };
            verdict.expect(fits, || format!("{}: {} answered {} {}", person.name, answer.call, answer.status, answer.text));
        }
    }
    verdict.done();
}

#[test]
fn keys_and_lost_factors_are_for_those_who_run_the_business() {
    let world = World::new(Capability::Hr);
    let mut verdict = Verdict::default();
    for person in &world.people {
        let runs = ["admin", "manager"].contains(&person.plays);
        let allowed = |status: u16, may: bool| match (person.signed_in(), may) {
            (false, _) => 401,
            (true, true) => status,
            (true, false) => 403,
        };
        let client = &person.client;
        let body = json!({"name": "machine", "scopes": ["*:read"]});
        let made = client.post("/api/auth/api-keys/", body);
        verdict.status(person.name, "making a key", &made, allowed(201, runs));
        verdict.status(person.name, "wrongly", &client.post("/api/auth/api-keys/", json!({})), allowed(400, runs));
        verdict.status(person.name, "listing keys", &client.get("/api/auth/api-keys/"), allowed(200, runs));
        let id = made.json()["id"].as_i64().unwrap_or(MISSING);
        verdict.status(person.name, "revoking a key", &client.delete(&format!("/api/auth/api-keys/{id}/")), allowed(204, runs));
        verdict.status(person.name, "revoking none", &client.delete(&format!("/api/auth/api-keys/{MISSING}/")), allowed(404, runs));
        let reset = |id: i64| client.post(&format!("/api/accounts/users-list/{id}/reset-2fa/"), json!({}));
        let administers = person.plays == "admin";
        verdict.status(person.name, "a member", &reset(world.bystander(person.business)), allowed(200, administers));
        let (home, abroad) = (world.home, world.abroad);
        let away = if person.business == home.0 { abroad.1 } else { home.1 };
        let (foreign, missing) = (reset(away), reset(MISSING));
        verdict.status(person.name, "somebody elsewhere", &foreign, allowed(404, administers));
        verdict.expect(foreign.text == missing.text, || format!("{}: {} {}", person.name, foreign.text, missing.text));
        verdict.status(person.name, "their own", &reset(client.id), allowed(403, false));
    }
    verdict.done();
}

// ------------------------------------------------------------------------------------------------ belonging

/// Who sees and changes which business: their own, and that of somebody else.
#[test]
fn businesses_are_for_those_who_belong_to_them() {
    let world = World::new(Capability::Hr);
    let mut verdict = Verdict::default();
    let rest = BELONGING.iter().chain([&(SETTINGS, 'A')]);
    // What closes a business comes last, and is of others only.
    for (name, who) in rest.filter(|(name, _)| !name.ends_with("deactivate/") && !name.contains("invitations/accept")) {
        let (method, path) = name.split_once(' ').expect("a method and a path");
        for person in &world.people {
            let superuser = person.name == "superuser";
            for business in [world.home.0, world.abroad.0] {
                let path = format!("/api/{path}").replace("{id}", &business.to_string());
                let elsewhere = !path.contains("business/") && person.business != business;
                let is_member = !person.plays.is_empty() && (!elsewhere || superuser);
                let wanted = match who {
                    _ if !person.signed_in() => 401,
                    'R' => 200,
                    'S' if !superuser => 403,
                    'S' if path.ends_with("/businesses/") => 201,
                    'S' => 200,
                    'N' => 404,
                    _ if path.contains("/business/") && person.plays.is_empty() => 403,
                    _ if !is_member => 404,
                    'A' if person.plays != "admin" => 403,
                    _ => 200,
                };
                let body = match (method, path.as_str()) {
                    ("GET", _) => None,
                    (_, "/api/businesses/switch/") => Some(json!({"business": business})),
                    (_, "/api/businesses/") => Some(json!({"name": world.unique()})),
                    ("PATCH", _) => Some(json!({"legal_name": world.unique()})),
                    _ => Some(json!({})),
                };
                let body = body.map(|body| ("application/json", body.to_string().into_bytes()));
                let answer = person.client.send(method, &path, body);
                verdict.status(person.name, name, &answer, wanted);
            }
        }
    }
    let abroad = format!("/api/businesses/{}/deactivate/", world.abroad.0);
    for person in world.people.iter().filter(|person| person.plays != "admin" || person.business == world.home.0) {
        if person.name == "superuser" {
            continue;
        }
        let wanted = if person.signed_in() { 404 } else { 401 };
        verdict.status(person.name, "closing", &person.client.post(&abroad, json!({"name": "Abroad"})), wanted);
    }
    verdict.done();
}

// ------------------------------------------------------------------------------------------------ searching

#[test]
fn a_search_finds_what_may_be_listed() {
    let world = World::new(Capability::Field);
    let mut verdict = Verdict::default();
    for (resource, _) in RESOURCES.iter().filter(|(name, _)| *name != "accounts/users-list") {
        for person in world.people.iter().filter(|person| person.signed_in()) {
            for kind in [Kind::Other, Kind::Foreign].iter().chain(kinds(resource)) {
                world.row(person, resource, *kind, State::Fresh, false);
            }
        }
    }
    for person in &world.people {
        let status = match (person.signed_in(), person.plays) {
            (false, _) => 401,
            (true, "") => 403,
            _ => 200,
        };
        // Made by the tests with this in their names, or called like this.
        for q in ["name", "example"] {
            let answer = person.client.get(&format!("/api/search/?limit=20&q={q}"));
            verdict.status(person.name, q, &answer, status);
            let groups = if status == 200 { answer.json()["results"].as_array().cloned().unwrap_or_default() } else { vec![] };
            for (resource, line) in RESOURCES {
                let group = groups.iter().find(|group| group["resource"] == resource);
                let hits = group.and_then(|group| group["hits"].as_array()).into_iter().flatten();
                let found: BTreeSet<i64> = hits.filter_map(|hit| hit["id"].as_i64()).collect();
                let listed = match granted(line, person.plays, 'L') {
                    Some(grant) if status == 200 => world.listed(person, resource, grant.own, false),
                    _ => BTreeSet::new(),
                };
                verdict.expect(found.is_subset(&listed), || format!("{}: {resource}: {found:?} of {listed:?}", person.name));
                let named = ["departments", "designations", "branches", "staff-roles", "zones", "leads", "visits"];
                if q == "name" && named.iter().any(|name| resource.ends_with(name)) {
                    let wanted: BTreeSet<i64> = listed.iter().rev().take(20).copied().collect();
                    verdict.expect(found == wanted, || format!("{}: {resource}: found {found:?}, not {wanted:?}", person.name));
                    let more = group.is_some_and(|group| group["has_more"] == true);
                    verdict.expect(more == (listed.len() > 20), || format!("{}: {resource}: more: {more}", person.name));
                }
            }
        }
    }
    verdict.done();
}

#[test]
fn what_changes_is_for_whoever_is_somebody_in_a_business() {
    let world = World::new(Capability::Hr);
    let mut verdict = Verdict::default();
    for person in &world.people {
        for operation in FEED {
            let (method, path) = operation.split_once(' ').expect("a method and a path");
            let answer = person.client.send(method, &format!("/api/{path}"), None);
            let wanted = match (person.signed_in(), person.plays) {
                (false, _) => 401,
                (true, "") => 403,
                (true, _) => 200,
            };
            verdict.status(person.name, operation, &answer, wanted);
        }
    }
    verdict.done();
}

// ------------------------------------------------------------------------------------------------ the fine print

/// Rights that end with the state of a row, and what may be put into one: who, what, and the answer.
#[test]
fn rights_that_depend_on_the_row() {
    let world = World::new(Capability::Field);
    let mut verdict = Verdict::default();
    let bystander = world.home.1;
    let change = |table: &'static str, id: i64, values: &[(&'static str, Value)]| {
        let values = values.to_vec();
        world.server.write(move |tx| tx.update(table, id, values.clone()));
    };

    // Agents delete their leads while they are prospects and their visits while they are planned.
    let agent = world.person("agent");
    let stages =
        [("prospect", "new", 204), ("qualified", "interested", 403), ("negotiation", "new", 403), ("won", "closed_subscribed", 403)];
    for (stage, status, wanted) in stages {
        let id = world.row(agent, "field/leads", Kind::Own, State::Fresh, true);
        change("leads", id, &[("stage", stage.into()), ("status", status.into())]);
        verdict.status("agent", stage, &agent.client.delete(&format!("/api/field/leads/{id}/")), wanted);
    }
    for (state, status, wanted) in [
        (State::Fresh, "planned", 204),
        (State::CheckedIn, "checked_in", 403),
        (State::Completed, "completed", 403),
        (State::Fresh, "cancelled", 403),
    ] {
        let id = world.row(agent, "field/visits", Kind::Own, state, true);
        change("visits", id, &[("status", status.into())]);
        verdict.status("agent", status, &agent.client.delete(&format!("/api/field/visits/{id}/")), wanted);
    }

    // What was done about a lead is corrected within 24 hours, and later by managers. The clock stands at 9:00 on 2 March.
    for (at, who, wanted) in [
        ("2026-03-01T09:00:01.000Z", "agent", 200),
        ("2026-03-01T08:59:59.000Z", "agent", 403),
        ("2026-03-01T09:00:01.000Z", "staff", 200),
        ("2026-03-01T08:59:59.000Z", "staff", 403),
        ("2026-03-01T08:59:59.000Z", "staff with the capability", 403),
        ("2026-03-01T08:59:59.000Z", "manager", 200),
        ("2026-03-01T08:59:59.000Z", "admin", 200),
    ] {
        let person = world.person(who);
        let id = world.row(person, "field/actions", Kind::Own, State::Fresh, true);
        change("lead_actions", id, &[("created_at", at.into())]);
        let path = format!("/api/field/actions/{id}/");
        verdict.status(who, at, &person.client.patch(&path, json!({"notes": "x"})), wanted);
        verdict.status(who, at, &person.client.delete(&path), if wanted == 200 { 204 } else { wanted });
    }

    // A lead is handed on by who has it and by managers; a visit is made for somebody else by managers only.
    for (who, kind, wanted) in [
        ("agent", Kind::Own, 200),
        ("staff", Kind::Own, 200),
        ("staff with the capability", Kind::Other, 403),
        ("manager", Kind::Other, 200),
        ("admin", Kind::Other, 200),
    ] {
        let person = world.person(who);
        let id = world.row(person, "field/leads", kind, State::Fresh, true);
        let to = if kind == Kind::Own { bystander } else { world.person("agent").client.id };
        verdict.status(
            who,
            "handing a lead on",
            &person.client.patch(&format!("/api/field/leads/{id}/"), json!({"assigned_rep": to})),
            wanted,
        );
        let wanted = if ["manager", "admin"].contains(&who) { 201 } else { 403 };
        verdict.status(
            who,
            "a visit for another",
            &person.client.post("/api/field/visits/", json!({"business_name": "x", "rep": bystander})),
            wanted,
        );
    }

    // To those who see only their own leads, another's does not exist, whatever they write about it.
    for who in ["agent", "staff"] {
        let person = world.person(who);
        let lead = world.row(person, "field/leads", Kind::Other, State::Fresh, true);
        for (path, mut body) in [("field/actions", json!({"type": "call"})), ("field/visits", json!({"business_name": "x"}))] {
            body["lead"] = lead.into();
            let answer = person.client.post(&format!("/api/{path}/"), body);
            let wanted = json!({"lead": [format!("Invalid pk \"{lead}\" - object does not exist.")]});
            verdict.expect((answer.status, answer.json()) == (400, wanted), || format!("{who}: {} {}", answer.call, answer.text));
        }
    }
    verdict.done();
}

/// Who may not do something is told so, whatever the body: permission comes before parsing.
#[test]
fn permission_comes_before_the_body() {
    let world = World::new(Capability::Field);
    let mut verdict = Verdict::default();
    let all: Vec<Operation> = documented().iter().filter_map(|(method, path)| operation(method, path)).collect();
    for operation in all.iter().filter(|one| ["POST", "PUT", "PATCH"].contains(&one.method.as_str())) {
        let path = format!("/api/{}", operation.path.replace("{id}", "1"));
        for (name, wanted) in [("anonymous", 401), ("student", 403), ("suspended", 403)] {
            // Students have views of their own, and see what is said about their own invoices and payments.
            let is_theirs = ["saved-views", "comments"].contains(&operation.resource) || operation.path.ends_with("/comments/");
            let name = if is_theirs && name == "student" { "citizen" } else { name };
            for (what, media, body) in [
                ("an empty body", "application/json", "{}"),
                ("a broken body", "application/json", "{"),
                ("another medium", "text/plain", "x"),
            ] {
                let client = world.person(name).client.with("connection", "close");
                let answer = client.send(&operation.method, &path, Some((media, body.into())));
                verdict.status(name, what, &answer, wanted);
            }
        }
    }
    verdict.done();
}
