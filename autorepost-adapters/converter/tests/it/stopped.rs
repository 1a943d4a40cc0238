//! Conversions that are stopped, and ffmpeg that is not there.

use std::{fs, path::Path, time::Duration};

use crate::{
    House,
    made::{ffmpeg, make, sources},
    wanted,
};
use autorepost_converter::Ffmpeg;
use autorepost_core::{ErrorKind, Platform, port::Converter};

/// Processes that work in this folder.
fn working(folder: &Path) -> usize {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter(|entry| fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder))).count()
}

#[tokio::test]
async fn a_conversion_that_is_dropped_leaves_neither_process_nor_file() {
    let house = House::new();
    let file = house.folder.path().join("clip.mp4");
    make(&format!("{} -c:v libx264 -preset ultrafast -pix_fmt yuv444p -c:a aac", sources("1280x720", 30, 60.0)), &file);
    let source = house.keep_file(&file).await;
    let (profile, _) = wanted(&source, Platform::X);
    let begun = async {
        while working(house.folder.path()) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        made = house.ffmpeg.convert(&source, &profile, &|_| ()) => panic!("it ended: {made:?}"),
        () = begun => {}
    }
    for _ in 0..100 {
        if working(house.folder.path()) == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((working(house.folder.path()), house.left()), (0, Vec::new()));
    // Its place is free again.
    house.ffmpeg.still(&source, 0, 2_000_000).await.unwrap();
}

#[tokio::test]
async fn without_ffmpeg_the_remedy_is_told() {
    for program in [None, Some("/nowhere/ffmpeg".into())] {
        let house = House::with(program);
        let file = house.folder.path().join("clip.mp4");
        make(&format!("{} -c:v libx264 -pix_fmt yuv444p", sources("160x120", 25, 1.0)), &file);
        let source = house.keep_file(&file).await;
        let error = house.convert(&source, &wanted(&source, Platform::X).0).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.detail().contains("apt-get install ffmpeg"), "{error}");
    }
    assert!(Ffmpeg::version(&ffmpeg()).await.unwrap().starts_with(char::is_numeric));
}
