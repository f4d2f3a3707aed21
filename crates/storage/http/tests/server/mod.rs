//! A small web server over a repository in memory.

use rockhold_core::{GetRequest, Key, MemoryRepository, Repository};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the server can and does.
#[derive(Debug, Clone)]
pub(crate) struct Manner {
    pub(crate) ranges: bool,
    pub(crate) head: bool,
    pub(crate) lengths: bool,
    pub(crate) conditions: bool,
    /// Redirections in front of the file.
    pub(crate) redirects: usize,
    /// Always this answer.
    pub(crate) status: Option<u16>,
    /// Closes the connection after so many bytes of a file.
    pub(crate) breaks_at: Option<usize>,
    /// The query that every request must have.
    pub(crate) query: Option<&'static str>,
    /// The header that every request must have.
    pub(crate) authorization: Option<&'static str>,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            ranges: true,
            head: true,
            lengths: true,
            conditions: true,
            redirects: 0,
            status: None,
            breaks_at: None,
            query: None,
            authorization: None,
        }
    }
}

/// Ends when it is dropped.
pub(crate) struct Server {
    /// `http://127.0.0.1:port`
    pub(crate) address: String,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn start(files: Arc<MemoryRepository>, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (files, manner) = (files.clone(), manner.clone());
                tokio::spawn(async move {
                    // A client that hangs up is no failure of the server.
                    let _ = serve(stream, &files, &manner).await;
                });
            }
        });
        Self { address, task }
    }
}

struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        match line.trim().split_once(':') {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
            None => return Ok(Some(Request { method, target, headers })),
        }
    }
}

async fn serve(stream: TcpStream, files: &MemoryRepository, manner: &Manner) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await? {
        let (head, body) = answer(&request, files, manner).await;
        let body = if request.method == "HEAD" { Vec::new() } else { body };
        stream.write_all(head.as_bytes()).await?;
        match manner.breaks_at {
            Some(at) if at < body.len() => {
                stream.write_all(&body[..at]).await?;
                stream.flush().await?;
                return Ok(());
            }
            _ => stream.write_all(&body).await?,
        }
        stream.flush().await?;
        if head.contains("Connection: close") {
            // The end of the connection is the end of the file.
            stream.shutdown().await?;
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await?;
            return Ok(());
        }
    }
    Ok(())
}

fn refusal(status: u16) -> (String, Vec<u8>) {
    let connection = if status == 404 { "keep-alive" } else { "close" };
    (
        format!("HTTP/1.1 {status} Refused\r\nContent-Length: 0\r\nConnection: {connection}\r\n\r\n"),
        Vec::new(),
    )
}

async fn answer(request: &Request, files: &MemoryRepository, manner: &Manner) -> (String, Vec<u8>) {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    if manner.query.is_some_and(|wanted| wanted != query) {
        return refusal(403);
    }
    if manner.authorization.is_some_and(|wanted| request.header("authorization") != Some(wanted)) {
        return refusal(401);
    }
    if request.header("accept-encoding") != Some("identity") {
        return refusal(406);
    }
    if let Some(status) = manner.status {
        return refusal(status);
    }
    if request.method == "HEAD" && !manner.head {
        return refusal(405);
    }
    let hops =
        path.strip_prefix("/hop").and_then(|rest| rest.split('/').next()?.parse::<usize>().ok()).unwrap_or(0);
    let file = path.strip_prefix(&format!("/hop{hops}")).unwrap_or(path);
    if hops < manner.redirects {
        let head =
            format!("HTTP/1.1 302 Found\r\nLocation: /hop{}{file}\r\nContent-Length: 0\r\n\r\n", hops + 1);
        return (head, Vec::new());
    }
    let Some(key) = file.strip_prefix("/files/").and_then(|key| Key::new(key).ok()) else {
        return refusal(404);
    };
    let Ok(reader) = files.get(GetRequest::new(key)).await else { return refusal(404) };
    let etag = format!("\"{}\"", reader.meta.etag.clone().unwrap_or_default());
    let Ok(bytes) = reader.read_all(1 << 30).await else { return refusal(500) };
    if manner.conditions && request.header("if-match").is_some_and(|wanted| wanted != etag) {
        return refusal(412);
    }
    let len = bytes.len();
    let facts = format!("ETag: {etag}\r\nLast-Modified: Wed, 25 Nov 2026 13:00:00 GMT\r\n");
    if let Some(range) = request.header("range").filter(|_| manner.ranges) {
        let (first, last) = range.strip_prefix("bytes=").and_then(|r| r.split_once('-')).expect("a range");
        let (first, last): (usize, u64) = (first.parse().expect("a number"), last.parse().expect("a number"));
        if first >= len {
            return refusal(416);
        }
        let last = usize::try_from(last).unwrap_or(usize::MAX).min(len - 1);
        let head = format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {first}-{last}/{len}\r\nContent-Length: {}\r\n{facts}\r\n",
            last - first + 1
        );
        return (head, bytes[first..=last].to_vec());
    }
    let length = if manner.lengths {
        format!("Content-Length: {len}\r\n")
    } else {
        "Connection: close\r\n".to_owned()
    };
    (format!("HTTP/1.1 200 OK\r\n{length}{facts}\r\n"), bytes.to_vec())
}
