//! A proxy that misbehaves when it is told to.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mode {
    /// Passes everything on.
    Pass,
    /// Answers every request itself, with this status.
    Answer(u16),
    /// Ends each connection after so many bytes from the server.
    CutAfter(usize),
}

/// What one connection's client sent.
type Sent = Arc<Mutex<Vec<u8>>>;

/// Stands before a server. A change of its mode ends all its connections.
pub struct Proxy {
    pub port: u16,
    mode: watch::Sender<Mode>,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Proxy {
    pub async fn before(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (mode, seen) = watch::channel(Mode::Pass);
        let sent = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&sent);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let record = Arc::new(Mutex::new(Vec::new()));
                all.lock().unwrap().push(Arc::clone(&record));
                tokio::spawn(serve(client, server, seen.clone(), record));
            }
        });
        Self { port, mode, sent }
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.sent.lock().unwrap().len()
    }

    /// The heads of all requests that passed, in lower case.
    pub fn heads(&self) -> Vec<String> {
        let mut heads = Vec::new();
        for record in self.sent.lock().unwrap().iter() {
            let text = String::from_utf8_lossy(&record.lock().unwrap()).to_ascii_lowercase();
            let mut at = 0;
            while let Some(found) = text[at..].find(" http/1.1\r\n") {
                let start = text[..at + found].rfind('\n').map_or(0, |line| line + 1);
                let end = text[start..].find("\r\n\r\n").map_or(text.len(), |end| start + end);
                heads.push(text[start..end].to_owned());
                at = end;
            }
        }
        heads
    }
}

async fn serve(mut client: TcpStream, server: u16, mut seen: watch::Receiver<Mode>, record: Sent) {
    let mode = *seen.borrow_and_update();
    let work = async {
        match mode {
            Mode::Answer(status) => answer(&mut client, status).await,
            Mode::Pass => pass(&mut client, server, usize::MAX, &record).await,
            Mode::CutAfter(bytes) => pass(&mut client, server, bytes, &record).await,
        }
    };
    tokio::select! {
        _ = work => {}
        _ = seen.changed() => {}
    }
}

async fn pass(client: &mut TcpStream, server: u16, bytes_max: usize, record: &Sent) -> Option<()> {
    let mut server = TcpStream::connect(("127.0.0.1", server)).await.ok()?;
    let (mut from_client, mut from_server) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let mut passed = 0;
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let bytes = &from_client[..read.ok().filter(|read| *read > 0)?];
                record.lock().unwrap().extend_from_slice(bytes);
                server.write_all(bytes).await.ok()?;
            }
            read = server.read(&mut from_server) => {
                let bytes = &from_server[..read.ok().filter(|read| *read > 0)?];
                client.write_all(&bytes[..bytes.len().min(bytes_max - passed)]).await.ok()?;
                passed += bytes.len();
                if passed >= bytes_max {
                    return None;
                }
            }
        }
    }
}

/// Reads one request to its end, and answers it.
async fn answer(client: &mut TcpStream, status: u16) -> Option<()> {
    let (mut request, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
    let head = loop {
        if let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        let read = client.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        request.extend_from_slice(&buffer[..read]);
    };
    let text = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
    let length = text.split("content-length:").nth(1).and_then(|rest| rest.lines().next()?.trim().parse().ok());
    let length: usize = length.unwrap_or(0);
    while request.len() < head + length {
        let read = client.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        request.extend_from_slice(&buffer[..read]);
    }
    let body = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
    let answer = format!(
        "HTTP/1.1 {status} Slow Down\r\nContent-Type: application/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    client.write_all(answer.as_bytes()).await.ok()?;
    client.shutdown().await.ok()
}
