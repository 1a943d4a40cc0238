//! Everything that is logged by us and by the driver, for tests to look at.

use std::{
    io::{self, Write},
    sync::{Mutex, Once},
};

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Sink;

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Begins to listen, to every level of our own and of the driver's lines.
pub fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing_subscriber::fmt()
            .with_env_filter("fred=trace,autorepost_redis=trace")
            .with_ansi(false)
            .with_writer(|| Sink)
            .init();
    });
}

/// What was logged so far.
pub fn lines() -> Vec<String> {
    String::from_utf8_lossy(&LINES.lock().unwrap()).lines().map(str::to_owned).collect()
}

/// How many lines have all these words.
pub fn count(words: &[&str]) -> usize {
    lines().iter().filter(|line| words.iter().all(|word| line.contains(word))).count()
}
