//! Who may do what: every operation of the OpenAPI document, by everybody who may call, on every kind of row.
//!
//! The expectations stand in one table, transcribed from the matrices of the specification; an operation that no line covers fails by
//! name, and so does a line that covers no operation. Allowed means a 2xx. Refused means 401 for nobody, 403 for a role without the
//! verb and for a row that may be read but not this, 404 for a row that may not be read; another business's row and no row at all get
//! the same bytes; what is refused changes nothing. Lists hold exactly the rows that may be read.

mod callers;
mod expectations;
mod finance;
mod operations;
mod requests;
mod rights;
mod rows;
mod walk;
mod world;

use studio::actor::Capability;

use self::walk::matrix;

#[test]
fn people() {
    matrix("accounts/", Capability::Hr);
}

#[test]
fn field_sales() {
    matrix("field/", Capability::Field);
}

#[test]
fn parties() {
    matrix("finance/parties", Capability::Finance);
}

#[test]
fn accounts_and_rates() {
    matrix("finance/accounts", Capability::Finance);
    matrix("finance/tax-rates", Capability::Finance);
}

#[test]
fn requisitions() {
    matrix("finance/requisitions", Capability::Finance);
}

#[test]
fn goals() {
    matrix("finance/goal", Capability::Finance);
}

#[test]
fn services() {
    matrix("integrations", Capability::Field);
}

#[test]
fn views() {
    matrix("saved-views", Capability::Field);
}

#[test]
fn comments() {
    matrix("comments", Capability::Field);
}

#[test]
fn files() {
    matrix("files", Capability::Field);
}
