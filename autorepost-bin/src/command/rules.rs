//! `rules`.

use std::{path::Path, process::ExitCode};

use anyhow::{Context as _, bail};
use autorepost_core::{
    Platform,
    connection::Connection,
    operator::Operator,
    rule::{DestinationSpec, Filters, OnSourceDeleted, Options, Privacy, ReplySettings, Rule, RuleSpec, RuleState},
};
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{Context, operator, record, table, usage};
use crate::cli::{AddRule, Rules, Since, since};

/// Largest rule file in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

pub async fn rules(context: &Context, options: Rules) -> anyhow::Result<ExitCode> {
    let ports = context.ports().await?;
    let operator = operator(&ports);
    let (rule, action, done) = match options {
        Rules::List => return list(context, &operator).await,
        Rules::Add(options) => {
            let source = operator.connection(&options.from).await?;
            let now = ports.clock.now();
            let spec = match &options.file {
                Some(file) => from_file(&operator, file, now).await?,
                None => from_options(&operator, &options, now).await?,
            };
            (operator.add_rule(&options.name, source.id, spec).await?, "rules.create", "added")
        }
        Rules::Pause(rule) => (operator.set_rule_state(&rule.name, RuleState::Paused).await?, "rules.pause", "paused"),
        Rules::Resume(rule) => {
            (operator.set_rule_state(&rule.name, RuleState::Active).await?, "rules.resume", "resumed")
        }
        Rules::Remove(rule) => {
            (operator.set_rule_state(&rule.name, RuleState::Removed).await?, "rules.remove", "removed")
        }
    };
    record(&operator, Some(rule.tenant), action, format!("rules/{}", rule.id)).await?;
    context.show(&rule, || format!("{done} rule \"{}\"\n", rule.name))
}

async fn list(context: &Context, operator: &Operator<'_>) -> anyhow::Result<ExitCode> {
    let rules = operator.rules().await?;
    let connections = operator.connections().await?;
    context.show(&rules, || {
        if rules.is_empty() {
            return "there are no rules: add one with \"autorepost rules add\"\n".into();
        }
        let mut table = table(&["rule", "state", "from", "to", "takes"]);
        for rule in &rules {
            let state = match rule.state {
                RuleState::Active if rule.spec.shadow => "shadow",
                RuleState::Active => "active",
                RuleState::Paused => "paused",
                RuleState::Removed => "removed",
            };
            let to: Vec<_> = rule.spec.destinations.iter().map(|to| name(&connections, to.connection)).collect();
            table.add_row([&rule.name, state, &name(&connections, rule.source), &to.join("\n"), &takes(rule)]);
        }
        format!("{table}\n")
    })
}

fn name(connections: &[Connection], id: autorepost_core::id::ConnectionId) -> String {
    let found = connections.iter().find(|connection| connection.id == id);
    found.map_or_else(|| "gone".into(), |one| format!("{}:@{}", one.platform, one.handle))
}

fn takes(rule: &Rule) -> String {
    let filters = &rule.spec.filters;
    let mut takes = Vec::new();
    let mut list = |what: &str, mark: &str, words: &[String]| {
        if !words.is_empty() {
            let words: Vec<_> = words.iter().map(|word| format!("{mark}{word}")).collect();
            takes.push(format!("{what} {}", words.join(" ")));
        }
    };
    list("only", "#", &filters.require_hashtags);
    list("not", "#", &filters.exclude_hashtags);
    list("only", "", &filters.require_words);
    list("not", "", &filters.exclude_words);
    if let Some(secs) = filters.min_duration_secs {
        takes.push(format!("from {secs} s"));
    }
    if let Some(secs) = filters.max_duration_secs {
        takes.push(format!("up to {secs} s"));
    }
    match filters.since {
        Some(since) => takes.push(format!("since {}", since.format("%Y-%m-%d %H:%M"))),
        None => takes.push("posts of all times".into()),
    }
    if rule.spec.delay_secs > 0 {
        takes.push(format!("{} s later", rule.spec.delay_secs));
    }
    if let Some(cap) = rule.spec.hourly_cap {
        takes.push(format!("at most {cap} an hour"));
    }
    if rule.spec.on_source_deleted == OnSourceDeleted::Notify {
        takes.push("tells of posts that are gone".into());
    }
    takes.join("\n")
}

async fn from_options(operator: &Operator<'_>, options: &AddRule, now: DateTime<Utc>) -> anyhow::Result<RuleSpec> {
    let mut destinations = Vec::new();
    for to in &options.to {
        let connection = operator.connection(to).await?;
        let caption = options.caption.clone();
        let to = match connection.platform {
            Platform::TikTok => return Err(usage(format!("{to} is a source: posts go to Instagram, YouTube and X"))),
            Platform::Instagram => Options::Instagram { caption, share_to_feed: true, cover_offset_ms: None },
            Platform::YouTube => Options::YouTube {
                title: options.title.clone(),
                description: caption,
                tags: Vec::new(),
                privacy: match options.privacy.as_str() {
                    "private" => Privacy::Private,
                    "unlisted" => Privacy::Unlisted,
                    _ => Privacy::Public,
                },
                made_for_kids: options.made_for_kids.ok_or_else(|| {
                    usage(
                        "YouTube must be told whether the videos are made for children: add --made-for-kids yes or no",
                    )
                })?,
                category_id: "22".into(),
                notify_subscribers: true,
                thumbnail_offset_ms: None,
            },
            Platform::X => Options::X { text: caption, reply_settings: ReplySettings::Everyone },
        };
        let (hashtags, trim) = (options.hashtags, options.trim);
        destinations.push(DestinationSpec { connection: connection.id, paused: false, hashtags, trim, options: to });
    }
    let filters = Filters {
        require_hashtags: options.require_hashtag.clone(),
        exclude_hashtags: options.exclude_hashtag.clone(),
        require_words: options.require_word.clone(),
        exclude_words: options.exclude_word.clone(),
        min_duration_secs: options.min_duration,
        max_duration_secs: options.max_duration,
        since: time(options.since, now),
    };
    Ok(RuleSpec {
        filters,
        destinations,
        delay_secs: options.delay,
        hourly_cap: options.hourly_cap,
        shadow: options.shadow,
        on_source_deleted: options.on_source_deleted,
        mentions: Default::default(),
    })
}

fn time(since: Since, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    match since {
        Since::Now => Some(now),
        Since::All => None,
        Since::Time(time) => Some(time),
    }
}

/// Reads a rule file: the fields of a [`RuleSpec`], with accounts by name, and words for `since`.
async fn from_file(operator: &Operator<'_>, file: &Path, now: DateTime<Utc>) -> anyhow::Result<RuleSpec> {
    let name = file.display();
    let size = std::fs::metadata(file).with_context(|| format!("{name} cannot be read"))?.len();
    if size > FILE_BYTES_MAX {
        bail!("{name} is larger than 1 MiB: it is no rule");
    }
    let text = std::fs::read_to_string(file).with_context(|| format!("{name} cannot be read"))?;
    let table: toml::Table = text.parse().with_context(|| format!("{name} is not TOML"))?;
    let mut value = serde_json::to_value(table).with_context(|| format!("{name} holds something that is no rule"))?;
    for destination in value["destinations"].as_array_mut().into_iter().flatten() {
        let to =
            destination["connection"].as_str().with_context(|| format!("{name}: a destination has no connection"))?;
        let id = operator.connection(to).await?.id;
        destination["connection"] = Value::from(id.to_string());
    }
    let since = match value.pointer("/filters/since") {
        None => Since::Now,
        Some(Value::String(text)) => {
            since(text).map_err(|problem| anyhow::anyhow!("{name}: filters.since is wrong: {problem}"))?
        }
        Some(_) => bail!("{name}: filters.since must stand in quotes"),
    };
    if value["filters"].is_null() {
        value["filters"] = Value::Object(Default::default());
    }
    value["filters"]["since"] = time(since, now).map(|time| time.to_rfc3339()).into();
    RuleSpec::read(&value)
        .map_err(|error| anyhow::anyhow!("{name}: {}; \"autorepost rules add --help\" shows a rule", error.detail()))
}
