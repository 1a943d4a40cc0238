//! Rotating the cookies of a TikTok account: in its connection, and in the secret store of the installation.

use std::{collections::BTreeMap, sync::Arc};

use autorepost_core::{
    Error, ErrorKind, Platform, Result,
    connection::{AuthMethod, Connection},
    credential::Credential,
    id::TenantId,
    operator::Operator,
    port::SecretSource as _,
    seal::Secret,
};
use autorepost_platforms::CookieJar;
use autorepost_secrets::AwsSecrets;

/// The base64 of the JSON of the jar.
pub const COOKIE: &str = "TIKTOK_COOKIE";
/// The cookie `sessionid`.
pub const SESSION: &str = "TIKTOK_SESSION_ID";
/// The cookie `ttwid`, in older sessions `tt_webid_v2` or `tt_webid`; empty, which is not set, when the jar has none.
pub const VISITOR: &str = "TIKTOK_WEBID";

const OP: &str = "rotate cookies";
/// How often a bundle is written when somebody else writes it in the same moment.
const WRITES_MAX: usize = 3;

/// What a rotation did.
pub struct Rotated {
    /// The connection, renewed.
    pub connection: Connection,
    /// The bundle that was written, as people call it; nothing when none is configured, or the account is not the owner's. An
    /// error when it could not be written: the connection is renewed all the same, and the rotation is to be repeated.
    pub written: Result<Option<String>>,
    /// Every TikTok account of the installation: their renewal is due.
    pub due: Vec<Connection>,
}

/// Gives an account fresh cookies. The platform is asked whose they are; then they are stored in the connection, in the
/// bundle of secrets when the account is the owner's, and every TikTok account's renewal is made due. What was
/// interrupted can be repeated: each step does the same again.
///
/// # Errors
///
/// [`Invalid`](ErrorKind::Invalid) for an account that has no cookies; [`Configuration`](ErrorKind::Configuration) when it is
/// not clear which bundle is meant; the platform's refusal. In these nothing is changed.
pub async fn rotate(
    operator: &Operator<'_>,
    connection: &Connection,
    credential: Credential,
    bundles: &[Arc<AwsSecrets>],
) -> Result<Rotated> {
    let Credential::Cookies { jar } = &credential else {
        return Err(Error::invalid(OP, "only TikTok accounts are connected by cookies"));
    };
    if connection.method != AuthMethod::TiktokSession {
        return Err(Error::invalid(OP, "only TikTok accounts are connected by cookies"));
    }
    let values = values(&CookieJar::from_text(jar)?);
    // The bundle is the owner's: another tenant's cookies are kept in its connection alone.
    let bundle = if operator.tenant() == TenantId::OWNER { bundle(bundles).await? } else { None };
    let connection = operator.renew_credential(connection, credential).await?;
    let written = match bundle {
        Some(bundle) => write(bundle, &values).await.map(|()| Some(bundle.place().to_owned())),
        None => Ok(None),
    };
    let mut due = operator.ports().connections.list(None).await?;
    due.retain(|one| one.platform == Platform::TikTok);
    operator.hasten_refresh(&due).await?;
    Ok(Rotated { connection, written, due })
}

/// What the audit log is told of a rotation.
pub fn outcome(rotated: &Result<Rotated>) -> String {
    match rotated {
        Ok(Rotated { written: Ok(_), .. }) => "done".to_owned(),
        Ok(Rotated { written: Err(error), .. }) => {
            format!("the connection was renewed, and the bundle was not written: {}", error.kind().as_str())
        }
        Err(error) => format!("refused: {}", error.kind().as_str()),
    }
}

/// What the secret store is given of a jar.
fn values(jar: &CookieJar) -> BTreeMap<String, Secret> {
    let text = |value: Option<&str>| Secret::new(value.unwrap_or_default());
    let values =
        [(COOKIE, Secret::new(jar.export())), (SESSION, text(jar.session_id())), (VISITOR, text(jar.visitor_id()))];
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The bundle that has the cookies; the only one without that.
async fn bundle(bundles: &[Arc<AwsSecrets>]) -> Result<Option<&AwsSecrets>> {
    if let [] | [_] = bundles {
        return Ok(bundles.first().map(AsRef::as_ref));
    }
    for bundle in bundles {
        if bundle.secret(COOKIE).await?.is_some() {
            return Ok(Some(bundle));
        }
    }
    let text = "AUTOREPOST_SECRETS names several bundles, and none has TIKTOK_COOKIE: give it any value in the one that is to \
                keep it";
    Err(Error::new(ErrorKind::Configuration, OP, text))
}

async fn write(bundle: &AwsSecrets, values: &BTreeMap<String, Secret>) -> Result<()> {
    let mut tries = 1;
    loop {
        match bundle.update(values).await {
            Err(error) if error.kind() == ErrorKind::Conflict && tries < WRITES_MAX => tries += 1,
            written => return written,
        }
    }
}
