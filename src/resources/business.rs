//! The businesses: what each is set up with. Not a resource like the others, for it is what their rows belong to: `api::businesses` has its
//! operations.

use std::sync::OnceLock;

use poem_openapi::{Enum, Object};
use serde_json::{Map, Value as Json, json};

use super::{finance, shared::File};
use crate::{
    actor::{Module, Role},
    auth::account,
    db::{Reader, Writer},
    engine::{About, Access, Change, Descriptor, LR, READ, Resource, Scope, UPDATE, all},
    error::{Problems, Result},
    kit::{self, Currency, Date, Money, Ref},
};

/// What is done about two things at the same time in one place.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[oai(rename_all = "snake_case", rename = "OverlapPolicyEnum")]
pub enum OverlapPolicy {
    /// It is refused.
    #[default]
    Block,
    /// It is taken, and said.
    Warn,
}

/// How answers look.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[oai(rename_all = "snake_case", rename = "ResponseFormatEnum")]
pub enum ResponseFormat {
    /// Plain records and lists.
    #[default]
    Drf,
    /// `{data, message, meta}`.
    Standard,
}

/// A business with all its settings.
#[derive(Object)]
pub struct Business {
    /// What it is called.
    #[oai(validator(max_length = 150))]
    pub name: String,
    /// Its name in addresses: small letters, digits and dashes; made from the name when left out.
    #[oai(default, validator(max_length = 60, pattern = "^[a-z0-9-]*$"))]
    pub slug: String,
    /// What it is called in contracts.
    #[oai(validator(max_length = 200))]
    pub legal_name: Option<String>,
    /// Its number with the tax office.
    #[oai(validator(max_length = 40))]
    pub tax_number: Option<String>,
    /// Time zone (IANA): "today" always means this one.
    #[oai(default = "utc", validator(max_length = 50))]
    pub timezone: String,
    /// The currency of its books; it stays once something was posted, which the database sees to.
    #[oai(default = "dollars")]
    pub currency: Currency,
    /// Country (ISO 3166, two letters): how telephone numbers without a country code are read.
    #[oai(validator(max_length = 2, pattern = "^[A-Za-z]{2}$"))]
    pub country: Option<String>,
    /// Language and country of texts: `en`, `pt-BR`.
    #[oai(default = "english", validator(max_length = 10))]
    pub locale: String,
    /// `street`, `city`, `region` and `zip`.
    #[oai(default = "nothing")]
    pub address: kit::Json,
    /// A file of the business.
    pub logo: Option<Ref<File>>,
    /// Whether the prices of new invoices have the tax in them.
    #[oai(default)]
    pub prices_include_tax: bool,
    /// Days until an invoice is due.
    #[oai(default = "two_weeks", validator(minimum(value = "0"), maximum(value = "365")))]
    pub invoice_due_days: i64,
    /// How numbers are made, by what they are for: with `{SEQ:4}`, and `{YYYY}`, `{YY}` and `{MM}`.
    #[oai(default = "number_formats")]
    pub number_formats: kit::Json,
    /// Whether one may approve one's own requisitions.
    #[oai(default)]
    pub requisition_self_approval: bool,
    /// Above this only administrators approve requisitions.
    pub requisition_manager_limit: Option<Money>,
    /// Metres that a visit may be away from its place.
    #[oai(default = "radius", validator(minimum(value = "0")))]
    pub visit_radius_m: i64,
    /// Whether a visit further away is refused.
    #[oai(default)]
    pub visit_radius_enforced: bool,
    /// What is done about classes that overlap.
    #[oai(default)]
    pub overlap_policy: OverlapPolicy,
    /// The last day of the books that are closed.
    pub books_locked_until: Option<Date>,
    /// How answers look unless a request says otherwise.
    #[oai(default)]
    pub response_format: ResponseFormat,
    /// The modules, each `true` or `false`; what is off is not there. Only those that are sent change.
    #[oai(default = "features")]
    pub features: kit::Json,
    /// Settings of front ends and services. Secrets belong to the integrations.
    #[oai(default = "nothing")]
    pub settings: kit::Json,
    /// Whether it is open.
    #[oai(default = "yes")]
    pub is_active: bool,
}

fn utc() -> String {
    "UTC".to_owned()
}
fn dollars() -> Currency {
    Currency("USD".to_owned())
}
fn english() -> String {
    "en".to_owned()
}
fn nothing() -> kit::Json {
    kit::Json(json!({}))
}
fn two_weeks() -> i64 {
    14
}
fn radius() -> i64 {
    200
}
fn yes() -> bool {
    true
}
fn features() -> kit::Json {
    kit::Json(Module::ALL.iter().map(|module| (module.name().to_owned(), Json::Bool(true))).collect::<Map<_, _>>().into())
}
/// How documents are numbered as long as nobody says otherwise.
pub fn number_formats() -> kit::Json {
    kit::Json(json!({
        "invoice": "INV-{YYYY}-{SEQ:4}",
        "credit_note": "CN-{YYYY}-{SEQ:4}",
        "receipt": "RCT-{YYYY}-{SEQ:4}",
        "quotation": "QUO-{YYYY}-{SEQ:4}",
        "requisition": "REQ-{SEQ:4}",
        "student": "STU-{SEQ:4}",
    }))
}

impl Resource for Business {
    const ABOUT: About = About {
        path: "businesses",
        table: "businesses",
        server_set: &["is_active"],
        access: Access::deny().admin(all(LR.and(UPDATE))).manager(all(READ)),
        scope: Scope::Itself,
        soft_delete: false,
        ..About::DEFAULT
    };

    fn check(&mut self, change: &Change<'_, '_, Self>) -> Result<()> {
        let mut problems = Problems::default();
        if jiff::tz::TimeZone::get(&self.timezone).is_err() {
            problems.add("timezone", format!("\"{}\" is not a valid choice.", self.timezone));
        }
        self.country = self.country.take().map(|country| country.to_ascii_uppercase());
        for (name, value) in [("address", &self.address), ("settings", &self.settings)] {
            if !value.0.is_object() {
                problems.add(name, "Expected an object.");
            }
        }
        let before = change.before;
        merge(&mut problems, "features", &mut self.features.0, before.map_or_else(features, |before| before.features.clone()).0, |value| {
            (!value.is_boolean()).then_some("Must be a valid boolean.")
        });
        // Those of documents that there were not when it was made are as usual.
        let mut formats = number_formats().0;
        if let (Some(Json::Object(known)), Some(all)) = (before.map(|before| before.number_formats.0.clone()), formats.as_object_mut()) {
            all.extend(known);
        }
        merge(&mut problems, "number_formats", &mut self.number_formats.0, formats, wrong_format);
        problems.or_ok()?;
        if self.slug.is_empty() {
            self.slug = free_slug(change.tx, &self.name)?;
        }
        Ok(())
    }

    fn after(&self, id: i64, before: Option<&Self>, tx: &mut Writer<'_>) -> Result<()> {
        match before {
            Some(before) if before.currency != self.currency => return finance::ledger::follow_currency(tx, id, &self.currency.0),
            Some(_) => return Ok(()),
            None => {}
        }
        if let Some(user) = tx.actor().user_id {
            account::join(tx, user, id, Role::Admin)?;
        }
        seed_business(tx, id)
    }
}

/// Lays what was sent over what was there. Only known names, and values with nothing wrong with them.
fn merge(problems: &mut Problems, field: &str, sent: &mut Json, was: Json, wrong: impl Fn(&Json) -> Option<&'static str>) {
    let (Json::Object(given), Json::Object(mut merged)) = (std::mem::take(sent), was) else {
        return problems.add(field, "Expected an object.");
    };
    for (name, value) in given {
        if !merged.contains_key(&name) {
            problems.add(field, format!("\"{name}\" is not a valid choice."));
        } else if let Some(text) = wrong(&value) {
            problems.add(field, format!("{name}: {text}"));
        } else {
            merged.insert(name, value);
        }
    }
    *sent = Json::Object(merged);
}

/// What is wrong with a number's format.
fn wrong_format(value: &Json) -> Option<&'static str> {
    let words = "Write a text of at most 40 characters with one {SEQ:1} to {SEQ:9}, and {YYYY}, {YY} and {MM} as needed.";
    let Some(text) = value.as_str().filter(|text| text.chars().count() <= 40 && !text.chars().any(char::is_control)) else {
        return Some(words);
    };
    let (mut rest, mut sequences) = (text, 0);
    while let Some(at) = rest.find(['{', '}']) {
        let inside = rest[at..].strip_prefix('{').and_then(|open| open.split_once('}'));
        let Some((name, after)) = inside else { return Some(words) };
        let width = name.strip_prefix("SEQ:").and_then(|width| width.parse::<u8>().ok());
        match (name, width) {
            ("YYYY" | "YY" | "MM", _) => {}
            (_, Some(1..=9)) => sequences += 1,
            _ => return Some(words),
        }
        rest = after;
    }
    (sequences != 1).then_some(words)
}

/// A name in small letters, digits and dashes that no other business has.
fn free_slug(reader: &Reader<'_>, name: &str) -> Result<String> {
    let dashed: String = name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let parts: Vec<&str> = dashed.split('-').filter(|part| !part.is_empty()).collect();
    let stem: String = parts.join("-").chars().take(50).collect();
    let stem = if stem.is_empty() { "business" } else { stem.trim_end_matches('-') };
    let taken = |slug: &str| reader.exists("SELECT 1 FROM businesses WHERE slug = ?1 AND deleted_at IS NULL", &[slug.into()]);
    let mut slug = stem.to_owned();
    let mut count = 1;
    while taken(&slug)? {
        count += 1;
        slug = format!("{stem}-{count}");
    }
    Ok(slug)
}

/// What sections put into a new business.
type Seed = fn(&mut Writer<'_>, i64) -> Result<()>;

/// The sections whose work needs rows from the beginning.
const SEEDS: [Seed; 2] = [finance::ledger::seed_chart, finance::ledger::seed_cash];

/// Puts into a new business whatever its work needs from the beginning.
pub fn seed_business(tx: &mut Writer<'_>, business: i64) -> Result<()> {
    SEEDS.iter().try_for_each(|seed| seed(tx, business))
}

/// Makes sure that there is a business to work in, and that each has what its work needs: also what it did not need yet when it began.
pub fn ensure(tx: &mut Writer<'_>) -> Result<()> {
    let mut all: Vec<i64> = tx.rows("SELECT id FROM businesses WHERE deleted_at IS NULL", &[], |row| row.get(0))?;
    if all.is_empty() {
        all.push(tx.insert("businesses", vec![("name", "Main".into()), ("slug", "main".into())])?);
    }
    all.into_iter().try_for_each(|business| seed_business(tx, business))
}

/// How the engine sees a business.
pub fn descriptor() -> &'static Descriptor {
    static BUSINESS: OnceLock<Descriptor> = OnceLock::new();
    BUSINESS.get_or_init(Descriptor::new::<Business>)
}
