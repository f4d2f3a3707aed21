//! A connection to a server that counts what is asked for.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Passes everything on, and counts how often the client says a text.
pub(crate) struct Counting {
    url: String,
    count: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Counting {
    /// Stands before the server at `endpoint`.
    pub(crate) async fn before(endpoint: &str, text: &'static [u8]) -> Self {
        let target = endpoint.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (target, counted) = (target.clone(), Arc::clone(&counted));
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(target).await else { return };
                    let (mut from_client, mut to_client) = client.into_split();
                    let (mut from_server, mut to_server) = server.into_split();
                    tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await.ok() });
                    let (mut buffer, mut seen) = (vec![0; 1 << 16], Vec::new());
                    while let Ok(len) = from_client.read(&mut buffer).await {
                        if len == 0 || to_server.write_all(&buffer[..len]).await.is_err() {
                            return;
                        }
                        seen.extend_from_slice(&buffer[..len]);
                        let found = seen.windows(text.len()).filter(|window| *window == text).count();
                        counted.fetch_add(found, Ordering::SeqCst);
                        // What may be the beginning of the text is kept; what was counted is not.
                        let keep = if found > 0 { 0 } else { seen.len().min(text.len() - 1) };
                        seen.drain(..seen.len() - keep);
                    }
                });
            }
        });
        Self { url, count, task }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

/// Passes everything on, and changes one byte of what the client sends once
/// `after` bytes have passed on a connection.
pub(crate) async fn flipping(endpoint: &str, after: usize) -> (String, tokio::task::JoinHandle<()>) {
    let target = endpoint.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let task = tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let target = target.clone();
            tokio::spawn(async move {
                let Ok(server) = TcpStream::connect(target).await else { return };
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await.ok() });
                let (mut buffer, mut passed) = (vec![0; 1 << 16], 0);
                while let Ok(len) = from_client.read(&mut buffer).await {
                    if (passed..passed + len).contains(&after) {
                        buffer[after - passed] ^= 1;
                    }
                    passed += len;
                    if len == 0 || to_server.write_all(&buffer[..len]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (url, task)
}
