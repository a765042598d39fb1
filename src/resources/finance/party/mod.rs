//! Parties: clients, vendors, donors and whoever else there is business with.

mod actions;
mod computed;
mod merge;

use poem_openapi::{Enum, Object};
use serde_json::{Map, Value as Json};

pub use actions::PartyVerbs;

use crate::{
    actor::Capability::Finance,
    db::Writer,
    engine::{About, Access, CREATE, Change, DELETE, LR, LRCU, LRCUD, MINIMAL, READ, Resource, UPDATE, all, own},
    error::{Error, Result},
    kit::{self, Currency, Email, Ref, normalize_phone},
    resources::accounts::{SUMMARY, User},
};

/// What a party is to the business.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[oai(rename_all = "snake_case", rename = "PartyTypeEnum")]
pub enum PartyType {
    /// Buys from it.
    #[default]
    Client,
    /// Sells to it.
    Vendor,
    /// Gives to it.
    Donor,
    /// Has put money into it.
    Investor,
    /// Works with it.
    Partner,
    /// Belongs to it.
    Internal,
}

/// The party that somebody signs in for, and for those who work here what they have entered: whoever has done so once is a customer like
/// any other afterwards.
const OWN: &str = "(t.user_id = :me OR t.created_by = :me AND EXISTS (SELECT 1 FROM memberships AS m WHERE m.business_id = t.business_id \
     AND m.user_id = :me AND (m.role = 'agent' OR m.role = 'staff' OR m.role = 'manager' OR m.role = 'admin')))";

/// Somebody with whom there is business.
#[derive(Object)]
pub struct Party {
    /// The company or person.
    #[oai(validator(max_length = 255))]
    pub name: String,
    /// What they are to the business.
    #[oai(rename = "type", default)]
    pub kind: PartyType,
    /// E-mail address.
    #[oai(validator(max_length = 254))]
    pub email: Option<Email>,
    /// Telephone number, kept as typed.
    #[oai(validator(max_length = 20))]
    pub phone: Option<String>,
    /// The e-mail address in lower case, to find duplicates.
    pub email_norm: Option<String>,
    /// The telephone number in E.164, to find duplicates.
    pub phone_norm: Option<String>,
    /// The number under which they pay taxes.
    #[oai(validator(max_length = 40))]
    pub tax_number: Option<String>,
    /// Where letters go, in whatever members it has.
    #[oai(default = "no_address")]
    pub address: kit::Json,
    /// The currency of their documents; the business's when left out.
    pub currency: Option<Currency>,
    /// In how many days they pay; the business's terms when left out.
    #[oai(validator(minimum(value = "0"), maximum(value = "365")))]
    pub payment_terms_days: Option<i64>,
    /// The member who signs in for them.
    pub user: Option<Ref<User>>,
    /// Nobody reminds them of invoices.
    #[oai(default)]
    pub reminders_off: bool,
    /// Anything else worth knowing.
    #[oai(default, validator(max_length = 5000))]
    pub notes: String,
}

fn no_address() -> kit::Json {
    kit::Json(Json::Object(Map::new()))
}

impl Resource for Party {
    const ABOUT: About = About {
        path: "finance/parties",
        table: "parties",
        list: &["name", "type", "email", "phone", "receivable_open", "payable_open"],
        search: &["name", "email", "phone", "tax_number"],
        filter: &["type", "currency", "user", "created_at"],
        filter_by: &[("has_open", computed::HAS_OPEN_IS)],
        order: &["name", "created_at", "receivable_open"],
        hidden: &["email_norm", "phone_norm"],
        computed: computed::ALL,
        expand: &[("user", SUMMARY)],
        merge: Some(DELETE),
        access: Access::deny()
            .admin(all(LRCUD))
            .manager(all(LRCUD))
            .staff(all(MINIMAL))
            .staff_with(Finance, all(LRCU))
            .agent(own(LR.and(CREATE)))
            .customer(own(READ.and(UPDATE)))
            .student(own(READ)),
        own: OWN,
        self_service: &["email", "phone", "address"],
        // Old documents keep showing who they were for.
        kept_by: &["transactions", "invoices", "payments", "requisitions", "quotations"],
        ..About::DEFAULT
    };

    fn check(&mut self, change: &Change<'_, '_, Self>) -> Result<()> {
        let country = change.tx.actor().business.as_ref().and_then(|business| business.country.as_deref());
        self.phone_norm = self.phone.as_deref().and_then(|phone| normalize_phone(phone, country));
        self.email_norm = self.email.as_ref().map(|email| email.0.to_lowercase());
        if !self.address.0.is_object() {
            return Err(Error::field("address", "This must be an object."));
        }
        if change.options.strict {
            self.check_duplicates(change)?;
        }
        Ok(())
    }

    fn deleting(&self, id: i64, tx: &mut Writer<'_>) -> Result<()> {
        if tx.exists(computed::IS_OPEN, &[id.into()])? {
            return Err(Error::conflict("in_use", "This party cannot be deleted: its balance is not zero."));
        }
        let drafted = "SELECT 1 FROM transactions WHERE party_id = ?1 AND state = 'draft' UNION ALL \
                       SELECT 1 FROM invoices WHERE party_id = ?1 AND state = 'draft' AND deleted_at IS NULL";
        if tx.exists(drafted, &[id.into()])? {
            return Err(Error::conflict("in_use", "This party cannot be deleted: a draft is about it."));
        }
        let asked = "SELECT 1 FROM requisitions WHERE business_id = ?2 AND party_id = ?1 AND deleted_at IS NULL \
                     AND (status = 'draft' OR status = 'pending' OR status = 'approved' AND paid_amount < approved_amount)";
        if tx.exists(asked, &[id.into(), tx.actor().business_id().into()])? {
            return Err(Error::conflict("in_use", "This party cannot be deleted: a requisition is to pay it."));
        }
        let offered = "SELECT 1 FROM quotations WHERE party_id = ?1 AND deleted_at IS NULL AND (state = 'draft' OR state = 'sent')";
        if tx.exists(offered, &[id.into()])? {
            return Err(Error::conflict("in_use", "This party cannot be deleted: a quotation for it is open."));
        }
        Ok(())
    }
}

impl Party {
    fn check_duplicates(&self, change: &Change<'_, '_, Self>) -> Result<()> {
        let sql = "SELECT 1 FROM parties WHERE business_id = ?1 AND deleted_at IS NULL AND id IS NOT ?2 AND phone_norm = ?3 UNION ALL \
                   SELECT 1 FROM parties WHERE business_id = ?1 AND deleted_at IS NULL AND id IS NOT ?2 AND email_norm = ?4";
        let business = change.tx.actor().business_id();
        let args = [business.into(), change.id.into(), self.phone_norm.clone().into(), self.email_norm.clone().into()];
        if change.tx.exists(sql, &args)? {
            return Err(Error::conflict("duplicate", "There is already a party with this telephone number or e-mail address."));
        }
        Ok(())
    }
}
