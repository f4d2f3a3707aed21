//! An S3 server in this process: protocol and signatures by the crate `s3s`,
//! objects in memory. It keeps what Amazon documents, conditions and unfinished
//! uploads included, and counts its calls; so a plain `cargo test` means
//! something on any machine. That real servers agree is for `real.rs`. The
//! vendors that build on this crate test with it too.

#![allow(dead_code)] // not every crate uses all of it

use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, SharedDnsResolver};
use futures::{TryStreamExt, stream};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use md5::{Digest, Md5};
use rockhold_core::Secret;
use rockhold_storage_s3::{Credentials, Dialect, Endpoint, Location, Names, Network, S3Config};
use s3s::{
    S3, S3Request, S3Response, S3Result,
    auth::{S3Auth, SecretKey, SimpleAuth},
    dto::*,
    host::{S3Host, VirtualHost},
    s3_error,
    service::S3ServiceBuilder,
};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::SystemTime,
};

pub(crate) const BUCKET: &str = "bucket";
pub(crate) const ACCESS_KEY: &str = "access";
pub(crate) const SECRET_KEY: &str = "secret-of-the-test";

/// What the server does otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Quirks {
    /// Takes conditions for comments.
    pub(crate) ignores_conditions: bool,
    /// Has no request that deletes many objects, and none that copies into parts.
    pub(crate) is_google: bool,
    /// Has no conditions but a header of its own that forbids to replace an
    /// object, as OSS does.
    pub(crate) forbids_overwrite_by: Option<&'static str>,
    /// Refuses conditions on writes as something that it does not have.
    pub(crate) lacks_conditions: bool,
    /// Tells of failures in answers with the status of a success, as the service
    /// does where it begins to answer before it is ready.
    pub(crate) fails_inside_success: bool,
    /// The host name that buckets stand before.
    pub(crate) domain: Option<&'static str>,
}

/// A resolver for which every name is this machine.
#[derive(Clone, Debug)]
struct Loopback;

impl ResolveDns for Loopback {
    fn resolve_dns<'a>(&'a self, _: &'a str) -> DnsFuture<'a> {
        DnsFuture::ready(Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]))
    }
}

/// A running server; its listener ends with it.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    store: Arc<Store>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn start(quirks: Quirks) -> Self {
        let store = Arc::new(Store { quirks, ..Store::default() });
        let mut service = S3ServiceBuilder::new(Shared(Arc::clone(&store)));
        service.set_auth(Expiring(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY)));
        if let Some(domain) = quirks.domain {
            service.set_host(Domain(domain));
        }
        let service = service.build();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let http = auto::Builder::new(TokioExecutor::new());
                    // A client that goes away is no failure of the server.
                    let _ = http.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { address, store, task }
    }

    /// Names that all lead to this machine.
    pub(crate) fn network() -> Network {
        let mut network = Network::default();
        network.resolver = Some(SharedDnsResolver::new(Loopback));
        network
    }

    /// A configuration for this server.
    pub(crate) fn config(&self, path: &str) -> S3Config {
        let names =
            Names::new("the.access.key", "the.secret.key", "the.endpoint", "the.ssl").region("the.region");
        let mut dialect = Dialect::s3("the server", names);
        if self.store.quirks.is_google {
            dialect = dialect.google();
        }
        let keys = Credentials::Keys {
            access_key: Secret::new(ACCESS_KEY),
            secret_key: Secret::new(SECRET_KEY),
            session_token: None,
        };
        let location = Location::parse(&format!("s3://{BUCKET}/{path}")).expect("a location");
        let mut config = S3Config::new(location, keys, dialect);
        config.endpoint = Endpoint::parse(&format!("http://{}", self.address)).ok();
        config
    }

    /// The next call of this name takes effect and is answered by a failure.
    pub(crate) fn lose_answer_of(&self, call: &'static str) {
        *self.store.lost.lock().expect("lost") = Some(call);
    }

    /// The next call of this name takes effect and is never answered.
    pub(crate) fn swallow_answer_of(&self, call: &'static str) {
        *self.store.swallowed.lock().expect("swallowed") = Some(call);
    }

    /// The calls since the last time somebody asked.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.store.calls.lock().expect("calls"))
    }

    /// How many uploads are unfinished.
    pub(crate) fn uploads(&self) -> usize {
        self.store.state.lock().expect("state").uploads.len()
    }
}

#[derive(Default)]
struct Store {
    quirks: Quirks,
    calls: Mutex<Vec<&'static str>>,
    lost: Mutex<Option<&'static str>>,
    swallowed: Mutex<Option<&'static str>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Stored>,
    uploads: BTreeMap<String, Upload>,
    next: u64,
}

#[derive(Clone)]
struct Stored {
    bytes: bytes::Bytes,
    tag: String,
    modified: SystemTime,
    metadata: Option<Metadata>,
}

struct Upload {
    key: String,
    parts: BTreeMap<i32, Stored>,
    metadata: Option<Metadata>,
}

impl Stored {
    fn new(bytes: bytes::Bytes, metadata: Option<Metadata>) -> Self {
        let tag = hex(&Md5::digest(&bytes));
        Self { bytes, tag, modified: SystemTime::now(), metadata }
    }

    fn etag(&self) -> Option<ETag> {
        Some(ETag::Strong(self.tag.clone()))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Store {
    fn called(&self, name: &'static str, bucket: &str) -> S3Result<std::sync::MutexGuard<'_, State>> {
        self.calls.lock().expect("calls").push(name);
        if bucket == BUCKET { Ok(self.state.lock().expect("state")) } else { Err(s3_error!(NoSuchBucket)) }
    }

    /// Fails once when the answer of this call is to be lost.
    fn lose(&self, name: &'static str) -> S3Result<()> {
        if self.lost.lock().expect("lost").take_if(|lost| *lost == name).is_none() {
            return Ok(());
        }
        let mut error = s3_error!(InternalError, "the answer was lost");
        if self.quirks.fails_inside_success {
            error.set_status_code(http::StatusCode::OK);
        }
        Err(error)
    }

    /// Makes an object of the parts of an upload.
    fn complete(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<CompleteMultipartUploadOutput> {
        let (input, headers) = (req.input, req.headers);
        let mut state = self.called("CompleteMultipartUpload", &input.bucket)?;
        let upload = state.uploads.get(&input.upload_id).ok_or_else(|| s3_error!(NoSuchUpload))?;
        self.condition(&headers, state.objects.get(&input.key), &input.if_match, &input.if_none_match)?;
        let parts = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let (mut all, mut digests) = (Vec::new(), Vec::new());
        for (n, part) in parts.iter().enumerate() {
            let stored = part.part_number.and_then(|number| upload.parts.get(&number));
            let stored = stored.ok_or_else(|| s3_error!(InvalidPart))?;
            if part.e_tag.as_ref().map(ETag::value) != Some(stored.tag.as_str()) {
                return Err(s3_error!(InvalidPart));
            }
            if n + 1 < parts.len() && stored.bytes.len() < 5 << 20 {
                return Err(s3_error!(EntityTooSmall));
            }
            all.extend_from_slice(&stored.bytes);
            digests.extend_from_slice(&Md5::digest(&stored.bytes));
        }
        if parts.is_empty() {
            return Err(s3_error!(MalformedXML));
        }
        let mut stored = Stored::new(all.into(), upload.metadata.clone());
        stored.tag = format!("{}-{}", hex(&Md5::digest(&digests)), parts.len());
        let output = CompleteMultipartUploadOutput { e_tag: stored.etag(), ..Default::default() };
        state.objects.insert(input.key, stored);
        state.uploads.remove(&input.upload_id);
        self.lose("CompleteMultipartUpload")?;
        Ok(output)
    }

    /// Waits for ever, once, when the answer of this call is to be swallowed.
    async fn swallow(&self, name: &'static str) {
        let swallowed = self.swallowed.lock().expect("swallowed").take_if(|call| *call == name);
        if swallowed.is_some() {
            std::future::pending::<()>().await;
        }
    }

    fn condition(
        &self,
        headers: &http::HeaderMap,
        there: Option<&Stored>,
        if_match: &Option<ETagCondition>,
        if_none_match: &Option<ETagCondition>,
    ) -> S3Result<()> {
        if self.quirks.ignores_conditions {
            return Ok(());
        }
        let conditions = if_match.is_some() || if_none_match.is_some();
        if conditions && (self.quirks.lacks_conditions || self.quirks.forbids_overwrite_by.is_some()) {
            return Err(s3_error!(NotImplemented));
        }
        let forbids = self.quirks.forbids_overwrite_by.and_then(|name| headers.get(name));
        if forbids.is_some_and(|value| value == "true") && there.is_some() {
            let mut error = s3s::S3Error::new(s3s::S3ErrorCode::Custom("FileAlreadyExists".into()));
            error.set_status_code(http::StatusCode::CONFLICT);
            return Err(error);
        }
        if if_none_match.is_some() && there.is_some() {
            return Err(s3_error!(PreconditionFailed));
        }
        match (if_match, there) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(s3_error!(NoSuchKey)),
            (Some(ETagCondition::ETag(tag)), Some(stored)) if tag.value() != stored.tag => {
                Err(s3_error!(PreconditionFailed))
            }
            (Some(_), Some(_)) => Ok(()),
        }
    }
}

async fn collect(body: Option<StreamingBlob>) -> S3Result<bytes::Bytes> {
    let mut all = Vec::new();
    if let Some(mut body) = body {
        while let Some(piece) = body.try_next().await.map_err(|_| s3_error!(IncompleteBody))? {
            all.extend_from_slice(&piece);
        }
    }
    Ok(all.into())
}

fn source(place: &CopySource) -> S3Result<&str> {
    match place {
        CopySource::Bucket { bucket, key, .. } if &**bucket == BUCKET => Ok(key),
        _ => Err(s3_error!(NoSuchBucket)),
    }
}

fn tag_differs(condition: &Option<ETagCondition>, stored: &Stored) -> bool {
    matches!(condition, Some(ETagCondition::ETag(tag)) if tag.value() != stored.tag)
}

type Answer<T> = S3Result<S3Response<T>>;

fn answer<T>(output: T) -> Answer<T> {
    Ok(S3Response::new(output))
}

/// An access key whose token has expired.
pub(crate) const EXPIRED_ACCESS_KEY: &str = "expired";

/// Knows one key, and one that has expired.
struct Expiring(SimpleAuth);

#[async_trait::async_trait]
impl S3Auth for Expiring {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == EXPIRED_ACCESS_KEY {
            return Err(s3_error!(ExpiredToken, "The provided token has expired."));
        }
        self.0.get_secret_key(access_key).await
    }
}

/// Buckets as host names, whatever the port.
struct Domain(&'static str);

impl S3Host for Domain {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let name = host.split_once(':').map_or(host, |(name, _)| name);
        match name.strip_suffix(self.0) {
            Some("") => Ok(VirtualHost::new(self.0)),
            Some(bucket) if bucket.ends_with('.') => {
                Ok(VirtualHost::new(self.0).with_bucket(&bucket[..bucket.len() - 1]))
            }
            _ => Err(s3_error!(InvalidRequest, "another host: {host}")),
        }
    }
}

/// The trait wants a type of this crate.
struct Shared(Arc<Store>);

#[async_trait::async_trait]
impl S3 for Shared {
    async fn put_object(&self, req: S3Request<PutObjectInput>) -> Answer<PutObjectOutput> {
        let (input, headers) = (req.input, req.headers);
        let bytes = collect(input.body).await?;
        let mut state = self.0.called("PutObject", &input.bucket)?;
        self.0.condition(&headers, state.objects.get(&input.key), &input.if_match, &input.if_none_match)?;
        let stored = Stored::new(bytes, input.metadata);
        let output = PutObjectOutput { e_tag: stored.etag(), ..Default::default() };
        state.objects.insert(input.key, stored);
        self.0.lose("PutObject")?;
        answer(output)
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> Answer<GetObjectOutput> {
        let input = req.input;
        let state = self.0.called("GetObject", &input.bucket)?;
        let stored = state.objects.get(&input.key).cloned().ok_or_else(|| s3_error!(NoSuchKey))?;
        if tag_differs(&input.if_match, &stored) {
            return Err(s3_error!(PreconditionFailed));
        }
        let total = stored.bytes.len() as u64;
        let (bytes, range) = match input.range {
            None => (stored.bytes.clone(), None),
            Some(range) => {
                let range = range.check(total).map_err(|_| s3_error!(InvalidRange))?;
                let text = format!("bytes {}-{}/{total}", range.start, range.end - 1);
                (stored.bytes.slice(range.start as usize..range.end as usize), Some(text))
            }
        };
        answer(GetObjectOutput {
            content_length: Some(bytes.len() as i64),
            body: Some(StreamingBlob::wrap(stream::iter(
                bytes
                    .chunks(64 << 10)
                    .map(|piece| Ok::<_, std::io::Error>(bytes.slice_ref(piece)))
                    .collect::<Vec<_>>(),
            ))),
            content_range: range,
            e_tag: stored.etag(),
            last_modified: Some(stored.modified.into()),
            ..Default::default()
        })
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> Answer<HeadObjectOutput> {
        let input = req.input;
        let state = self.0.called("HeadObject", &input.bucket)?;
        self.0.lose("HeadObject")?;
        let stored = state.objects.get(&input.key).ok_or_else(|| s3_error!(NoSuchKey))?;
        answer(HeadObjectOutput {
            content_length: Some(stored.bytes.len() as i64),
            e_tag: stored.etag(),
            last_modified: Some(stored.modified.into()),
            metadata: stored.metadata.clone(),
            ..Default::default()
        })
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> Answer<DeleteObjectOutput> {
        self.0.called("DeleteObject", &req.input.bucket)?.objects.remove(&req.input.key);
        answer(DeleteObjectOutput::default())
    }

    async fn delete_objects(&self, req: S3Request<DeleteObjectsInput>) -> Answer<DeleteObjectsOutput> {
        let mut state = self.0.called("DeleteObjects", &req.input.bucket)?;
        if self.0.quirks.is_google {
            return Err(s3_error!(NotImplemented));
        }
        let keys = req.input.delete.objects;
        if keys.len() > 1000 {
            return Err(s3_error!(MalformedXML));
        }
        keys.iter().for_each(|object| drop(state.objects.remove(&object.key)));
        answer(DeleteObjectsOutput::default())
    }

    async fn list_objects_v2(&self, req: S3Request<ListObjectsV2Input>) -> Answer<ListObjectsV2Output> {
        let input = req.input;
        let state = self.0.called("ListObjectsV2", &input.bucket)?;
        let prefix = input.prefix.unwrap_or_default();
        let limit = input.max_keys.unwrap_or(1000) as usize;
        let after = input.continuation_token;
        let (mut contents, mut prefixes, mut last) = (Vec::new(), Vec::<CommonPrefix>::new(), None);
        let mut is_truncated = false;
        for (key, stored) in state.objects.iter().filter(|(key, _)| key.starts_with(&prefix)) {
            let group = input.delimiter.as_ref().and_then(|delimiter| {
                let rest = &key[prefix.len()..];
                rest.find(delimiter.as_str()).map(|at| key[..prefix.len() + at + delimiter.len()].to_owned())
            });
            let name = group.clone().unwrap_or_else(|| key.clone());
            if after.as_ref().is_some_and(|after| name <= *after) || last.as_ref() == Some(&name) {
                continue;
            }
            if contents.len() + prefixes.len() == limit {
                is_truncated = true;
                break;
            }
            last = Some(name);
            match group {
                Some(group) => prefixes.push(CommonPrefix { prefix: Some(group) }),
                None => contents.push(Object {
                    key: Some(key.clone()),
                    size: Some(stored.bytes.len() as i64),
                    e_tag: stored.etag(),
                    last_modified: Some(stored.modified.into()),
                    ..Default::default()
                }),
            }
        }
        answer(ListObjectsV2Output {
            contents: Some(contents),
            common_prefixes: Some(prefixes),
            is_truncated: Some(is_truncated),
            next_continuation_token: last.filter(|_| is_truncated),
            ..Default::default()
        })
    }

    async fn copy_object(&self, req: S3Request<CopyObjectInput>) -> Answer<CopyObjectOutput> {
        let input = req.input;
        let mut state = self.0.called("CopyObject", &input.bucket)?;
        let stored = state.objects.get(source(&input.copy_source)?).ok_or_else(|| s3_error!(NoSuchKey))?;
        if tag_differs(&input.copy_source_if_match, stored) {
            return Err(s3_error!(PreconditionFailed));
        }
        let copy = Stored { modified: SystemTime::now(), ..stored.clone() };
        let result = CopyObjectResult { e_tag: copy.etag(), ..Default::default() };
        state.objects.insert(input.key, copy);
        self.0.lose("CopyObject")?;
        answer(CopyObjectOutput { copy_object_result: Some(result), ..Default::default() })
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> Answer<CreateMultipartUploadOutput> {
        let input = req.input;
        let id = {
            let mut state = self.0.called("CreateMultipartUpload", &input.bucket)?;
            state.next += 1;
            let id = format!("upload-{:06}", state.next);
            let upload = Upload { key: input.key, parts: BTreeMap::new(), metadata: input.metadata };
            state.uploads.insert(id.clone(), upload);
            id
        };
        self.0.swallow("CreateMultipartUpload").await;
        answer(CreateMultipartUploadOutput { upload_id: Some(id), ..Default::default() })
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> Answer<UploadPartOutput> {
        let input = req.input;
        let bytes = collect(input.body).await?;
        let mut state = self.0.called("UploadPart", &input.bucket)?;
        let upload = state.uploads.get_mut(&input.upload_id).ok_or_else(|| s3_error!(NoSuchUpload))?;
        let part = Stored::new(bytes, None);
        let output = UploadPartOutput { e_tag: part.etag(), ..Default::default() };
        upload.parts.insert(input.part_number, part);
        answer(output)
    }

    async fn upload_part_copy(&self, req: S3Request<UploadPartCopyInput>) -> Answer<UploadPartCopyOutput> {
        let input = req.input;
        let mut state = self.0.called("UploadPartCopy", &input.bucket)?;
        if self.0.quirks.is_google {
            return Err(s3_error!(NotImplemented));
        }
        let stored =
            state.objects.get(source(&input.copy_source)?).cloned().ok_or_else(|| s3_error!(NoSuchKey))?;
        if tag_differs(&input.copy_source_if_match, &stored) {
            return Err(s3_error!(PreconditionFailed));
        }
        let range = input.copy_source_range.unwrap_or_default();
        let ends = range.strip_prefix("bytes=").and_then(|range| range.split_once('-'));
        let ends = ends.and_then(|(first, last)| Some((first.parse().ok()?, last.parse::<usize>().ok()?)));
        let (first, last): (usize, usize) = ends.ok_or_else(|| s3_error!(InvalidArgument))?;
        if last >= stored.bytes.len() || first > last {
            return Err(s3_error!(InvalidRange));
        }
        let part = Stored::new(stored.bytes.slice(first..=last), None);
        let result = CopyPartResult { e_tag: part.etag(), ..Default::default() };
        let upload = state.uploads.get_mut(&input.upload_id).ok_or_else(|| s3_error!(NoSuchUpload))?;
        upload.parts.insert(input.part_number, part);
        answer(UploadPartCopyOutput { copy_part_result: Some(result), ..Default::default() })
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> Answer<CompleteMultipartUploadOutput> {
        let output = self.0.complete(req)?;
        self.0.swallow("CompleteMultipartUpload").await;
        answer(output)
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> Answer<AbortMultipartUploadOutput> {
        {
            let mut state = self.0.called("AbortMultipartUpload", &req.input.bucket)?;
            state.uploads.remove(&req.input.upload_id).ok_or_else(|| s3_error!(NoSuchUpload))?;
        }
        self.0.swallow("AbortMultipartUpload").await;
        answer(AbortMultipartUploadOutput::default())
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> Answer<ListMultipartUploadsOutput> {
        let input = req.input;
        let state = self.0.called("ListMultipartUploads", &input.bucket)?;
        let prefix = input.prefix.unwrap_or_default();
        let after = (input.key_marker.unwrap_or_default(), input.upload_id_marker.unwrap_or_default());
        let mut found: Vec<(String, String)> =
            state.uploads.iter().map(|(id, upload)| (upload.key.clone(), id.clone())).collect();
        found.retain(|upload| upload.0.starts_with(&prefix) && *upload > after);
        found.sort();
        // Short pages, so that walking them is tested.
        let is_truncated = found.len() > 2;
        found.truncate(2);
        let last = found.last().cloned().filter(|_| is_truncated);
        let uploads = found.into_iter().map(|(key, id)| MultipartUpload {
            key: Some(key),
            upload_id: Some(id),
            ..Default::default()
        });
        answer(ListMultipartUploadsOutput {
            uploads: Some(uploads.collect()),
            is_truncated: Some(is_truncated),
            next_key_marker: last.as_ref().map(|(key, _)| key.clone()),
            next_upload_id_marker: last.map(|(_, id)| id),
            ..Default::default()
        })
    }

    async fn get_bucket_lifecycle_configuration(
        &self,
        req: S3Request<GetBucketLifecycleConfigurationInput>,
    ) -> Answer<GetBucketLifecycleConfigurationOutput> {
        drop(self.0.called("GetBucketLifecycleConfiguration", &req.input.bucket)?);
        self.0.swallow("GetBucketLifecycleConfiguration").await;
        Err(s3_error!(NoSuchLifecycleConfiguration))
    }
}
