//! Accounts: finding, creating and changing the people who sign in.

use super::families;
use crate::{
    actor::Role,
    db::{Reader, Row, Value, Writer},
    error::{Error, Problems, Result},
    kit::{Email, normalize_phone},
    outbox::Language,
};

/// What signing in compares.
pub struct Credentials {
    pub id: i64,
    pub password_hash: Option<String>,
    pub is_active: bool,
    /// Grows when every token of the account dies: with another password.
    pub epoch: i64,
}

/// A person to be.
#[derive(Debug, Clone, Default)]
pub struct NewUser {
    pub username: Option<String>,
    pub email: Option<String>,
    /// E.164.
    pub phone: Option<String>,
    pub full_name: Option<String>,
    /// Empty signs in to no password: by codes and links alone.
    pub password_hash: String,
    pub is_superuser: bool,
}

/// Finds an account by username, e-mail or phone, whichever the text is.
pub fn find(reader: &Reader<'_>, identifier: &str) -> Result<Option<Credentials>> {
    // All three are looked at, whichever it is: what is found at the first costs as much as what is found nowhere.
    const SQL: &str = "SELECT id, password_hash, is_active, token_epoch FROM (
            SELECT 1 AS place, * FROM users WHERE lower(username) = ?1 AND username IS NOT NULL AND deleted_at IS NULL
            UNION ALL SELECT 2, * FROM users WHERE lower(email) = ?1 AND email IS NOT NULL AND deleted_at IS NULL
            UNION ALL SELECT 3, * FROM users WHERE phone = ?2 AND phone IS NOT NULL AND deleted_at IS NULL)
        ORDER BY place LIMIT 1";
    let identifier = identifier.trim();
    let args = [identifier.to_lowercase().into(), phone(reader, identifier)?.into()];
    let read = |row: &Row<'_>| Ok(Credentials { id: row.get(0)?, password_hash: row.get(1)?, is_active: row.get(2)?, epoch: row.get(3)? });
    reader.row(SQL, &args, read)
}

/// A phone number in E.164, read as one of the first business's country when it has no country code.
pub fn phone(reader: &Reader<'_>, number: &str) -> Result<Option<String>> {
    if !number.contains(|c: char| c.is_ascii_digit()) || number.contains(|c: char| c.is_alphabetic()) {
        return Ok(None);
    }
    let country: Option<Option<String>> = reader.one("SELECT country FROM businesses WHERE deleted_at IS NULL ORDER BY id", &[])?;
    Ok(normalize_phone(number, country.flatten().as_deref()))
}

/// The hash of somebody's password; none for whoever signs in by codes alone.
pub fn password_hash(reader: &Reader<'_>, user: i64) -> Result<Option<String>> {
    Ok(reader.one::<Option<String>>("SELECT password_hash FROM users WHERE id = ?1", &[user.into()])?.flatten())
}

/// The business that people join who name none: the first.
pub fn default_business(reader: &Reader<'_>) -> Result<Option<i64>> {
    reader.one("SELECT id FROM businesses WHERE is_active = 1 AND deleted_at IS NULL ORDER BY id", &[])
}

/// What the businesses are called that somebody belongs to, or is to; the first one, for whoever is nobody yet.
pub fn business_names(reader: &Reader<'_>, user: Option<i64>) -> Result<Vec<String>> {
    let read = |row: &Row<'_>| row.get(0);
    match user {
        Some(user) => {
            let sql = "SELECT b.name FROM memberships AS m JOIN businesses AS b ON b.id = m.business_id WHERE m.user_id = ?1 LIMIT 100";
            reader.rows(sql, &[user.into()], read)
        }
        None => reader.rows("SELECT name FROM businesses WHERE is_active = 1 AND deleted_at IS NULL ORDER BY id LIMIT 1", &[], read),
    }
}

/// What is wrong with a username, in Django's words.
pub fn check_username(username: &str) -> Option<String> {
    if username.chars().count() > 150 {
        return Some("Ensure this field has no more than 150 characters.".into());
    }
    let fits = |c: char| c.is_alphanumeric() || "@.+-_".contains(c);
    let wrong = "Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ characters.";
    (!username.chars().all(fits)).then(|| wrong.into())
}

/// What is wrong with an e-mail address.
pub fn check_email(email: &str) -> Option<String> {
    Email::parse(email).is_none().then(|| "Enter a valid email address.".into())
}

/// Which of a person's names somebody else has already. Whichever of them signs in, so one's user name may not be another's address
/// or number either: `find` would take the one for the other.
pub fn taken(
    reader: &Reader<'_>,
    username: Option<&str>,
    email: Option<&str>,
    phone: Option<&str>,
    except: Option<i64>,
) -> Result<Problems> {
    const USERNAME: &str = "SELECT 1 FROM users WHERE lower(username) = ?1 AND username IS NOT NULL AND deleted_at IS NULL AND id <> ?2";
    const EMAIL: &str = "SELECT 1 FROM users WHERE lower(email) = ?1 AND email IS NOT NULL AND deleted_at IS NULL AND id <> ?2";
    const PHONE: &str = "SELECT 1 FROM users WHERE phone = ?1 AND deleted_at IS NULL AND id <> ?2";
    let mut problems = Problems::default();
    let others = |sql: &str, value: &str| reader.exists(sql, &[value.to_lowercase().into(), except.unwrap_or(0).into()]);
    let as_phone = |username: &str| self::phone(reader, username)?.map_or(Ok(false), |phone| others(PHONE, &phone));
    if let Some(username) = username
        && (others(USERNAME, username)? || others(EMAIL, username)? || as_phone(username)?)
    {
        problems.add("username", "A user with that username already exists.");
    }
    if let Some(email) = email
        && (others(EMAIL, email)? || others(USERNAME, email)?)
    {
        problems.add("email", "user with this email already exists.");
    }
    if let Some(phone) = phone
        && (others(PHONE, phone)? || others(USERNAME, phone)?)
    {
        problems.add("phone", "user with this phone already exists.");
    }
    Ok(problems)
}

/// Creates a person and makes them a member of the business with a role.
pub fn create(tx: &mut Writer<'_>, user: NewUser, business: i64, role: Role) -> Result<i64> {
    taken(tx, user.username.as_deref(), user.email.as_deref(), user.phone.as_deref(), None)?.or_ok()?;
    let values = vec![
        ("username", user.username.into()),
        ("email", user.email.into()),
        ("phone", user.phone.into()),
        ("full_name", user.full_name.into()),
        ("password_hash", Some(user.password_hash).filter(|hash| !hash.is_empty()).into()),
        ("is_superuser", user.is_superuser.into()),
        // Theirs to change.
        ("language", Language::of_business(tx, Some(business))?.code().into()),
    ];
    let id = tx.insert("users", values)?;
    join(tx, id, business, role)?;
    Ok(id)
}

/// Makes somebody who may do everything, and runs the first business.
pub fn create_administrator(tx: &mut Writer<'_>, user: NewUser) -> Result<i64> {
    let business = default_business(tx)?.ok_or_else(|| Error::internal("there is no active business"))?;
    create(tx, NewUser { is_superuser: true, ..user }, business, Role::Admin)
}

/// Makes a person a member of a business.
pub fn join(tx: &mut Writer<'_>, user: i64, business: i64, role: Role) -> Result<i64> {
    let now: Value = tx.now().to_string().into();
    let values = vec![("business_id", business.into()), ("user_id", user.into()), ("role", role.name().into()), ("joined_at", now)];
    let membership = tx.insert("memberships", values)?;
    describe_customer(tx, user, business, role)?;
    Ok(membership)
}

/// Whoever is a customer has a profile as one.
pub fn describe_customer(tx: &mut Writer<'_>, user: i64, business: i64, role: Role) -> Result<()> {
    let args = [business.into(), user.into()];
    let known = "SELECT 1 FROM customer_profiles WHERE business_id = ?1 AND user_id = ?2 AND deleted_at IS NULL";
    if role == Role::Customer && !tx.exists(known, &args)? {
        tx.insert("customer_profiles", vec![("business_id", business.into()), ("user_id", user.into())])?;
    }
    Ok(())
}

/// Gives an account another password. Every token of the account is dead from the next request on.
pub fn set_password(tx: &mut Writer<'_>, user: i64, hash: &str) -> Result<()> {
    sign_out(tx, user, ("set_password", "password_changed"), vec![("password_hash", hash.into())])
}

/// Changes an account so that every token of it, and every link that was sent for it, is dead from the next request on. Named are what
/// is done and why the sessions ended.
pub fn sign_out(
    tx: &mut Writer<'_>,
    user: i64,
    (action, reason): (&'static str, &str),
    mut values: Vec<(&'static str, Value)>,
) -> Result<()> {
    let epoch: i64 = tx.one("SELECT token_epoch FROM users WHERE id = ?1", &[user.into()])?.ok_or_else(Error::not_found)?;
    values.push(("token_epoch", (epoch + 1).into()));
    tx.step(|tx| {
        tx.act(action);
        tx.update("users", user, values)
    })?;
    // The epoch ends them; the rows say so, too.
    families::of(tx, user)?.iter().try_for_each(|family| families::mark(tx, family, reason))
}
