//! A repository under test.

use crate::must;
use bytes::Bytes;
use rockhold_core::{
    Capabilities, CreateRequest, JobId, Key, ListRequest, ObjectMeta, ObjectWriter, PutRequest, Repository,
    SharedRepository, WriteMode, list_all, read_object,
};
use std::{any::Any, fmt, ops::Deref};

/// A repository under test, and an area of it that nobody else uses.
pub struct Subject {
    repository: SharedRepository,
    area: Key,
    _kept: Option<Box<dyn Any + Send + Sync>>,
}

impl Subject {
    /// Tests `repository`.
    pub fn new(repository: SharedRepository) -> Self {
        let area = must(Key::new(format!("conformance-{}", must(JobId::random()))));
        Self { repository, area, _kept: None }
    }

    /// Keeps something, such as a temporary directory, as long as the subject.
    #[must_use]
    pub fn keeping(mut self, kept: impl Any + Send + Sync) -> Self {
        self._kept = Some(Box::new(kept));
        self
    }

    /// The repository, to be given to tasks.
    pub fn shared(&self) -> SharedRepository {
        SharedRepository::clone(&self.repository)
    }

    /// The prefix of all keys of this subject.
    pub fn area(&self) -> &Key {
        &self.area
    }

    /// A key of this subject.
    pub fn key(&self, path: &str) -> Key {
        must(Key::new(format!("{}/{path}", self.area)))
    }

    /// The capabilities of the repository.
    pub fn can(&self) -> Capabilities {
        self.repository.capabilities()
    }

    /// Writes a new object that must not be there yet.
    pub async fn write(&self, path: &str, bytes: impl Into<Bytes>) -> ObjectMeta {
        must(self.repository.put(PutRequest::new(self.key(path), bytes)).await)
    }

    /// Compares what a write told with what is there. A store may leave the
    /// time of writing out of its answer to a write; all else must be the same.
    ///
    /// # Panics
    /// When they differ.
    #[track_caller]
    pub fn assert_same(&self, told: &ObjectMeta, there: &ObjectMeta) {
        let mut told = told.clone();
        told.modified = told.modified.or(there.modified);
        assert_eq!(told, *there);
    }

    /// Writes an object, whatever is there.
    pub async fn overwrite(&self, path: &str, bytes: impl Into<Bytes>) -> ObjectMeta {
        let request = PutRequest::new(self.key(path), bytes).mode(WriteMode::Overwrite);
        must(self.repository.put(request).await)
    }

    /// Reads an object that must be there.
    pub async fn read(&self, path: &str) -> Bytes {
        must(read_object(&*self.repository, &self.key(path), 1 << 30).await)
    }

    /// A part length that the store takes, as short as it likes.
    pub fn part_len(&self) -> u64 {
        let (shortest, longest) = self.can().part_len;
        1024.clamp(shortest, longest)
    }

    /// Begins a new object in parts of [`Subject::part_len`].
    pub async fn begin(&self, path: &str) -> Box<dyn ObjectWriter> {
        let request = CreateRequest::new(self.key(path), self.part_len());
        must(self.repository.create(request).await)
    }

    /// A whole part, all of one letter.
    pub fn part(&self, letter: u8) -> Bytes {
        // Part lengths that are used in tests fit memory.
        Bytes::from(vec![letter; self.part_len() as usize])
    }

    /// The paths of all objects of this subject, sorted.
    pub async fn paths(&self) -> Vec<String> {
        self.paths_below(&self.area).await
    }

    /// The paths of all objects below a key of this subject, sorted.
    pub async fn paths_below(&self, prefix: &Key) -> Vec<String> {
        let page = must(list_all(&*self.repository, ListRequest::below(prefix.clone())).await);
        let mut paths: Vec<String> = page.objects.iter().map(|object| self.path(&object.key)).collect();
        paths.sort();
        paths
    }

    /// A key of this subject as the path it was made from.
    pub fn path(&self, key: &Key) -> String {
        let below = key.as_str().strip_prefix(self.area.as_str()).and_then(|rest| rest.strip_prefix('/'));
        match below {
            Some(path) => path.to_owned(),
            None => panic!("{key} lies outside of {}", self.area),
        }
    }
}

impl Deref for Subject {
    type Target = dyn Repository;

    fn deref(&self) -> &Self::Target {
        &*self.repository
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("repository", &self.repository)
            .field("area", &self.area)
            .finish_non_exhaustive()
    }
}
