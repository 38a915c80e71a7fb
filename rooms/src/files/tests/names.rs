//! Names that want to lead out of the folder (row I1).

use std::path::Path;
use std::sync::Arc;

use super::super::name::sanitised;
use super::super::source::Item;
use super::super::{ReceiveOptions, Source};
use super::ends::{Folder, carry};

/// What components of paths have been made of to lead elsewhere.
const HOSTILE: [&str; 50] = [
    "..",
    "../x",
    "../../../../etc/passwd",
    "..\\x",
    "..\\..\\windows\\system32\\x",
    "/etc/passwd",
    "/",
    "//server/share",
    "\\\\server\\share\\x",
    "\\\\?\\C:\\x",
    "C:",
    "C:\\x",
    "c:x",
    "a/../../x",
    "a\\..\\..\\x",
    "./x",
    ".",
    "...",
    "",
    " ",
    " .. ",
    ".. ",
    "x.",
    "x ",
    "x. . .",
    "~",
    "~root",
    ".bashrc",
    ".ssh",
    "a\0b",
    "\0",
    "a\nb",
    "a\rb",
    "a\u{1b}[2J",
    "\u{202e}gpj.exe",
    "..\u{2215}x",
    "\u{ff0e}\u{ff0e}\u{ff0f}x",
    "\u{2024}\u{2024}/x",
    "..\u{200b}/x",
    "\u{feff}..",
    "x:stream",
    "x::$DATA",
    "con",
    "NUL.txt",
    "com1",
    "LPT9.x",
    "aux ",
    "x.ortc.part",
    "%2e%2e%2fx",
    "a|b<c>d\"e*f?",
];

/// Each, and in combinations and lengths.
fn hostile() -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for name in HOSTILE {
        let name = name.to_owned();
        all.push(vec![name.clone()]);
        all.push(vec![name.clone(), "inside".to_owned()]);
        all.push(vec!["folder".to_owned(), name.clone()]);
        all.push(vec![
            "..".to_owned(),
            name.clone(),
            "..".to_owned(),
            "y".to_owned(),
        ]);
        all.push(vec![format!("{name}/{name}")]);
        all.push(vec![format!("{}{name}", "long".repeat(1024))]);
    }
    assert!(all.len() >= 300);
    all
}

/// Offers the file under other paths.
async fn offered_as(file: &Path, paths: Vec<Vec<String>>) -> Arc<Source> {
    let mut source = Source::open([file]).await.unwrap();
    let entry = source.items[0].entry.clone();
    source.items = paths
        .into_iter()
        .map(|path| {
            let mut entry = entry.clone();
            entry.path = path;
            Item {
                entry,
                path: file.to_owned(),
            }
        })
        .collect();
    source.bytes = entry.size * source.items.len() as u64;
    Arc::new(source)
}

#[tokio::test]
async fn r_i01_hostile_names_stay_inside() {
    let (from, outer) = (Folder::new(), Folder::new());
    let file = from.write("file", b"hostile");
    outer.write("x", b"mine");
    let target = outer.join("target");
    std::fs::create_dir(&target).unwrap();
    std::fs::write(target.join("inside"), b"mine").unwrap();
    let paths = hostile();
    let count = paths.len();
    let source = offered_as(&file, paths).await;
    let (_, received) = carry(source, &target, ReceiveOptions::default()).await;
    let received = received.unwrap();
    assert_eq!(received.len(), count);
    for done in &received {
        assert!(done.hash.is_ok());
        assert!(
            done.path.starts_with(target.canonicalize().unwrap()),
            "{:?}",
            done.path
        );
        assert_eq!(std::fs::read(&done.path).unwrap(), b"hostile");
    }
    assert_eq!(std::fs::read(outer.join("x")).unwrap(), b"mine");
    assert_eq!(std::fs::read(target.join("inside")).unwrap(), b"mine");
    for name in outer.all() {
        assert!(name == "x" || name.starts_with("target"), "{name}");
        for component in Path::new(&name) {
            let component = component.to_str().unwrap();
            assert!(!component.starts_with('.') && !component.contains(['\\', ':', '\0']));
            assert!(component.len() <= 255);
        }
    }
}

/// What is sanitised once stays: a name cannot be made so that a second look changes it.
#[test]
fn r_i01_a_clean_name_is_clean() {
    for path in hostile() {
        for name in path {
            let clean = sanitised(&name);
            assert_eq!(sanitised(&clean), clean, "{name:?}");
            assert!(!clean.is_empty() && clean != "." && clean != "..");
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn r_i01_links_in_the_target_are_not_followed() {
    use std::os::unix::fs::symlink;
    let (from, outer) = (Folder::new(), Folder::new());
    let file = from.write("file", b"hostile");
    outer.write("secret", b"mine");
    let target = outer.join("target");
    std::fs::create_dir(&target).unwrap();
    symlink(outer.path(), target.join("up")).unwrap();
    symlink(outer.join("secret"), target.join("leaf")).unwrap();
    symlink(outer.join("new"), target.join("dangling")).unwrap();
    let path = |parts: &[&str]| vec![parts.iter().map(|part| (*part).to_owned()).collect()];

    for through in [&["up", "secret"][..], &["up", "new"], &["dangling", "x"]] {
        let source = offered_as(&file, path(through)).await;
        let (_, received) = carry(source, &target, ReceiveOptions::default()).await;
        let at = received.unwrap()[0].path.clone();
        let beside = target
            .canonicalize()
            .unwrap()
            .join(format!("{} (1)", through[0]));
        assert_eq!(at, beside.join(through[1]));
    }
    // A folder has the first other name of the second one by now.
    for (onto, name) in [("leaf", "leaf (1)"), ("dangling", "dangling (2)")] {
        let source = offered_as(&file, path(&[onto])).await;
        let (_, received) = carry(source, &target, ReceiveOptions::default()).await;
        assert_eq!(received.unwrap()[0].path.file_name().unwrap(), name);
    }
    assert_eq!(std::fs::read(outer.join("secret")).unwrap(), b"mine");
    assert!(!outer.join("new").exists());
}

/// A link or another name of a file where the part is to be: that file stays as it is.
#[cfg(unix)]
#[tokio::test]
async fn r_i01_a_planted_part_is_not_written_to() {
    let (from, to) = (Folder::new(), Folder::new());
    let file = from.write("file", &[7; 3_000_000]);
    let victim = to.write("victim", b"mine");
    let key = blake3::hash(b"key").to_string();
    let part = to.join(&format!("file.{}.ortc.part", &key[..8]));
    let state = to.join(&format!("file.{}.1.ortc.state", &key[..8]));
    std::fs::hard_link(&victim, &part).unwrap();
    std::os::unix::fs::symlink(&victim, &state).unwrap();
    let source = super::ends::source(&[&file]).await;
    carry(source, to.path(), ReceiveOptions::default())
        .await
        .1
        .unwrap();
    assert_eq!(std::fs::read(&victim).unwrap(), b"mine");
    assert_eq!(std::fs::read(to.join("file")).unwrap(), [7; 3_000_000]);
}
