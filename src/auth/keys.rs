//! The keys that sign tokens.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use crate::{
    error::{Error, Result},
    kit::hex::hex,
    secrets::files::{MIN_BYTES, is_there, make_folder, make_key, parse, read_text, remove, replace_keys},
};

/// The key that signs tokens, and the one that did before it.
const JWT: &str = "jwt.key";
const OLD: &str = "jwt.old.key";

/// What manuals and examples use as a key, and people copy.
const COPIED: [&str; 8] =
    ["django-insecure", "change-me", "changeme", "change_me", "your-256-bit-secret", "your-secret", "your_secret", "secret-key"];

/// The keys of the installation. It has no `Debug` and no `Display`, so that a key cannot end up in a log.
pub struct Keys {
    jwt: Vec<u8>,
    old: Option<Old>,
}

/// The key that the present one took the place of.
struct Old {
    key: Vec<u8>,
    rotated_at: Timestamp,
}

impl Keys {
    /// Reads `jwt.key` in the folder (`<data>/keys`), both of which are made, for the owner alone, when they are not there. The file holds
    /// the key as hex digits. With a `jwt_override` (from the configuration) that is not empty, its bytes are the key and the folder is
    /// not looked at.
    ///
    /// # Errors
    /// [`Error::Internal`] with one sentence for the operator when the key is shorter than 32 bytes or not hex, when group or others have
    /// any access to the file or the folder, when the file is a symbolic link or not a file, and when the system refuses.
    pub fn open(folder: &Path, jwt_override: &str) -> Result<Self> {
        if !jwt_override.is_empty() {
            let jwt = jwt_override.as_bytes().to_vec();
            if jwt.len() < MIN_BYTES {
                return Err(Error::internal(format!("The JWT key in the configuration is shorter than {MIN_BYTES} bytes.")));
            }
            if is_known(jwt_override) {
                return Err(Error::internal("The JWT key in the configuration is one that everybody knows; take 32 random bytes."));
            }
            return Ok(Self { jwt, old: None });
        }
        make_folder(folder)?;
        let path = folder.join(JWT);
        make_key(folder, &path)?;
        Ok(Self { jwt: read_key(&path)?, old: read_old(folder)? })
    }

    /// Makes a new key to sign with. The one before stays to read with; the one before that goes. Interrupted, nothing is lost.
    pub fn rotate(folder: &Path, now: Timestamp) -> Result<Self> {
        let current = read_key(&folder.join(JWT))?;
        let mut key = [0; MIN_BYTES];
        getrandom::fill(&mut key).map_err(|error| Error::internal(format!("No random bytes for a key: {error}.")))?;
        replace_keys(folder, &folder.join(OLD), &format!("{}\n{now}\n", hex(&current)))?;
        replace_keys(folder, &folder.join(JWT), &(hex(&key) + "\n"))?;
        Ok(Self { jwt: key.to_vec(), old: Some(Old { key: current, rotated_at: now }) })
    }

    /// Forgets the key before: what it signed is good for nothing any more.
    pub fn retire(folder: &Path) -> Result<Self> {
        remove(folder, &folder.join(OLD))?;
        Ok(Self { jwt: read_key(&folder.join(JWT))?, old: None })
    }

    /// The key before, and when it is to be taken no more: when all that it signed has ended by itself.
    pub fn retiring(&self, longest: SignedDuration) -> Option<(&[u8], Timestamp)> {
        self.old.as_ref().map(|old| (&*old.key, old.rotated_at + longest))
    }

    /// The key that signs tokens (HS256), at least 32 bytes.
    pub fn jwt(&self) -> &[u8] {
        &self.jwt
    }
}

/// Is this no secret at all?
fn is_known(text: &str) -> bool {
    let lower = text.to_lowercase();
    COPIED.iter().any(|known| lower.contains(known)) || text.bytes().all(|byte| Some(byte) == text.bytes().next())
}

/// The key before, if it is kept: the key, and in a line of its own when another took its place.
fn read_old(folder: &Path) -> Result<Option<Old>> {
    let path = folder.join(OLD);
    if !is_there(&path) {
        return Ok(None);
    }
    let text = read_text(&path)?;
    let mut lines = text.lines();
    let key = parse(&path, lines.next().unwrap_or_default())?;
    let rotated_at = lines.next().and_then(|line| line.trim().parse().ok());
    let rotated_at = rotated_at.ok_or_else(|| Error::internal(format!("{} does not say when it was replaced.", path.display())))?;
    Ok(Some(Old { key, rotated_at }))
}

fn read_key(path: &Path) -> Result<Vec<u8>> {
    parse(path, read_text(path)?.trim())
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
        path::PathBuf,
    };

    use super::*;

    /// A folder of its own for each test, removed at its end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new() -> Self {
            let mut name = [0; 8];
            getrandom::fill(&mut name).unwrap();
            let path = std::env::temp_dir().join(format!("studio-keys-{}", hex(&name)));
            fs::create_dir(&path).unwrap();
            Self(path)
        }
        fn folder(&self) -> PathBuf {
            self.0.join("keys")
        }
        fn file(&self) -> PathBuf {
            self.folder().join("jwt.key")
        }
        fn open(&self) -> Result<Keys> {
            Keys::open(&self.folder(), "")
        }
        fn refusal(&self) -> String {
            self.open().err().unwrap().to_string()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn is_made_once_and_for_the_owner_alone() {
        let scratch = Scratch::new();
        let first = scratch.open().unwrap();
        assert_eq!((mode(&scratch.folder()), mode(&scratch.file())), (0o700, 0o600));
        assert_eq!(first.jwt().len(), 32);
        assert_eq!(fs::read_to_string(scratch.file()).unwrap(), hex(first.jwt()) + "\n");
        assert_eq!(scratch.open().unwrap().jwt(), first.jwt());
        assert_ne!(Scratch::new().open().unwrap().jwt(), first.jwt());
    }

    #[test]
    fn what_others_can_reach_is_refused() {
        let scratch = Scratch::new();
        scratch.open().unwrap();
        for bits in [0o640, 0o604, 0o610, 0o602] {
            fs::set_permissions(scratch.file(), PermissionsExt::from_mode(bits)).unwrap();
            assert!(scratch.refusal().ends_with(&format!("`chmod 600 {}`.", scratch.file().display())));
        }
        fs::set_permissions(scratch.file(), PermissionsExt::from_mode(0o400)).unwrap();
        scratch.open().unwrap();
        fs::set_permissions(scratch.folder(), PermissionsExt::from_mode(0o750)).unwrap();
        assert!(scratch.refusal().ends_with(&format!("`chmod 700 {}`.", scratch.folder().display())));
    }

    #[test]
    fn short_odd_and_linked_keys_are_refused() {
        let scratch = Scratch::new();
        scratch.open().unwrap();
        for (text, reason) in [
            ("", "shorter than 32 bytes"),
            (&"ab".repeat(31), "shorter than 32 bytes"),
            (&"a".repeat(65), "hex"),
            (&"zz".repeat(32), "hex"),
            (&"+1".repeat(32), "hex"),
        ] {
            fs::write(scratch.file(), text).unwrap();
            assert!(scratch.refusal().contains(reason), "{text}");
        }
        fs::write(scratch.file(), "0aFF".repeat(20)).unwrap();
        assert_eq!(scratch.open().unwrap().jwt(), [0x0a, 0xff].repeat(20));

        let elsewhere = scratch.0.join("elsewhere");
        fs::rename(scratch.file(), &elsewhere).unwrap();
        symlink(&elsewhere, scratch.file()).unwrap();
        assert!(scratch.refusal().contains("symbolic link"));
        fs::remove_file(&elsewhere).unwrap(); // dangling: nothing is written through it
        assert!(scratch.refusal().contains("symbolic link") && !elsewhere.exists());
        fs::remove_file(scratch.file()).unwrap();
        fs::create_dir(scratch.file()).unwrap();
        assert!(scratch.refusal().contains("is not a file"));
    }

    #[test]
    fn a_new_key_keeps_the_one_before() {
        let scratch = Scratch::new();
        let first = scratch.open().unwrap().jwt().to_vec();
        assert!(scratch.open().unwrap().retiring(SignedDuration::ZERO).is_none());
        let now: Timestamp = "2026-03-02T09:00:00Z".parse().unwrap();
        let day = SignedDuration::from_hours(24);
        let second = Keys::rotate(&scratch.folder(), now).unwrap().jwt().to_vec();
        let opened = scratch.open().unwrap();
        assert_eq!((opened.jwt(), opened.retiring(day)), (&*second, Some((&*first, now + day))));
        assert_ne!(first, second);
        assert_eq!((mode(&scratch.file()), mode(&scratch.folder().join(OLD))), (0o600, 0o600));
        Keys::rotate(&scratch.folder(), now + day).unwrap();
        assert_eq!(scratch.open().unwrap().retiring(day), Some((&*second, now + day + day)));
        Keys::retire(&scratch.folder()).unwrap();
        assert!(scratch.open().unwrap().retiring(day).is_none() && Keys::retire(&scratch.folder()).is_ok());
        fs::write(scratch.folder().join(OLD), "ab").unwrap();
        fs::set_permissions(scratch.folder().join(OLD), PermissionsExt::from_mode(0o600)).unwrap();
        assert!(scratch.refusal().contains("shorter than 32 bytes"));
    }

    #[test]
    fn keys_that_everybody_knows_are_refused() {
        let scratch = Scratch::new();
        for key in ["django-insecure-0123456789abcdef0123456789abcdef", "Change-Me-0123456789abcdef0123456789", &"a".repeat(40)] {
            assert!(Keys::open(&scratch.folder(), key).err().unwrap().to_string().contains("everybody knows"), "{key}");
        }
    }

    #[test]
    fn the_configuration_can_give_the_key() {
        let scratch = Scratch::new();
        let key = "0123456789abcdef0123456789abcdef";
        assert_eq!(Keys::open(&scratch.folder(), key).unwrap().jwt(), key.as_bytes());
        assert!(!scratch.folder().exists());
        assert!(Keys::open(&scratch.folder(), &key[1..]).err().unwrap().to_string().contains("shorter than 32 bytes"));
    }
}
