//! Tenants, keys to the HTTP interface, the audit log, and a summary of everything.

use crate::{
    Error, Result,
    access::{API_KEYS_MAX, ApiKey, AuditEntry, Role, TENANTS_MAX, Tenant, checked_name},
    id::{ApiKeyId, AuditId, TenantId},
    operator::Operator,
    port::{EntropyExt, JobStats, KeyQuery, RepostCount},
    seal::Secret,
};

/// How much there is of everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Reposts by platform and state.
    pub reposts: Vec<RepostCount>,
    /// Jobs by kind and state.
    pub jobs: Vec<JobStats>,
}

impl Operator<'_> {
    /// Adds a tenant.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) for a name that cannot be shown, or one tenant too many;
    /// [`Conflict`](crate::ErrorKind::Conflict) when the name is taken.
    pub async fn add_tenant(&self, name: &str) -> Result<Tenant> {
        let op = "add tenant";
        let name = checked_name(op, name)?;
        if self.ports.access.tenants(None, TENANTS_MAX).await?.len() >= TENANTS_MAX as usize {
            return Err(Error::invalid(op, format!("an installation has at most {TENANTS_MAX} tenants")));
        }
        let now = self.ports.clock.now();
        let tenant = Tenant { id: TenantId::new(now, self.ports.entropy.bytes()), name, created_at: now };
        self.ports.access.add_tenant(&tenant).await?;
        Ok(tenant)
    }

    /// Makes a key: to the tenant, or to the whole installation. Its text is not kept anywhere.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) for a name that cannot be shown, a key to the installation that is no
    /// admin's, or one key too many; [`NotFound`](crate::ErrorKind::NotFound) when there is no such tenant.
    pub async fn add_api_key(&self, name: &str, role: Role, installation: bool) -> Result<(ApiKey, Secret)> {
        let op = "make API key";
        if self.ports.access.tenant(self.tenant).await?.is_none() {
            return Err(Error::not_found(op, format!("there is no tenant {}", self.tenant)));
        }
        let tenant = (!installation).then_some(self.tenant);
        if self.count_api_keys(tenant).await? >= API_KEYS_MAX as usize {
            return Err(Error::invalid(op, format!("there are {API_KEYS_MAX} keys already, revoked ones included")));
        }
        let random = (self.ports.entropy.bytes(), self.ports.entropy.bytes());
        let (key, text) = ApiKey::make(tenant, role, name, self.ports.clock.now(), random)?;
        self.ports.access.add_key(&key).await?;
        Ok((key, text))
    }

    /// How many keys a tenant has, or the installation itself, revoked ones included.
    async fn count_api_keys(&self, tenant: Option<TenantId>) -> Result<usize> {
        let (mut count, mut query) = (0, KeyQuery { tenant, after: None, limit: API_KEYS_MAX });
        loop {
            // Without a tenant everybody's are listed.
            let page = self.ports.access.keys(&query).await?;
            count += page.iter().filter(|key| key.tenant == tenant).count();
            match page.last() {
                Some(last) if page.len() >= API_KEYS_MAX as usize => query.after = Some(last.id),
                _ => return Ok(count),
            }
        }
    }

    /// Revokes a key of the tenant, or with `installation` any key. One that is revoked already stays so.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) when there is no such key.
    pub async fn revoke_api_key(&self, id: ApiKeyId, installation: bool) -> Result<ApiKey> {
        let missing = || Error::not_found("revoke API key", format!("there is no API key {id}"));
        let mine = |key: &ApiKey| installation || key.tenant == Some(self.tenant);
        self.ports.access.key(id).await?.filter(mine).ok_or_else(missing)?;
        self.ports.access.revoke(id, self.ports.clock.now()).await?;
        self.ports.access.key(id).await?.ok_or_else(missing)
    }

    /// How much there is of everything that the tenant has.
    pub async fn summary(&self) -> Result<Summary> {
        let reposts = self.ports.census.reposts(self.tenant).await?;
        Ok(Summary { reposts, jobs: self.job_stats().await? })
    }

    /// Writes down what was done: of the tenant, or of the whole installation.
    pub async fn record(
        &self,
        tenant: Option<TenantId>,
        action: &str,
        subject: &str,
        detail: &str,
        request: &str,
    ) -> Result<()> {
        let at = self.ports.clock.now();
        let entry = AuditEntry {
            id: AuditId::new(at, self.ports.entropy.bytes()),
            at,
            tenant,
            actor: self.name.clone(),
            action: action.into(),
            subject: subject.into(),
            detail: detail.into(),
            request: request.into(),
        };
        self.ports.audit.append(&entry).await
    }
}
