//! Reactions: what people think of a comment, in one emoji.

use poem_openapi::{Object, OpenApi, param::Path, registry::MetaSchemaRef, types::ToJSON};

use super::Comment;
use crate::{
    actor::Actor,
    auth::gate::Caller,
    db::{Reader, Writer},
    engine::{READ, about::schema, body::Input, descriptor, reply::Reply, verbs},
    error::{Error, Result},
};

/// How long an emoji is at most, in bytes: a family of three has 18.
const LONGEST: usize = 20;
const LIKE: &str = "👍";

/// The reactions to a comment as JSON; the comment is `t`.
pub const REACTIONS: &str = "(SELECT json_group_array(json_object('emoji', e.emoji, 'count', e.uses, 'mine', json(iif(e.mine, 'true', 'false')))) \
     FROM (SELECT r.emoji, count(*) AS uses, max(r.user_id IS :me) AS mine FROM reactions AS r \
     WHERE r.business_id = t.business_id AND r.target_type = 'comment' AND r.target_id = t.id GROUP BY r.emoji ORDER BY min(r.id)) AS e)";

/// How many people react to something in the same way.
#[derive(Object)]
pub struct Reaction {
    /// The emoji.
    pub emoji: String,
    /// How many people.
    pub count: i64,
    /// Whether the caller is one of them.
    pub mine: bool,
}

/// What somebody thinks of it.
#[derive(Object)]
pub struct React {
    /// One emoji.
    #[oai(validator(max_length = 20))]
    pub emoji: String,
}

pub fn reactions_schema() -> MetaSchemaRef {
    schema::list_of("Reaction")
}

pub struct ReactionVerbs;

#[OpenApi]
impl ReactionVerbs {
    /// React to a comment
    ///
    /// With one emoji; the same once more takes it back. Answers all reactions to the comment.
    #[oai(path = "/comments/:id/react", method = "post", operation_id = "comments_react_create")]
    async fn react(&self, caller: Caller, id: Path<String>, body: Input<React>) -> poem::Result<Reply<Vec<Reaction>>> {
        Ok(toggle(&caller, id.0, move || emoji(&body.get()?.emoji)).await?)
    }

    /// Like a comment
    ///
    /// Reacts with 👍; once more takes it back. Answers all reactions to the comment.
    #[oai(path = "/comments/:id/like", method = "post", operation_id = "comments_like_create")]
    async fn like(&self, caller: Caller, id: Path<String>) -> poem::Result<Reply<Vec<Reaction>>> {
        Ok(toggle(&caller, id.0, || Ok(LIKE.to_owned())).await?)
    }
}

async fn toggle(caller: &Caller, key: String, emoji: impl Fn() -> Result<String> + Send + 'static) -> Result<Reply<Vec<Reaction>>> {
    verbs::allowed::<Comment>(&caller.actor, READ)?;
    let work = move |tx: &mut Writer<'_>| {
        let actor = tx.actor().clone();
        let id = verbs::find::<Comment>(tx, &actor, &key, READ)?;
        let emoji = emoji()?;
        let place = [actor.business_id().into(), actor.user_id.into(), id.into(), emoji.as_str().into()];
        if !tx.exists("SELECT 1 FROM memberships WHERE business_id = ?1 AND user_id = ?2", &place)? {
            return Err(Error::forbidden());
        }
        let mine = "SELECT id FROM reactions WHERE business_id = ?1 AND user_id = ?2 AND target_type = 'comment' AND target_id = ?3 AND emoji = ?4";
        match tx.one::<i64>(mine, &place)? {
            Some(reaction) => tx.remove("reactions", reaction)?,
            None => {
                let values = vec![
                    ("target_type", "comment".into()),
                    ("target_id", id.into()),
                    ("user_id", actor.user_id.into()),
                    ("emoji", emoji.into()),
                ];
                tx.insert("reactions", values).map(drop)?;
            }
        }
        Ok(id)
    };
    verbs::act(caller, work, |reader, actor, id| Ok(Reply::json(&reactions(reader, actor, id)?.to_json().unwrap_or_default()))).await
}

fn reactions(reader: &Reader<'_>, actor: &Actor, comment: i64) -> Result<Vec<Reaction>> {
    let sql = descriptor::bind(&format!("SELECT {REACTIONS} FROM comments AS t WHERE t.id = ?4"));
    let args = [actor.business_id().into(), actor.user_id.into(), actor.today().to_string().into(), comment.into()];
    let list: Option<String> = reader.one(&sql, &args)?;
    let list = serde_json::from_str(list.as_deref().unwrap_or("[]")).map_err(Error::internal)?;
    poem_openapi::types::ParseFromJSON::parse_from_json(Some(list)).map_err(|error| Error::internal(error.into_message()))
}

/// One emoji as people see it: a symbol or two letters of a flag, with what changes its look and what is joined to it.
fn emoji(text: &str) -> Result<String> {
    let text = text.trim();
    if text.len() <= LONGEST && is_one_emoji(text) { Ok(text.to_owned()) } else { Err(Error::field("emoji", "Enter one emoji.")) }
}

fn is_one_emoji(text: &str) -> bool {
    const KEYCAP: char = '\u{20e3}';
    let is_letter_of_flag = |c: char| ('\u{1f1e6}'..='\u{1f1ff}').contains(&c);
    let is_symbol = |c: char| {
        matches!(c, '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}')
            || ('\u{2190}'..='\u{2bff}').contains(&c)
            || matches!(c, '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}')
            || ('\u{1f000}'..='\u{1faff}').contains(&c) && !is_letter_of_flag(c) && !is_tone(c)
    };
    fn is_tone(c: char) -> bool {
        ('\u{1f3fb}'..='\u{1f3ff}').contains(&c)
    }
    let is_look = |c: char| c == '\u{fe0f}' || is_tone(c) || ('\u{e0020}'..='\u{e007f}').contains(&c);
    let all: Vec<char> = text.chars().collect();
    if let [a, b] = all[..]
        && is_letter_of_flag(a)
        && is_letter_of_flag(b)
    {
        return true;
    }
    if let [first, rest @ ..] = &all[..]
        && (first.is_ascii_digit() || matches!(first, '#' | '*'))
    {
        return matches!(rest, [KEYCAP] | ['\u{fe0f}', KEYCAP]);
    }
    text.split('\u{200d}').all(|part| {
        let mut chars = part.chars();
        chars.next().is_some_and(is_symbol) && chars.all(is_look)
    })
}

#[cfg(test)]
mod tests {
    use super::is_one_emoji;

    #[test]
    fn one_emoji_is_told_from_words_and_several() {
        for one in ["👍", "❤️", "👍🏽", "👨‍👩‍👧", "🇺🇬", "1️⃣", "#⃣", "✅", "☕", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]
        {
            assert!(is_one_emoji(one), "{one}");
        }
        for other in ["", "a", "1", "ok", "👍👍", "👍 ", "é", "<b>", "🇺", "🇺🇬🇺", "\u{200d}", "👍\u{200d}", "\n", "\u{202e}", "👍a"]
        {
            assert!(!is_one_emoji(other), "{other:?}");
        }
    }
}
