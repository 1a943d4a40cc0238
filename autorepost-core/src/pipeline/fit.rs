//! Making a video fit for its destination: it is held against the rules, converted where that helps, and held against them
//! again.

use crate::{
    Error, ErrorKind, Result,
    job::Job,
    media::Media,
    port::Signal,
    preflight::{Profile, Verdict, check},
    repost::Repost,
    state::{Owner, Reason},
    worker::Worker,
};

/// How often a conversion is tried that fails for want of time, memory or room: each try costs minutes.
const ATTEMPTS_MAX: u32 = 4;
/// How far the length of what was made may be off, in milliseconds, and in parts of the whole: tracks end with whole pictures
/// and whole pieces of sound.
const OFF_MS_MAX: u64 = 1_000;
const OFF_PART_MAX: u64 = 50;

/// What became of a video that was to fit.
pub(super) enum Fit {
    /// This one is sent; and what is worth knowing.
    Fits(Media, Vec<String>),
    /// It is not published, for a reason that is no failure.
    Never(Reason),
    /// It could not be made to fit.
    Failed(Reason),
}

impl Worker {
    /// Makes a video fit for a repost's destination.
    pub(super) async fn fit(&self, job: &Job, repost: &Repost, media: Media, trim: bool) -> Result<Fit> {
        let platform = repost.key.platform;
        let refuses =
            |reasons: &[String]| format!("{} would refuse the video: {}", platform.title(), reasons.join("; "));
        let (profile, reasons, needed) = match check(&media.facts, media.bytes, platform, trim) {
            Verdict::Pass { notes } => return Ok(Fit::Fits(media, notes)),
            Verdict::Reject { reasons } => return Ok(Fit::Never(Reason::new(Owner::Content, refuses(&reasons)))),
            Verdict::Convert { profile, reasons, needed } => (profile, reasons, needed),
        };
        let made = match self.rendition(repost, &media, &profile).await {
            Ok(made) => made,
            // It was deleted this moment: the next try fetches it anew.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Error::unavailable("convert media", "the video was deleted meanwhile"));
            }
            Err(error) if error.kind() == ErrorKind::Configuration && !needed => {
                let note = format!("sent as it is, although it {} ({})", reasons.join("; "), error.detail());
                return Ok(Fit::Fits(media, vec![note]));
            }
            Err(error) if error.kind() == ErrorKind::Configuration => {
                let text = format!("{}. It could be converted ({profile}): {}", refuses(&reasons), error.detail());
                return Ok(Fit::Never(Reason::new(Owner::Operator, text)));
            }
            Err(error) if !self.policy.retries(&error, job.attempts + 1) || job.attempts + 1 >= ATTEMPTS_MAX => {
                let text = format!("{}, and it could not be converted: {}", refuses(&reasons), error.detail());
                return Ok(Fit::Failed(Reason { text, ..Reason::from_error(&error) }));
            }
            Err(error) => return Err(error),
        };
        let wanted_ms = profile.trim_ms.unwrap_or(u64::MAX).min(media.facts.duration_ms);
        if made.facts.duration_ms.abs_diff(wanted_ms) > OFF_MS_MAX + wanted_ms / OFF_PART_MAX {
            let (is, was) = (made.facts.duration_ms as f64 / 1e3, wanted_ms as f64 / 1e3);
            let text =
                format!("what was made of the video lasts {is:.1} s instead of {was:.1} s: its file may be broken");
            return Ok(Fit::Failed(Reason::new(Owner::Content, text)));
        }
        let told = format!("converted, because it {}: {profile}", reasons.join("; "));
        match check(&made.facts, made.bytes, platform, false) {
            Verdict::Pass { notes } => Ok(Fit::Fits(made, [told].into_iter().chain(notes).collect())),
            Verdict::Convert { reasons, needed: false, .. } => {
                Ok(Fit::Fits(made, vec![told, format!("it still {}", reasons.join("; "))]))
            }
            Verdict::Convert { reasons, .. } | Verdict::Reject { reasons } => {
                let text = format!("what was made of the video still {}: {told}", reasons.join("; "));
                Ok(Fit::Failed(Reason::new(Owner::Content, text)))
            }
        }
    }

    /// What a profile makes of a video: as it was kept, or made now. Two who make it at once make it twice, which does no
    /// harm.
    async fn rendition(&self, repost: &Repost, source: &Media, profile: &Profile) -> Result<Media> {
        if let Some(made) = self.ports.renditions.find(&source.key, profile).await?
            // Its bytes may have been lost since: then it is made again.
            && self.ports.media.size(&made.key).await? == Some(made.bytes)
        {
            return Ok(made);
        }
        let (events, repost, total_ms) = (&self.ports.events, repost.id, source.facts.duration_ms);
        let progress = |done_ms| events.emit(&Signal::Conversion { repost, done_ms, total_ms });
        let stored = self.ports.converter.convert(source, profile, &progress).await?;
        let facts = self.ports.probe.probe(&stored.key).await?;
        let made = Media { key: stored.key, bytes: stored.bytes, facts };
        self.ports.renditions.keep(&source.key, profile, &made).await?;
        Ok(made)
    }
}
