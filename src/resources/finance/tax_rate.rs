//! Tax rates: the percentages that the lines of documents name.

use poem_openapi::Object;

use crate::{
    actor::Capability::Finance,
    engine::{About, Access, Change, LR, LRCU, LRCUD, Resource, all},
    error::{Error, Result},
    kit::money::{Percent, WHOLE},
};

/// A rate of tax.
#[derive(Object)]
pub struct TaxRate {
    /// What it is called on documents; unique in the business.
    #[oai(validator(max_length = 50))]
    pub name: String,
    /// The percentage: `"18"` is 18 %. Fixed once it is used.
    pub percent: Percent,
    /// Is it offered first? At most one is.
    #[oai(default)]
    pub is_default: bool,
    /// Is it offered for new documents?
    #[oai(default = "yes")]
    pub is_active: bool,
}

fn yes() -> bool {
    true
}

impl Resource for TaxRate {
    const ABOUT: About = About {
        path: "finance/tax-rates",
        table: "tax_rates",
        list: &["name", "percent", "is_default", "is_active"],
        search: &["name"],
        filter: &["is_active", "is_default"],
        order: &["name", "percent"],
        // Documents keep what they were issued with.
        kept_by: &["invoices", "quotation_items"],
        access: Access::deny().admin(all(LRCUD)).manager(all(LRCU)).staff_with(Finance, all(LR)),
        ..About::DEFAULT
    };

    fn check(&mut self, change: &Change<'_, '_, Self>) -> Result<()> {
        if !(0..=WHOLE).contains(&self.percent.0) {
            return Err(Error::field("percent", "Ensure this value is between 0 and 100."));
        }
        // Drafts and offers as well: what was offered is what is invoiced.
        let used =
            "SELECT 1 FROM invoice_items WHERE tax_rate_id = ?1 UNION ALL SELECT 1 FROM quotation_items WHERE tax_rate_id = ?1 LIMIT 1";
        if change.before.is_some_and(|before| before.percent != self.percent) && change.tx.exists(used, &[change.id.into()])? {
            return Err(Error::conflict("immutable", "The percentage of a rate is fixed once it is used; make a new rate instead."));
        }
        let other = "SELECT 1 FROM tax_rates WHERE business_id = ?1 AND is_default = 1 AND deleted_at IS NULL AND id IS NOT ?2";
        if self.is_default && change.tx.exists(other, &[change.tx.actor().business_id().into(), change.id.into()])? {
            return Err(Error::field("is_default", "There is a default rate already."));
        }
        Ok(())
    }
}
