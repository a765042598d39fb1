//! The people side of a business: who works in it, where and under whom, and who its customers are.

use crate::{
    actor::Capability,
    engine::{Access, Descriptor, LR, LRCU, LRCUD, all as every},
};

mod branch;
mod customer_profile;
mod department;
mod designation;
pub mod membership;
mod org_chart;
mod referral;
mod staff_profile;
mod staff_role;
pub mod user;

pub use self::{
    branch::{Branch, BranchHour},
    customer_profile::CustomerProfile,
    department::Department,
    designation::Designation,
    membership::{Membership, MembershipStatus},
    org_chart::OrgChart,
    referral::Referral,
    staff_profile::{StaffProfile, StaffStatus},
    staff_role::StaffRole,
    user::{SUMMARY, User},
};

/// The resources of this section, in the order of the menu.
pub fn all() -> Vec<Descriptor> {
    vec![
        Descriptor::new::<Department>(),
        Descriptor::new::<Designation>(),
        Descriptor::new::<Branch>(),
        Descriptor::new::<StaffRole>(),
        Descriptor::new::<StaffProfile>(),
        Descriptor::new::<CustomerProfile>(),
        Descriptor::new::<Referral>(),
        Descriptor::new::<User>(),
        Descriptor::new::<Membership>(),
    ]
}

/// What can be done here besides the operations that every resource has.
pub type Verbs = OrgChart;

pub fn verbs() -> Verbs {
    OrgChart
}

/// Who may do what with the words that staff are described with: departments, designations, branches and staff roles.
const WORDS: Access = Access::deny()
    .admin(every(LRCUD))
    .manager(every(LRCUD))
    .staff(every(LR))
    .staff_with(Capability::Hr, every(LRCU))
    .agent(every(LR))
    .teacher(every(LR));
