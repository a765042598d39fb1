//! Selling on the road: zones, the leads in them, what was done about each lead, and visits.

mod lead;
mod lead_action;
mod visit;
mod zone;

pub use lead::{Lead, LeadVerbs};
pub use lead_action::LeadAction;
pub use visit::{Visit, VisitVerbs};
pub use zone::Zone;

use crate::{
    engine::Descriptor,
    error::{Error, Result},
};

/// The resources of this section, in the order of the menu.
pub fn all() -> Vec<Descriptor> {
    vec![Descriptor::new::<Zone>(), Descriptor::new::<Lead>(), Descriptor::new::<LeadAction>(), Descriptor::new::<Visit>()]
}

/// What can be done here besides the operations that every resource has.
pub type Verbs = (LeadVerbs, VisitVerbs);

pub fn verbs() -> Verbs {
    (LeadVerbs, VisitVerbs)
}

/// A position has both coordinates or none. Zero is a coordinate: the equator and Greenwich exist.
fn check_position(lat: Option<f64>, lon: Option<f64>) -> Result<()> {
    match (lat, lon) {
        (Some(_), None) => Err(Error::field("lon", "This field is required together with lat.")),
        (None, Some(_)) => Err(Error::field("lat", "This field is required together with lon.")),
        _ => Ok(()),
    }
}
