//! Whose an address is: anybody can write anybody's e-mail address or telephone number on an account of their own, and wait for its
//! owner to come. So an account gives nothing to whoever first shows that an unproven address of it is theirs, but what is safe:
//!
//! * By a one-time code, the owner of a number gets a new account of a citizen, and the number goes there. Two kinds of accounts keep
//!   it: one without a password, to which nobody else can sign in, and one of somebody whom an administrator vouches for, by any role
//!   but customer and citizen, which are the ones that people get by themselves: staff are entered with their numbers, and work with
//!   them without proving them. Where anybody may create businesses people give themselves any role, and roles say nothing. An account
//!   that has no name but the number cannot be left without it: it goes to the owner of the number ([`take_over`]).
//! * By the link of an invitation or of a forgotten password, the account goes to the owner of the address, who sets a password: other
//!   passwords, sessions, links, second factors, keys and addresses that were never proven are gone. An account of which another
//!   address was proven has an owner already; it loses the address to a new account, and no password is reset.

use crate::{
    actor::Role,
    db::{Reader, Value, Writer},
    error::Result,
};

use super::{
    account, api_key, factor,
    notice::{self, Notice},
};

/// What is shown to be somebody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    Email,
    Phone,
}

impl Address {
    pub fn column(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
        }
    }

    /// The column that says since when it is known to be theirs.
    pub fn proof(self) -> &'static str {
        match self {
            Self::Email => "email_verified_at",
            Self::Phone => "phone_verified_at",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Email => Self::Phone,
            Self::Phone => Self::Email,
        }
    }
}

/// Does an administrator vouch for whoever has the account? `by_roles`: roles are given by administrators alone.
pub fn is_vouched_for(reader: &Reader<'_>, user: i64, by_roles: bool) -> Result<bool> {
    let sql = "SELECT 1 FROM users AS u WHERE u.id = ?1 AND (u.is_superuser = 1 OR ?2 AND EXISTS (
                   SELECT 1 FROM memberships AS m WHERE m.user_id = u.id AND m.status <> 'invited' AND m.role <> ?3 AND m.role <> ?4))";
    reader.exists(sql, &[user.into(), by_roles.into(), Role::Customer.name().into(), Role::Citizen.name().into()])
}

/// Takes an unproven address off an account, for its owner to have it. `false`: the account has no other name, and keeps it.
pub fn give_up(tx: &mut Writer<'_>, user: i64, address: Address) -> Result<bool> {
    let sql = format!("SELECT 1 FROM users WHERE id = ?1 AND (username IS NOT NULL OR {} IS NOT NULL)", address.other().column());
    if !tx.exists(&sql, &[user.into()])? {
        return Ok(false);
    }
    tx.step(|tx| {
        tx.act("lose_address");
        tx.update("users", user, vec![(address.column(), Value::Null)])
    })?;
    if address == Address::Phone {
        notice::send(tx, user, Notice::NumberTaken)?;
    }
    Ok(true)
}

/// Makes an account that of whoever has just shown that an address of it is theirs: nothing that somebody else may have put there signs
/// in any more. `keep_other`: an unproven address beside it stays.
pub fn take_over(tx: &mut Writer<'_>, user: i64, address: Address, password_hash: Option<&str>, keep_other: bool) -> Result<()> {
    account::sign_out(tx, user, ("set_password", "password_changed"), vec![("password_hash", password_hash.into())])?;
    if factor::forget(tx, user)? {
        tx.note("users", user, "reset_2fa", None, None)?;
    }
    api_key::revoke_all(tx, user)?;
    let other = address.other();
    let unproven = format!("SELECT 1 FROM users WHERE id = ?1 AND {} IS NOT NULL AND {} IS NULL", other.column(), other.proof());
    if !keep_other && tx.exists(&unproven, &[user.into()])? {
        tx.step(|tx| {
            tx.act("lose_address");
            tx.update("users", user, vec![(other.column(), Value::Null)])
        })?;
    }
    prove(tx, user, address)
}

/// Writes down that an address is known to be theirs.
pub fn prove(tx: &mut Writer<'_>, user: i64, address: Address) -> Result<()> {
    tx.update("users", user, vec![(address.proof(), tx.now().to_string().into())]).map(drop)
}
