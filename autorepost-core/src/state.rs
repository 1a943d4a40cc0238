//! The repost state machine: the one function through which a repost moves.
//!
//! ```text
//! planned → preparing → ready → uploading → processing → committing → published
//!     ↘ skipped      ↘ waiting        ↘ failed                    ↘ unconfirmed
//! ```
//!
//! Only the step from `committing` is visible to the public, so the rules about it are the strictest: nothing leaves
//! `committing` but knowledge (it is there, or it certainly is not) or a person's word.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Error, Result, error::ErrorKind, standing::Inspection, submission::Submission};

/// Where a repost stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RepostState {
    /// Admitted; nothing was done yet.
    Planned,
    /// Its media is being fetched and checked, its caption rendered.
    Preparing,
    /// Everything that will be sent is frozen.
    Ready {
        /// What will be sent.
        submission: Submission,
    },
    /// The platform gave a ticket; the bytes are on their way.
    Uploading(Attempt),
    /// The platform has what it needs before the commit and works on it.
    Processing(Attempt),
    /// The commit may have been sent: the intent was stored before.
    Committing(Attempt),
    /// The public sees it.
    Published {
        /// Where.
        receipt: Receipt,
        /// What was sent.
        submission: Submission,
        /// What the platform made of it since, as far as it was asked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        inspection: Option<Inspection>,
    },
    /// It will not be published, for a reason that is no failure.
    Skipped {
        /// Why.
        reason: Reason,
    },
    /// It waits for a time, an allowance or a person.
    Waiting {
        /// When it goes on by itself; nothing when a person must act first.
        until: Option<DateTime<Utc>>,
        /// Why it waits.
        reason: Reason,
        /// Where it goes on.
        resume: Resume,
    },
    /// It certainly was not published, and will not be without help.
    Failed {
        /// Why.
        reason: Reason,
    },
    /// The commit was sent, and the platform could not tell whether it took effect. A person decides.
    Unconfirmed {
        /// What is known.
        evidence: Reason,
        /// The attempt in doubt.
        attempt: Attempt,
    },
}

/// Where a waiting repost goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "at", rename_all = "snake_case")]
pub enum Resume {
    /// With the preparation.
    Prepare,
    /// With the first step at the platform.
    Begin {
        /// What will be sent.
        submission: Submission,
    },
    /// With the upload.
    Upload(Attempt),
    /// With the platform's processing.
    Process(Attempt),
}

/// One attempt at the platform: the ticket, and everything that was done with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// What is being sent; the same for as long as the ticket lives.
    pub submission: Submission,
    /// The platform's handle.
    pub ticket: Ticket,
    /// Bytes that the platform acknowledged, as far as it was written down.
    pub sent: u64,
    /// How often the commit was sent and not refused.
    pub commits: u32,
    /// When the commit was first sent: a search for its effect starts here.
    pub first_commit_at: Option<DateTime<Utc>>,
    /// When the commit was last sent: the settle window starts here.
    pub last_commit_at: Option<DateTime<Utc>>,
}

/// The platform's own handle of an upload in progress: container id, session address or media id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The handle itself.
    pub handle: String,
    /// A second value that the platform gave with it: the upload address or the media key.
    pub extra: Option<String>,
    /// When the platform gave it.
    pub begun_at: DateTime<Utc>,
    /// When it stops working, if the platform says so.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Where the public sees a repost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The platform's own id. Absent when the platform proves the publication without naming it.
    pub id: Option<String>,
    /// The public address, if it is known.
    pub url: Option<String>,
    /// When it was confirmed.
    pub at: DateTime<Utc>,
}

/// Why a repost is where it is: for people, and for those who must act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The sentence that people read.
    pub text: String,
    /// Who must act.
    pub owner: Owner,
    /// The platform's own code.
    pub code: Option<String>,
    /// The platform's trace id.
    pub trace: Option<String>,
}

impl Reason {
    /// A reason without a platform's code.
    pub fn new(owner: Owner, text: impl Into<String>) -> Self {
        Self { text: text.into(), owner, code: None, trace: None }
    }

    /// The reason that an error gives.
    pub fn from_error(error: &Error) -> Self {
        Self {
            text: format!("{}: {}", error.op(), error.detail()),
            owner: error.who_acts(),
            code: error.platform_code().map(Into::into),
            trace: error.platform_trace().map(Into::into),
        }
    }
}

/// Who must act so that a repost goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// Nobody: it is tried again by itself.
    Retry,
    /// Nobody: an allowance renews itself.
    Quota,
    /// Nobody: the platform is being asked what became of a commit.
    Reconciling,
    /// The account's owner connects it again.
    Reconnect,
    /// The account's owner gets a permission or an app review.
    AppReview,
    /// The creator changes the content.
    Content,
    /// The operator resumes, decides or mends the configuration.
    Operator,
    /// Nobody: this is the wanted end.
    Nobody,
}

impl Owner {
    /// Who must act on an error of this kind.
    pub const fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Unauthorized | ErrorKind::Unsealable => Self::Reconnect,
            ErrorKind::Forbidden => Self::AppReview,
            ErrorKind::RateLimited | ErrorKind::Quota => Self::Quota,
            ErrorKind::Rejected => Self::Content,
            ErrorKind::Unavailable | ErrorKind::Blocked | ErrorKind::Conflict | ErrorKind::LeaseLost => Self::Retry,
            _ => Self::Operator,
        }
    }

    /// What must happen, as people read it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Retry => "retries by itself",
            Self::Quota => "waits for an allowance",
            Self::Reconciling => "the platform is being asked",
            Self::Reconnect => "connect the account again",
            Self::AppReview => "the app needs a permission",
            Self::Content => "the content must change",
            Self::Operator => "an operator must act",
            Self::Nobody => "nothing to do",
        }
    }
}

/// Something that happened to a repost.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The preparation began.
    PrepStarted,
    /// Everything that will be sent is known.
    Prepared(Submission),
    /// It will not be published, and that is no failure.
    Skipped(Reason),
    /// The bytes that will be sent are not stored any more.
    MediaLost,
    /// The platform gave a ticket.
    Began(Ticket),
    /// The platform acknowledged this many bytes in all.
    Sent(u64),
    /// The platform has everything that it needs before the commit.
    Uploaded,
    /// The platform lacks bytes that we thought it had.
    Incomplete,
    /// The platform let go of the ticket before anything was published with it.
    TicketLost,
    /// The commit is about to be sent.
    Intended(DateTime<Utc>),
    /// The public sees it.
    Confirmed(Receipt),
    /// The public address is known.
    Located(String),
    /// The platform was asked what became of it. However it stands, it was published, and is not published again.
    Inspected(Inspection),
    /// The platform certainly refused the commit: it does not count as sent.
    Refused,
    /// The commit certainly took no effect, and cannot take any later.
    Absent,
    /// Nobody can tell whether the commit took effect.
    Doubted(Reason),
    /// It must wait.
    Held {
        /// When it goes on by itself.
        until: Option<DateTime<Utc>>,
        /// Why.
        reason: Reason,
    },
    /// The wait is over.
    Resumed,
    /// It certainly was not published, and trying again cannot help.
    Failed(Reason),
    /// It is prepared anew: another rule has it from now on, or its own asks for something else by now.
    Adopted,
    /// A person wants it tried again.
    Retried,
    /// A person looked: it is not there.
    Denied,
}

impl RepostState {
    /// The stable snake-case name: used in storage, logs and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Preparing => "preparing",
            Self::Ready { .. } => "ready",
            Self::Uploading(_) => "uploading",
            Self::Processing(_) => "processing",
            Self::Committing(_) => "committing",
            Self::Published { .. } => "published",
            Self::Skipped { .. } => "skipped",
            Self::Waiting { .. } => "waiting",
            Self::Failed { .. } => "failed",
            Self::Unconfirmed { .. } => "unconfirmed",
        }
    }

    /// Whether no job moves it any more.
    pub const fn is_terminal(&self) -> bool {
        matches!(self, Self::Published { .. } | Self::Skipped { .. } | Self::Failed { .. } | Self::Unconfirmed { .. })
    }

    /// The names of the states in which a repost is on its way: newer ones to the same account let it go first.
    pub const ON_ITS_WAY: [&str; 6] = ["planned", "preparing", "ready", "uploading", "processing", "committing"];

    /// Whether it is on its way: neither at an end nor waiting.
    pub const fn is_on_its_way(&self) -> bool {
        !self.is_terminal() && !matches!(self, Self::Waiting { .. })
    }

    /// Whether the bytes of its media may still be needed as they are. One that is unconfirmed may turn out not to be
    /// published; one that was skipped or failed and is tried again begins with its preparation, which fetches them anew.
    pub const fn needs_media(&self) -> bool {
        !matches!(self, Self::Published { .. } | Self::Skipped { .. } | Self::Failed { .. })
    }

    /// Whether the preparation still has to be done.
    pub const fn needs_prep(&self) -> bool {
        matches!(self, Self::Planned | Self::Preparing | Self::Waiting { resume: Resume::Prepare, .. })
    }

    /// The attempt at the platform, if there is one.
    pub const fn attempt(&self) -> Option<&Attempt> {
        match self {
            Self::Uploading(attempt)
            | Self::Processing(attempt)
            | Self::Committing(attempt)
            | Self::Unconfirmed { attempt, .. }
            | Self::Waiting { resume: Resume::Upload(attempt) | Resume::Process(attempt), .. } => Some(attempt),
            _ => None,
        }
    }

    /// What is or was sent, once it is frozen.
    pub const fn submission(&self) -> Option<&Submission> {
        match self {
            Self::Ready { submission }
            | Self::Published { submission, .. }
            | Self::Waiting { resume: Resume::Begin { submission }, .. } => Some(submission),
            _ => match self.attempt() {
                Some(attempt) => Some(&attempt.submission),
                None => None,
            },
        }
    }

    /// What the platform made of it after it was published, as far as it was asked.
    pub const fn inspection(&self) -> Option<&Inspection> {
        match self {
            Self::Published { inspection, .. } => inspection.as_ref(),
            _ => None,
        }
    }

    /// Why it waits, was skipped, failed or is in doubt.
    pub const fn reason(&self) -> Option<&Reason> {
        match self {
            Self::Skipped { reason }
            | Self::Waiting { reason, .. }
            | Self::Failed { reason }
            | Self::Unconfirmed { evidence: reason, .. } => Some(reason),
            _ => None,
        }
    }
}

/// Moves a repost: the only way in which its state changes.
///
/// # Errors
///
/// [`Internal`](ErrorKind::Internal) when the event cannot happen in this state; the state is then unchanged.
pub fn apply(state: RepostState, event: Event) -> Result<RepostState> {
    use RepostState as S;

    Ok(match (state, event) {
        (S::Planned | S::Preparing, Event::PrepStarted) => S::Preparing,
        (S::Preparing, Event::Prepared(submission)) => S::Ready { submission },
        (S::Ready { .. }, Event::MediaLost) => S::Planned,

        (S::Ready { submission }, Event::Began(ticket)) => S::Uploading(Attempt {
            submission,
            ticket,
            sent: 0,
            commits: 0,
            first_commit_at: None,
            last_commit_at: None,
        }),
        (S::Uploading(attempt), Event::Sent(sent)) => S::Uploading(Attempt { sent, ..attempt }),
        (S::Uploading(attempt), Event::Uploaded) => {
            let sent = attempt.submission.media.bytes;
            S::Processing(Attempt { sent, ..attempt })
        }
        (S::Processing(attempt), Event::Incomplete) => S::Uploading(Attempt { sent: 0, ..attempt }),
        (S::Uploading(attempt) | S::Processing(attempt), Event::TicketLost) => {
            S::Ready { submission: attempt.submission }
        }

        (S::Processing(attempt), Event::Intended(at)) => S::Committing(Attempt {
            commits: attempt.commits + 1,
            first_commit_at: attempt.first_commit_at.or(Some(at)),
            last_commit_at: Some(at),
            ..attempt
        }),
        (S::Committing(attempt) | S::Unconfirmed { attempt, .. }, Event::Confirmed(receipt)) => {
            published(receipt, attempt)
        }
        (S::Committing(attempt) | S::Unconfirmed { attempt, .. }, Event::Absent) => S::Processing(attempt),
        (S::Committing(attempt), Event::Refused) => {
            S::Processing(Attempt { commits: attempt.commits.saturating_sub(1), ..attempt })
        }
        (S::Committing(attempt), Event::Doubted(evidence)) => S::Unconfirmed { evidence, attempt },
        (S::Unconfirmed { .. }, Event::Denied) => S::Planned,

        // A platform can show the post before we meant to publish: an upload that the platform completed by itself.
        (S::Processing(attempt) | S::Uploading(attempt), Event::Confirmed(receipt)) => published(receipt, attempt),

        (S::Published { receipt, submission, inspection }, Event::Located(url)) => {
            S::Published { receipt: Receipt { url: Some(url), ..receipt }, submission, inspection }
        }
        (S::Published { receipt, submission, .. }, Event::Inspected(inspection)) => {
            S::Published { receipt, submission, inspection: Some(inspection) }
        }

        (state, Event::Held { until, reason }) if resumable(&state) => {
            S::Waiting { until, reason, resume: resume_point(state)? }
        }
        (S::Waiting { resume, .. }, Event::Resumed) => match resume {
            Resume::Prepare => S::Planned,
            Resume::Begin { submission } => S::Ready { submission },
            Resume::Upload(attempt) => S::Uploading(attempt),
            Resume::Process(attempt) => S::Processing(attempt),
        },

        (state, Event::Skipped(reason)) if resumable(&state) => S::Skipped { reason },
        (state, Event::Failed(reason)) if resumable(&state) => S::Failed { reason },
        (state, Event::Adopted) if resumable(&state) => S::Planned,
        (S::Failed { .. } | S::Skipped { .. }, Event::Retried) => S::Planned,

        (state, event) => return Err(impossible(&state, event.name())),
    })
}

fn published(receipt: Receipt, attempt: Attempt) -> RepostState {
    RepostState::Published { receipt, submission: attempt.submission, inspection: None }
}

/// Whether work on it can stop here without leaving a question open: everything before the commit.
const fn resumable(state: &RepostState) -> bool {
    !state.is_terminal() && !matches!(state, RepostState::Committing(_))
}

fn resume_point(state: RepostState) -> Result<Resume> {
    Ok(match state {
        RepostState::Planned | RepostState::Preparing => Resume::Prepare,
        RepostState::Ready { submission } => Resume::Begin { submission },
        RepostState::Uploading(attempt) => Resume::Upload(attempt),
        RepostState::Processing(attempt) => Resume::Process(attempt),
        RepostState::Waiting { resume, .. } => resume,
        state => return Err(impossible(&state, "held")),
    })
}

fn impossible(state: &RepostState, event: &str) -> Error {
    Error::internal("move repost", format!("\"{event}\" cannot happen to a repost that is {}", state.name()))
}

impl Event {
    /// The stable snake-case name: used in the journal.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::PrepStarted => "prep_started",
            Self::Prepared(_) => "prepared",
            Self::Skipped(_) => "skipped",
            Self::MediaLost => "media_lost",
            Self::Began(_) => "began",
            Self::Sent(_) => "sent",
            Self::Uploaded => "uploaded",
            Self::Incomplete => "incomplete",
            Self::TicketLost => "ticket_lost",
            Self::Intended(_) => "intended",
            Self::Confirmed(_) => "confirmed",
            Self::Located(_) => "located",
            Self::Inspected(_) => "inspected",
            Self::Refused => "refused",
            Self::Absent => "absent",
            Self::Doubted(_) => "doubted",
            Self::Held { .. } => "held",
            Self::Resumed => "resumed",
            Self::Failed(_) => "failed",
            Self::Adopted => "adopted",
            Self::Retried => "retried",
            Self::Denied => "denied",
        }
    }
}
