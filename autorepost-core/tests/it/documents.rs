//! What the documents name exists: tests, files, and the numbers of the simulation.

use std::{
    fs,
    path::{Path, PathBuf},
};

use autorepost_core::preflight::{RULES, Rules};

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
    for document in [
        "README.md",
        "docs/architecture.md",
        "docs/http-api.md",
        "docs/media.md",
        "docs/once-only.md",
        "docs/operations.md",
    ] {
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

/// A rule as the table of docs/media.md shows it.
fn row(rules: &Rules) -> [String; 14] {
    let unless = |none: bool, text: String| if none { "any".to_owned() } else { text };
    let (slowest, fastest) = rules.frame_rate_milli;
    [
        rules.platform.title().to_owned(),
        format!("{} to {} s", rules.duration_ms_min as f64 / 1e3, rules.duration_ms_max as f64 / 1e3),
        format!("{:.0} MB", rules.bytes_max as f64 / 1e6),
        unless(rules.any_codec, if rules.hevc { "H.264, HEVC" } else { "H.264" }.into()),
        unless(!rules.plain_pictures, "4:2:0, progressive".into()),
        unless(rules.bit_depth_max == u8::MAX, format!("{}", rules.bit_depth_max)),
        unless(rules.bits_per_second_max > 1 << 40, format!("{} Mbit/s", rules.bits_per_second_max / 1_000_000)),
        unless(fastest > 1_000_000, format!("{} to {}", slowest / 1_000, fastest / 1_000)),
        unless(rules.aspect.1.is_infinite(), format!("{:.2} to {}", rules.aspect.0, rules.aspect.1)),
        unless(rules.width_max == u32::MAX, format!("width {}", rules.width_max)),
        unless(rules.edge_min == 0, format!("{} to {}×{}", rules.edge_min, rules.long_edge_max, rules.short_edge_max)),
        unless(!rules.square_pixels, "square".into()),
        unless(rules.any_codec, {
            let rate =
                if rules.sample_rate_max == u32::MAX { "any".into() } else { format!("{}", rules.sample_rate_max) };
            format!("{}, {} channels, {rate} Hz", if rules.aac_lc { "AAC-LC" } else { "AAC" }, rules.channels_max)
        }),
        unless(!rules.moov_first, "index first, not fragmented, no edits".into()),
    ]
}

/// The table of docs/media.md has the rules that the program holds media against, and their dates.
#[test]
fn the_table_of_rules_is_the_programs() {
    const NAMES: [&str; 14] = [
        "rule",
        "length",
        "size",
        "pictures",
        "colours",
        "bits of a sample",
        "bit rate",
        "frames a second",
        "width to height",
        "pixels across",
        "edges in pixels (a wish)",
        "pixels",
        "sound",
        "container",
    ];
    let rows = RULES.each_ref().map(row);
    let wanted: Vec<String> = NAMES
        .iter()
        .enumerate()
        .map(|(at, name)| format!("| {name} | {} |", rows.each_ref().map(|row| row[at].as_str()).join(" | ")))
        .collect();
    let document = read("docs/media.md");
    for line in &wanted {
        assert!(document.contains(line.as_str()), "docs/media.md lacks this line; all of them:\n{}", wanted.join("\n"));
    }
    for rules in &RULES {
        let source = format!("- {}: {}, read {}", rules.platform.title(), rules.source, rules.checked);
        assert!(document.contains(&source), "docs/media.md lacks: {source}");
    }
}
