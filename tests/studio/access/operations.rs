//! The operations of the OpenAPI document, and what the expectations say of each.

use std::collections::BTreeSet;

use super::expectations::{
    ACTIONS, ADMINISTERING, ATTACHED, BELONGING, FEED, FOR_ROWS_ALONE, RESOURCES, RUNNING, SEARCH, SETTINGS, SIGN_IN, SIGN_IN_OPERATIONS,
};

/// What a line allows somebody with a verb.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Grant {
    pub(super) own: bool,
    pub(super) only: Option<&'static str>,
}

pub(super) fn granted(line: &'static str, who: &str, verb: char) -> Option<Grant> {
    let parts = line.split(';').filter_map(|part| part.trim().split_once(' '));
    let words = parts.filter(|(name, _)| *name == who).flat_map(|(_, words)| words.split(' '));
    let mut grants = words.filter_map(|word| {
        let (word, only) = word.split_once('(').map_or((word, None), |(word, field)| (word, Some(field.trim_end_matches(')'))));
        let (letters, own) = word.strip_suffix(".own").map_or((word, false), |letters| (letters, true));
        letters.contains(verb).then_some(Grant { own, only })
    });
    grants.next()
}

/// An operation of the document, as the table knows it.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) method: String,
    /// Below `/api/`.
    pub(super) path: String,
    pub(super) resource: &'static str,
    /// L, R, C, U, D; `d` for what concerns deleted rows; `x` for an action.
    pub(super) verb: char,
    pub(super) line: &'static str,
}

impl Operation {
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub(super) fn grant(&self, plays: &str) -> Option<Grant> {
        // Deleted rows are for those who run the business.
        let runs = ["admin", "manager"].contains(&plays);
        let listed = (self.verb == 'm').then(|| granted(self.line, plays, 'L')).flatten();
        if listed.is_some() {
            listed
        } else if self.verb == 'd' {
            granted(self.line, plays, 'D').filter(|_| runs)
        } else {
            granted(self.line, plays, self.verb)
        }
    }

    pub(super) fn is_write(&self) -> bool {
        self.method != "GET"
    }

    /// For many records: what it does to one of them must be what the operation for one does.
    pub(super) fn is_bulk(&self) -> bool {
        self.path.contains("/bulk_")
    }
}

/// The document's operations: method and path below `/api/`.
pub(super) fn documented() -> Vec<(String, String)> {
    let document = crate::support::document();
    let paths = document["paths"].as_object().expect("paths");
    let operations =
        paths.iter().flat_map(|(path, methods)| methods.as_object().expect("methods").keys().map(move |method| (method, path)));
    let methods = ["get", "post", "put", "patch", "delete"];
    let all = operations.filter(|(method, _)| methods.contains(&method.as_str()));
    all.map(|(method, path)| (method.to_uppercase(), path.trim_start_matches("/api/").to_owned())).collect()
}

/// The operations that every resource can have, and the verb of each.
fn standard(method: &str, rest: &str) -> Option<char> {
    Some(match (method, rest) {
        ("GET", "" | "export/" | "facets/") => 'L',
        // Some have this and no list.
        ("GET", "minimal/") => 'm',
        ("GET", "{id}/" | "{id}/history/") => 'R',
        ("POST", "" | "import/") | ("GET", "import/template/") => 'C',
        ("PUT" | "PATCH", "{id}/") | ("POST", "{id}/revert/") => 'U',
        ("DELETE", "{id}/") => 'D',
        ("GET", "deleted/") | ("POST", "{id}/restore/" | "bulk_restore/") => 'd',
        ("POST", "bulk_create/") => 'C',
        ("POST", "bulk_update/") => 'U',
        ("POST", "bulk_delete/") => 'D',
        ("GET", "tags/") => 'L',
        // What is attached to a record is read by whoever may read the record.
        ("GET", "{id}/comments/" | "{id}/files/" | "{id}/download/" | "{id}/thumbnail/") => 'R',
        // Whoever may read something may say what they think of it; what is attached to a record changes it.
        ("POST", "{id}/comments/" | "{id}/react/" | "{id}/like/") => 'R',
        ("POST", "{id}/files/") => 'U',
        _ => return None,
    })
}

fn resource_of(path: &str) -> Option<(&'static str, &'static str, &str)> {
    RESOURCES.iter().find_map(|(name, line)| Some((*name, *line, path.strip_prefix(name)?.strip_prefix('/')?)))
}

pub(super) fn operation(method: &str, path: &str) -> Option<Operation> {
    let made = |resource, verb, line| Some(Operation { method: method.to_owned(), path: path.to_owned(), resource, verb, line });
    let name = format!("{method} {path}");
    let resource = resource_of(path);
    if let Some((_, line)) = ACTIONS.iter().find(|(action, _)| *action == name) {
        let verb = if line.contains(" C;") { 'C' } else { 'x' };
        return made(resource.map_or("", |(name, ..)| name), verb, *line);
    }
    let (resource, line, rest) = resource?;
    made(resource, standard(method, rest)?, line)
}

/// Who may do an operation of signing in.
pub(super) fn sign_in(method: &str, path: &str) -> Option<&'static str> {
    let rest = SIGN_IN.iter().find_map(|prefix| path.strip_prefix(prefix)?.strip_prefix('/'))?;
    let name = format!("{method} {rest}");
    SIGN_IN_OPERATIONS.iter().find(|(known, _)| *known == name).map(|(_, who)| *who)
}

#[test]
fn every_operation_has_its_expectation() {
    let documented = documented();
    let is_expected = |(method, path): &&(String, String)| {
        let name = format!("{method} {path}");
        operation(method, path).is_some()
            || sign_in(method, path).is_some()
            || name == SEARCH
            || FEED.contains(&name.as_str())
            || RUNNING.contains(&name.as_str())
            || name == SETTINGS
            || BELONGING.iter().chain(ADMINISTERING).any(|(known, _)| *known == name)
    };
    let unexpected: Vec<_> = documented.iter().filter(|one| !is_expected(one)).collect();
    assert!(unexpected.is_empty(), "operations that the table says nothing of: {unexpected:#?}");
    let known: BTreeSet<String> = documented.iter().map(|(method, path)| format!("{method} {path}")).collect();
    let mut expected: Vec<String> = ACTIONS
        .iter()
        .map(|(name, _)| *name)
        .chain(FEED)
        .chain(RUNNING)
        .chain([SEARCH, SETTINGS])
        .chain(BELONGING.iter().chain(ADMINISTERING).map(|(name, _)| *name))
        .map(str::to_owned)
        .collect();
    for prefix in SIGN_IN {
        expected.extend(
            SIGN_IN_OPERATIONS
                .iter()
                .filter_map(|(name, _)| name.split_once(' '))
                .map(|(method, rest)| format!("{method} {prefix}/{rest}")),
        );
    }
    let rests = [
        ('L', "GET", ""),
        ('L', "GET", "minimal/"),
        ('R', "GET", "{id}/"),
        ('R', "GET", "{id}/history/"),
        ('C', "POST", ""),
        ('C', "POST", "import/"),
        ('C', "GET", "import/template/"),
        ('L', "GET", "export/"),
        ('L', "GET", "facets/"),
        ('U', "PUT", "{id}/"),
        ('U', "PATCH", "{id}/"),
        ('D', "DELETE", "{id}/"),
        ('D', "GET", "deleted/"),
        ('D', "POST", "{id}/restore/"),
    ];
    for &(resource, line) in RESOURCES {
        let granted = rests.iter().filter(|(verb, ..)| granted(line, "admin", *verb).is_some());
        let granted =
            granted.filter(|(_, method, rest)| !ATTACHED.contains(&resource) || *method != "PUT" && !FOR_ROWS_ALONE.contains(rest));
        expected.extend(granted.map(|(_, method, rest)| format!("{method} {resource}/{rest}")));
    }
    let unserved: Vec<_> = expected.iter().filter(|name| !known.contains(*name)).collect();
    assert!(unserved.is_empty(), "lines of the table for no operation of the document: {unserved:#?}");
}
