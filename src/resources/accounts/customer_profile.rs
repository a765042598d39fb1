//! Customer profiles: what a business knows of a customer beyond the account.

use poem_openapi::Object;

use super::{Referral, User, user::shown_name};
use crate::{
    actor::Capability,
    engine::{About, Access, Change, Computed, LR, LRCU, LRCUD, READ, Resource, UPDATE, all, own},
    error::{Error, Result},
    kit::Ref,
};

/// A customer of the business.
#[derive(Object)]
pub struct CustomerProfile {
    /// The member it describes.
    pub user: Ref<User>,
    /// The code that brought the customer in.
    pub referred_by: Option<Ref<Referral>>,
    /// What only those who look after people should know.
    #[oai(validator(max_length = 2000))]
    pub notes: Option<String>,
}

impl Resource for CustomerProfile {
    const ABOUT: About = About {
        path: "accounts/customer-profiles",
        table: "customer_profiles",
        label: concat!("(SELECT ", shown_name!("u"), " FROM users u WHERE u.id = t.user_id)"),
        list: &["user_name", "referred_by", "created_at"],
        search: &["user.full_name", "user.username", "user.email"],
        filter: &["user", "referred_by"],
        order: &["-created_at"],
        private: &[("notes", Capability::Hr)],
        computed: &[Computed::text(
            "user_name",
            concat!("(SELECT ", shown_name!("u"), " FROM users u WHERE u.id = t.user_id)"),
            "The name of the customer's account.",
        )],
        access: Access::deny()
            .admin(all(LRCUD))
            .manager(all(LRCUD))
            .staff(all(LR))
            .staff_with(Capability::Hr, all(LRCU))
            .customer(own(READ.and(UPDATE))),
        own: "t.user_id = :me",
        comments: true,
        self_service: &["referred_by"],
        ..About::DEFAULT
    };

    fn check(&mut self, change: &Change<'_, '_, Self>) -> Result<()> {
        let Some(referral) = self.referred_by else { return Ok(()) };
        let own = "SELECT 1 FROM referrals WHERE id = ?1 AND referrer_id = ?2";
        if change.tx.exists(own, &[referral.0.into(), self.user.0.into()])? {
            return Err(Error::field("referred_by", "Customers cannot refer themselves."));
        }
        Ok(())
    }
}
