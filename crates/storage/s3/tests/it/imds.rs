//! The metadata service of a machine, version 2: a token first, then the role,
//! then its keys. Whoever comes without the token is turned away.

use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const TOKEN: &str = "the-token-of-the-test";
const ROLES: &str = "/latest/meta-data/iam/security-credentials";

/// A running service.
pub(crate) struct Imds {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Imds {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Imds {
    /// Gives `document` for the keys of the role `the-role`.
    pub(crate) async fn start(document: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, document.clone(), Arc::clone(&noted)));
            }
        });
        Self { url, asked, task }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Method and path of each request.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("what was asked").clone()
    }
}

async fn serve(mut socket: TcpStream, document: String, asked: Arc<Mutex<Vec<String>>>) {
    let (mut head, mut buffer) = (Vec::new(), [0; 4096]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match socket.read(&mut buffer).await {
            Ok(len) if len > 0 => head.extend_from_slice(&buffer[..len]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let mut words = head.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = path.trim_end_matches('/');
    asked.lock().expect("what was asked").push(format!("{} {path}", method.to_ascii_uppercase()));
    let is_known = head.contains(&format!("x-aws-ec2-metadata-token: {TOKEN}"));
    let (status, body) = match (method, path) {
        ("put", "/latest/api/token") => ("200 OK", TOKEN.to_owned()),
        ("get", _) if !is_known => ("401 Unauthorized", String::new()),
        ("get", ROLES) => ("200 OK", "the-role".to_owned()),
        ("get", path) if path == format!("{ROLES}/the-role") => ("200 OK", document),
        _ => ("404 Not Found", String::new()),
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nx-aws-ec2-metadata-token-ttl-seconds: 21600\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    // Whoever asked may be gone.
    let _ = socket.write_all(answer.as_bytes()).await;
}
