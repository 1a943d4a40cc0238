//! What each act does to a world.

use std::{pin::Pin, sync::Arc, time::Duration};

use autorepost_core::{
    Platform,
    brake::Scope,
    operator::{Destinations, Operator},
    port::Ports,
    post::{FoundPost, PostKind},
};
use chrono::TimeDelta;

use super::{Keys, OWNER, TARGETS, Task, World, edit, set_rule};
use crate::{accounts::SourcePost, act::Act};

impl World {
    /// Moves the world by one act. An act that has nothing to act on does nothing.
    pub fn act(&mut self, act: &Act) {
        match *act {
            Act::Poll(n) => self.poll(n),
            _ => {
                self.hub.say(|| format!("{act:?}"));
                self.act_seldom(act);
            }
        }
    }

    fn act_seldom(&mut self, act: &Act) {
        let index = |n: u8, count: usize| usize::from(n) % count.max(1);
        let target = |n: u8| TARGETS[index(n, 3)];
        match *act {
            Act::Poll(_) => {}
            Act::Claim(n) => self.claim(index(n, self.processes.len())),
            Act::Drop(n) if !self.tasks.is_empty() => {
                let chosen = usize::from(n) % self.tasks.len();
                drop(self.tasks.swap_remove(chosen));
            }
            Act::Drop(_) => {}
            Act::Crash(n) => self.crash(index(n, self.processes.len())),
            Act::Freeze(n, turns) => {
                let process = index(n, self.processes.len());
                self.processes[process].frozen = u32::from(turns);
            }
            Act::Beat(n) => self.beat(index(n, self.processes.len())),
            Act::Pass(ms) => self.hub.clock.advance(Duration::from_millis(ms.into())),
            Act::Jump(n, ms) => {
                let process = index(n, self.processes.len());
                self.processes[process].clock.jump(ms.into());
            }
            Act::Flaw(n, op, flaw) => self.sites[&target(n)].flaw(op, flaw),
            Act::SourceFlaw(flaw) => self.feed.flaw(flaw),
            Act::StoreFlaw(flaw) => self.hub.flaw_store(flaw),
            Act::EndAccess(n) => self.grants.end_access(target(n)),
            Act::Post { age_mins, late_mins, pinned, twin, hidden } => {
                self.post(age_mins, late_mins, (pinned, twin, hidden));
            }
            Act::Show(n) => self.feed.show(index(n, self.feed.posts().len())),
            Act::Delete(n) => self.feed.delete(index(n, self.feed.posts().len())),
            Act::Rename => self.feed.rename(format!("alice{}", self.feed.posts().len())),
            Act::Rule(..) if self.rules.is_empty() => {}
            Act::Rule(n, state) => {
                let id = self.rules[index(n, self.rules.len())];
                self.command(move |operator| {
                    Box::pin(async move { set_rule(operator, id, |rule| rule.state = state).await })
                });
            }
            Act::AddRules => self.add_rules(),
            Act::Edit(_) if self.rules.is_empty() => {}
            Act::Edit(n) => {
                let id = self.rules[index(n, self.rules.len())];
                self.command(move |operator| {
                    Box::pin(async move {
                        set_rule(operator, id, |rule| rule.spec.destinations.iter_mut().for_each(edit)).await;
                    })
                });
            }
            Act::HoldTarget(..) if self.rules.is_empty() => {}
            Act::HoldTarget(n, paused) => {
                let (id, at) = (self.rules[0], index(n, 3));
                self.command(move |operator| {
                    Box::pin(async move {
                        set_rule(operator, id, |rule| {
                            if let Some(spec) = rule.spec.destinations.get_mut(at) {
                                spec.paused = paused;
                            }
                        })
                        .await;
                    })
                });
            }
            Act::Account(n, paused) => {
                let name = format!("{}", Platform::ALL[index(n, 4)]);
                self.command(move |operator| Box::pin(async move { drop(operator.set_paused(&name, paused).await) }));
            }
            Act::Reconnect(n) => {
                let account = &self.accounts[1 + index(n, 3)];
                self.connect(account.platform, account.id);
            }
            Act::Brake(on) => self.command(move |operator| {
                Box::pin(async move {
                    match on {
                        true => drop(operator.stop(Scope::Everything, "a drill").await),
                        false => drop(operator.go_on(Scope::Everything).await),
                    }
                })
            }),
            Act::Retry(n) => {
                let keys: Vec<String> = self.feed.posts().into_iter().map(|post| post.found.key).collect();
                let Some(key) = keys.get(index(n, keys.len())).cloned() else { return };
                self.command(move |operator| {
                    Box::pin(async move {
                        if let Ok(post) = operator.post(&key).await {
                            drop(operator.repost(&post, Destinations::All).await);
                        }
                    })
                });
            }
            Act::RotateKey => {
                self.keys = Keys::Both;
                self.command(|operator| Box::pin(async move { drop(operator.reseal().await) }));
            }
        }
    }

    fn post(&self, age_mins: u32, late_mins: u32, (pinned, twin, hidden): (bool, bool, bool)) {
        let count = self.feed.posts().len();
        let key = format!("{count}");
        // No two posts of an account are made in the same moment.
        let mut posted_at = self.hub.now() - TimeDelta::minutes(age_mins.into());
        while self.feed.posts().iter().any(|post| post.found.posted_at == posted_at) {
            posted_at -= TimeDelta::milliseconds(1);
        }
        // Some captions are the same as another's.
        let caption = if twin { "The same words #fun".to_owned() } else { format!("Clip {key} #fun") };
        let found = FoundPost {
            url: format!("https://www.tiktok.com/@alice/video/{key}"),
            author: "alice".into(),
            caption,
            posted_at,
            kind: PostKind::Video { duration_secs: Some(9) },
            pinned,
            key: key.clone(),
        };
        let visible_from = self.hub.now() + TimeDelta::minutes(late_mins.into());
        self.feed.add(SourcePost {
            found,
            bytes: format!("bytes of {key}").into(),
            visible_from,
            deleted: false,
            hidden,
        });
    }

    /// A command of an operator, in a process of its own that can crash like any other.
    fn command(
        &mut self,
        work: impl for<'a> FnOnce(&'a Operator<'a>) -> Pin<Box<dyn Future<Output = ()> + 'a>> + 'static,
    ) {
        let ports = Ports { keys: self.ring(), ..self.base.clone() };
        let future = Box::pin(async move {
            let operator = Operator::new(&ports, OWNER, "operator");
            work(&operator).await;
        });
        self.tasks.push(Task { process: None, job: Arc::default(), future });
    }
}
