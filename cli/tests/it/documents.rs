//! What stands beside the packages.

use std::path::Path;

/// What a newcomer looks for, and what the picture shows.
#[test]
fn c002_c098_c101_d004_d007_d052_d060_d062_documents_are_there_and_true() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap();
    let readme = read("README.md");
    for file in [
        "FAQ.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "spec/features.md",
        "spec/architecture.svg",
    ] {
        assert!(root.join(file).exists() && readme.contains(file), "{file}");
    }
    assert!(readme.contains("tests/run") && root.join("tests/run").exists());
    assert!(read("CHANGELOG.md").contains("keepachangelog.com"));
    assert!(read("SECURITY.md").to_lowercase().contains("report"));
    let picture = read("spec/architecture.svg");
    for package in ["rooms", "server", "cli"] {
        let manifest = read(&format!("{package}/Cargo.toml"));
        assert!(
            manifest.contains("license = \"MIT OR Apache-2.0\""),
            "{package}"
        );
        // Undocumented items are warnings, and warnings are errors before a change lands.
        assert!(manifest.contains("[lints]\nworkspace = true"), "{package}");
        assert!(picture.contains(&format!(">ortc-{package}<")), "{package}");
        assert!(root.join(package).join("README.md").exists());
    }
    assert!(read("Cargo.toml").contains("missing_docs = \"warn\""));
    // Each box is a module.
    let boxes = picture
        .lines()
        .filter(|line| line.contains("class=\"m\"") && line.contains("middle"));
    for line in boxes {
        let name = line.split('>').nth(1).unwrap().split('<').next().unwrap();
        let source = root.join("src");
        let there = source.join(name).exists() || source.join(format!("{name}.rs")).exists();
        assert!(there, "src/{name} is in the picture and not in the crate");
    }
}

/// Row E9: what a machine is set up with is what this server takes.
#[test]
fn d001_e09_a_machine_is_set_up_by_what_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap();
    let (unit, readme) = (read("server/deploy/ortc.service"), read("server/README.md"));
    let state = std::env::temp_dir().join(format!("ortc-unit-{}", std::process::id()));
    let mut check = std::process::Command::new(env!("CARGO_BIN_EXE_ortc"));
    check.args(["serve", "--check"]);
    let lines = unit
        .lines()
        .filter_map(|line| line.strip_prefix("Environment="));
    for setting in lines.flat_map(str::split_whitespace) {
        let (name, value) = setting.split_once('=').unwrap();
        match name {
            "ORTC_STATE_DIR" => check.env(name, &state),
            _ => check.env(name, value),
        };
    }
    let checked = check.output().unwrap();
    let _ = std::fs::remove_dir_all(&state);
    assert!(checked.status.success(), "{checked:?}");
    assert!(unit.contains("ExecStart=/usr/local/bin/ortc serve\n"));
    let container = read("server/deploy/Containerfile");
    assert!(container.contains("ENTRYPOINT [\"/ortc\", \"serve\"]"));
    for file in ["deploy/ortc.service", "deploy/Containerfile"] {
        assert!(readme.contains(&format!("({file})")), "{file}");
    }
}
