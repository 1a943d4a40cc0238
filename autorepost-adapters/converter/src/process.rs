//! One run of ffmpeg: its limits, its progress, and what went wrong.

use std::{
    io,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use autorepost_core::{Error, ErrorKind, Result};
use rustix::process::{Pid, Signal, kill_process_group, setpriority_process};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader},
    process::Command,
    time::timeout,
};

use crate::ffmpeg::INSTALL;

/// How much less than others ffmpeg is given of the processor: what publishes goes first.
const NICE: i32 = 10;
/// Bytes of ffmpeg's own words that are kept: the last ones.
const WORDS_BYTES_MAX: usize = 4 << 10;

/// Kills everything that a run started, when it is dropped before the run has ended.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // It may have ended this moment.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// Runs ffmpeg in `folder` for as long as `limit` at most, and gives `line` each line that it prints. When the future is
/// dropped, the whole process group is killed.
///
/// # Errors
///
/// [`Configuration`](ErrorKind::Configuration) when the program is not there, [`Unavailable`](ErrorKind::Unavailable) for
/// want of time, memory or room, and [`Rejected`](ErrorKind::Rejected) when ffmpeg refused.
pub async fn run(
    op: &'static str,
    program: &Path,
    arguments: &[String],
    folder: &Path,
    limit: Duration,
    mut line: impl FnMut(&str) + Send,
) -> Result<()> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).env_clear().process_group(0).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|cause| unstarted(op, program, cause))?;
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
    // It works without that, only less politely.
    let _ = setpriority_process(group.0, NICE);
    let (printed, words) = (child.stdout.take(), child.stderr.take());
    let told = async {
        if let Some(printed) = printed {
            let mut lines = BufReader::new(printed).lines();
            while let Ok(Some(text)) = lines.next_line().await {
                line(&text);
            }
        }
    };
    let ended = timeout(limit, async { tokio::join!(told, last(words), child.wait()) }).await;
    let Ok(((), words, status)) = ended else {
        let minutes = limit.as_secs() / 60;
        return Err(Error::unavailable(op, format!("ffmpeg did not end within {minutes} minutes")));
    };
    // Its number may belong to another process from now on.
    group.0 = None;
    let status = status.map_err(|cause| Error::unavailable(op, "ffmpeg cannot be waited for").source(cause))?;
    if status.success() { Ok(()) } else { Err(failure(op, status, &words)) }
}

/// The last words of a stream.
async fn last(stream: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut stream) = stream else { return String::new() };
    let (mut kept, mut piece) = (Vec::new(), [0; 1024]);
    while let Ok(read @ 1..) = stream.read(&mut piece).await {
        kept.extend_from_slice(&piece[..read]);
        kept.drain(..kept.len().saturating_sub(WORDS_BYTES_MAX));
    }
    String::from_utf8_lossy(&kept).into_owned()
}

fn unstarted(op: &'static str, program: &Path, cause: io::Error) -> Error {
    let text = format!("{} cannot be run ({}): {INSTALL}", program.display(), cause.kind());
    let kind = match cause.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => ErrorKind::Configuration,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, op, text).source(cause)
}

fn failure(op: &'static str, status: ExitStatus, words: &str) -> Error {
    if words.contains("No space left on device") {
        return Error::unavailable(op, "there is no room on the disk for the conversion: free some");
    }
    if let Some(signal) = status.signal() {
        return Error::unavailable(op, format!("ffmpeg was ended by signal {signal}, as for want of memory"));
    }
    if words.contains("Unknown encoder") {
        let text = format!("this ffmpeg has no H.264 encoder (libx264): {INSTALL}");
        return Error::new(ErrorKind::Configuration, op, text);
    }
    let lines: Vec<_> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let told = lines.last().map_or("without a word", |line| &line[..line.floor_char_boundary(300)]);
    Error::new(ErrorKind::Rejected, op, format!("ffmpeg refused: {told}"))
}
