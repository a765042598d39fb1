//! Memberships: who belongs to the business, as what, and since when. They begin with an invitation or by signing up, change by what is
//! done with them (`api::people`), and are ended, never deleted.

use poem_openapi::{Enum, Object};
use serde_json::json;

use super::{Branch, User, user::shown_name};
use crate::{
    actor::{Capability, Role},
    auth::proof,
    db::{Reader, Writer},
    engine::{About, Access, Action, Change, Computed, IdOf, LIST, LR, Output, Resource, UPDATE, all},
    error::{Error, Result},
    kit::{DateTime, Ref},
};

/// How a membership stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[oai(rename_all = "snake_case", rename = "MembershipStatusEnum")]
pub enum MembershipStatus {
    /// Asked to join, and has not said yes yet.
    Invited,
    /// Belongs to the business.
    #[default]
    Active,
    /// Has no access for the time being.
    Suspended,
    /// Belongs to it no more.
    Ended,
}

/// Somebody's place in the business.
#[derive(Object)]
pub struct Membership {
    /// Whose it is.
    pub user_id: i64,
    /// What the person is in the business. Nobody changes their own, and only administrators make or change administrators,
    /// minutes after they have proven who they are.
    pub role: Role,
    /// What widens a member of staff beyond their own work; others have none.
    #[oai(default)]
    pub capabilities: Vec<String>,
    /// The branch that a manager's or staff's lists are limited to.
    pub branch: Option<Ref<Branch>>,
    /// How it stands.
    #[oai(default)]
    pub status: MembershipStatus,
    /// Who invited the person.
    pub invited_by: Option<Ref<User>>,
    /// The name that the inviter gave.
    #[oai(validator(max_length = 150))]
    pub invited_name: Option<String>,
    /// Where the invitation went.
    #[oai(validator(max_length = 254))]
    pub invited_to: Option<String>,
    /// When the person joined.
    pub joined_at: Option<DateTime>,
    /// When it was ended.
    pub ended_at: Option<DateTime>,
}

/// SQL for what is known of the person: of one who was invited what the inviter said, and of one who joined the account.
macro_rules! known {
    ($invited:expr, $joined:expr) => {
        concat!("CASE t.status WHEN 'invited' THEN ", $invited, " ELSE (SELECT ", $joined, " FROM users AS u WHERE u.id = t.user_id) END")
    };
}

const NAME: &str = known!("coalesce(t.invited_name, t.invited_to)", shown_name!("u"));

impl Resource for Membership {
    const ABOUT: About = About {
        path: "accounts/memberships",
        table: "memberships",
        label: NAME,
        list: &["name", "role", "capabilities", "branch", "status", "joined_at"],
        search: &["name", "email"],
        filter: &["user", "role", "status", "branch"],
        order: &["-created_at", "joined_at"],
        server_set: &["status", "invited_by", "joined_at", "ended_at"],
        hidden: &["user_id", "invited_name", "invited_to"],
        private: &[("second_factor", Capability::Hr)],
        computed: &[
            Computed::integer(
                "user",
                known!("NULL", "u.id"),
                "The id of the person; empty until the invitation is accepted, as nobody is told who has an account.",
            ),
            Computed::text("name", NAME, "What the person is called."),
            Computed::text("email", known!("CASE WHEN instr(t.invited_to, '@') THEN t.invited_to END", "u.email"), "The e-mail address."),
            Computed::text("phone", known!("CASE WHEN NOT instr(t.invited_to, '@') THEN t.invited_to END", "u.phone"), "The phone number."),
            Computed::bool(
                "second_factor",
                known!(
                    "NULL",
                    "(EXISTS (SELECT 1 FROM second_factors AS f WHERE f.id = u.id AND f.confirmed_at IS NOT NULL) \
                     OR EXISTS (SELECT 1 FROM passkeys AS p WHERE p.user_id = u.id))"
                ),
                "Whether signing in takes the person a second factor; for those who look after people.",
            ),
            Computed::new("last_seen_at", Output::DateTime, known!("NULL", "u.last_seen_at"), "When the person last used the program."),
        ],
        // Made by inviting and by signing up, so that nobody is made a member unasked.
        ids: &[("user_id", IdOf::Table("users")), ("user", IdOf::Table("users"))],
        access: Access::deny().admin(all(LR.and(UPDATE))).manager(all(LR.and(UPDATE))).staff(all(LIST)).agent(all(LIST)).teacher(all(LIST)),
        actions: &[
            Action::new("resend", "t.status = 'invited'").for_managers(),
            Action::new("activate", "t.status = 'suspended'").for_managers(),
            Action::new("suspend", "t.status = 'active' AND t.user_id <> :me").confirmed().for_managers(),
            Action::new("end", "t.status <> 'ended' AND t.user_id <> :me").destructive().for_managers(),
        ],
        soft_delete: false,
        ..About::DEFAULT
    };

    fn check(&mut self, change: &Change<'_, '_, Self>) -> Result<()> {
        self.check_capabilities(change.before)?;
        let was_admin = change.before.is_some_and(Self::runs);
        if !change.options.internal {
            let role = change.before.map(|before| before.role);
            expect_rank(change.tx, role == Some(Role::Admin) || self.role == Role::Admin)?;
            if role != Some(self.role) && change.tx.actor().user_id == Some(self.user_id) {
                return Err(Error::Forbidden { detail: "You cannot change your own role.".into(), code: "own_role" });
            }
            if (role == Some(Role::Admin)) != (self.role == Role::Admin) {
                proof::expect_fresh(change.tx, change.tx.actor())?;
            }
        }
        if was_admin && !self.runs() {
            let business = change.tx.actor().business_id().ok_or_else(Error::forbidden)?;
            expect_another_admin(change.tx, business, self.user_id)?;
        }
        Ok(())
    }

    fn after(&self, _: i64, before: Option<&Self>, tx: &mut Writer<'_>) -> Result<()> {
        let Some(before) = before.filter(|before| before.role != self.role) else { return Ok(()) };
        let role = |role: Role| Some(json!({"role": role.name()}));
        tx.step(|tx| {
            tx.act("change_role");
            tx.note("users", self.user_id, "change_role", role(before.role), role(self.role))
        })
    }
}

impl Membership {
    /// An active administrator.
    fn runs(&self) -> bool {
        self.role == Role::Admin && self.status == MembershipStatus::Active
    }

    fn check_capabilities(&mut self, before: Option<&Self>) -> Result<()> {
        let unknown = self.capabilities.iter().find(|name| Capability::parse(name).is_none());
        if let Some(name) = unknown {
            return Err(Error::field("capabilities", format!("\"{name}\" is not a valid choice.")));
        }
        // In one order, each once.
        self.capabilities =
            Capability::ALL.iter().map(|one| one.name().to_owned()).filter(|name| self.capabilities.contains(name)).collect();
        if self.role == Role::Staff || self.capabilities.is_empty() {
            return Ok(());
        }
        // Somebody who is no longer staff loses what widened that; but nobody else is given any.
        if before.is_some_and(|before| before.role == Role::Staff && before.capabilities == self.capabilities) {
            self.capabilities.clear();
            return Ok(());
        }
        Err(Error::field("capabilities", "Only staff have capabilities of their own; the role says what others may do."))
    }
}

/// May the caller, as they are now, make and change memberships: of administrators as well? Asked in the transaction, for two who
/// take each other's rights at once must not both succeed.
pub fn expect_rank(tx: &Writer<'_>, of_admins: bool) -> Result<()> {
    let actor = tx.actor();
    if actor.is_superuser {
        return Ok(());
    }
    let sql = "SELECT role FROM memberships WHERE business_id = ?1 AND user_id = ?2 AND status = 'active'";
    let role: Option<String> = tx.one(sql, &[actor.business_id().into(), actor.user_id.into()])?;
    match role.as_deref().and_then(Role::parse) {
        Some(Role::Admin) => Ok(()),
        Some(Role::Manager) if !of_admins => Ok(()),
        _ => Err(Error::forbidden()),
    }
}

/// A business is never left without an administrator who can sign in.
pub fn expect_another_admin(reader: &Reader<'_>, business: i64, user: i64) -> Result<()> {
    let sql = "SELECT 1 FROM memberships AS m JOIN users AS u ON u.id = m.user_id AND u.is_active = 1 AND u.deleted_at IS NULL
               WHERE m.business_id = ?1 AND m.role = 'admin' AND m.status = 'active' AND m.user_id <> ?2";
    if reader.exists(sql, &[business.into(), user.into()])? {
        return Ok(());
    }
    Err(Error::conflict("last_admin", "This is the last active administrator of the business."))
}
