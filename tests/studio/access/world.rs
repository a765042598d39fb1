//! Two businesses, somebody of each role, and rows of every kind of owner in any state.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeSet, HashMap},
};

use studio::{
    actor::{Capability, Role},
    db::Value,
    engine::{Descriptor, field},
    resources,
};

use super::{finance, rows::make};
use crate::support::{Client, Server};

pub(super) const MISSING: i64 = 987_654_321;

pub(super) struct Person {
    pub(super) name: &'static str,
    /// As what the table knows them; nothing for those without a place in a business.
    pub(super) plays: &'static str,
    pub(super) business: i64,
    pub(super) client: Client,
}

impl Person {
    pub(super) fn signed_in(&self) -> bool {
        self.client.token.is_some()
    }
}

/// What a row is to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
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
    pub(super) fn is_own(self) -> bool {
        matches!(self, Self::Own | Self::OwnByEntry | Self::OwnByZone)
    }
    /// Somewhere else, or nowhere.
    pub(super) fn is_away(self) -> bool {
        matches!(self, Self::Foreign | Self::Missing)
    }
}

pub(super) fn kinds(resource: &str) -> &'static [Kind] {
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
pub(super) fn table(resource: &str) -> (&'static str, &'static str) {
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
pub(super) fn first_text(resource: &str) -> &'static str {
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
pub(super) enum State {
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
    Archived,
}

pub(super) struct World {
    pub(super) server: Server,
    pub(super) people: Vec<Person>,
    /// A business and somebody in it whose rows are nobody else's.
    pub(super) home: (i64, i64),
    pub(super) abroad: (i64, i64),
    pub(super) count: Cell<u32>,
    pub(super) rows: RefCell<HashMap<RowKey, i64>>,
}

/// What a row is made from.
#[derive(Clone)]
pub(super) struct Making {
    pub(super) resource: &'static str,
    pub(super) business: i64,
    pub(super) owner: i64,
    /// Somebody else of the business.
    pub(super) other: i64,
    pub(super) kind: Kind,
    pub(super) state: State,
    pub(super) name: String,
}

impl World {
    pub(super) fn new(capability: Capability) -> Self {
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

    pub(super) fn person(&self, name: &str) -> &Person {
        self.people.iter().find(|person| person.name == name).unwrap_or_else(|| panic!("nobody is called {name}"))
    }

    pub(super) fn unique(&self) -> String {
        self.count.set(self.count.get() + 1);
        format!("name{}", self.count.get())
    }

    pub(super) fn bystander(&self, business: i64) -> i64 {
        if business == self.home.0 { self.home.1 } else { self.abroad.1 }
    }

    /// The id of a row that is this to the person; made when there is none, or when it must be a new one.
    pub(super) fn row(&self, person: &Person, resource: &'static str, kind: Kind, state: State, new: bool) -> i64 {
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

    pub(super) fn ids(&self, sql: &str, args: &[Value]) -> BTreeSet<i64> {
        let ids = self.server.app.db.read(|reader| reader.rows(sql, args, |row| row.get::<i64>(0)));
        ids.expect("a query of the test").into_iter().collect()
    }

    /// The rows that a list must hold, asked of the database by other words than the program's.
    pub(super) fn listed(&self, person: &Person, resource: &str, own: bool, deleted: bool) -> BTreeSet<i64> {
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

    pub(super) fn is_deletable(&self, resource: &str) -> bool {
        self.server.app.db.catalog().has(table(resource).0, "deleted_at")
    }

    /// Enough of a row to see whether anything happened to it.
    pub(super) fn trace(&self, resource: &str, id: i64) -> Option<(i64, Option<String>)> {
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
