//! Comments: what people say about a record. Who may read the record may read what is said about it, and say something.

use std::sync::LazyLock;

use jiff::SignedDuration;
use poem_openapi::Object;
use regex::Regex;

use super::{is_mine, reactions_schema, target_of};
use crate::{
    actor::Actor,
    db::{Reader, Writer},
    engine::{About, Access, Attachment, Change, Computed, LRCUD, Output, READ, Resource, Scope, about::schema, all, own, verbs},
    error::{Error, Result},
    kit::{DateTime, Ref},
    resources::accounts::{SUMMARY, User},
};

/// For so long those who wrote a comment may still change it.
const CHANGEABLE: SignedDuration = SignedDuration::from_hours(24);
/// So many people can be mentioned in one.
const MOST_MENTIONS: usize = 50;

/// Something that somebody said about a record.
#[derive(Object)]
pub struct Comment {
    /// What it is about: one record of a resource, in one word: `lead`, `visit`.
    #[oai(validator(max_length = 50))]
    pub target_type: String,
    /// The id of that record.
    pub target_id: i64,
    /// Who wrote it.
    pub author: Option<Ref<User>>,
    /// What is said; `@username` mentions a member of the business.
    #[oai(validator(max_length = 5000))]
    pub content: String,
    /// The comment that this one answers; an answer itself cannot be answered.
    pub parent: Option<Ref<Comment>>,
    /// Is it for those only who work for the business? An answer is what the comment is that it answers; what others write never is.
    #[oai(default = "yes")]
    pub is_internal: bool,
    /// The ids of those who are mentioned.
    #[oai(default)]
    pub mentioned: Vec<String>,
    /// When it was last changed by its author.
    pub edited_at: Option<DateTime>,
}

fn yes() -> bool {
    true
}

impl Resource for Comment {
    const ABOUT: About = About {
        path: "comments",
        table: "comments",
        label: "substr(t.content, 1, 60)",
        list: &["created_at", "author", "content"],
        search: &["content"],
        filter: &["target_type", "target_id", "author", "parent", "is_internal", "created_at"],
        order: &["created_at"],
        server_set: &["author", "edited_at"],
        hidden: &["mentioned"],
        computed: &[
            Computed::new("mentions", Output::Json(mentions_schema), MENTIONS, "The members who are mentioned."),
            Computed::new("reactions", Output::Json(reactions_schema), super::emoji::REACTIONS, "What people think of it, in one emoji."),
            Computed::integer(
                "replies_count",
                "(SELECT count(*) FROM comments AS r WHERE r.business_id = t.business_id AND r.parent_id = t.id AND r.deleted_at IS NULL)",
                "How many comments answer it.",
            ),
        ],
        expand: &[("author", SUMMARY)],
        // How far all of these reach is the target's matter (`scope`); those who do not work here see what is not internal.
        access: Access::deny()
            .admin(all(LRCUD))
            .manager(all(LRCUD))
            .staff(all(LRCUD))
            .agent(all(LRCUD))
            .teacher(all(LRCUD))
            .student(own(LRCUD))
            .customer(own(LRCUD)),
        own: "t.is_internal = 0",
        // What others answered stays when a comment is deleted.
        kept_by: &["comments"],
        scope: Scope::Attached(Attachment::Comments),
        ..About::DEFAULT
    };

    fn check(&mut self, change: &Change<'_, '_, Self>) -> Result<()> {
        let (tx, actor) = (change.tx, change.tx.actor());
        if change.options.internal {
            return Ok(());
        }
        match (change.before, change.id) {
            (Some(before), Some(id)) => self.check_change(before, id, tx)?,
            _ => {
                let target = target_of(Attachment::Comments, &self.target_type)?;
                verbs::target_for_writing(tx, target, actor, &self.target_id.to_string())?;
                self.author = author(tx, actor)?;
                self.is_internal &= actor.role.is_staff();
                self.check_parent(tx, actor)?;
            }
        }
        self.mentioned = mentioned(tx, actor, &self.content)?;
        Ok(())
    }

    fn after(&self, id: i64, before: Option<&Self>, tx: &mut Writer<'_>) -> Result<()> {
        if before.is_some() {
            return Ok(());
        }
        // Part of the target's story as well: that something was said, not what.
        let target = target_of(Attachment::Comments, &self.target_type)?;
        tx.note(target.about.table, self.target_id, "comment", None, Some(serde_json::json!({"comment": id})))
    }

    fn deleting(&self, id: i64, tx: &mut Writer<'_>) -> Result<()> {
        if tx.actor().is_manager() || is_mine(tx, "comments", id)? { Ok(()) } else { Err(Error::forbidden()) }
    }
}

impl Comment {
    /// Its author changes what it says, for a day; everything else stays.
    fn check_change(&mut self, before: &Self, id: i64, tx: &Writer<'_>) -> Result<()> {
        let since = DateTime(tx.actor().now - CHANGEABLE).to_string();
        let young = "SELECT 1 FROM comments WHERE id = ?1 AND created_at > ?2";
        if !is_mine(tx, "comments", id)? || !tx.exists(young, &[id.into(), since.into()])? {
            return Err(Error::forbidden());
        }
        let moves = |field: &str| Error::field(field, "A comment stays where it was written.");
        match () {
            () if self.target_type != before.target_type => return Err(moves("target_type")),
            () if self.target_id != before.target_id => return Err(moves("target_id")),
            () if self.parent != before.parent => return Err(moves("parent")),
            () => {}
        }
        if self.is_internal != before.is_internal {
            // What others answered was said to those who could read it then.
            let answered = tx.exists("SELECT 1 FROM comments WHERE parent_id = ?1 AND deleted_at IS NULL", &[id.into()])?;
            if answered || self.parent.is_some() || !tx.actor().role.is_staff() {
                return Err(Error::field("is_internal", "This cannot be changed of an answer, nor of what was answered."));
            }
        }
        if self.content != before.content {
            self.edited_at = Some(tx.now());
        }
        Ok(())
    }

    /// What is answered is a comment on the same record that the author sees, and itself no answer.
    fn check_parent(&mut self, tx: &Writer<'_>, actor: &Actor) -> Result<()> {
        let Some(parent) = self.parent else { return Ok(()) };
        let missing = || Error::field("parent", format!("Invalid pk \"{}\" - object does not exist.", parent.0));
        let id = match verbs::find::<Self>(tx, actor, &parent.0.to_string(), READ) {
            Ok(id) => id,
            Err(Error::NotFound(_) | Error::Forbidden { .. }) => return Err(missing()),
            Err(error) => return Err(error),
        };
        let found: Self = verbs::load(tx, id)?;
        if (&found.target_type, found.target_id) != (&self.target_type, self.target_id) {
            return Err(missing());
        }
        if found.parent.is_some() {
            return Err(Error::field("parent", "An answer cannot be answered: answer the comment that it answers."));
        }
        self.is_internal = found.is_internal;
        Ok(())
    }
}

/// The caller, if they are a member: whoever looks after all businesses need not be.
fn author(reader: &Reader<'_>, actor: &Actor) -> Result<Option<Ref<User>>> {
    let sql = "SELECT user_id FROM memberships WHERE business_id = ?1 AND user_id = ?2";
    Ok(reader.one(sql, &[actor.business_id().into(), actor.user_id.into()])?.map(Ref::new))
}

/// The ids of the members whom a text mentions. An e-mail address mentions nobody.
fn mentioned(reader: &Reader<'_>, actor: &Actor, content: &str) -> Result<Vec<String>> {
    static MENTION: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?:^|[^\w@.+-])@([\w.@+-]{1,150})").ok());
    let sql = "SELECT u.id FROM users AS u JOIN memberships AS m ON m.user_id = u.id AND m.business_id = ?1 AND m.status = 'active' \
               WHERE lower(u.username) = lower(?2) AND u.username IS NOT NULL AND u.deleted_at IS NULL";
    let mut found: Vec<String> = vec![];
    let names = MENTION.iter().flat_map(|mention| mention.captures_iter(content)).filter_map(|captures| captures.get(1));
    for name in names.take(MOST_MENTIONS) {
        // `@ada.` at the end of a sentence is ada, unless somebody is called so.
        for name in [name.as_str(), name.as_str().trim_end_matches(['.', '-', '+', '@'])] {
            let id: Option<i64> = reader.one(sql, &[actor.business_id().into(), name.into()])?;
            if let Some(id) = id.map(|id| id.to_string()) {
                if !found.contains(&id) {
                    found.push(id);
                }
                break;
            }
        }
    }
    Ok(found)
}

/// Most comments mention nobody: that is found out first, which is much cheaper than making an empty list.
const MENTIONS: &str = "CASE t.mentioned WHEN '[]' THEN '[]' ELSE (SELECT json_group_array(json_object('id', u.id, 'username', u.username)) \
     FROM json_each(t.mentioned) AS m JOIN users AS u ON u.id = CAST(m.value AS INTEGER)) END";

fn mentions_schema() -> poem_openapi::registry::MetaSchemaRef {
    schema::list_of_objects(&[("id", "integer"), ("username", "string")])
}
