//! Makes other videos, and pictures, of stored media with the `ffmpeg` program.
//!
//! The bytes come from strangers, so ffmpeg is given as little as it needs: a folder with one file in it, a demuxer that is
//! named instead of guessed, no protocol but files and pipes, no environment, limits on time and size, a low priority. Names
//! of its files are always the same; nothing that the video holds reaches its command line.

mod arguments;
mod ffmpeg;
mod process;
mod room;

pub use ffmpeg::{Ffmpeg, FfmpegConfig, INSTALL};
