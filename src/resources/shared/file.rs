//! Files: what is attached to a record. This is what is known of them; their bytes are in the data folder.

use poem_openapi::Object;

use super::{is_mine, target_of};
use crate::{
    db::Writer,
    engine::{About, Access, Attachment, Change, DELETE, Expand, LR, Resource, Scope, UPDATE, all},
    error::{Error, Result},
    resources::accounts::SUMMARY,
};

const RUD: crate::engine::access::Verbs = LR.and(UPDATE).and(DELETE);

/// A file that is attached to a record.
#[derive(Object)]
pub struct File {
    /// What it is attached to: one record of a resource, in one word: `lead`, `visit`.
    #[oai(validator(max_length = 50))]
    pub target_type: String,
    /// The id of that record.
    pub target_id: i64,
    /// What it is called.
    #[oai(validator(max_length = 255))]
    pub filename: String,
    /// What it is for, in a word or two.
    #[oai(default, validator(max_length = 30))]
    pub purpose: String,
    /// What it is, as its bytes say.
    #[oai(validator(max_length = 100))]
    pub content_type: String,
    /// How many bytes it has.
    pub size: i64,
    /// The SHA-256 of its bytes.
    pub sha256: String,
    /// Of an image: how wide it is, in pixels.
    pub width: Option<i64>,
    /// Of an image: how high it is, in pixels.
    pub height: Option<i64>,
}

/// Whoever attached it.
const CREATED_BY: (&str, Expand) = ("created_by", SUMMARY);

impl Resource for File {
    const ABOUT: About = About {
        path: "files",
        table: "files",
        label: "t.filename",
        list: &["filename", "content_type", "size", "created_at"],
        search: &["filename"],
        filter: &["target_type", "target_id", "content_type", "purpose", "size", "created_by", "created_at"],
        order: &["-created_at", "filename", "size"],
        server_set: &["target_type", "target_id", "content_type", "size", "sha256", "width", "height"],
        expand: &[CREATED_BY],
        // How far all of these reach is the target's matter (`scope`). Nobody creates one but by sending its bytes. Those who do not work here
        // see none: what is filed with their invoice was not meant for them.
        access: Access::deny().admin(all(RUD)).manager(all(RUD)).staff(all(RUD)).agent(all(RUD)).teacher(all(RUD)),
        scope: Scope::Attached(Attachment::Files),
        ..About::DEFAULT
    };

    fn check(&mut self, change: &Change<'_, '_, Self>) -> Result<()> {
        if let Some(id) = change.id.filter(|_| !change.options.internal) {
            expect_mine(id, change.tx)?;
        }
        self.filename = plain_name(&self.filename).ok_or_else(|| Error::field("filename", "Enter a valid file name."))?;
        Ok(())
    }

    fn after(&self, id: i64, before: Option<&Self>, tx: &mut Writer<'_>) -> Result<()> {
        if before.is_some() {
            return Ok(());
        }
        // Part of the target's story as well.
        let target = target_of(Attachment::Files, &self.target_type)?;
        tx.note(target.about.table, self.target_id, "file", None, Some(serde_json::json!({"file": id})))
    }

    fn deleting(&self, id: i64, tx: &mut Writer<'_>) -> Result<()> {
        expect_mine(id, tx)
    }
}

/// Whoever attached it names and deletes it, and so do managers.
fn expect_mine(id: i64, tx: &Writer<'_>) -> Result<()> {
    if tx.actor().is_manager() || is_mine(tx, "files", id)? { Ok(()) } else { Err(Error::forbidden()) }
}

/// A file name without folders and without what would deceive whoever reads it: control characters, changes of direction. One that is
/// too long loses the end of its stem. `None`: nothing is left.
pub fn plain_name(name: &str) -> Option<String> {
    const LONGEST: usize = 255;
    let is_hidden =
        |c: char| c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let base = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let base: String = base.chars().filter(|c| !is_hidden(*c)).collect();
    let base = base.trim().trim_end_matches(['.', ' ']);
    if base.is_empty() || base.chars().all(|c| c == '.') {
        return None;
    }
    let ending = base.rfind('.').map(|at| &base[at..]).filter(|ending| ending.chars().count() <= 16).unwrap_or_default();
    let stem = &base[..base.len() - ending.len()];
    let room = LONGEST - ending.chars().count();
    Some(stem.chars().take(room).chain(ending.chars()).collect())
}

#[cfg(test)]
mod tests {
    use super::plain_name;

    #[test]
    fn names_lose_folders_and_what_deceives() {
        for (sent, kept) in [
            ("../../etc/passwd", Some("passwd")),
            ("C:\\Users\\ada\\plan.pdf", Some("plan.pdf")),
            ("a\r\nSet-Cookie: x=1.txt", Some("aSet-Cookie: x=1.txt")),
            ("invoice\u{202e}fdp.exe", Some("invoicefdp.exe")),
            ("Übersicht \"1\".csv", Some("Übersicht \"1\".csv")),
            (" .hidden ", Some(".hidden")),
            ("..", None),
            ("a/..", None),
            ("", None),
        ] {
            assert_eq!(plain_name(sent).as_deref(), kept, "{sent:?}");
        }
        let long = plain_name(&format!("{}.pdf", "x".repeat(300))).expect("a name");
        assert_eq!((long.chars().count(), long.ends_with("x.pdf")), (255, true));
    }
}
