//! `sandbox`.

use std::{fs, path::Path, process::ExitCode, time::Duration};

use anyhow::Context as _;
use autorepost_sandbox::Sandbox;
use serde_json::json;

use crate::{cli, demo::stage, signal};

pub async fn serve(options: cli::Sandbox, as_json: bool) -> anyhow::Result<ExitCode> {
    fs::create_dir_all(&options.folder)
        .with_context(|| format!("the folder {} cannot be made", options.folder.display()))?;
    let stage =
        stage::Options { seed: options.seed, port: options.port, record: options.record, ..stage::Options::default() };
    let sandbox = stage::sandbox(&stage, &options.folder).await?;
    if options.chaos {
        sandbox.world().set_faults(stage::chaos());
    }
    for (name, text) in stage::credentials() {
        let path = options.folder.join(name);
        fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    match as_json {
        true => println!("{}", json!({ "base": sandbox.base_url(), "folder": options.folder })),
        false => greet(&sandbox, &options.folder),
    }
    let posting = async {
        match options.post_every {
            Some(secs) => post_for_ever(&sandbox, &options.folder, Duration::from_secs(secs)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        signal = signal::stop() => signal?,
        posted = posting => posted?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn post_for_ever(sandbox: &Sandbox, folder: &Path, every: Duration) -> anyhow::Result<()> {
    for index in 0.. {
        tokio::time::sleep(every).await;
        let id = stage::post_now(sandbox, folder, index)?;
        println!("posted {id}");
    }
    Ok(())
}

fn greet(sandbox: &Sandbox, folder: &Path) {
    let (base, folder) = (sandbox.base_url(), folder.display());
    let account = stage::INSTAGRAM.0;
    println!(
        "The sandbox listens on {base}: what its public sees is there. To work with it:

  export AUTOREPOST_SANDBOX={base}
  autorepost connect tiktok --handle {} --jar {folder}/tiktok-cookies.json
  autorepost connect instagram      # opens the sandbox's page of Facebook: press Allow there
  autorepost connect youtube
  autorepost connect x
  autorepost rules add everything --to instagram --to youtube --to x --made-for-kids no --since all
  autorepost run

Where no browser is, files do as well: autorepost connect instagram --account {account} --token {folder}/instagram-token.json,
autorepost connect youtube --token {folder}/youtube-token.json, autorepost connect x --token {folder}/x-token.json.
Ctrl-C ends it.",
        stage::HANDLE
    );
}
