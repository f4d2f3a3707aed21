//! R8: listing.

use super::Subject;
use crate::{must, refused};
use futures::future::join_all;
use rockhold_core::{ErrorKind, Key, ListRequest, list_all};

/// R8 for pages of several sizes.
pub async fn r8_pages_together_give_each_key_once(subject: &Subject) {
    let mut expected: Vec<String> = (0..7).map(|n| format!("f{n}")).collect();
    expected.extend((0..7).map(|n| format!("d{}/x{n}", n % 3)));
    expected.extend(["d1-a", "d1.a", "d1/y/deep", "d1/y-a", "d1=a", "z"].map(str::to_owned));
    join_all(expected.iter().map(|path| subject.write(path, "bytes"))).await;
    expected.sort();
    for limit in [0, 1, 2, 3, 7, 1000] {
        let request = ListRequest::below(subject.area().clone()).limit(limit);
        let mut paths = walk(subject, request).await;
        paths.sort();
        assert_eq!(paths, expected, "pages of {limit}");
    }
}

/// Walks all pages; objects as they are, common prefixes with a slash.
async fn walk(subject: &Subject, mut request: ListRequest) -> Vec<String> {
    let mut paths = Vec::new();
    loop {
        let page = must(subject.list(request.clone()).await);
        let entries = page.objects.len() + page.prefixes.len();
        assert!(request.limit.is_none_or(|limit| entries <= limit.max(1)), "{entries} entries are too many");
        paths.extend(page.objects.iter().map(|object| subject.path(&object.key)));
        paths.extend(page.prefixes.iter().map(|key| subject.path(key) + "/"));
        match page.next {
            Some(token) => request.token = Some(token),
            None => return paths,
        }
    }
}

/// R8: a prefix is a place, not a beginning of a text.
pub async fn r8_a_prefix_ends_at_a_segment(subject: &Subject) {
    for path in ["job1/a", "job12/b", "job1-x/c", "job", "job1/deep/d"] {
        subject.write(path, "bytes").await;
    }
    assert_eq!(subject.paths_below(&subject.key("job1")).await, ["job1/a", "job1/deep/d"]);
    assert_eq!(subject.paths_below(&subject.key("job12")).await, ["job12/b"]);
    // Nothing lies below an object, and the key itself is not below itself.
    assert!(subject.paths_below(&subject.key("job")).await.is_empty());
    assert!(subject.paths_below(&subject.key("job1/a")).await.is_empty());
}

/// R8 with `children_only`.
pub async fn r8_direct_children_are_objects_and_common_prefixes(subject: &Subject) {
    for path in ["a/1", "a/b/2", "a/b/3", "a/c/d/4", "e/5", "f"] {
        subject.write(path, "bytes").await;
    }
    let children = async |prefix: &Key| {
        let mut paths = walk(subject, ListRequest::below(prefix.clone()).children_only()).await;
        paths.sort();
        paths
    };
    assert_eq!(children(subject.area()).await, ["a/", "e/", "f"]);
    assert_eq!(children(&subject.key("a")).await, ["a/1", "a/b/", "a/c/"]);
    assert_eq!(children(&subject.key("a/c")).await, ["a/c/d/"]);
}

/// R8 with `children_only` and small pages.
pub async fn r8_pages_of_direct_children_give_each_child_once(subject: &Subject) {
    let mut expected = Vec::new();
    for n in 0..5 {
        for file in ["x", "y", "z/deep"] {
            subject.write(&format!("d{n}/{file}"), "bytes").await;
        }
        subject.write(&format!("d{n}-f"), "bytes").await;
        expected.extend([format!("d{n}/"), format!("d{n}-f")]);
    }
    expected.sort();
    for limit in [1, 2, 3] {
        let request = ListRequest::below(subject.area().clone()).children_only().limit(limit);
        let mut paths = walk(subject, request).await;
        paths.sort();
        assert_eq!(paths, expected, "pages of {limit}");
    }
}

/// R8 while the listing is changed.
pub async fn r8_keys_that_stay_are_listed_once_while_others_come_and_go(subject: &Subject) {
    let stays: Vec<String> = (0..12).map(|n| format!("d{}/stays{n:02}", n % 4)).collect();
    join_all(stays.iter().map(|path| subject.write(path, "bytes"))).await;
    join_all((0..12).map(async |n| subject.write(&format!("d{}/goes{n:02}", n % 4), "bytes").await)).await;
    let mut seen = Vec::new();
    let mut request = ListRequest::below(subject.area().clone()).limit(3);
    for round in 0.. {
        let page = must(subject.list(request.clone()).await);
        seen.extend(page.objects.iter().map(|object| subject.path(&object.key)));
        if round < 12 {
            must(subject.delete(vec![subject.key(&format!("d{}/goes{round:02}", round % 4))]).await);
            subject.write(&format!("d{}/comes{round:02}", round % 5), "bytes").await;
            subject.write(&format!("new{round}/comes"), "bytes").await;
        }
        match page.next {
            Some(token) => request.token = Some(token),
            None => break,
        }
    }
    seen.sort();
    let total = seen.len();
    seen.dedup();
    assert_eq!(seen.len(), total, "a key was listed twice");
    for path in &stays {
        assert!(seen.contains(path), "{path} was there all the time and is not listed");
    }
}

/// R8 and W4.
pub async fn r8_staged_writes_are_not_listed(subject: &Subject) {
    let writer = subject.begin("dir/staged").await;
    must(writer.write_part(0, subject.part(b'a')).await);
    assert!(subject.paths().await.is_empty());
    let children = ListRequest::below(subject.area().clone()).children_only();
    assert!(walk(subject, children.clone()).await.is_empty());
    must(writer.commit().await);
    assert_eq!(walk(subject, children).await, ["dir/"]);
}

/// R8 for places where nothing is.
pub async fn r8_an_empty_prefix_gives_an_empty_page(subject: &Subject) {
    for path in ["nothing", "nothing/at/all"] {
        let page = must(subject.list(ListRequest::below(subject.key(path))).await);
        assert!(page.objects.is_empty() && page.prefixes.is_empty() && page.next.is_none());
    }
}

/// R8 and R2: length, entity tag and time of writing.
pub async fn r8_listed_facts_are_those_of_head(subject: &Subject) {
    subject.write("one", "1").await;
    subject.write("dir/three", "123").await;
    let page = must(list_all(&**subject, ListRequest::below(subject.area().clone())).await);
    assert_eq!(page.objects.len(), 2);
    for object in page.objects {
        let head = must(subject.head(&object.key).await);
        assert_eq!(object.len, head.len);
        assert_eq!(object.etag, head.etag);
        assert_eq!(object.modified, head.modified);
        assert_eq!(head.modified.is_some(), subject.can().modified);
    }
}

/// R8: a token is not a request of its own.
pub async fn r8_tokens_of_strangers_are_refused(subject: &Subject) {
    subject.write("object", "bytes").await;
    let request = ListRequest::below(subject.area().clone()).token("../../\u{0}no token");
    refused(ErrorKind::InvalidInput, subject.list(request).await);
}
