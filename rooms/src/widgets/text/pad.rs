//! The text, and what two sides say to have the same one.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{
    Doc, GetString, OffsetKind, Options, ReadTxn, StateVector, Text as _, TextRef, Transact, Update,
};

use super::message::{Piece, Text, TextHave, TextWant};
use crate::signalling::UserId;

/// Units of UTF-16 of the text at most, of what this side writes.
pub const MAX_TEXT: usize = 256 * 1024;
/// Bytes of the state at most; each update of others counts until it is measured again.
const MAX_STATE: usize = 4 * 1024 * 1024;
/// Base64 of one message.
const PIECE: usize = 32 * 1024;
/// How long an answer may take before another is asked, in milliseconds.
const PATIENCE: u64 = 5_000;
/// Updates that are kept by themselves.
const JOURNAL: usize = 100;
/// The name under which pages have it.
const NAME: &str = "text";

/// What another has changed: in characters of the text, as it was before.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TextChange {
    /// Where.
    pub at: usize,
    /// So many characters are gone.
    pub deleted: usize,
    /// These are there instead.
    pub inserted: String,
}

/// Whom something is said to: one, or all.
pub(super) type To = Option<UserId>;

#[derive(Debug, Default, PartialEq)]
pub(super) struct Heard {
    pub(super) change: Option<TextChange>,
    pub(super) say: Vec<(To, Text)>,
}

pub(super) struct Pad {
    doc: Doc,
    text: TextRef,
    /// What others said that they have, as far as it was not asked for.
    haves: BTreeMap<UserId, TextHave>,
    /// Who is asked, and since when.
    asked: Option<(UserId, u64)>,
    /// Updates and answers of which more is to come.
    pieces: BTreeMap<(UserId, bool), String>,
    taken: usize,
    /// The state that there was, and what was applied since.
    journal: Vec<Vec<u8>>,
    /// Something that came rests on what did not.
    missing: bool,
    pub(super) refused: u64,
}

/// How a message came out: `None` if it may not be said.
type Taken = Option<Option<TextChange>>;

impl Pad {
    pub(super) fn new() -> Self {
        let (doc, text) = document();
        Self {
            doc,
            text,
            haves: BTreeMap::new(),
            asked: None,
            pieces: BTreeMap::new(),
            taken: 0,
            journal: Vec::new(),
            missing: false,
            refused: 0,
        }
    }

    pub(super) fn text(&self) -> String {
        self.text.get_string(&self.doc.transact())
    }

    // -- This user's part

    /// Puts a text in the place of so many characters; what is to be told. `None` if there is no
    /// such place, or too much text.
    pub(super) fn edit(&mut self, at: usize, deleted: usize, inserted: &str) -> Option<Vec<Text>> {
        let text = self.text();
        let units = |count: usize| -> Option<usize> {
            let before: usize = text.chars().take(count).map(char::len_utf16).sum();
            (count <= text.chars().count()).then_some(before)
        };
        let begin = units(at)?;
        let end = units(at.checked_add(deleted)?)?;
        let all: usize = text.chars().map(char::len_utf16).sum();
        let gone = end.saturating_sub(begin);
        let added = inserted.encode_utf16().count();
        if added > 0 && all.saturating_sub(gone).saturating_add(added) > MAX_TEXT {
            return None;
        }
        let (begin, gone) = (u32::try_from(begin).ok()?, u32::try_from(gone).ok()?);
        if gone == 0 && added == 0 {
            return Some(Vec::new());
        }
        let mut transaction = self.doc.transact_mut();
        if gone > 0 {
            self.text.remove_range(&mut transaction, begin, gone);
        }
        if added > 0 {
            self.text.insert(&mut transaction, begin, inserted);
        }
        let update = transaction.encode_update_v1();
        drop(transaction);
        let told = pieces(&update, Text::Update);
        self.journal.push(update);
        self.summarise();
        Some(told)
    }

    // -- What others say

    fn vector(&self) -> StateVector {
        self.doc.transact().state_vector()
    }

    pub(super) fn have(&self) -> Text {
        Text::Have(TextHave {
            vector: STANDARD.encode(self.vector().encode_v1()),
            sum: sum(&self.text()),
        })
    }

    /// Whether anybody has ever written.
    pub(super) fn is_touched(&self) -> bool {
        !self.vector().is_empty()
    }

    /// All, for one who cannot ask.
    pub(super) fn all(&self) -> Vec<Text> {
        let update = self.doc.transact().encode_diff_v1(&StateVector::default());
        pieces(&update, Text::Kept)
    }

    pub(super) fn left(&mut self, who: &UserId) {
        self.haves.remove(who);
        self.pieces.retain(|(from, _), _| from != who);
        self.asked.take_if(|(of, _)| of == who);
    }

    pub(super) fn hear(&mut self, from: &UserId, text: Text, now: u64) -> Heard {
        let mut heard = Heard::default();
        let taken = match text {
            Text::Have(have) => read_vector(&have.vector).map(|_| {
                self.haves.insert(from.clone(), have);
                heard.say.extend(self.ask(now));
                None
            }),
            Text::Want(want) => read_vector(&want.vector).map(|vector| {
                let update = self.doc.transact().encode_diff_v1(&vector);
                let kept = pieces(&update, Text::Kept);
                heard
                    .say
                    .extend(kept.into_iter().map(|piece| (Some(from.clone()), piece)));
                None
            }),
            Text::Update(piece) => self.take(from, piece, false),
            Text::Kept(piece) => {
                let last = !piece.more;
                let taken = self.take(from, piece, true);
                if last {
                    self.asked.take_if(|(of, _)| of == from);
                    heard.say.extend(self.ask(now));
                    // It may lack what this side has.
                    if matches!(taken, Some(Some(_))) {
                        heard.say.push((Some(from.clone()), self.have()));
                    }
                }
                taken
            }
        };
        if std::mem::take(&mut self.missing) && !self.waits(now) {
            heard.say.push(self.want(from.clone(), now));
        }
        match taken {
            Some(change) => heard.change = change,
            None => self.refused = self.refused.saturating_add(1),
        }
        heard
    }

    /// Asks for what others have and this side has not, one at a time.
    fn ask(&mut self, now: u64) -> Option<(To, Text)> {
        if self.waits(now) {
            return None;
        }
        let own = self.vector();
        let shown = sum(&self.text());
        while let Some((from, have)) = self.haves.pop_first() {
            let Some(vector) = read_vector(&have.vector) else {
                continue;
            };
            let more = vector
                .iter()
                .any(|(client, clock)| own.get(client) < *clock);
            if more || (own == vector && have.sum != shown) {
                return Some(self.want(from, now));
            }
        }
        None
    }

    fn waits(&self, now: u64) -> bool {
        let waits = |(_, at): &(UserId, u64)| at.saturating_add(PATIENCE) > now;
        self.asked.as_ref().is_some_and(waits)
    }

    fn want(&mut self, from: UserId, now: u64) -> (To, Text) {
        let vector = STANDARD.encode(self.vector().encode_v1());
        self.asked = Some((from.clone(), now));
        (Some(from), Text::Want(TextWant { vector }))
    }

    fn take(&mut self, from: &UserId, piece: Piece, kept: bool) -> Taken {
        let key = (from.clone(), kept);
        let mut whole = self.pieces.remove(&key).unwrap_or_default();
        if whole.len().saturating_add(piece.data.len()) > MAX_STATE {
            return None;
        }
        whole.push_str(&piece.data);
        if piece.more {
            self.pieces.insert(key, whole);
            return Some(None);
        }
        let update = STANDARD.decode(whole).ok()?;
        self.taken = self.taken.saturating_add(update.len());
        if self.taken > MAX_STATE {
            let state = self.doc.transact().encode_diff_v1(&StateVector::default());
            self.taken = state.len().saturating_add(update.len());
        }
        if self.taken > MAX_STATE {
            self.taken = self.taken.saturating_sub(update.len());
            return None;
        }
        let before = self.text();
        let read = guarded(|| Update::decode_v1(&update).ok()).flatten()?;
        let doc = &self.doc;
        let applied = guarded(|| doc.transact_mut().apply_update(read).is_ok());
        match applied {
            Some(true) => self.journal.push(update),
            Some(false) => return None,
            None => {
                self.restore();
                return None;
            }
        }
        self.summarise();
        if self.doc.transact().has_missing_updates() {
            self.missing = true;
        }
        Some(change(&before, &self.text()))
    }

    /// A state to go back to is at hand: a summary, and the updates since.
    fn summarise(&mut self) {
        let size: usize = self.journal.iter().skip(1).map(Vec::len).sum();
        if self.journal.len() > JOURNAL || size > PIECE {
            let state = self.doc.transact().encode_diff_v1(&StateVector::default());
            self.journal = vec![state];
        }
    }

    /// The document as it was before an update that it failed on.
    fn restore(&mut self) {
        let (doc, text) = document();
        for update in &self.journal {
            if let Ok(update) = Update::decode_v1(update) {
                let _ = doc.transact_mut().apply_update(update);
            }
        }
        self.doc = doc;
        self.text = text;
    }
}

impl std::fmt::Debug for Pad {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pad")
            .field("refused", &self.refused)
            .finish_non_exhaustive()
    }
}

fn document() -> (Doc, TextRef) {
    let options = Options {
        offset_kind: OffsetKind::Utf16,
        ..Options::default()
    };
    let doc = Doc::with_options(options);
    let text = doc.get_or_insert_text(NAME);
    (doc, text)
}

/// `yrs` panics at some bytes that nobody writes by mistake; its state is not used after that.
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

fn pieces(update: &[u8], kind: impl Fn(Piece) -> Text) -> Vec<Text> {
    let whole = STANDARD.encode(update);
    let mut rest = whole.as_str();
    let mut told = Vec::new();
    // Base64 is ASCII: it can be cut anywhere.
    while let Some((data, after)) = rest
        .split_at_checked(PIECE)
        .filter(|(_, after)| !after.is_empty())
    {
        told.push(kind(Piece {
            data: data.to_owned(),
            more: true,
        }));
        rest = after;
    }
    told.push(kind(Piece {
        data: rest.to_owned(),
        more: false,
    }));
    told
}

/// A state vector has at least two bytes of each entry that it announces.
fn read_vector(text: &str) -> Option<StateVector> {
    if text.len() > PIECE {
        return None;
    }
    let bytes = STANDARD.decode(text).ok()?;
    let mut count = 0_usize;
    for (at, byte) in bytes.iter().enumerate().take(4) {
        count |= usize::from(byte & 0x7f) << (at.saturating_mul(7));
        if byte & 0x80 == 0 {
            let fits = count.saturating_mul(2) < bytes.len();
            let read = || StateVector::decode_v1(&bytes).ok();
            return fits.then(|| guarded(read).flatten())?;
        }
    }
    None
}

fn sum(text: &str) -> u32 {
    let add = |sum: u32, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    text.bytes().fold(0x811c_9dc5, add)
}

/// What is another between the same beginning and the same end.
fn change(before: &str, after: &str) -> Option<TextChange> {
    if before == after {
        return None;
    }
    let at = before
        .chars()
        .zip(after.chars())
        .take_while(|(old, new)| old == new)
        .count();
    let (old, new) = (before.chars().count(), after.chars().count());
    let most = old.min(new).saturating_sub(at);
    let ends = before.chars().rev().zip(after.chars().rev());
    let end = ends.take(most).take_while(|(old, new)| old == new).count();
    let inserted = new.saturating_sub(at).saturating_sub(end);
    Some(TextChange {
        at,
        deleted: old.saturating_sub(at).saturating_sub(end),
        inserted: after.chars().skip(at).take(inserted).collect(),
    })
}
