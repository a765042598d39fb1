//! A file as it arrives: written piece by piece, never whole in memory, and hashed and looked at on the way.

use std::{
    fs::{self, File},
    io::{BufReader, Read, Seek, SeekFrom, Write},
    path::Path,
};

use sha2::{Digest, Sha256};

use super::{
    Storage, Temporary, blocking, refused,
    sniff::{self, Text},
    sync_folder,
};
use crate::{
    db::create_folder,
    error::{Error, Result},
    kit::hex::hex,
};

/// So much is gathered before the disk is asked.
const PIECE: usize = 256 * 1024;
/// So much of the beginning and of the end of a file tells what it is.
const TELLING: u64 = 64 * 1024;
/// Larger pictures take more memory to show than anybody should be able to make others spend.
const MOST_PIXELS: u64 = 40_000_000;

/// A file that is arriving. Dropped before it is kept, it leaves nothing behind.
pub struct Incoming {
    storage: Storage,
    /// `None` while a piece is being written.
    writing: Option<Writing>,
    gathered: Vec<u8>,
    size: usize,
}

/// What travels to the thread that writes a piece, and back.
struct Writing {
    temporary: Temporary,
    file: File,
    hasher: Sha256,
    text: Text,
}

/// A file that is kept: what can be told of its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub sha256: String,
    pub size: i64,
    pub content_type: &'static str,
    /// Of an image, in pixels.
    pub dimensions: Option<(u32, u32)>,
}

impl Incoming {
    pub async fn new(storage: &Storage) -> Result<Self> {
        let mine = storage.clone();
        let (temporary, file) = blocking(move || mine.temporary()).await?;
        let writing = Writing { temporary, file, hasher: Sha256::new(), text: Text::default() };
        Ok(Self { storage: storage.clone(), writing: Some(writing), gathered: vec![], size: 0 })
    }

    /// How many bytes have arrived.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The next bytes.
    ///
    /// # Errors
    /// `TooLarge` when they are too many.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.size += bytes.len();
        if self.size > self.storage.max_bytes() {
            return Err(Error::TooLarge);
        }
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= PIECE { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<()> {
        let mut writing = self.writing.take().ok_or_else(|| Error::internal("a file that broke off"))?;
        let piece = std::mem::take(&mut self.gathered);
        let writing = blocking(move || {
            writing.hasher.update(&piece);
            writing.text.read(&piece);
            writing.file.write_all(&piece).map_err(|error| refused(&error))?;
            Ok(writing)
        });
        self.writing = Some(writing.await?);
        Ok(())
    }

    /// Looks at what has arrived and keeps it: once this answers, the bytes outlast a crash.
    ///
    /// # Errors
    /// What is empty, of a type that is not taken, or too large a picture is refused by the field `file`.
    pub async fn keep(mut self, filename: String) -> Result<Kept> {
        if self.size == 0 {
            return Err(Error::field("file", "The submitted file is empty."));
        }
        self.flush().await?;
        let writing = self.writing.take().ok_or_else(|| Error::internal("a file that broke off"))?;
        let (storage, size) = (self.storage.clone(), i64::try_from(self.size).map_err(Error::internal)?);
        blocking(move || keep(&storage, writing, size, &filename)).await
    }
}

fn keep(storage: &Storage, writing: Writing, size: i64, filename: &str) -> Result<Kept> {
    let Writing { temporary, mut file, hasher, text } = writing;
    let (head, tail) = ends(&mut file).map_err(|error| refused(&error))?;
    let content_type = sniff::content_type(&head, &tail, text.is_text(), filename)?;
    let dimensions = dimensions(&mut file, content_type)?;
    let sha256: String = hex(&hasher.finalize());
    let place = storage.place(&sha256)?;
    let folder = place.parent().unwrap_or(Path::new("")).to_owned();
    let stored = || {
        if fs::metadata(&place).is_ok_and(|there| there.len() == size.unsigned_abs()) {
            // The same bytes: they are here already. Younger, so that no sweep takes them before the row is there.
            return File::open(&place)?.set_modified(std::time::SystemTime::now());
        }
        file.sync_all()?;
        create_folder(&folder).map_err(std::io::Error::other)?;
        fs::rename(&temporary.0, &place)?;
        sync_folder(&folder)?;
        // The folder itself may be new.
        sync_folder(folder.parent().unwrap_or(Path::new("")))
    };
    stored().map_err(|error| refused(&error))?;
    Ok(Kept { sha256, size, content_type, dimensions })
}

/// The beginning of a file and its end.
fn ends(file: &mut File) -> std::io::Result<(Vec<u8>, Vec<u8>)> {
    let (mut head, mut tail) = (vec![], vec![]);
    file.seek(SeekFrom::Start(0))?;
    file.take(TELLING).read_to_end(&mut head)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TELLING)))?;
    file.take(TELLING).read_to_end(&mut tail)?;
    Ok((head, tail))
}

/// How large a picture is, by its header alone.
fn dimensions(file: &mut File, content_type: &str) -> Result<Option<(u32, u32)>> {
    let Some(format) = image::ImageFormat::from_mime_type(content_type) else { return Ok(None) };
    file.seek(SeekFrom::Start(0)).map_err(|error| refused(&error))?;
    let read = image::ImageReader::with_format(BufReader::new(&mut *file), format).into_dimensions();
    let unreadable = || Error::field("file", "This picture cannot be read: it is damaged, or no picture.");
    let (width, height) = read.map_err(|_| unreadable())?;
    if width == 0 || height == 0 {
        return Err(unreadable());
    }
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(Error::field("file", "This picture is too large: it has more than 40 megapixels."));
    }
    Ok(Some((width, height)))
}
