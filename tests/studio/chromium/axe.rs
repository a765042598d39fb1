//! What axe-core finds on a page. It is fetched by `.ci/browser`, and put into pages past their policy for as long as it looks.

use std::{fs, path::Path, sync::OnceLock};

use serde_json::Value;

use super::Chromium;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/axe-core/package/axe.min.js");
const RUN: &str =
    "axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'], resultTypes: ['violations'] }).then((found) =>
    found.violations.map((one) => one.impact + ' ' + one.id + ': ' + one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160) + ' ' +
    (node.any[0] || node.all[0] || node.none[0] || {}).message).join(' | ') + ' (' + one.nodes.length + ')'))";

fn source() -> &'static str {
    static SOURCE: OnceLock<String> = OnceLock::new();
    SOURCE.get_or_init(|| fs::read_to_string(Path::new(FILE)).unwrap_or_else(|error| panic!("{FILE}: {error}; .ci/browser fetches it")))
}

/// What is wrong with the page as it is now, in the words of axe.
pub fn violations(browser: &Chromium) -> Vec<String> {
    if browser.eval("typeof axe") == "undefined" {
        browser.eval(&format!("{};0", source()));
    }
    let Value::Array(found) = browser.eval(RUN) else { panic!("axe did not answer") };
    found.into_iter().map(|one| one.as_str().unwrap_or_default().to_owned()).collect()
}
