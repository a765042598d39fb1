//! Staff roles: what people do in a business, and what that lets them do here.

use poem_openapi::Object;

use super::WORDS;
use crate::{
    actor::Capability,
    db::Reader,
    engine::{About, Change, Resource},
    error::{Error, Result},
    kit::Ref,
};

/// A kind of work, with the capabilities it needs.
#[derive(Object)]
pub struct StaffRole {
    /// What it is called.
    #[oai(validator(max_length = 100))]
    pub title: String,
    /// What those who hold it do.
    #[oai(default, validator(max_length = 2000))]
    pub description: String,
    /// The page its holders start on: an address, or a path beginning with `/`.
    #[oai(validator(max_length = 255))]
    pub dashboard_url: Option<String>,
    /// Words to find it by.
    #[oai(default)]
    pub tags: Vec<String>,
    /// Capabilities that a member of staff receives when given the role.
    #[oai(default)]
    pub grants: Vec<String>,
}

impl Resource for StaffRole {
    const ABOUT: About = About {
        path: "accounts/staff-roles",
        table: "staff_roles",
        label: "t.title",
        list: &["title", "description", "grants"],
        search: &["title", "description"],
        order: &["title", "created_at"],
        access: WORDS,
        ..About::DEFAULT
    };

    fn check(&mut self, change: &Change<'_, '_, Self>) -> Result<()> {
        // It becomes a link, so `javascript:` and the like are refused.
        let is_link = |url: &String| ["https://", "http://", "/"].iter().any(|start| url.starts_with(start));
        if self.dashboard_url.as_ref().is_some_and(|url| !is_link(url)) {
            return Err(Error::field("dashboard_url", "Enter a valid URL."));
        }
        for name in &self.grants {
            let capability = Capability::parse(name).ok_or_else(|| Error::field("grants", format!("\"{name}\" is not a valid choice.")))?;
            let had = change.before.is_some_and(|before| before.grants.contains(name));
            // Otherwise a role would be the way to every capability for all who may write roles.
            if !had && !change.options.internal && !change.tx.actor().can(capability) {
                return Err(Error::field("grants", format!("You cannot grant \"{name}\": you do not have it yourself.")));
            }
        }
        Ok(())
    }
}

/// The capabilities that come with a role.
pub(super) fn granted(reader: &Reader<'_>, role: Ref<StaffRole>) -> Result<Vec<Capability>> {
    let stored: Option<String> = reader.one("SELECT grants FROM staff_roles WHERE id = ?1", &[role.0.into()])?;
    let names: Vec<String> = serde_json::from_str(stored.as_deref().unwrap_or("[]")).map_err(Error::internal)?;
    Ok(names.iter().filter_map(|name| Capability::parse(name)).collect())
}
