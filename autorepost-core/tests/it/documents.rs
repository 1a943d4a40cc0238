//! What the documents name exists: tests, files, and the numbers of the simulation.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The text of every Rust file of the project.
fn sources(folder: &Path, all: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            sources(&path, all);
        } else if name.ends_with(".rs") {
            all.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

/// Each complaint names a test, and the test is there.
#[test]
fn each_complaint_has_its_test() {
    let mut all = String::new();
    sources(&root(), &mut all);
    let document = read("docs/once-only.md");
    let table = document.split("## Complaints").nth(1).unwrap();
    let tests: Vec<&str> = table.lines().filter_map(|line| line.split("| `").nth(1)?.split('`').next()).collect();
    assert!(tests.len() >= 25, "the table is gone");
    for test in tests {
        assert!(all.contains(&format!("fn {test}(")), "docs/once-only.md names {test}, which does not exist");
    }
}

/// Files and folders that a document names are there.
#[test]
fn what_the_documents_name_exists() {
    const BASES: [&str; 4] = ["", "autorepost-core/src", "autorepost-core/src/pipeline", "autorepost-bin/src"];
    for document in ["README.md", "docs/architecture.md", "docs/http-api.md", "docs/once-only.md", "docs/operations.md"]
    {
        let text = read(document);
        let named = text.split('`').skip(1).step_by(2);
        let is_path = |name: &&str| {
            (name.ends_with(".rs") || name.ends_with('/') || name.starts_with("scripts/"))
                && !name.contains([' ', '<', '*', ':'])
        };
        for name in named.filter(is_path) {
            let there = BASES.iter().any(|base| root().join(base).join(name).exists());
            assert!(there, "{document} names {name}, which does not exist");
        }
    }
}
