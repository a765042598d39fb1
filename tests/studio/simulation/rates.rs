//! Rates of tax: made, and changed as long as nothing is taxed by them.

use serde_json::json;

use super::{
    invoices::decimal,
    step::{OUTSIDER, Scene, Step},
};

impl Scene<'_> {
    pub fn create_rate(&mut self) -> Option<Step> {
        let percent = self.chance.between(0, 300_000);
        let body = json!({"name": format!("Rate {}", self.chance.below(1_000_000_000)), "percent": decimal(percent, 4)});
        let step = Step::post("tax-rates/".into(), body).unless(OUTSIDER.into_iter().filter(|_| !self.who.is_manager()));
        Some(step.then(move |books, answer| books.rates.push((answer["id"].as_i64().expect("an id"), percent))))
    }

    /// Is anything taxed by it?
    pub fn rate_is_used(&self, index: usize) -> bool {
        let names = |items: &[super::books::Item]| items.iter().any(|item| item.rate == Some(index));
        self.books.invoices.values().any(|one| names(&one.items)) || self.books.quotations.values().any(|one| names(&one.items))
    }

    pub fn change_rate(&mut self) -> Option<Step> {
        let index = self.chance.below(self.books.rates.len());
        let ((id, was), percent) = (self.books.rates[index], self.chance.between(0, 300_000));
        let used = self.rate_is_used(index);
        let step = Step::new("PATCH", format!("tax-rates/{id}/"), json!({"percent": decimal(percent, 4)}));
        let step = step.unless(OUTSIDER.into_iter().filter(|_| !self.who.is_manager()));
        Some(step.when(used && percent != was, 409, "immutable").then(move |books, _| books.rates[index].1 = percent))
    }
}
