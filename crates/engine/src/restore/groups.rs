//! Colocate groups: a restored object joins its group in the target database
//! when it is divided as the group's members are, and leaves it otherwise.

use crate::Engine;
use rockhold_core::{LiveObject, Result};
use std::collections::BTreeMap;

/// The groups of one database, read when the first object asks.
pub(crate) struct Groups {
    database: String,
    /// Of each group how its members are divided.
    schemes: BTreeMap<String, String>,
    read: bool,
}

impl Groups {
    /// The groups of `database`; of none when it does not exist yet.
    pub(crate) fn new(database: &str, exists: bool) -> Self {
        Self { database: database.to_owned(), schemes: BTreeMap::new(), read: !exists }
    }

    /// The object as it is made: in its group, or outside with a remark.
    pub(crate) async fn join(
        &mut self,
        engine: &Engine,
        object: LiveObject,
    ) -> Result<(LiveObject, Option<String>)> {
        let codec = engine.codec(&object.kind)?;
        let Some(group) = codec.group(&object)? else { return Ok((object, None)) };
        if !self.read {
            self.read(engine).await?;
        }
        let scheme = self.schemes.entry(group.name.clone()).or_insert_with(|| group.scheme.clone());
        if *scheme == group.scheme {
            return Ok((object, None));
        }
        let note = format!(
            "{} is restored outside of its colocate group {}: it is divided by {}, the group by {scheme}",
            object.name, group.name, group.scheme
        );
        Ok((codec.leave_group(object)?, Some(note)))
    }

    async fn read(&mut self, engine: &Engine) -> Result<()> {
        let warehouse = &engine.0.warehouse;
        for summary in warehouse.objects(&self.database).await? {
            let Ok(codec) = engine.codec(&summary.kind) else { continue };
            let namespace = engine.namespace(&summary.kind);
            if let Some(object) = warehouse.object(namespace, &summary.name).await?
                && let Some(group) = codec.group(&object)?
            {
                self.schemes.entry(group.name).or_insert(group.scheme);
            }
        }
        self.read = true;
        Ok(())
    }
}
