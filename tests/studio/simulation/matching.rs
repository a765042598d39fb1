//! Which payment settles which invoice, after it was made.

use serde_json::json;

use super::{
    books::{Books, Side},
    step::{Scene, Step},
};

impl Scene<'_> {
    pub fn allocate_payment(&mut self) -> Option<Step> {
        let id = self.payment(|one| !one.void && !one.refund && one.party.is_some() && one.rest() > 0)?;
        let payment = self.books.payments[&id].clone();
        let (rest, currency) = (payment.rest(), payment.currency.clone());
        let mut reasons = self.keeps_books();
        if payment.void || payment.refund || payment.party.is_none() {
            reasons.push((409, "not_open"));
        }
        if rest <= 0 {
            reasons.push((409, "nothing_left"));
        }
        let party = payment.party.unwrap_or_default();
        let path = format!("payments/{id}/allocate/");
        if self.chance.percent(35) {
            let open = self.books.open_of(party, &currency, payment.incoming);
            let mut left = rest;
            let share = |(invoice, open): (i64, i64)| {
                let share = open.min(left);
                left -= share;
                (invoice, share)
            };
            let shares: Vec<(i64, i64)> = open.into_iter().map(share).collect();
            let step = Step::post(path, json!({"allocate": "auto"})).unless(reasons).when(shares.is_empty(), 409, "nothing_open");
            return Some(step.then(move |books, _| {
                shares.into_iter().for_each(|(invoice, amount)| books.allocate(Side::Payment(id), Side::Invoice(invoice), amount));
            }));
        }
        let open = self.books.open_of(party, &currency, payment.incoming);
        let target = match self.chance.of(&open).copied() {
            Some((target, _)) if self.chance.percent(85) => target,
            _ => self.chance.that(self.books.invoices.keys().copied())?,
        };
        let amount = self.chance.percent(50).then(|| self.amount(&currency));
        let (share, more) = self.share(target, party, &currency, payment.incoming, amount, rest);
        reasons.extend(more);
        let mut body = json!({"invoice": target});
        if let Some(amount) = amount {
            body["amount"] = Books::text(amount, &currency).into();
        }
        let step = Step::post(path, body).unless(reasons);
        Some(step.then(move |books, _| books.allocate(Side::Payment(id), Side::Invoice(target), share)))
    }

    pub fn unallocate_payment(&mut self) -> Option<Step> {
        let made = self.books.allocations.keys().filter_map(|(source, target)| match (source, target) {
            (Side::Payment(payment), Side::Invoice(target)) => Some((*payment, *target)),
            _ => None,
        });
        let (id, mut target) = self.chance.that(made)?;
        if self.chance.percent(10) {
            target = self.chance.that(self.books.invoices.keys().copied())?;
        }
        let (pair, mut reasons) = ((Side::Payment(id), Side::Invoice(target)), self.keeps_books());
        if !self.books.allocations.contains_key(&pair) {
            reasons.extend([(409, "not_allocated"), (400, "")]);
        }
        let step = Step::post(format!("payments/{id}/unallocate/"), json!({"invoice": target})).unless(reasons);
        Some(step.then(move |books, _| books.release(|source, target| (source, target) == pair)))
    }
}
