//! Listing objects, in byte order of their keys.

use crate::{backend::Shared, client::Resource};
use rockhold_core::{Error, ListPage, ListRequest, Result};
use serde::Deserialize;

/// What our tokens begin with; the rest is the service's.
const TOKEN: &str = "gs:";

/// A page as the service gives it. What is empty is left out.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Names {
    #[serde(default)]
    pub(crate) items: Vec<Resource>,
    #[serde(default)]
    pub(crate) prefixes: Vec<String>,
    pub(crate) next_page_token: Option<String>,
}

/// Gives one page.
pub(crate) async fn list(shared: &Shared, request: ListRequest) -> Result<ListPage> {
    let at = request.prefix.as_ref().map_or_else(|| "/".to_owned(), ToString::to_string);
    let token = match &request.token {
        None => None,
        Some(token) => match token.strip_prefix(TOKEN) {
            Some(token) => Some(token),
            None => return Err(Error::invalid("not a token of this store").during("list").at(&at)),
        },
    };
    let prefix = shared.location.prefix(request.prefix.as_ref());
    let limit = request.limit.unwrap_or(usize::MAX).clamp(1, shared.config.page_limit.clamp(1, 1000));
    let names =
        names(shared, "list", &at, Page { prefix, token, limit, children: request.children_only }).await?;
    let unreadable = || shared.asked("list", &at, "storage.objects.list").unreadable("a number is missing");
    let mut page = ListPage::default();
    for item in names.items {
        // Foreign names are not ours to show, and staged ones nobody's.
        if let Some(key) = shared.location.key(&item.name) {
            page.objects.push(item.facts().ok_or_else(unreadable)?.meta(key));
        }
    }
    page.prefixes =
        names.prefixes.iter().filter_map(|name| shared.location.key(name.strip_suffix('/')?)).collect();
    page.next = names.next_page_token.map(|token| format!("{TOKEN}{token}"));
    Ok(page)
}

/// Asks for a page of names.
pub(crate) struct Page<'a> {
    pub(crate) prefix: String,
    pub(crate) token: Option<&'a str>,
    pub(crate) limit: usize,
    pub(crate) children: bool,
}

/// One page of names, whatever they are.
pub(crate) async fn names(
    shared: &Shared,
    operation: &'static str,
    at: &String,
    page: Page<'_>,
) -> Result<Names> {
    let asked = shared.asked(operation, at, "storage.objects.list");
    let limit = page.limit.to_string();
    let mut query = vec![
        ("prefix", page.prefix.as_str()),
        ("maxResults", &limit),
        ("fields", "items(name,size,generation,timeCreated),prefixes,nextPageToken"),
    ];
    if page.children {
        query.push(("delimiter", "/"));
    }
    if let Some(token) = page.token {
        query.push(("pageToken", token));
    }
    let request = shared.client.objects(&shared.location).query(&query);
    match shared.client.json(&asked, shared.client.call, request).await? {
        Ok(names) => Ok(names),
        Err(answer) => Err(asked.refused(&answer)),
    }
}
