//! What the installation runs on: the database, Redis and the bucket, as they are configured.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use async_trait::async_trait;
use autorepost_core::{Error, ErrorKind, Result, port::SecretSource, seal::Secret};
use autorepost_database::{CaBundle, Database, DatabaseConfig};
use autorepost_redis::{Redis, RedisConfig};
use autorepost_secrets::{AwsAccess, RdsIamConfig, RdsIamToken};
use autorepost_storage::{Inbox, S3Config, S3Credentials, S3MediaStore};
use percent_encoding::percent_decode_str;
use url::Url;

use crate::{
    ambient::SystemClock,
    config::{Bucket, Config, Origin},
    inbox::{Place, QUIET},
};

/// The largest file of authorities that is read, in bytes.
const CA_BYTES_MAX: u64 = 4 << 20;
/// How long the keys of a bucket are used before they are asked for again.
const KEYS_REREAD: Duration = Duration::from_secs(300);
/// The name under which the database asks for its password.
const PASSWORD: &str = "DATABASE_URL";
/// The port of Postgres where the address names none.
const POSTGRES_PORT: u16 = 5432;

/// Connects the configured database. SQLite is brought up to date; elsewhere that is the operator's word.
///
/// # Errors
///
/// When it does not answer, is newer than this program, or is not up to date.
pub async fn database(config: &Config) -> anyhow::Result<Database> {
    let database = any_database(config).await?;
    if config.database_url.expose().starts_with("sqlite:") {
        database.migrate().await?;
    } else if !database.schema().await?.pending.is_empty() {
        bail!("the database is not up to date: run \"autorepost migrate\"");
    }
    Ok(database)
}

/// Connects the configured database, however old its schema is.
///
/// # Errors
///
/// When it does not answer.
pub async fn any_database(config: &Config) -> anyhow::Result<Database> {
    fs::create_dir_all(&config.folder)
        .with_context(|| format!("the folder {} cannot be made", config.folder.display()))?;
    let mut database = DatabaseConfig::new(config.database_url.expose());
    if let Some(path) = &config.database_ca {
        database.ca = Some(CaBundle::Path(path.clone()));
    }
    if let Some(connections) = config.database_connections_max {
        database.connections_max = connections;
    }
    database.password = password(config).await?.map(|source| (source, PASSWORD.to_owned()));
    Ok(Database::connect(&database).await?)
}

/// Who gives the database's password, when it is not for ever the one in its address: RDS takes tokens of the task's role
/// from a user without a password, and a source of secrets may rotate the address.
async fn password(config: &Config) -> Result<Option<Arc<dyn SecretSource>>> {
    let Ok(url) = Url::parse(config.database_url.expose()) else { return Ok(None) };
    if !url.scheme().starts_with("postgres") {
        return Ok(None);
    }
    let host = url.host_str().unwrap_or_default();
    if url.password().is_none() && host.ends_with(".rds.amazonaws.com") {
        let iam = RdsIamConfig {
            name: PASSWORD.into(),
            host: host.into(),
            port: url.port().unwrap_or(POSTGRES_PORT),
            user: url.username().into(),
            access: AwsAccess { region: config.region.clone(), ..AwsAccess::default() },
        };
        return Ok(Some(Arc::new(RdsIamToken::open(iam, Arc::new(SystemClock)).await?)));
    }
    if url.password().is_none() {
        return Ok(None);
    }
    let rotated = config.origin(PASSWORD) == Origin::Secrets;
    Ok(rotated.then(|| Arc::new(UrlPassword(config.secrets.clone())) as Arc<dyn SecretSource>))
}

/// The password in the database's address, as a source of secrets gives it now.
struct UrlPassword(Arc<dyn SecretSource>);

#[async_trait]
impl SecretSource for UrlPassword {
    async fn secret(&self, name: &str) -> Result<Option<Secret>> {
        let Some(url) = self.0.secret(name).await? else { return Ok(None) };
        let op = "read database password";
        let wrong = |_| Error::new(ErrorKind::Configuration, op, "DATABASE_URL in the secrets is no address any more");
        let url = Url::parse(url.expose()).map_err(wrong)?;
        let password = url.password().map(|password| percent_decode_str(password).decode_utf8_lossy().into_owned());
        Ok(password.map(Secret::new))
    }

    async fn refresh(&self) -> Result<()> {
        self.0.refresh().await
    }
}

/// Connects the configured Redis, if there is one. One that does not answer is waited for in the background: nothing here
/// needs it to be correct.
///
/// # Errors
///
/// When its address, password or certificate is wrong.
pub async fn redis(config: &Config) -> anyhow::Result<Option<Redis>> {
    let Some((url, ca)) = &config.redis else { return Ok(None) };
    let ca_pem = ca.as_ref().map(|path| authorities("REDIS_CA", path)).transpose()?;
    let redis = RedisConfig { ca_pem, ..RedisConfig::new(url.clone()) };
    Ok(Some(match Redis::connect(&redis).await {
        Err(error) if error.kind() == ErrorKind::Unavailable => {
            tracing::warn!("{error}: everything works without it, but more slowly");
            Redis::open(&redis)?
        }
        other => other?,
    }))
}

/// The configured bucket.
///
/// # Errors
///
/// When its configuration is wrong.
pub fn bucket(config: &Config, bucket: &Bucket) -> anyhow::Result<S3MediaStore> {
    Ok(S3MediaStore::new(&s3(config, bucket)?)?)
}

/// Where files are dropped, as it is configured.
pub fn inbox(config: &Config, place: &Place) -> anyhow::Result<Inbox> {
    // A sandbox's posts come within seconds.
    let quiet = if config.sandbox.is_some() { Duration::from_secs(1) } else { QUIET };
    Ok(match place {
        Place::Folder(folder) => Inbox::folder(folder, quiet)?,
        Place::Bucket(bucket, prefix) => {
            Inbox::bucket(&S3Config { prefix: prefix.clone(), ..s3(config, bucket)? }, quiet)?
        }
    })
}

fn s3(config: &Config, bucket: &Bucket) -> anyhow::Result<S3Config> {
    let credentials = match bucket.keys {
        true => S3Credentials::Secrets { source: config.secrets.clone(), reread: KEYS_REREAD },
        false => S3Credentials::Ambient(config.aws.clone()),
    };
    let ca_pem = bucket.ca.as_ref().map(|path| authorities("S3_CA", path)).transpose()?.map(String::into_bytes);
    Ok(S3Config {
        // Other servers than AWS's rarely have a name for each bucket.
        path_style: bucket.endpoint.is_some(),
        endpoint: bucket.endpoint.clone(),
        encryption: bucket.encryption.clone(),
        ca_pem,
        ..S3Config::new(&bucket.name, &bucket.region, credentials)
    })
}

fn authorities(name: &str, path: &PathBuf) -> anyhow::Result<String> {
    let shown = path.display();
    let size = fs::metadata(path).with_context(|| format!("{name}: {shown} cannot be read"))?.len();
    if size > CA_BYTES_MAX {
        bail!("{name}: {shown} is larger than {CA_BYTES_MAX} bytes: it is no list of authorities");
    }
    fs::read_to_string(path).with_context(|| format!("{name}: {shown} cannot be read"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use autorepost_secrets::EnvSecrets;

    use super::*;

    #[tokio::test]
    async fn the_password_in_a_rotated_address_is_found() {
        let url = "postgres://app:p%40s+s%2F@db.example/app";
        let source = EnvSecrets::new(BTreeMap::from([("DATABASE_URL".to_owned(), url.to_owned())]));
        let password = UrlPassword(Arc::new(source)).secret("DATABASE_URL").await.unwrap().unwrap();
        assert_eq!(password.expose(), "p@s+s/");
        let none = UrlPassword(Arc::new(EnvSecrets::new(BTreeMap::new())));
        assert!(none.secret("DATABASE_URL").await.unwrap().is_none());
    }
}
