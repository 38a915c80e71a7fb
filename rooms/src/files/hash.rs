//! BLAKE3 by blocks: what each block is checked by makes up the hash of the whole file.
//!
//! The hash of a block is its chaining value in the tree of the file, so nothing is hashed twice;
//! a file of one block has the file's hash as that of its block.

use std::fmt;

use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes of a block; the last one of a file may have fewer.
pub(super) const BLOCK: u64 = 1024 * 1024;

/// A BLAKE3 hash, as `b3sum` shows it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 64 hexadecimal digits.
    pub(super) fn from_hex(text: &str) -> Option<Self> {
        blake3::Hash::from_hex(text)
            .ok()
            .map(|hash| Self(hash.into()))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from(self.0).to_hex())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_hex(&text).ok_or_else(|| serde::de::Error::custom("no hash"))
    }
}

/// How many blocks a file of this size has.
pub(super) fn blocks(size: u64) -> u64 {
    size.div_ceil(BLOCK)
}

/// How many bytes the block has.
pub(super) fn block_size(size: u64, index: u64) -> u64 {
    let before = index.saturating_mul(BLOCK);
    size.saturating_sub(before).min(BLOCK)
}

/// The hash of a block of a file of this size.
pub(super) fn hash_block(size: u64, index: u64, data: &[u8]) -> Hash {
    if size <= BLOCK || data.is_empty() {
        return Hash(blake3::hash(data).into());
    }
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(index.saturating_mul(BLOCK));
    hasher.update(data);
    Hash(hasher.finalize_non_root())
}

/// The same of a block in pieces.
pub(super) fn hash_pieces(size: u64, index: u64, pieces: &[Bytes]) -> Hash {
    if let [whole] = pieces {
        return hash_block(size, index, whole);
    }
    let mut hasher = blake3::Hasher::new();
    let part = size > BLOCK;
    if part {
        hasher.set_input_offset(index.saturating_mul(BLOCK));
    }
    for piece in pieces {
        hasher.update(piece);
    }
    match part {
        true => Hash(hasher.finalize_non_root()),
        false => Hash(hasher.finalize().into()),
    }
}

/// The blocks of a file that are there, from the first on.
#[derive(Clone, Default)]
pub(super) struct Tree {
    count: u64,
    /// Roots of complete subtrees, the largest first.
    stack: Vec<[u8; 32]>,
    /// Over the hashes themselves.
    listed: blake3::Hasher,
}

impl Tree {
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Takes the next block.
    pub(super) fn push(&mut self, hash: Hash) {
        // A subtree is complete only once something comes after it: the last merge is the root's.
        while self.stack.len() > self.count.count_ones() as usize {
            self.merge();
        }
        self.stack.push(hash.0);
        self.listed.update(&hash.0);
        self.count = self.count.saturating_add(1);
    }

    fn merge(&mut self) {
        if let (Some(right), Some(left)) = (self.stack.pop(), self.stack.pop()) {
            self.stack
                .push(merge_subtrees_non_root(&left, &right, Mode::Hash));
        }
    }

    /// Names all the blocks so far: two sides that have the same ones have the same name.
    pub(super) fn prefix(&self) -> Hash {
        Hash(self.listed.finalize().into())
    }

    /// The hash of the file whose blocks these are.
    pub(super) fn root(mut self) -> Hash {
        while self.stack.len() > 2 {
            self.merge();
        }
        match self.stack.as_slice() {
            [left, right] => Hash(merge_subtrees_root(left, right, Mode::Hash).into()),
            [only] => Hash(*only),
            _ => Hash(blake3::hash(&[]).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks of 1 MiB and a rest make the hash that BLAKE3 has for the whole.
    #[test]
    fn c44_the_blocks_of_a_file_make_its_hash() {
        let data: Vec<u8> = (0..BLOCK as usize * 7 + 4321)
            .map(|n| (n * 31 + n / 977) as u8)
            .collect();
        let sizes = [
            0,
            1,
            1023,
            1024,
            1025,
            BLOCK - 1,
            BLOCK,
            BLOCK + 1,
            BLOCK * 2,
        ];
        let more = [BLOCK * 3, BLOCK * 4 + 1, BLOCK * 5 + 1024, BLOCK * 7 + 4321];
        for size in sizes.into_iter().chain(more) {
            let data = &data[..size as usize];
            let mut tree = Tree::default();
            for (index, block) in data.chunks(BLOCK as usize).enumerate() {
                assert_eq!(block.len() as u64, block_size(size, index as u64));
                let hash = hash_block(size, index as u64, block);
                for piece in [1000, 65_536] {
                    let pieces: Vec<Bytes> =
                        block.chunks(piece).map(Bytes::copy_from_slice).collect();
                    assert_eq!(hash_pieces(size, index as u64, &pieces), hash);
                }
                tree.push(hash);
            }
            assert_eq!(tree.count(), blocks(size));
            let whole = blake3::hash(data);
            assert_eq!(tree.root().to_string(), whole.to_string(), "{size} bytes");
        }
    }
}
