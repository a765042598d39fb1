//! The stylesheet, the script, and that of pages with passkeys, by names that change with what is in them: browsers keep them for a year.

use std::sync::LazyLock;

use poem::{Response, http::StatusCode};
use sha2::{Digest, Sha256};

use crate::kit::hex::hex;

/// A file that pages refer to.
pub(super) struct Asset {
    pub name: String,
    text: &'static str,
    media: &'static str,
}

impl Asset {
    fn new(stem: &str, ending: &str, text: &'static str, media: &'static str) -> Self {
        let hash: String = hex(&Sha256::digest(text)[..6]);
        Self { name: format!("{stem}-{hash}.{ending}"), text, media }
    }
}

pub(super) static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("panel", "css", include_str!("assets/panel.css"), "text/css; charset=utf-8"));
pub(super) static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("panel", "js", include_str!("assets/panel.js"), "text/javascript; charset=utf-8"));
pub(super) static PASSKEYS: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("passkeys", "js", include_str!("assets/passkeys.js"), "text/javascript; charset=utf-8"));
pub(super) static ICON: LazyLock<Asset> = LazyLock::new(|| Asset::new("icon", "svg", include_str!("assets/icon.svg"), "image/svg+xml"));

/// The file of this name.
pub(super) fn serve(name: &str) -> Option<Response> {
    let asset = [&*STYLE, &*SCRIPT, &*PASSKEYS, &*ICON].into_iter().find(|asset| asset.name == name)?;
    let response = Response::builder().status(StatusCode::OK).content_type(asset.media);
    Some(response.header("cache-control", "public, max-age=31536000, immutable").body(asset.text))
}
