//! Making an account, and changing one's own.

use std::sync::Arc;

use poem::Request;
use serde_json::Value as Json;

use super::{
    Form, Identity,
    address::send_verification,
    person::describe,
    shapes::{Profile, Register},
    sign_in::actor,
};
use crate::{
    actor::Role,
    auth::{
        account::{self, NewUser},
        gate::Caller,
        notice::{self, Notice},
        throttle::Kind,
    },
    config::Registration,
    db::{Reader, Row, Value, Writer},
    engine::{
        descriptor::{Record, fields},
        reply::Reply,
        validate,
    },
    error::{Error, Problems},
    kit::Json as AnyJson,
};

impl Identity {
    pub(super) async fn create_account(&self, request: &Request, register: Register) -> Result<Reply<AnyJson, 201>, Error> {
        if self.app.config.auth.registration == Registration::Off {
            return Err(Error::Forbidden { detail: "Registration is closed.".into(), code: "registration_closed" });
        }
        let names = [register.first_name, register.last_name].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let full_name = register.full_name.or(Some(names)).filter(|name| !name.is_empty());
        let number = register.phone.or(register.phone_number);
        let (mut problems, phone) = self.check_names(register.username.as_deref(), register.email.as_deref(), number.as_deref())?;
        if register.username.is_none() && register.email.is_none() && number.is_none() {
            problems.add(if self.form == Form::V1 { "email" } else { "username" }, "This field is required.");
        }
        let own = [
            ("username", register.username.as_deref()),
            ("email address", register.email.as_deref()),
            ("full name", full_name.as_deref()),
            ("phone number", number.as_deref()),
        ];
        let own: Vec<(&str, &str)> = own.into_iter().filter_map(|(what, name)| Some((what, name?))).collect();
        let password = register.password.map(|password| password.0).unwrap_or_default();
        match password.as_str() {
            "" => problems.add("password", "This field is required."),
            password => self.app.check_password(password, &own, None)?.into_iter().for_each(|text| problems.add("password", text)),
        }
        problems.or_ok()?;
        // Whoever asks which names are taken makes accounts, as often as that is allowed.
        self.app.throttle.take(Kind::Register, "", request).await?;
        let taken =
            |reader: &Reader<'_>| account::taken(reader, register.username.as_deref(), register.email.as_deref(), phone.as_deref(), None);
        self.app.db.read(taken)?.or_ok()?;
        let password_hash = self.app.hasher.hash(password).await?;
        let user = NewUser { username: register.username, email: register.email, phone, full_name, password_hash, is_superuser: false };
        let app = self.app.clone();
        let id = self.app.db.write(Arc::new(actor(request)), move |tx| {
            let business = account::default_business(tx)?.ok_or(Error::Unavailable(60))?;
            let id = account::create(tx, user.clone(), business, Role::Customer)?;
            if let Some(email) = &user.email {
                send_verification(tx, &app, id, email)?;
            }
            Ok(id)
        });
        let id = id.await?;
        let mut person = self.person(id)?;
        if self.form == Form::V1 {
            person["message"] = "User registered successfully".into();
        }
        Ok(Reply::json(&person))
    }

    /// What is wrong with somebody's names, and the phone number in its one form.
    fn check_names(&self, username: Option<&str>, email: Option<&str>, number: Option<&str>) -> Result<(Problems, Option<String>), Error> {
        let mut problems = Problems::default();
        if let Some(text) = username.and_then(account::check_username) {
            problems.add("username", text);
        }
        if let Some(text) = email.and_then(account::check_email) {
            problems.add("email", text);
        }
        self.app.db.read(|reader| {
            let phone = number.map(|number| account::phone(reader, number)).transpose()?.flatten();
            if number.is_some() && phone.is_none() {
                problems.add("phone", "Enter a valid phone number.");
            }
            Ok((problems, phone))
        })
    }

    /// Whose names these are, beside somebody's own. Who asks learns which are taken, and that is counted; what is free is not.
    async fn taken_from(&self, request: &Request, user: i64, names: [Option<&str>; 3]) -> Result<Problems, Error> {
        let [username, email, phone] = names;
        let own = "SELECT username, email, phone FROM users WHERE id = ?1";
        let read = |row: &Row<'_>| (0..3).map(|at| row.get::<Option<String>>(at)).collect::<Result<Vec<_>, Error>>();
        let own = self.app.db.read(|reader| reader.row(own, &[user.into()], read))?.unwrap_or_default();
        let is_own = |(name, own): (&Option<&str>, &Option<String>)| {
            name.is_none_or(|name| own.as_ref().is_some_and(|own| own.to_lowercase() == name.to_lowercase()))
        };
        if names.iter().zip(&own).all(is_own) {
            return Ok(Problems::default());
        }
        let asked = self.app.throttle.take(Kind::Names, &user.to_string(), request).await?;
        let problems = self.app.db.read(|reader| account::taken(reader, username, email, phone, Some(user)))?;
        if problems.is_empty() {
            asked.unused().await?;
        }
        Ok(problems)
    }

    pub(super) async fn change(&self, request: &Request, caller: Caller, body: Record) -> Result<Reply<AnyJson>, Error> {
        let user = caller.actor.user_id.ok_or_else(Error::forbidden)?;
        let sent = validate::object(&fields::<Profile>(), body, None, &caller.actor)?;
        let text = |name: &str| sent.get(name).and_then(Json::as_str);
        let number = text("phone").or(text("phone_number"));
        let (mut problems, phone) = self.check_names(text("username"), text("email"), number)?;
        if problems.is_empty() {
            problems = self.taken_from(request, user, [text("username"), text("email"), phone.as_deref()]).await?;
        }
        if let Some(sent) = sent.get("email")
            && !problems.has("email")
        {
            let sql = "SELECT email FROM users WHERE id = ?1";
            let stored = caller.read(|reader| reader.one::<Option<String>>(sql, &[user.into()]))?.flatten();
            // Whoever has the address can set the password: it takes more than a token to change it.
            if sent.as_str().map(str::to_lowercase) != stored.map(|email| email.to_lowercase()) {
                problems.add("email", "Another address is asked for at email-change/, with the password.");
            }
        }
        if let Some(zone) = text("timezone").filter(|zone| jiff::tz::TimeZone::get(zone).is_err()) {
            problems.add("timezone", format!("\"{zone}\" is not a valid choice."));
        }
        // All else may be nothing; an account always has a language.
        if sent.get("language").is_some_and(Json::is_null) {
            problems.add("language", validate::NULL);
        }
        problems.or_ok()?;
        let mut values: Vec<(&'static str, Value)> = vec![];
        for name in ["username", "email", "neighborhood", "location", "bio", "language", "timezone"] {
            if let Some(value) = sent.get(name) {
                values.push((name, value.as_str().into()));
            }
        }
        if sent.contains_key("phone") || sent.contains_key("phone_number") {
            values.push(("phone", phone.into()));
        }
        if let Some(preferences) = sent.get("preferences").filter(|preferences| preferences.is_object()) {
            values.push(("preferences", preferences.to_string().into()));
        }
        let part = |name: &str| sent.get(name).map(|part| part.as_str().unwrap_or_default().to_owned());
        let (first, last) = (part("first_name"), part("last_name"));
        let full_name = sent.get("full_name").map(|name| name.as_str().map(str::to_owned));
        let work = move |tx: &mut Writer<'_>| {
            let mut values = values.clone();
            if let Some(name) = full_name.clone() {
                values.push(("full_name", name.into()));
            }
            let number = "SELECT phone FROM users WHERE id = ?1";
            let before: Option<String> = tx.one::<Option<String>>(number, &[user.into()])?.flatten();
            tx.update("users", user, values)?;
            if tx.one::<Option<String>>(number, &[user.into()])?.flatten() != before {
                tx.note("users", user, "change_phone", None, None)?;
                notice::send(tx, user, Notice::NumberChanged)?;
            }
            Ok(())
        };
        let work = join_names(work, user, first, last);
        caller.write(work).await?;
        Ok(Reply::json(&describe(&caller)?))
    }
}

/// First and last name are parts of the whole: the one that is not sent stays.
fn join_names(
    mut rest: impl FnMut(&mut Writer<'_>) -> Result<(), Error> + Send + 'static,
    user: i64,
    first: Option<String>,
    last: Option<String>,
) -> impl FnMut(&mut Writer<'_>) -> Result<(), Error> + Send + 'static {
    move |tx| {
        rest(tx)?;
        if first.is_none() && last.is_none() {
            return Ok(());
        }
        let names = |row: &Row<'_>| Ok((row.get::<String>(0)?, row.get::<String>(1)?));
        let stored = tx.row("SELECT first_name, last_name FROM users WHERE id = ?1", &[user.into()], names)?.unwrap_or_default();
        let name = format!("{} {}", first.as_ref().unwrap_or(&stored.0), last.as_ref().unwrap_or(&stored.1));
        tx.update("users", user, vec![("full_name", name.trim().into())]).map(drop)
    }
}
