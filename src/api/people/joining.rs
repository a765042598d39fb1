//! The way into a business: from the invitation to the membership.

use serde_json::{Map, Value as Json, json};

use super::{business_name, business_of, set};
use crate::{
    actor::{Business, Role},
    auth::{
        account,
        claim::{self, Address},
        link::{self, Purpose, Redeemed},
        proof, throttle,
    },
    config::Config,
    db::{Reader, Row, Value, Writer},
    engine::{Options, UPDATE, body::Input, verbs},
    error::{Error, Result},
    outbox::{self, Channel, Language, Message},
    resources::accounts::{Membership, membership::expect_rank},
};

use super::invitations::Invite;

/// Where a link leads when no front end awaits it.
const PATH: &str = "auth/invitations/accept";

/// Where an invitation goes.
enum Recipient {
    Email(String),
    Phone(String),
}

impl Recipient {
    fn of(tx: &Writer<'_>, sent: &Invite) -> Result<Self> {
        match (&sent.email, &sent.phone) {
            (Some(email), None) => Ok(Self::Email(email.0.clone())),
            (None, Some(number)) => {
                let country = tx.actor().business.as_ref().and_then(|business| business.country.clone());
                let phone = crate::kit::normalize_phone(number, country.as_deref());
                phone.map(Self::Phone).ok_or_else(|| Error::field("phone", "Enter a valid phone number."))
            }
            (None, None) => Err(Error::field("email", "This field is required, or phone.")),
            (Some(_), Some(_)) => Err(Error::field("phone", "Give an email or a phone, not both.")),
        }
    }

    fn field(&self) -> &'static str {
        match self {
            Self::Email(_) => "email",
            Self::Phone(_) => "phone",
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Email(text) | Self::Phone(text) => text,
        }
    }

    /// The account that has the address; made when there is none, without a password.
    fn account(&self, tx: &mut Writer<'_>, name: Option<&str>) -> Result<i64> {
        let sql = match self {
            Self::Email(_) => "SELECT id FROM users WHERE lower(email) = lower(?1) AND email IS NOT NULL AND deleted_at IS NULL",
            Self::Phone(_) => "SELECT id FROM users WHERE phone = ?1 AND phone IS NOT NULL AND deleted_at IS NULL",
        };
        match tx.one(sql, &[self.text().into()])? {
            Some(id) => Ok(id),
            None => {
                let language = Language::of_business(tx, tx.actor().business_id())?.code();
                tx.insert("users", vec![(self.field(), self.text().into()), ("full_name", name.into()), ("language", language.into())])
            }
        }
    }
}

/// Makes an invitation and sends it. Answers the membership's id.
pub(super) fn invite(tx: &mut Writer<'_>, body: &Input<Invite>, config: &Config) -> Result<i64> {
    verbs::allowed::<Membership>(tx.actor(), UPDATE)?;
    expect_rank(tx, false)?;
    let sent = body.get()?;
    expect_rank(tx, sent.role == Role::Admin)?;
    if sent.role == Role::Admin {
        proof::expect_fresh(tx, tx.actor())?;
    }
    let address = Recipient::of(tx, sent)?;
    let (actor, business) = (tx.actor().clone(), business_of(tx)?);
    // Whoever is limited to a branch invites people into that.
    let branch = sent.branch.map(|branch| branch.0).or(actor.branch_id);
    if actor.branch_id.is_some() && branch != actor.branch_id {
        return Err(Error::forbidden());
    }
    let user = address.account(tx, sent.full_name.as_deref())?;
    let membership = "SELECT id, status FROM memberships WHERE business_id = ?1 AND user_id = ?2";
    let known = tx.row(membership, &[business.into(), user.into()], |row| Ok((row.get::<i64>(0)?, row.get::<String>(1)?)))?;
    let is_member = "SELECT 1 FROM memberships WHERE business_id = ?1 AND user_id = ?2 AND status = 'active'";
    // A superuser who is no member here invites as nobody in particular; the history knows.
    let inviter = actor.user_id.filter(|me| tx.exists(is_member, &[business.into(), (*me).into()]).unwrap_or(false));
    let record = json!({
        "user_id": user,
        "role": sent.role.name(),
        "capabilities": sent.capabilities,
        "branch": branch,
        "status": "invited",
        "invited_by": inviter,
        "invited_name": sent.full_name,
        "invited_to": address.text(),
        "joined_at": null,
        "ended_at": null,
    });
    let Json::Object(record) = record else { return Err(Error::internal("an object that is none")) };
    let options = Options { internal: true, ..Options::default() };
    tx.act("invite");
    let id = match known {
        None => verbs::insert::<Membership>(tx, record, options)?,
        Some((id, status)) if status == "ended" => verbs::change::<Membership>(tx, id, record, options).map(|()| id)?,
        Some((_, status)) if status == "invited" => {
            return Err(Error::field(address.field(), "This person has been invited already. Send the invitation again instead."));
        }
        Some(_) => return Err(Error::field(address.field(), "This person is a member already.")),
    };
    write_to(tx, id, config)?;
    Ok(id)
}

/// Writes to whoever is invited, with a new link.
///
/// # Errors
/// 429 when there were too many already, to them or from this business.
pub(super) fn write_to(tx: &mut Writer<'_>, membership: i64, config: &Config) -> Result<()> {
    let read = |row: &Row<'_>| Ok((row.get::<i64>(0)?, row.get::<Option<String>>(1)?));
    let found = tx.row("SELECT user_id, invited_to FROM memberships WHERE id = ?1", &[membership.into()], read)?;
    let Some((user, Some(recipient))) = found else { return Err(Error::internal("an invitation to nowhere")) };
    let business = business_of(tx)?;
    throttle::count_invitation(tx, &config.throttle, business, &recipient)?;
    let link = link::issue(tx, user, Purpose::Invite, json!({"membership": membership}))?;
    let name = "SELECT coalesce(nullif(full_name, ''), username, 'Somebody') FROM users WHERE id = ?1";
    let inviter: Option<String> = tx.one(name, &[tx.actor().user_id.into()])?;
    let payload = Map::from_iter([
        ("inviter".to_owned(), json!(inviter.unwrap_or_else(|| "Somebody".to_owned()))),
        ("business".to_owned(), json!(business_name(tx, business)?)),
        ("days".to_owned(), json!(Purpose::Invite.life().as_hours() / 24)),
        ("url".to_owned(), json!(link.url(&config.server.public_url(), PATH, &config.email.invite_link))),
    ]);
    let channel = if recipient.contains('@') { Channel::Email } else { Channel::Sms };
    let message = Message { channel, recipient, template: "invitation".to_owned(), payload, key: None, due_at: None };
    outbox::send_until(tx, message, Some(tx.now().0 + Purpose::Invite.life())).map(drop)
}

/// An open invitation, with what it takes to accept it.
pub(super) struct Joining {
    pub membership: i64,
    user: i64,
    pub business: Business,
    pub business_name: String,
    pub role: Role,
    /// The address that was written to is known to be the person's.
    pub is_proven: bool,
    /// Another address of the account is known to be somebody's: the account is theirs, whoever this address belongs to.
    is_anothers: bool,
    has_password: bool,
    written_to: Address,
    username: Option<String>,
    full_name: Option<String>,
    invited_name: Option<String>,
    address: String,
}

/// The invitation that a link is for, while it is open and the account has the address that was written to.
pub(super) fn named(reader: &Reader<'_>, link: &Redeemed) -> Result<Option<Joining>> {
    let Some(membership) = link.detail["membership"].as_i64() else { return Ok(None) };
    Joining::of(reader, membership, link.user)
}

impl Joining {
    /// An invitation of somebody's; `None` when it is not open, or was written to an address that the account has no more.
    pub fn of(reader: &Reader<'_>, membership: i64, user: i64) -> Result<Option<Self>> {
        let sql = "SELECT b.id, b.currency, b.timezone, b.country, b.name, m.role, m.invited_to, m.invited_name, u.username, u.full_name,
                          u.password_hash IS NOT NULL, lower(u.email) = lower(m.invited_to), u.email_verified_at IS NOT NULL,
                          u.phone = m.invited_to, u.phone_verified_at IS NOT NULL
                   FROM memberships AS m JOIN users AS u ON u.id = m.user_id AND u.is_active = 1 AND u.deleted_at IS NULL
                   JOIN businesses AS b ON b.id = m.business_id AND b.is_active = 1 AND b.deleted_at IS NULL
                   WHERE m.id = ?1 AND m.user_id = ?2 AND m.status = 'invited'";
        let found = reader.row(sql, &[membership.into(), user.into()], |row| {
            let flag = |index| Ok::<_, Error>(row.get::<Option<bool>>(index)?.unwrap_or(false));
            let by_email = flag(11)?;
            if !by_email && !flag(13)? {
                return Ok(None);
            }
            Ok(Some(Self {
                membership,
                user,
                business: Business::new(row.get(0)?, row.get(1)?, &row.get::<String>(2)?, row.get(3)?),
                business_name: row.get(4)?,
                role: Role::parse(&row.get::<String>(5)?).unwrap_or(Role::Citizen),
                is_proven: flag(if by_email { 12 } else { 14 })?,
                is_anothers: flag(if by_email { 14 } else { 12 })? && !flag(if by_email { 12 } else { 14 })?,
                has_password: row.get(10)?,
                written_to: if by_email { Address::Email } else { Address::Phone },
                username: row.get(8)?,
                full_name: row.get(9)?,
                invited_name: row.get(7)?,
                address: row.get::<Option<String>>(6)?.unwrap_or_default(),
            }))
        });
        Ok(found?.flatten())
    }

    /// Who shows for the first time that the address is theirs may not be who made the account: the password is set anew.
    pub fn needs_password(&self) -> bool {
        !self.has_password || !self.is_proven
    }

    /// Whose account the invitation is for, as far as that is known before it is accepted.
    pub fn account(&self) -> Option<i64> {
        Some(self.user).filter(|_| !self.is_anothers)
    }

    /// What a password must not be like.
    pub fn names(&self) -> Vec<(&str, &str)> {
        let name = self.full_name.as_deref().or(self.invited_name.as_deref());
        let all = [("username", self.username.as_deref()), ("full name", name), ("email address", Some(self.address.as_str()))]
            .into_iter()
            .chain([("name of the business", Some(self.business_name.as_str()))]);
        all.filter_map(|(what, name)| Some((what, name?))).collect()
    }

    /// Writes down that the address is the person's, with a password of theirs. An account that had it unproven is theirs alone from now
    /// on, whoever made it; one that is known to be somebody else's gives the address to a new one, which the invitation is then for.
    pub fn prove(&mut self, tx: &mut Writer<'_>, password_hash: &str, name: Option<&str>) -> Result<()> {
        if self.is_anothers {
            claim::give_up(tx, self.user, self.written_to)?;
            let name: Value = self.invited_name.as_deref().into();
            self.user = tx.insert("users", vec![(self.written_to.column(), self.address.as_str().into()), ("full_name", name)])?;
            (self.full_name, self.username, self.has_password) = (self.invited_name.clone(), None, false);
            self.readdress(tx)?;
        }
        claim::take_over(tx, self.user, self.written_to, Some(password_hash), false)?;
        let name = name.map(str::trim).filter(|name| !name.is_empty()).or(self.invited_name.as_deref());
        if self.full_name.as_deref().is_none_or(str::is_empty) || !self.has_password {
            let values = name.map(|name| ("full_name", name.into()));
            tx.update("users", self.user, values.into_iter().collect())?;
        }
        Ok(())
    }

    /// Makes the invitation one of the person who has the address now. Rows may name the membership with whose it was, so that one ends.
    fn readdress(&mut self, tx: &mut Writer<'_>) -> Result<()> {
        const COLUMNS: [&str; 6] = ["role", "capabilities", "branch_id", "invited_by_id", "invited_name", "invited_to"];
        let sql = format!("SELECT {} FROM memberships WHERE id = ?1", COLUMNS.join(", "));
        let read = |row: &Row<'_>| (0..COLUMNS.len()).map(|index| row.get::<Value>(index)).collect::<Result<Vec<_>>>();
        let values = tx.row(&sql, &[self.membership.into()], read)?.ok_or_else(Error::not_found)?;
        tx.step(|tx| {
            tx.act("end");
            let now = tx.now().to_string();
            set(tx, self.membership, [("status", "ended".into()), ("ended_at", now.into())])
        })?;
        let own: [(&str, Value); 3] =
            [("business_id", self.business.id.into()), ("user_id", self.user.into()), ("status", "invited".into())];
        self.membership = tx.insert("memberships", COLUMNS.into_iter().zip(values).chain(own).collect())?;
        Ok(())
    }

    /// Makes a member of whoever was invited.
    pub fn join(&self, tx: &mut Writer<'_>) -> Result<()> {
        if Some(self.business.id) != tx.actor().business_id() {
            return Err(Error::internal("joining another business"));
        }
        tx.step(|tx| {
            tx.act("accept");
            let now = tx.now().to_string();
            set(tx, self.membership, [("status", "active".into()), ("joined_at", now.into()), ("ended_at", Json::Null)])
        })?;
        account::describe_customer(tx, self.user, self.business.id, self.role)
    }
}
