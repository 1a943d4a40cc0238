//! The commit of a publication, the one step that the public sees; and the questions after it, when its answer was no answer.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    Error, ErrorKind, Result,
    connection::Connection,
    credential::Access,
    job::{Finish, Job, NewJob, refresh_key},
    pipeline::{
        publish::{Acting, Turn},
        stepping::{Passage, With},
    },
    policy::{after, before},
    port::{After, Commit, EntropyExt, Finding, Guard},
    repost::Repost,
    state::{Attempt, Event, Owner, Reason, Receipt},
    worker::Worker,
};

/// The window of the hourly cap.
pub(super) const CAP_WINDOW: TimeDelta = TimeDelta::hours(1);
/// Slack of the window in which reposts are known to be others': the platform's clock and ours may differ.
const TAKEN_SLACK: TimeDelta = TimeDelta::hours(1);
/// Questions in a row that must fail, after the time for a doubt is over, before a person is asked.
const FINDS_MIN: u32 = 5;
/// The codes of the guards that count commits.
const HOURLY_CAP: &str = "hourly_cap";
const ANOMALY: &str = "anomaly";

impl Worker {
    /// Stores the intent, sends the commit once, and writes down what came of it.
    pub(super) async fn commit(
        &self,
        job: &Job,
        repost: &Repost,
        passage: &Passage,
        attempt: &Attempt,
        acting: &Acting,
    ) -> Result<Turn> {
        if passage.rule.spec.shadow {
            let text = "shadow mode: everything was done but the commit";
            self.skip(job, repost, Reason::new(Owner::Nobody, text)).await?;
            return Ok(Turn::Over);
        }
        if attempt.commits >= self.policy.commits_max {
            let text = format!("the commit was sent {} times and never took effect", attempt.commits);
            let reason = Reason::new(Owner::Operator, text.clone());
            self.step(job, repost, Event::Failed(reason), text, With::finish(Finish::Done)).await?;
            return Ok(Turn::Over);
        }

        let (intended_at, began) = (self.now(), self.ports.clock.uptime());
        let with = With {
            after: After::KeepFor(self.policy.lease),
            jobs: Vec::new(),
            guards: self.guards(repost, passage, intended_at),
        };
        let event = Event::Intended(intended_at);
        let repost = &match self.step(job, repost, event, "about to commit", with).await {
            Err(error) if error.platform_code() == Some(HOURLY_CAP) => {
                return self.hold_for_cap(job, repost, self.hourly_cap(passage)).await;
            }
            Err(error) if error.platform_code() == Some(ANOMALY) => {
                return self.stop_account(job, repost, &passage.connection).await;
            }
            other => other?,
        };

        // A process that was stopped right here must not wake up and publish what another one has settled meanwhile.
        // Its clock may have been set back meanwhile, or have stood still with the machine: so both are asked.
        let start_max = self.policy.commit_start_max;
        if self.now() > after(intended_at, start_max) || self.ports.clock.uptime() > began + start_max {
            let error = Error::unavailable("commit", "the process was stopped between the intent and the commit");
            return self.doubt(job, repost, &error).await;
        }
        let publication = acting.publication(self.now());
        match acting.destination(self)?.commit(&publication, &attempt.ticket).await {
            Commit::Published(receipt) => {
                let detail = receipt.url.clone().or_else(|| receipt.id.clone()).unwrap_or_default();
                self.confirmed(job, repost, receipt, detail).await?;
                Ok(Turn::Over)
            }
            Commit::Refused(error) => {
                let detail = format!("the platform refused the commit: {error}");
                let repost = self.step(job, repost, Event::Refused, detail, With::keep()).await?;
                self.failed_turn(job, &repost, &error).await
            }
            Commit::Doubt(error) => {
                // The platform has something against the account: nothing more is sent there, this post neither.
                if error.kind() == ErrorKind::Forbidden && error.platform_code().is_some() {
                    let (title, handle) = (passage.connection.platform.title(), &passage.connection.handle);
                    let text = format!("{title} @{handle} was paused: {}. Then resume it", error.detail());
                    self.stop(job, &passage.connection, "refused", &text).await?;
                }
                self.doubt(job, repost, &error).await
            }
        }
    }

    /// The public sees it. Where, if that is not known yet, and what becomes of it are the questions of jobs of their own.
    pub(super) async fn confirmed(&self, job: &Job, repost: &Repost, receipt: Receipt, detail: String) -> Result<()> {
        let mut with = With::finish(Finish::Done);
        if receipt.id.is_some() {
            let due = after(self.now(), self.policy.inspect_first);
            with.jobs.push(NewJob::verify(self.job_id(), repost, due));
        }
        if receipt.id.is_some() && receipt.url.is_none() {
            with.jobs.push(NewJob::locate(self.job_id(), repost, self.now()));
        }
        let content = repost.state.attempt().map(|attempt| &attempt.submission.content);
        if receipt.id.is_some() && content.is_some_and(|content| content.thumbnail_offset_ms().is_some()) {
            with.jobs.push(NewJob::thumbnail(self.job_id(), repost, self.now()));
        }
        self.step(job, repost, Event::Confirmed(receipt), detail, with).await?;
        Ok(())
    }

    /// What must hold in the transaction of the intent, so that no brake, edit or cap is passed by.
    fn guards(&self, repost: &Repost, passage: &Passage, now: DateTime<Utc>) -> Vec<Guard> {
        let below = |code, since, max| Guard::CommitsBelow {
            code,
            platform: repost.key.platform,
            account: repost.key.account.clone(),
            since,
            max,
        };
        // What a person has looked at is no reason to stop again.
        let anomaly_since = before(now, self.policy.anomaly_window);
        let anomaly_since = passage.connection.resumed_at.map_or(anomaly_since, |at| at.max(anomaly_since));
        vec![
            Guard::Clock { at: now, off_max: self.policy.clock_off_max },
            Guard::NoBrake,
            Guard::Rule { id: passage.rule.id, version: passage.rule.version },
            Guard::ConnectionUsable(passage.connection.id),
            below(ANOMALY, anomaly_since, self.policy.anomaly_max),
            below(HOURLY_CAP, now - CAP_WINDOW, self.hourly_cap(passage)),
        ]
    }

    /// How many posts may go to the destination's account within an hour.
    pub(super) fn hourly_cap(&self, passage: &Passage) -> u32 {
        passage.rule.spec.hourly_cap.map_or(self.policy.hourly_max, |cap| cap.min(self.policy.hourly_max))
    }

    pub(super) async fn hold_for_cap(&self, job: &Job, repost: &Repost, max: u32) -> Result<Turn> {
        let until = after(self.now(), self.policy.hold);
        let text = format!("{max} posts an hour may go to this account");
        self.hold(job, repost, until, Reason::new(Owner::Quota, text)).await?;
        Ok(Turn::Over)
    }

    /// So many posts in so short a time are nobody's wish: holds the account until a person looks.
    async fn stop_account(&self, job: &Job, repost: &Repost, connection: &Connection) -> Result<Turn> {
        let (platform, minutes) = (connection.platform.title(), self.policy.anomaly_window.as_secs() / 60);
        let text = format!(
            "{platform} @{} was paused: {} posts went there within {minutes} minutes. Look what causes them, then resume it",
            connection.handle, self.policy.anomaly_max
        );
        self.stop(job, connection, "anomaly", &text).await?;
        let until = after(self.now(), self.policy.hold);
        self.hold(job, repost, until, Reason::new(Owner::Operator, text)).await?;
        Ok(Turn::Over)
    }

    /// The commit was sent, and its answer is no answer.
    async fn doubt(&self, job: &Job, repost: &Repost, error: &Error) -> Result<Turn> {
        let again = Finish::Again {
            run_at: after(self.now(), self.policy.find_every),
            attempts: 0,
            note: Some(format!("asking the platform what became of the commit: {error}")),
        };
        let detail = format!("no clear answer to the commit: {error}");
        self.note(job, repost, "in_doubt", &detail, With::finish(again)).await?;
        Ok(Turn::Over)
    }

    /// Asks what became of a commit.
    pub(super) async fn reconcile(&self, job: &Job, repost: &Repost, attempt: &Attempt) -> Result<Turn> {
        let now = self.now();
        let first = attempt.first_commit_at.unwrap_or(repost.updated_at);
        let last = attempt.last_commit_at.unwrap_or(repost.updated_at);
        // The settle window counts from the latest moment in which the commit can have been begun.
        let latest = after(last, self.policy.commit_start_max);
        let (finding, settle) = match self.ask(repost, attempt, first).await {
            Ok((finding, settle)) => (Ok(finding), settle),
            Err(error) if error.kind() == ErrorKind::LeaseLost => return Err(error),
            Err(error) => (Err(error), Default::default()),
        };
        let failed = finding.is_err();
        let unclear = match finding {
            Ok(Finding::Published(receipt)) => {
                let detail =
                    format!("found: {}", receipt.url.as_deref().or(receipt.id.as_deref()).unwrap_or("its upload"));
                self.confirmed(job, repost, receipt, detail).await?;
                return Ok(Turn::Over);
            }
            // Both before the platform was asked and now, by a time that the store vouches for.
            Ok(Finding::Absent) if now.min(self.now()) >= after(latest, settle) => {
                let detail = "the settle window is over and it is not there: it may be sent again";
                let guards = vec![Guard::Clock { at: self.now(), off_max: self.policy.clock_off_max }];
                let with = With { guards, ..With::keep() };
                return Ok(Turn::Go(Box::new(self.step(job, repost, Event::Absent, detail, with).await?)));
            }
            Ok(Finding::Absent) => {
                let run_at = after(latest, settle).min(after(now, self.policy.find_every.max(settle / 4)));
                return self.ask_again(job, run_at, 0, "not to be seen yet".into()).await;
            }
            Ok(Finding::Unknown(why)) => Reason::new(Owner::Reconciling, why),
            Err(error) => {
                if error.kind() == ErrorKind::Unauthorized {
                    self.ports.jobs.hasten(&[refresh_key(repost.connection)]).await?;
                }
                Reason { owner: Owner::Reconciling, ..Reason::from_error(&error) }
            }
        };
        // A platform that was not reached, or refused a token that ended meanwhile, has not said that it cannot tell.
        if now > after(last, self.policy.doubt_max) && (!failed || job.attempts + 1 >= FINDS_MIN) {
            let text = format!(
                "the commit was sent at {} and the platform cannot tell whether it took effect: look at the account and \
                 confirm or deny it ({})",
                last.format("%Y-%m-%d %H:%M:%S UTC"),
                unclear.text
            );
            let evidence = Reason { text: text.clone(), owner: Owner::Operator, ..unclear };
            let guards = vec![Guard::Clock { at: now, off_max: self.policy.clock_off_max }];
            let with = With { guards, ..With::finish(Finish::Done) };
            self.step(job, repost, Event::Doubted(evidence), text, with).await?;
            return Ok(Turn::Over);
        }
        let attempts = job.attempts + 1;
        let jitter = 0.5 + (self.ports.entropy.number() >> 32) as f64 / (1_u64 << 33) as f64;
        let wait = self.policy.find_every.saturating_mul(1 << attempts.min(10)).min(self.policy.backoff_max);
        self.ask_again(job, after(now, wait.mul_f64(jitter)), attempts, unclear.text).await
    }

    pub(super) async fn ask(
        &self,
        repost: &Repost,
        attempt: &Attempt,
        since: DateTime<Utc>,
    ) -> Result<(Finding, std::time::Duration)> {
        let op = "find commit";
        let connection = self
            .ports
            .connections
            .get(repost.tenant, repost.connection)
            .await?
            .ok_or_else(|| Error::not_found(op, "the connection does not exist any more"))?;
        let access = Access::open(&connection, &self.ports.keys)?;
        let (platform, account) = (repost.key.platform, &repost.key.account);
        let taken = self.ports.reposts.published_ids(repost.tenant, platform, account, since - TAKEN_SLACK).await?;
        let acting = Acting::new(self, access, &attempt.submission);
        let destination = acting.destination(self)?;
        let finding = destination.find(&acting.publication(self.now()), &attempt.ticket, since, &taken).await?;
        Ok((finding, destination.timing().settle))
    }

    async fn ask_again(&self, job: &Job, run_at: DateTime<Utc>, attempts: u32, why: String) -> Result<Turn> {
        let note = Some(format!("asking the platform what became of the commit: {why}"));
        let again = Finish::Again { run_at, attempts, note };
        self.ports.jobs.finish(job.lease(), &again).await?;
        Ok(Turn::Over)
    }
}
