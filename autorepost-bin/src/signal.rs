//! The word to stop.

/// Waits for Ctrl-C, or for SIGTERM where there is such a thing.
///
/// # Errors
///
/// When the system does not tell of signals.
pub async fn stop() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            pressed = tokio::signal::ctrl_c() => pressed,
            _ = term.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
