//! The local media store and the probe, on real files.

mod local;
mod probe;
