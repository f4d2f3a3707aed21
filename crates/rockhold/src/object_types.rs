//! The object types that are linked: the one list of them.

use rockhold_core::{CatalogCodec, KindId, PartitionWriter, SnapshotWriter};
use rockhold_object_external_catalog::CatalogDocumentCodec;
use rockhold_object_function::FunctionCodec;
use rockhold_object_materialized_view::MaterializedViewCodec;
use rockhold_object_table::TableCodec;
use rockhold_object_view::ViewCodec;
use rockhold_sql::{KindWords, Parser};
use std::sync::Arc;

/// An object type: what its objects are as data, and who walks their rows.
pub(crate) type ObjectType = (Arc<dyn CatalogCodec>, Option<Arc<dyn SnapshotWriter>>);

/// All that are linked.
pub(crate) fn linked() -> Vec<ObjectType> {
    vec![
        with_data(TableCodec::default(), KindId::TABLE),
        with_data(MaterializedViewCodec::default(), KindId::MATERIALIZED_VIEW),
        (Arc::new(ViewCodec::default()), None),
        with_data(FunctionCodec::default(), KindId::FUNCTION),
        (Arc::new(CatalogDocumentCodec::default()), None),
    ]
}

fn with_data(codec: impl CatalogCodec + 'static, kind: KindId) -> ObjectType {
    (Arc::new(codec), Some(Arc::new(PartitionWriter::new(kind))))
}

/// A parser that knows their words.
pub(crate) fn parser() -> Parser {
    let types = linked();
    Parser::with_kinds(KindWords::of(types.iter().map(|(codec, _)| codec.descriptor())))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_words_of_starrocks_are_those_that_a_parser_knows_by_itself() {
        let types = super::linked();
        let mut words = rockhold_sql::KindWords::of(types.iter().map(|(codec, _)| codec.descriptor()));
        let mut known = rockhold_sql::default_kinds();
        words.sort_by(|a, b| a.id.cmp(&b.id));
        known.sort_by(|a, b| a.id.cmp(&b.id));
        assert_eq!(words, known);
    }
}
