//! Every source keeps the contract.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use autorepost_core::conformance::{
    Case,
    secrets::{Replace, SecretFixture, sample},
};
use autorepost_secrets::{AwsSecrets, EnvSecrets, FileSecrets, Layers};

use crate::{
    aws::{name, write},
    block_on, dynamic,
    moto::MOTO,
};

fn replace(write: impl Fn(&BTreeMap<String, String>) + Send + Sync + 'static) -> Option<Replace> {
    let write = Arc::new(write);
    Some(Box::new(move |values| {
        let write = Arc::clone(&write);
        Box::pin(async move { write(&values) })
    }))
}

mod environment {
    use super::*;

    fn run(case: fn(SecretFixture) -> Case) {
        block_on(case(SecretFixture { source: dynamic(EnvSecrets::new(sample())), replace: None }));
    }

    autorepost_core::secret_conformance!(fixed run);
}

mod file {
    use super::*;

    fn run(case: fn(SecretFixture) -> Case) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.json");
        let source = dynamic(FileSecrets::new(&path));
        let write = move |values: &BTreeMap<String, String>| {
            let new = path.with_extension("new");
            std::fs::write(&new, serde_json::to_string(values).unwrap()).unwrap();
            std::fs::rename(new, &path).unwrap();
        };
        write(&sample());
        block_on(case(SecretFixture { source, replace: replace(write) }));
    }

    autorepost_core::secret_conformance!(run);
}

mod folder {
    use super::*;

    fn fill(folder: &Path, values: &BTreeMap<String, String>) {
        std::fs::remove_dir_all(folder).unwrap();
        std::fs::create_dir(folder).unwrap();
        for (name, value) in values {
            std::fs::write(folder.join(name), format!("{value}\n")).unwrap();
        }
    }

    fn run(case: fn(SecretFixture) -> Case) {
        let folder = tempfile::tempdir().unwrap();
        // What a name with dots would reach.
        std::fs::write(folder.path().join("PLAIN_SECRET"), "outside").unwrap();
        let path = folder.path().join("secrets");
        std::fs::create_dir(&path).unwrap();
        fill(&path, &sample());
        let source = dynamic(FileSecrets::new(&path));
        block_on(case(SecretFixture { source, replace: replace(move |values| fill(&path, values)) }));
    }

    autorepost_core::secret_conformance!(run);
}

mod secrets_manager {
    use super::*;

    fn run(case: fn(SecretFixture) -> Case) {
        let name = name();
        write(&MOTO, &name, &serde_json::to_string(&sample()).unwrap());
        block_on(async {
            let source = dynamic(AwsSecrets::open(MOTO.config(&name)).await.unwrap());
            let replace = replace(move |values| write(&MOTO, &name, &serde_json::to_string(values).unwrap()));
            case(SecretFixture { source, replace }).await;
        });
    }

    autorepost_core::secret_conformance!(run);
}

mod layers {
    use super::*;

    fn run(case: fn(SecretFixture) -> Case) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.json");
        let write = {
            let path = path.clone();
            move |values: &BTreeMap<String, String>| {
                std::fs::write(&path, serde_json::to_string(values).unwrap()).unwrap();
            }
        };
        write(&sample());
        let front = EnvSecrets::new([("EMPTY_SECRET".into(), String::new()), ("OTHER".into(), "other".into())]);
        let source = Layers::new().then("environment", dynamic(front)).then("file", dynamic(FileSecrets::new(path)));
        block_on(case(SecretFixture { source: dynamic(source), replace: replace(write) }));
    }

    autorepost_core::secret_conformance!(run);
}
