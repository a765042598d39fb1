//! Referrals: codes that bring customers in. They are never deleted: who came by one stays known.

use poem_openapi::Object;

use super::User;
use crate::{
    engine::{About, Access, CREATE, Change, Computed, LR, LRCU, READ, Resource, all, own},
    error::{Error, Result},
    kit::Ref,
};

/// A code that new customers name.
#[derive(Object)]
pub struct Referral {
    /// What customers enter; unique in the business.
    #[oai(validator(max_length = 50))]
    pub code: String,
    /// Whom the code belongs to.
    pub referrer: Option<Ref<User>>,
}

impl Resource for Referral {
    const ABOUT: About = About {
        path: "accounts/referrals",
        table: "referrals",
        label: "t.code",
        list: &["code", "referrer", "uses", "created_at"],
        search: &["code", "referrer.full_name"],
        filter: &["code", "referrer"],
        order: &["-created_at", "code"],
        computed: &[Computed::integer(
            "uses",
            "(SELECT count(*) FROM customer_profiles c WHERE c.business_id = t.business_id AND c.referred_by_id = t.id \
             AND c.deleted_at IS NULL)",
            "How many customers it brought in.",
        )],
        access: Access::deny().admin(all(LRCU)).manager(all(LRCU)).staff(all(LR.and(CREATE))).customer(own(READ)),
        own: "t.referrer_id = :me",
        soft_delete: false,
        ..About::DEFAULT
    };

    fn check(&mut self, change: &Change<'_, '_, Self>) -> Result<()> {
        let (Some(id), Some(referrer)) = (change.id, self.referrer) else { return Ok(()) };
        let business = change.tx.actor().business_id();
        let brought =
            "SELECT 1 FROM customer_profiles WHERE business_id = ?1 AND user_id = ?2 AND referred_by_id = ?3 AND deleted_at IS NULL";
        if change.tx.exists(brought, &[business.into(), referrer.0.into(), id.into()])? {
            return Err(Error::field("referrer", "This customer came by the code, and customers cannot refer themselves."));
        }
        Ok(())
    }
}
