//! What the program tells of itself, as whoever listens hears it: a scraper, a Pushgateway, a collector, Sentry.

mod sink;

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use autorepost::telemetry::{
    log::FIELDS,
    metric::{Kind, METRICS},
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use sea_orm::ConnectionTrait as _;
use serde_json::Value;

use crate::{
    postgres::{Server, free_port},
    support::{DESTINATIONS, Daemon, Stage, until},
};
use sink::Sink;

/// Marks what must be seen nowhere.
const CANARY: &str = "Canary7fb1";

async fn fetch(address: &str, path: &str) -> (u16, String) {
    let answer = reqwest::get(format!("http://{address}{path}")).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// The series of Prometheus text, each with its value. What is not well-formed, or not in the table, fails.
fn series(text: &str) -> BTreeMap<String, f64> {
    let mut types = BTreeMap::new();
    let mut series = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(of) = line.strip_prefix("# TYPE ") {
            let (name, kind) = of.split_once(' ').unwrap();
            assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} has two types");
        }
        if line.starts_with('#') {
            continue;
        }
        let (one, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("not a sample: {line}"));
        let (name, labels) = one.split_once('{').unwrap_or((one, "}"));
        let suffixes = ["", "_bucket", "_sum", "_count"];
        let metric = METRICS
            .iter()
            .find(|metric| match metric.kind {
                Kind::Histogram(_) => suffixes[1..].iter().any(|suffix| name == format!("{}{suffix}", metric.name)),
                _ => name == metric.name,
            })
            .unwrap_or_else(|| panic!("{name} is not in the table"));
        assert_eq!(types.get(metric.name).map(String::as_str), Some(metric.kind.name()), "{name}");
        let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("not a sample: {line}"));
        let named = labels.split("\",").filter_map(|label| label.split_once("=\"")).map(|(name, _)| name);
        let named: Vec<_> = named.filter(|name| *name != "le").collect();
        assert_eq!(named, metric.labels, "{line}");
        assert!(series.insert(one.to_owned(), value.parse().unwrap()).is_none(), "{one} is there twice");
    }
    series
}

fn logged(daemon: &Daemon) -> Vec<Value> {
    let log = daemon.log();
    log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_numbers_are_right_and_reach_whoever_asks_or_is_told() {
    let mut stage = Stage::ready().await;
    let gateway = Sink::start().await;
    let heart = Sink::start().await;
    let listen = format!("127.0.0.1:{}", free_port());
    stage.set("AUTOREPOST_LISTEN", &listen);
    stage.set("PROMETHEUS_PUSH_URL", &gateway.url(""));
    stage.set("AUTOREPOST_HEARTBEAT_URL", &heart.url("/ping/worker"));
    stage.fails(1, &["healthcheck"]).await;
    let daemon = stage.start_part("worker").await;
    daemon.until_listening().await;
    stage.add_posts(1..=3);
    stage.all_once(1..=3).await;
    until("the heart beats", async || heart.heard().iter().any(|one| one.path == "/ping/worker")).await;
    stage.ok(&["healthcheck"]).await;

    let (status, text) = fetch(&listen, "/metrics").await;
    assert_eq!(status, 200);
    let seen = series(&text);
    let value = |one: &str| *seen.get(one).unwrap_or_else(|| panic!("no {one} in\n{text}"));
    for platform in DESTINATIONS {
        let platform = platform.as_str();
        let ended =
            |end: &str| value(&format!("autorepost_reposts_total{{platform=\"{platform}\",outcome=\"{end}\"}}"));
        assert_eq!((ended("published"), ended("failed"), ended("unconfirmed")), (3., 0., 0.), "{platform}");
        assert_eq!(value(&format!("autorepost_post_to_published_seconds_count{{platform=\"{platform}\"}}")), 3.);
        // The first post is ten thousand seconds old.
        assert!(value(&format!("autorepost_post_to_published_seconds_sum{{platform=\"{platform}\"}}")) > 20_000.);
        // These videos are one chunk of YouTube, which travels with the publication.
        if platform != "youtube" {
            let bytes = stage.world().bytes_taken(platform.parse().unwrap()) as f64;
            let moved = value(&format!("autorepost_transfer_bytes_total{{platform=\"{platform}\"}}"));
            assert_eq!(moved, bytes, "{platform}");
        }
        let requests = seen.iter().filter(|(one, _)| {
            one.starts_with("autorepost_platform_requests_total") && one.contains(&format!("platform=\"{platform}\""))
        });
        let requests: f64 = requests.map(|(_, count)| count).sum();
        assert!(requests >= 9., "{platform}: {requests} requests");
        assert_eq!(value(&format!("autorepost_connections{{platform=\"{platform}\",status=\"active\"}}")), 1.);
    }
    assert_eq!(value("autorepost_posts_admitted_total"), 3.);
    assert_eq!(value("autorepost_jobs_total{kind=\"repost_publish\",outcome=\"dead\"}"), 0.);
    assert!(value("autorepost_job_duration_seconds_count{kind=\"repost_publish\"}") >= 9.);
    assert!(value("autorepost_queue_oldest_seconds") < 60. && value("autorepost_claim_age_seconds") < 10.);
    assert!(value("autorepost_process_resident_bytes") > 1e6);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(value(&format!("autorepost_build_info{{version=\"{version}\"}}")), 1.);
    let ages = seen.iter().filter(|(one, _)| one.starts_with("autorepost_source_last_ok_age_seconds{"));
    assert_eq!(ages.map(|(_, age)| assert!(*age < 60., "{age}")).count(), 1);

    let client = reqwest::Client::new();
    let forwarded = client.get(format!("http://{listen}/metrics")).header("x-forwarded-for", "1.2.3.4");
    assert_eq!(forwarded.send().await.unwrap().status(), 404, "metrics are for nobody behind a proxy");
    assert_eq!(fetch(&listen, "/healthz").await.0, 200);
    let (status, ready) = fetch(&listen, "/readyz").await;
    let ready: Value = serde_json::from_str(&ready).unwrap();
    assert_eq!((status, &ready["status"]), (200, &"ready".into()), "{ready}");
    let names: Vec<_> = ready["checks"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["database", "clock", "media", "keys"]);
    assert_eq!(fetch(&listen, "/media/x?expires=1&signature=x").await.0, 404, "a worker serves probes only");

    daemon.stop().await;
    let last = gateway.heard().pop().expect("it pushed");
    assert_eq!(last.method, "PUT");
    assert!(last.path.starts_with("/metrics/job/autorepost/instance/worker-"), "{}", last.path);
    let pushed = series(std::str::from_utf8(&last.body).unwrap());
    assert_eq!(pushed["autorepost_reposts_total{platform=\"x\",outcome=\"published\"}"], 3.);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_seen_nowhere_and_every_line_of_a_job_says_whose_it_is() {
    let mut stage = Stage::ready().await;
    let (gateway, collector, sentry) = (Sink::start().await, Sink::start().await, Sink::start().await);
    let listen = format!("127.0.0.1:{}", free_port());
    for (name, value) in [
        ("AUTOREPOST_LISTEN", listen.clone()),
        ("AUTOREPOST_LOG", "trace".to_owned()),
        ("AUTOREPOST_LOG_FORMAT", "json".to_owned()),
        ("PROMETHEUS_PUSH_URL", gateway.url(&format!("/{CANARY}-push"))),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url(&format!("/{CANARY}-otlp"))),
        ("OTEL_EXPORTER_OTLP_HEADERS", format!("authorization={CANARY}-header")),
        ("OTEL_BSP_SCHEDULE_DELAY", "200".to_owned()),
        ("SENTRY_DSN", sentry.url("/1").replace("http://", &format!("http://{CANARY}dsn@"))),
        // Nobody listens there: its failure is told.
        ("AUTOREPOST_HEARTBEAT_URL", format!("http://127.0.0.1:{}/{CANARY}-heart", free_port())),
        ("YOUTUBE_CLIENT_ID", format!("{CANARY}-youtube-id")),
        ("YOUTUBE_CLIENT_SECRET", format!("{CANARY}-youtube-secret")),
        ("TWITTER_CONSUMER_KEY", format!("{CANARY}-x-key")),
        ("TWITTER_CONSUMER_SECRET", format!("{CANARY}-x-secret")),
    ] {
        stage.set(name, &value);
    }
    let mut canaries = vec![CANARY.to_owned()];
    let key = fs::read_to_string(stage.path("autorepost-data/token.key")).unwrap();
    canaries.push(key.trim().to_owned());
    for (_, text) in autorepost::demo::stage::credentials() {
        let secret = |name: &str| name.contains("token") || name == "value";
        let value: Value = serde_json::from_str(&text).unwrap();
        let fields = match &value {
            Value::Array(cookies) => cookies.iter().filter_map(Value::as_object).flatten().collect::<Vec<_>>(),
            other => other.as_object().unwrap().iter().collect(),
        };
        let found = fields.into_iter().filter(|(name, _)| secret(name)).filter_map(|(_, value)| value.as_str());
        canaries.extend(found.filter(|value| value.len() >= 8).map(str::to_owned));
    }
    assert!(canaries.len() >= 7, "{canaries:?}");

    let daemon = stage.start_part("run").await;
    daemon.until_listening().await;
    stage.add_posts(1..=2);
    stage.all_once(1..=2).await;
    // An error that is nobody's fault.
    let url = format!("sqlite://{}", stage.path("autorepost-data/autorepost.db").display());
    let database = sea_orm::Database::connect(url).await.unwrap();
    database.execute_unprepared("ALTER TABLE jobs RENAME TO elsewhere").await.unwrap();
    until("Sentry hears of it", async || sentry.text().contains("claim jobs")).await;
    database.execute_unprepared("ALTER TABLE elsewhere RENAME TO jobs").await.unwrap();
    drop(database);
    let jobs = |spans: &[Span]| spans.iter().filter(|span| span.0 == "job").count();
    until("the collector hears of the jobs", async || jobs(&spans(&collector)) >= 6).await;
    until("the missing heartbeat is told", async || daemon.log().contains("AUTOREPOST_HEARTBEAT_URL")).await;
    let (_, metrics) = fetch(&listen, "/metrics").await;
    let (_, ready) = fetch(&listen, "/readyz").await;
    daemon.stop().await;
    let log = stage.log();

    let mut outputs = vec![("metrics", metrics.into_bytes()), ("readiness", ready.into_bytes())];
    outputs.push(("pushed", gateway.heard().into_iter().flat_map(|one| one.body).collect()));
    outputs.push(("traces", collector.heard().into_iter().flat_map(|one| one.body).collect()));
    outputs.push(("sentry", sentry.text().into_bytes()));
    outputs.push(("log", log.clone().into_bytes()));
    for name in ["autorepost.db", "autorepost.db-wal"] {
        outputs.push((name, fs::read(stage.path("autorepost-data").join(name)).unwrap_or_default()));
    }
    for (output, bytes) in &outputs {
        assert!(!bytes.is_empty() || *output == "autorepost.db-wal", "nothing came to {output}");
        for canary in &canaries {
            let found = bytes.windows(canary.len()).position(|window| window == canary.as_bytes());
            let around = found.map(|at| &bytes[at.saturating_sub(300)..(at + canary.len() + 60).min(bytes.len())]);
            let around = around.map(String::from_utf8_lossy);
            assert!(around.is_none(), "{canary} is in {output}: {}", around.unwrap());
        }
    }

    let spans = spans(&collector);
    let publish: Vec<_> =
        spans.iter().filter(|span| span.1.get("kind").is_some_and(|kind| kind == "repost_publish")).collect();
    assert!(publish.len() >= 6, "{} traces of publications", publish.len());
    for field in ["tenant", "job", "subject", "repost", "attempt"] {
        assert!(publish.iter().all(|span| span.1.contains_key(field)), "{field}: {:?}", publish[0]);
    }
    assert!(spans.iter().any(|span| span.2.iter().any(|event| event == "request")), "no request is in the traces");
    // Each line of a job says whose it is, and no line has a field that is not described.
    let mut of_jobs = 0;
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
        if !line["target"].as_str().unwrap().starts_with("autorepost") {
            continue;
        }
        for (name, value) in line.as_object().unwrap() {
            let names: Vec<_> = match value.as_object() {
                Some(span) => span.keys().map(|field| format!("{name}.{field}")).collect(),
                None => vec![name.clone()],
            };
            names.iter().for_each(|name| {
                assert!(FIELDS.iter().any(|field| field.name == *name), "{name} is not described: {line}");
            });
        }
        if line["outcome"].is_string() || line["from"].is_string() || line["op"] == "create post" {
            of_jobs += 1;
            let span = &line["span"];
            let named = ["tenant", "job", "kind", "subject"].iter().all(|name| span[name].is_string());
            assert!(named && span["attempt"].is_number(), "{line}");
            assert!(span["repost"].is_string() || span["connection"].is_string() || span["kind"] == "upkeep", "{line}");
        }
    }
    assert!(of_jobs >= 20, "{of_jobs} lines of jobs");
}

/// A span as it was received: its name, its attributes, and the names of its events.
type Span = (String, BTreeMap<String, String>, Vec<String>);

fn spans(collector: &Sink) -> Vec<Span> {
    let bodies = collector.heard().into_iter().filter(|one| one.path.ends_with("/v1/traces"));
    let requests = bodies.map(|one| ExportTraceServiceRequest::decode(&*one.body).unwrap());
    let all = requests.flat_map(|request| request.resource_spans).flat_map(|spans| spans.scope_spans);
    let text = |value: Option<_>| format!("{value:?}");
    all.flat_map(|scope| scope.spans)
        .map(|span| {
            let attributes = span.attributes.into_iter().map(|one| {
                let value = one.value.and_then(|any| any.value);
                let value = match value {
                    Some(opentelemetry_proto::tonic::common::v1::any_value::Value::StringValue(text)) => text,
                    other => text(other),
                };
                (one.key, value)
            });
            (span.name, attributes.collect(), span.events.into_iter().map(|event| event.name).collect())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sinks_that_are_away_or_hang_hold_nothing_up() {
    // One accepts and never answers; nobody listens at the other.
    let hangs = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let hangs = hangs.local_addr().map(|address| (hangs, address)).unwrap();
    for address in [hangs.1.to_string(), format!("127.0.0.1:{}", free_port())] {
        let mut stage = Stage::ready().await;
        for name in ["PROMETHEUS_PUSH_URL", "OTEL_EXPORTER_OTLP_ENDPOINT", "AUTOREPOST_HEARTBEAT_URL"] {
            stage.set(name, &format!("http://{address}"));
        }
        stage.set("SENTRY_DSN", &format!("http://key@{address}/1"));
        stage.set("AUTOREPOST_LOG_FORMAT", "json");
        let mut daemon = stage.start().await;
        daemon.until_listening().await;
        stage.add_posts(1..=2);
        stage.all_once(1..=2).await;
        let told = |daemon: &Daemon| {
            let lines = logged(daemon).into_iter();
            lines
                .filter(|line| line["message"].as_str().is_some_and(|text| text.contains("PROMETHEUS_PUSH_URL")))
                .count()
        };
        until("the outage is told", async || told(&daemon) > 0).await;
        let began = Instant::now();
        daemon.signal("TERM").await;
        assert_eq!(daemon.ends().await, Some(0), "{}", daemon.log());
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        assert_eq!(told(&daemon), 1, "an outage is told once: {}", daemon.log());
    }
    drop(hangs.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_goes_with_the_database_and_comes_back_with_it() {
    let server = Server::start();
    let mut stage = Stage::new().await;
    let listen = format!("127.0.0.1:{}", free_port());
    stage.set("DATABASE_URL", &server.url("postgres"));
    stage.set("TOKEN_ENCRYPTION_KEY", autorepost_core::seal::generate([7; 32]).expose());
    stage.set("AUTOREPOST_LISTEN", &listen);
    stage.ok(&["migrate"]).await;
    let daemon = stage.start_part("api").await;
    daemon.until_listening().await;
    let ready = async || fetch(&listen, "/readyz").await;
    until("it is ready", async || ready().await.0 == 200).await;
    server.down("fast");
    until("it is not ready", async || ready().await.0 == 503).await;
    let (_, text) = ready().await;
    let report: Value = serde_json::from_str(&text).unwrap();
    let database = report["checks"].as_array().unwrap().iter().find(|one| one["name"] == "database").unwrap();
    assert_eq!((&database["ok"], &report["status"]), (&false.into(), &"not ready".into()), "{report}");
    assert_eq!(fetch(&listen, "/healthz").await.0, 200, "it lives on");
    server.up();
    until("it is ready again", async || ready().await.0 == 200).await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_worker_rests() {
    const REST: Duration = Duration::from_secs(4);
    let mut stage = Stage::new().await;
    stage.environment.remove("AUTOREPOST_SANDBOX");
    stage.set("AUTOREPOST_LISTEN", &format!("127.0.0.1:{}", free_port()));
    let daemon = stage.start_part("worker").await;
    daemon.until_listening().await;
    let stat = || fs::read_to_string(format!("/proc/{}/stat", daemon.pid())).unwrap();
    // Fields 14 and 15, user and system time in hundredths of a second.
    let cpu = || -> u32 {
        let stat = stat();
        stat.rsplit_once(')')
            .unwrap()
            .1
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|ticks| ticks.parse::<u32>().unwrap())
            .sum()
    };
    let began = Instant::now();
    let before = cpu();
    tokio::time::sleep(REST).await;
    let percent = f64::from(cpu() - before) / began.elapsed().as_secs_f64();
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    println!("idle: {percent:.1} % of a core, {} MiB", kib >> 10);
    assert!(percent < 10., "it uses {percent:.1} % of a core");
    assert!(kib < 50 << 10, "it uses {kib} KiB");
    daemon.stop().await;
}

/// Both tables of the handbook are those of the program, line by line.
#[test]
fn the_handbook_has_every_metric_and_every_field() {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md")).unwrap();
    let rows = |heading: &str| -> Vec<Vec<String>> {
        let section = text.split(&format!("## {heading}\n")).nth(1).unwrap_or_else(|| panic!("no {heading}"));
        let section = section.split("\n## ").next().unwrap();
        let rows = section.lines().filter(|line| line.starts_with("| `"));
        rows.map(|row| row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
    };
    let metrics = rows("Metrics");
    assert_eq!(metrics.len(), METRICS.len());
    for (row, metric) in metrics.iter().zip(METRICS) {
        let labels = metric.labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        let wanted = [format!("`{}`", metric.name), metric.kind.name().to_owned(), labels, metric.what.to_owned()];
        assert_eq!(row[..4], wanted);
        assert!(row.len() == 5 && row[4].len() > 10, "{} has no word on what to do", metric.name);
    }
    let fields = rows("Log fields");
    let wanted: Vec<_> = FIELDS.iter().map(|one| vec![format!("`{}`", one.name), one.what.to_owned()]).collect();
    assert_eq!(fields, wanted);
}
