//! A person as they see themselves.

use serde_json::{Value as Json, json};

use super::Identity;
use crate::{
    actor::Role,
    auth::gate::Caller,
    db::{Reader, Row},
    error::Error,
};

impl Identity {
    /// A person as their own `me` shows them.
    pub(super) fn person(&self, user: i64) -> Result<Json, Error> {
        self.app.db.read(|reader| describe_in(reader, user, None))
    }
}

pub(super) fn describe(caller: &Caller) -> Result<Json, Error> {
    let user = caller.actor.user_id.ok_or_else(Error::forbidden)?;
    let mut person = caller.db.read(|reader| describe_in(reader, user, caller.actor.business_id()))?;
    // A token from a one-time code gives a citizen's rights, and says so.
    person["role"] = caller.actor.role.name().into();
    person["is_staff"] = (caller.actor.is_superuser || caller.actor.role.is_staff()).into();
    Ok(person)
}

/// A person as `me` shows them; in their first business when none is given.
fn describe_in(reader: &Reader<'_>, user: i64, business: Option<i64>) -> Result<Json, Error> {
    let sql = "SELECT u.uuid, u.username, u.email, u.phone, u.full_name, u.email_verified_at IS NOT NULL OR u.phone_verified_at IS NOT NULL,
                      u.bio, u.neighborhood, u.location, u.language, u.timezone, u.preferences, u.last_seen_at, u.is_superuser, u.created_at,
                      m.role, m.capabilities, b.id, b.uuid, b.name, b.currency, b.timezone,
                      (SELECT json_object('id', p.id, 'uuid', p.uuid, 'department', d.name, 'department_id', d.uuid, 'designation', g.name,
                                          'branch', r.name, 'status', p.status, 'work_phone', p.work_phone)
                       FROM staff_profiles AS p LEFT JOIN departments AS d ON d.id = p.department_id
                       LEFT JOIN designations AS g ON g.id = p.designation_id LEFT JOIN branches AS r ON r.id = p.branch_id
                       WHERE p.user_id = u.id AND p.business_id = b.id AND p.deleted_at IS NULL),
                      (SELECT json_object('id', c.id, 'uuid', c.uuid, 'referred_by', c.referred_by_id)
                       FROM customer_profiles AS c WHERE c.user_id = u.id AND c.business_id = b.id AND c.deleted_at IS NULL),
                      u.first_name, u.last_name
               FROM users AS u
               LEFT JOIN memberships AS m ON m.id = (SELECT id FROM memberships WHERE user_id = u.id AND status = 'active' AND (?2 IS NULL OR business_id = ?2)
                                                     ORDER BY business_id LIMIT 1)
               LEFT JOIN businesses AS b ON b.id = coalesce(m.business_id, ?2)
               WHERE u.id = ?1";
    let read = |row: &Row<'_>| {
        let json = |text: Option<String>| text.and_then(|text| serde_json::from_str::<Json>(&text).ok()).unwrap_or(Json::Null);
        let is_superuser: bool = row.get(13)?;
        let role = row.get::<Option<String>>(15)?.and_then(|name| Role::parse(&name));
        let role = if is_superuser { Role::Admin } else { role.unwrap_or(Role::Citizen) };
        let (staff, customer) = (json(row.get(22)?), json(row.get(23)?));
        let business = row.get::<Option<i64>>(17)?.map(|id| {
            Ok::<_, Error>(json!({"id": id, "uuid": row.get::<String>(18)?, "name": row.get::<String>(19)?,
                                  "currency": row.get::<String>(20)?, "timezone": row.get::<String>(21)?}))
        });
        Ok(json!({
            "id": user,
            "uuid": row.get::<String>(0)?,
            "username": row.get::<Option<String>>(1)?,
            "email": row.get::<Option<String>>(2)?,
            "phone": row.get::<Option<String>>(3)?,
            "phone_number": row.get::<Option<String>>(3)?,
            "full_name": row.get::<Option<String>>(4)?,
            "first_name": row.get::<String>(24)?,
            "last_name": row.get::<String>(25)?,
            "is_verified": row.get::<bool>(5)?,
            "bio": row.get::<Option<String>>(6)?,
            "neighborhood": row.get::<Option<String>>(7)?,
            "location": row.get::<Option<String>>(8)?,
            "role": role.name(),
            "language": row.get::<String>(9)?,
            "timezone": row.get::<Option<String>>(10)?,
            "last_seen": row.get::<Option<String>>(12)?,
            "preferences": json(row.get(11)?),
            "is_superuser": is_superuser,
            "is_staff": is_superuser || role.is_staff(),
            "capabilities": json(row.get(16)?),
            "business": business.transpose()?,
            "profile_type": profile_type(role, &staff, &customer),
            "staff_profile": staff,
            "customer_profile": customer,
            "created_at": row.get::<String>(14)?,
        }))
    };
    reader.row(sql, &[user.into(), business.into()], read)?.ok_or_else(|| Error::unauthenticated("user_not_found", "User not found"))
}

/// Which profile a person is to be shown with.
fn profile_type(role: Role, staff: &Json, customer: &Json) -> &'static str {
    match role {
        _ if staff.is_object() => "staff",
        Role::Student => "student",
        role if role.is_staff() => "staff",
        Role::Customer => "customer",
        _ if customer.is_object() => "customer",
        _ => "citizen",
    }
}
