//! Where autorepost keeps media, and how it looks into them.

mod links;
mod local;
mod probe;

pub use links::MediaLinks;
pub use local::LocalMediaStore;
pub use probe::Mp4Probe;
