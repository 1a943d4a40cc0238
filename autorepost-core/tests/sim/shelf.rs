//! The media store and the rate limiter, with a point to crash at before and after each effect.

use std::ops::Range;

use async_trait::async_trait;
use autorepost_core::{
    Platform, Result,
    media::{Media, MediaFacts, MediaKey, VideoCodec, VideoTrack},
    memory::{MemoryLimiter, MemoryMedia},
    port::{Budget, ByteStream, Converter, MediaStore, Permit, Probe, RateLimiter, Stored},
    preflight::{self, Profile, Verdict},
};
use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::hub::tick;

/// One in four must be converted for X.
fn is_hevc(source: &MediaKey) -> bool {
    source.to_string().starts_with(['0', '4', '8', 'c'])
}

fn hevc() -> MediaFacts {
    let upright = MemoryMedia::upright(9_000);
    MediaFacts { video: VideoTrack { codec: VideoCodec::Hevc, ..upright.video }, ..upright }
}

/// What a platform must be sent of a source: the source, or what was made of it.
pub fn sent(platform: Platform, source: MediaKey) -> MediaKey {
    match preflight::check(&hevc(), 1, platform, false) {
        Verdict::Convert { profile, .. } if is_hevc(&source) => {
            MediaKey::of(format!("{source} as {profile}").as_bytes())
        }
        _ => source,
    }
}

async fn around<T>(work: impl Future<Output = T>) -> T {
    tick().await;
    let result = work.await;
    tick().await;
    result
}

#[derive(Default)]
pub struct Shelf(MemoryMedia);

#[async_trait]
impl MediaStore for Shelf {
    async fn put(&self, body: ByteStream, bytes_max: u64) -> Result<Stored> {
        let stored = around(self.0.put(body, bytes_max)).await?;
        if is_hevc(&stored.key) {
            self.0.set_facts(stored.key, Ok(hevc()));
        }
        Ok(stored)
    }

    async fn open(&self, key: &MediaKey, range: Range<u64>) -> Result<ByteStream> {
        around(self.0.open(key, range)).await
    }

    async fn size(&self, key: &MediaKey) -> Result<Option<u64>> {
        around(self.0.size(key)).await
    }

    async fn remove(&self, key: &MediaKey) -> Result<()> {
        around(self.0.remove(key)).await
    }

    async fn url(&self, key: &MediaKey, expires_at: DateTime<Utc>) -> Result<Option<String>> {
        around(self.0.url(key, expires_at)).await
    }
}

#[async_trait]
impl Probe for Shelf {
    async fn probe(&self, key: &MediaKey) -> Result<MediaFacts> {
        around(self.0.probe(key)).await
    }
}

#[async_trait]
impl Converter for Shelf {
    async fn convert(
        &self,
        source: &Media,
        profile: &Profile,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Stored> {
        around(self.0.convert(source, profile, progress)).await
    }

    async fn still(&self, source: &Media, offset_ms: u32, bytes_max: u64) -> Result<Bytes> {
        around(self.0.still(source, offset_ms, bytes_max)).await
    }
}

#[derive(Default)]
pub struct Budgets(MemoryLimiter);

#[async_trait]
impl RateLimiter for Budgets {
    async fn acquire(&self, budget: &Budget, now: DateTime<Utc>) -> Result<Permit> {
        around(self.0.acquire(budget, now)).await
    }

    async fn close(&self, name: &str, until: DateTime<Utc>) -> Result<()> {
        around(self.0.close(name, until)).await
    }

    async fn closed_until(&self, name: &str, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
        around(self.0.closed_until(name, now)).await
    }
}
