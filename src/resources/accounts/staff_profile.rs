//! Staff profiles: where in the business somebody works, as what, and under whom.

use poem_openapi::{Enum, Object};
use serde_json::json;

use super::{Branch, Department, Designation, StaffRole, User, membership::expect_another_admin, staff_role::granted, user::shown_name};
use crate::{
    actor::{Capability, Role},
    db::{Reader, Value, Writer},
    engine::{About, Access, Change, Computed, LR, LRCU, LRCUD, Resource, UPDATE, all},
    error::{Error, Result},
    kit::{Date, Ref},
};

/// Whether somebody is at work.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[oai(rename_all = "snake_case", rename = "StaffStatusEnum")]
pub enum StaffStatus {
    /// At work.
    #[default]
    Active,
    /// Away, and coming back.
    OnLeave,
    /// No longer works here.
    Left,
}

/// Somebody who works for the business: a member, or a name without an account.
#[derive(Object)]
pub struct StaffProfile {
    /// The member it describes; may be left out when there is a name.
    pub user: Option<Ref<User>>,
    /// What the person is called here, if not by the account's name.
    #[oai(validator(max_length = 255))]
    pub name: Option<String>,
    /// The number in the personnel files.
    #[oai(validator(max_length = 30))]
    pub employee_no: Option<String>,
    /// Where the person works.
    pub department: Option<Ref<Department>>,
    /// What the person works as.
    pub designation: Option<Ref<Designation>>,
    /// The place the person works at.
    pub branch: Option<Ref<Branch>>,
    /// What the person does; its capabilities are given on assigning it.
    pub role: Option<Ref<StaffRole>>,
    /// Who the person reports to.
    pub assigned_to: Option<Ref<User>>,
    /// Whether the person is at work.
    #[oai(default)]
    pub status: StaffStatus,
    /// First day of work.
    pub hired_on: Option<Date>,
    /// Last day of work.
    pub left_on: Option<Date>,
    /// The number to call the person on at work.
    #[oai(validator(max_length = 20))]
    pub work_phone: Option<String>,
    /// What only those who look after people should know.
    #[oai(validator(max_length = 2000))]
    pub notes: Option<String>,
}

impl Resource for StaffProfile {
    const ABOUT: About = About {
        path: "accounts/staff-profiles",
        table: "staff_profiles",
        label: concat!("coalesce(t.name, (SELECT ", shown_name!("u"), " FROM users u WHERE u.id = t.user_id))"),
        list: &["user_name", "name", "department", "designation", "branch", "status"],
        search: &["name", "user.full_name", "employee_no"],
        filter: &["user", "department", "designation", "branch", "role", "status", "assigned_to"],
        order: &["-created_at", "name", "hired_on"],
        private: &[("notes", Capability::Hr)],
        computed: &[
            Computed::text(
                "user_name",
                concat!("(SELECT ", shown_name!("u"), " FROM users u WHERE u.id = t.user_id)"),
                "The name of the member's account.",
            ),
            Computed::text("department_name", "(SELECT d.name FROM departments d WHERE d.id = t.department_id)", "The department's name."),
            Computed::text(
                "designation_name",
                "(SELECT d.name FROM designations d WHERE d.id = t.designation_id)",
                "The designation's name.",
            ),
            Computed::text("branch_name", "(SELECT b.name FROM branches b WHERE b.id = t.branch_id)", "The branch's name."),
            Computed::integer(
                "direct_reports",
                "(SELECT count(*) FROM staff_profiles r WHERE r.business_id = t.business_id AND r.assigned_to_id = t.user_id \
                 AND r.deleted_at IS NULL AND r.status <> 'left')",
                "How many people report to this one.",
            ),
        ],
        access: Access::deny()
            .admin(all(LRCUD))
            .manager(all(LRCUD))
            .staff(all(LR).and_own(UPDATE))
            .staff_with(Capability::Hr, all(LRCU))
            .agent(all(LR))
            .teacher(all(LR)),
        own: "t.user_id = :me",
        files: true,
        self_service: &["work_phone"],
        groups: &[
            ("Person", &["user", "name", "employee_no", "work_phone"]),
            ("Place", &["department", "designation", "branch", "role", "assigned_to"]),
            ("Employment", &["status", "hired_on", "left_on"]),
        ],
        ..About::DEFAULT
    };

    fn check(&mut self, change: &Change<'_, '_, Self>) -> Result<()> {
        self.check_person(change)?;
        self.check_supervisor(change)?;
        self.check_role(change)?;
        self.check_status(change)?;
        match (self.hired_on, self.left_on) {
            (Some(hired), Some(left)) if left < hired => Err(Error::field("left_on", "Ensure this date is not before hired_on.")),
            _ => Ok(()),
        }
    }

    fn after(&self, _id: i64, before: Option<&Self>, tx: &mut Writer<'_>) -> Result<()> {
        let Some(user) = self.user else { return Ok(()) };
        if let Some(role) = self.role.filter(|_| self.takes_role(before)) {
            grant(user, role, tx)?;
        }
        if self.leaves(before) { suspend(user, tx) } else { Ok(()) }
    }
}

impl StaffProfile {
    fn takes_role(&self, before: Option<&Self>) -> bool {
        before.is_none_or(|before| before.user != self.user || before.role != self.role)
    }

    fn leaves(&self, before: Option<&Self>) -> bool {
        self.status == StaffStatus::Left && before.is_none_or(|before| before.user != self.user || before.status != StaffStatus::Left)
    }

    fn check_person(&self, change: &Change<'_, '_, Self>) -> Result<()> {
        let Some(user) = self.user else {
            return if self.name.is_some() { Ok(()) } else { Err(Error::field("name", "Give a name when there is no user.")) };
        };
        // Who was put in another role since must still be able to leave.
        let is_new = change.before.is_none_or(|before| before.user != self.user);
        if is_new && !role_of(change.tx, user)?.is_some_and(Role::is_staff) {
            return Err(Error::field("user", "This person's role in the business is not one of staff."));
        }
        Ok(())
    }

    fn check_supervisor(&self, change: &Change<'_, '_, Self>) -> Result<()> {
        let (Some(user), Some(supervisor)) = (self.user, self.assigned_to) else { return Ok(()) };
        // UNION drops who was met before, so the walk ends. This profile as stored is left out: it is about to change.
        let sql = "WITH RECURSIVE above(id) AS (SELECT ?2 UNION \
                   SELECT p.assigned_to_id FROM above JOIN staff_profiles p ON p.business_id = ?1 AND p.user_id = above.id \
                   WHERE p.deleted_at IS NULL AND p.assigned_to_id IS NOT NULL AND p.id <> ?4) \
                   SELECT 1 FROM above WHERE id = ?3";
        let business = change.tx.actor().business_id();
        if change.tx.exists(sql, &[business.into(), supervisor.0.into(), user.0.into(), change.id.unwrap_or(0).into()])? {
            return Err(Error::field("assigned_to", "Nobody can report to themselves, directly or through others."));
        }
        Ok(())
    }

    /// A role hands out capabilities: nobody assigns what they do not have.
    fn check_role(&self, change: &Change<'_, '_, Self>) -> Result<()> {
        let Some(role) = self.role.filter(|_| self.takes_role(change.before) && !change.options.internal) else { return Ok(()) };
        match granted(change.tx, role)?.into_iter().find(|capability| !change.tx.actor().can(*capability)) {
            Some(capability) => {
                let text = format!("You cannot assign this role: it grants \"{}\", which you do not have.", capability.name());
                Err(Error::field("role", text))
            }
            None => Ok(()),
        }
    }

    fn check_status(&mut self, change: &Change<'_, '_, Self>) -> Result<()> {
        let actor = change.tx.actor();
        let had_left = change.before.is_some_and(|before| before.status == StaffStatus::Left);
        if had_left && self.status != StaffStatus::Left {
            if !actor.is_manager() && !change.options.internal {
                return Err(Error::conflict("invalid_transition", "Only an administrator or a manager takes back somebody who left."));
            }
            self.left_on = None;
        }
        if !self.leaves(change.before) {
            return Ok(());
        }
        self.left_on.get_or_insert(Date(actor.today()));
        // Leaving suspends the membership, so the rules on administrators hold here as well.
        let Some(user) = self.user else { return Ok(()) };
        if role_of(change.tx, user)? != Some(Role::Admin) {
            return Ok(());
        }
        if actor.role != Role::Admin && !change.options.internal {
            return Err(Error::forbidden());
        }
        let business = actor.business_id().ok_or_else(Error::forbidden)?;
        expect_another_admin(change.tx, business, user.0)
    }
}

fn role_of(tx: &Writer<'_>, user: Ref<User>) -> Result<Option<Role>> {
    let args = [tx.actor().business_id().into(), user.0.into()];
    let name: Option<String> = tx.one("SELECT role FROM memberships WHERE business_id = ?1 AND user_id = ?2", &args)?;
    Ok(name.as_deref().and_then(Role::parse))
}

/// Adds what the role grants to what a member of staff may do. Others have no capabilities of their own.
fn grant(user: Ref<User>, role: Ref<StaffRole>, tx: &mut Writer<'_>) -> Result<()> {
    let args = [tx.actor().business_id().into(), user.0.into()];
    let sql = "SELECT id, capabilities FROM memberships WHERE business_id = ?1 AND user_id = ?2 AND role = 'staff'";
    let Some((membership, stored)) = tx.row(sql, &args, |row| Ok((row.get::<i64>(0)?, row.get::<String>(1)?)))? else {
        return Ok(());
    };
    let mut held: Vec<String> = serde_json::from_str(&stored).map_err(Error::internal)?;
    let missing: Vec<String> = granted(tx, role)?.iter().map(|new| new.name().to_owned()).filter(|new| !held.contains(new)).collect();
    held.extend(missing);
    tx.update("memberships", membership, vec![("capabilities", json!(held).to_string().into())])?;
    Ok(())
}

/// Ends the access of somebody who left; the membership can be taken up again by an administrator or a manager.
fn suspend(user: Ref<User>, tx: &mut Writer<'_>) -> Result<()> {
    let args: [Value; 2] = [tx.actor().business_id().into(), user.0.into()];
    let ids = |reader: &Reader<'_>, sql: &str| reader.rows(sql, &args, |row| row.get::<i64>(0));
    for membership in ids(tx, "SELECT id FROM memberships WHERE business_id = ?1 AND user_id = ?2 AND status = 'active'")? {
        tx.update("memberships", membership, vec![("status", "suspended".into())])?;
    }
    for session in ids(tx, "SELECT id FROM refresh_tokens WHERE business_id = ?1 AND user_id = ?2 AND revoked_at IS NULL")? {
        let now = tx.now().to_string();
        tx.update("refresh_tokens", session, vec![("revoked_at", now.into()), ("revoke_reason", "membership_suspended".into())])?;
    }
    Ok(())
}
