//! A text as an error may show it: without the secrets that properties hold.

use crate::keywords::is_reserved;
use crate::lexer::BYTE_ORDER_MARK;
use rockhold_core::is_secret_property;
use std::borrow::Cow;

/// So many lines around one that names a secret property may hold the secret.
const AROUND: usize = 20;

/// Other words that stand around properties.
const PLAIN: [&str; 12] = [
    "BROKER",
    "CATALOG",
    "EXTERNAL",
    "FILES",
    "LOCATION",
    "ONLY",
    "PROPERTIES",
    "READ",
    "REPOSITORY",
    "SELECT",
    "TO",
    "WITH",
];

/// The text with a star for every character that may belong to a secret. Where
/// a statement is broken, so may its quotes be: in the lines around the name of
/// a secret property only words of the language and names of properties stay.
/// It has as many characters and lines as before.
pub(crate) fn without_secrets(text: &str) -> Cow<'_, str> {
    if !names_secret(text) {
        return Cow::Borrowed(text);
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let named: Vec<usize> =
        lines.iter().enumerate().filter(|(_, line)| names_secret(line)).map(|(at, _)| at).collect();
    let near = |at: usize| {
        let next = named.partition_point(|name| name + AROUND < at);
        named.get(next).is_some_and(|name| *name <= at + AROUND)
    };
    let mut shown = String::with_capacity(text.len());
    for (at, line) in lines.into_iter().enumerate() {
        if near(at) { hide(line, &mut shown) } else { shown.push_str(line) }
    }
    Cow::Owned(shown)
}

/// Whether one of its words names a secret property, or is a location with a password.
fn names_secret(text: &str) -> bool {
    text.split(is_between).any(|word| is_secret_property(word) || word.contains("://") && word.contains('@'))
}

/// Copies a line, with stars for words that are not known.
fn hide(line: &str, shown: &mut String) {
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        if is_between(first) {
            shown.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
            continue;
        }
        let (word, behind) = rest.split_at(rest.find(is_between).unwrap_or(rest.len()));
        if is_word(word) || is_name(word, behind) {
            shown.push_str(word);
        } else {
            shown.extend(word.chars().map(|_| '*'));
        }
        rest = behind;
    }
}

fn is_between(c: char) -> bool {
    c.is_whitespace() || matches!(c, BYTE_ORDER_MARK | '"' | '\'' | '`' | '(' | ')' | ',' | '=' | ';')
}

fn is_word(word: &str) -> bool {
    is_reserved(word) || PLAIN.iter().any(|plain| plain.eq_ignore_ascii_case(word))
}

/// Whether a word is the name of a property: a quote and `=` stand behind it.
fn is_name(word: &str, behind: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let quoted = behind.strip_prefix(['"', '\'']);
    word.chars().all(plain) && quoted.is_some_and(|rest| rest.trim_start().starts_with('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_hidden_and_names_stay_however_the_statement_is_broken() {
        for broken in [
            "PROPERTIES (\"aws.s3.access_key\" = \"AKIA1\" \"aws.s3.secret_key\" = \"S3cr/et+\")",
            "PROPERTIES (\"aws.s3.access_key\" \"AKIA1\", \"aws.s3.secret_key\" = \"S3cr/et+)",
            "PROPERTIES (\"aws.s3.access_key = \"AKIA1\", aws.s3.secret_key\" = \"S3cr/et+\"",
            "PROPERTIES (\"aws.s3.access_key\" = AKIA1, \"aws.s3.secret_key\" =\n\n'S3cr/et+')",
        ] {
            let shown = without_secrets(broken);
            assert!(!shown.contains("AKIA1") && !shown.contains("S3cr"), "{shown}");
            assert!(shown.contains("PROPERTIES (\"") && shown.contains("secret_key\" ="), "{shown}");
            assert_eq!(shown.chars().count(), broken.chars().count());
        }
    }

    #[test]
    fn a_harmless_name_beside_a_secret_one_hides_nothing_less() {
        for text in [
            "\"gcp.gcs.service_account_private_key_id\" = \"1\", \"gcp.gcs.service_account_private_key\" = \"PEM\"",
            "\"gcp.gcs.service_account_private_key_id\" = \"1\",\n\"gcp.gcs.service_account_private_key\" = \"PEM\"",
            "'fs.s3a.aws.credentials.provider' = 'x', 'fs.s3a.secret.key' = 'PEM'",
            "\u{feff}ON LOCATION 's3a://AKIA:PEM@bucket/x'",
        ] {
            let shown = without_secrets(text);
            assert!(!shown.contains("PEM"), "{shown}");
            assert_eq!(shown.chars().next(), text.chars().next());
        }
    }

    #[test]
    fn other_texts_and_distant_lines_are_shown_as_they_are() {
        let plain = "SELECT 'a' FROM t WHERE";
        assert_eq!(without_secrets(plain), plain);
        let far = format!("SELECT 'a'\n{}'fs.s3a.secret.key' = 'x'", "\n".repeat(AROUND));
        assert!(without_secrets(&far).starts_with("SELECT 'a'\n"), "{}", without_secrets(&far));
        let near = format!("SELECT 'a'\n{}'fs.s3a.secret.key' = 'x'", "\n".repeat(AROUND - 1));
        assert!(without_secrets(&near).starts_with("SELECT '*'\n"), "{}", without_secrets(&near));
    }
}
