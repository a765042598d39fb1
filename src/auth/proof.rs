//! How people have proven who they are in a session, and when: what is sensitive asks for a proof that is minutes old.

use poem::{Request, RequestBody};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use super::gate::{Caller, SCHEME, recognized};
use crate::{
    actor::{Actor, Role},
    db::{Reader, Writer},
    error::{Error, Result},
};

/// By what somebody has proven themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    Password,
    /// And a code of an app, or a recovery code.
    PasswordAndCode,
    /// And the possession of a passkey.
    PasswordAndPasskey,
    /// A passkey alone, whose device looked who it is.
    Passkey,
}

impl Means {
    /// In words of RFC 8176.
    fn amr(self) -> &'static str {
        match self {
            Self::Password => "pwd",
            Self::PasswordAndCode => "pwd otp mfa",
            Self::PasswordAndPasskey => "pwd pop mfa",
            Self::Passkey => "pop user mfa",
        }
    }
}

/// Writes down that somebody has proven themselves just now.
pub fn note(tx: &mut Writer<'_>, family: &str, user: i64, means: Means) -> Result<()> {
    let amr = means.amr();
    let now = tx.now().to_string();
    match tx.one::<i64>("SELECT id FROM session_proofs WHERE family = ?1", &[family.into()])? {
        Some(id) => tx.update("session_proofs", id, vec![("proven_at", now.into()), ("amr", amr.into())]).map(drop),
        None => {
            let values = vec![("family", family.into()), ("user_id", user.into()), ("proven_at", now.into()), ("amr", amr.into())];
            tx.insert("session_proofs", values).map(drop)
        }
    }
}

/// When somebody last proved themselves in a session: when it began, or later.
pub fn proven_at(reader: &Reader<'_>, family: &str) -> Result<Option<String>> {
    let sql = "SELECT max(at) FROM (SELECT min(issued_at) AS at FROM refresh_tokens WHERE family = ?1
                                    UNION ALL SELECT proven_at FROM session_proofs WHERE family = ?1)";
    Ok(reader.one::<Option<String>>(sql, &[family.into()])?.flatten())
}

/// Has whoever acts proven themselves lately? The keys of machines never have, and a one-time code proves a phone alone.
///
/// # Errors
/// 403 `reauthentication_required`.
pub fn expect_fresh(reader: &Reader<'_>, actor: &Actor) -> Result<()> {
    let session = actor.session.as_deref().filter(|_| !actor.by_code);
    let proven = session.map(|session| proven_at(reader, session)).transpose()?.flatten();
    let proven = proven.and_then(|at| at.parse::<jiff::Timestamp>().ok());
    let is_fresh = proven.is_some_and(|at| actor.now.as_second() - at.as_second() <= actor.fresh_seconds);
    if is_fresh { Ok(()) } else { Err(Error::stale_proof()) }
}

impl Caller {
    /// See [`expect_fresh`].
    pub fn expect_fresh(&self) -> Result<()> {
        self.read(|reader| expect_fresh(reader, &self.actor))
    }
}

/// A person with a token, also one who must set up a second factor before they may do anything else. No key of a machine, and no
/// one-time code, proves a person.
pub struct Person(pub Caller);

impl std::ops::Deref for Person {
    type Target = Caller;
    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl Person {
    /// Their id.
    pub fn user(&self) -> Result<i64> {
        self.actor.user_id.ok_or_else(Error::forbidden)
    }

    /// Somebody who administers the business where they act, and has nothing to set up first.
    pub fn expect_admin(&self) -> Result<()> {
        let actor = &self.actor;
        let may = actor.role == Role::Admin && actor.business.is_some() && !actor.needs_second_factor;
        if may { Ok(()) } else { Err(Error::forbidden()) }
    }

    /// A superuser: of the whole server, and not of a business. One who has nothing to set up first.
    pub fn expect_superuser(&self) -> Result<()> {
        if self.actor.is_superuser && !self.actor.by_code && !self.actor.needs_second_factor { Ok(()) } else { Err(Error::forbidden()) }
    }

    /// Who came with a one-time code has proven a phone: that changes nothing of how the account is signed in to.
    pub fn expect_password(&self) -> Result<i64> {
        if self.actor.by_code { Err(Error::forbidden()) } else { self.user() }
    }
}

impl<'a> ApiExtractor<'a> for Person {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn security_schemes() -> Vec<&'static str> {
        vec![SCHEME]
    }
    async fn from_request(request: &'a Request, _: &mut RequestBody, _: ExtractParamOptions<()>) -> poem::Result<Self> {
        let (_, caller) = recognized(request)?;
        match caller.actor.api_key {
            Some(_) => Err(Error::Forbidden { detail: "The API key is not for this.".into(), code: "api_key_scope" }.into()),
            None => Ok(Self(caller)),
        }
    }
}
