//! Keys in files of their own, which nobody else may read.

use std::{
    fs::{self, DirBuilder, File, Metadata, OpenOptions},
    io::{ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use crate::{
    error::{Error, Result},
    kit::hex::{hex, unhex},
};

/// The shortest key, in bytes: what HS256 asks for (RFC 7518, 3.2).
pub const MIN_BYTES: usize = 32;
/// The longest key file that is read, in bytes.
const MAX_FILE: u64 = 4096;

/// A sentence of what could not be done to which path.
fn refused<'a>(verb: &'a str, path: &'a Path) -> impl Fn(std::io::Error) -> Error + 'a {
    move |error| Error::internal(format!("Could not {verb} {}: {error}.", path.display()))
}

/// Refuses a file or folder to which anybody but the owner has any access.
fn private(path: &Path, metadata: &Metadata, mode: &str) -> Result<()> {
    if metadata.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    let path = path.display();
    Err(Error::internal(format!("{path} is open to other users of this machine; close it with `chmod {mode} {path}`.")))
}

/// Makes sure that what the folder lists is on the disk.
fn sync_folder(path: &Path) -> Result<()> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(refused("write", path))
}

/// Makes a folder for this user alone, or refuses one that others can reach.
pub fn make_folder(folder: &Path) -> Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => match folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Some(parent) => sync_folder(parent)?,
            None => sync_folder(Path::new("."))?,
        },
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(refused("create", folder)(error)),
    }
    let metadata = fs::metadata(folder).map_err(refused("read", folder))?;
    if !metadata.is_dir() {
        return Err(Error::internal(format!("{} is not a folder.", folder.display())));
    }
    private(folder, &metadata, "700")
}

/// Writes a new random key, unless there is something under that name.
pub fn make_key(folder: &Path, path: &Path) -> Result<()> {
    let mut key = [0; MIN_BYTES];
    getrandom::fill(&mut key).map_err(|error| Error::internal(format!("No random bytes for a key: {error}.")))?;
    // `create_new` follows no link and replaces nothing.
    let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(refused("create", path)(error)),
    };
    if let Err(error) = file.write_all((hex(&key) + "\n").as_bytes()).and_then(|()| file.sync_all()) {
        // Half a key would be refused at the next start.
        let _ = fs::remove_file(path);
        return Err(refused("write", path)(error));
    }
    sync_folder(folder)
}

/// Puts other keys in the place of those in a file, all or none of them.
pub fn replace_keys(folder: &Path, path: &Path, text: &str) -> Result<()> {
    let next = path.with_extension("next");
    // What an interrupted replacement has left.
    remove(folder, &next)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&next).map_err(refused("create", &next))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(refused("write", &next))?;
    fs::rename(&next, path).map_err(refused("replace", path))?;
    sync_folder(folder)
}

/// Removes a file of keys, if it is there.
pub fn remove(folder: &Path, path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(refused("remove", path)(error)),
        _ => sync_folder(folder),
    }
}

/// Is anything there, were it a link that leads nowhere?
pub fn is_there(path: &Path) -> bool {
    !fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// The text of a file of keys, which nobody else may read.
pub fn read_text(path: &Path) -> Result<String> {
    let named = fs::symlink_metadata(path).map_err(refused("read", path))?;
    if named.is_symlink() {
        return Err(Error::internal(format!("{} is a symbolic link; put the key itself there.", path.display())));
    }
    // Before it is opened: opening a pipe would wait for its writer.
    if !named.is_file() {
        return Err(Error::internal(format!("{} is not a file.", path.display())));
    }
    let file = File::open(path).map_err(refused("read", path))?;
    let opened = file.metadata().map_err(refused("read", path))?;
    if (opened.dev(), opened.ino()) != (named.dev(), named.ino()) {
        return Err(Error::internal(format!("{} was replaced while it was read.", path.display())));
    }
    private(path, &opened, "600")?;
    // Whose process this is, where the system tells. Root may read anybody's.
    let me = fs::metadata("/proc/self").map(|me| me.uid()).unwrap_or(0);
    if me != 0 && opened.uid() != me {
        return Err(Error::internal(format!("{} belongs to another user of this machine.", path.display())));
    }
    let mut text = String::new();
    file.take(MAX_FILE).read_to_string(&mut text).map_err(refused("read", path))?;
    Ok(text)
}

/// A key in hex digits.
pub fn parse(path: &Path, text: &str) -> Result<Vec<u8>> {
    let key = unhex(text).ok_or_else(|| Error::internal(format!("{} does not hold a key in hex digits.", path.display())))?;
    if key.len() < MIN_BYTES {
        return Err(Error::internal(format!("The key in {} is shorter than {MIN_BYTES} bytes.", path.display())));
    }
    Ok(key)
}
