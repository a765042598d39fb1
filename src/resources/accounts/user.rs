//! People, as the members of a business see each other. Accounts are made and changed by signing up, by invitation and by their
//! owners, never here.

use poem_openapi::Object;

use crate::{
    actor::Role,
    engine::{About, Access, Action, Computed, Expand, LR, Output, READ, Resource, Scope, about::schema, all, own},
    kit::{DateTime, Email},
};

/// SQL for what a person is called. Not the phone number: not everybody who sees the name may see that.
macro_rules! shown_name {
    ($row:literal) => {
        concat!("coalesce(nullif(", $row, ".full_name, ''), ", $row, ".username, ", $row, ".email, 'User ' || ", $row, ".id)")
    };
}
pub(super) use shown_name;

/// How the read forms show a person.
pub const SUMMARY: Expand = Expand::Object(
    "UserSummary",
    &[("id", "x.id"), ("username", "x.username"), ("first_name", "x.first_name"), ("last_name", "x.last_name")],
);

/// Somebody who belongs to the business.
#[derive(Object)]
#[oai(rename = "UserList")]
pub struct User {
    /// The name to sign in with.
    #[oai(validator(max_length = 150))]
    pub username: Option<String>,
    /// The e-mail address.
    #[oai(validator(max_length = 254))]
    pub email: Option<Email>,
    /// The phone number, `+` and the country's code first; only staff and the person see it.
    #[oai(validator(max_length = 16))]
    pub phone: Option<String>,
    /// The whole name.
    #[oai(validator(max_length = 150))]
    pub full_name: Option<String>,
    /// Whether the person can sign in.
    pub is_active: bool,
    /// When the person last used the program.
    pub last_seen_at: Option<DateTime>,
}

impl Resource for User {
    const ABOUT: About = About {
        path: "accounts/users-list",
        table: "users",
        label: shown_name!("t"),
        list: &["username", "full_name", "email", "role", "is_active", "last_seen_at"],
        search: &["username", "email", "phone", "full_name"],
        filter: &["role", "is_active"],
        filter_by: &[
            (
                "department",
                "t.id IN (SELECT p.user_id FROM staff_profiles p WHERE p.business_id = :business AND p.department_id = ? \
                 AND p.deleted_at IS NULL)",
            ),
            (
                "branch",
                "t.id IN (SELECT p.user_id FROM staff_profiles p WHERE p.business_id = :business AND p.branch_id = ? \
                 AND p.deleted_at IS NULL)",
            ),
        ],
        order: &["full_name", "created_at", "last_seen_at"],
        computed: &[
            Computed::text("first_name", "t.first_name", "The first word of the name."),
            Computed::text("last_name", "t.last_name", "The name after its first word."),
            Computed::choice(
                "role",
                &Role::NAMES,
                "(SELECT m.role FROM memberships m WHERE m.business_id = :business AND m.user_id = t.id)",
                "What the person is in the business.",
            ),
            Computed::bool(
                "is_staff",
                "(SELECT m.role IN ('admin', 'manager', 'staff', 'agent', 'teacher') FROM memberships m \
                 WHERE m.business_id = :business AND m.user_id = t.id)",
                "Whether the person works for the business.",
            ),
            // The members of both are those of the originals, in which a directory entry carries them whole.
            Computed::new(
                "staff_profile",
                Output::Json(schema::object),
                "(SELECT json_object('id', p.id, 'uuid', p.uuid, 'name', p.name, 'user', p.user_id, 'employee_no', p.employee_no, \
                 'department', p.department_id, 'designation', p.designation_id, 'branch', p.branch_id, 'role', p.role_id, \
                 'assigned_to', p.assigned_to_id, 'status', p.status, 'created_by', p.created_by, 'created_at', p.created_at, \
                 'updated_at', p.updated_at, 'deleted_at', p.deleted_at, 'is_deleted', json('false')) FROM staff_profiles p \
                 WHERE p.business_id = :business AND p.user_id = t.id AND p.deleted_at IS NULL)",
                "Where the person works in the business, if anywhere.",
            ),
            Computed::new(
                "customer_profile",
                Output::Json(schema::object),
                "(SELECT json_object('id', c.id, 'uuid', c.uuid, 'user', c.user_id, 'referred_by', c.referred_by_id, \
                 'created_at', c.created_at, 'updated_at', c.updated_at, 'deleted_at', c.deleted_at, 'is_deleted', json('false')) \
                 FROM customer_profiles c WHERE c.business_id = :business AND c.user_id = t.id AND c.deleted_at IS NULL)",
                "What is known of the person as a customer, if one.",
            ),
        ],
        access: Access::deny()
            .admin(all(LR))
            .manager(all(LR))
            .staff(all(LR))
            .agent(all(LR))
            .teacher(all(LR))
            .student(own(READ))
            .customer(own(READ))
            .citizen(own(READ)),
        own: "t.id = :me",
        scope: Scope::Members,
        actions: &[
            Action::new("activate", "t.is_active = 0").for_managers(),
            Action::new("deactivate", "t.is_active = 1 AND t.id <> :me").confirmed().for_managers(),
            Action::new("unlock", "t.is_active = 1").for_administrators(),
            Action::new(
                "reset-2fa",
                "t.id <> :me AND (EXISTS (SELECT 1 FROM second_factors AS f WHERE f.id = t.id) \
                 OR EXISTS (SELECT 1 FROM passkeys AS p WHERE p.user_id = t.id))",
            )
            .destructive()
            .for_administrators(),
        ],
        read_only: true,
        ..About::DEFAULT
    };
}
