//! `slo`: what the last day has left of its error budgets.

use std::process::ExitCode;

use serde_json::json;

use super::{Context, table};
use crate::{
    cli,
    slo::{self, Measured},
};

pub async fn slo(context: &Context, options: cli::Slo) -> anyhow::Result<ExitCode> {
    let ports = context.ports().await?;
    let all = slo::measure(&ports, options.metrics.as_ref()).await?;
    let spent: Vec<_> = all.iter().filter(|one| one.is_spent()).map(|one| one.name).collect();
    context.show(&json!({ "spent": spent, "objectives": all }), || text(&all))?;
    if spent.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("autorepost: spent: {}", spent.join(", "));
    Ok(ExitCode::FAILURE)
}

fn text(all: &[Measured]) -> String {
    let percent = |share: Option<f64>| share.map_or_else(|| "-".into(), |share| format!("{:.2} %", share * 100.));
    let mut table = table(&["", "objective", "measured", "budget left", "", "source"]);
    for one in all {
        table.add_row([
            one.name.to_owned(),
            percent(Some(one.objective)),
            percent(one.measured),
            percent(one.budget_left),
            one.detail.clone(),
            one.source.clone(),
        ]);
    }
    format!("{table}\n")
}
