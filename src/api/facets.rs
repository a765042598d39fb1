//! What a list is made of, stamped for each resource.

use poem::{Request, Result, web::Query};
use poem_openapi::{Enum, Object, OpenApi, types::Any};
use serde_json::Value as Json;

use super::crud::slashed;
use crate::{
    auth::gate::Caller,
    engine::{
        descriptor::Descriptor,
        query::{Pages, Parameters},
        reply::Reply,
        verbs,
    },
    kit::Date,
};

/// What a list is made of.
#[derive(Object)]
pub struct Facets {
    /// How many records the list has; none where there were too many to look at.
    pub count: Option<i64>,
    /// Whether all that was asked for is here. What would have taken looking at more rows than were asked for is not.
    pub complete: bool,
    /// How many records have which value.
    pub facets: Vec<Facet>,
    /// How the records fall into periods.
    pub dates: Option<Periods>,
    /// What the amounts of the records come to.
    pub totals: Vec<Total>,
}

/// How many records have which value of a field.
#[derive(Object)]
pub struct Facet {
    /// The filter that they can be narrowed by.
    pub field: String,
    /// The values that some record has: of a choice in its order, else the most frequent first.
    pub values: Vec<FacetValue>,
    /// How many records have a value that is not told, as there are more than 100.
    pub others: i64,
}

/// A value and how many records have it.
#[derive(Object)]
pub struct FacetValue {
    /// The value, as the filter takes it; null for none.
    pub value: Any<Option<Json>>,
    /// Of a reference, what the record is called.
    pub label: Option<String>,
    /// How many records have it, among those that all other filters let through.
    pub count: i64,
}

/// How long periods are.
#[derive(Enum)]
#[oai(rename_all = "snake_case", rename = "PeriodEnum")]
pub enum By {
    /// From January to December.
    Year,
    /// From the first to the last.
    Month,
    /// In the zone of the business.
    Day,
}

/// How the records of a list fall into periods.
#[derive(Object)]
pub struct Periods {
    /// The date that it goes by.
    pub field: String,
    /// How long each is.
    pub by: By,
    /// Those in which there are records, in their order.
    pub periods: Vec<Period>,
}

/// A period and how many records fall into it.
#[derive(Object)]
pub struct Period {
    /// Its first day.
    pub from: Date,
    /// Its last day.
    pub to: Date,
    /// How many records are of it.
    pub count: i64,
    /// What their amounts come to.
    pub totals: Vec<Total>,
}

/// What the amounts of a field come to.
#[derive(Object)]
pub struct Total {
    /// The field.
    pub field: String,
    /// One amount for each currency.
    pub amounts: Vec<Amount>,
    /// The same for each sort of amount that is in the list, where there are several: what is earned apart from what is spent. Null where
    /// all are of one sort, and in periods.
    pub by: Option<Vec<SortTotal>>,
}

/// What the amounts of one sort come to.
#[derive(Object)]
pub struct SortTotal {
    /// The fields that say of what sort an amount is, and their values.
    pub of: Any<Json>,
    /// One amount for each currency.
    pub amounts: Vec<Amount>,
}

/// An amount of a currency.
#[derive(Object)]
#[oai(rename = "FacetAmount")]
pub struct Amount {
    /// The currency.
    pub currency: String,
    /// What the records in it come to.
    pub amount: String,
}

/// One resource's counts.
pub struct Counts {
    pub resource: &'static Descriptor,
    pub pages: Pages,
}

#[OpenApi]
impl Counts {
    /// Count the values of records
    ///
    /// What the list with the same filters is made of: how many records have which value of its filters, how they fall into periods, and
    /// what their amounts come to in each currency. A field's values are counted among the records that all filters but its own let
    /// through.
    #[oai(path = "/facets", method = "get", operation_id = "facets_retrieve")]
    async fn facets(&self, caller: Caller, request: &Request, parameters: Query<Parameters>) -> Result<Reply<Facets>> {
        Ok(verbs::facets(&caller, self.resource, &parameters.0, &slashed(request), self.pages).await?)
    }
}
