//! Rust source with everything that is not code blanked out.

/// `source` with comments, strings and character literals replaced by blanks.
/// Lines keep their numbers and their lengths in characters.
pub(super) fn mask(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    while at < chars.len() {
        let end = skipped(&chars, at);
        if end > at {
            out.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        } else {
            out.push(chars[at]);
            at += 1;
        }
    }
    out
}

/// Where the comment or literal that begins at `at` ends; `at` when none does.
fn skipped(chars: &[char], at: usize) -> usize {
    let get = |index: usize| chars.get(index).copied().unwrap_or('\0');
    match (get(at), get(at + 1)) {
        ('/', '/') => at + chars[at..].iter().take_while(|c| **c != '\n').count(),
        ('/', '*') => block_comment(chars, at),
        ('"', _) => string(chars, at),
        ('r', '"' | '#') if !is_word(previous(chars, at)) || is_string_prefix(chars, at) => {
            raw_string(chars, at)
        }
        ('\'', '\\') => {
            // An escaped character: the quote that ends it is never the escaped one.
            let body = chars[(at + 3).min(chars.len())..].iter().take_while(|c| **c != '\'').count();
            (at + 3 + body + 1).min(chars.len())
        }
        ('\'', _) if get(at + 2) == '\'' => at + 3,
        _ => at,
    }
}

fn previous(chars: &[char], at: usize) -> char {
    at.checked_sub(1).and_then(|index| chars.get(index)).copied().unwrap_or(' ')
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether the `r` at `at` belongs to `br` or `cr`.
fn is_string_prefix(chars: &[char], at: usize) -> bool {
    matches!(previous(chars, at), 'b' | 'c') && !is_word(previous(chars, at.saturating_sub(1)))
}

fn block_comment(chars: &[char], at: usize) -> usize {
    let mut depth = 0;
    let mut index = at;
    while index < chars.len() {
        match (chars[index], chars.get(index + 1)) {
            ('/', Some('*')) => (depth, index) = (depth + 1, index + 2),
            ('*', Some('/')) => (depth, index) = (depth - 1, index + 2),
            _ => index += 1,
        }
        if depth == 0 {
            return index;
        }
    }
    chars.len()
}

fn string(chars: &[char], at: usize) -> usize {
    let mut index = at + 1;
    while index < chars.len() {
        match chars[index] {
            '\\' => index += 2,
            '"' => return index + 1,
            _ => index += 1,
        }
    }
    chars.len()
}

fn raw_string(chars: &[char], at: usize) -> usize {
    let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
    let open = at + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return at; // a raw identifier, `r#type`
    }
    let ends = |index: usize| {
        chars[index] == '"' && chars[index + 1..].iter().take_while(|c| **c == '#').count() >= hashes
    };
    (open + 1..chars.len()).find(|index| ends(*index)).map_or(chars.len(), |index| index + 1 + hashes)
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn comments_and_literals_disappear_and_code_stays() {
        let blank = |text: &str| mask(text).split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(blank("a // b\nc"), "a c");
        assert_eq!(blank("a /* b /* c */ d */ e"), "a e");
        assert_eq!(blank(r#"f("x \" y", z)"#), "f( , z)");
        assert_eq!(blank("r##\"a \"# b\"## c"), "c");
        assert_eq!(blank("br\"a\" c"), "b c");
        assert_eq!(blank("r#type x"), "r#type x");
        assert_eq!(blank("for<'a> f('x', '\\'', '\"', b)"), "for<'a> f( , , , b)");
    }

    #[test]
    fn lines_keep_their_numbers() {
        assert_eq!(mask("\"a\nb\"\nc").lines().count(), 3);
    }
}
