//! For each resource that can be written: the least body that it takes, a full one, and a change. What a body refers to is made
//! first, through the API. A resource without a sample fails a test in `contract`.

use std::cell::{Cell, RefCell};

use rusqlite::Connection;
use serde_json::{Value, json};
use studio::{
    actor::Role,
    db,
    engine::{CREATE, Descriptor, descriptor},
    resources,
};

use crate::support::{Client, Server};

/// A business with an administrator in it, in which samples are made.
pub struct World<'s> {
    pub server: &'s Server,
    pub admin: Client,
    business: i64,
    count: Cell<u32>,
    has_head_office: Cell<bool>,
    kept: RefCell<Vec<(&'static str, i64)>>,
}

/// The bodies of a resource. Two calls of one give bodies that may both be stored.
pub struct Sample {
    pub path: &'static str,
    pub least: fn(&World) -> Value,
    pub full: fn(&World) -> Value,
    pub patch: fn(&World) -> Value,
    /// Optional fields that are filled in when they are left out.
    pub filled_in: &'static [&'static str],
}

pub const SAMPLES: &[Sample] = &[
    Sample {
        path: "accounts/departments",
        least: |world| json!({"name": world.name("Department")}),
        full: |world| {
            let parent = world.kept("accounts/departments");
            json!({"name": world.name("Division"), "manager": world.person(Role::Manager), "parent": parent})
        },
        patch: |world| json!({"name": world.name("Renamed department")}),
        filled_in: &[],
    },
    Sample {
        path: "accounts/designations",
        least: |world| json!({"name": world.name("Designation")}),
        full: |world| json!({"name": world.name("Director"), "rank": 200 - world.next()}),
        patch: |world| json!({"rank": 300 + world.next()}),
        filled_in: &[],
    },
    Sample {
        path: "accounts/branches",
        least: |world| json!({"name": world.name("Branch")}),
        full: |world| {
            json!({
                "name": world.name("Office"),
                "is_head_office": !world.has_head_office.replace(true),
                "phone": "+256 700 000001",
                "address": "1 Kampala Road",
                "lat": 0.3476,
                "lon": 32.5825,
                "opening_hours": [
                    {"weekday": 1, "opens": "08:00", "closes": "12:30"},
                    {"weekday": 1, "opens": "13:30", "closes": "17:00"},
                    {"weekday": 6, "opens": "09:00", "closes": "12:00"},
                ],
            })
        },
        patch: |world| json!({"address": world.name("Jinja Road")}),
        filled_in: &[],
    },
    Sample {
        path: "accounts/staff-roles",
        least: |world| json!({"title": world.name("Clerk")}),
        full: |world| {
            json!({
                "title": world.name("Bookkeeper"),
                "description": world.name("Keeps the books"),
                "dashboard_url": "/finance",
                "tags": ["money", "office"],
                "grants": ["hr"],
            })
        },
        patch: |world| json!({"description": world.name("Tidies up")}),
        filled_in: &[],
    },
    Sample {
        path: "accounts/staff-profiles",
        least: |world| json!({"name": world.name("Helper")}),
        full: |world| {
            let day = world.next() % 28 + 1;
            json!({
                "user": world.person(Role::Staff),
                "name": world.name("Nickname"),
                "employee_no": format!("E-{:04}", world.next()),
                "department": world.kept("accounts/departments"),
                "designation": world.kept("accounts/designations"),
                "branch": world.kept("accounts/branches"),
                "role": world.kept("accounts/staff-roles"),
                "assigned_to": world.person(Role::Manager),
                "status": "on_leave",
                "hired_on": format!("2025-01-{day:02}"),
                "left_on": "2027-01-31",
                "work_phone": "+256 700 000002",
                "notes": "Prefers mornings.",
            })
        },
        patch: |world| json!({"work_phone": format!("0700 {:06}", world.next())}),
        filled_in: &[],
    },
    Sample {
        path: "accounts/customer-profiles",
        least: |world| json!({"user": world.person(Role::Student)}),
        full: |world| {
            let referral = world.another("accounts/referrals");
            json!({"user": world.person(Role::Student), "referred_by": referral, "notes": "Pays late."})
        },
        patch: |world| json!({"notes": world.name("Calls on Mondays")}),
        filled_in: &[],
    },
    Sample {
        path: "accounts/referrals",
        least: |world| json!({"code": world.name("CODE")}),
        full: |world| json!({"code": world.name("FRIEND"), "referrer": world.person(Role::Student)}),
        patch: |world| json!({"code": world.name("OTHER")}),
        filled_in: &[],
    },
    Sample {
        path: "field/zones",
        least: |world| json!({"name": world.name("Zone")}),
        full: |world| {
            json!({
                "name": world.name("Territory"),
                "region": world.name("Region"),
                "manager": world.person(Role::Manager),
                "lat": 0,
                "lon": -0.5,
                "radius_m": 250,
                "color": "#10ff20",
            })
        },
        patch: |world| json!({"region": world.name("Border")}),
        filled_in: &[],
    },
    Sample {
        path: "field/leads",
        least: |world| json!({"business_name": world.name("Shop"), "contact_phone": format!("0701 {:06}", world.next())}),
        full: full_lead,
        patch: |world| json!({"notes": world.name("Called back")}),
        filled_in: &["currency"],
    },
    Sample {
        path: "field/actions",
        least: |world| json!({"lead": world.kept("field/leads"), "type": "call"}),
        full: |world| {
            let day = world.next() % 28 + 1;
            json!({
                "lead": world.another("field/leads"),
                "type": "meeting",
                "date": format!("2026-02-{day:02}T08:30:00.250Z"),
                "notes": world.name("Talked about prices"),
                "outcome": world.name("Wants an offer"),
                "next_follow_up": format!("2026-04-{day:02}"),
            })
        },
        patch: |world| json!({"outcome": world.name("Thinks about it")}),
        filled_in: &["date"],
    },
    Sample {
        path: "field/visits",
        least: |world| json!({"business_name": world.name("Kiosk")}),
        full: |world| {
            let n = world.next();
            json!({
                "rep": world.person(Role::Agent),
                "zone": world.another("field/zones"),
                "lead": world.another("field/leads"),
                "location": world.name("Market street"),
                "date_time": format!("{}-05-{:02}T10:15:00.000Z", if n.is_multiple_of(2) { 2025 } else { 2027 }, n % 28 + 1),
                "business_name": world.name("Bakery"),
                "contact_name": world.name("Ruth"),
                "contact_phone": format!("0702 {:06}", world.next()),
                "contact_email": "ruth@example.org",
                "products_discussed": ["bread", "cake"],
                "visit_outcome": "interested",
                "feedback_notes": "Liked the bread.",
                "next_step_agreed": "Send prices.",
                "follow_up_type": "demo",
                "follow_up_date": "2027-06-01",
                "prompt_given": true,
                "customer_agreed_contact": false,
                "add_as_lead": n % 2 == 1,
                "code_verified": true,
                "client_ref": format!("visit-{n}"),
            })
        },
        patch: |world| json!({"feedback_notes": world.name("Liked the cake")}),
        filled_in: &["rep", "date_time"],
    },
    Sample {
        path: "finance/parties",
        least: |world| json!({"name": world.name("Party")}),
        full: |world| {
            let n = world.next();
            json!({
                "name": world.name("Duka"),
                "type": (["vendor", "donor", "partner", "internal"][n as usize % 4]),
                "email": format!("duka{n}@example.net"),
                "phone": format!("+25670{n:07}"),
                "tax_number": format!("TIN{n:05}"),
                "address": {"line1": "1 Kampala Road"},
                "currency": (["EUR", "UGX", "USD"][n as usize % 3]),
                "payment_terms_days": n % 60,
                "user": world.person(Role::Customer),
                "reminders_off": n.is_multiple_of(2),
                "notes": format!("Pays late {n}"),
            })
        },
        patch: |world| json!({"notes": world.name("Called")}),
        filled_in: &["currency"],
    },
    Sample {
        path: "finance/accounts",
        least: |world| json!({"name": world.name("Account")}),
        full: |world| {
            let n = world.next();
            json!({
                "name": world.name("Purse"),
                "code": format!("code{n}"),
                "number": format!("0001{n:06}"),
                "class": if n.is_multiple_of(2) { "asset" } else { "liability" },
                "type": (["cash", "mobile_money", "credit_card"][n as usize % 3]),
                "currency": (["EUR", "UGX", "USD"][n as usize % 3]),
                "owner": world.person(Role::Agent),
                "allow_negative": n.is_multiple_of(3),
                "is_active": n.is_multiple_of(2),
                "description": "At the front desk",
            })
        },
        patch: |world| json!({"description": world.name("Moved")}),
        filled_in: &["class", "currency", "allow_negative"],
    },
    Sample {
        path: "finance/tax-rates",
        least: |world| json!({"name": world.name("Rate"), "percent": "18"}),
        full: |world| {
            let n = world.next();
            json!({"name": world.name("Tax"), "percent": format!("{}.5", n % 50), "is_default": false, "is_active": n.is_multiple_of(2)})
        },
        patch: |world| json!({"name": world.name("Renamed rate")}),
        filled_in: &[],
    },
    Sample {
        path: "finance/transactions",
        // A posted one takes no changes; `ledger` has those.
        least: |world| json!({"type": "income", "amount": "10.00", "account": world.kept("finance/accounts"), "state": "draft"}),
        full: |world| {
            let n = world.next();
            json!({
                "type": if n.is_multiple_of(2) { "income" } else { "expense" },
                "amount": format!("{}.50", 100 + n),
                "transaction_charge": "0.50",
                "account": world.kept("finance/accounts"),
                "category": (["training", "travel", "office"][n as usize % 3]),
                "party": world.another("finance/parties"),
                "description": format!("Lesson {n}"),
                "reference": format!("R-{n}"),
                "date": format!("2026-02-{:02}", n % 28 + 1),
                "state": "draft",
                "client_ref": format!("transaction-{n}"),
            })
        },
        patch: |world| json!({"description": world.name("Described")}),
        filled_in: &["transaction_charge", "currency", "category", "date"],
    },
    Sample {
        path: "integrations",
        least: |world| json!({"kind": "sms", "name": world.name("Texts")}),
        full: |world| {
            let n = world.next();
            json!({
                "kind": if n.is_multiple_of(2) { "smtp" } else { "webhook" },
                "name": world.name("Post"),
                "config": {"host": "mail.example.org", "port": 587},
                "is_active": n.is_multiple_of(2),
            })
        },
        patch: |world| json!({"name": world.name("Renamed integration")}),
        filled_in: &[],
    },
    Sample {
        path: "finance/invoices",
        least: |world| json!({"party": world.kept("finance/parties")}),
        full: full_invoice,
        patch: |world| json!({"notes": world.name("Thanks")}),
        filled_in: &["issue_date", "due_date", "currency", "prices_include_tax", "subtotal", "discount_total", "tax_total", "total"],
    },
    Sample {
        path: "finance/quotations",
        least: |world| json!({"party": world.kept("finance/parties")}),
        full: |world| {
            let n = world.next();
            let item = |name: String, amount: &str| {
                json!({
                    "name": name, "description": "As agreed.", "quantity": "2", "unit": "h", "unit_cost": "50.25", "discount_type": "none",
                    "discount_value": "0", "tax_rate": null, "tax_name": "", "tax_percent": "0", "account": null, "gross": "100.50",
                    "discount_amount": "0.00", "amount": "100.50", "doc_discount_share": amount, "net_amount": "90.45", "tax_amount": "0.00",
                })
            };
            json!({
                "quote_number": world.name("Q"),
                "party": world.another("finance/parties"),
                "description": world.name("Offer"),
                "status": if world.next().is_multiple_of(2) { "draft" } else { "sent" },
                "issued_date": format!("2026-01-{:02}", n % 28 + 1),
                "valid_until": format!("2029-05-{:02}", n % 28 + 1),
                "currency": "EUR",
                "prices_include_tax": false,
                "discount_type": "percent",
                "discount_value": "10",
                "total_amount": "180.90",
                "terms": "Half of it in advance",
                "items": [item(world.name("Work"), "10.05"), item(world.name("More"), "10.05")],
            })
        },
        patch: |world| json!({"description": world.name("Described")}),
        filled_in: &[
            "quote_number",
            "issued_date",
            "currency",
            "prices_include_tax",
            "subtotal",
            "discount_total",
            "tax_total",
            "total_amount",
        ],
    },
    Sample {
        path: "finance/quotation-items",
        least: |world| json!({"quotation": world.kept("finance/quotations"), "name": world.name("Part"), "unit_cost": "20.4"}),
        full: |world| {
            let n = world.next();
            json!({
                "quotation": world.kept("finance/quotations"),
                "name": world.name("Part"),
                "description": world.name("Described"),
                "quantity": format!("{n}.5"),
                "unit": "kg",
                "unit_cost": "20.4",
                "discount_type": "fixed",
                "discount_value": "1",
                "tax_rate": null,
                "account": null,
            })
        },
        patch: |world| json!({"description": world.name("Described otherwise")}),
        filled_in: &["gross", "discount_amount", "amount", "doc_discount_share", "net_amount", "tax_amount", "currency", "position"],
    },
    Sample {
        path: "finance/recurring-invoices",
        least: |world| {
            json!({
                "name": world.name("Rent"), "party": world.kept("finance/parties"), "frequency": "monthly", "next_run_on": "2026-06-01",
                "items": [one_item(20)],
            })
        },
        full: |world| {
            let (n, cost) = (world.next(), world.next());
            json!({
                "name": world.name("Hosting"),
                "party": world.another("finance/parties"),
                "direction": if n.is_multiple_of(2) { "outgoing" } else { "incoming" },
                "currency": "EUR",
                "prices_include_tax": true,
                "discount_type": "fixed",
                "discount_value": "0",
                "reference": world.name("PO"),
                "notes": "Thank you.",
                "terms": "14 days",
                "frequency": if n.is_multiple_of(3) { "monthly" } else { "yearly" },
                "interval": 2,
                "anchor_day": 31,
                "next_run_on": format!("2026-{:02}-{:02}", n % 12 + 1, n % 28 + 1),
                "end_on": "2029-12-31",
                "max_runs": 12,
                "auto_issue": n.is_multiple_of(2),
                "auto_send": n.is_multiple_of(2),
                "items": [one_item(cost)],
            })
        },
        patch: |world| json!({"notes": world.name("Thanks")}),
        filled_in: &["currency", "prices_include_tax", "total", "anchor_day"],
    },
    Sample {
        path: "finance/payments",
        least: |world| {
            world.kept("finance/accounts");
            json!({"party": world.kept("finance/parties"), "amount": format!("{}.00", 100 + world.next())})
        },
        full: |world| {
            let n = world.next();
            json!({
                "party": world.another("finance/parties"),
                "direction": if n.is_multiple_of(2) { "incoming" } else { "outgoing" },
                "account": world.another("finance/accounts"),
                "amount": format!("{}.25", 100 + n),
                "charge": "1.50",
                "method": if n.is_multiple_of(2) { "mobile_money" } else { "bank_transfer" },
                "date": format!("2026-02-{:02}", n % 28 + 1),
                "reference": world.name("Ref"),
                "notes": world.name("By hand"),
                "client_ref": format!("payment-{n}"),
            })
        },
        patch: |world| json!({"notes": world.name("Counted twice")}),
        filled_in: &["number", "direction", "account", "charge", "currency", "date", "journal_entry_id"],
    },
    Sample {
        path: "finance/requisitions",
        least: |world| json!({"purpose": world.name("Travel"), "amount": format!("{}.00", 10 + world.next())}),
        full: full_requisition,
        patch: |world| json!({"comments": world.name("Before noon")}),
        filled_in: &["number", "requested_by", "category", "currency"],
    },
    Sample {
        path: "finance/goals",
        least: |world| json!({"title": world.name("Save"), "target_amount": format!("{}.00", 1000 + world.next()), "due_date": "2027-12-31"}),
        full: |world| {
            let n = world.next();
            json!({
                "title": world.name("Collect"),
                "description": world.name("For the new roof"),
                "target_amount": format!("{}.50", 1000 + n),
                "currency": (["EUR", "KES", "USD"][n as usize % 3]),
                "start_date": "2026-01-01",
                "due_date": format!("{}-02-{:02}", if n.is_multiple_of(2) { 2026 } else { 2028 }, n % 28 + 1),
                "owner": world.person(Role::Manager),
                "archived_at": if n.is_multiple_of(2) { json!("2026-02-28T10:00:00.000Z") } else { Value::Null },
            })
        },
        patch: |world| json!({"title": world.name("Collect more")}),
        filled_in: &["currency", "start_date", "owner"],
    },
    Sample {
        path: "finance/goal-milestones",
        least: |world| json!({"goal": world.kept("finance/goals"), "amount": format!("{}.00", world.next())}),
        full: |world| {
            let n = world.next();
            json!({
                "goal": world.another("finance/goals"),
                "amount": format!("{n}.25"),
                "label": world.name("Half way"),
                "notify": n.is_multiple_of(2),
            })
        },
        patch: |world| json!({"label": world.name("Nearly there")}),
        filled_in: &["currency"],
    },
    Sample {
        path: "saved-views",
        least: |world| json!({"resource": "field/leads", "name": world.name("View")}),
        full: |world| {
            let n = world.next();
            json!({
                "resource": if n.is_multiple_of(2) { "field/leads" } else { "field/visits" },
                "name": world.name("Urgent ones"),
                "filters": if n.is_multiple_of(2) { json!({"stage__in": "prospect,qualified"}) } else { json!({"search": "shop"}) },
                "ordering": "-created_at",
                "columns": ["business_name", "created_at"],
                "is_shared": n.is_multiple_of(2),
            })
        },
        patch: |world| json!({"name": world.name("Renamed view")}),
        filled_in: &[],
    },
];

/// By turns lost, and open and hot.
fn full_lead(world: &World) -> Value {
    let n = world.next();
    let (stage, status, reason) = match n % 2 {
        0 => ("lost", "closed_lost", json!("no_budget")),
        _ => ("negotiation", "quote_sent", Value::Null),
    };
    json!({
        "business_name": world.name("Hotel"),
        "contact_name": world.name("Grace"),
        "contact_phone": format!("0703 {:06}", world.next()),
        "contact_email": format!("hotel{n}@example.org"),
        "stage": stage,
        "status": status,
        "source": "referral",
        "priority": if n.is_multiple_of(2) { "low" } else { "urgent" },
        "zone": world.another("field/zones"),
        "assigned_rep": world.person(Role::Agent),
        "products_discussed": ["rooms"],
        "tags": ["vip", format!("tag{n}")],
        "notes": "Asks for a discount.",
        "location": world.name("Lake view"),
        "lat": -1.25,
        "lon": 36.75,
        "expected_value": format!("{}.50", 1000 + n),
        "currency": "EUR",
        "follow_up_type": "meeting",
        "follow_up_date": format!("2026-03-{:02}", n % 28 + 1),
        "lost_reason": reason,
        "client_ref": format!("lead-{n}"),
    })
}

/// An item as it is read.
fn one_item(cost: u32) -> Value {
    let amount = format!("{cost}.00");
    json!({
        "name": "Month", "description": "", "quantity": "1", "unit": null, "unit_cost": cost.to_string(), "discount_type": "none", "discount_value": "0",
        "tax_rate": null, "tax_name": "", "tax_percent": "0", "account": null, "gross": amount, "discount_amount": "0.00", "amount": amount,
        "doc_discount_share": "0.00", "net_amount": amount, "tax_amount": "0.00",
    })
}

/// Two items, one of them taxed and discounted, and a discount on the whole.
fn full_invoice(world: &World) -> Value {
    let n = world.next();
    let item = |name: String, rate: Value, amounts: [&str; 6]| {
        let [gross, discount_amount, amount, doc_discount_share, net_amount, tax_amount] = amounts;
        json!({
            "name": name, "description": "As agreed.", "quantity": "2", "unit": "h", "unit_cost": "50.25", "discount_type": "fixed",
            "discount_value": discount_amount.trim_end_matches(".00"), "tax_rate": rate, "tax_name": "", "tax_percent": "0", "account": null,
            "gross": gross, "discount_amount": discount_amount, "amount": amount, "doc_discount_share": doc_discount_share,
            "net_amount": net_amount, "tax_amount": tax_amount,
        })
    };
    json!({
        "number": world.name("INV"),
        "party": world.another("finance/parties"),
        "direction": if n.is_multiple_of(2) { "outgoing" } else { "incoming" },
        "reference": world.name("PO"),
        "issue_date": format!("2026-01-{:02}", n % 28 + 1),
        "due_date": format!("2026-02-{:02}", n % 28 + 1),
        "currency": "EUR",
        "prices_include_tax": false,
        "discount_type": "percent",
        "discount_value": "10",
        "notes": "Thank you.",
        "terms": "14 days",
        "reminders_off": world.next().is_multiple_of(2),
        "items": [
            item(world.name("Work"), Value::Null, ["100.50", "10.00", "90.50", "9.05", "81.45", "0.00"]),
            item(world.name("More"), Value::Null, ["100.50", "20.00", "80.50", "8.05", "72.45", "0.00"]),
        ],
        "amount": "153.90",
    })
}

/// With all that can be said but its items, by which it would come to what they do: `books` has those.
fn full_requisition(world: &World) -> Value {
    let n = world.next();
    json!({
        "requested_by": world.person(Role::Agent),
        "department": world.another("accounts/departments"),
        "party": world.another("finance/parties"),
        "purpose": world.name("Conference"),
        "urgency": (["low", "medium", "high", "urgent"][n as usize % 4]),
        "needed_by": format!("2026-05-{:02}", n % 28 + 1),
        "category": (["travel", "marketing", "office"][n as usize % 3]),
        "amount": format!("{}.50", 115 + n),
        "currency": (["EUR", "KES", "USD"][n as usize % 3]),
        "comments": world.name("As last year"),
        "items": [],
    })
}

impl<'s> World<'s> {
    pub fn new_in(server: &'s Server) -> Self {
        Self::of_business(server, 1)
    }

    pub fn of_business(server: &'s Server, business: i64) -> Self {
        let admin = server.member_with(&format!("admin{business}"), Role::Admin, business, &[]);
        Self { server, admin, business, count: Cell::new(10), has_head_office: Cell::new(false), kept: RefCell::default() }
    }

    /// A number that was not given before.
    pub fn next(&self) -> u32 {
        self.count.set(self.count.get() + 1);
        self.count.get()
    }

    /// A name that was not given before.
    pub fn name(&self, what: &str) -> String {
        format!("{what} {:04}", self.next())
    }

    /// The id of a new member; name, e-mail address and user name have nothing in common.
    pub fn person(&self, role: Role) -> i64 {
        let n = self.next();
        let id = self.server.member_with(&format!("login{}x{n}", self.business), role, self.business, &[]).id;
        let (business, seen) = (self.business, format!("2026-02-01T00:00:{:02}.000Z", n % 60));
        self.server.write(move |tx| {
            let values = vec![
                ("email", format!("mail{business}x{n}@example.org").into()),
                ("full_name", format!("Ada{n} Person{n}").into()),
                ("phone", format!("+15550{business}{n:05}").into()),
                ("last_seen_at", seen.as_str().into()),
            ];
            tx.update("users", id, values)
        });
        id
    }

    /// The id of a new record with the least body.
    pub fn another(&self, path: &str) -> i64 {
        let body = (sample(path).least)(self);
        self.admin.create(&format!("/api/{path}/"), body)["id"].as_i64().expect("an id")
    }

    /// Makes so many zones, behind the server's back: "Zone 1" and so on, a second apart.
    pub fn many_zones(&self, count: i64) {
        let connection = Connection::open(db::file_in(&self.server.app.config.data.folder)).expect("a connection");
        let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
            INSERT INTO zones (uuid, created_at, updated_at, business_id, name)
            SELECT 'made-' || i, strftime('%Y-%m-%dT%H:%M:%fZ', '2026-01-01', i || ' seconds'), '2026-01-01T00:00:00.000Z',
                ?2, 'Zone ' || i FROM n";
        connection.execute(sql, [count, self.business]).expect("many zones");
    }

    /// Makes so many leads, behind the server's back: each open, due, and worth 1.00 USD.
    pub fn many_leads(&self, count: i64) {
        let connection = Connection::open(db::file_in(&self.server.app.config.data.folder)).expect("a connection");
        let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
            INSERT INTO leads (uuid, created_at, updated_at, business_id, business_name, contact_phone, currency, expected_value, follow_up_date)
            SELECT 'made-' || i, '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z', ?2, 'Lead ' || i, '1', 'USD', 100, '2026-01-05' FROM n";
        connection.execute(sql, [count, self.business]).expect("many leads");
    }

    /// The id of a record that is made once.
    pub fn kept(&self, path: &'static str) -> i64 {
        let known = self.kept.borrow().iter().find(|(known, _)| *known == path).map(|(_, id)| *id);
        known.unwrap_or_else(|| {
            let id = self.another(path);
            self.kept.borrow_mut().push((path, id));
            id
        })
    }

    /// The id of some row of a table.
    pub fn row_of(&self, table: &str) -> i64 {
        match table {
            "users" => self.person(Role::Staff),
            "files" => {
                let path = format!("/api/field/leads/{}/files/", self.kept("field/leads"));
                let answer = self.admin.send("POST", &path, Some(("text/plain", self.name("Receipt").into_bytes())));
                answer.expect(201)["id"].as_i64().expect("an id")
            }
            _ => self.another(keeper_of(table).about.path),
        }
    }
}

/// The resource that keeps a table, or what is attached to resources.
pub fn keeper_of(table: &str) -> &'static Descriptor {
    descriptor::by_table(table).unwrap_or_else(|| panic!("no resource keeps {table}"))
}

pub fn sample(path: &str) -> &'static Sample {
    SAMPLES.iter().find(|sample| sample.path == path).unwrap_or_else(|| panic!("{path} has no sample"))
}

/// The resources whose records can be made: memberships are changed, but made by inviting people.
pub fn writable() -> Vec<&'static Descriptor> {
    resources::all().iter().filter(|d| !d.about.read_only && d.about.access.grants(CREATE)).collect()
}

/// Does the same with each resource in a world of one server, and tells of all that failed.
pub fn for_each(all: &[&'static Descriptor], test: impl Fn(&World, &'static Descriptor)) {
    // The clock goes on for weeks.
    let server = Server::start_with(|config| config.auth.access_seconds = 10_000_000);
    let world = World::new_in(&server);
    let mut failed = vec![];
    for d in all {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(&world, d)));
        if let Err(panic) = outcome {
            let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            failed.push(format!("{}: {}", d.about.path, text.unwrap_or_default()));
        }
    }
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}
