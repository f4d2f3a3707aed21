//! R11 and names: refusals.

use super::Subject;
use crate::{must, refused};
use bytes::Bytes;
use futures::future::join_all;
use rockhold_core::{CreateNew, Effect, Error, ErrorKind, GetRequest, PutRequest};

/// R11 for the refusals that every store can be brought to.
pub async fn r11_errors_name_operation_and_key_and_are_permanent(subject: &Subject) {
    let missing = subject.key("missing");
    let mut errors: Vec<(&str, Error)> = vec![
        ("head", refused(ErrorKind::NotFound, subject.head(&missing).await)),
        ("get", refused(ErrorKind::NotFound, subject.get(GetRequest::new(missing.clone())).await)),
    ];
    if subject.can().create_new != CreateNew::Missing {
        subject.write("missing", "no more").await;
        let put = subject.put(PutRequest::new(missing.clone(), "again")).await;
        errors.push(("put", refused(ErrorKind::AlreadyExists, put)));
    }
    for (operation, error) in errors {
        assert_eq!(error.operation(), Some(operation));
        assert_eq!(error.key(), Some(missing.as_str()));
        assert!(!error.is_temporary(), "{error:?}");
        assert_eq!(error.effect(), Effect::NotApplied, "{error:?}");
        let line = error.to_string();
        assert!(line.starts_with(&format!("{operation} {missing}: ")) && !line.contains('\n'), "{line}");
    }
}

/// R11: a limit is named before anything is sent.
pub async fn r11_puts_that_are_too_long_are_refused(subject: &Subject) {
    let limit = subject.can().max_put;
    if limit > 128 << 20 {
        return; // too dear to try
    }
    let request = PutRequest::new(subject.key("long"), Bytes::from(vec![0; limit as usize + 1]));
    refused(ErrorKind::LimitExceeded, subject.put(request).await);
    assert!(subject.paths().await.is_empty());
}

/// Names: keys that a careless store would mix up.
pub async fn names_all_letters_of_keys_are_kept_apart(subject: &Subject) {
    let longest = "l".repeat(255);
    let paths = [
        "A%2Fb",
        "A%2fb",
        "A/b",
        "a.b",
        "...",
        "..b",
        ".hidden",
        "a+b",
        "a%20b",
        "a=b",
        "~",
        "@",
        ",",
        "-",
        "_",
        "tmp-1",
        "CON",
        "e.",
        "x.parquet",
        longest.as_str(),
    ];
    join_all(paths.iter().map(async |path| subject.write(path, path.to_string()).await)).await;
    let mut expected: Vec<String> = paths.iter().map(|path| path.to_string()).collect();
    expected.sort();
    assert_eq!(subject.paths().await, expected);
    for path in paths {
        assert_eq!(subject.read(path).await, path);
    }
    let results = must(subject.delete(paths.iter().map(|path| subject.key(path)).collect()).await);
    assert!(results.iter().all(Result::is_ok));
    assert!(subject.paths().await.is_empty());
}

/// Names: nobody asks for it, so only damage is wrong.
pub async fn names_an_object_below_an_object_is_refused_or_harmless(subject: &Subject) {
    subject.write("object", "above").await;
    subject.write("dir/object", "below").await;
    for path in ["object/below", "dir"] {
        if let Err(error) = subject.put(PutRequest::new(subject.key(path), "intruder")).await {
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
        }
    }
    assert_eq!(subject.read("object").await, "above");
    assert_eq!(subject.read("dir/object").await, "below");
}
