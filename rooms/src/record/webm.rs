//! WebM and Matroska (RFC 9559), written so that what is there can be played at any time.
//!
//! The segment's size is unknown while it grows; each cluster goes out whole, about once a
//! second. At a clean end the size, the duration and the index are put in.

use std::io::{self, Seek, SeekFrom, Write};

use webm_iterable::WebmWriter;
use webm_iterable::WriteOptions;
use webm_iterable::matroska_spec::{Master, MatroskaSpec as Tag};

use super::blocks::{Block, Blocks};
use super::codec::{Picture, RecordedCodec};

/// Identifier and size of a segment, which stand before its children.
const SEGMENT_HEAD: usize = 12;
/// Room for the places of what is in the segment, which are known at the end.
const SEEK_ROOM: usize = 96;
/// `Duration` with its eight bytes.
const DURATION: usize = 11;
/// Points of the index, at least a second from each other at first.
const MAX_CUES: usize = 10_000;

/// A track of the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Track {
    pub(super) codec: RecordedCodec,
    /// Of its first key frame.
    pub(super) picture: Option<Picture>,
}

/// A file that grows.
pub(super) struct Muxer<W: Write + Seek> {
    out: W,
    blocks: Blocks,
    /// Where the segment's children begin.
    start: u64,
    info: u64,
    tracks: u64,
    duration_at: u64,
    written: u64,
    cues: Vec<Cue>,
    /// Milliseconds between points of the index.
    cue_every: u64,
    /// The track that the index is of.
    indexed: u64,
    /// When the last block ends, in milliseconds.
    end: u64,
}

struct Cue {
    time: u64,
    cluster: u64,
}

impl<W: Write + Seek> Muxer<W> {
    /// Writes all that goes before the media.
    pub(super) fn new(mut out: W, tracks: &[Track]) -> io::Result<Self> {
        let webm = tracks.iter().all(|track| track.codec.is_webm());
        out.write_all(&head(webm)?)?;
        let start = out.stream_position()?;
        out.write_all(&void(SEEK_ROOM)?)?;
        let info = out.stream_position()?;
        out.write_all(&children(&[Tag::Info(Master::Full(vec![
            Tag::TimestampScale(1_000_000),
            Tag::MuxingApp("ortc".into()),
            Tag::WritingApp("ortc".into()),
            // Becomes the duration.
            Tag::Void(vec![0; DURATION.saturating_sub(2)]),
        ]))])?)?;
        let tracks_at = out.stream_position()?;
        let entries = tracks
            .iter()
            .zip(1..)
            .map(|(track, number)| entry(track, number));
        out.write_all(&children(&[Tag::Tracks(Master::Full(entries.collect()))])?)?;
        let written = out.stream_position()?;
        out.flush()?;
        let video = tracks
            .iter()
            .zip(1..)
            .find(|(track, _)| track.picture.is_some());
        Ok(Self {
            out,
            blocks: Blocks::default(),
            start,
            info,
            tracks: tracks_at,
            duration_at: tracks_at.saturating_sub(DURATION as u64),
            written,
            cues: Vec::new(),
            cue_every: 1_000,
            indexed: video.map_or(1, |(_, number)| number),
            end: 0,
        })
    }

    /// A frame of a track, whose number is from 1 on, at so many milliseconds from the beginning.
    pub(super) fn block(&mut self, block: Block) -> io::Result<()> {
        if self.blocks.is_due(&block) {
            self.flush()?;
        }
        self.end = self.end.max(block.time.saturating_add(block.lasts));
        self.blocks.push(block);
        Ok(())
    }

    /// Writes what waits.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let Some((first, blocks)) = self.blocks.take() else {
            return Ok(());
        };
        let begins = blocks.iter().find(|block| {
            let last = self
                .cues
                .last()
                .map(|cue| cue.time.saturating_add(self.cue_every));
            block.key && block.track == self.indexed && last.is_none_or(|last| block.time >= last)
        });
        if let Some(block) = begins {
            self.cues.push(Cue {
                time: block.time,
                cluster: self.written.saturating_sub(self.start),
            });
            if self.cues.len() >= MAX_CUES {
                let mut odd = false;
                self.cues.retain(|_| {
                    odd = !odd;
                    odd
                });
                self.cue_every = self.cue_every.saturating_mul(2);
            }
        }
        let mut cluster = vec![Tag::Timestamp(first)];
        let simple = |block: Block| Tag::SimpleBlock(block.simple(first));
        cluster.extend(blocks.into_iter().map(simple));
        let bytes = children(&[Tag::Cluster(Master::Full(cluster))])?;
        self.out.write_all(&bytes)?;
        self.out.flush()?;
        self.written = self.written.saturating_add(bytes.len() as u64);
        Ok(())
    }

    /// How long it is by now, in milliseconds.
    pub(super) fn duration(&self) -> u64 {
        self.end
    }

    /// Puts in what is known at the end only.
    pub(super) fn finish(mut self) -> io::Result<(W, u64)> {
        self.flush()?;
        let cues_at = self.written.saturating_sub(self.start);
        let points = std::mem::take(&mut self.cues);
        if !points.is_empty() {
            let track = self.indexed;
            let points = points.into_iter().map(|cue| {
                Tag::CuePoint(Master::Full(vec![
                    Tag::CueTime(cue.time),
                    Tag::CueTrackPositions(Master::Full(vec![
                        Tag::CueTrack(track),
                        Tag::CueClusterPosition(cue.cluster),
                    ])),
                ]))
            });
            let bytes = children(&[Tag::Cues(Master::Full(points.collect()))])?;
            self.out.write_all(&bytes)?;
            self.written = self.written.saturating_add(bytes.len() as u64);
        }
        let has_cues = self.written.saturating_sub(self.start) > cues_at;
        self.put(self.start, &self.seek_head(has_cues.then_some(cues_at))?)?;
        let mut duration = vec![0x44, 0x89, 0x88];
        // The scale is milliseconds.
        duration.extend_from_slice(&(self.end as f64).to_be_bytes());
        self.put(self.duration_at, &duration)?;
        let size = self.written.saturating_sub(self.start);
        let size = (1_u64 << 56 | size).to_be_bytes();
        self.put(self.start.saturating_sub(8), &size)?;
        self.out.flush()?;
        Ok((self.out, self.written))
    }

    fn put(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.out.seek(SeekFrom::Start(at))?;
        self.out.write_all(bytes)
    }

    /// Where things are, and nothing in the rest of the room.
    fn seek_head(&self, cues: Option<u64>) -> io::Result<Vec<u8>> {
        let info = self.info.saturating_sub(self.start);
        let tracks = self.tracks.saturating_sub(self.start);
        let places = [
            (0x1549_a966_u32, Some(info)),
            (0x1654_ae6b, Some(tracks)),
            (0x1c53_bb6b, cues),
        ];
        let seeks = places.into_iter().filter_map(|(id, at)| {
            Some(Tag::Seek(Master::Full(vec![
                Tag::SeekID(id.to_be_bytes().to_vec()),
                Tag::SeekPosition(at?),
            ])))
        });
        let mut bytes = children(&[Tag::SeekHead(Master::Full(seeks.collect()))])?;
        let rest = SEEK_ROOM.saturating_sub(bytes.len());
        bytes.extend(void(rest)?);
        Ok(bytes)
    }
}

/// EBML header, and the beginning of a segment without end.
fn head(webm: bool) -> io::Result<Vec<u8>> {
    let kind = if webm { "webm" } else { "matroska" };
    let mut writer = WebmWriter::new(Vec::new());
    let header = Tag::Ebml(Master::Full(vec![
        Tag::EbmlVersion(1),
        Tag::EbmlReadVersion(1),
        Tag::EbmlMaxIdLength(4),
        Tag::EbmlMaxSizeLength(8),
        Tag::DocType(kind.into()),
        Tag::DocTypeVersion(4),
        Tag::DocTypeReadVersion(2),
    ]));
    writer.write(&header).map_err(io::Error::other)?;
    begin_segment(&mut writer)?;
    writer.into_inner().map_err(io::Error::other)
}

fn begin_segment(writer: &mut WebmWriter<Vec<u8>>) -> io::Result<()> {
    let open = WriteOptions::is_unknown_sized_element();
    let segment = Tag::Segment(Master::Start);
    writer
        .write_advanced(&segment, open)
        .map_err(io::Error::other)
}

/// The bytes of what stands in a segment.
fn children(tags: &[Tag]) -> io::Result<Vec<u8>> {
    let mut writer = WebmWriter::new(Vec::new());
    begin_segment(&mut writer)?;
    for tag in tags {
        writer.write(tag).map_err(io::Error::other)?;
    }
    let mut bytes = writer.into_inner().map_err(io::Error::other)?;
    bytes.drain(..SEGMENT_HEAD.min(bytes.len()));
    Ok(bytes)
}

/// So many bytes of nothing: at least two, less than 129.
fn void(bytes: usize) -> io::Result<Vec<u8>> {
    children(&[Tag::Void(vec![0; bytes.saturating_sub(2)])])
}

fn entry(track: &Track, number: u64) -> Tag {
    let codec = track.codec;
    let mut tags = vec![
        Tag::TrackNumber(number),
        Tag::TrackUID(number),
        Tag::TrackType(if codec == RecordedCodec::Opus { 2 } else { 1 }),
        Tag::FlagLacing(0),
        Tag::CodecID(codec.matroska().into()),
    ];
    match &track.picture {
        Some(picture) => {
            if let Some(private) = &picture.private {
                tags.push(Tag::CodecPrivate(private.to_vec()));
            }
            tags.push(Tag::Video(Master::Full(vec![
                Tag::PixelWidth(u64::from(picture.width)),
                Tag::PixelHeight(u64::from(picture.height)),
            ])));
        }
        None => {
            tags.push(Tag::CodecPrivate(opus_head()));
            // RFC 9559 section 5.1.4.1.26: 80 ms, until a decoder has converged.
            tags.push(Tag::SeekPreRoll(80_000_000));
            tags.push(Tag::Audio(Master::Full(vec![
                Tag::SamplingFrequency(48_000.0),
                Tag::Channels(2),
            ])));
        }
    }
    Tag::TrackEntry(Master::Full(tags))
}

/// RFC 7845 section 5.1: stereo, no pre-skip, from 48 kHz, no gain.
pub(super) fn opus_head() -> Vec<u8> {
    let mut head = b"OpusHead".to_vec();
    head.extend_from_slice(&[1, 2]);
    head.extend_from_slice(&0_u16.to_le_bytes());
    head.extend_from_slice(&48_000_u32.to_le_bytes());
    head.extend_from_slice(&[0, 0, 0]);
    head
}
