//! ffmpeg's arguments, as data. Their meaning is in the manuals ffmpeg(1), ffmpeg-formats(1) and ffmpeg-codecs(1).

use std::time::Duration;

use autorepost_core::{
    media::{MediaFacts, VideoCodec},
    preflight::{Encoding, Pictures, Profile, SOUND_BITS, Sound},
};

/// The name of the source in ffmpeg's folder.
pub const INPUT: &str = "input.mp4";
/// The name of the video that is made.
pub const OUTPUT: &str = "output.mp4";
/// The name of the picture that is made.
pub const PICTURE: &str = "output.jpg";
/// Threads of an encoder, and of a decoder.
pub const THREADS: u32 = 2;
/// Pixels of a coded frame at most: twice those of 8K. A hostile file could ask for memory without end.
const PIXELS_MAX: u32 = 2 * 7680 * 4320;
/// The largest piece of memory that is allocated at once, in bytes.
const ALLOCATION_MAX: u32 = 1 << 30;
/// The longest edge of a picture, in pixels (YouTube: thumbnails of 1280×720).
const PICTURE_EDGE_MAX: u32 = 1280;
/// What a file may be larger than its limit before ffmpeg stops: that it is too large is seen by its size then.
const SIZE_MARGIN: u64 = 1 << 20;

fn texts<const N: usize>(all: [&str; N]) -> impl Iterator<Item = String> + use<N> {
    all.map(str::to_owned).into_iter()
}

/// What holds for every run.
fn begin(limit: Duration) -> Vec<String> {
    let mut all: Vec<_> = texts(["-hide_banner", "-nostdin", "-nostats", "-loglevel", "error", "-y"]).collect();
    // In seconds of the processor, which every thread spends: for an ffmpeg whose parent was killed.
    let processor_secs = limit.as_secs() * u64::from(2 * THREADS);
    all.extend(["-timelimit".into(), processor_secs.to_string()]);
    all.extend(["-max_alloc".into(), ALLOCATION_MAX.to_string()]);
    all
}

/// The source. Files of this kind may name others: they are not followed (`enable_drefs`).
fn input() -> Vec<String> {
    let mut all: Vec<_> = texts(["-protocol_whitelist", "file,pipe", "-f", "mov", "-enable_drefs", "0"]).collect();
    all.extend(["-threads".into(), THREADS.to_string(), "-max_pixels".into(), PIXELS_MAX.to_string()]);
    all.extend(["-i".into(), format!("file:{INPUT}")]);
    all
}

/// Makes a video.
pub fn convert(facts: &MediaFacts, profile: &Profile, limit: Duration) -> Vec<String> {
    let mut all = begin(limit);
    all.extend(texts(["-progress", "pipe:1"]));
    all.extend(input());
    all.extend(texts(["-map", "0:v:0", "-map", "0:a:0?", "-map_metadata", "-1", "-map_chapters", "-1"]));
    match &profile.pictures {
        Pictures::Keep => {
            all.extend(texts(["-c:v", "copy"]));
            if facts.video.codec == VideoCodec::Hevc {
                // The name under which players of Apple's know it.
                all.extend(texts(["-tag:v", "hvc1"]));
            }
        }
        Pictures::Encode(encoding) => all.extend(pictures(encoding)),
    }
    match &profile.sound {
        Sound::Keep => all.extend(texts(["-c:a", "copy"])),
        Sound::Encode { channels, sample_rate } => {
            all.extend(texts(["-c:a", "aac", "-profile:a", "aac_low", "-flags:a", "+bitexact"]));
            all.extend(["-b:a".into(), SOUND_BITS.to_string(), "-ac".into(), channels.to_string()]);
            all.extend(["-ar".into(), sample_rate.to_string()]);
            // A late start becomes silence: there is no edit list to tell of it.
            all.extend(texts(["-af", "aresample=async=1:first_pts=0"]));
        }
    }
    if let Some(ms) = profile.trim_ms {
        all.extend(["-t".into(), format!("{ms}ms")]);
    }
    all.extend([
        "-fs".into(),
        // ffmpeg reads it as a float, which rounds the largest integers up and out of its own limit.
        profile.bytes_max.saturating_add(SIZE_MARGIN).min(1 << 62).to_string(),
    ]);
    // Offsets below zero take the place of the edit list that reordered frames would need.
    all.extend(texts(["-fflags", "+bitexact", "-f", "mp4", "-use_editlist", "0"]));
    all.extend(texts(["-movflags", "+faststart+negative_cts_offsets"]));
    all.push(format!("file:{OUTPUT}"));
    all
}

fn pictures(encoding: &Encoding) -> Vec<String> {
    let Encoding { picture, frame, frame_rate_milli, deinterlace, bits_per_second_max } = encoding;
    let mut filters = Vec::new();
    if *deinterlace {
        filters.push("yadif".to_owned());
    }
    filters.push(format!("scale={}:{}:out_range=tv", picture.0, picture.1));
    if frame != picture {
        filters.push(format!("pad={}:{}:(ow-iw)/2:(oh-ih)/2", frame.0, frame.1));
    }
    filters.push("setsar=1".to_owned());
    if let Some(rate) = frame_rate_milli {
        filters.push(format!("fps={rate}/1000:start_time=0"));
    }
    let mut all: Vec<_> =
        texts(["-c:v", "libx264", "-profile:v", "high", "-preset", "veryfast", "-crf", "20"]).collect();
    all.extend(texts(["-pix_fmt", "yuv420p", "-x264-params", "open-gop=0", "-flags:v", "+bitexact"]));
    all.extend(["-threads:v".into(), THREADS.to_string()]);
    all.extend(["-maxrate".into(), bits_per_second_max.to_string()]);
    all.extend(["-bufsize".into(), bits_per_second_max.to_string()]);
    all.extend(["-vf".into(), filters.join(",")]);
    all
}

/// Takes a picture.
pub fn picture(offset_ms: u64, limit: Duration) -> Vec<String> {
    let mut all = begin(limit);
    all.extend(["-ss".into(), format!("{offset_ms}ms")]);
    all.extend(input());
    all.extend(texts(["-map", "0:v:0", "-map_metadata", "-1", "-frames:v", "1", "-q:v", "3", "-pix_fmt", "yuvj420p"]));
    let edge = PICTURE_EDGE_MAX;
    let scale = format!("scale='min({edge},iw)':'min({edge},ih)':force_original_aspect_ratio=decrease,setsar=1");
    all.extend(["-vf".into(), scale]);
    all.extend(texts(["-f", "image2", "-c:v", "mjpeg", "-update", "1"]));
    all.push(format!("file:{PICTURE}"));
    all
}
