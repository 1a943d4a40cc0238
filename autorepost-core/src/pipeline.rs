//! The pipelines: what each kind of job does. All of them are methods of [`Worker`](crate::worker::Worker).
//!
//! A pipeline may be dropped at any await and run again from the start: what it did is in the stores, and what it was
//! about to do is decided anew from there.

mod admit;
mod audit;
mod backfill;
mod commit;
mod deliver;
mod expiry;
mod fit;
mod gone;
mod kin;
mod locate;
mod master;
mod patience;
mod prep;
mod publish;
mod recheck;
mod refresh;
mod stepping;
mod sync;
mod thumbnail;
mod upkeep;
mod verify;

pub(crate) use expiry::warns;
pub(crate) use master::FilePost;
pub(crate) use stepping::unusable;
