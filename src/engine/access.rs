//! Who may do what: role x verb x all rows or own rows. Nothing is allowed that is not granted here.

use crate::actor::{Actor, Capability, Role};

/// A set of verbs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verbs(u8);

pub const LIST: Verbs = Verbs(1);
pub const READ: Verbs = Verbs(2);
pub const CREATE: Verbs = Verbs(4);
pub const UPDATE: Verbs = Verbs(8);
pub const DELETE: Verbs = Verbs(16);
/// List ids and labels only: what a picker needs.
pub const MINIMAL: Verbs = Verbs(32);
/// List and read.
pub const LR: Verbs = LIST.and(READ);
/// List, read, create, update.
pub const LRCU: Verbs = LR.and(CREATE).and(UPDATE);
/// Everything, deleting and restoring included.
pub const LRCUD: Verbs = LRCU.and(DELETE);
const NONE: Verbs = Verbs(0);

impl Verbs {
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    pub const fn has(self, verb: Self) -> bool {
        self.0 & verb.0 == verb.0
    }
    /// Does it leave everything as it is?
    pub const fn only_reads(self) -> bool {
        LR.has(self)
    }
}

/// What a role may do: with every row, and with its own.
#[derive(Debug, Clone, Copy)]
pub struct Grant {
    all: Verbs,
    own: Verbs,
}

/// Grants verbs on every row of the business.
pub const fn all(verbs: Verbs) -> Grant {
    Grant { all: verbs, own: NONE }
}

/// Grants verbs on the caller's own rows (`About::own`). Creating has no row yet: it is granted as such.
pub const fn own(verbs: Verbs) -> Grant {
    Grant { all: NONE, own: verbs }
}

impl Grant {
    /// Grants more on own rows.
    pub const fn and_own(self, verbs: Verbs) -> Self {
        Self { all: self.all, own: self.own.and(verbs) }
    }
}

/// How far a right reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    Nothing,
    /// Rows for which `About::own` holds.
    Own,
    All,
}

/// The grants of a resource. Starts by denying everything.
#[derive(Debug, Clone, Copy)]
pub struct Access {
    roles: [Grant; Role::ALL.len()],
    with: Option<(Capability, Grant)>,
}

impl Access {
    pub const fn deny() -> Self {
        Self { roles: [all(NONE); Role::ALL.len()], with: None }
    }
    const fn set(mut self, role: Role, grant: Grant) -> Self {
        self.roles[role as usize] = grant;
        self
    }
    pub const fn admin(self, grant: Grant) -> Self {
        self.set(Role::Admin, grant)
    }
    pub const fn manager(self, grant: Grant) -> Self {
        self.set(Role::Manager, grant)
    }
    pub const fn staff(self, grant: Grant) -> Self {
        self.set(Role::Staff, grant)
    }
    /// Staff with a capability: this grant comes on top of what staff may do anyway.
    pub const fn staff_with(mut self, capability: Capability, grant: Grant) -> Self {
        self.with = Some((capability, grant));
        self
    }
    pub const fn agent(self, grant: Grant) -> Self {
        self.set(Role::Agent, grant)
    }
    pub const fn teacher(self, grant: Grant) -> Self {
        self.set(Role::Teacher, grant)
    }
    pub const fn student(self, grant: Grant) -> Self {
        self.set(Role::Student, grant)
    }
    pub const fn customer(self, grant: Grant) -> Self {
        self.set(Role::Customer, grant)
    }
    pub const fn citizen(self, grant: Grant) -> Self {
        self.set(Role::Citizen, grant)
    }

    /// Does anybody have the right to a verb?
    pub fn grants(&self, verb: Verbs) -> bool {
        let widened = self.with.as_ref().map(|(_, grant)| grant);
        self.roles.iter().chain(widened).any(|grant| grant.all.and(grant.own).has(verb))
    }

    /// How far the actor's right to a verb reaches, whatever they act with: ask `Descriptor::reach`.
    pub(super) fn reach(&self, actor: &Actor, verb: Verbs) -> Reach {
        let by_role = self.roles[actor.role as usize];
        let widened = self.with.filter(|(capability, _)| actor.role == Role::Staff && actor.can(*capability)).map(|(_, grant)| grant);
        let grants = [Some(by_role), widened];
        let grants = || grants.iter().flatten();
        match () {
            () if grants().any(|grant| grant.all.has(verb)) => Reach::All,
            () if grants().any(|grant| grant.own.has(verb)) => Reach::Own,
            () => Reach::Nothing,
        }
    }
}
