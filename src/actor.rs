//! Who is calling: the person, the business they act in, and what they may do there.

use std::sync::Arc;

use jiff::{Timestamp, tz::TimeZone};
use poem_openapi::Enum;
use serde::Deserialize;

/// What a person is in a business: one role for each membership.
#[derive(Enum, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case", rename = "RoleEnum")]
pub enum Role {
    /// Everything in the business, settings and people included.
    Admin,
    /// Everything except settings and the roles of administrators.
    Manager,
    /// Own and team work; more by capability.
    Staff,
    /// Own leads, visits and zones.
    Agent,
    /// Own classes.
    Teacher,
    /// Own timetable, attendance and fees.
    Student,
    /// Own party's invoices, payments and projects.
    Customer,
    /// Own profile and public content.
    Citizen,
}

impl Role {
    pub const ALL: [Self; 8] =
        [Self::Admin, Self::Manager, Self::Staff, Self::Agent, Self::Teacher, Self::Student, Self::Customer, Self::Citizen];

    /// What they are called, in the same order.
    pub const NAMES: [&'static str; Self::ALL.len()] = {
        let (mut names, mut at) = ([""; Self::ALL.len()], 0);
        while at < names.len() {
            names[at] = Self::ALL[at].name();
            at += 1;
        }
        names
    };

    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Manager => "manager",
            Self::Staff => "staff",
            Self::Agent => "agent",
            Self::Teacher => "teacher",
            Self::Student => "student",
            Self::Customer => "customer",
            Self::Citizen => "citizen",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// What it lets somebody do, in words.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Admin => "Everything in the business, settings and people included.",
            Self::Manager => "Everything except settings and the roles of administrators.",
            Self::Staff => "Their own work and their team's; more by capability.",
            Self::Agent => "Their own leads, visits and zones.",
            Self::Teacher => "Their own classes.",
            Self::Student => "Their own timetable, attendance and fees.",
            Self::Customer => "Their own invoices, payments and projects.",
            Self::Citizen => "Their own profile, and what is public.",
        }
    }

    /// Works for the business, in the sense of the originals' `is_staff`.
    pub fn is_staff(self) -> bool {
        matches!(self, Self::Admin | Self::Manager | Self::Staff | Self::Agent | Self::Teacher)
    }
}

/// What widens a member of staff beyond their own work.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[oai(rename_all = "snake_case", rename = "CapabilityEnum")]
pub enum Capability {
    /// The books.
    Finance,
    /// People and profiles.
    Hr,
    /// All leads and visits.
    Field,
    /// All projects and tasks.
    Projects,
    /// Content and social media.
    Content,
    /// Classes, attendance and fees.
    Institute,
    /// All channels.
    ChatAdmin,
    /// Assistants and their tools.
    Assistants,
}

impl Capability {
    pub const ALL: [Self; 8] =
        [Self::Finance, Self::Hr, Self::Field, Self::Projects, Self::Content, Self::Institute, Self::ChatAdmin, Self::Assistants];

    pub fn name(self) -> &'static str {
        match self {
            Self::Finance => "finance",
            Self::Hr => "hr",
            Self::Field => "field",
            Self::Projects => "projects",
            Self::Content => "content",
            Self::Institute => "institute",
            Self::ChatAdmin => "chat_admin",
            Self::Assistants => "assistants",
        }
    }

    /// What it lets somebody do, in words.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Finance => "The books: invoices, payments, accounts and reports.",
            Self::Hr => "People and profiles.",
            Self::Field => "All leads and visits, not only their own.",
            Self::Projects => "All projects and tasks.",
            Self::Content => "Content and social media.",
            Self::Institute => "Classes, attendance and fees.",
            Self::ChatAdmin => "All channels.",
            Self::Assistants => "Assistants and their tools.",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|capability| capability.name() == name)
    }
}

/// A part of the program that a business can do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Module {
    Field,
    Finance,
    Projects,
    Chat,
    Assistants,
    Content,
    Social,
    Institute,
    Citizen,
}

impl Module {
    pub const ALL: [Self; 9] = [
        Self::Field,
        Self::Finance,
        Self::Projects,
        Self::Chat,
        Self::Assistants,
        Self::Content,
        Self::Social,
        Self::Institute,
        Self::Citizen,
    ];
    /// Paths that a module has beside those below its own name.
    const ALSO: [(&'static str, Self); 4] =
        [("sales", Self::Field), ("tasks", Self::Projects), ("v1/attendance", Self::Institute), ("v1/payments", Self::Institute)];

    /// Its switch in a business's `features`, and the first part of its paths.
    pub fn name(self) -> &'static str {
        match self {
            Self::Field => "field",
            Self::Finance => "finance",
            Self::Projects => "projects",
            Self::Chat => "chat",
            Self::Assistants => "assistants",
            Self::Content => "content",
            Self::Social => "social",
            Self::Institute => "institute",
            Self::Citizen => "citizen",
        }
    }

    /// What there is with it, in words.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Field => "Leads, visits and zones of field sales.",
            Self::Finance => "Parties, invoices, payments, requisitions, accounts and the books.",
            Self::Projects => "Projects and tasks.",
            Self::Chat => "Channels and messages within the business.",
            Self::Assistants => "Assistants and their tools.",
            Self::Content => "Media and pages.",
            Self::Social => "Posts, planned and published.",
            Self::Institute => "Classes, timetables, attendance and fees.",
            Self::Citizen => "What people outside can ask for and see.",
        }
    }

    /// The module that a path below `/api/` is part of: `field/leads`.
    pub fn of(path: &str) -> Option<Self> {
        let path = path.trim_start_matches('/');
        let is_below = |name: &str| path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let also = Self::ALSO.into_iter().find(|(name, _)| is_below(name)).map(|(_, module)| module);
        also.or_else(|| Self::ALL.into_iter().find(|module| is_below(module.name())))
    }
}

/// The modules that a business has switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Without(u16);

impl Without {
    /// Reads a business's `features`: what is `false` there.
    pub fn of(features: &serde_json::Value) -> Self {
        let off = Module::ALL.into_iter().filter(|module| features[module.name()] == false);
        Self(off.fold(0, |bits, module| bits | 1 << module as u16))
    }

    fn has(self, module: Module) -> bool {
        self.0 & (1 << module as u16) != 0
    }
}

/// The business somebody acts in, as far as rules need it.
#[derive(Debug, Clone, PartialEq)]
pub struct Business {
    pub id: i64,
    /// ISO 4217.
    pub currency: String,
    /// "Today" always means this zone.
    pub zone: TimeZone,
    /// ISO 3166 alpha-2; how a phone number without a country code is read.
    pub country: Option<String>,
    /// Its clients expect `{data, message, meta}` unless they say otherwise.
    pub envelope: bool,
    pub without: Without,
}

impl Business {
    /// `zone` is an IANA name; one that is unknown counts as UTC.
    pub fn new(id: i64, currency: String, zone: &str, country: Option<String>) -> Self {
        Self { id, currency, zone: TimeZone::get(zone).unwrap_or(TimeZone::UTC), country, envelope: false, without: Without::default() }
    }
}

/// What the key of a machine is for: resources by their paths, or `*`, each to read or to write. Writing does not include reading.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scopes(Vec<(String, bool)>);

impl Scopes {
    /// Reads `field/leads:read` and the like; `Err` is the first that is none.
    ///
    /// # Errors
    /// The text that is no scope.
    pub fn parse<'t>(texts: &'t [String]) -> Result<Self, &'t str> {
        let read = |text: &'t String| match text.rsplit_once(':') {
            Some((path, verb @ ("read" | "write"))) if !path.is_empty() => Ok((path.to_owned(), verb == "write")),
            _ => Err(text.as_str()),
        };
        texts.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// The paths they name.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(path, _)| path.as_str())
    }

    /// Is a resource among them, to write or to read?
    pub fn allow(&self, path: &str, write: bool) -> bool {
        self.0.iter().any(|(known, writes)| *writes == write && (known == path || known == "*"))
    }
}

/// The caller of a request, or the command line.
#[derive(Debug, Clone)]
pub struct Actor {
    /// `None` for the program itself and for nobody in particular (a registration).
    pub user_id: Option<i64>,
    /// `None` before sign-in and for a person without a membership.
    pub business: Option<Arc<Business>>,
    pub role: Role,
    /// One bit for each `Capability`.
    capabilities: u8,
    pub is_superuser: bool,
    /// Lists of managers and staff are limited to this branch.
    pub branch_id: Option<i64>,
    /// The session the access token belongs to.
    pub session: Option<String>,
    /// A program that acts with a key: the key's id, and what it is for.
    pub api_key: Option<(i64, Arc<Scopes>)>,
    /// Proven by a one-time code alone: a citizen, whatever the account may do.
    pub by_code: bool,
    /// Must set up a second factor before anything else.
    pub needs_second_factor: bool,
    /// Seconds for which a proof of who they are is new enough for what is sensitive.
    pub fresh_seconds: i64,
    pub now: Timestamp,
    pub request_id: String,
    pub ip: Option<String>,
    /// What a browser or program says of itself; only looked at where somebody signs in.
    pub agent: Option<Arc<Agent>>,
}

/// The browser or program that somebody signs in with, in its own words.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Agent {
    /// Its `User-Agent`.
    pub user_agent: Option<String>,
    /// The mark of a device that somebody signed in on before, not checked yet.
    pub device: Option<String>,
}

impl Actor {
    /// The program itself, or a caller before sign-in: no rights, but a time and a name for the audit trail.
    pub fn system(now: Timestamp) -> Self {
        Self {
            user_id: None,
            business: None,
            role: Role::Citizen,
            capabilities: 0,
            is_superuser: false,
            branch_id: None,
            session: None,
            api_key: None,
            by_code: false,
            needs_second_factor: false,
            fresh_seconds: 0,
            now,
            request_id: String::new(),
            ip: None,
            agent: None,
        }
    }

    /// The same person in a business.
    pub fn in_business(&self, business: Business) -> Self {
        let mut actor = self.clone();
        actor.business = Some(Arc::new(business));
        actor
    }

    pub fn grant(&mut self, capability: Capability) {
        self.capabilities |= 1 << capability as u8;
    }

    /// The capabilities as one number, and the scopes of a key: whatever an answer depends on.
    pub fn rights(&self) -> (u8, Option<&Scopes>) {
        (self.capabilities, self.scopes())
    }

    /// What the key is for that a program acts with; `None` for people, who are limited by nothing but their rights.
    pub fn scopes(&self) -> Option<&Scopes> {
        self.api_key.as_ref().map(|(_, scopes)| scopes.as_ref())
    }

    /// Administrators and managers have all capabilities.
    pub fn can(&self, capability: Capability) -> bool {
        matches!(self.role, Role::Admin | Role::Manager) || self.capabilities & (1 << capability as u8) != 0
    }

    /// Runs the business: administrator or manager.
    pub fn is_manager(&self) -> bool {
        matches!(self.role, Role::Admin | Role::Manager)
    }

    /// Is the module of a path below `/api/` switched on where they act? What belongs to none always is.
    pub fn has(&self, path: &str) -> bool {
        let off = |module| self.business.as_ref().is_some_and(|business| business.without.has(module));
        !Module::of(path).is_some_and(off)
    }

    pub fn business_id(&self) -> Option<i64> {
        self.business.as_ref().map(|business| business.id)
    }

    /// The day it is for the business.
    pub fn today(&self) -> jiff::civil::Date {
        self.zone().to_datetime(self.now).date()
    }

    /// The time zone that times without one are in.
    pub fn zone(&self) -> TimeZone {
        self.business.as_ref().map_or(TimeZone::UTC, |business| business.zone.clone())
    }
}
