//! The one error of the whole project: what went wrong, in which operation, and whether to try again.

use std::{fmt, time::Duration};

use crate::state::Owner;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What went wrong. Callers match on this and on [`Retry`]; the text is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input is malformed or out of range; the detail says how to mend it.
    Invalid,
    /// The named thing does not exist, or no longer does.
    NotFound,
    /// Somebody else changed the row first, or a unique key is taken.
    Conflict,
    /// The worker's lease has passed to another worker: nothing was written, and nothing may be.
    LeaseLost,
    /// The account's credentials are dead: a person must reconnect it.
    Unauthorized,
    /// The credentials are alive but may not do this: a scope or an app review is missing.
    Forbidden,
    /// A short-term rate limit; [`Retry::After`] tells how long.
    RateLimited,
    /// A daily or paid allowance is used up.
    Quota,
    /// The platform refuses this content; sending it again cannot help.
    Rejected,
    /// The network or the service failed for the moment.
    Unavailable,
    /// The source answers with a challenge or an empty page instead of content.
    Blocked,
    /// An answer or a stored value has a shape that this version does not know.
    Malformed,
    /// A sealed value does not open: wrong key, altered, truncated or moved.
    Unsealable,
    /// The program's own configuration is wrong.
    Configuration,
    /// Not possible here: for example a feature that this destination does not have.
    Unsupported,
    /// A bug or a broken invariant.
    Internal,
}

impl ErrorKind {
    /// Every kind.
    pub const ALL: [Self; 16] = [
        Self::Invalid,
        Self::NotFound,
        Self::Conflict,
        Self::LeaseLost,
        Self::Unauthorized,
        Self::Forbidden,
        Self::RateLimited,
        Self::Quota,
        Self::Rejected,
        Self::Unavailable,
        Self::Blocked,
        Self::Malformed,
        Self::Unsealable,
        Self::Configuration,
        Self::Unsupported,
        Self::Internal,
    ];

    /// The stable snake-case name: used in storage, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::LeaseLost => "lease_lost",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::RateLimited => "rate_limited",
            Self::Quota => "quota",
            Self::Rejected => "rejected",
            Self::Unavailable => "unavailable",
            Self::Blocked => "blocked",
            Self::Malformed => "malformed",
            Self::Unsealable => "unsealable",
            Self::Configuration => "configuration",
            Self::Unsupported => "unsupported",
            Self::Internal => "internal",
        }
    }
}

/// Whether the same call can help later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Never: something must change first.
    Never,
    /// With the caller's own backoff.
    Soon,
    /// Not before this much time has passed, as the platform asked.
    After(Duration),
}

/// What went wrong, in which operation, and whether to try again.
///
/// `Display` is one line without the source, without URL queries and without secrets. The platform's own
/// code and trace id are kept, because they are what its support asks for.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    op: &'static str,
    retry: Retry,
    detail: String,
    code: Option<String>,
    trace: Option<String>,
    owner: Option<Owner>,
    shared: bool,
    source: Option<Source>,
}

impl Error {
    /// Makes an error that is never retried. `op` says what was being done, as in "create container".
    pub fn new(kind: ErrorKind, op: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            op,
            retry: Retry::Never,
            detail: detail.into(),
            code: None,
            trace: None,
            owner: None,
            shared: false,
            source: None,
        }))
    }

    /// An [`ErrorKind::Invalid`] error.
    pub fn invalid(op: &'static str, detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, op, detail)
    }

    /// An [`ErrorKind::Malformed`] error.
    pub fn malformed(op: &'static str, detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Malformed, op, detail)
    }

    /// An [`ErrorKind::NotFound`] error.
    pub fn not_found(op: &'static str, detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, op, detail)
    }

    /// An [`ErrorKind::Conflict`] error.
    pub fn conflict(op: &'static str, detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, op, detail)
    }

    /// An [`ErrorKind::Internal`] error.
    pub fn internal(op: &'static str, detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, op, detail)
    }

    /// An [`ErrorKind::Unavailable`] error with [`Retry::Soon`].
    pub fn unavailable(op: &'static str, detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, op, detail).retry(Retry::Soon)
    }

    /// The [`ErrorKind::LeaseLost`] error.
    pub fn lease_lost(op: &'static str) -> Self {
        Self::new(ErrorKind::LeaseLost, op, "another worker owns this job now")
    }

    /// Sets whether the call may be repeated.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// Keeps the platform's own code, such as `9007/2207027` or `quotaExceeded`.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.0.code = Some(code.into());
        self
    }

    /// Keeps the platform's trace or request id.
    #[must_use]
    pub fn trace(mut self, trace: impl Into<String>) -> Self {
        self.0.trace = Some(trace.into());
        self
    }

    /// Says who must act, where the kind alone does not tell.
    #[must_use]
    pub fn owner(mut self, owner: Owner) -> Self {
        self.0.owner = Some(owner);
        self
    }

    /// Says that it holds for every account of the platform, and not for this one alone: the allowance of the app.
    #[must_use]
    pub fn shared(mut self) -> Self {
        self.0.shared = true;
        self
    }

    /// Keeps the error that caused this one. It is not part of `Display`.
    #[must_use]
    pub fn source(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What was being done.
    pub fn op(&self) -> &'static str {
        self.0.op
    }

    /// Who must act.
    pub fn who_acts(&self) -> Owner {
        self.0.owner.unwrap_or(Owner::of(self.0.kind))
    }

    /// Whether it holds for every account of the platform.
    pub fn is_shared(&self) -> bool {
        self.0.shared
    }

    /// Whether the same call can help later.
    pub fn retry_hint(&self) -> Retry {
        self.0.retry
    }

    /// The text for people: what, where, and how to mend it.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The platform's own code, if it gave one.
    pub fn platform_code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The platform's trace or request id, if it gave one.
    pub fn platform_trace(&self) -> Option<&str> {
        self.0.trace.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.op, self.0.detail)?;
        match (&self.0.code, &self.0.trace) {
            (Some(code), Some(trace)) => write!(f, " (code {code}, trace {trace})"),
            (Some(code), None) => write!(f, " (code {code})"),
            (None, Some(trace)) => write!(f, " (trace {trace})"),
            (None, None) => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source.as_ref() as _)
    }
}
