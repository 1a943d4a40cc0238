//! The sources of secrets, on real files and on a stand-in of AWS.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that cannot go on has failed"))]

mod aws;
mod conformance;
mod local;
mod moto;
mod quiet;
mod rds;

use std::{sync::Arc, time::Duration};

use autorepost_core::port::SecretSource;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

/// The value of a name, to be compared.
async fn ask(source: &(impl SecretSource + ?Sized), name: &str) -> Option<String> {
    source.secret(name).await.unwrap().map(|secret| secret.expose().to_owned())
}

/// Asks until a value is there.
async fn until(source: &dyn SecretSource, name: &str, value: &str) {
    let asking = async {
        while ask(source, name).await.as_deref() != Some(value) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asking).await.expect("the value comes");
}

fn dynamic(source: impl SecretSource + 'static) -> Arc<dyn SecretSource> {
    Arc::new(source)
}
