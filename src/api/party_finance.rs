//! Parties with their open invoices, page by page.

use poem::Request;
use poem_openapi::{Object, OpenApi, param::Query, types::ToJSON};

use super::crud::slashed;
use crate::{
    auth::gate::Caller,
    db::Reader,
    engine::{
        query::{Pages, Parameters},
        reply::Reply,
        verbs,
    },
    resources::finance::{PartiesWithUnpaid, PartyWithUnpaid},
};

/// A page of parties with their open invoices.
#[derive(Object)]
#[oai(rename = "PaginatedPartyWithUnpaidList")]
pub struct PartyWithUnpaidPage {
    /// How many there are.
    pub count: u32,
    /// The next page.
    pub next: Option<String>,
    /// The page before.
    pub previous: Option<String>,
    /// The parties of this page.
    pub results: Vec<PartyWithUnpaid>,
}

/// Reading parties with their open invoices.
pub struct PartyFinance(pub Pages);

#[OpenApi]
impl PartyFinance {
    /// List parties with their open invoices
    ///
    /// Those with anything open, by name: with `role=debtors` those who owe, with `role=creditors` those who are owed.
    #[oai(path = "/finance/party-finance", method = "get", operation_id = "finance_party_finance_list")]
    async fn list(
        &self,
        caller: Caller,
        request: &Request,
        /// `debtors` or `creditors`.
        role: Query<Option<String>>,
        /// A page number within the paginated result set.
        page: Query<Option<String>>,
        /// Number of results to return per page.
        page_size: Query<Option<String>>,
    ) -> poem::Result<Reply<PartyWithUnpaidPage>> {
        let wanted = PartiesWithUnpaid::read(&caller.actor, role.0.as_deref())?;
        let named = [("role", role.0), ("page", page.0), ("page_size", page_size.0)];
        let parameters: Parameters = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        let all = wanted.clone();
        let count = move |reader: &Reader<'_>| all.count(reader);
        let rows = move |reader: &Reader<'_>, size: u64, offset: u64| {
            Ok(wanted.rows(reader, size, offset)?.iter().filter_map(ToJSON::to_json).collect())
        };
        Ok(verbs::paged(&caller, slashed(request), parameters, self.0, count, rows).await?)
    }
}
