//! Who may do what: the matrices of the specification, transcribed.

/// For each resource who may do what: List, Read, Create, Update, Delete; with all rows, or those that are their `.own`; in brackets the
/// only field. Who is not named may nothing. `staff+` is staff with the capability of the module: `hr` or `field`.
pub(super) const RESOURCES: &[(&str, &str)] = &[
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
    ("finance/transactions", "admin LRCU; manager LRCU; staff+ LRCU; agent LRC.own"),
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
pub(super) const ATTACHED: &[&str] = &["comments", "files"];

/// What only rows that stand for themselves have.
pub(super) const FOR_ROWS_ALONE: &[&str] = &["minimal/", "import/", "import/template/", "export/", "facets/"];

/// The same for what can be done besides: `x` is the action itself.
pub(super) const ACTIONS: &[(&str, &str)] = &[
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
    ("POST finance/transactions/{id}/reverse/", "admin x; manager x; staff+ x.own"),
    ("DELETE finance/transactions/{id}/", "admin x; manager x; staff+ x.own"),
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
    ("GET finance/quotations/{id}/pdf/", "admin x; manager x; staff+ x; customer x.own; student x.own"),
    ("POST finance/quotations/{id}/send/", "admin x; manager x; staff+ x"),
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
    ("POST finance/goals/{id}/archive/", "admin x; manager x; staff+ x"),
    ("POST finance/goals/{id}/unarchive/", "admin x; manager x; staff+ x"),
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
pub(super) const DOCUMENT: &str = "DELETE finance/requisitions/{id}/documents/{doc_id}/";

const IMPORTS: &str =
    "admin x; manager x; staff x.own; staff+ x.own; agent x.own; teacher x.own; student x.own; customer x.own; citizen x.own";

/// Signing in, below each of its paths: for anybody, or for whoever is signed in, as what being all the same; a `prover` is asked
/// for more than the token.
pub(super) const SIGN_IN: [&str; 3] = ["auth", "users", "v1/accounts"];
pub(super) const SIGN_IN_OPERATIONS: &[(&str, &str)] = &[
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
    ("POST reauthenticate/begin/", "their own"),
    // The same of passkeys, by `passkeys`.
    ("POST 2fa/verify/begin/", "anybody"),
    ("GET passkeys/", "their own"),
    ("POST passkeys/begin/", "their own"),
    ("POST passkeys/", "their own"),
    ("PATCH passkeys/{id}/", "their own"),
    ("DELETE passkeys/{id}/", "their own"),
    ("POST passkeys/sign-in/begin/", "anybody"),
    ("POST passkeys/sign-in/", "anybody"),
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
pub(super) const BELONGING: &[(&str, char)] = &[
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
pub(super) const SETTINGS: &str = "PATCH business/settings/";

/// One search through everything that they may list is for whoever has a place in a business.
pub(super) const SEARCH: &str = "GET search/";
/// What changes, for whoever is somebody in a business; of what they may read, which `events` tests.
pub(super) const FEED: [&str; 2] = ["GET events/", "POST events/ticket/"];

/// The keys of machines, and taking a lost second factor: for those who run the business.
pub(super) const RUNNING: [&str; 4] =
    ["GET auth/api-keys/", "POST auth/api-keys/", "DELETE auth/api-keys/{id}/", "POST accounts/users-list/{id}/reset-2fa/"];

/// Administration: for the administrators of the business (`A`), or superusers alone (`S`).
pub(super) const ADMINISTERING: &[(&str, char)] = &[
    ("GET accounts/users-list/{id}/access/", 'A'),
    ("DELETE accounts/users-list/{id}/sessions/{session}/", 'A'),
    ("POST accounts/users-list/{id}/end-sessions/", 'A'),
    ("GET audit/", 'A'),
    ("GET outbox/", 'A'),
    ("POST outbox/{id}/retry/", 'A'),
    ("POST outbox/retry-failed/", 'A'),
    ("GET jobs/", 'S'),
    ("POST jobs/{name}/run/", 'S'),
    ("GET system/", 'S'),
];
