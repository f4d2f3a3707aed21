//! Buckets, objects and their generations.

use crate::wire::{Failure, Rope, crc32c, failed, len};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The most sources of one composition.
const MOST_SOURCES: usize = 32;

/// The most entries of one page of a listing.
const PAGE: usize = 1000;

#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) data: Rope,
    pub(crate) size: u64,
    pub(crate) generation: i64,
    pub(crate) crc32c: u32,
    /// Of how many objects it was composed; 0 for one that was uploaded.
    pub(crate) components: i64,
    pub(crate) created: DateTime<Utc>,
    /// What the writer said about it: `contentType`, `metadata`, …
    pub(crate) said: Map<String, Value>,
}

/// The conditions of a request on the generation of an object; 0 means none is there.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Condition {
    pub(crate) is: Option<i64>,
    pub(crate) is_not: Option<i64>,
}

impl Condition {
    fn check(self, current: i64) -> Result<(), Failure> {
        if self.is.is_some_and(|wanted| wanted != current) || self.is_not == Some(current) {
            return Err(failed(412, "At least one of the pre-conditions you specified did not hold."));
        }
        Ok(())
    }
}

/// One source of a composition.
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) generation: i64,
    pub(crate) condition: Condition,
}

#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) objects: Vec<(String, Object)>,
    pub(crate) prefixes: BTreeSet<String>,
    /// The last entry of a page that has a next one.
    pub(crate) last: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Store {
    buckets: HashMap<String, BTreeMap<String, Object>>,
    /// What the buckets say of themselves, by their names: `lifecycle`, …
    settings: HashMap<String, Map<String, Value>>,
    writes: i64,
}

impl Store {
    pub(crate) fn create_bucket(&mut self, bucket: &str) -> Result<(), Failure> {
        if self.buckets.contains_key(bucket) {
            return Err(failed(409, "Your previous request to create the named bucket succeeded."));
        }
        self.buckets.insert(bucket.to_owned(), BTreeMap::new());
        Ok(())
    }

    pub(crate) fn set_bucket(&mut self, bucket: &str, field: &str, value: Value) {
        self.settings.entry(bucket.to_owned()).or_default().insert(field.to_owned(), value);
    }

    /// A bucket as the JSON API shows it.
    pub(crate) fn describe_bucket(&self, bucket: &str) -> Result<Map<String, Value>, Failure> {
        self.bucket(bucket)?;
        let mut shown = self.settings.get(bucket).cloned().unwrap_or_default();
        shown.insert("kind".into(), "storage#bucket".into());
        shown.insert("name".into(), bucket.into());
        Ok(shown)
    }

    pub(crate) fn bucket(&self, bucket: &str) -> Result<&BTreeMap<String, Object>, Failure> {
        self.buckets.get(bucket).ok_or_else(|| failed(404, "The specified bucket does not exist."))
    }

    fn bucket_mut(&mut self, bucket: &str) -> Result<&mut BTreeMap<String, Object>, Failure> {
        self.buckets.get_mut(bucket).ok_or_else(|| failed(404, "The specified bucket does not exist."))
    }

    /// Whether a write would be refused now.
    pub(crate) fn check(&self, bucket: &str, name: &str, condition: Condition) -> Result<(), Failure> {
        condition.check(self.bucket(bucket)?.get(name).map_or(0, |object| object.generation))
    }

    /// An object; `generation` 0 means whichever is there.
    pub(crate) fn get(
        &self,
        bucket: &str,
        name: &str,
        generation: i64,
        condition: Condition,
    ) -> Result<Object, Failure> {
        let found = self.bucket(bucket)?.get(name);
        let object = found
            .filter(|object| generation == 0 || object.generation == generation)
            .ok_or_else(|| failed(404, format!("No such object: {bucket}/{name}")))?;
        condition.check(object.generation)?;
        Ok(object.clone())
    }

    pub(crate) fn put(
        &mut self,
        bucket: &str,
        name: &str,
        data: Rope,
        said: Map<String, Value>,
        condition: Condition,
    ) -> Result<Object, Failure> {
        self.insert(bucket, name, data, said, 0, condition)
    }

    fn insert(
        &mut self,
        bucket: &str,
        name: &str,
        data: Rope,
        said: Map<String, Value>,
        components: i64,
        condition: Condition,
    ) -> Result<Object, Failure> {
        if name.is_empty() || name.len() > 1024 {
            return Err(failed(400, "The name of an object has 1 to 1024 bytes."));
        }
        self.check(bucket, name, condition)?;
        let found = crc32c(&data);
        if let Some(told) = said.get("crc32c").and_then(Value::as_str)
            && told != crate::wire::crc32c_text(found)
        {
            let found = crate::wire::crc32c_text(found);
            let message = format!("Provided CRC32C \"{told}\" doesn't match calculated CRC32C \"{found}\".");
            return Err(failed(400, message));
        }
        self.writes += 1;
        let created = Utc::now();
        let object = Object {
            size: len(&data),
            data,
            // As the service does it, though it does not promise to: a time in
            // microseconds. The number of writes keeps them apart.
            generation: created.timestamp_micros() + self.writes,
            crc32c: found,
            components,
            created,
            said,
        };
        self.bucket_mut(bucket)?.insert(name.to_owned(), object.clone());
        Ok(object)
    }

    pub(crate) fn delete(
        &mut self,
        bucket: &str,
        name: &str,
        generation: i64,
        condition: Condition,
    ) -> Result<(), Failure> {
        self.get(bucket, name, generation, condition)?;
        self.bucket_mut(bucket)?.remove(name);
        Ok(())
    }

    /// One page of names behind `after`, in byte order.
    pub(crate) fn list(
        &self,
        bucket: &str,
        prefix: &str,
        delimiter: &str,
        most: usize,
        after: &str,
    ) -> Result<Page, Failure> {
        let most = if most == 0 { PAGE } else { most.min(PAGE) };
        let mut page = Page::default();
        let mut last = String::new();
        let objects = self.bucket(bucket)?.range(prefix.to_owned()..);
        for (name, object) in objects.take_while(|(name, _)| name.starts_with(prefix)) {
            let rest = name.get(prefix.len()..).unwrap_or_default();
            let common = match rest.find(delimiter) {
                Some(at) if !delimiter.is_empty() => name.get(..prefix.len() + at + delimiter.len()),
                _ => None,
            };
            let entry = common.unwrap_or(name);
            if entry <= after || page.prefixes.contains(entry) {
                continue;
            }
            if page.objects.len() + page.prefixes.len() == most {
                page.last = Some(last);
                return Ok(page);
            }
            last = entry.to_owned();
            match common {
                Some(common) => {
                    page.prefixes.insert(common.to_owned());
                }
                None => page.objects.push((name.clone(), object.clone())),
            }
        }
        Ok(page)
    }

    pub(crate) fn compose(
        &mut self,
        bucket: &str,
        sources: &[Source],
        name: &str,
        said: Map<String, Value>,
        condition: Condition,
    ) -> Result<Object, Failure> {
        if sources.is_empty() || sources.len() > MOST_SOURCES {
            return Err(failed(400, "The number of source components provided is not from 1 to 32."));
        }
        let (mut data, mut components) = (Rope::new(), 0);
        for source in sources {
            let object = self.get(bucket, &source.name, source.generation, source.condition)?;
            components += object.components.max(1);
            data.extend(object.data);
        }
        self.insert(bucket, name, data, said, components, condition)
    }

    pub(crate) fn copy(
        &mut self,
        (bucket, name): (&str, &str),
        (to_bucket, to_name): (&str, &str),
        condition: Condition,
    ) -> Result<Object, Failure> {
        let object = self.get(bucket, name, 0, Condition::default())?;
        self.insert(to_bucket, to_name, object.data, object.said, object.components, condition)
    }
}

impl Object {
    /// The object as the JSON API shows it: numbers are strings.
    pub(crate) fn json(&self, bucket: &str, name: &str) -> Value {
        let created = self.created.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        let mut shown = json!({
            "kind": "storage#object",
            "bucket": bucket,
            "name": name,
            "generation": self.generation.to_string(),
            "metageneration": "1",
            "size": self.size.to_string(),
            "crc32c": crate::wire::crc32c_text(self.crc32c),
            "storageClass": "STANDARD",
            "etag": format!("C{}", self.generation),
            "timeCreated": created,
            "updated": created,
        });
        for field in ["contentType", "metadata", "cacheControl", "contentEncoding"] {
            if let Some(value) = self.said.get(field) {
                shown[field] = value.clone();
            }
        }
        if self.components > 0 {
            shown["componentCount"] = json!(self.components);
        }
        shown
    }
}
