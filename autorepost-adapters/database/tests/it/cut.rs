//! Calls that are dropped in the middle, and connections on which the server falls silent.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use autorepost_core::{
    access::Tenant,
    id::{JobId, TenantId},
    job::{JobKind, NewJob},
    port::{AccessStore as _, JobQueue as _},
};
use autorepost_database::{Database, DatabaseConfig};
use chrono::DateTime;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Instant, sleep},
};
use url::Url;
use uuid::Uuid;

use crate::{block_on, server::Server};

fn tenant(number: u16) -> Tenant {
    let mut random = [0; 10];
    random[..2].copy_from_slice(&number.to_be_bytes());
    let id = TenantId::new(DateTime::UNIX_EPOCH, random);
    Tenant { id, name: format!("tenant {number}"), created_at: DateTime::UNIX_EPOCH }
}

fn job(number: u16) -> NewJob {
    let name = format!("job-{number}");
    NewJob {
        id: JobId::from_uuid(Uuid::from_u128(number.into())),
        kind: JobKind::RepostPrep,
        tenant: TenantId::OWNER,
        subject: Uuid::nil(),
        key: name.clone(),
        lane: name,
        run_at: DateTime::UNIX_EPOCH,
        order_at: DateTime::UNIX_EPOCH,
        payload: None,
    }
}

/// Polls a future so many times, and drops it then if it is not done. Answers whether it was dropped.
async fn drop_after<T>(polls: usize, future: impl Future<Output = T>) -> bool {
    let (mut future, mut left) = (pin!(future), polls);
    poll_fn(|cx| {
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(_) => Poll::Ready(false),
            Poll::Pending if left == 0 => Poll::Ready(true),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Wherever a transaction is dropped, what is written next on its connection is written at once and stays.
#[test]
fn a_call_that_is_dropped_midway_leaves_no_transaction_behind() {
    let server = Server::start();
    block_on(async {
        let config = DatabaseConfig { connections_max: 1, ..DatabaseConfig::new(server.url("postgres")) };
        let one = Database::connect(&config).await.unwrap();
        one.migrate().await.unwrap();
        let other = Database::connect(&config).await.unwrap();
        let mut cut = 0;
        for number in 1..=200 {
            let polls = usize::from(number % 20) + 1;
            cut += u32::from(drop_after(polls, one.enqueue(&[job(number)])).await);
            let tenant = tenant(number);
            one.add_tenant(&tenant).await.unwrap();
            assert_eq!(other.tenant(tenant.id).await.unwrap(), Some(tenant), "cut after {polls} polls");
        }
        assert!(cut >= 20, "only {cut} calls were dropped");
    });
}

/// A way to the server on which everything that is open falls silent, without a word, when it is told so.
struct Way {
    port: u16,
    open: Arc<Mutex<watch::Sender<bool>>>,
}

impl Way {
    async fn to(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let way = Self { port: listener.local_addr().unwrap().port(), open: Arc::default() };
        let open = Arc::clone(&way.open);
        tokio::spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let mut silent = open.lock().unwrap().subscribe();
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                    let silenced = async { drop(silent.wait_for(|silent| *silent).await) };
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => return,
                        () = silenced => {}
                    }
                    // Open, and without a word.
                    std::future::pending::<()>().await;
                });
            }
        });
        way
    }

    fn silence(&self) {
        self.open.lock().unwrap().send_replace(true);
        *self.open.lock().unwrap() = watch::Sender::default();
    }
}

/// A server that is gone without a word costs its calls, and then the pool has its places again.
#[test]
fn connections_that_fell_silent_give_their_places_back() {
    let server = Server::start();
    block_on(async {
        let url = Url::parse(&server.url("postgres")).unwrap();
        let way = Way::to(url.port().unwrap()).await;
        let mut there = url.clone();
        there.set_port(Some(way.port)).unwrap();
        let second = Duration::from_secs(1);
        let config = DatabaseConfig {
            connections_max: 2,
            acquire_timeout: second,
            statement_timeout: second,
            ..DatabaseConfig::new(there.as_str())
        };
        let database = Database::connect(&config).await.unwrap();
        database.migrate().await.unwrap();
        let ask = || database.tenants(None, 1);
        let (one, other) = tokio::join!(ask(), ask());
        assert!(one.is_ok() && other.is_ok());
        way.silence();
        let (one, other) = tokio::join!(ask(), ask());
        assert!(one.is_err() || other.is_err(), "nothing was silent");
        // What an answer may take beyond its limit, for the call and for the place.
        let end = Instant::now() + 20 * second;
        while let Err(error) = ask().await {
            assert!(Instant::now() < end, "the places are not given back: {error:?}");
            sleep(second / 10).await;
        }
        let (one, other) = tokio::join!(ask(), ask());
        assert!(one.is_ok() && other.is_ok());
    });
}
