//! HorizontalPodAutoscalers and ScaledObjects as policies: what they become, and that it means the same.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "migrate/golden.rs"]
mod golden;
#[path = "migrate/meaning.rs"]
mod meaning;
#[path = "migrate/reading.rs"]
mod reading;

use headroom_autoscaler::{
    Configuration,
    config::{self, Environment, LoadOptions, Migration, MovedKind, Selection},
};

fn moved(kind: MovedKind, text: &str) -> Migration {
    config::migrate(kind, &config::read_objects(text).unwrap(), &Selection::default()).unwrap()
}

/// The policies as they are read again, from a directory as `-o` writes it.
fn loaded(migration: &Migration) -> Configuration {
    let directory = tempfile::tempdir().unwrap();
    for file in &migration.files {
        std::fs::write(directory.path().join(&file.name), &file.toml).unwrap();
    }
    let paths = [directory.path().to_owned()];
    let loaded = config::load(&paths, &Environment::default(), &LoadOptions::default());
    loaded
        .unwrap_or_else(|problems| panic!("{problems}\n{}", migration.toml()))
        .configuration
}
