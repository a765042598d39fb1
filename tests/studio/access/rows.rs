//! How a row comes about.

use studio::{
    db::{Value, Writer},
    error::Result,
};

use super::world::{Kind, Making, State, first_text, table};

/// Makes a row as the database would have it after the requests that it stands for.
pub(super) fn make(tx: &mut Writer<'_>, making: &Making) -> Result<i64> {
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
        "goals" => {
            let id = goal_of(tx, business, owner, &making.name)?;
            if state == State::Archived {
                tx.update(table, id, vec![("archived_at", tx.now().to_string().into())])?;
            }
            id
        }
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
pub(super) fn profile_of(tx: &mut Writer<'_>, business: i64, user: i64) -> Result<i64> {
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
pub(super) fn goal_of(tx: &mut Writer<'_>, business: i64, owner: i64, name: &str) -> Result<i64> {
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
pub(super) fn till(tx: &mut Writer<'_>, business: i64) -> Result<i64> {
    match tx.one("SELECT id FROM accounts WHERE business_id = ?1 AND name = 'Till'", &[business.into()])? {
        Some(id) => Ok(id),
        None => {
            let values = vec![("business_id", business.into()), ("name", "Till".into()), ("currency", "USD".into())];
            tx.insert("accounts", [values, vec![("allow_negative", true.into())]].concat())
        }
    }
}

/// A payment of somebody's party, which is made when there is none; or of nobody's.
pub(super) fn payment_of(tx: &mut Writer<'_>, business: i64, user: Option<i64>, name: &str) -> Result<i64> {
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
pub(super) fn newcomer(tx: &mut Writer<'_>, business: i64, name: &str) -> Result<i64> {
    let user = tx.insert("users", vec![("username", format!("newcomer-{name}").into())])?;
    tx.insert("memberships", vec![("business_id", business.into()), ("user_id", user.into()), ("role", "customer".into())])?;
    Ok(user)
}
