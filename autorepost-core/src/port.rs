//! Ports: what the core asks of the outside world. Each method is one atomic unit, and a missing row is `Ok(None)`.
//!
//! Every sentence of these contracts has a case in [`conformance`](crate::conformance), which each adapter runs.

mod access;
mod ambient;
mod backfill;
mod consent;
mod master;
mod media;
mod platform;
mod store;
mod webhook;

use std::{collections::BTreeMap, sync::Arc};

pub use access::{
    ANSWERS_MAX, ANSWERS_PRUNED_MAX, AccessStore, AuditLog, AuditQuery, Begun, Census, IdempotencyClaim,
    IdempotencyKey, IdempotencyStore, KeyQuery, RepostCount, StoredAnswer,
};
pub use ambient::{
    Budget, Clock, Entropy, EntropyExt, EventSink, Permit, RateLimiter, Scratch, SecretSource, Signal, Wake, scratch,
};
pub use backfill::BackfillStore;
pub use consent::{Answered, Consent, Exchanged, Invitation, LogIn, RETURNED_BYTES_MAX, Returned, check_scopes};
pub use master::MasterStore;
pub use media::{Body, ByteStream, Converter, MediaStore, Probe, RenditionStore, Stored, StoredBody};
pub use platform::{
    Authorizer, Commit, Destination, Fetched, Finding, Grant, Identity, Listing, Poll, Progress, Publication, Source,
    THUMBNAIL_BYTES_MAX, Timing,
};
pub use store::{
    Admission, After, BrakeStore, ConnectionStore, Guard, JobQueue, JobStats, NewPost, PostQuery, PostStore,
    RepostQuery, RepostStore, RuleStore, Step,
};
pub use webhook::{Notifier, WebhookStore};

use crate::{Error, Platform, Result, connection::AuthMethod, error::ErrorKind, seal::KeyRing};

/// The ports, wired: everything that the pipelines reach the world through.
#[derive(Clone)]
pub struct Ports {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Seals and opens credentials.
    pub keys: Arc<KeyRing>,
    /// Shares rate allowances.
    pub limiter: Arc<dyn RateLimiter>,
    /// Tells workers that there is work.
    pub wake: Arc<dyn Wake>,
    /// Keeps small values for a short time.
    pub scratch: Arc<dyn Scratch>,
    /// Hears what happens.
    pub events: Arc<dyn EventSink>,
    /// Keeps connections.
    pub connections: Arc<dyn ConnectionStore>,
    /// Keeps rules.
    pub rules: Arc<dyn RuleStore>,
    /// Keeps brakes.
    pub brakes: Arc<dyn BrakeStore>,
    /// Keeps posts.
    pub posts: Arc<dyn PostStore>,
    /// Keeps reposts.
    pub reposts: Arc<dyn RepostStore>,
    /// Keeps backfills.
    pub backfills: Arc<dyn BackfillStore>,
    /// Keeps the creator's own files.
    pub masters: Arc<dyn MasterStore>,
    /// Keeps jobs.
    pub jobs: Arc<dyn JobQueue>,
    /// Keeps tenants and the keys to the HTTP interface.
    pub access: Arc<dyn AccessStore>,
    /// Keeps what was done by whom.
    pub audit: Arc<dyn AuditLog>,
    /// Keeps the answers of requests that may be asked again.
    pub answers: Arc<dyn IdempotencyStore>,
    /// Counts, and looks at jobs.
    pub census: Arc<dyn Census>,
    /// Keeps the endpoints that are told what happens.
    pub webhooks: Arc<dyn WebhookStore>,
    /// Brings messages to endpoints.
    pub notifier: Arc<dyn Notifier>,
    /// Keeps media.
    pub media: Arc<dyn MediaStore>,
    /// Looks into media.
    pub probe: Arc<dyn Probe>,
    /// Makes other videos of them.
    pub converter: Arc<dyn Converter>,
    /// Keeps which were made of which.
    pub renditions: Arc<dyn RenditionStore>,
    /// Sources, by platform.
    pub sources: BTreeMap<Platform, Arc<dyn Source>>,
    /// Destinations, by platform.
    pub destinations: BTreeMap<Platform, Arc<dyn Destination>>,
    /// What renews and verifies credentials, by platform.
    pub authorizers: BTreeMap<Platform, Arc<dyn Authorizer>>,
    /// What leads owners through the platforms' own pages, by method: of the apps that are set up.
    pub consents: BTreeMap<AuthMethod, Arc<dyn Consent>>,
}

impl Ports {
    /// The source of a platform.
    pub fn source(&self, platform: Platform) -> Result<&dyn Source> {
        self.sources.get(&platform).map(AsRef::as_ref).ok_or_else(|| unwired("read source", platform))
    }

    /// The destination of a platform.
    pub fn destination(&self, platform: Platform) -> Result<&dyn Destination> {
        self.destinations.get(&platform).map(AsRef::as_ref).ok_or_else(|| unwired("publish", platform))
    }

    /// The authorizer of a platform.
    pub fn authorizer(&self, platform: Platform) -> Result<&dyn Authorizer> {
        self.authorizers.get(&platform).map(AsRef::as_ref).ok_or_else(|| unwired("authorize", platform))
    }

    /// What leads an owner through a platform's pages.
    pub fn consent(&self, method: AuthMethod) -> Result<&dyn Consent> {
        let found = self.consents.get(&method).map(AsRef::as_ref);
        found.ok_or_else(|| unwired("ask for access", method.platform()))
    }
}

fn unwired(op: &'static str, platform: Platform) -> Error {
    Error::new(
        ErrorKind::Configuration,
        op,
        format!("{} is not set up for this: give its credentials in the configuration", platform.title()),
    )
}
