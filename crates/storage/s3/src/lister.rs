//! Listing objects, one page at a time.

use crate::{backend::Shared, config::within, error::Answer, reader};
use aws_sdk_s3::{operation::list_objects_v2::builders::ListObjectsV2FluentBuilder, types::EncodingType};
use md5::{Digest, Md5};
use rockhold_core::{Error, Key, ListPage, ListRequest, Result};
use std::sync::Arc;

/// Gives one page.
pub(crate) async fn list(shared: &Arc<Shared>, request: ListRequest) -> Result<ListPage> {
    let location = &shared.config.location;
    let at = request.prefix.as_ref().map_or_else(|| "/".to_owned(), ToString::to_string);
    let below = location.below(request.prefix.as_ref());
    let limit = request.limit.unwrap_or(usize::MAX).clamp(1, shared.config.page_limit.clamp(1, 1000));
    let mut list = begin(shared, &below).max_keys(limit as i32);
    if request.children_only {
        list = list.delimiter("/");
    }
    if let Some(token) = &request.token {
        let theirs = opened(token, &request, shared)
            .ok_or_else(|| Error::invalid("not a token of this listing").during("list").at(&at))?;
        list = list.continuation_token(theirs);
    }
    let answer = list.send().await.map_err(|e| shared.reads("list", "s3:ListBucket").failed(e, &at))?;
    let encoded = answer.encoding_type() == Some(&EncodingType::Url);
    let name = |text: &str| if encoded { decoded(text) } else { Some(text.to_owned()) };
    let mut page = ListPage::default();
    for object in answer.contents() {
        // Names that are no keys are not ours to show.
        let Some(key) = object.key().and_then(name).filter(|name| !name.ends_with('/')) else { continue };
        let Some(key) = location.key(&key) else { continue };
        let len = object.size().and_then(|len| u64::try_from(len).ok());
        let len = len.ok_or_else(|| Error::corrupt("the listing has no length").during("list").at(&key))?;
        page.objects.push(reader::meta(key, len, object.e_tag(), object.last_modified()));
    }
    let prefixes = answer.common_prefixes().iter().filter_map(|prefix| prefix.prefix());
    page.prefixes.extend(prefixes.filter_map(name).filter_map(|name| location.key(&name)));
    if answer.is_truncated() == Some(true) {
        let theirs = answer.next_continuation_token().ok_or_else(|| {
            Error::corrupt("the listing has more pages and does not tell where they begin")
                .during("list")
                .at(&at)
        })?;
        page.next = Some(sealed(theirs, &request, shared));
    }
    Ok(page)
}

fn begin(shared: &Shared, below: &str) -> ListObjectsV2FluentBuilder {
    let list = shared.client.list_objects_v2().bucket(shared.bucket()).prefix(below);
    if shared.config.dialect.url_encoded_listing { list.encoding_type(EncodingType::Url) } else { list }
}

/// Asks the bucket whether it is there and knows us. Gives the region to use
/// instead where none was configured and the server names another.
pub(crate) async fn ask(shared: &Arc<Shared>) -> Result<Option<String>> {
    let location = &shared.config.location;
    let asked = async { Ok(begin(shared, &location.below(None)).max_keys(1).send().await) };
    let asked = within(shared.config.limits.answer, "open", false, asked).await;
    let Err(error) = asked.map_err(|silent| silent.at(location))? else { return Ok(None) };
    let call = shared.reads("open", "s3:ListBucket");
    let Some(answer) = Answer::of(&error) else { return Err(call.failed(error, location)) };
    if answer.code == "AccessDenied" {
        return Ok(None);
    }
    let used = shared.config.signing_region();
    match &answer.region {
        Some(region) if shared.config.region.is_none() && region != used => Ok(Some(region.clone())),
        _ => Err(call.answered(&answer).during("open").at(location)),
    }
}

/// Makes the server's token one of ours: bound to the listing that it belongs
/// to, so that no other text passes for it.
fn sealed(theirs: &str, request: &ListRequest, shared: &Shared) -> String {
    format!("{}.{theirs}", seal(theirs, request, shared))
}

fn opened<'a>(token: &'a str, request: &ListRequest, shared: &Shared) -> Option<&'a str> {
    let (seal_given, theirs) = token.split_once('.')?;
    (seal(theirs, request, shared) == seal_given).then_some(theirs)
}

/// Tells slips, not attackers: a token gives nobody more than listing does.
fn seal(theirs: &str, request: &ListRequest, shared: &Shared) -> String {
    let mut hasher = Md5::new();
    let prefix = request.prefix.as_ref().map_or("", Key::as_str);
    let kind = if request.children_only { "children" } else { "all" };
    for part in [shared.config.location.to_string().as_str(), prefix, kind, theirs] {
        hasher.update(part.as_bytes());
        hasher.update([0]);
    }
    hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Undoes URL encoding; `None` for what is not UTF-8.
pub(crate) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let (pair, behind) = rest.split_at_checked(2)?;
                rest = behind;
                bytes.push(u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?);
            }
            other => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn names_in_listings_are_decoded() {
        assert_eq!(decoded("a%2Fb%252F/c%2Bd+e").as_deref(), Some("a/b%2F/c+d e"));
        assert_eq!(decoded("%e6%b1%89").as_deref(), Some("汉"));
        assert_eq!(decoded("%4"), None);
        assert_eq!(decoded("%ff"), None);
    }
}
