//! The two books at the end of a run: what the program knows, and what the public sees.

use std::{collections::BTreeMap, fmt};

use autorepost_core::{
    Platform,
    id::TenantId,
    job::{JobState, NewJob},
    port::{PostQuery, RepostQuery},
    post::Post,
    repost::Repost,
    state::RepostState,
};
use autorepost_sandbox::Shown;
use chrono::TimeDelta;

use crate::{
    chaos::Stage,
    scene::{DESTINATIONS, POSTS_ON_X, Want, Wanted},
};

/// Rows that one query reads.
const ROWS_MAX: u32 = 1_000_000;
/// An intent that was stored before a pause may take effect so much later: until then the commit may begin, then it has
/// its deadline, and the slowest platform of the fault plan.
const LATE_MAX: TimeDelta = TimeDelta::seconds(5 + 3 + 4);

#[derive(Default)]
pub struct Verdict {
    pub posts: usize,
    pub publications: usize,
    pub duplicates: usize,
    pub lost: usize,
    /// What is wrong, by post; the empty name is for what concerns no single post.
    pub wrong: BTreeMap<String, Vec<String>>,
}

/// Our book.
pub struct Book {
    posts: Vec<Post>,
    reposts: Vec<Repost>,
}

impl Book {
    pub async fn read(stage: &Stage) -> autorepost_core::Result<Self> {
        let database = &stage.scene.database;
        let query = PostQuery { limit: ROWS_MAX, ..PostQuery::default() };
        let posts = database.posts().list(TenantId::OWNER, &query).await?;
        let query = RepostQuery { limit: ROWS_MAX, ..RepostQuery::default() };
        Ok(Self { posts, reposts: database.reposts().list(TenantId::OWNER, &query).await? })
    }

    /// Whether every wanted post was found, and nothing is on its way.
    pub fn is_settled(&self, wanted: usize) -> bool {
        let all = self.posts.len() >= wanted && self.reposts.len() >= wanted * DESTINATIONS.len();
        all && self.reposts.iter().all(|repost| repost.state.is_terminal())
    }
}

impl Verdict {
    pub async fn reach(stage: &Stage) -> Self {
        let book = Book::read(stage).await.unwrap();
        let ledger = stage.scene.ledger().await;
        let wanted = stage.wanted.lock().unwrap().clone();
        let mut verdict = Self { posts: wanted.len(), publications: ledger.len(), ..Self::default() };
        let mut explained = 0;
        for post in &wanted {
            for (index, platform) in DESTINATIONS.into_iter().enumerate() {
                let sha256 = post.video.map(|video| video.to_string());
                let same = |shown: &&Shown| shown.platform == platform && Some(&shown.sha256) == sha256.as_ref();
                let shown: Vec<_> = ledger.iter().filter(same).collect();
                explained += shown.len();
                let repost = book.reposts.iter().find(|one| one.key.post == post.id && one.key.platform == platform);
                verdict.judge(post, platform, post.at[index], &shown, repost);
            }
        }
        if explained != ledger.len() {
            verdict.wrong("", format!("the public sees {} posts, {explained} were wanted", ledger.len()));
        }
        verdict.judge_pauses(stage, &ledger);
        verdict.judge_jobs(stage, &book).await;
        verdict
    }

    fn wrong(&mut self, post: &str, text: impl Into<String>) {
        self.wrong.entry(post.to_owned()).or_default().push(text.into());
    }

    fn judge(&mut self, post: &Wanted, platform: Platform, want: Want, shown: &[&Shown], repost: Option<&Repost>) {
        self.duplicates += shown.len().saturating_sub(1);
        let Some(repost) = repost else {
            self.lost += 1;
            return self.wrong(&post.id, format!("{platform}: nothing is known of it"));
        };
        let seen = shown.len();
        match (want, &repost.state) {
            (Want::Published, RepostState::Published { receipt, .. }) if seen == 1 => {
                if receipt.id.as_ref().is_some_and(|id| *id != shown[0].id) {
                    let known = receipt.id.as_deref().unwrap_or_default();
                    self.wrong(&post.id, format!("{platform}: known as {known}, shown as {}", shown[0].id));
                }
            }
            (Want::Skipped(why), RepostState::Skipped { reason }) if seen == 0 && reason.text.contains(why) => {}
            (_, state) => {
                self.lost += usize::from(want == Want::Published && (seen == 0 || state.name() != "published"));
                let because = state.reason().map(|reason| format!(" ({})", reason.text)).unwrap_or_default();
                let text = format!("{platform}: wanted {want:?}, is {}{because}, shown {seen} times", state.name());
                self.wrong(&post.id, text);
            }
        }
    }

    /// Nothing appears while its rule is paused.
    fn judge_pauses(&mut self, stage: &Stage, ledger: &[Shown]) {
        for pause in stage.pauses.lock().unwrap().iter() {
            let of_rule = |shown: &&Shown| (shown.platform == Platform::X) == (pause.rule == POSTS_ON_X);
            for shown in ledger.iter().filter(of_rule) {
                if shown.at > pause.from + LATE_MAX && shown.at < pause.until {
                    let (platform, id, rule) = (shown.platform, &shown.id, pause.rule);
                    let text = format!("{platform} {id} appeared at {}, but \"{rule}\" was paused", shown.at);
                    self.wrong("", text);
                }
            }
        }
    }

    /// After every worker has stopped, nothing runs, nothing is dead, and nothing is without its job.
    async fn judge_jobs(&mut self, stage: &Stage, book: &Book) {
        let database = &stage.scene.database;
        for group in database.jobs().stats().await.unwrap() {
            if matches!(group.state, JobState::Running | JobState::Dead) {
                self.wrong("", format!("{} jobs \"{}\" are {}", group.count, group.kind, group.state.as_str()));
            }
        }
        for orphan in database.reposts().orphans(10).await.unwrap() {
            self.wrong(&orphan.key.post, format!("{}: has no job", orphan.key.platform));
        }
        for connection in database.connections().list(None).await.unwrap() {
            let id = || autorepost_core::id::JobId::new(connection.created_at, [0; 10]);
            for job in NewJob::perpetual(&connection, connection.created_at, id) {
                if database.jobs().find(&job.key).await.unwrap().is_none() {
                    self.wrong("", format!("{}: the job \"{}\" is gone", connection.platform, job.key));
                }
            }
        }
        for repost in book.reposts.iter().filter(|repost| repost.state.is_terminal()) {
            if let Some(job) = database.jobs().find(&repost.job_key()).await.unwrap() {
                self.wrong(
                    &repost.key.post,
                    format!("{}: has ended, but its job has not: {job:?}", repost.key.platform),
                );
            }
        }
    }

    /// The verdict, with the whole story of each post that is not as it must be.
    pub async fn told(&self, stage: &Stage) -> String {
        let mut told = String::new();
        for (post, texts) in &self.wrong {
            told += &texts.iter().map(|text| format!("\n{post} {text}")).collect::<String>();
            if !post.is_empty() {
                let story = stage.scene.house.ask(&["explain", post]).await;
                told +=
                    &format!("\n{}{}", String::from_utf8_lossy(&story.stdout), String::from_utf8_lossy(&story.stderr));
            }
        }
        told
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { posts, publications, duplicates, lost, .. } = self;
        write!(f, "{posts} posts, {publications} publications, duplicates {duplicates}, lost {lost}")
    }
}
