//! A server that takes whatever it is sent, and remembers it.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{Method, StatusCode, Uri},
};

/// What was sent.
#[derive(Debug, Clone)]
pub struct Heard {
    pub method: String,
    pub path: String,
    pub body: Bytes,
}

type All = Arc<Mutex<Vec<Heard>>>;

/// The server. It ends with the test.
pub struct Sink {
    address: std::net::SocketAddr,
    all: All,
}

impl Sink {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let all = All::default();
        let app = Router::new().fallback(take).with_state(Arc::clone(&all));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, all }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn heard(&self) -> Vec<Heard> {
        self.all.lock().unwrap().clone()
    }

    /// All bodies, as text.
    pub fn text(&self) -> String {
        self.heard().iter().map(|one| String::from_utf8_lossy(&one.body).into_owned() + "\n").collect()
    }
}

async fn take(State(all): State<All>, method: Method, uri: Uri, body: Bytes) -> StatusCode {
    all.lock().unwrap().push(Heard { method: method.to_string(), path: uri.path().to_owned(), body });
    StatusCode::OK
}
