//! Small pictures of large ones: made when they are first asked for, and kept.

use std::{
    fs::{self, File},
    io::{BufReader, BufWriter, Write},
};

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use super::{Storage, blocking, lost, refused};
use crate::error::{Error, Result};

/// The lengths of the long side that thumbnails are made in.
const SIZES: [u32; 4] = [64, 128, 256, 512];
/// What decoding a picture may take: four bytes for each of 40 megapixels, and as much again for rotating it.
const MEMORY: u64 = 400 << 20;

impl Storage {
    /// A small picture of the picture with a hash, as PNG or, of a photograph, JPEG: `size` is the least its long side has, of a picture
    /// that is larger.
    ///
    /// # Errors
    /// `size` is refused when it is not between 64 and 512, the picture when it cannot be read.
    pub async fn thumbnail(&self, sha256: &str, content_type: &str, size: u32) -> Result<(Vec<u8>, &'static str)> {
        let Some(size) = SIZES.into_iter().find(|known| size >= SIZES[0] && *known >= size) else {
            return Err(Error::field("size", "Ensure this value is between 64 and 512."));
        };
        let (format, made) = match content_type {
            "image/jpeg" => (ImageFormat::Jpeg, ImageFormat::Jpeg),
            "image/png" => (ImageFormat::Png, ImageFormat::Png),
            "image/webp" => (ImageFormat::WebP, ImageFormat::Png),
            _ => return Err(Error::NotFound("There are thumbnails of PNG, JPEG and WebP pictures only.".into())),
        };
        let place = self.thumbnail_place(sha256, size);
        if let Ok(kept) = tokio::fs::read(&place).await {
            return Ok((kept, made.to_mime_type()));
        }
        let _turn = self.0.thumbnails.acquire().await.map_err(Error::internal)?;
        let (storage, sha256) = (self.clone(), sha256.to_owned());
        let bytes = blocking(move || {
            let bytes = encoded(&decoded(&storage, &sha256, format)?, size, made)?;
            // Kept if it can be: it can be made again.
            let kept = storage.temporary().and_then(|(temporary, mut file)| {
                file.write_all(&bytes).and_then(|()| fs::rename(&temporary.0, &place)).map_err(|error| refused(&error))
            });
            drop(kept);
            Ok(bytes)
        });
        Ok((bytes.await?, made.to_mime_type()))
    }
}

fn decoded(storage: &Storage, sha256: &str, format: ImageFormat) -> Result<DynamicImage> {
    let file = File::open(storage.place(sha256)?).map_err(|error| lost(sha256, &error))?;
    let mut reader = ImageReader::with_format(BufReader::new(file), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MEMORY);
    reader.limits(limits);
    let unreadable = |_| Error::conflict("unreadable_picture", "This picture cannot be read: it is damaged.");
    let mut decoder = reader.into_decoder().map_err(unreadable)?;
    // Photographs say which way up they were taken.
    let orientation = decoder.orientation().map_err(unreadable)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(unreadable)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

fn encoded(picture: &DynamicImage, size: u32, format: ImageFormat) -> Result<Vec<u8>> {
    let small = if picture.width().max(picture.height()) > size { picture.thumbnail(size, size) } else { picture.clone() };
    // JPEG has no transparency and no 16-bit colours.
    let small =
        if format == ImageFormat::Jpeg { DynamicImage::ImageRgb8(small.into_rgb8()) } else { DynamicImage::ImageRgba8(small.into_rgba8()) };
    let mut out = BufWriter::new(std::io::Cursor::new(vec![]));
    small.write_to(&mut out, format).map_err(Error::internal)?;
    out.into_inner().map(std::io::Cursor::into_inner).map_err(Error::internal)
}
