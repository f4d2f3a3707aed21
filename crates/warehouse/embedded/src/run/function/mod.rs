//! Functions of users.

mod artifact;
mod resolve;

pub(super) use resolve::Functions;

use super::super::error::{number, of_store};
use super::super::session::Session;
use rockhold_core::{ErrorKind, KindId, LiveObject, Namespace, ObjectName, Outcome};
use rockhold_model::{
    FunctionArgument, FunctionDefinition, FunctionKind, Partition, PartitionValue, Properties,
};
use rockhold_sql::analyze;
use rockhold_sql::ast::{CreateFunction, DropFunction};
use rockhold_sql::{SqlError, Stage};
use rockhold_warehouse_store::{Change, NewObject};

/// The value of `file` for a source that stands in the statement.
const INLINE: &str = "inline";

/// The database and name of a function, without its types.
fn base(
    session: &Session,
    name: &rockhold_sql::ast::ObjectName,
    global: bool,
) -> Result<ObjectName, SqlError> {
    if !global {
        let mut full = session.full_name(name)?;
        full.name = full.name.to_lowercase();
        return Ok(full);
    }
    if name.database().is_some() {
        return Err(SqlError::analyze("Global function name does not support qualified name"));
    }
    Ok(ObjectName::new("", name.object().to_lowercase()))
}

/// `CREATE FUNCTION`.
pub(super) async fn create(session: &Session, statement: &CreateFunction) -> Result<Outcome, SqlError> {
    if statement.or_replace && statement.if_not_exists {
        return Err(SqlError::analyze("OR REPLACE and IF NOT EXISTS cannot be used together"));
    }
    let base = base(session, &statement.name, statement.global)?;
    if !statement.global {
        session.require_database(&base.database).await?;
        if super::is_information_schema(&base.database) {
            return Err(SqlError::execute(format!(
                "database {} is the system's; no function can be made in it",
                base.database
            )));
        }
    }
    let analyzed = analyze::create_function(statement)?;
    let mut definition = analyzed.definition;
    let name = ObjectName::new(base.database, definition.signature());
    let existing = session.store.find_object(Namespace::Function, &name).await.map_err(of_store)?;
    match (&existing, statement.if_not_exists, statement.or_replace) {
        (Some(_), true, _) => return Ok(Outcome::done()),
        (Some(_), false, false) => return Err(exists(&name)),
        _ => {}
    }
    Functions::new(session, &session.environment()).check(&name, &definition).await?;
    for (property, secret) in &analyzed.secrets {
        let sealed = session.store.seal(property, secret).await.map_err(of_store)?;
        definition.secrets.insert(property.clone(), sealed);
    }
    let replaced =
        existing.map(|_| Change::DropObject { namespace: Namespace::Function, name: name.clone() });
    let mut info = String::new();
    let file = definition.properties.get("file").filter(|file| !file.eq_ignore_ascii_case(INLINE)).cloned();
    let file = file.or_else(|| analyzed.secrets.get("file").map(|file| file.expose().to_owned()));
    if let Some(address) = file {
        let credentials: Vec<(String, String)> = analyzed
            .secrets
            .iter()
            .map(|(property, secret)| (property.clone(), secret.expose().to_owned()))
            .chain(definition.properties.clone())
            .filter(|(property, _)| is_storage_property(property))
            .collect();
        let wanted = definition.properties.get("md5").cloned();
        let load = session
            .store
            .begin_object(
                Namespace::Function,
                LiveObject {
                    kind: KindId::FUNCTION,
                    name: name.clone(),
                    definition: serde_json::Value::Null,
                    state: serde_json::Value::Null,
                },
            )
            .await
            .map_err(of_store)?;
        let partition = load.create_partition(Partition::new(artifact::PARTITION, PartitionValue::All));
        match artifact::read(session, &address, &credentials, &load, &partition).await {
            Ok(md5) => {
                if wanted.as_deref().is_some_and(|wanted| !wanted.eq_ignore_ascii_case(&md5)) {
                    load.rollback().await.map_err(of_store)?;
                    return Err(SqlError::numbered(
                        Stage::Analyze,
                        SqlError::COMMON,
                        format!(
                            "library's md5 sum is not equal with {}; it is {md5}",
                            wanted.unwrap_or_default()
                        ),
                    ));
                }
                definition.properties.insert("md5".to_owned(), md5);
                let object = new_object(&name, &definition)?;
                let changes = replaced.into_iter().collect();
                load.commit_creating(changes, object).await.map_err(|error| taken(error, &name))?;
                return Ok(Outcome::done());
            }
            Err(error) => {
                load.rollback().await.map_err(of_store)?;
                info = format!(
                    "the file of function {name} cannot be read ({}), so snapshots will not hold it: a restore \
                     depends on its address; make the function again when the file can be read",
                    error.message
                );
            }
        }
    }
    let object = new_object(&name, &definition)?;
    let changes = replaced.into_iter().chain([Change::CreateObject(object)]).collect();
    session.store.apply(changes).await.map_err(|error| taken(error, &name))?;
    Ok(Outcome::Done { affected: 0, info })
}

/// Whether a property of a function tells how to reach its file.
fn is_storage_property(name: &str) -> bool {
    !matches!(name, "type" | "symbol" | "file" | "md5" | "isolation" | "analytic" | "input")
}

fn new_object(name: &ObjectName, definition: &FunctionDefinition) -> Result<NewObject, SqlError> {
    Ok(NewObject {
        namespace: Namespace::Function,
        kind: KindId::FUNCTION,
        name: name.clone(),
        definition: super::to_value(definition)?,
        state: serde_json::Value::Null,
        partitions: Vec::new(),
    })
}

fn exists(name: &ObjectName) -> SqlError {
    SqlError::numbered(Stage::Execute, SqlError::GENERAL, format!("function {} already exists", name.name))
}

/// A function that another statement made meanwhile.
fn taken(error: rockhold_core::Error, name: &ObjectName) -> SqlError {
    match error.kind() {
        ErrorKind::AlreadyExists => exists(name),
        _ => of_store(error),
    }
}

/// `DROP FUNCTION`.
pub(super) async fn drop(session: &Session, statement: &DropFunction) -> Result<Outcome, SqlError> {
    let base = base(session, &statement.name, statement.global)?;
    let wanted = FunctionDefinition {
        name: base.name,
        kind: FunctionKind::Scalar,
        arguments: statement
            .arguments
            .iter()
            .map(|data_type| FunctionArgument { name: None, data_type: data_type.clone() })
            .collect(),
        variadic: statement.variadic,
        returns: None,
        properties: Properties::new(),
        secrets: Default::default(),
        body: None,
    };
    let name = ObjectName::new(base.database, wanted.signature());
    if !statement.global {
        session.require_database(&name.database).await?;
    }
    match session.store.find_object(Namespace::Function, &name).await.map_err(of_store)? {
        Some(_) => {
            let change = Change::DropObject { namespace: Namespace::Function, name };
            session.store.change(change).await.map_err(of_store)?;
            Ok(Outcome::done())
        }
        None if statement.if_exists => Ok(Outcome::done()),
        None => Err(SqlError::numbered(
            Stage::Execute,
            number::UNKNOWN_FUNCTION,
            format!("Unknown function '{}'", name.name),
        )),
    }
}
