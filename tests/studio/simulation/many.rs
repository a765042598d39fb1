//! What was deleted and comes back, and what is done to many at once.

use serde_json::{Value as Json, json};

use super::{
    books::{Books, Reason},
    step::{OUTSIDER, Scene, Step},
    world::World,
};

impl Books {
    /// Asks for the ids of items that no answer told.
    pub fn learn(&mut self, world: &World) {
        let invoices = self.invoices.iter_mut().map(|(id, one)| ("invoice", *id, &mut one.items));
        let quotations = self.quotations.iter_mut().map(|(id, one)| ("quotation", *id, &mut one.items));
        let requisitions = self.requisitions.iter_mut().map(|(id, one)| {
            let items: Vec<&mut i64> = one.items.iter_mut().map(|(item, _)| item).collect();
            ("requisition", *id, items)
        });
        let items =
            invoices.chain(quotations).map(|(kind, id, items)| (kind, id, items.iter_mut().map(|item| &mut item.id).collect::<Vec<_>>()));
        for (kind, id, items) in items.chain(requisitions).filter(|(.., items)| items.iter().any(|item| **item == 0)) {
            let sql = format!("SELECT id FROM {kind}_items WHERE {kind}_id = ?1 ORDER BY position, id");
            let ids: Vec<i64> = world.app.db.read(|reader| reader.rows(&sql, &[id.into()], |row| row.get(0))).expect("ids");
            assert_eq!(ids.len(), items.len(), "the items of {kind} {id}");
            items.into_iter().zip(ids).for_each(|(item, id)| *item = id);
        }
    }
}

const KINDS: [&str; 8] =
    ["invoices", "invoices", "parties", "requisitions", "quotations", "recurring-invoices", "accounts", "goal-milestones"];

impl Scene<'_> {
    /// All there are of a kind that can be deleted, and whether they are.
    fn all(&self, kind: &str) -> Vec<(i64, bool)> {
        let books = self.books;
        match kind {
            "invoices" => books.invoices.iter().map(|(id, one)| (*id, one.deleted)).collect(),
            "parties" => books.parties.iter().map(|(id, one)| (*id, one.deleted)).collect(),
            "requisitions" => books.requisitions.iter().map(|(id, one)| (*id, one.deleted)).collect(),
            "quotations" => books.quotations.iter().map(|(id, one)| (*id, one.deleted)).collect(),
            "recurring-invoices" => books.recurring.iter().map(|(id, one)| (*id, one.deleted)).collect(),
            "goals" => books.goals.iter().map(|(id, one)| (*id, one.deleted.is_some())).collect(),
            "goal-milestones" => books.milestones.iter().map(|(id, one)| (*id, one.deleted.is_some())).collect(),
            _ => books.closed.keys().map(|id| (*id, true)).chain(books.accounts.keys().map(|id| (*id, false))).collect(),
        }
    }

    /// One of a kind that was deleted; now and then one that was not.
    fn deleted(&mut self, kind: &str) -> Option<i64> {
        let (all, any) = (self.all(kind), self.chance.percent(10));
        self.chance.that(all.into_iter().filter(|(_, deleted)| any || *deleted).map(|(id, _)| id))
    }

    pub fn restore(&mut self) -> Option<Step> {
        let kind = if self.chance.percent(15) { "goals" } else { self.chance.one(&KINDS) };
        let id = self.deleted(kind)?;
        Some(self.restore_this(kind, id))
    }

    fn restore_this(&self, kind: &'static str, id: i64) -> Step {
        let live = |party: i64| !self.books.parties[&party].deleted;
        let is_deleted = self.all(kind).into_iter().any(|(one, deleted)| one == id && deleted);
        let wrong: Vec<Reason> = match kind {
            _ if !is_deleted => vec![(404, "")],
            "invoices" => {
                let invoice = &self.books.invoices[&id];
                let mut reasons = self.refuses_number(invoice.number.as_deref(), Some(id), invoice.outgoing, invoice.party);
                // There is one of a quotation.
                if invoice.quotation.is_some_and(|quotation| self.invoiced(quotation)) {
                    reasons.push((400, ""));
                }
                reasons.extend((!live(invoice.party)).then_some((400, "")));
                reasons
            }
            "requisitions" => self.books.requisitions[&id].party.filter(|party| !live(*party)).map(|_| (400, "")).into_iter().collect(),
            "quotations" => {
                let quotation = &self.books.quotations[&id];
                let wrong = self.books.is_taken("quotation", &quotation.number) || !live(quotation.party);
                wrong.then_some((400, "")).into_iter().collect()
            }
            "recurring-invoices" => (!live(self.books.recurring[&id].party)).then_some((400, "")).into_iter().collect(),
            "goal-milestones" => {
                let milestone = &self.books.milestones[&id];
                let goal = &self.books.goals[&milestone.goal];
                let same =
                    |one: &super::books::Milestone| one.goal == milestone.goal && one.amount == milestone.amount && one.deleted.is_none();
                let wrong = goal.deleted.is_some() || milestone.amount > goal.target || self.books.milestones.values().any(same);
                wrong.then_some((400, "")).into_iter().collect()
            }
            _ => vec![],
        };
        let may = if kind == "accounts" { self.who.role == studio::actor::Role::Admin } else { self.who.is_manager() };
        let step = Step::post(format!("{kind}/{id}/restore/"), Json::Null).unless(wrong);
        step.unless(OUTSIDER.into_iter().filter(|_| !may)).then(move |books, _| match kind {
            "invoices" => books.invoices.get_mut(&id).expect("it").deleted = false,
            "parties" => books.parties.get_mut(&id).expect("it").deleted = false,
            "requisitions" => books.requisitions.get_mut(&id).expect("it").deleted = false,
            "quotations" => books.quotations.get_mut(&id).expect("it").deleted = false,
            "recurring-invoices" => books.recurring.get_mut(&id).expect("it").deleted = false,
            "goals" => {
                let at = books.goals.get_mut(&id).expect("it").deleted.take();
                let with = books.milestones.values_mut().filter(|one| one.goal == id && one.deleted == at);
                with.for_each(|one| one.deleted = None);
            }
            "goal-milestones" => books.milestones.get_mut(&id).expect("it").deleted = None,
            _ => {
                let account = books.closed.remove(&id).expect("it");
                books.accounts.insert(id, account);
            }
        })
    }

    /// Some of a kind, each once.
    fn some(&mut self, kind: &str, wants_deleted: bool) -> Vec<i64> {
        let all = self.all(kind);
        let fits = |deleted: bool, any: bool| any || deleted == wants_deleted;
        let (mut ids, count) = (vec![], self.chance.between(1, 4));
        for _ in 0..count {
            let any = self.chance.percent(8);
            let id = self.chance.that(all.iter().filter(|(id, deleted)| fits(*deleted, any) && !ids.contains(id)).map(|(id, _)| *id));
            ids.extend(id);
        }
        ids
    }

    pub fn create_many(&mut self) -> Option<Step> {
        let kind = self.chance.one(&["invoices", "invoices", "parties"]);
        let count = self.chance.between(1, 4);
        let mut rows = vec![];
        for _ in 0..count {
            let made = if kind == "parties" { self.create_party() } else { self.create_invoice() };
            rows.extend(made.map(|step| (step.call.body.clone(), step)));
        }
        // Rows that give numbers hang on each other.
        rows.retain(|(body, _)| body["number"].is_null());
        let may = self.who.keeps_books();
        self.many(&format!("{kind}/bulk_create"), rows, may)
    }

    pub fn change_many(&mut self) -> Option<Step> {
        let due = self.day(40);
        let rows = self.some("invoices", false).into_iter().map(|id| {
            let invoice = &self.books.invoices[&id];
            let step = Step::new("PATCH", format!("invoices/{id}/"), Json::Null).when(invoice.deleted, 404, "");
            let step = step.when(due < invoice.date, 400, "");
            (json!(id), step.then(move |books: &mut Books, _| books.invoices.get_mut(&id).expect("it").due = due))
        });
        let rows = rows.collect();
        let may = self.who.keeps_books();
        let mut step = self.many("invoices/bulk_update", rows, may)?;
        step.call.body["set"] = json!({"due_date": due.to_string()});
        Some(step)
    }

    pub fn delete_many(&mut self) -> Option<Step> {
        let kind = self.chance.one(&["invoices", "parties", "requisitions", "quotations"]);
        let rows = self.some(kind, false).into_iter().map(|id| {
            let step = match kind {
                "invoices" => self.delete_this_invoice(id),
                "parties" => self.delete_this_party(id),
                "requisitions" => self.delete_this_requisition(id),
                _ => self.delete_this_quotation(id),
            };
            (json!(id), step)
        });
        let rows = rows.collect();
        let may = self.who.is_manager();
        self.many(&format!("{kind}/bulk_delete"), rows, may)
    }

    pub fn restore_many(&mut self) -> Option<Step> {
        let kind = self.chance.one(&["invoices", "parties", "requisitions", "quotations"]);
        let mut taken: Vec<String> = vec![];
        let mut rows = vec![];
        for id in self.some(kind, true) {
            // Two of one number, or of one quotation, hang on each other.
            let marks = match kind {
                "invoices" => {
                    let invoice = &self.books.invoices[&id];
                    vec![invoice.number.clone().unwrap_or_default(), invoice.quotation.map(|id| format!("of {id}")).unwrap_or_default()]
                }
                "quotations" => vec![self.books.quotations[&id].number.clone()],
                _ => vec![],
            };
            if marks.iter().any(|mark| !mark.is_empty() && taken.contains(mark)) {
                continue;
            }
            taken.extend(marks);
            rows.push((json!(id), self.restore_this(kind, id)));
        }
        let may = self.who.is_manager();
        self.many(&format!("{kind}/bulk_restore"), rows, may)
    }
}
