//! Media in memory.

use std::{
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    ops::Range,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_core::Stream;

use crate::{
    Error, ErrorKind, Result,
    media::{AudioCodec, AudioTrack, Container, Details, Media, MediaFacts, MediaKey, VideoCodec, VideoTrack},
    port::{ByteStream, Converter, MediaStore, Probe, Stored},
    preflight::{Pictures, Profile, Sound},
};

/// The size of the pieces that the store streams, in bytes.
const CHUNK_BYTES: usize = 64 << 10;

/// A stream of bytes that are all there already.
pub fn chunks(bytes: Bytes) -> ByteStream {
    let mut pieces = VecDeque::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        pieces.push_back(rest.split_to(rest.len().min(CHUNK_BYTES)));
    }
    Box::pin(Pieces(pieces))
}

struct Pieces(VecDeque<Bytes>);

impl Stream for Pieces {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

/// Keeps media in memory. Probing gives the facts that were set, or those of a nine-second upright clip.
#[derive(Default)]
pub struct MemoryMedia {
    stored: Mutex<BTreeMap<MediaKey, Bytes>>,
    facts: Mutex<BTreeMap<MediaKey, Result<MediaFacts, String>>>,
    refusals: Mutex<VecDeque<Error>>,
}

impl MemoryMedia {
    /// Sets what probing these bytes gives: facts, or why they are no video.
    pub fn set_facts(&self, key: MediaKey, facts: Result<MediaFacts, String>) {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).insert(key, facts);
    }

    /// Lets the next conversion fail with this; those that come later go on the queue.
    pub fn refuse_conversion(&self, error: Error) {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).push_back(error);
    }

    /// The facts of an upright clip of this length that every destination takes, if it is not too long.
    pub fn upright(duration_ms: u64) -> MediaFacts {
        MediaFacts {
            container: Container::Mp4,
            moov_first: true,
            fragmented: false,
            duration_ms,
            video: VideoTrack {
                codec: VideoCodec::H264,
                width: 576,
                height: 1024,
                rotation: 0,
                frame_rate_milli: 30_000,
            },
            audio: Some(AudioTrack { codec: AudioCodec::Aac, channels: 2, sample_rate: 44_100 }),
            details: Details::default(),
        }
    }

    fn stored(&self) -> MutexGuard<'_, BTreeMap<MediaKey, Bytes>> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl MediaStore for MemoryMedia {
    async fn put(&self, mut body: ByteStream, bytes_max: u64) -> Result<Stored> {
        let mut bytes = Vec::new();
        while let Some(chunk) = poll_fn(|cx| body.as_mut().poll_next(cx)).await {
            bytes.extend_from_slice(&chunk?);
            if bytes.len() as u64 > bytes_max {
                let text = format!("the media is larger than the limit of {bytes_max} bytes");
                return Err(Error::new(ErrorKind::Rejected, "store media", text));
            }
        }
        let key = MediaKey::of(&bytes);
        let stored = Stored { key, bytes: bytes.len() as u64 };
        self.stored().insert(key, bytes.into());
        Ok(stored)
    }

    async fn open(&self, key: &MediaKey, range: Range<u64>) -> Result<ByteStream> {
        let bytes = self.stored().get(key).cloned();
        let bytes = bytes.ok_or_else(|| Error::not_found("open media", format!("no media {key} is stored")))?;
        let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let (start, end) = (at(range.start), at(range.end));
        Ok(chunks(bytes.slice(start..end.max(start))))
    }

    async fn size(&self, key: &MediaKey) -> Result<Option<u64>> {
        Ok(self.stored().get(key).map(|bytes| bytes.len() as u64))
    }

    async fn remove(&self, key: &MediaKey) -> Result<()> {
        self.stored().remove(key);
        Ok(())
    }

    async fn url(&self, _: &MediaKey, _: DateTime<Utc>) -> Result<Option<String>> {
        Ok(None)
    }
}

#[async_trait]
impl Probe for MemoryMedia {
    async fn probe(&self, key: &MediaKey) -> Result<MediaFacts> {
        if self.size(key).await?.is_none() {
            return Err(Error::not_found("probe media", format!("no media {key} is stored")));
        }
        match self.facts.lock().unwrap_or_else(PoisonError::into_inner).get(key) {
            Some(Ok(facts)) => Ok(facts.clone()),
            Some(Err(why)) => Err(Error::new(ErrorKind::Rejected, "probe media", why.clone())),
            None => Ok(Self::upright(9_000)),
        }
    }
}

/// Bytes that name their source and profile, with the facts that the profile asks for.
#[async_trait]
impl Converter for MemoryMedia {
    async fn convert(
        &self,
        source: &Media,
        profile: &Profile,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Stored> {
        let refusal = self.refusals.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        if let Some(error) = refusal {
            return Err(error);
        }
        if self.size(&source.key).await?.is_none() {
            return Err(Error::not_found("convert media", format!("no media {} is stored", source.key)));
        }
        let facts = converted(&source.facts, profile);
        progress(facts.duration_ms);
        let stored = self.put(chunks(format!("{} as {profile}", source.key).into()), u64::MAX).await?;
        self.set_facts(stored.key, Ok(facts));
        Ok(stored)
    }

    async fn still(&self, source: &Media, offset_ms: u32, _: u64) -> Result<Bytes> {
        if self.size(&source.key).await?.is_none() {
            return Err(Error::not_found("take picture", format!("no media {} is stored", source.key)));
        }
        Ok(format!("{} at {offset_ms} ms", source.key).into())
    }
}

/// The facts of what a profile makes of a video.
fn converted(source: &MediaFacts, profile: &Profile) -> MediaFacts {
    let mut facts = MediaFacts { moov_first: true, fragmented: false, container: Container::Mp4, ..source.clone() };
    facts.details.edited = None;
    facts.duration_ms = profile.trim_ms.unwrap_or(u64::MAX).min(source.duration_ms);
    if let Pictures::Encode(encoding) = &profile.pictures {
        let (width, height) = encoding.frame;
        let frame_rate_milli = encoding.frame_rate_milli.unwrap_or(source.video.frame_rate_milli);
        facts.video = VideoTrack { codec: VideoCodec::H264, width, height, rotation: 0, frame_rate_milli };
        facts.details = Details { aac_lc: source.details.aac_lc, ..Details::default() };
    }
    if let Sound::Encode { channels, sample_rate } = profile.sound {
        facts.audio = Some(AudioTrack { codec: AudioCodec::Aac, channels, sample_rate });
        facts.details.aac_lc = Some(true);
    }
    facts
}
