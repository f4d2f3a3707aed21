//! Views, functions, external catalogs.

use rockhold_model::{FunctionKind, ViewSecurity};

use super::{Reader, Result};
use crate::SqlError;
use crate::ast::{
    AlterView, AlterViewAction, CreateCatalog, CreateFunction, CreateView, DropFunction, FunctionOptions,
    FunctionParameter, FunctionReturns, Property, Statement, ViewColumnDef,
};
use crate::lexer::TokenKind;

impl Reader<'_> {
    /// Behind `CREATE [OR REPLACE]`, at VIEW.
    pub(super) fn create_view(&mut self, or_replace: bool) -> Result<Statement> {
        self.bump();
        let if_not_exists = self.if_not_exists()?;
        let name = self.object_name()?;
        let columns = self.view_columns()?;
        let comment = self.comment()?;
        let security = if self.eat_word("SECURITY") { Some(self.security()?) } else { None };
        let properties = self.properties()?;
        self.expect_word("AS")?;
        let query = self.query()?;
        if or_replace && if_not_exists {
            return Err(SqlError::syntax_rule(
                "REPLACE and IF NOT EXISTS are mutually exclusive in CREATE VIEW",
            ));
        }
        Ok(Statement::CreateView(Box::new(CreateView {
            or_replace,
            if_not_exists,
            name,
            columns,
            comment,
            security,
            properties,
            query,
        })))
    }

    fn view_columns(&mut self) -> Result<Option<Vec<ViewColumnDef>>> {
        if !self.is_symbol("(") {
            return Ok(None);
        }
        Ok(Some(self.parenthesized(|reader| reader.view_column())?))
    }

    pub(super) fn view_column(&mut self) -> Result<ViewColumnDef> {
        Ok(ViewColumnDef { name: self.ident()?, comment: self.comment()? })
    }

    fn security(&mut self) -> Result<ViewSecurity> {
        Ok(match self.expect_any(&["NONE", "INVOKER"])? {
            "NONE" => ViewSecurity::None,
            _ => ViewSecurity::Invoker,
        })
    }

    /// Behind ALTER, at VIEW.
    pub(super) fn alter_view(&mut self) -> Result<Statement> {
        self.bump();
        let name = self.object_name()?;
        let action = if self.eat_word("SET") {
            if self.is_symbol("(") {
                AlterViewAction::Properties(self.property_list()?)
            } else {
                self.expect_word("SECURITY")?;
                AlterViewAction::Security(self.security()?)
            }
        } else if self.eat_word("RENAME") {
            AlterViewAction::Rename(self.ident()?)
        } else {
            let columns = self.view_columns()?;
            self.expect_word("AS")?;
            AlterViewAction::Query { columns, query: Box::new(self.query()?) }
        };
        Ok(Statement::AlterView(Box::new(AlterView { name, action })))
    }

    /// Whether `[GLOBAL] [AGGREGATE|TABLE] FUNCTION` stands here.
    pub(super) fn is_function_next(&self) -> bool {
        let mut n = usize::from(self.is_word("GLOBAL"));
        n += usize::from(self.is_word_nth(n, "AGGREGATE") || self.is_word_nth(n, "TABLE"));
        self.is_word_nth(n, "FUNCTION")
    }

    /// Behind `CREATE [OR REPLACE]`.
    pub(super) fn create_function(&mut self, or_replace: bool) -> Result<Statement> {
        let global = self.eat_word("GLOBAL");
        let kind = match self.eat_any(&["AGGREGATE", "TABLE"]) {
            Some("AGGREGATE") => FunctionKind::Aggregate,
            Some(_) => FunctionKind::Table,
            None => FunctionKind::Scalar,
        };
        self.expect_word("FUNCTION")?;
        let if_not_exists = self.if_not_exists()?;
        let name = self.object_name()?;
        let (parameters, variadic) = self.function_parameters()?;
        self.expect_word("RETURNS")?;
        let returns = self.function_returns(&parameters)?;
        let options = self.function_options()?;
        let mut body = None;
        if self.eat_word("AS") {
            match &self.peek().kind {
                TokenKind::Dollar(text) => {
                    body = Some(text.clone());
                    self.bump();
                }
                _ => return Err(self.unexpected(&["'$$'"])),
            }
        }
        Ok(Statement::CreateFunction(Box::new(CreateFunction {
            or_replace,
            global,
            kind,
            if_not_exists,
            name,
            parameters,
            variadic,
            returns,
            options,
            body,
        })))
    }

    /// `([[name] type, …] [, ...])`. A parameter has a name when a type follows
    /// the first word.
    fn function_parameters(&mut self) -> Result<(Vec<FunctionParameter>, bool)> {
        self.expect_symbol("(")?;
        let mut parameters = Vec::new();
        let mut variadic = false;
        if !self.is_symbol(")") {
            loop {
                if self.eat_symbol("...") {
                    variadic = true;
                    break;
                }
                let named = self.is_ident_nth(0) && matches!(self.peek_nth(1).kind, TokenKind::Word(_));
                let name = if named { Some(self.ident()?) } else { None };
                parameters.push(FunctionParameter { name, data_type: self.data_type()? });
                if !self.eat_symbol(",") {
                    break;
                }
            }
        }
        self.close_list()?;
        Ok((parameters, variadic))
    }

    /// A type, or the expression of a SQL function.
    fn function_returns(&mut self, parameters: &[FunctionParameter]) -> Result<FunctionReturns> {
        let start = self.at;
        let named = parameters.iter().any(|parameter| parameter.name.is_some());
        if !named
            && let Ok(data_type) = self.data_type()
            && (self.at_end()
                || self.is_word("PROPERTIES")
                || self.is_word("AS")
                || self.is_symbol_nth(1, "="))
        {
            return Ok(FunctionReturns::Type(data_type));
        }
        self.at = start;
        if !named && !parameters.is_empty() {
            // Not a SQL function: the type's own error.
            let data_type = self.data_type()?;
            return Ok(FunctionReturns::Type(data_type));
        }
        Ok(FunctionReturns::Expression(self.expression()?))
    }

    fn function_options(&mut self) -> Result<Option<FunctionOptions>> {
        if let Some(list) = self.properties()? {
            return Ok(Some(FunctionOptions::Properties(list)));
        }
        let mut entries = Vec::new();
        while self.is_ident_nth(0) && self.is_symbol_nth(1, "=") {
            let start = self.at;
            let key = self.ident()?.value;
            self.expect_symbol("=")?;
            let value = self.text()?;
            entries.push(Property { key, value, span: self.span_from(start) });
        }
        Ok((!entries.is_empty()).then_some(FunctionOptions::Inline(entries)))
    }

    /// Behind DROP.
    pub(super) fn drop_function(&mut self) -> Result<Statement> {
        let global = self.eat_word("GLOBAL");
        self.expect_word("FUNCTION")?;
        let if_exists = self.if_exists()?;
        let name = self.object_name()?;
        let (parameters, variadic) = self.function_parameters()?;
        let arguments = parameters.into_iter().map(|parameter| parameter.data_type).collect();
        Ok(Statement::DropFunction(DropFunction { global, if_exists, name, arguments, variadic }))
    }

    /// Behind CREATE, at `EXTERNAL CATALOG`.
    pub(super) fn create_catalog(&mut self) -> Result<Statement> {
        (0..2).for_each(|_| self.bump());
        let if_not_exists = self.if_not_exists()?;
        let name = self.ident()?;
        let comment = self.comment()?;
        self.expect_word("PROPERTIES")?;
        let properties = self.property_list()?;
        Ok(Statement::CreateCatalog(CreateCatalog { if_not_exists, name, comment, properties }))
    }
}
