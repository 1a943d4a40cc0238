//! The fields of the log, as data: `docs/operations.md` is held against this table, and a test against what is logged.

/// A field of a line in JSON.
#[derive(Debug)]
pub struct Field {
    /// Its name; `span.` stands before those that every line of a job carries.
    pub name: &'static str,
    /// What it is.
    pub what: &'static str,
}

const fn field(name: &'static str, what: &'static str) -> Field {
    Field { name, what }
}

/// Every field.
pub const FIELDS: &[Field] = &[
    field("timestamp", "when, in UTC"),
    field("level", "`ERROR`: somebody must look; `WARN`: it goes on, but not as it should; `INFO`; `DEBUG`; `TRACE`"),
    field("target", "the module that says it"),
    field("message", "what happened, for people"),
    field("span.name", "`job`, or `request` for one to the HTTP interface"),
    field("span.tenant", "the tenant that the job works for"),
    field("span.job", "the job's key, which names one row of the queue"),
    field("span.job_id", "the job's id"),
    field("span.kind", "what the job does"),
    field("span.subject", "what it works on: the id of a connection, a repost or a rule"),
    field("span.repost", "the repost, for jobs of reposts"),
    field("span.connection", "the connection, for jobs of connections"),
    field("span.attempt", "which attempt this is since the last success, from 1"),
    field("span.epoch", "which claim of the job this is"),
    field("span.id", "the request, as its answer and the audit log name it"),
    field("job", "the job's key, where its end is told"),
    field("outcome", "how a run of a job ended"),
    field("took_ms", "how long it took"),
    field("attempts", "failures of the job before this run"),
    field("post", "the post"),
    field("key", "the source's own id of the post"),
    field("reposts", "how many reposts a new post caused"),
    field("repost", "the repost"),
    field("platform", "the platform"),
    field("from", "the state that a repost left"),
    field("connection", "the connection"),
    field("status", "the new status of a connection, or the status of an answer"),
    field("kind", "the kind of job that raised an alarm, or the kind of an error"),
    field("op", "what a request to a platform was for"),
    field("bytes", "bytes that moved so far"),
    field("total", "bytes in all"),
    field("method", "the method of a request to the HTTP interface"),
    field("path", "its path"),
    field("action", "what it asked for, as the audit log has it"),
    field("subject", "what it asked that of"),
    field("actor", "the key that asked"),
    field("cause", "what is behind an error of ours"),
    field("place", "a source of secrets"),
    field("names", "the names of secrets that were rotated"),
];
