//! What a person sees while the program works: progress bars on a terminal, and lines that do not break them.

use std::{
    collections::HashMap,
    io::{self, IsTerminal as _, Write},
    sync::{Mutex, PoisonError},
};

use autorepost_core::{
    Platform,
    id::RepostId,
    port::{EventSink, Signal},
};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tracing_subscriber::fmt::MakeWriter;

/// Bars that are shown at once at most; more would push everything else off the screen.
const BARS_MAX: usize = 8;

/// Standard error, shared by lines and bars.
#[derive(Clone, Default)]
pub struct Screen {
    bars: MultiProgress,
}

impl Screen {
    /// Writes a line above the bars.
    pub fn line(&self, text: &str) {
        self.bars.suspend(|| eprintln!("{text}"));
    }
}

impl<'a> MakeWriter<'a> for Screen {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bars.suspend(|| io::stderr().write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Shows transfers as bars while standard error is a terminal, and hands every signal on.
pub struct Bars<S> {
    screen: Screen,
    next: S,
    /// Nothing when standard error is no terminal.
    shown: Option<Mutex<HashMap<Move, ProgressBar>>>,
}

/// What moves: a repost's bytes from the source, or to a destination.
type Move = (RepostId, Option<Platform>);

impl<S: EventSink> Bars<S> {
    /// Bars on this screen, before `next`.
    pub fn new(screen: Screen, next: S) -> Self {
        Self { screen, next, shown: io::stderr().is_terminal().then(Mutex::default) }
    }

    fn transfer(&self, key: Move, bytes: u64, total: Option<u64>) {
        let Some(shown) = &self.shown else { return };
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        if total.is_some_and(|total| bytes >= total) {
            if let Some(bar) = shown.remove(&key) {
                bar.finish_and_clear();
            }
            return;
        }
        if !shown.contains_key(&key) && shown.len() >= BARS_MAX {
            return;
        }
        let bar = shown.entry(key).or_insert_with(|| {
            let bar = match total {
                Some(total) => ProgressBar::new(total),
                None => ProgressBar::no_length(),
            };
            let what = key.1.map_or_else(|| "from TikTok".to_owned(), |to| format!("to {}", to.title()));
            let template = "{msg:14} {bar:30} {bytes:>11} of {total_bytes:<11} {bytes_per_sec:>13} {eta}";
            bar.set_style(ProgressStyle::with_template(template).expect("the template is right"));
            self.screen.bars.add(bar.with_message(what))
        });
        bar.set_position(bytes);
    }

    /// Whatever a repost moved, it does not move any more in the state that it left.
    fn forget(&self, repost: RepostId) {
        let Some(shown) = &self.shown else { return };
        shown.lock().unwrap_or_else(PoisonError::into_inner).retain(|(of, _), bar| {
            if *of == repost {
                bar.finish_and_clear();
            }
            *of != repost
        });
    }
}

impl<S: EventSink> EventSink for Bars<S> {
    fn emit(&self, signal: &Signal<'_>) {
        match signal {
            Signal::Transfer { repost, to, bytes, total } => self.transfer((*repost, *to), *bytes, *total),
            Signal::RepostMoved { repost, .. } => self.forget(*repost),
            _ => {}
        }
        self.next.emit(signal);
    }
}
