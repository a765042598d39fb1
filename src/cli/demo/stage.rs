//! Who acts in the story, and when: calls to the API as a person, at a time.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use poem::{
    Endpoint, Request, Response,
    endpoint::{BoxEndpoint, EndpointExt},
    http::{Method, header},
};
use serde_json::Value as Json;

use super::PASSWORD;
use crate::{
    actor::{Capability, Role},
    app::App,
    auth::{
        account::{self, NewUser},
        password,
        token::{Claims, random_id},
    },
    clock::Clock,
    db::Writer,
    error::{Error, Result},
    resources::business,
};

/// What is opened once for the story.
pub struct Stage<'a> {
    app: &'a App,
    clock: &'a Clock,
    api: BoxEndpoint<'static, Response>,
    /// The time of the last day.
    end: Timestamp,
    people: HashMap<&'static str, Person>,
    password_hash: String,
}

#[derive(Clone, Copy)]
struct Person {
    id: i64,
    business: i64,
    role: Role,
}

impl<'a> Stage<'a> {
    pub fn new(app: &'a App, clock: &'a Clock, api: impl Endpoint<Output = Response> + 'static) -> Self {
        Self { app, clock, api: api.boxed(), end: clock.now(), people: HashMap::new(), password_hash: String::new() }
    }

    /// Goes to a day, counted from the last: -40 is the fortieth before.
    pub fn day(&self, day: i64) {
        let at = self.end + SignedDuration::from_hours(24 * day);
        self.clock.advance(at.as_second() - self.clock.now().as_second());
    }

    /// A day as the API has it, counted from the last.
    pub fn date(&self, timezone: &str, day: i64) -> Result<String> {
        let zone = jiff::tz::TimeZone::get(timezone).map_err(Error::internal)?;
        Ok((self.end + SignedDuration::from_hours(24 * day)).to_zoned(zone).date().to_string())
    }

    /// The business that is there from the start, or another one.
    pub async fn business(&self, name: &'static str) -> Result<i64> {
        let ready = move |tx: &mut Writer<'_>| {
            let first = "SELECT id FROM businesses WHERE NOT EXISTS (SELECT 1 FROM memberships WHERE business_id = businesses.id)";
            if let Some(id) = tx.one::<i64>(first, &[])? {
                return Ok(id);
            }
            let id = tx.insert("businesses", vec![("name", name.into()), ("slug", name.to_lowercase().replace(' ', "-").into())])?;
            business::seed_business(tx, id)?;
            Ok(id)
        };
        self.app.db.write(self.app.system(), ready).await
    }

    fn user(&mut self, name: &str, full_name: &str) -> Result<NewUser> {
        if self.password_hash.is_empty() {
            self.password_hash = password::hash(PASSWORD)?;
        }
        Ok(NewUser {
            username: Some(name.to_owned()),
            email: Some(format!("{name}@example.org")),
            full_name: Some(full_name.to_owned()),
            password_hash: self.password_hash.clone(),
            ..NewUser::default()
        })
    }

    /// Somebody who sees to the server, and to the first business.
    pub async fn owner(&mut self, name: &str, full_name: &str) -> Result<()> {
        let user = self.user(name, full_name)?;
        self.app.db.write(self.app.system(), move |tx| account::create_administrator(tx, user.clone())).await.map(drop)
    }

    /// Somebody joins a business.
    pub async fn person(
        &mut self,
        business: i64,
        name: &'static str,
        full_name: &'static str,
        role: Role,
        can: &[Capability],
    ) -> Result<i64> {
        let user = self.user(name, full_name)?;
        let can = Json::from(can.iter().map(|one| one.name()).collect::<Vec<_>>()).to_string();
        let join = move |tx: &mut Writer<'_>| {
            let id = account::create(tx, user.clone(), business, role)?;
            let membership: Option<i64> = tx.one("SELECT id FROM memberships WHERE user_id = ?1", &[id.into()])?;
            if let Some(membership) = membership {
                tx.update("memberships", membership, vec![("capabilities", can.as_str().into())])?;
            }
            Ok(id)
        };
        let id = self.app.db.write(self.app.system(), join).await?;
        self.people.insert(name, Person { id, business, role });
        Ok(id)
    }

    pub async fn get(&self, who: &str, path: &str) -> Result<Json> {
        self.call(who, Method::GET, path, None).await
    }

    pub async fn post(&self, who: &str, path: &str, body: Json) -> Result<Json> {
        self.call(who, Method::POST, path, Some(body)).await
    }

    pub async fn patch(&self, who: &str, path: &str, body: Json) -> Result<Json> {
        self.call(who, Method::PATCH, path, Some(body)).await
    }

    /// Somebody calls the API, below `/api/`.
    ///
    /// # Errors
    /// Any answer but a good one: then the story is wrong.
    async fn call(&self, who: &str, method: Method, path: &str, body: Option<Json>) -> Result<Json> {
        let call = format!("{who}: {method} {path}");
        let token = self.token(who)?;
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/{path}").parse().map_err(Error::internal)?)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .content_type("application/json")
            .body(body.map(|body| body.to_string()).unwrap_or_default());
        let response = self.api.get_response(request).await;
        let status = response.status();
        let text = response.into_body().into_string().await.map_err(Error::internal)?;
        if !status.is_success() {
            return Err(Error::Internal(format!("{call} answered {status}: {text}")));
        }
        if text.is_empty() { Ok(Json::Null) } else { serde_json::from_str(&text).map_err(Error::internal) }
    }

    /// A token for a moment: no session stays behind.
    fn token(&self, who: &str) -> Result<String> {
        let person = self.people.get(who).copied().ok_or_else(|| Error::Internal(format!("nobody is called {who}")))?;
        let now = self.clock.now().as_second();
        self.app.gate.tokens.sign(&Claims {
            token_type: "access".into(),
            exp: now + 60,
            iat: now,
            jti: random_id(),
            user_id: person.id.to_string(),
            biz: Some(person.business),
            role: person.role.name().into(),
            scope: "full".into(),
            epoch: 0,
            sid: random_id(),
        })
    }
}
