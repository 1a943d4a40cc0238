//! Which media were made of which, in memory.

use async_trait::async_trait;

use super::Memory;
use crate::{
    Result,
    media::{Media, MediaKey},
    port::RenditionStore,
    preflight::Profile,
};

#[async_trait]
impl RenditionStore for Memory {
    async fn find(&self, source: &MediaKey, profile: &Profile) -> Result<Option<Media>> {
        self.unit(|world| {
            let made = world.renditions.get(source).map(Vec::as_slice).unwrap_or_default();
            Ok(made.iter().rev().find(|(own, _)| own == profile).map(|(_, media)| media.clone()))
        })
    }

    async fn keep(&self, source: &MediaKey, profile: &Profile, made: &Media) -> Result<()> {
        self.unit(|world| {
            let all = world.renditions.entry(*source).or_default();
            all.retain(|(own, media)| own != profile || media.key != made.key);
            all.push((profile.clone(), made.clone()));
            Ok(())
        })
    }

    async fn of(&self, source: &MediaKey) -> Result<Vec<MediaKey>> {
        self.unit(|world| {
            let made = world.renditions.get(source).map(Vec::as_slice).unwrap_or_default();
            let keys: std::collections::BTreeSet<_> = made.iter().map(|(_, media)| media.key).collect();
            Ok(keys.into_iter().collect())
        })
    }

    async fn forget(&self, source: &MediaKey) -> Result<()> {
        self.unit(|world| {
            world.renditions.remove(source);
            Ok(())
        })
    }
}
