//! Real clips for demos and tests, carried in the program. Their source and licence are in `clips/README.md`.

/// A clip: its name, its duration in seconds, and its bytes.
pub type NamedClip = (&'static str, u32, &'static [u8]);

/// Ten upright clips; the last is longer than X takes.
pub const CLIPS: [NamedClip; 10] = [
    ("01-meadow", 3, include_bytes!("../clips/01-meadow.mp4")),
    ("02-morning", 5, include_bytes!("../clips/02-morning.mp4")),
    ("03-mirror", 4, include_bytes!("../clips/03-mirror.mp4")),
    ("04-dusk", 6, include_bytes!("../clips/04-dusk.mp4")),
    ("05-grey", 5, include_bytes!("../clips/05-grey.mp4")),
    ("06-green", 7, include_bytes!("../clips/06-green.mp4")),
    ("07-upside", 4, include_bytes!("../clips/07-upside.mp4")),
    ("08-detail", 5, include_bytes!("../clips/08-detail.mp4")),
    ("09-minute", 65, include_bytes!("../clips/09-minute.mp4")),
    ("10-long", 150, include_bytes!("../clips/10-long.mp4")),
];
