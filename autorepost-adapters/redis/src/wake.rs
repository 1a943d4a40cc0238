//! Wake-ups of the workers of all processes.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use autorepost_core::{memory::MemoryWake, port::Wake};
use tokio::sync::Notify;

use crate::tasks::Tasks;

/// A signal to all processes: at once to this one, and by one publication for however many signals came meanwhile.
#[derive(Default)]
pub(crate) struct RedisWake {
    /// This process's own.
    pub(crate) own: Arc<MemoryWake>,
    /// What the others must be told.
    pub(crate) publish: Arc<Notify>,
    /// What tells them, for as long as somebody may wake.
    tasks: OnceLock<Arc<Tasks>>,
}

impl RedisWake {
    pub(crate) fn hold(&self, tasks: &Arc<Tasks>) {
        let _ = self.tasks.set(Arc::clone(tasks));
    }
}

#[async_trait]
impl Wake for RedisWake {
    fn wake(&self) {
        self.own.wake();
        self.publish.notify_one();
    }

    async fn wait(&self, seen: u64) -> u64 {
        self.own.wait(seen).await
    }
}
