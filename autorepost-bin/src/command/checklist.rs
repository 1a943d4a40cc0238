//! Things that are looked at one after the other, and what came of each.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use serde::Serialize;

use super::table;

/// What came of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// It is right.
    Passed,
    /// It is not.
    Failed,
    /// It could not be looked at for want of something that is no failure, such as a key.
    NotChecked,
}

/// Why a look tells nothing.
pub(super) struct Skip(pub String);

/// What a look says: a few words, or why it does not tell anything.
pub(super) type Look = anyhow::Result<Result<String, Skip>>;

#[derive(Debug, Serialize)]
struct Line {
    what: String,
    outcome: Outcome,
    took_ms: u64,
    detail: String,
}

/// The list. What fails does not keep the rest from being looked at.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Checklist(Vec<Line>);

impl Checklist {
    /// Looks at one thing, for `limit` at most; whether it is right.
    pub async fn look(&mut self, what: &str, limit: Duration, look: impl Future<Output = Look>) -> bool {
        let began = Instant::now();
        let found = match tokio::time::timeout(limit, look).await {
            Ok(found) => found,
            Err(_) => Err(anyhow::anyhow!("did not end within {} s", limit.as_secs())),
        };
        let (outcome, detail) = match found {
            Ok(Ok(detail)) => (Outcome::Passed, detail),
            Ok(Err(Skip(why))) => (Outcome::NotChecked, why),
            Err(error) => (Outcome::Failed, format!("{error:#}")),
        };
        self.0.push(Line { what: what.to_owned(), outcome, took_ms: began.elapsed().as_millis() as u64, detail });
        outcome == Outcome::Passed
    }

    /// What failed, by name.
    pub fn failed(&self) -> Vec<&str> {
        self.0.iter().filter(|line| line.outcome == Outcome::Failed).map(|line| line.what.as_str()).collect()
    }

    /// Shows the list, and names on standard error what failed.
    pub fn show(&self, as_json: bool) -> anyhow::Result<ExitCode> {
        let failed = self.failed();
        if as_json {
            let value = serde_json::json!({ "ok": failed.is_empty(), "failed": failed, "checks": self });
            println!("{value:#}");
        } else {
            let mut table = table(&["", "check", "ms", ""]);
            for line in &self.0 {
                let outcome = match line.outcome {
                    Outcome::Passed => "ok",
                    Outcome::Failed => "FAILED",
                    Outcome::NotChecked => "not checked",
                };
                table.add_row([outcome, &line.what, &line.took_ms.to_string(), &line.detail]);
            }
            println!("{table}");
        }
        if failed.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        eprintln!("autorepost: failed: {}", failed.join(", "));
        Ok(ExitCode::FAILURE)
    }
}
