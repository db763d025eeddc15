//! Whether an image carries the label that only a container itself may carry.
//!
//! Images are content: an id never means other labels, so answers are kept per host. An image that cannot be looked at
//! is not remembered: it may come back.

use std::collections::HashMap;
use std::sync::PoisonError;

use super::host::{Host, Op};
use fettle_core::ports::platform::PlatformError;
use fettle_core::sight::ImageLabel;

/// The permission.
pub(super) const ENABLE: &str = "fettle.enable";

/// Most images remembered per host, about 100 bytes each; when full all are forgotten, which costs one look for each.
const KEPT_MAX: usize = 1024;

/// Image id to what was seen.
#[derive(Debug, Default)]
pub(super) struct ImageCache(HashMap<String, ImageLabel>);

impl ImageCache {
    fn keep(&mut self, image: String, label: ImageLabel) {
        if self.0.len() >= KEPT_MAX {
            self.0.clear();
        }
        self.0.insert(image, label);
    }
}

/// Looks at the image with this id. Any answer but a good one is `Unreadable`; a daemon that does not answer at all is
/// an error, because then nothing is known and the look as a whole may be repeated.
pub(super) async fn label(host: &Host, image: Option<&str>) -> Result<ImageLabel, PlatformError> {
    let Some(image) = image.filter(|image| is_image_id(image)) else { return Ok(ImageLabel::Unreadable) };
    if let Some(label) = cache(host).0.get(image) {
        return Ok(*label);
    }
    let label = match host.see(Op::InspectImage, |client| async move { client.inspect_image(image).await }).await {
        Ok(seen) => match seen.config.and_then(|config| config.labels) {
            Some(labels) if labels.contains_key(ENABLE) => ImageLabel::Present,
            _ => ImageLabel::Absent,
        },
        Err(PlatformError::Answered { .. }) => return Ok(ImageLabel::Unreadable),
        Err(error) => return Err(error),
    };
    cache(host).keep(image.to_owned(), label);
    Ok(label)
}

fn cache(host: &Host) -> std::sync::MutexGuard<'_, ImageCache> {
    host.images.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An image by content, not by a tag that may move: `sha256:` and 64 digits.
fn is_image_id(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(super::is_full_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_content_ids_are_looked_up() {
        assert!(is_image_id(&format!("sha256:{}", "0a".repeat(32))));
        for text in ["", "web:1", "sha256:", "sha256:0a", "../volumes/prune", &"0a".repeat(32)] {
            assert!(!is_image_id(text), "{text}");
        }
    }

    #[test]
    fn the_cache_is_bounded() {
        let mut cache = ImageCache::default();
        for n in 0..3 * KEPT_MAX {
            cache.keep(n.to_string(), ImageLabel::Absent);
            assert!(cache.0.len() <= KEPT_MAX);
        }
        assert_eq!(cache.0.get(&(3 * KEPT_MAX - 1).to_string()), Some(&ImageLabel::Absent));
    }
}
