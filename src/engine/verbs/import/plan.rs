//! Which column of a file is which field.

use crate::{
    actor::Actor,
    engine::{
        descriptor::Descriptor,
        field::{Field, Kind},
        table::{
            columns::{heading, id_name, settable},
            grid::Line,
        },
    },
    error::{Error, Problems, Result},
};

/// The columns of a file.
pub struct Plan {
    headings: Vec<String>,
    pub id: Option<usize>,
    pub uuid: Option<usize>,
    pub places: Vec<Place>,
    /// The field by whose value rows are matched.
    pub key: Option<Place>,
    /// Headings of columns that are not looked at.
    pub ignored: Vec<String>,
    /// Required fields without a column: new records cannot be made.
    pub missing: Vec<String>,
}

/// Where a field stands.
#[derive(Clone, Copy)]
pub struct Place {
    pub field: &'static Field,
    /// The value; of a reference, what it is called or its id.
    pub column: Option<usize>,
    /// A reference's id or uuid.
    pub id_column: Option<usize>,
}

impl Place {
    /// What stands in the file for the field, to compare lines by.
    pub fn text<'l>(&self, line: &'l Line) -> &'l str {
        let cell = |column: Option<usize>| column.map_or("", |column| line.cell(column));
        Some(cell(self.id_column)).filter(|id| !id.is_empty()).unwrap_or_else(|| cell(self.column))
    }
}

/// What a heading may stand for.
#[derive(Clone, Copy, PartialEq)]
enum Meaning {
    Id,
    Uuid,
    Field(&'static Field),
    /// The id of a reference.
    IdOf(&'static Field),
}

/// A heading without what people write differently: `Contact Phone`, `contact_phone`.
fn plain(heading: &str) -> String {
    heading.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn meanings(d: &'static Descriptor, actor: &Actor) -> Vec<(String, Meaning)> {
    let mut all = vec![("id".to_owned(), Meaning::Id), ("uuid".to_owned(), Meaning::Uuid)];
    let fields = settable(d, actor);
    all.extend(fields.iter().map(|field| (plain(field.name), Meaning::Field(field))));
    for field in fields {
        if matches!(field.kind, Kind::Reference(_)) {
            all.extend([plain(&id_name(field)), plain(&format!("{} ID", heading(field)))].map(|name| (name, Meaning::IdOf(field))));
        }
        all.push((plain(&heading(field)), Meaning::Field(field)));
    }
    all
}

impl Plan {
    /// Finds the columns of a resource. Those that nobody sets, or that are not known, are left out.
    ///
    /// # Errors
    /// 400 for a column that is there twice, a key that is no column, and for required columns that are not there.
    pub fn new(d: &'static Descriptor, actor: &Actor, headings: &[String], key: Option<&str>) -> Result<Self> {
        let meanings = meanings(d, actor);
        let (mut found, mut ignored, mut problems) = (Vec::<(Meaning, usize)>::new(), vec![], Problems::default());
        for (column, heading) in headings.iter().enumerate() {
            let meaning = meanings.iter().find(|(name, _)| *name == plain(heading)).map(|(_, meaning)| *meaning);
            match meaning {
                Some(meaning) => match found.iter().find(|(known, _)| *known == meaning) {
                    Some((_, first)) => problems.add("file", format!("The columns {} and {heading} are the same.", headings[*first])),
                    None => found.push((meaning, column)),
                },
                None if heading.is_empty() => ignored.push(format!("column {}", column + 1)),
                None => ignored.push(heading.clone()),
            }
        }
        problems.or_ok()?;
        let at = |meaning: Meaning| found.iter().find(|(known, _)| *known == meaning).map(|(_, column)| *column);
        let place = |field| Place { field, column: at(Meaning::Field(field)), id_column: at(Meaning::IdOf(field)) };
        let there = |place: &Place| place.column.is_some() || place.id_column.is_some();
        let all: Vec<Place> = settable(d, actor).into_iter().map(place).collect();
        let missing = all.iter().filter(|place| place.field.required && !there(place)).map(|place| heading(place.field)).collect();
        let places: Vec<Place> = all.into_iter().filter(there).collect();
        let mut plan =
            Self { headings: headings.to_vec(), id: at(Meaning::Id), uuid: at(Meaning::Uuid), places, key: None, ignored, missing };
        plan.key = plan.key(key.map(str::trim).filter(|key| !key.is_empty()))?;
        plan.check()?;
        Ok(plan)
    }

    fn key(&self, key: Option<&str>) -> Result<Option<Place>> {
        let Some(key) = key else { return Ok(None) };
        // Those are keys anyway.
        if key == "id" && self.id.is_some() || key == "uuid" && self.uuid.is_some() {
            return Ok(None);
        }
        let named = |place: &&Place| [plain(place.field.name), plain(&heading(place.field))].contains(&plain(key));
        let place = self.places.iter().find(named);
        let place = place.ok_or_else(|| Error::field("key", format!("The file has no column {key} that could be a key.")))?;
        if matches!(place.field.kind, Kind::Lines(..) | Kind::Texts | Kind::Json) {
            return Err(Error::field("key", format!("{key} cannot be a key.")));
        }
        Ok(Some(*place))
    }

    fn check(&self) -> Result<()> {
        let mut problems = Problems::default();
        if self.headings.is_empty() {
            problems.add("file", "The file is empty.");
        } else if self.places.is_empty() {
            problems.add("file", "None of its columns is known.");
        } else if self.id.is_none() && self.uuid.is_none() && self.key.is_none() {
            self.missing.iter().for_each(|heading| problems.add("file", format!("The column {heading} is required.")));
        }
        problems.or_ok()
    }

    pub fn heading(&self, column: usize) -> &str {
        self.headings.get(column).map_or("", String::as_str)
    }

    pub fn width(&self) -> usize {
        self.headings.len()
    }

    /// Where a field stands in the file, or a key.
    pub fn column_of(&self, name: &str) -> Option<usize> {
        match name {
            "id" => self.id,
            "uuid" => self.uuid,
            _ => self.places.iter().find(|place| place.field.name == name).and_then(|place| place.column.or(place.id_column)),
        }
    }
}
