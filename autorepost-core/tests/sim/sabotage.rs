//! Deliberate faults of the system, each of which the simulation must find: what it cannot find, it does not prove.

/// What is wrong with the code that is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// The intent is stored only with the answer to the commit.
    IntentAfterCommit,
    /// A doubt is taken for a certain refusal, and the commit is tried again.
    DoubtIsRetried,
    /// A doubt ends the repost as failed.
    DoubtIsFailure,
    /// The HTTP client repeats a commit whose answer was lost.
    CommitIsSentAgain,
    /// What is not to be seen yet is believed to be absent.
    NoSettleWindow,
    /// The search never finds anything.
    FindIsBlind,
    /// A Reel of the same caption is taken for ours, whatever the container says.
    CaptionIsProof,
    /// The HTTP client takes long to connect and keeps no deadline: a process that sleeps in it commits when it wakes.
    NoDeadline,
    /// A worker decides about absence by its own clock, however far it is off.
    NoClockGuard,
    /// Writes under a lost lease are accepted.
    NoFence,
    /// Writes over a newer version are accepted.
    NoVersion,
    /// What the intent rests on is not looked at in its transaction.
    NoGuards,
    /// The hourly cap is looked at before the commit only, not in the transaction of its intent.
    NoCapGuard,
    /// A step and the jobs that it causes are two transactions.
    StepInTwo,
    /// A post and its reposts are two transactions.
    AdmissionInTwo,
    /// An older credential may overwrite a newer one.
    CredentialWithoutVersion,
    /// The audit never runs.
    NoAudit,
    /// The cursor moves although the walk was cut short.
    CursorMovesAnyway,
    /// The overlap of a sync is nothing, and so is the audit.
    NoOverlap,
    /// What was prepared does not know what its rule asked for.
    EditIsNotSeen,
    /// A new rule is not held against what is known already.
    NewRuleOwesNothing,
    /// Endpoints are told in a transaction after that of the state.
    ToldAfterwards,
}

/// Every fault, and a word of the verdict that it must lead to; a bar stands between those that are as good.
pub const ALL: [(Sabotage, &str); 22] = [
    (Sabotage::IntentAfterCommit, "without a stored intent"),
    (Sabotage::DoubtIsRetried, "intents"),
    (Sabotage::DoubtIsFailure, "ended as failed"),
    (Sabotage::CommitIsSentAgain, "intents"),
    (Sabotage::NoSettleWindow, "twice"),
    (Sabotage::FindIsBlind, "show"),
    (Sabotage::CaptionIsProof, "shown"),
    (Sabotage::NoDeadline, "without a stored intent|twice"),
    (Sabotage::NoClockGuard, "show"),
    (Sabotage::NoFence, "under a lost lease"),
    (Sabotage::NoVersion, "under a lost lease"),
    (Sabotage::NoGuards, "was stored although"),
    (Sabotage::NoCapGuard, "hourly cap"),
    (Sabotage::StepInTwo, "no job"),
    (Sabotage::AdmissionInTwo, "no reposts"),
    (Sabotage::CredentialWithoutVersion, "overwritten"),
    (Sabotage::NoAudit, "never "),
    (Sabotage::CursorMovesAnyway, "never "),
    (Sabotage::NoOverlap, "never "),
    (Sabotage::EditIsNotSeen, "asks for something else"),
    (Sabotage::NewRuleOwesNothing, "no reposts"),
    (Sabotage::ToldAfterwards, "was told"),
];
