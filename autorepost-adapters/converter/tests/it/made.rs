//! Videos that ffmpeg makes for the tests.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Where ffmpeg is.
pub fn ffmpeg() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("ffmpeg")).find(|program| program.is_file());
    found.expect("these tests need ffmpeg: run scripts/setup, or apt-get install ffmpeg")
}

/// Makes a file from arguments with blanks between.
pub fn make(arguments: &str, to: &Path) {
    let mut command = Command::new(ffmpeg());
    command.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"]).args(arguments.split_whitespace()).arg(to);
    let done = command.output().unwrap();
    assert!(done.status.success(), "{arguments}: {}", String::from_utf8_lossy(&done.stderr));
}

/// One value that ffprobe tells of the first stream of a kind.
pub fn probed(file: &Path, stream: &str, entry: &str) -> String {
    let mut command = Command::new(ffmpeg().with_file_name("ffprobe"));
    command.args(["-v", "error", "-select_streams", stream, "-show_entries"]);
    command.arg(format!("stream={entry}")).args(["-of", "csv=p=0"]).arg(file);
    String::from_utf8(command.output().unwrap().stdout).unwrap().trim().trim_end_matches(',').to_owned()
}

/// Pictures and sound of these seconds.
pub fn sources(size: &str, rate: u32, secs: f64) -> String {
    format!(
        "-f lavfi -i testsrc=size={size}:rate={rate}:duration={secs} -f lavfi -i sine=sample_rate=44100:duration={secs}"
    )
}
