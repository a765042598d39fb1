//! A list's filters, turned into conditions: what a parameter is compared with, and how.

use super::{
    about::{About, Output},
    descriptor::{Descriptor, bind},
    field::{Field, Kind},
    query::{LONGEST_SEARCH, MOST_VALUES, Query},
    search,
    validate::is_uuid,
};
use crate::{
    actor::Actor,
    db::Value,
    error::{Error, Result},
    kit::{
        Date, DateTime, exponent,
        fold::fold,
        money::{self, parse_scaled},
    },
};

/// What lists, their counts, their exports and their pages in the panel are asked for beside filters: a field of such a name is none.
pub const TAKEN: [&str; 16] = [
    "search",
    "ordering",
    "page",
    "page_size",
    "include_deleted",
    "fields",
    "dates",
    "by",
    "totals",
    "within",
    "format",
    "bom",
    "columns",
    "column",
    "view",
    "counts",
];

/// What lists can be narrowed by: what the resource names, in its order, and after that every other field of the API, but for rows and
/// objects.
pub(super) fn filters(about: &About, fields: &[Field]) -> Vec<&'static str> {
    let is_other = |name: &str| {
        let is_own = about.filter_by.iter().any(|(known, _)| *known == name) || about.filter_as.iter().any(|(known, _)| *known == name);
        !is_own && !about.filter.contains(&name) && !TAKEN.contains(&name)
    };
    let others = fields.iter().filter(|field| !field.hidden && field.stored() && field.kind != Kind::Json && is_other(field.name));
    about.filter.iter().copied().chain(others.map(|field| field.name)).collect()
}

impl Query {
    /// Adds the condition of one parameter; parameters that are no filter are none of its business.
    pub(super) fn filter(&mut self, d: &Descriptor, actor: &Actor, sent: &str, value: &str) -> Result<()> {
        let parameter = meant(d, sent);
        if let Some((_, sql)) = d.about.filter_by.iter().find(|(name, _)| *name == parameter) {
            let place = self.bind(value);
            self.conditions.push(bind(&sql.replace("= ?", &format!("= {place}"))));
            return Ok(());
        }
        let Some((name, test)) = asked(d, parameter).filter(|(name, _)| d.narrows(name, actor)) else { return Ok(()) };
        let (Some(sql), Some(kind)) = (d.expression(name), kind_of(d, name)) else { return Ok(()) };
        match test {
            Test::Contains if matches!(kind, Kind::Text | Kind::Email) => {
                no_nul(value)?;
                if value.trim().chars().count() > LONGEST_SEARCH {
                    return Err(Error::Malformed(format!("Ensure this field has no more than {LONGEST_SEARCH} characters.")));
                }
                let part = fold(value.trim());
                let place = self.bind(part.as_str());
                self.conditions.push(format!("holds({sql}, {place})"));
                // Where it can be searched for, the index says in which rows to look.
                self.terms.extend(search::is_indexed(d, name).then_some(part));
            }
            Test::Contains => {}
            Test::Is("=") | Test::In if kind == Kind::Texts => {
                no_nul(value)?;
                let items: Vec<&str> = if matches!(test, Test::In) { value.split(',').take(MOST_VALUES).collect() } else { vec![value] };
                let places: Vec<String> = items.into_iter().map(|item| self.bind(item.trim())).collect();
                self.conditions
                    .push(format!("EXISTS (SELECT 1 FROM json_each({sql}) AS item WHERE item.value IN ({}))", places.join(", ")));
            }
            Test::Is(_) if kind == Kind::Texts => {}
            Test::Is(operator) if kind == Kind::Money => {
                let value = self.money(d, actor, name, operator, value)?;
                self.conditions.push(format!("{sql} {operator} {value}"));
            }
            Test::In if kind == Kind::Money => {
                let values = value.split(',').take(MOST_VALUES).filter_map(|part| self.money(d, actor, name, "=", part).ok());
                let values: Vec<String> = values.collect();
                self.conditions.push(if values.is_empty() { "FALSE".into() } else { format!("{sql} IN ({})", values.join(", ")) });
            }
            Test::IsNull => {
                let Some(yes) = boolean(value) else { return Ok(()) };
                self.conditions.push(format!("{sql} IS {}NULL", if yes { "" } else { "NOT " }));
            }
            Test::In => {
                let values = value.split(',').take(MOST_VALUES).filter_map(|part| Self::operand(&kind, actor, part.trim()).ok().flatten());
                let values: Vec<(String, Value)> = values.collect();
                let places: Vec<String> = values.into_iter().map(|(form, value)| form.replace("??", &self.bind(value))).collect();
                self.conditions.push(if places.is_empty() { "FALSE".into() } else { format!("{sql} IN ({})", places.join(", ")) });
            }
            Test::Is(operator) => {
                let Some((form, value)) = Self::operand(&kind, actor, value)? else { return Ok(()) };
                if let (Kind::Reference(table), Value::Text(key)) = (&kind, &value) {
                    self.references.push((sent.to_owned(), table, key.clone()));
                }
                self.date_or_plain(&kind, actor, &sql, operator, &form, value);
            }
        }
        Ok(())
    }

    /// A day stands for all its instants when an instant is compared with it.
    fn date_or_plain(&mut self, kind: &Kind, actor: &Actor, sql: &str, operator: &str, form: &str, value: Value) {
        let Value::Text(text) = &value else {
            let place = self.bind(value);
            self.conditions.push(format!("{sql} {operator} {}", form.replace("??", &place)));
            return;
        };
        let day = (*kind == Kind::DateTime).then(|| Date::parse(text)).flatten();
        let Some(day) = day else {
            let place = self.bind(value);
            self.conditions.push(format!("{sql} {operator} {}", form.replace("??", &place)));
            return;
        };
        let zone = actor.zone();
        // At the end of the calendar there is no such instant: the day itself compares as its first, and nothing is beyond it.
        let midnight = |date: jiff::civil::Date| zone.to_timestamp(date.at(0, 0, 0, 0)).ok().map(|at| DateTime(at).to_string());
        if operator != "<=" {
            let place = self.bind(midnight(day.0).unwrap_or_else(|| day.to_string()));
            self.conditions.push(format!("{sql} >= {place}"));
        }
        if let Some(end) = day.0.tomorrow().ok().and_then(midnight).filter(|_| operator != ">=") {
            let place = self.bind(end);
            self.conditions.push(format!("{sql} < {place}"));
        }
    }

    /// The amount that the rows' own is compared with, as SQL: in minor units of the currency of each row.
    /// An amount with more decimals than a currency has is none of its amounts, and lies between two.
    fn money(&mut self, d: &Descriptor, actor: &Actor, name: &str, operator: &str, value: &str) -> Result<String> {
        let minor = |exponent: u8| -> Result<Value> {
            let (below, above) = money::around(value.trim(), exponent).ok_or_else(|| Error::Malformed("Enter a number.".into()))?;
            Ok(match operator {
                ">=" => above.into(),
                "<=" => below.into(),
                _ => (below == above).then_some(above).into(),
            })
        };
        let currency = d.field(name).map_or_else(|| d.currency(), |field| d.currency_of(field));
        let Some(currency) = currency else {
            let own = actor.business.as_ref().map_or("USD", |business| &business.currency);
            return Ok(self.bind(minor(exponent(own))?));
        };
        let places = money::EXPONENTS.iter().map(|exponent| minor(*exponent)).collect::<Result<Vec<_>>>()?;
        let places: Vec<String> = places.into_iter().map(|place| self.bind(place)).collect();
        Ok(format!("by_decimals(t.{}, {})", currency.column, places.join(", ")))
    }

    /// The value of a filter, and how it is written (`??` standing for its place). `None`: the value is ignored.
    fn operand(kind: &Kind, actor: &Actor, value: &str) -> Result<Option<(String, Value)>> {
        let plain = |value: Value| Ok(Some(("??".to_owned(), value)));
        let wrong = |words: String| Err(Error::Malformed(words));
        no_nul(value)?;
        match kind {
            Kind::Bool => Ok(boolean(value).map(|flag| ("??".to_owned(), flag.into()))),
            Kind::Integer => value.trim().parse::<i64>().map_or_else(|_| wrong("Enter a number.".into()), |number| plain(number.into())),
            Kind::Number => match value.trim().parse::<f64>() {
                Ok(number) if number.is_finite() => plain(number.into()),
                _ => wrong("Enter a number.".into()),
            },
            Kind::Decimal(places) => {
                parse_scaled(value.trim(), *places).map_or_else(|_| wrong("Enter a number.".into()), |units| plain(units.into()))
            }
            Kind::Date => {
                Date::parse(value.trim()).map_or_else(|| wrong("Enter a valid date.".into()), |date| plain(date.to_string().into()))
            }
            Kind::DateTime => match (Date::parse(value.trim()), DateTime::parse(value, &actor.zone())) {
                (Some(date), _) => plain(date.to_string().into()),
                (None, Some(time)) => plain(time.to_string().into()),
                (None, None) => wrong("Enter a valid date/time.".into()),
            },
            Kind::Choice(names) => match names.iter().find(|name| name.eq_ignore_ascii_case(value.trim())) {
                Some(name) => plain((*name).into()),
                None => wrong(format!("Select a valid choice. {value} is not one of the available choices.")),
            },
            Kind::Reference(table) => match value.trim() {
                key if key.parse::<i64>().is_ok() => Ok(Some(("CAST(?? AS INTEGER)".into(), key.into()))),
                key if is_uuid(key) => Ok(Some((format!("(SELECT id FROM \"{table}\" WHERE uuid = ??)"), key.to_ascii_lowercase().into()))),
                _ => wrong("Select a valid choice. That choice is not one of the available choices.".into()),
            },
            _ => plain(value.into()),
        }
    }
}

fn no_nul(value: &str) -> Result<()> {
    if value.contains('\0') { Err(Error::Malformed("Null characters are not allowed.".into())) } else { Ok(()) }
}

/// The filter that a parameter means, where it has another name.
fn meant<'p>(d: &Descriptor, sent: &'p str) -> &'p str {
    d.about.filter_as.iter().find(|(name, _)| *name == sent).map_or(sent, |(_, filter)| *filter)
}

/// The field or computed field that a parameter narrows a list by, and how.
fn asked(d: &Descriptor, parameter: &str) -> Option<(&'static str, Test)> {
    let known = |name: &str| d.filters.iter().copied().find(|known| *known == name);
    let (name, test) = split(parameter);
    known(parameter).map(|name| (name, Test::Is("="))).or_else(|| Some((known(name)?, test)))
}

/// The field or computed field that a parameter narrows a list by.
pub(super) fn filter_of(d: &Descriptor, sent: &str) -> Option<&'static str> {
    asked(d, meant(d, sent)).map(|(name, _)| name)
}

#[derive(Clone, Copy)]
pub(super) enum Test {
    Is(&'static str),
    In,
    /// Capitals and small letters are the same.
    Contains,
    IsNull,
}

pub(super) fn split(parameter: &str) -> (&str, Test) {
    let tests = [
        ("__in", Test::In),
        ("__icontains", Test::Contains),
        ("__isnull", Test::IsNull),
        ("__gte", Test::Is(">=")),
        ("__lte", Test::Is("<=")),
        ("_after", Test::Is(">=")),
        ("_before", Test::Is("<=")),
    ];
    for (suffix, test) in tests {
        if let Some(name) = parameter.strip_suffix(suffix) {
            return (name, test);
        }
    }
    (parameter, Test::Is("="))
}

pub fn kind_of(d: &Descriptor, name: &str) -> Option<Kind> {
    let computed = || {
        let computed = d.about.computed.iter().find(|computed| computed.name == name)?;
        Some(match computed.output {
            Output::Bool => Kind::Bool,
            Output::Integer => Kind::Integer,
            Output::Number => Kind::Number,
            Output::Choice(names) => Kind::Choice(names.to_vec()),
            Output::DateTime => Kind::DateTime,
            Output::Money => Kind::Money,
            Output::Text | Output::Json(_) => Kind::Text,
        })
    };
    let mixin = || match name {
        "created_at" | "updated_at" | "deleted_at" => Some(Kind::DateTime),
        "id" | "created_by" | "updated_by" | "version" => Some(Kind::Integer),
        "uuid" => Some(Kind::Text),
        _ => None,
    };
    d.field(name).map(|field| field.kind.clone()).or_else(computed).or_else(mixin)
}

/// Django's spellings of true and false in a query.
pub(super) fn boolean(value: &str) -> Option<bool> {
    match value.trim() {
        "true" | "True" | "1" => Some(true),
        "false" | "False" | "0" => Some(false),
        _ => None,
    }
}
