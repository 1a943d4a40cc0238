//! `soak`: hours of load, and a report of them.

use std::{fmt::Write as _, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use autorepost_core::{id::TenantId, port::PostQuery};
use autorepost_database::Database;

use super::Context;
use crate::{
    ambient::Log,
    cli,
    demo::{
        plot::curve,
        soak::{self, Load, Soaked},
    },
    setup::services,
};

/// Disagreements that a page shows at most.
const SHOWN_MAX: usize = 100;
const MEBIBYTE: f64 = 1_048_576.;

pub async fn soak(context: &Context, options: cli::Soak) -> anyhow::Result<ExitCode> {
    let lasts = Duration::from_secs_f64(options.hours * 3600.);
    let load = Load { lasts, per_minute: options.per_minute, seed: options.seed };
    let database = match options.configured_database {
        true => Some(empty(context).await?),
        false => None,
    };
    let soaked = soak::run(load, database, Arc::new(Log)).await?;
    if let Some(path) = &options.report {
        std::fs::write(path, page(&soaked)).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    context.show(&soaked, || text(&soaked))?;
    Ok(if soaked.is_well() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The configured database, which nobody uses: a soak brings accounts and posts that stay there.
async fn empty(context: &Context) -> anyhow::Result<Database> {
    let database = services::database(&context.config).await?;
    let posts = database.posts().list(TenantId::OWNER, &PostQuery { limit: 1, ..PostQuery::default() }).await?;
    let unused = database.connections().list(None).await?.is_empty() && posts.is_empty();
    ensure!(unused, "the configured database has accounts or posts: a soak takes an empty one");
    Ok(database)
}

fn rows(soaked: &Soaked) -> Vec<(&'static str, String)> {
    let secs = |secs: Option<f64>| secs.map_or_else(|| "-".into(), |secs| format!("{secs:.1} s"));
    vec![
        ("posts", soaked.posts.to_string()),
        ("publications", soaked.published.to_string()),
        ("duplicates", soaked.duplicates.to_string()),
        ("lost", soaked.lost.to_string()),
        ("faults", soaked.faults.to_string()),
        ("took", format!("{:.0} s", soaked.seconds)),
        ("time to publish, p50", secs(soaked.publish_p50_seconds)),
        ("time to publish, p95", secs(soaked.publish_p95_seconds)),
    ]
}

fn text(soaked: &Soaked) -> String {
    let mut text: String = rows(soaked).iter().map(|(what, value)| format!("{what:<22} {value}\n")).collect();
    soaked.disagreements.iter().for_each(|one| text.push_str(&format!("DISAGREES: {one}\n")));
    text
}

/// A page with everything in it: it opens without a network.
fn page(soaked: &Soaked) -> String {
    let mut body = String::new();
    for (what, value) in rows(soaked) {
        let _ = writeln!(body, "<tr><th>{what}</th><td>{value}</td></tr>");
    }
    let per_minute: Vec<_> = soaked
        .samples
        .windows(2)
        .map(|pair| {
            let minutes = (pair[1].hours - pair[0].hours) * 60.;
            (pair[1].hours, pair[1].published.saturating_sub(pair[0].published) as f64 / minutes.max(f64::EPSILON))
        })
        .collect();
    let memory = soaked.samples.iter().filter_map(|one| Some((one.hours, one.resident_bytes? as f64 / MEBIBYTE)));
    let curves = [
        curve("Publications in a minute", "per minute", &per_minute),
        curve("Time from post to publication", "s", &soaked.times),
        curve("Memory, with the sandbox", "MiB", &memory.collect::<Vec<_>>()),
    ];
    let verdict = if soaked.is_well() { "Each post is where it shall be, once." } else { "The books disagree." };
    let mut wrong = String::new();
    for one in soaked.disagreements.iter().take(SHOWN_MAX) {
        let _ = write!(wrong, "<li>{}</li>", one.replace('&', "&amp;").replace('<', "&lt;"));
    }
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>autorepost soak</title>\
         <style>body{{font:16px sans-serif;max-width:760px;margin:2em auto}}th{{text-align:left;padding-right:2em}}\
         svg{{font-size:12px}}</style>\n<h1>{verdict}</h1>\n<table>{body}</table>\n<ul>{wrong}</ul>\n{}</html>\n",
        curves.concat()
    )
}
