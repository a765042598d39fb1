//! How many codes and links are sent: to one recipient, at the request of one network, and altogether.
//!
//! What was asked for is counted whether anybody has the number or the address, so a refusal tells nothing about accounts. It is
//! counted in the transaction that stores the message, so that nothing is sent which was not counted, and it outlives a restart.

use std::net::{IpAddr, Ipv6Addr};

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::{
    db::{Value, Writer},
    error::{Error, Result},
    kit::{DateTime, hex::hex},
    outbox::Channel,
};

/// Codes guessed at in vain count together when they come within this.
const WITHIN: SignedDuration = SignedDuration::from_hours(24);

/// So many within so long.
pub type Rate = (u32, SignedDuration);

/// What may be sent by one channel.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long after one the next may follow to the same recipient.
    pub pause: SignedDuration,
    pub per_recipient: Rate,
    /// Recipients at the request of one network.
    pub recipients_per_network: Rate,
    pub altogether: Option<Rate>,
    /// So many codes guessed at in vain lock a recipient for so long.
    pub burned: Option<Rate>,
}

/// Counts one more to a recipient.
///
/// # Errors
/// 429, with the seconds until it may be asked for again; then nothing is counted.
pub fn take(tx: &mut Writer<'_>, channel: Channel, recipient: &str, limits: &Limits) -> Result<()> {
    let (recipient, network) = (hash(recipient), tx.actor().ip.as_deref().and_then(network));
    let now = tx.now().0;
    let ago = |time: SignedDuration| -> Value { DateTime(now - time).to_string().into() };
    let (channel, to): (Value, Value) = (channel.name().into(), recipient.as_str().into());
    if let Some((most, lock)) = limits.burned {
        let sql = "SELECT burned_at FROM proof_sends WHERE channel = ?1 AND recipient_hash = ?2 AND burned_at > ?3 ORDER BY burned_at DESC LIMIT ?4";
        let args = [channel.clone(), to.clone(), ago(lock + WITHIN), i64::from(most.max(1)).into()];
        let burned: Vec<String> = tx.rows(sql, &args, |row| row.get(0))?;
        if let [last, ..] = burned.as_slice()
            && burned.len() == most.max(1) as usize
            // They came within a day, and the last of them is not as long ago as the lock holds.
            && burned.last().is_some_and(|first| time(first) > time(last) - WITHIN)
            && time(last) > now - lock
        {
            return Err(wait(now, last, lock));
        }
    }
    let latest = "SELECT max(created_at) FROM proof_sends WHERE channel = ?1 AND recipient_hash = ?2 AND created_at > ?3";
    if let Some(last) = tx.one::<Option<String>>(latest, &[channel.clone(), to.clone(), ago(limits.pause)])?.flatten() {
        return Err(wait(now, &last, limits.pause));
    }
    // The one that has to leave the window before there is room again: the oldest of the last so many.
    let (most, window) = limits.per_recipient;
    let sql = "SELECT created_at FROM proof_sends WHERE channel = ?1 AND recipient_hash = ?2 AND created_at > ?3
               ORDER BY created_at DESC LIMIT 1 OFFSET ?4";
    let first = i64::from(most.max(1)) - 1;
    if let Some(oldest) = tx.one::<String>(sql, &[channel.clone(), to.clone(), ago(window), first.into()])? {
        return Err(wait(now, &oldest, window));
    }
    if let Some(network) = &network {
        let (most, window) = limits.recipients_per_network;
        // The newest of each recipient, and no more of them than may be: all that were sent are never read.
        let sql = "SELECT created_at FROM proof_sends
                   WHERE channel = ?1 AND network = ?3 AND created_at > ?4 AND recipient_hash <> ?2 AND is_newest = 1
                   ORDER BY created_at DESC LIMIT 1 OFFSET ?5";
        let first = i64::from(most.max(1)) - 1;
        let args = [channel.clone(), to.clone(), network.as_str().into(), ago(window), first.into()];
        if let Some(oldest) = tx.one::<String>(sql, &args)? {
            return Err(wait(now, &oldest, window));
        }
    }
    if let Some((most, window)) = limits.altogether {
        let sql = "SELECT created_at FROM proof_sends WHERE channel = ?1 AND created_at > ?2 ORDER BY created_at DESC LIMIT 1 OFFSET ?3";
        if let Some(oldest) = tx.one::<String>(sql, &[channel.clone(), ago(window), (i64::from(most.max(1)) - 1).into()])? {
            tracing::warn!(most, "no more codes are sent: the limit for all of them is reached");
            return Err(wait(now, &oldest, window));
        }
    }
    let network: Value = network.into();
    let newest = "SELECT id FROM proof_sends WHERE channel = ?1 AND recipient_hash = ?2 AND network IS ?3 AND is_newest = 1";
    if let Some(id) = tx.one::<i64>(newest, &[channel.clone(), to, network.clone()])? {
        tx.update("proof_sends", id, vec![("is_newest", false.into())])?;
    }
    let values = vec![("channel", channel), ("recipient_hash", recipient.into()), ("network", network)];
    tx.insert("proof_sends", values).map(drop)
}

/// The last code of a recipient was guessed at in vain as often as it may be.
pub fn burn(tx: &mut Writer<'_>, channel: Channel, recipient: &str) -> Result<()> {
    let sql = "SELECT id FROM proof_sends WHERE channel = ?1 AND recipient_hash = ?2 ORDER BY created_at DESC, id DESC LIMIT 1";
    let Some(id) = tx.one::<i64>(sql, &[channel.name().into(), hash(recipient).into()])? else { return Ok(()) };
    tx.update("proof_sends", id, vec![("burned_at", tx.now().to_string().into())]).map(drop)
}

/// Forgets what was sent to a recipient, and what was guessed at: another may be sent at once. Answers whether there was anything.
pub fn lift(tx: &mut Writer<'_>, channel: Channel, recipient: &str) -> Result<bool> {
    let args = [channel.name().into(), hash(recipient).into()];
    Ok(tx.clear("proof_sends", "channel = ?1 AND recipient_hash = ?2", &args)? > 0)
}

fn hash(recipient: &str) -> String {
    hex(&Sha256::digest(recipient.to_lowercase()))
}

/// What one party has at its hands: an IPv4 address, or the /64 of an IPv6 address.
pub fn network(ip: &str) -> Option<String> {
    Some(match ip.parse::<IpAddr>().ok()?.to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).to_string(),
    })
}

/// A stored time.
fn time(text: &str) -> Timestamp {
    text.parse().unwrap_or(Timestamp::UNIX_EPOCH)
}

/// 429 until `window` has passed since a stored time; whole seconds, rounded up.
fn wait(now: Timestamp, since: &str, window: SignedDuration) -> Error {
    let left = (time(since) + window).duration_since(now).as_millis().max(1);
    Error::TooMany(u64::try_from((left + 999) / 1000).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        for (ip, name) in [
            ("192.0.2.7", Some("192.0.2.7")),
            ("::ffff:192.0.2.7", Some("192.0.2.7")),
            ("2001:db8:1:2:3:4:5:6", Some("2001:db8:1:2::")),
            ("2001:db8:1:2:ffff::1", Some("2001:db8:1:2::")),
            ("nonsense", None),
        ] {
            assert_eq!(network(ip).as_deref(), name, "{ip}");
        }
    }
}
