//! Where autorepost keeps media, and how it looks into them.

mod inbox;
mod links;
mod local;
mod probe;
mod s3;

pub use inbox::{Dropped, Inbox};
pub use links::MediaLinks;
pub use local::LocalMediaStore;
pub use probe::Mp4Probe;
pub use s3::{
    AMBIENT_NAMES, S3_MEDIA_BYTES_MAX, S3_URL_MAX, S3Config, S3Credentials, S3Encryption, S3MediaStore, S3Report,
};
