//! What Instagram allows: containers and publications of an account within a day.

use autorepost_core::{
    Error, ErrorKind, Result, Retry, connection::AccountId, credential::Access, port::Budget, state::Owner,
};

use super::Instagram;
use crate::catalogue::{DAY, HOUR};

/// Containers that an account may create in 24 hours (content publishing, limitations; read 2026-11-23).
const CONTAINERS_MAX: u32 = 400;
/// Posts that an account may publish in 24 hours, where the answer does not say it. Meta's pages name 50 and 100.
const POSTS_MAX: u64 = 50;

/// The allowance of containers.
pub(super) fn containers(account: &AccountId) -> Budget {
    Budget { name: format!("instagram:container:{account}"), limit: CONTAINERS_MAX, per: DAY }
}

impl Instagram {
    /// Asks what the account may still publish, so that nothing is begun for nothing. An answer that tells nothing stops
    /// nothing: the publication's own answer decides.
    pub(super) async fn check_allowance(&self, access: &Access) -> Result<()> {
        let op = "read publishing limit";
        let path = format!("{}/content_publishing_limit?fields=quota_usage,config", access.account);
        let Ok(body) = self.get(op, access, &path).await else { return Ok(()) };
        let told = &body["data"][0];
        let Some(usage) = told["quota_usage"].as_u64() else { return Ok(()) };
        let total = told["config"]["quota_total"].as_u64().unwrap_or(POSTS_MAX);
        let remaining = total.saturating_sub(usage);
        self.http.tell(access.account.as_str(), "publish", remaining, self.clock.now() + DAY);
        if remaining > 0 {
            return Ok(());
        }
        // The window slides, and the answer does not say when the oldest leaves it.
        let text =
            format!("the account has published {usage} of the {total} posts that Instagram allows within 24 hours");
        let error = Error::new(ErrorKind::Quota, op, text).retry(Retry::After(HOUR));
        Err(error.owner(Owner::Quota).code("content_publishing_limit"))
    }
}
