//! Everything that can be set, on one page.

/// One thing that can be set. In the file it has the same name in lower case, without `AUTOREPOST_`.
#[derive(Debug)]
pub struct Setting {
    /// Its name in the environment.
    pub name: &'static str,
    /// What it is, for people.
    pub what: &'static str,
    /// Whether its value is never shown.
    pub secret: bool,
}

const fn setting(name: &'static str, what: &'static str) -> Setting {
    Setting { name, what, secret: false }
}

const fn secret(name: &'static str, what: &'static str) -> Setting {
    Setting { name, what, secret: true }
}

/// Everything that can be set.
pub const SETTINGS: &[Setting] = &[
    setting("AUTOREPOST_FOLDER", "where database, media and key are kept; \"autorepost-data\" without it"),
    secret(
        "DATABASE_URL",
        "sqlite://PATH or postgres://USER:PASSWORD@HOST/NAME; a SQLite file in the folder without it",
    ),
    setting("DATABASE_CA", "PEM file of the authorities that Postgres's certificate is from, as for RDS"),
    setting("DATABASE_CONNECTIONS", "connections to Postgres at most; 10 without it"),
    secret("REDIS_URL", "redis[s]://USER:PASSWORD@HOST:PORT, for several processes; in-process without it"),
    setting("REDIS_CA", "PEM file of the authorities that Redis's certificate is from; the system's without it"),
    setting("S3_BUCKET", "the bucket that keeps the media; a folder without it"),
    setting("S3_REGION", "the bucket's region; AWS_REGION without it"),
    setting("S3_ENDPOINT", "address of another S3 server than AWS's"),
    setting("S3_CA", "PEM file of the authorities that its certificate is from"),
    setting("S3_ENCRYPTION", "bucket, sse-s3, or sse-kms:KEY; what the bucket does by itself without it"),
    secret("S3_ACCESS_KEY_ID", "access key of the bucket; the task's role without it"),
    secret("S3_SECRET_ACCESS_KEY", "its secret"),
    setting("AUTOREPOST_DROP", "folder, or s3://BUCKET/PREFIX, where the creator's own files are dropped"),
    setting("AUTOREPOST_DROP_WAIT", "seconds that a new post waits for its file there; 0 without it"),
    setting("AWS_REGION", "region of the bucket, the database and the bundles of secrets"),
    setting("AUTOREPOST_SECRETS_FILE", "JSON file, or folder with a file for each, of secrets that are not set here"),
    setting(
        "AUTOREPOST_SECRETS",
        "bundles in AWS Secrets Manager, by name or ARN with commas between, asked after that",
    ),
    secret("TOKEN_ENCRYPTION_KEY", "the keys that seal credentials; the file token.key in the folder without it"),
    setting("AUTOREPOST_LISTEN", "address of the program's own HTTP listener; 127.0.0.1:8787 without it"),
    setting("AUTOREPOST_REQUESTS_PER_MINUTE", "requests that one API key may make in a minute; 600 without it"),
    secret("AUTOREPOST_API_KEY", "key to the HTTP interface, ar_..., with which \"smoke\" asks for a job"),
    secret("AUTOREPOST_WEBHOOK_SECRET", "whsec_..., which signs the cookies that an outside automation brings"),
    setting("AUTOREPOST_WEBHOOK_PRIVATE_TARGETS", "true permits webhooks to addresses that are not on the internet"),
    setting(
        "AUTOREPOST_FFMPEG",
        "the ffmpeg program, which converts what a platform would refuse; the one on the PATH without it",
    ),
    setting("AUTOREPOST_PUBLIC_URL", "where the listener is reached from the internet, for Instagram Login"),
    secret("TIKTOK_CLIENT_KEY", "app of TikTok's Login Kit"),
    secret("TIKTOK_CLIENT_SECRET", "its secret"),
    secret("INSTAGRAM_APP_ID", "Instagram app of Instagram Login: its own id, not the one of the Facebook app"),
    secret("INSTAGRAM_APP_SECRET", "its secret"),
    secret("FACEBOOK_APP_ID", "Facebook app of Facebook Login"),
    secret("FACEBOOK_APP_SECRET", "its secret"),
    secret("TIKTOK_COOKIE", "base64 of the JSON of a TikTok session's cookies, for \"connect tiktok --from-secrets\""),
    secret("YOUTUBE_CLIENT_ID", "OAuth client of YouTube"),
    secret("YOUTUBE_CLIENT_SECRET", "its secret"),
    secret("TWITTER_CONSUMER_KEY", "OAuth 1.0a consumer key of X"),
    secret("TWITTER_CONSUMER_SECRET", "its secret"),
    secret("TWITTER_CLIENT_ID", "OAuth 2.0 client of X"),
    secret("TWITTER_CLIENT_SECRET", "its secret"),
    secret(
        "PROMETHEUS_PUSH_URL",
        "Pushgateway that is given the metrics, for networks where nobody can fetch /metrics",
    ),
    secret("OTEL_EXPORTER_OTLP_ENDPOINT", "OTLP collector that is given traces, by HTTP with protobuf"),
    secret("OTEL_EXPORTER_OTLP_HEADERS", "headers for it, as NAME=VALUE,NAME=VALUE"),
    secret("SENTRY_DSN", "Sentry project that is told of errors"),
    secret("AUTOREPOST_HEARTBEAT_URL", "address that is fetched after each minute in which the worker could work"),
    setting("AUTOREPOST_SANDBOX", "address of an \"autorepost sandbox\" that stands in for all platforms"),
    setting("AUTOREPOST_TIKTOK_URL", "base address of TikTok's site"),
    setting("AUTOREPOST_INSTAGRAM_URL", "base address of Instagram's API with Instagram Login"),
    setting("AUTOREPOST_INSTAGRAM_VERSION", "version of Instagram's API, such as v26.0, which is used without it"),
    setting("AUTOREPOST_FACEBOOK_URL", "base address of Instagram's API with Facebook Login"),
    setting("AUTOREPOST_YOUTUBE_URL", "base address of YouTube's API"),
    setting("AUTOREPOST_GOOGLE_OAUTH_URL", "base address of Google's token endpoint"),
    setting("AUTOREPOST_X_URL", "base address of X's API"),
];

/// Read by the command line itself.
pub(super) const OTHERS: [&str; 3] = ["AUTOREPOST_CONFIG", "AUTOREPOST_LOG", "AUTOREPOST_LOG_FORMAT"];

/// A setting's name in the file.
pub fn file_key(setting: &Setting) -> String {
    setting.name.trim_start_matches("AUTOREPOST_").to_lowercase()
}

/// What a name that is no setting was meant to be.
pub(super) fn nearest(name: &str, names: impl Iterator<Item = String>) -> String {
    const ALIKE: f64 = 0.8;
    let best = names.map(|other| (strsim::jaro_winkler(name, &other), other)).max_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((alike, other)) if alike >= ALIKE => format!(": did you mean {other}?"),
        _ => ": see \"autorepost settings\"".into(),
    }
}
