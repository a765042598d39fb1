//! Carrying a request out once, and answering it as often as it is sent.

use crate::{
    actor::Actor,
    auth::{gate::Caller, idempotency::Given},
    db::{Reader, Writer},
    engine::{about::Resource, descriptor, reply::Reply},
    error::{Error, Result},
};

/// Runs `work` in one transaction and makes the answer of what it leaves. A request with an `Idempotency-Key` that was carried out
/// before gets the answer that it got then, and nothing is done.
///
/// Without a key, the answer is read after the commit, by whoever asked: the writer has others to serve.
pub async fn act<T: Send + 'static, S: Send + 'static, const STATUS: u16>(
    caller: &Caller,
    mut work: impl FnMut(&mut Writer<'_>) -> Result<T> + Send + 'static,
    answer: impl Fn(&Reader<'_>, &Actor, T) -> Result<Reply<S, STATUS>> + Send + 'static,
) -> Result<Reply<S, STATUS>> {
    let Some(key) = caller.idempotency.as_ref().map(|underway| underway.key.clone()) else {
        let done = caller.write(work).await?;
        return caller.read(|reader| answer(reader, &caller.actor, done));
    };
    let once = move |tx: &mut Writer<'_>| {
        if let Some(given) = key.given(tx, tx.now())? {
            let again = Reply::bytes(given.body).with_status(given.status).header("Idempotent-Replayed", "true".to_owned());
            return Ok(match given.etag {
                Some(etag) => again.with_etag(etag),
                None => again,
            });
        }
        let done = work(tx)?;
        let reply = answer(tx, &tx.actor().clone(), done)?;
        let body = String::from_utf8(reply.body.to_vec()).map_err(Error::internal)?;
        let status = reply.status.unwrap_or(STATUS);
        if (200..300).contains(&status) {
            key.keep(tx, Given { status, etag: reply.etag.clone(), body })?;
        }
        Ok(reply)
    };
    caller.write(once).await
}

/// `act` whose answer is a new record: `work` answers its id.
pub async fn act_making<R: Resource>(
    caller: &Caller,
    work: impl FnMut(&mut Writer<'_>) -> Result<i64> + Send + 'static,
) -> Result<Reply<R, 201>> {
    act(caller, work, |reader, actor, id| super::write::read_back(reader, descriptor::of::<R>(), actor, id)).await
}

/// `act` whose answer is a record: `work` answers its id.
pub async fn act_on<R: Resource>(caller: &Caller, work: impl FnMut(&mut Writer<'_>) -> Result<i64> + Send + 'static) -> Result<Reply<R>> {
    act(caller, work, |reader, actor, id| super::write::read_back(reader, descriptor::of::<R>(), actor, id)).await
}
