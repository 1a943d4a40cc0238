//! `keys`: the keys that seal credentials.

use std::{
    collections::BTreeMap,
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, bail};
use autorepost_core::{
    id::TenantId,
    operator::Operator,
    port::{Clock as _, Ports, SecretSource as _},
    seal::{self, KEYS_MAX, KeyRing, Secret},
};
use autorepost_secrets::AwsSecrets;
use serde::Serialize;
use serde_json::json;

use super::{Context, OPERATOR, operator, record, slo::tenants, table, usage};
use crate::{
    ambient::SystemClock,
    cli::{KeyStep, Keys, RotateKeys},
    health,
    setup::{self, keys},
};

const NAME: &str = "TOKEN_ENCRYPTION_KEY";
const DAY: Duration = Duration::from_secs(24 * 3600);

pub async fn keys(context: &Context, command: Keys) -> anyhow::Result<ExitCode> {
    match command {
        Keys::Generate => generate(context.json),
        Keys::Status => status(context).await,
        Keys::Rotate(options) => rotate(context, options).await,
    }
}

pub fn generate(as_json: bool) -> anyhow::Result<ExitCode> {
    let key = fresh()?;
    match as_json {
        true => println!("{}", json!({ "key": key.expose() })),
        false => println!("{}", key.expose()),
    }
    Ok(ExitCode::SUCCESS)
}

fn fresh() -> anyhow::Result<Secret> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(seal::generate_on(SystemClock.now().date_naive(), bytes))
}

/// A key, and what it seals.
#[derive(Serialize)]
struct Key {
    id: String,
    /// `seals`, `opens`, or `missing` when the list has it no more.
    state: &'static str,
    credentials: usize,
    webhooks: usize,
    /// Whether nothing that is stored needs it. Backups may.
    may_be_retired: bool,
}

async fn status(context: &Context) -> anyhow::Result<ExitCode> {
    let ports = context.ports_with_any_key().await?;
    let mut used: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for connection in ports.connections.list(None).await? {
        used.entry(connection.credential.key_id().to_owned()).or_default().0 += 1;
    }
    for tenant in tenants(&ports).await? {
        for webhook in ports.webhooks.list(tenant).await? {
            let previous = webhook.previous.iter().map(|previous| &previous.secret);
            for secret in std::iter::once(&webhook.secret).chain(previous) {
                used.entry(secret.key_id().to_owned()).or_default().1 += 1;
            }
        }
    }
    let mut all = Vec::new();
    for (place, id) in ports.keys.key_ids().iter().enumerate() {
        let (credentials, webhooks) = used.remove(id).unwrap_or_default();
        let state = if place == 0 { "seals" } else { "opens" };
        let may_be_retired = place > 0 && credentials + webhooks == 0;
        all.push(Key { id: id.to_owned(), state, credentials, webhooks, may_be_retired });
    }
    let missing = !used.is_empty();
    all.extend(used.into_iter().map(|(id, (credentials, webhooks))| Key {
        id,
        state: "missing",
        credentials,
        webhooks,
        may_be_retired: false,
    }));
    let (place, days) = place_and_age(context).await?;
    let value = json!({ "place": place, "unchanged_for_days": days, "keys": all });
    context.show(&value, || {
        let mut table = table(&["key", "", "credentials", "webhook secrets", ""]);
        for key in &all {
            let told = if key.may_be_retired { "may be retired, unless a backup needs it" } else { "" };
            table.add_row([&key.id, key.state, &key.credentials.to_string(), &key.webhooks.to_string(), told]);
        }
        let age = days.map_or_else(|| "age not known".into(), |days| format!("unchanged for {days} days"));
        format!("{table}\nkept in {place}, {age}\n")
    })?;
    Ok(if missing { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Where the keys are kept, and for how many days that is unchanged, where the place tells.
async fn place_and_age(context: &Context) -> anyhow::Result<(String, Option<u64>)> {
    if context.config.keys.is_some() {
        let origin = context.config.secrets.origin(NAME).await?;
        return Ok((origin.map_or_else(|| "the configuration".into(), |origin| origin.layer), None));
    }
    let path = keys::file(&context.config);
    let changed = std::fs::metadata(&path).and_then(|file| file.modified()).ok();
    let age = changed.and_then(|at| SystemTime::now().duration_since(at).ok());
    Ok((path.display().to_string(), age.map(|age| age.as_secs() / DAY.as_secs())))
}

/// Where this program may write the keys.
enum Place {
    File(std::path::PathBuf),
    Bundle(Arc<AwsSecrets>),
}

impl Place {
    async fn find(context: &Context) -> anyhow::Result<Self> {
        if context.config.keys.is_none() {
            return Ok(Self::File(keys::file(&context.config)));
        }
        let from_bundle = context
            .config
            .origins
            .iter()
            .any(|(setting, origin)| setting.name == NAME && *origin == crate::config::Origin::Secrets);
        if from_bundle {
            for bundle in &context.config.bundles {
                if bundle.secret(NAME).await?.is_some() {
                    return Ok(Self::Bundle(Arc::clone(bundle)));
                }
            }
        }
        Err(usage(
            "TOKEN_ENCRYPTION_KEY is where this program does not write. Do it in this order: put the text of \"autorepost \
             keys generate\" behind the keys, with a comma between, and start every process anew; put it before the \
             others, and start every process anew; then \"autorepost keys rotate --step reseal\"",
        ))
    }

    fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Bundle(bundle) => bundle.place().to_owned(),
        }
    }

    async fn read(&self, context: &Context) -> anyhow::Result<Secret> {
        match self {
            Self::File(_) => keys::key(&context.config),
            Self::Bundle(bundle) => {
                bundle.secret(NAME).await?.context("the bundle has no TOKEN_ENCRYPTION_KEY any more")
            }
        }
    }

    async fn write(&self, keys: &Secret) -> anyhow::Result<()> {
        match self {
            Self::File(path) => keys::replace(path, keys),
            // Somebody who writes it in the same moment is told: nothing of theirs is lost, and nothing is tried again blindly.
            Self::Bundle(bundle) => Ok(bundle.update(&BTreeMap::from([(NAME.to_owned(), keys.clone())])).await?),
        }
    }
}

async fn rotate(context: &Context, options: RotateKeys) -> anyhow::Result<ExitCode> {
    match options.step {
        Some(KeyStep::Add) => write(context, added).await,
        Some(KeyStep::Seal) => write(context, sealing).await,
        Some(KeyStep::Reseal) => reseal(context, &context.ports().await?).await,
        None => at_once(context).await,
    }
}

/// The new key behind the others.
fn added(keys: &Secret) -> anyhow::Result<Secret> {
    if keys.expose().split(',').count() >= KEYS_MAX {
        bail!("there are {KEYS_MAX} keys, which is the most: retire one that \"autorepost keys status\" names");
    }
    Ok(Secret::new(format!("{},{}", keys.expose().trim(), fresh()?.expose())))
}

/// The last key before the others.
fn sealing(keys: &Secret) -> anyhow::Result<Secret> {
    let Some((others, last)) = keys.expose().trim().rsplit_once(',') else {
        bail!("there is one key only: \"autorepost keys rotate --step add\" comes first");
    };
    Ok(Secret::new(format!("{last},{others}")))
}

async fn write(context: &Context, change: fn(&Secret) -> anyhow::Result<Secret>) -> anyhow::Result<ExitCode> {
    let place = Place::find(context).await?;
    let changed = change(&place.read(context).await?)?;
    let ring = KeyRing::parse(changed.expose())?;
    place.write(&changed).await?;
    let ids = ring.key_ids();
    let value = json!({ "place": place.name(), "keys": ids, "seals": ring.sealing_key_id() });
    context.show(&value, || {
        format!("{} has the keys {}; the first seals. Start every process anew\n", place.name(), ids.join(", "))
    })
}

/// All steps. A process that runs knows only the keys that it began with, and would not open what the new one sealed.
async fn at_once(context: &Context) -> anyhow::Result<ExitCode> {
    let place = Place::find(context).await?;
    let Place::File(path) = &place else {
        return Err(usage(
            "the keys are in a bundle that other processes read: rotate in steps, --step add, seal, reseal, and start every \
             process anew between them",
        ));
    };
    // Port 0 is no address that can be asked.
    if context.config.listen.port() != 0 && health::ask(context.config.listen).await.is_ok() {
        bail!("autorepost runs on {}: stop it first, or rotate in steps (--help)", context.config.listen);
    }
    // What the old keys do not open now, the new list would not open either.
    drop(context.ports().await?);
    let changed = sealing(&added(&place.read(context).await?)?)?;
    KeyRing::parse(changed.expose())?;
    keys::replace(path, &changed)?;
    reseal(context, &setup::installation(&context.config, None).await?.ports(context.events())?).await
}

async fn reseal(context: &Context, ports: &Ports) -> anyhow::Result<ExitCode> {
    let (mut resealed, mut already, mut broken) = (0, 0, Vec::new());
    for tenant in tenants(ports).await? {
        let done = Operator::new(ports, tenant, OPERATOR).reseal().await?;
        resealed += done.resealed;
        already += done.already;
        broken.extend(done.broken);
    }
    let seals = ports.keys.sealing_key_id();
    record(&operator(ports), None::<TenantId>, "keys.reseal", format!("keys/{seals}")).await?;
    let value = json!({ "seals": seals, "resealed": resealed, "already": already, "broken": broken });
    context.show(&value, || {
        let mut text = format!("key {seals} seals everything: {resealed} sealed anew, {already} were already\n");
        broken.iter().for_each(|why| text.push_str(&format!("does not open: {why}\n")));
        text
    })?;
    Ok(if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
