//! What each command does: reads the world through the core's [`Operator`], and shows what it found.

mod access;
mod accounts;
mod backfill;
mod check;
mod checklist;
mod consent;
mod cookies;
mod gate;
mod keys;
mod posts;
mod refresh;
mod rules;
mod run;
mod sandbox;
mod secrets;
mod slo;
mod smoke;
mod soak;
mod status;
mod synthetic;
mod webhooks;

use std::{fmt, process::ExitCode, sync::Arc};

use anyhow::Context as _;
use autorepost_core::{
    Error, ErrorKind,
    id::TenantId,
    operator::Operator,
    port::{EntropyExt as _, EventSink, Ports},
};
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::{
    ambient::Log,
    cli::{self, Cli, Command, Keys},
    config::Config,
    demo,
    screen::{Bars, Screen},
    setup,
};
use run::Parts;

/// A command line that no command can work with, for a reason that its grammar does not know.
#[derive(Debug)]
pub struct Usage(String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

fn usage(text: impl Into<String>) -> anyhow::Error {
    Usage(text.into()).into()
}

/// What every command has at hand.
struct Context {
    config: Config,
    screen: Screen,
    json: bool,
}

impl Context {
    /// The installation, without a listener.
    async fn ports(&self) -> anyhow::Result<Ports> {
        Ok(setup::installation(&self.config, None).await?.ports(self.events())?)
    }

    /// The same, even if its keys open nothing: for the command that mends this.
    async fn ports_with_any_key(&self) -> anyhow::Result<Ports> {
        Ok(setup::with_any_key(&self.config, None).await?.ports(self.events())?)
    }

    fn events(&self) -> Arc<dyn EventSink> {
        Arc::new(Bars::new(self.screen.clone(), Log))
    }

    /// Shows a result: as JSON when that is asked for.
    fn show<T: Serialize>(&self, value: &T, text: impl FnOnce() -> String) -> anyhow::Result<ExitCode> {
        if self.json {
            println!("{}", serde_json::to_string_pretty(value)?);
        } else {
            print!("{}", text());
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Runs a command.
///
/// # Errors
///
/// What went wrong, for people.
pub async fn run(cli: Cli, screen: Screen, config: Option<anyhow::Result<Config>>) -> anyhow::Result<ExitCode> {
    // These need no installation.
    match cli.command {
        Command::Demo(options) => return demo::command(options, screen, cli.json).await,
        Command::Sandbox(options) => return sandbox::serve(options, cli.json).await,
        Command::Soak(options) => return soak::soak(options, screen, cli.json).await,
        Command::Keys(Keys::Generate) => return keys::generate(cli.json),
        Command::Secrets(cli::Secrets::Check) => {
            return secrets::check(cli.config.as_deref(), environment()?, cli.json).await;
        }
        _ => {}
    }
    let config = config.context("a command needs a configuration")??;
    let context = Context { config, screen, json: cli.json };
    match cli.command {
        Command::Run => run::run(&context, Parts::All).await,
        Command::Api => run::run(&context, Parts::Api).await,
        Command::Worker => run::run(&context, Parts::Worker).await,
        Command::Migrate(options) => check::migrate(&context, options).await,
        Command::Connect(options) => accounts::connect(&context, options).await,
        Command::Disconnect { account } => accounts::disconnect(&context, &account).await,
        Command::Refresh(options) => refresh::refresh(&context, options).await,
        Command::Cookies(command) => cookies::cookies(&context, command).await,
        Command::Rules(options) => rules::rules(&context, options).await,
        Command::Sync(options) => posts::sync(&context, options).await,
        Command::Backfill(options) => backfill::backfill(&context, options).await,
        Command::Repost(options) => posts::repost(&context, options).await,
        Command::Settle(options) => posts::settle(&context, options).await,
        Command::Posts(options) => posts::posts(&context, options).await,
        Command::Status => status::status(&context).await,
        Command::Explain(options) => posts::explain(&context, options).await,
        Command::Plan(options) => posts::plan(&context, options).await,
        Command::Pause(options) => accounts::pause(&context, options).await,
        Command::Resume(options) => accounts::resume(&context, options).await,
        Command::Synthetic(options) => synthetic::synthetic(&context, options).await,
        Command::Slo => slo::slo(&context).await,
        Command::Gate(options) => gate::gate(&context, options).await,
        Command::Doctor => check::doctor(&context).await,
        Command::Healthcheck => check::healthcheck(&context).await,
        Command::Settings => check::settings(&context),
        Command::Tenants(command) => access::tenants(&context, command).await,
        Command::ApiKeys(command) => access::api_keys(&context, command).await,
        Command::Webhooks(command) => webhooks::webhooks(&context, command).await,
        Command::Keys(command) => keys::keys(&context, command).await,
        Command::Smoke(options) => smoke::smoke(&context, options).await,
        Command::Demo(_) | Command::Sandbox(_) | Command::Soak(_) | Command::Secrets(_) => {
            unreachable!("they returned above")
        }
    }
}

fn environment() -> anyhow::Result<Vec<(String, String)>> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .map(|(name, value)| match value.into_string() {
            Ok(value) => Ok((name, value)),
            Err(_) if !name.starts_with("AUTOREPOST_") => Ok((name, String::new())),
            Err(_) => Err(anyhow::anyhow!("{name} in the environment is not UTF-8")),
        })
        .collect::<anyhow::Result<_>>()
        .context("the environment cannot be read")
}

/// The configuration, or what is wrong with it; nothing for a command that needs none.
pub async fn configuration(cli: &Cli) -> Option<anyhow::Result<Config>> {
    match cli.command {
        Command::Demo(_)
        | Command::Sandbox(_)
        | Command::Soak(_)
        | Command::Keys(Keys::Generate)
        | Command::Secrets(_) => None,
        _ => Some(async { Ok(Config::load(cli.config.as_deref(), environment()?).await?) }.await),
    }
}

/// Whether a command is a service, which traces and reports what it does.
pub const fn is_service(command: &Command) -> bool {
    matches!(command, Command::Run | Command::Api | Command::Worker)
}

/// How much is logged when nobody says otherwise.
pub fn log_level(command: &Command) -> &'static str {
    if is_service(command) { "info" } else { "warn" }
}

/// Whether what went wrong is the configuration.
pub fn is_configuration(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Error>().is_some_and(|error| error.kind() == ErrorKind::Configuration)
}

/// Who acts by a command, as journals show it.
const OPERATOR: &str = "operator";

fn operator(ports: &Ports) -> Operator<'_> {
    Operator::new(ports, TenantId::OWNER, OPERATOR)
}

/// Writes down what a command did: to its tenant, or to the whole installation. It has no request, so it is given a number
/// of its own.
async fn record(
    operator: &Operator<'_>,
    tenant: Option<TenantId>,
    action: &str,
    subject: String,
) -> anyhow::Result<()> {
    let request = format!("command-{:016x}", operator.ports().entropy.number());
    Ok(operator.record(tenant, action, &subject, "done", &request).await?)
}

/// An empty table.
pub(crate) fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(head.to_vec());
    table
}

/// The first line of a text, cut to so many characters.
pub(crate) fn brief(text: &str, max: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(max) {
        Some((at, _)) => format!("{}…", line[..at].trim_end()),
        None => line.to_owned(),
    }
}
