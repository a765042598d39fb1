//! Reports: what is worked out over many records, as JSON or as a table.

use poem_openapi::types::ToJSON;

use crate::{
    auth::gate::Caller,
    db::Reader,
    engine::{
        query::{Parameters, flag, parameter},
        reply::{ExportFile, Reply, Report},
        table::{Format, columns::heading_of, csv, tabular::Tabular},
    },
    error::Result,
};

/// Works a report out and answers it in the `format` that is asked for. `name` begins that of the file. It may walk tables, so it waits
/// for its turn to scan.
pub async fn report<S: Tabular + ToJSON + Send + 'static>(
    caller: &Caller,
    name: &str,
    parameters: &Parameters,
    work: impl FnOnce(&Reader<'_>) -> Result<S> + Send + 'static,
) -> Result<Report<S>> {
    let format = Format::parse(parameter(parameters, "format"), &Format::REPORTS)?;
    let marked = flag(parameters, "bom");
    let name = format!("{name}-{}", caller.actor.today());
    let told = caller.scan(work).await?;
    if format == Format::Json {
        return Ok(Report::Json(Reply::json(&told.to_json().unwrap_or_default())));
    }
    let mut out = if marked { csv::BOM.as_bytes().to_vec() } else { vec![] };
    let headings: Vec<String> = S::COLUMNS.iter().map(|column| heading_of(column)).collect();
    let headings = csv::headings(headings.iter().map(String::as_str));
    let rows = told.rows();
    csv::write(&mut out, [headings.as_slice()].into_iter().chain(rows.iter().map(Vec::as_slice)))?;
    Ok(Report::File(ExportFile { format, name, body: out.into() }))
}
