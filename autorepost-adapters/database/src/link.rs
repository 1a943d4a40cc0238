//! The pool of connections, and what happens when the server refuses to open one.

use std::sync::Arc;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr,
    Statement, TransactionOptions, TransactionTrait, prelude::async_trait::async_trait, sqlx,
};
use tokio::time::Instant;

use crate::login::Login;

/// A pool. Where a new connection is refused because the password was rotated, the call is made once more with the new
/// one: nothing was sent before.
#[derive(Clone)]
pub(crate) struct Link {
    db: DatabaseConnection,
    login: Option<Arc<Login>>,
}

impl Link {
    pub(crate) fn new(db: DatabaseConnection, login: Option<Arc<Login>>) -> Self {
        Self { db, login }
    }

    /// The connections themselves, for migrations.
    pub(crate) fn raw(&self) -> &DatabaseConnection {
        &self.db
    }

    pub(crate) async fn ping(&self) -> Result<(), DbErr> {
        self.call(|| self.db.ping()).await
    }

    pub(crate) async fn begin(&self, options: TransactionOptions) -> Result<DatabaseTransaction, DbErr> {
        self.call(|| self.db.begin_with_options(options)).await
    }

    async fn call<T, F: Future<Output = Result<T, DbErr>>>(&self, call: impl Fn() -> F) -> Result<T, DbErr> {
        let Some(login) = &self.login else { return call().await };
        login.keep_fresh();
        let began = Instant::now();
        match call().await {
            Err(error) if is_refusal(&error) && login.refused(began).await => call().await,
            other => other,
        }
    }
}

/// Whether the server refused the user or the password. It says so before it runs anything.
fn is_refusal(error: &DbErr) -> bool {
    let DbErr::Conn(RuntimeErr::SqlxError(driver)) = error else { return false };
    let sqlx::Error::Database(answer) = driver.as_ref() else { return false };
    matches!(answer.code().as_deref(), Some("28P01" | "28000"))
}

#[async_trait]
impl ConnectionTrait for Link {
    fn get_database_backend(&self) -> DbBackend {
        self.db.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.call(|| self.db.execute_raw(statement.clone())).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.call(|| self.db.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.call(|| self.db.query_one_raw(statement.clone())).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.call(|| self.db.query_all_raw(statement.clone())).await
    }
}
