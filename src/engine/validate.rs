//! A record's fields, checked one by one: every problem at once, in DRF's words, and each value brought to its one form.

use regex::Regex;
use serde_json::{Number, Value as Json};

use super::{
    about::Options,
    descriptor::{Descriptor, Record, by_table},
    field::{Field, Kind},
    store,
};
use crate::{
    actor::Actor,
    db::Reader,
    error::{Error, Problems, Result},
    kit::{
        BadAmount, Currency, Date, DateTime, Email, Money, exponent,
        money::{parse_scaled, print_scaled},
    },
};

/// What the input is measured against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Every required field must be there.
    Whole,
    /// Only what is there counts.
    Partial,
}

/// A record has so many lines at most.
const MOST_LINES: usize = 500;
const REQUIRED: &str = "This field is required.";
pub const NULL: &str = "This field may not be null.";
const BLANK: &str = "This field may not be blank.";
const NO_NUL: &str = "Null characters are not allowed.";

/// Checks a client's fields for a resource and answers them in canonical form. Unknown and server-set fields are left out.
/// `stored` is the record as it stands: the currency of its money.
pub fn resource(
    reader: &Reader<'_>,
    d: &Descriptor,
    actor: &Actor,
    input: Record,
    stored: Option<&Record>,
    mode: Mode,
    options: Options,
) -> Result<Record> {
    let settable = |field: &&Field| options.internal || !field.server_set && d.is_open(field.name, actor);
    let fields: Vec<&Field> = d.fields.iter().filter(settable).collect();
    let mut input = input;
    for (name, theirs, ours) in d.about.aliases {
        if input.get(*name).and_then(Json::as_str) == Some(theirs) {
            input.insert((*name).to_owned(), (*ours).into());
        }
    }
    let context = Context { reader: Some(reader), actor };
    let (record, problems) = context.fields(&fields, input, stored, mode)?;
    problems.or_ok()?;
    Ok(record)
}

/// Checks a request body that is no resource.
pub fn object(fields: &[Field], input: Record, reader: Option<&Reader<'_>>, actor: &Actor) -> Result<Record> {
    let (record, problems) = Context { reader, actor }.fields(&fields.iter().collect::<Vec<_>>(), input, None, Mode::Whole)?;
    problems.or_ok()?;
    Ok(record)
}

/// What a client says of values that the program works out: members and what they say, in no form yet.
pub fn claims(d: &Descriptor, input: &Record) -> Record {
    let sent = |(name, _): &(&str, &str)| Some(((*name).to_owned(), input.get(*name).filter(|value| !value.is_null())?.clone()));
    d.about.confirmed.iter().filter_map(sent).collect()
}

/// Refuses claims that are not so: `record` is what the program worked out.
pub fn confirm(d: &Descriptor, claims: &Record, record: &Record) -> Result<()> {
    let mut problems = Problems::default();
    let decimals = d.currency().and_then(|field| record.get(field.name)).and_then(Json::as_str).map_or(2, exponent);
    for (name, field) in d.about.confirmed {
        let (Some(claim), Some(fact)) = (claims.get(*name), record.get(*field)) else { continue };
        match amount(claim, decimals) {
            Err(error) => problems.add(*name, error.detail()),
            Ok(claim) if claim != *fact => problems
                .add(*name, format!("This comes to {}, not {}.", fact.as_str().unwrap_or_default(), claim.as_str().unwrap_or_default())),
            Ok(_) => {}
        }
    }
    problems.or_ok()
}

struct Context<'a, 'r> {
    /// `None`: references are only checked for their form.
    reader: Option<&'a Reader<'r>>,
    actor: &'a Actor,
}

impl Context<'_, '_> {
    fn fields(&self, fields: &[&Field], input: Record, stored: Option<&Record>, mode: Mode) -> Result<(Record, Problems)> {
        let currency = self.currency(fields, &input, stored);
        self.fields_in(fields, input, mode, &currency)
    }

    /// Checks fields whose money is in a currency: lines are in that of their record.
    fn fields_in(&self, fields: &[&Field], mut input: Record, mode: Mode, currency: &str) -> Result<(Record, Problems)> {
        let mut record = Record::new();
        let mut problems = Problems::default();
        for field in fields {
            match input.shift_remove(field.name) {
                None if field.required && mode == Mode::Whole => problems.add(field.name, REQUIRED),
                None => {}
                Some(value) => match self.value(field, value, own_currency(field, &input).as_deref().unwrap_or(currency)) {
                    Ok(value) => drop(record.insert(field.name.to_owned(), value)),
                    Err(Error::Invalid(rows)) if matches!(field.kind, Kind::Lines(..)) => rows_or_text(&mut problems, field.name, rows),
                    // Not the client's fault.
                    Err(error @ (Error::Unavailable(_) | Error::Internal(_))) => return Err(error),
                    Err(error) => problems.add(field.name, error.detail()),
                },
            }
        }
        Ok((record, problems))
    }

    /// The currency that the record's money is in: as sent, as stored, or the business's.
    fn currency(&self, fields: &[&Field], input: &Record, stored: Option<&Record>) -> String {
        let name = fields.iter().find(|field| field.kind == Kind::Currency).map_or("currency", |field| field.name);
        let sent = input.get(name).and_then(Json::as_str).and_then(Currency::parse).map(|currency| currency.0);
        let known = || stored.and_then(|record| record.get(name)).and_then(Json::as_str).map(str::to_owned);
        let default = || self.actor.business.as_ref().map_or_else(|| "USD".to_owned(), |business| business.currency.clone());
        sent.or_else(known).unwrap_or_else(default)
    }

    /// One value in canonical form; an error carries the text for its field.
    fn value(&self, field: &Field, value: Json, currency: &str) -> Result<Json> {
        let empty = value.as_str().is_some_and(|text| text.trim().is_empty());
        if value.is_null() || empty && field.nullable {
            return if field.nullable { Ok(Json::Null) } else { Err(text(NULL)) };
        }
        match &field.kind {
            Kind::Text => self.text(field, value),
            Kind::Email => {
                let address = self.text(field, value)?;
                let valid = address.as_str().is_some_and(|address| Email::parse(address).is_some());
                if valid { Ok(address) } else { Err(text("Enter a valid email address.")) }
            }
            Kind::Integer => integer(field, &value),
            Kind::Number => number(field, &value),
            Kind::Bool => boolean(&value),
            Kind::Date => {
                let date = value.as_str().and_then(|date| Date::parse(date.trim()));
                date.map(|date| date.to_string().into())
                    .ok_or_else(|| text("Date has wrong format. Use one of these formats instead: YYYY-MM-DD."))
            }
            Kind::DateTime => {
                let time = value.as_str().and_then(|time| DateTime::parse(time, &self.actor.zone()));
                let wrong = "Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].";
                time.map(|time| time.to_string().into()).ok_or_else(|| text(wrong))
            }
            Kind::Money => amount(&value, exponent(currency)),
            Kind::Decimal(places) => decimal(&value, *places),
            Kind::Currency => {
                let code = value.as_str().and_then(Currency::parse);
                code.map(|code| code.0.into()).ok_or_else(|| not_a_choice(&value))
            }
            Kind::Choice(names) => {
                let name = value.as_str().map(str::trim).and_then(|sent| names.iter().find(|name| name.eq_ignore_ascii_case(sent)));
                name.map(|name| Json::from(*name)).ok_or_else(|| if empty { text(BLANK) } else { not_a_choice(&value) })
            }
            Kind::Texts => texts(value),
            Kind::Json => json(value),
            Kind::Reference(table) => self.reference(table, &value),
            Kind::Lines(_, fields) => self.lines(fields, value, currency),
        }
    }

    fn text(&self, field: &Field, value: Json) -> Result<Json> {
        let trimmed = match value {
            // A password counts as it is.
            Json::String(value) if field.schema.format == Some("password") => value,
            Json::String(value) => value.trim().to_owned(),
            Json::Number(number) => number.to_string(),
            _ => return Err(text("Not a valid string.")),
        };
        if trimmed.contains('\0') {
            return Err(text(NO_NUL));
        }
        if trimmed.is_empty() && !field.allows_blank() {
            return Err(text(BLANK));
        }
        let length = trimmed.chars().count();
        if let Some(most) = field.schema.max_length.filter(|most| length > *most) {
            return Err(text(format!("Ensure this field has no more than {most} characters.")));
        }
        if let Some(least) = field.schema.min_length.filter(|least| length < *least && length > 0) {
            return Err(text(format!("Ensure this field has at least {least} characters.")));
        }
        // Few fields have a pattern, and those are short: compiling it here keeps the descriptor plain.
        let pattern = field.schema.pattern.as_deref().filter(|_| !trimmed.is_empty()).and_then(|pattern| Regex::new(pattern).ok());
        if pattern.is_some_and(|pattern| !pattern.is_match(&trimmed)) {
            return Err(text("Enter a valid value."));
        }
        Ok(trimmed.into())
    }

    /// A reference by id, as a number or in a text, or by uuid; answers the id.
    fn reference(&self, table: &str, value: &Json) -> Result<Json> {
        let sent = match value {
            Json::Number(number) => number.as_i64().map(|id| id.to_string()),
            Json::String(text) => Some(dashed(text.trim())),
            _ => None,
        };
        let is_key = |key: &String| key.parse::<i64>().is_ok() || is_uuid(key);
        let Some(key) = sent.filter(is_key) else {
            return Err(text(format!("Incorrect type. Expected pk value, received {}.", python_type(value))));
        };
        let Some(reader) = self.reader else {
            return key.parse::<i64>().map(Json::from).map_err(|_| text("A valid integer is required."));
        };
        let target = by_table(table).ok_or_else(|| Error::internal(format_args!("no resource keeps {table}")))?;
        let found = store::find(reader, target, self.actor, &key)?;
        found.map(Json::from).ok_or_else(|| text(format!("Invalid pk \"{key}\" - object does not exist.")))
    }

    fn lines(&self, fields: &[Field], value: Json, currency: &str) -> Result<Json> {
        let Json::Array(rows) = value else {
            return Err(text(format!("Expected a list of items but got type \"{}\".", python_type(&value))));
        };
        if rows.len() > MOST_LINES {
            return Err(text(format!("Ensure this list has no more than {MOST_LINES} items.")));
        }
        let fields: Vec<&Field> = fields.iter().collect();
        let (mut records, mut problems) = (vec![], vec![]);
        for row in rows {
            let (record, wrong) = match row {
                Json::Object(row) => self.fields_in(&fields, row, Mode::Whole, currency)?,
                other => (Record::new(), Problems::one("non_field_errors", expected_dictionary(&other))),
            };
            records.push(Json::Object(record));
            problems.push(wrong);
        }
        if problems.iter().all(Problems::is_empty) {
            return Ok(Json::Array(records));
        }
        let mut wrong = Problems::default();
        wrong.rows("rows", problems);
        Err(Error::Invalid(wrong))
    }
}

/// The currency of money that is in one of its own, as it was sent.
fn own_currency(field: &Field, input: &Record) -> Option<String> {
    let name = field.currency_name()?;
    input.get(&name).and_then(Json::as_str).and_then(Currency::parse).map(|currency| currency.0)
}

fn rows_or_text(problems: &mut Problems, field: &str, rows: Problems) {
    match rows.into_rows() {
        Some(rows) => problems.rows(field, rows),
        None => problems.add(field, "Expected a list of items."),
    }
}

/// An error that stands for a field's text until it is put beside its name.
fn text(words: impl Into<String>) -> Error {
    Error::Malformed(words.into())
}

fn not_a_choice(value: &Json) -> Error {
    text(format!("\"{}\" is not a valid choice.", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
}

/// The text for a body that is not an object.
pub fn expected_dictionary(value: &Json) -> String {
    format!("Invalid data. Expected a dictionary, but got {}.", python_type(value))
}

/// The originals name types as Python does.
fn python_type(value: &Json) -> &'static str {
    match value {
        Json::Null => "NoneType",
        Json::Bool(_) => "bool",
        Json::Number(number) if number.is_f64() => "float",
        Json::Number(_) => "int",
        Json::String(_) => "str",
        Json::Array(_) => "list",
        Json::Object(_) => "dict",
    }
}

/// A uuid written without dashes gets them.
fn dashed(text: &str) -> String {
    match uuid::Uuid::try_parse(text) {
        Ok(uuid) if text.len() == 32 => uuid.to_string(),
        _ => text.to_owned(),
    }
}

pub fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| if matches!(at, 8 | 13 | 18 | 23) { byte == b'-' } else { byte.is_ascii_hexdigit() })
}

fn integer(field: &Field, value: &Json) -> Result<Json> {
    let parsed = match value {
        Json::Number(number) if number.is_f64() => number.as_f64().filter(|float| float.fract() == 0.0).map(|float| float as i128),
        Json::Number(number) => number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from)),
        Json::String(sent) => {
            let sent = sent.trim();
            let digits = sent.split_once('.').filter(|(_, zeros)| zeros.bytes().all(|byte| byte == b'0')).map_or(sent, |(whole, _)| whole);
            // Longer than any number that fits: its sign is all that counts.
            let is_number = digits.trim_start_matches(['-', '+']).bytes().all(|byte| byte.is_ascii_digit()) && digits.len() > 30;
            let huge = if digits.starts_with('-') { i128::MIN } else { i128::MAX };
            digits.parse().ok().or(is_number.then_some(huge))
        }
        _ => None,
    };
    let parsed = parsed.ok_or_else(|| text("A valid integer is required."))?;
    within(field, parsed as f64)?;
    let bound = |side: &str, limit: i64| text(format!("Ensure this value is {side} than or equal to {limit}."));
    i64::try_from(parsed).map(Json::from).map_err(|_| if parsed > 0 { bound("less", i64::MAX) } else { bound("greater", i64::MIN) })
}

fn number(field: &Field, value: &Json) -> Result<Json> {
    let parsed = match value {
        Json::Number(number) => number.as_f64(),
        Json::String(sent) => sent.trim().parse().ok(),
        _ => None,
    };
    let parsed = parsed.filter(|number: &f64| number.is_finite()).ok_or_else(|| text("A valid number is required."))?;
    within(field, parsed)?;
    Number::from_f64(parsed).map(Json::Number).ok_or_else(|| text("A valid number is required."))
}

fn within(field: &Field, number: f64) -> Result<()> {
    if let Some(least) = field.schema.minimum.filter(|least| number < *least) {
        return Err(text(format!("Ensure this value is greater than or equal to {least}.")));
    }
    if let Some(most) = field.schema.maximum.filter(|most| number > *most) {
        return Err(text(format!("Ensure this value is less than or equal to {most}.")));
    }
    Ok(())
}

fn boolean(value: &Json) -> Result<Json> {
    let named = |name: &str| match name.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
        _ => None,
    };
    let flag = match value {
        Json::Bool(flag) => Some(*flag),
        Json::Number(number) => named(&number.to_string()),
        Json::String(name) => named(name),
        _ => None,
    };
    flag.map(Json::Bool).ok_or_else(|| text("Must be a valid boolean."))
}

/// Money as a text or a number in major units.
pub fn amount(value: &Json, exponent: u8) -> Result<Json> {
    scaled(value, exponent, |sent| Money::parse(sent, exponent).map(|money| money.to_string()))
}

/// A number with so many decimals at most, as a text or a number.
fn decimal(value: &Json, places: u8) -> Result<Json> {
    scaled(value, places, |sent| parse_scaled(sent, places).map(|units| print_scaled(units, places)))
}

/// A number is taken by its shortest text; of more than 15 significant digits it may not be what the client meant, so it is refused.
fn scaled(value: &Json, places: u8, read: impl Fn(&str) -> Result<String, BadAmount>) -> Result<Json> {
    let sent = match value {
        Json::String(sent) => sent.trim().to_owned(),
        Json::Number(number) => {
            let sent = number.as_f64().filter(|_| number.is_f64()).map_or_else(|| number.to_string(), |float| float.to_string());
            let significant = sent.replace(['-', '.'], "");
            if significant.trim_start_matches('0').len() > 15 {
                return Err(text("A number this precise must be sent as a string."));
            }
            sent
        }
        _ => return Err(text("A valid number is required.")),
    };
    read(&sent).map(Json::from).map_err(|bad| match bad {
        BadAmount::NotANumber => text("A valid number is required."),
        BadAmount::TooLarge => text("Ensure that there are no more than 16 digits in total."),
        BadAmount::TooPrecise => text(format!("Ensure that there are no more than {places} decimal places.")),
    })
}

/// A list of texts; a single text is split at commas and freed of `#`, as the originals' tags are written.
fn texts(value: Json) -> Result<Json> {
    let parts: Vec<String> = match value {
        Json::String(list) => {
            list.split(',').map(|part| part.trim().trim_start_matches('#').to_owned()).filter(|part| !part.is_empty()).collect()
        }
        Json::Array(items) => {
            let item = |item: Json| match item {
                Json::String(item) => Ok(item.trim().to_owned()),
                Json::Number(number) => Ok(number.to_string()),
                _ => Err(text("Not a valid string.")),
            };
            items.into_iter().map(item).collect::<Result<_>>()?
        }
        other => return Err(text(format!("Expected a list of items but got type \"{}\".", python_type(&other)))),
    };
    if parts.iter().any(|part| part.contains('\0')) {
        return Err(text(NO_NUL));
    }
    if parts.len() > 100 || parts.iter().any(|part| part.chars().count() > 255) {
        return Err(text("Ensure this field has no more than 100 items of 255 characters."));
    }
    Ok(parts.into())
}

/// Free JSON, as long as SQLite can hold it.
fn json(value: Json) -> Result<Json> {
    let written = value.to_string();
    if written.contains("\\u0000") {
        return Err(text(NO_NUL));
    }
    if written.len() > 65_536 { Err(text("Ensure this field has no more than 65536 characters.")) } else { Ok(value) }
}
