//! From text to tokens, by StarRocks's lexical rules.
//!
//! What differs from MySQL: `--` needs no blank behind it, `#` starts no
//! comment, `"x"` is always a string, U+3000 is white space, a name may begin
//! with a digit, `/*! … */` is a plain comment, and `$$ … $$` quotes a text.
//!
//! A byte order mark at the beginning of the text is skipped: it counts among
//! the bytes of a place and not among its columns.
//!
//! The lexer never fails: what is no token becomes a [`TokenKind::Invalid`]
//! that the parser reports where it stands. It reads every byte once.

use crate::Span;

/// A token with its place in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it is.
    pub span: Span,
}

/// Kinds of token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenKind {
    /// A bare name or keyword, as written.
    Word(String),
    /// A name in backquotes, without them; a doubled backquote inside is one.
    Quoted(String),
    /// A string in either quote, unescaped.
    Text(String),
    /// Digits only.
    Integer(String),
    /// A number with a point or an exponent.
    Decimal(String),
    /// `X'…'`: hexadecimal digits, unchecked.
    Hex(String),
    /// The text between `$$` and `$$`.
    Dollar(String),
    /// The text of a hint, without `/*+` and `*/`.
    Hint(String),
    /// An operator or punctuation mark, one of `SYMBOLS`. `>>` is two tokens, as
    /// it may close two angle brackets of a type.
    Symbol(&'static str),
    /// Not a token; says why.
    Invalid(&'static str),
    /// The end of the text.
    End,
}

/// What some editors write in front of UTF-8.
pub(crate) const BYTE_ORDER_MARK: char = '\u{feff}';

/// Operators and punctuation marks, longer ones before their prefixes.
pub(crate) const SYMBOLS: &[&str] = &[
    "...", "<=>", "->>", "<=", ">=", "<>", "!=", "||", "&&", "->", "<<", "::", ":=", "=>", "@@", "@", "(",
    ")", "[", "]", "{", "}", ",", ";", ".", "=", "<", ">", "+", "-", "*", "/", "%", "!", "~", "&", "|", "^",
    ":", "?",
];

/// The tokens of a text; the last one is [`TokenKind::End`]. Hints are tokens,
/// comments and white space are not.
pub fn tokenize(source: &str) -> Vec<Token> {
    let mut lexer = Lexer::new(source);
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next_token();
        let ended = token.kind == TokenKind::End;
        tokens.push(token);
        if ended {
            return tokens;
        }
    }
}

/// Reads a text token by token.
pub(crate) struct Lexer<'s> {
    source: &'s str,
    offset: usize,
    line: u32,
    column: u32,
}

impl<'s> Lexer<'s> {
    pub(crate) fn new(source: &'s str) -> Self {
        let offset = if source.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len_utf8() } else { 0 };
        Lexer { source, offset, line: 1, column: 0 }
    }

    fn rest(&self) -> &'s str {
        self.source.get(self.offset..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.offset += c.len_utf8();
        if c == '\n' {
            self.line = self.line.saturating_add(1);
            self.column = 0;
        } else {
            self.column = self.column.saturating_add(1);
        }
        Some(c)
    }

    /// Consumes `length` bytes.
    fn advance(&mut self, length: usize) {
        let end = self.offset.saturating_add(length);
        while self.offset < end && self.bump().is_some() {}
    }

    /// Consumes characters while `accept` holds and returns them.
    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> String {
        let start = self.offset;
        while self.peek().is_some_and(&accept) {
            self.bump();
        }
        self.source.get(start..self.offset).unwrap_or_default().to_string()
    }

    /// Consumes up to and with `end`, returns what lies before it. Without
    /// `end`, consumes everything and returns `None`.
    fn take_until(&mut self, end: &str) -> Option<String> {
        match self.rest().find(end) {
            Some(at) => {
                let text = self.rest().get(..at).unwrap_or_default().to_string();
                self.advance(at + end.len());
                Some(text)
            }
            None => {
                self.advance(self.source.len() - self.offset);
                None
            }
        }
    }

    /// The next token; [`TokenKind::End`] at the end, however often it is asked.
    pub(crate) fn next_token(&mut self) -> Token {
        loop {
            self.skip_blank();
            let (start, line, column) = (self.offset, self.line, self.column);
            let kind = match self.peek() {
                None => TokenKind::End,
                Some(c) => match self.next_kind(c) {
                    Some(kind) => kind,
                    None => continue,
                },
            };
            let span = Span { start, end: self.offset, line, column, last_line: line, last_column: column };
            return Token { kind, span };
        }
    }

    fn skip_blank(&mut self) {
        while self.peek().is_some_and(|c| matches!(c, ' ' | '\t' | '\r' | '\n' | '\u{3000}')) {
            self.bump();
        }
    }

    /// Consumes one token or comment; `None` for a comment.
    fn next_kind(&mut self, c: char) -> Option<TokenKind> {
        let rest = self.rest();
        if rest.starts_with("--") {
            self.take_while(|c| c != '\n');
            return None;
        }
        if rest.starts_with("/*") {
            return self.comment();
        }
        Some(match c {
            '\'' | '"' => self.string(c),
            '`' => self.quoted_name(),
            '$' if rest.starts_with("$$") => {
                self.advance(2);
                match self.take_until("$$") {
                    Some(text) => TokenKind::Dollar(text),
                    None => TokenKind::Invalid("'$$' is not closed"),
                }
            }
            'x' | 'X' if rest.get(1..2) == Some("'") => {
                self.advance(1);
                match self.string('\'') {
                    TokenKind::Text(digits) => TokenKind::Hex(digits),
                    invalid => invalid,
                }
            }
            '0'..='9' => self.number_or_name(),
            '.' if self.fraction_length() > 0 => self.number_or_name(),
            c if is_name_start(c) => TokenKind::Word(self.take_while(is_name_part)),
            _ => match SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
                Some(symbol) => {
                    self.advance(symbol.len());
                    TokenKind::Symbol(symbol)
                }
                None => {
                    self.bump();
                    TokenKind::Invalid("not a character of the language outside quotes")
                }
            },
        })
    }

    fn comment(&mut self) -> Option<TokenKind> {
        let hint = self.rest().starts_with("/*+");
        self.advance(if hint { 3 } else { 2 });
        match self.take_until("*/") {
            Some(text) if hint => Some(TokenKind::Hint(text)),
            Some(_) => None,
            None => Some(TokenKind::Invalid("the comment is not closed")),
        }
    }

    fn string(&mut self, quote: char) -> TokenKind {
        self.bump();
        let mut text = String::new();
        loop {
            match self.bump() {
                None => return TokenKind::Invalid("the string is not closed"),
                Some('\\') => match self.bump() {
                    None => return TokenKind::Invalid("the string is not closed"),
                    Some(escaped) => push_escaped(&mut text, escaped),
                },
                Some(c) if c == quote => {
                    if self.peek() != Some(quote) {
                        return TokenKind::Text(text);
                    }
                    self.bump();
                    text.push(quote);
                }
                Some(c) => text.push(c),
            }
        }
    }

    fn quoted_name(&mut self) -> TokenKind {
        self.bump();
        let mut name = String::new();
        loop {
            match self.bump() {
                None => return TokenKind::Invalid("the name in backquotes is not closed"),
                Some('`') if self.peek() == Some('`') => {
                    self.bump();
                    name.push('`');
                }
                Some('`') => return TokenKind::Quoted(name),
                Some(c) => name.push(c),
            }
        }
    }

    /// Length of `.digits[exponent]` here when that is a number: 0 when the
    /// point is a separator, as in `db.2024_snap`.
    fn fraction_length(&self) -> usize {
        let bytes = self.rest().as_bytes();
        let digits = bytes.get(1..).unwrap_or_default();
        let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
        if count == 0 {
            return 0;
        }
        let number = count + exponent_length(digits.get(count..).unwrap_or_default());
        let word = digits.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
        if word > number { 0 } else { number + 1 }
    }

    /// The longest of integer, decimal number and name that begins with a digit.
    fn number_or_name(&mut self) -> TokenKind {
        let bytes = self.rest().as_bytes();
        let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
        let mut number = digits;
        let mut decimal = false;
        if bytes.get(number) == Some(&b'.') && bytes.get(number + 1) != Some(&b'.') {
            let fraction =
                bytes.get(number + 1..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).count();
            number += 1 + fraction;
            decimal = true;
        }
        let exponent = exponent_length(bytes.get(number..).unwrap_or_default());
        number += exponent;
        decimal |= exponent > 0;
        let word = bytes.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
        if word > number {
            return TokenKind::Word(self.take_while(|c| c.is_ascii_alphanumeric() || c == '_'));
        }
        let text = self.rest().get(..number).unwrap_or_default().to_string();
        self.advance(number);
        if decimal { TokenKind::Decimal(text) } else { TokenKind::Integer(text) }
    }
}

/// Length of `e[+-]digits` at the beginning, 0 when there is none.
fn exponent_length(bytes: &[u8]) -> usize {
    if !matches!(bytes.first(), Some(b'e' | b'E')) {
        return 0;
    }
    let sign = usize::from(matches!(bytes.get(1), Some(b'+' | b'-')));
    let digits = bytes.get(1 + sign..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 { 0 } else { 1 + sign + digits }
}

fn push_escaped(text: &mut String, escaped: char) {
    match escaped {
        'n' => text.push('\n'),
        't' => text.push('\t'),
        'r' => text.push('\r'),
        'b' => text.push('\u{8}'),
        '0' => text.push('\0'),
        'Z' => text.push('\u{1A}'),
        // Kept for LIKE, where they mean the character itself.
        '_' | '%' => {
            text.push('\\');
            text.push(escaped);
        }
        other => text.push(other),
    }
}

/// Whether a bare name may begin with the character.
pub(crate) fn is_name_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || c == '$' || is_name_script(c)
}

/// Whether a bare name may contain the character.
pub(crate) fn is_name_part(c: char) -> bool {
    is_name_start(c) || c.is_ascii_digit()
}

fn is_name_script(c: char) -> bool {
    ('\u{80}'..='\u{ffff}').contains(&c) && c != '\u{3000}'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(source: &str) -> Vec<TokenKind> {
        tokenize(source).into_iter().map(|token| token.kind).filter(|kind| *kind != TokenKind::End).collect()
    }

    fn word(text: &str) -> TokenKind {
        TokenKind::Word(text.into())
    }

    #[test]
    fn comments_need_no_blank_and_a_sharp_starts_none() {
        assert_eq!(kinds("a--b\nc"), [word("a"), word("c")]);
        assert_eq!(kinds("a/*!40101 x*/b"), [word("a"), word("b")]);
        assert_eq!(kinds("#"), [TokenKind::Invalid("not a character of the language outside quotes")]);
        assert_eq!(kinds("a /*+ SET_VAR(x=1) */"), [word("a"), TokenKind::Hint(" SET_VAR(x=1) ".into())]);
        assert_eq!(kinds("a /* b"), [word("a"), TokenKind::Invalid("the comment is not closed")]);
    }

    #[test]
    fn ideographic_space_is_white_space() {
        assert_eq!(kinds("库\u{3000}表"), [word("库"), word("表")]);
    }

    #[test]
    fn names_may_begin_with_a_digit() {
        assert_eq!(
            kinds("2024_snap 1a 1e5 1e"),
            [word("2024_snap"), word("1a"), TokenKind::Decimal("1e5".into()), word("1e")]
        );
        assert_eq!(kinds("db.2024_snap"), [word("db"), TokenKind::Symbol("."), word("2024_snap")]);
        assert_eq!(
            kinds("1.5 .5 7."),
            [
                TokenKind::Decimal("1.5".into()),
                TokenKind::Decimal(".5".into()),
                TokenKind::Decimal("7.".into())
            ]
        );
        assert_eq!(kinds("t1.a"), [word("t1"), TokenKind::Symbol("."), word("a")]);
    }

    #[test]
    fn strings_unescape_as_starrocks_does() {
        let text = |text: &str| TokenKind::Text(text.into());
        assert_eq!(
            kinds(r#"'it''s' "say \"hi\"" "a\tb\_\%\\c\q""#),
            [text("it's"), text("say \"hi\""), text("a\tb\\_\\%\\cq")]
        );
        assert_eq!(kinds("x'0aFF'"), [TokenKind::Hex("0aFF".into())]);
        assert_eq!(kinds("$$ a 'b' $$"), [TokenKind::Dollar(" a 'b' ".into())]);
        assert_eq!(kinds("`a``b`"), [TokenKind::Quoted("a`b".into())]);
        assert_eq!(kinds("'a"), [TokenKind::Invalid("the string is not closed")]);
    }

    #[test]
    fn a_byte_order_mark_at_the_beginning_is_skipped() {
        let source = "\u{feff}USE a";
        assert_eq!(kinds(source), [word("USE"), word("a")]);
        let tokens = tokenize(source);
        let at: Vec<(usize, u32)> = tokens.iter().map(|t| (t.span.start, t.span.column)).collect();
        assert_eq!(at, [(3, 0), (7, 4), (8, 5)]);
        assert_eq!(tokens[0].span.text(source), "USE");
        assert!(kinds("\u{feff}").is_empty());
        // Anywhere else it is a character like others.
        assert_eq!(kinds("USE \u{feff}a"), [word("USE"), word("\u{feff}a")]);
    }

    #[test]
    fn positions_count_lines_from_one_and_characters_from_zero() {
        let tokens = tokenize("SELECT\n  汉字 'a\nb' x");
        let at: Vec<(u32, u32)> = tokens.iter().map(|t| (t.span.line, t.span.column)).collect();
        assert_eq!(at, [(1, 0), (2, 2), (2, 5), (3, 3), (3, 4)]);
        assert_eq!(tokens[1].span.text("SELECT\n  汉字 'a\nb' x"), "汉字");
    }
}
