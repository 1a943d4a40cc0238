//! The pool of connections and its transactions: what happens when the server refuses to open one, or falls silent.

use std::{io, sync::Arc, time::Duration};

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
    /// How long an answer is waited for. The server's own limits do not help when it is gone without a word.
    answer_max: Option<Duration>,
}

impl Link {
    pub(crate) fn new(db: DatabaseConnection, login: Option<Arc<Login>>, answer_max: Option<Duration>) -> Self {
        Self { db, login, answer_max }
    }

    /// The connections themselves, for migrations.
    pub(crate) fn raw(&self) -> &DatabaseConnection {
        &self.db
    }

    pub(crate) async fn ping(&self) -> Result<(), DbErr> {
        self.call(|| self.db.ping()).await
    }

    /// Begins a transaction, in a task of its own. A caller may go away in the middle (its lease is over, its request took too
    /// long), and a connection whose `BEGIN` is under way would be lent out again inside that transaction: the driver does
    /// not know of it yet. Here it is known by the time that it is dropped, and rolled back.
    pub(crate) async fn begin(&self, options: TransactionOptions) -> Result<Transaction, DbErr> {
        let begin = || {
            let db = self.db.clone();
            let begun = tokio::spawn(async move { db.begin_with_options(options).await });
            async { begun.await.unwrap_or_else(|gone| Err(DbErr::Custom(gone.to_string()))) }
        };
        Ok(Transaction { tx: self.call(begin).await?, answer_max: self.answer_max })
    }

    async fn call<T, F: Future<Output = Result<T, DbErr>>>(&self, call: impl Fn() -> F) -> Result<T, DbErr> {
        let call = || within(self.answer_max, call());
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

/// A transaction of a pool.
pub(crate) struct Transaction {
    tx: DatabaseTransaction,
    answer_max: Option<Duration>,
}

impl Transaction {
    /// The transaction itself, for migrations: they take as long as they take.
    pub(crate) fn raw(&self) -> &DatabaseTransaction {
        &self.tx
    }

    /// Commits. After a failure it may have taken effect.
    pub(crate) async fn commit(self) -> Result<(), DbErr> {
        within(self.answer_max, self.tx.commit()).await
    }
}

#[async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        self.tx.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        within(self.answer_max, self.tx.execute_raw(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        within(self.answer_max, self.tx.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        within(self.answer_max, self.tx.query_one_raw(statement)).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        within(self.answer_max, self.tx.query_all_raw(statement)).await
    }
}

/// Waits for an answer, but not for ever.
async fn within<T>(max: Option<Duration>, answer: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
    let Some(max) = max else { return answer.await };
    tokio::time::timeout(max, answer).await.unwrap_or_else(|_| {
        let silent = io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
        Err(DbErr::Conn(RuntimeErr::SqlxError(Arc::new(sqlx::Error::Io(silent)))))
    })
}
