//! Reading tokens one by one, and the errors of what stands there instead.

use super::{MAX_DEPTH, Reader, Result};
use crate::ast::{Ident, ObjectName, Property, PropertyList};
use crate::keywords::is_reserved;
use crate::kinds::KindWords;
use crate::lexer::{Token, TokenKind};
use crate::{Span, SqlError};

pub(super) const IDENTIFIER: &str = "a legal identifier";
pub(super) const TEXT: &str = "SINGLE_QUOTED_TEXT, DOUBLE_QUOTED_TEXT";
pub(super) const INTEGER: &str = "INTEGER_VALUE";

impl<'p> Reader<'p> {
    pub(super) fn new(source: &'p str, tokens: &'p [Token], end: Span, kinds: &'p [KindWords]) -> Self {
        let end = Token { kind: TokenKind::End, span: Span { end: end.start, ..end } };
        let mut reader = Reader { source, tokens, end, at: 0, depth: 0, kinds };
        reader.skip_hints();
        reader
    }

    /// Reports the first piece of text that is no token.
    pub(super) fn refuse_invalid(&self) -> Result<()> {
        for token in self.tokens {
            if let TokenKind::Invalid(why) = token.kind {
                let text = token.span.shown(self.source, 20);
                return Err(SqlError::syntax(format!("Unexpected input '{text}', {why}"), token.span));
            }
        }
        Ok(())
    }

    pub(super) fn skip_hints(&mut self) {
        while matches!(self.tokens.get(self.at), Some(Token { kind: TokenKind::Hint(_), .. })) {
            self.at += 1;
        }
    }

    pub(super) fn peek(&self) -> &Token {
        self.tokens.get(self.at).unwrap_or(&self.end)
    }

    /// The token `n` behind the next one; hints count.
    pub(super) fn peek_nth(&self, n: usize) -> &Token {
        self.tokens.get(self.at + n).unwrap_or(&self.end)
    }

    pub(super) fn bump(&mut self) {
        if self.at < self.tokens.len() {
            self.at += 1;
            self.skip_hints();
        }
    }

    pub(super) fn at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    /// The span from the token at `start` to the one read last.
    pub(super) fn span_from(&self, start: usize) -> Span {
        let last = self.at.checked_sub(1).filter(|last| *last >= start);
        match (self.tokens.get(start), last.and_then(|last| self.tokens.get(last))) {
            (Some(first), Some(last)) => first.span.to(last.span),
            _ => self.end.span,
        }
    }

    /// Runs a rule that may contain itself.
    pub(super) fn nested<T>(&mut self, rule: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= MAX_DEPTH {
            return Err(SqlError::syntax(
                format!("The statement nests deeper than {MAX_DEPTH} levels"),
                self.peek().span,
            ));
        }
        self.depth += 1;
        let result = rule(self);
        self.depth -= 1;
        result
    }

    // Errors

    /// "Unexpected input", with what would have been right: words and symbols
    /// in quotes, classes of token bare.
    pub(super) fn unexpected(&self, expected: &[&str]) -> SqlError {
        let token = self.peek();
        SqlError::syntax(
            format!(
                "Unexpected input '{}', the most similar input is {{{}}}",
                self.token_text(token),
                expected.join(", ")
            ),
            token.span,
        )
    }

    /// "No viable statement": no rule begins with the tokens from `start` to here.
    pub(super) fn no_viable(&self, start: usize) -> SqlError {
        let token = self.peek();
        let text = match self.tokens.get(start) {
            None => "<EOF>".to_string(),
            Some(first) => {
                let end = if token.kind == TokenKind::End {
                    self.tokens.last().map_or(first.span.end, |last| last.span.end)
                } else {
                    token.span.end
                };
                Span { end, ..first.span }.shown(self.source, 200)
            }
        };
        SqlError::syntax(format!("No viable statement for input '{text}'"), token.span)
    }

    fn token_text(&self, token: &Token) -> String {
        match token.kind {
            TokenKind::End => "<EOF>".to_string(),
            _ => token.span.shown(self.source, 200),
        }
    }

    // Words and symbols

    pub(super) fn is_word(&self, word: &str) -> bool {
        self.is_word_nth(0, word)
    }

    pub(super) fn is_word_nth(&self, n: usize, word: &str) -> bool {
        matches!(&self.peek_nth(n).kind, TokenKind::Word(found) if found.eq_ignore_ascii_case(word))
    }

    pub(super) fn is_symbol(&self, symbol: &str) -> bool {
        self.is_symbol_nth(0, symbol)
    }

    pub(super) fn is_symbol_nth(&self, n: usize, symbol: &str) -> bool {
        matches!(self.peek_nth(n).kind, TokenKind::Symbol(found) if found == symbol)
    }

    /// Reads the word if it stands here.
    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.bump();
        }
        found
    }

    /// Reads all the words, or none when they do not all stand here.
    pub(super) fn eat_words(&mut self, words: &[&str]) -> bool {
        let found = words.iter().enumerate().all(|(n, word)| self.is_word_nth(n, word));
        if found {
            words.iter().for_each(|_| self.bump());
        }
        found
    }

    /// Reads one of the words and says which.
    pub(super) fn eat_any<'w>(&mut self, words: &[&'w str]) -> Option<&'w str> {
        let found = words.iter().find(|word| self.is_word(word)).copied();
        if found.is_some() {
            self.bump();
        }
        found
    }

    pub(super) fn expect_word(&mut self, word: &str) -> Result<()> {
        if self.eat_word(word) { Ok(()) } else { Err(self.unexpected(&[&format!("'{word}'")])) }
    }

    /// Reads one of the words or fails naming them all.
    pub(super) fn expect_any<'w>(&mut self, words: &[&'w str]) -> Result<&'w str> {
        match self.eat_any(words) {
            Some(word) => Ok(word),
            None => {
                let names: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
                Err(self.unexpected(&names.iter().map(String::as_str).collect::<Vec<_>>()))
            }
        }
    }

    pub(super) fn eat_symbol(&mut self, symbol: &str) -> bool {
        let found = self.is_symbol(symbol);
        if found {
            self.bump();
        }
        found
    }

    pub(super) fn expect_symbol(&mut self, symbol: &str) -> Result<()> {
        if self.eat_symbol(symbol) { Ok(()) } else { Err(self.unexpected(&[&format!("'{symbol}'")])) }
    }

    // Names and literals

    /// Whether a name stands `n` tokens ahead.
    pub(super) fn is_ident_nth(&self, n: usize) -> bool {
        match &self.peek_nth(n).kind {
            TokenKind::Quoted(_) => true,
            TokenKind::Word(word) => !is_reserved(word),
            _ => false,
        }
    }

    pub(super) fn ident(&mut self) -> Result<Ident> {
        let token = self.peek();
        let ident = match &token.kind {
            TokenKind::Quoted(name) => Ident { value: name.clone(), quoted: true, span: token.span },
            TokenKind::Word(word) if !is_reserved(word) => {
                Ident { value: word.clone(), quoted: false, span: token.span }
            }
            _ => return Err(self.unexpected(&[IDENTIFIER])),
        };
        self.bump();
        Ok(ident)
    }

    /// A name of any number of parts.
    pub(super) fn object_name(&mut self) -> Result<ObjectName> {
        let mut parts = vec![self.ident()?];
        while self.eat_symbol(".") {
            parts.push(self.ident()?);
        }
        Ok(ObjectName { parts })
    }

    pub(super) fn text(&mut self) -> Result<String> {
        match &self.peek().kind {
            TokenKind::Text(text) => {
                let text = text.clone();
                self.bump();
                Ok(text)
            }
            _ => Err(self.unexpected(&[TEXT])),
        }
    }

    /// A name or a string.
    pub(super) fn ident_or_text(&mut self) -> Result<String> {
        match &self.peek().kind {
            TokenKind::Text(_) => self.text(),
            _ => Ok(self.ident()?.value),
        }
    }

    /// A number without sign, point or exponent.
    pub(super) fn integer<N: std::str::FromStr>(&mut self) -> Result<N> {
        match &self.peek().kind {
            TokenKind::Integer(digits) => match digits.parse() {
                Ok(number) => {
                    self.bump();
                    Ok(number)
                }
                Err(_) => Err(SqlError::syntax(format!("Numeric overflow: {digits}"), self.peek().span)),
            },
            _ => Err(self.unexpected(&[INTEGER])),
        }
    }

    // Lists

    /// `item, item, …`; errors behind an item name `,` and `closing`.
    pub(super) fn comma_list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.eat_symbol(",") {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// `(item, item, …)`.
    pub(super) fn parenthesized<T>(&mut self, item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.expect_symbol("(")?;
        let items = self.comma_list(item)?;
        self.close_list()?;
        Ok(items)
    }

    /// The `)` behind a list.
    pub(super) fn close_list(&mut self) -> Result<()> {
        if self.eat_symbol(")") { Ok(()) } else { Err(self.unexpected(&["','", "')'"])) }
    }

    /// `(name, name, …)`.
    pub(super) fn ident_list(&mut self) -> Result<Vec<Ident>> {
        self.parenthesized(|reader| reader.ident())
    }

    /// `("key" = "value", …)`.
    pub(super) fn property_list(&mut self) -> Result<PropertyList> {
        let start = self.at;
        let entries = self.parenthesized(|reader| {
            let start = reader.at;
            let key = reader.text()?;
            reader.expect_symbol("=")?;
            let value = reader.text()?;
            Ok(Property { key, value, span: reader.span_from(start) })
        })?;
        Ok(PropertyList { entries, span: self.span_from(start) })
    }

    /// `[PROPERTIES (…)]`.
    pub(super) fn properties(&mut self) -> Result<Option<PropertyList>> {
        if self.eat_word("PROPERTIES") { Ok(Some(self.property_list()?)) } else { Ok(None) }
    }

    /// `[COMMENT "…"]`.
    pub(super) fn comment(&mut self) -> Result<Option<String>> {
        if self.eat_word("COMMENT") { Ok(Some(self.text()?)) } else { Ok(None) }
    }

    pub(super) fn if_not_exists(&mut self) -> Result<bool> {
        if !self.eat_word("IF") {
            return Ok(false);
        }
        self.expect_word("NOT")?;
        self.expect_word("EXISTS")?;
        Ok(true)
    }

    pub(super) fn if_exists(&mut self) -> Result<bool> {
        if !self.eat_word("IF") {
            return Ok(false);
        }
        self.expect_word("EXISTS")?;
        Ok(true)
    }
}
