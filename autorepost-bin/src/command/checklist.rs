//! What a command looks at, one line for each, and an exit code for all of them.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use serde::Serialize;

use super::Context;

/// One thing that was looked at.
#[derive(Serialize)]
struct Row {
    what: String,
    ok: bool,
    detail: String,
    millis: u64,
}

/// Everything that was looked at.
#[derive(Default)]
pub struct Checklist(Vec<Row>);

impl Checklist {
    /// Notes what was found: a few words, or what is wrong and how to mend it.
    pub fn note<E: ToString>(&mut self, what: &str, found: Result<String, E>, took: Duration) {
        let ok = found.is_ok();
        let detail = found.unwrap_or_else(|error| error.to_string());
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.0.push(Row { what: what.to_owned(), ok, detail, millis });
    }

    /// Does it, and notes what it found and how long it took.
    pub async fn run(&mut self, what: &str, look: impl Future<Output = anyhow::Result<String>>) {
        let began = Instant::now();
        let found = look.await.map_err(|error| format!("{error:#}"));
        self.note(what, found, began.elapsed());
    }

    /// The same, for a look that may take so long at most.
    pub async fn look(&mut self, what: &str, limit: Duration, look: impl Future<Output = anyhow::Result<String>>) {
        let bounded = async {
            let late = |_| anyhow::anyhow!("did not end within {} s", limit.as_secs());
            tokio::time::timeout(limit, look).await.map_err(late)?
        };
        self.run(what, bounded).await;
    }

    /// The names of what is wrong.
    pub fn wrong(&self) -> Vec<&str> {
        self.0.iter().filter(|row| !row.ok).map(|row| row.what.as_str()).collect()
    }

    /// Shows it. The exit code is 1 when anything is wrong.
    pub fn show(&self, context: &Context) -> anyhow::Result<ExitCode> {
        context.show(&self.0, || {
            let line = |row: &Row| {
                let mark = if row.ok { "ok   " } else { "WRONG" };
                format!("  {mark} {}: {} ({} ms)\n", row.what, row.detail, row.millis)
            };
            let end = match self.wrong()[..] {
                [] => String::new(),
                ref wrong => format!("{} of {} are wrong: {}\n", wrong.len(), self.0.len(), wrong.join(", ")),
            };
            self.0.iter().map(line).chain([end]).collect()
        })?;
        Ok(if self.wrong().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
