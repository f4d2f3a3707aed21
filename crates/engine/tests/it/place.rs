//! Where a test has its repository: a store of any vendor, and new places in it.

use crate::support::World;
use crate::verify::orphans;
use rockhold_core::{Key, ObjectName, OpenRepository, RepositoryFactory, SharedRepository};
use rockhold_layers::Layers;
use std::sync::Arc;

/// The location of a repository `r`.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) factory: Arc<dyn RepositoryFactory>,
    pub(crate) location: String,
    pub(crate) properties: Vec<(&'static str, String)>,
}

impl Place {
    /// Another place of the same store.
    pub(crate) fn below(&self, name: &str) -> Self {
        Self { location: format!("{}/{name}", self.location), ..self.clone() }
    }

    pub(crate) fn create_repository(&self) -> String {
        let properties: Vec<String> =
            self.properties.iter().map(|(key, value)| format!("\"{key}\" = \"{value}\"")).collect();
        format!(
            "CREATE REPOSITORY r WITH BROKER ON LOCATION \"{}\" PROPERTIES ({})",
            self.location,
            properties.join(", ")
        )
    }

    /// The store of the repository `r`, with nothing but the standard layers around it.
    pub(crate) async fn repository(&self) -> SharedRepository {
        let mut request = OpenRepository::new(self.location.clone()).directory("__rockhold_repository_r");
        for (key, value) in &self.properties {
            if rockhold_core::is_secret_property(key) {
                request.secrets.insert((*key).to_owned(), value.clone().into());
            } else {
                request.properties.insert((*key).to_owned(), value.clone());
            }
        }
        let opened = self.factory.open(request).await.unwrap();
        Layers::standard().around(opened.repository)
    }

    /// The snapshot `s` gives the rows of these tables in `other`, a warehouse
    /// that has none of the files; nothing else lies in the store.
    pub(crate) async fn is_whole(&self, other: &World, rows: &[(ObjectName, Vec<String>)]) {
        other.sql(&self.create_repository()).await.unwrap();
        other.done(&other.restore_statement("s", "").await).await;
        for (table, rows) in rows {
            assert_eq!(other.visible(table).await.as_ref(), Some(rows), "the snapshot holds the rows");
        }
        self.holds_nothing_else().await;
    }

    /// Every file is referred to by a snapshot, and nothing is unfinished.
    pub(crate) async fn holds_nothing_else(&self) {
        let repository = self.repository().await;
        assert_eq!(orphans(&repository).await.unwrap(), [], "nothing is left in the store");
        assert_eq!(self.unfinished().await, 0, "nothing unfinished is left in the store");
    }

    /// How many uploads or staged files lie where a job puts its files.
    pub(crate) async fn unfinished(&self) -> u64 {
        let repository = self.repository().await;
        let mut count = 0;
        for folder in ["data", "meta"] {
            count += repository.count_staged(&Key::new(folder).unwrap()).await.unwrap();
        }
        count
    }
}
