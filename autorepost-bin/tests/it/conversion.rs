//! Videos that a platform would refuse, through the whole program with a real ffmpeg.

use std::{fs, path::Path, process::Command};

use autorepost_core::Platform;

use crate::support::{Stage, text, until, video};

/// Makes a clip; the arguments have blanks between them.
fn make(arguments: &str, to: &Path) {
    let run =
        Command::new("ffmpeg").args(["-v", "error", "-nostdin"]).args(arguments.split_whitespace()).arg(to).output();
    let output = run.expect("these tests need ffmpeg: run scripts/setup, or apt-get install ffmpeg");
    assert!(output.status.success(), "{}", text(&output.stderr));
}

const HEVC: &str = "-f lavfi -i testsrc=size=360x640:rate=25:duration=4 -f lavfi -i sine=duration=4 \
                    -pix_fmt yuv420p -c:v libx265 -x265-params log-level=none -tag:v hvc1 -c:a aac -movflags faststart -use_editlist 0";

fn add_hevc(stage: &Stage, id: u32) {
    let path = stage.path(&format!("{id}.mp4"));
    make(HEVC, &path);
    stage.world().add_post(video(id, path));
}

/// How ffprobe calls what a platform shows, if the program still keeps it.
fn codec(stage: &Stage, sha256: &str) -> String {
    let file = stage.path(&format!("autorepost-data/media/{}/{}/{sha256}", &sha256[..2], &sha256[2..4]));
    let arguments = ["-v", "error", "-select_streams", "v:0", "-show_entries", "stream=codec_name", "-of", "csv=p=0"];
    text(&Command::new("ffprobe").args(arguments).arg(file).output().unwrap().stdout).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_hevc_video_reaches_x_as_h264_and_youtube_gets_its_thumbnail() {
    let stage = Stage::new().await;
    stage.connect_all().await;
    stage.write(
        "rule.toml",
        r#"
        filters = { since = "all" }
        [[destinations]]
        connection = "instagram"
        options = { platform = "instagram" }
        [[destinations]]
        connection = "youtube"
        options = { platform = "youtube", made_for_kids = false, thumbnail_offset_ms = 1000 }
        [[destinations]]
        connection = "x"
        options = { platform = "x" }
        "#,
    );
    stage.ok(&["rules", "add", "all", "--file", "rule.toml"]).await;
    let daemon = stage.start().await;
    add_hevc(&stage, 1);
    until("it is shown everywhere", async || stage.world().ledger().len() == 3).await;
    let ledger = stage.world().ledger();
    let on = |platform| ledger.iter().find(|shown| shown.platform == platform).unwrap();
    assert_eq!(codec(&stage, &on(Platform::X).sha256), "h264");
    for platform in [Platform::Instagram, Platform::YouTube] {
        assert_eq!(codec(&stage, &on(platform).sha256), "hevc", "{platform}");
    }
    let story = stage.story(1).await;
    assert!(
        story[&Platform::X].tells(&["converted, because it is coded as Hevc, X takes H.264"]),
        "{:?}",
        story[&Platform::X].journal
    );
    let youtube = &on(Platform::YouTube).id;
    until("the thumbnail is set", async || stage.world().thumbnail(youtube).is_some()).await;
    let jpeg = stage.world().thumbnail(youtube).unwrap();
    assert_eq!(jpeg[..3], [0xff, 0xd8, 0xff]);
    until("the journal tells of it", async || stage.story(1).await[&Platform::YouTube].tells(&["the frame at 1.0 s"]))
        .await;
    daemon.stop().await;
    let processes =
        fs::read_dir(stage.path("autorepost-data/conversions")).unwrap().flatten().filter(|one| one.path().is_dir());
    for folder in processes {
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().map(|one| one.file_name()).collect();
        assert_eq!(left, ["lock"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_ffmpeg_the_reason_and_the_doctor_tell_how_to_get_it() {
    let mut stage = Stage::new().await;
    stage.set("PATH", "/nowhere");
    stage.set_up().await;
    let finding = |findings: &serde_json::Value| {
        findings.as_array().unwrap().iter().find(|one| one["what"] == "ffmpeg").unwrap().clone()
    };
    let told = finding(&stage.ok(&["doctor"]).await);
    assert!(told["ok"] == true && told["detail"].to_string().contains("apt-get install ffmpeg"), "{told}");
    add_hevc(&stage, 1);
    let daemon = stage.start().await;
    until("it is shown where it can be", async || stage.world().ledger().len() == 2).await;
    until("X is left out", async || stage.story(1).await[&Platform::X].state == "skipped").await;
    let told = stage.story(1).await[&Platform::X].value.to_string();
    assert!(
        told.contains("ffmpeg is not installed: install ffmpeg (Debian and Ubuntu: apt-get install ffmpeg)"),
        "{told}"
    );
    daemon.stop().await;

    stage.set("PATH", "/usr/bin:/bin");
    let told = finding(&stage.ok(&["doctor"]).await);
    assert!(told["detail"].to_string().contains("version"), "{told}");
}
