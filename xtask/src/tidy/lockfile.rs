//! One version of what must not be there twice, and one crypto backend.

use super::Report;
use crate::workspace::TextFile;
use std::collections::BTreeMap;

/// Crates whose types cross our crate borders, or that hold a crypto backend.
const ONE_VERSION: &[&str] = &["arrow", "datafusion", "parquet", "ring", "rustls", "sqlparser"];

/// Families of which every crate counts, such as `arrow-array`.
const ONE_VERSION_PREFIXES: &[&str] = &["arrow-", "datafusion-"];

/// Second TLS or crypto backends. `ring` under `rustls` is the one.
const FORBIDDEN: &[&str] =
    &["aws-lc-fips-sys", "aws-lc-rs", "aws-lc-sys", "native-tls", "openssl", "openssl-sys"];

pub(super) fn check(files: &[TextFile], report: &mut Report) {
    let Some(lock) = files.iter().find(|file| file.path == "Cargo.lock") else {
        report.error("Cargo.lock", 1, "is not tracked");
        return;
    };
    check_lock(lock, report);
}

fn check_lock(lock: &TextFile, report: &mut Report) {
    for (name, versions) in versions(&lock.text) {
        let (line, _) = versions[0];
        if FORBIDDEN.contains(&name) {
            report.error(&lock.path, line, format!("{name}: ring is the only crypto backend"));
        }
        let single =
            ONE_VERSION.contains(&name) || ONE_VERSION_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        if single && versions.len() > 1 {
            let list: Vec<&str> = versions.iter().map(|(_, version)| *version).collect();
            report.error(
                &lock.path,
                line,
                format!("{name} is there {} times: {}", list.len(), list.join(", ")),
            );
        }
    }
}

/// Package name → (line, version) of every version of it, in file order.
fn versions(lock: &str) -> BTreeMap<&str, Vec<(usize, &str)>> {
    let mut found: BTreeMap<&str, Vec<(usize, &str)>> = BTreeMap::new();
    let mut name = "";
    for (index, line) in lock.lines().enumerate() {
        if let Some(value) = quoted(line, "name = ") {
            name = value;
        } else if let Some(version) = quoted(line, "version = ").filter(|_| !name.is_empty()) {
            found.entry(name).or_default().push((index, version));
        }
    }
    found
}

fn quoted<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.strip_prefix(key)?.strip_prefix('"')?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(lock: &str) -> Vec<String> {
        let mut report = Report::default();
        check_lock(&TextFile { path: "Cargo.lock".into(), text: lock.into() }, &mut report);
        report.errors
    }

    #[test]
    fn two_versions_of_arrow_are_refused_and_two_of_syn_are_not() {
        let lock = "version = 4\n\n[[package]]\nname = \"arrow\"\nversion = \"58.0.0\"\n\n\
                    [[package]]\nname = \"arrow\"\nversion = \"59.3.0\"\n\n\
                    [[package]]\nname = \"syn\"\nversion = \"1.0.0\"\n\n\
                    [[package]]\nname = \"syn\"\nversion = \"2.0.0\"\n";
        assert_eq!(errors(lock), ["Cargo.lock:4: arrow is there 2 times: 58.0.0, 59.3.0"]);
    }

    #[test]
    fn a_second_crypto_backend_is_refused() {
        let lock = "[[package]]\nname = \"aws-lc-rs\"\nversion = \"1.0.0\"\n";
        assert_eq!(errors(lock), ["Cargo.lock:2: aws-lc-rs: ring is the only crypto backend"]);
    }
}
