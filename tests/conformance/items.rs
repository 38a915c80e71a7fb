//! The public items of the crate: what `src/lib.rs` and its public modules export, and the public
//! members of it. Relies
//! on the layout that rustfmt gives, and on the lint `unreachable_pub`: what is `pub` is exported.

use std::collections::{BTreeMap, BTreeSet};

use super::root;

/// What can be named in spec/items.tsv.
#[derive(Default)]
pub(super) struct Items {
    exported: BTreeSet<String>,
    members: BTreeMap<String, BTreeSet<String>>,
    /// Type aliases, with the type that they stand for.
    aliases: BTreeMap<String, String>,
    /// `Type::function` of those that are async.
    futures: BTreeSet<String>,
}

impl Items {
    /// The items of this crate.
    pub(super) fn of_the_crate() -> Self {
        let read = |file: &str| std::fs::read_to_string(root().join(file)).unwrap();
        let mut items = Self::default();
        let root = read("src/lib.rs");
        items.exports(&root);
        for module in root.lines().filter_map(public_module) {
            let file = [format!("src/{module}.rs"), format!("src/{module}/mod.rs")];
            let mut there = file.iter().filter(|file| super::root().join(file).exists());
            let text = read(there.next().unwrap());
            items.exports(&text);
            items.own_definitions(&text);
        }
        for file in super::rust_files("src") {
            if !file.contains("test") {
                items.definitions(&read(&file));
            }
        }
        items
    }

    /// Whether `Type`, `function` or `Type::member` is public.
    pub(super) fn has(&self, path: &str) -> bool {
        let (item, member) = match path.split_once("::") {
            Some((item, member)) => (item, Some(member)),
            None => (path, None),
        };
        let defined = self.aliases.get(item).map_or(item, String::as_str);
        let members = self.members.get(defined);
        self.exported.contains(item)
            && members.is_some_and(|members| member.is_none_or(|member| members.contains(member)))
    }

    /// The public structs, enums and traits.
    pub(super) fn types(&self) -> BTreeSet<&str> {
        let names = self.exported.iter().map(String::as_str);
        let is_type = |name: &&str| name.starts_with(char::is_uppercase);
        let is_alias = |name: &&str| self.aliases.contains_key(*name);
        names.filter(|n| is_type(n) && !is_alias(n)).collect()
    }

    /// The public async functions, as `Type::function`.
    pub(super) fn futures(&self) -> &BTreeSet<String> {
        &self.futures
    }

    /// The public members of a type, by their own names.
    pub(super) fn members(&self, item: &str) -> impl Iterator<Item = &str> {
        let defined = self.aliases.get(item).map_or(item, String::as_str);
        let members = self.members.get(defined).into_iter().flatten();
        members.map(String::as_str)
    }

    /// Takes in the names of `pub use` statements.
    fn exports(&mut self, text: &str) {
        let mut statement = String::new();
        for line in text.lines() {
            if statement.is_empty() && !line.starts_with("pub use ") {
                continue;
            }
            statement.push_str(line);
            if !line.ends_with(';') {
                continue;
            }
            let names = match statement.split_once('{') {
                Some((_, names)) => names.trim_end_matches("};"),
                None => statement.rsplit("::").next().unwrap().trim_end_matches(';'),
            };
            for name in names.split(',').map(str::trim).filter(|n| !n.is_empty()) {
                let name = name.rsplit(" as ").next().unwrap();
                self.exported.insert(name.to_owned());
            }
            statement.clear();
        }
    }

    /// Takes in what a public module defines itself.
    fn own_definitions(&mut self, text: &str) {
        let defined = text.lines().filter_map(definition);
        for (_, name) in defined.filter(|(word, _)| *word != "impl") {
            self.exported.insert(name.to_owned());
        }
    }

    /// Takes in the public definitions of a file, and the public members in their blocks.
    fn definitions(&mut self, text: &str) {
        let mut block: Option<(String, bool)> = None;
        for line in text.lines() {
            if let Some((name, variants)) = &block {
                if line == "}" {
                    block = None;
                } else if let Some(member) = member(line, *variants) {
                    if line.starts_with("    pub async fn ") {
                        self.futures.insert(format!("{name}::{member}"));
                    }
                    let members = self.members.entry(name.clone()).or_default();
                    members.insert(member.to_owned());
                }
                continue;
            }
            let Some((word, name)) = definition(line) else {
                continue;
            };
            if word != "impl" {
                self.members.entry(name.to_owned()).or_default();
            }
            if word == "type" {
                let target = line.split('=').nth(1).and_then(|t| identifier(t.trim()));
                let target = target.unwrap_or_default().to_owned();
                self.aliases.insert(name.to_owned(), target);
            } else if word != "fn" && line.ends_with('{') {
                block = Some((name.to_owned(), word == "enum"));
            }
        }
        // An alias of a foreign type has no members here; it is an item all the same.
        for name in self.aliases.keys() {
            self.members.entry(name.clone()).or_default();
        }
    }
}

/// `pub mod name;` -> name.
fn public_module(line: &str) -> Option<&str> {
    line.strip_prefix("pub mod ")?.strip_suffix(';')
}

/// `pub struct Name<…> {` -> struct, Name; `impl<'a> Name<'a> {` -> impl, Name.
fn definition(line: &str) -> Option<(&str, &str)> {
    if let Some(rest) = line.strip_prefix("impl") {
        let rest = match rest.strip_prefix('<') {
            // No generic of this crate nests brackets.
            Some(generic) => generic.split_once('>')?.1,
            None => rest,
        };
        let of_a_trait = rest.contains(" for ");
        let name = identifier(rest.strip_prefix(' ')?)?;
        return (!of_a_trait).then_some(("impl", name));
    }
    let rest = line.strip_prefix("pub ")?;
    let rest = rest.strip_prefix("async ").unwrap_or(rest);
    let (word, rest) = rest.split_once(' ')?;
    let known = ["struct", "enum", "type", "fn", "trait"];
    known.contains(&word).then_some((word, identifier(rest)?))
}

/// A public member: `    pub fn name`, `    pub name:`, or a variant.
fn member(line: &str, variants: bool) -> Option<&str> {
    let rest = line.strip_prefix("    ")?;
    if variants {
        let upper = rest.starts_with(|c: char| c.is_ascii_uppercase());
        return upper.then(|| identifier(rest)).flatten();
    }
    let rest = rest.strip_prefix("pub ")?;
    let rest = rest.strip_prefix("async ").unwrap_or(rest);
    let rest = rest.strip_prefix("const ").unwrap_or(rest);
    if let Some(method) = rest.strip_prefix("fn ") {
        return identifier(method);
    }
    let name = identifier(rest)?;
    rest[name.len()..].starts_with(':').then_some(name)
}

fn identifier(text: &str) -> Option<&str> {
    let end = text
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    (end > 0).then(|| &text[..end])
}

fn scanned() -> Items {
    let mut items = Items::default();
    items.exports("pub use a::b::{\n    Door, Wall,\n    Sort,\n};\npub use c::open_door;\npub use d::House as Home;\nuse e::Attic;\n");
    items.definitions(
        "pub struct Door {\n    pub width: u32,\n    height: u32,\n    pub(crate) lock: u8,\n}\n\n\
         impl Door {\n    pub fn open(&self) {\n        let x = Sort::Oak;\n    }\n\n    \
         pub async fn opened(\n        &self,\n    ) {\n    }\n\n    pub(crate) fn hinge(&self) {}\n    fn creak() {}\n}\n\n\
         impl<'a> Iterator for Door {\n    fn next() {}\n}\n\nimpl<T> Door {\n    pub const fn new() {}\n}\n",
    );
    items.definitions("pub enum Sort {\n    #[default]\n    Oak,\n    Steel {\n        Grade: u8,\n    },\n    Glass(u8),\n}\n\npub type Wall = Door;\n\npub async fn open_door() {}\n\npub struct Attic;\n");
    items
}

#[test]
fn public_items_and_members_are_found() {
    let items = scanned();
    let there = [
        "Door",
        "Door::width",
        "Door::open",
        "Door::opened",
        "Door::new",
        "Sort",
        "Sort::Oak",
        "Sort::Steel",
        "Sort::Glass",
        "Wall",
        "Wall::open",
        "open_door",
    ];
    for path in there {
        assert!(items.has(path), "{path}");
    }
}

#[test]
fn what_is_private_gone_or_not_exported_is_not_found() {
    let items = scanned();
    let missing = [
        "Door::height",
        "Door::lock",
        "Door::hinge",
        "Door::creak",
        "Door::next",
        "Door::shut",
        "Door::Oak",
        "Sort::Grade",
        "Sort::Iron",
        "Wall::paint",
        "Attic",
        "Home",
        "Gate",
        "Gate::open",
        "open_door::now",
        "shut_door",
        "",
    ];
    for path in missing {
        assert!(!items.has(path), "{path}");
    }
}

#[test]
fn the_scan_of_this_crate_knows_it() {
    let items = Items::of_the_crate();
    let there = [
        "RTCConnection::connect",
        "RTCConnectionEvent::Candidate",
        "RTCIceCandidateDescription::rel_port",
        "RTCMediaStreamTrack::play",
        "rtc_codec",
        "RTCRestrictions::validate",
        "RTCStats::timestamp",
    ];
    for path in there {
        assert!(items.has(path), "{path}");
    }
    // Private, of the engine, and never there.
    for path in ["RTCConnection::shared", "Engine", "RTCConnection::offer"] {
        assert!(!items.has(path), "{path}");
    }
}
