//! Dependency descriptors (AV1 RTP payload format, appendix A): the number of a frame, and its
//! temporal layer by the templates that come with key frames.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

/// Where a descriptor has the number of its frame: after a byte (section A.8.3,
/// mandatory_descriptor_fields).
const FRAME_NUMBER: std::ops::Range<usize> = 1..3;
/// The mandatory fields; the others follow if there is more.
const MANDATORY: usize = 3;
/// Identifiers of templates have six bits.
const MAX_TEMPLATES: usize = 64;
/// A frame that who gets it may go on from with a decode target (section A.5).
const SWITCH: u32 = 2;

/// Writes a dependency descriptor anew, with so much added to the number of its frame. `None` if it
/// has none, or does not fit.
pub(crate) fn renumber_descriptor<'a>(
    value: &[u8],
    by: u16,
    into: &'a mut [u8; 255],
) -> Option<&'a [u8]> {
    let own = frame_number(value)?;
    let into = into.get_mut(..value.len())?;
    into.copy_from_slice(value);
    let number = own.wrapping_add(by).to_be_bytes();
    into.get_mut(FRAME_NUMBER)?.copy_from_slice(&number);
    Some(into)
}

pub(super) fn frame_number(descriptor: &[u8]) -> Option<u16> {
    let bytes = descriptor.get(FRAME_NUMBER)?;
    Some(u16::from_be_bytes(bytes.try_into().ok()?))
}

/// What a template says of its frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Template {
    /// The temporal layer.
    pub(super) temporal: u8,
    /// Who gets such a frame may have layers up to this one from there on.
    pub(super) opens: u8,
}

/// The templates of a stream, until a key frame brings others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Templates {
    offset: u8,
    templates: Vec<Template>,
}

impl Templates {
    /// Takes those that a descriptor brings, if any.
    pub(crate) fn note(&mut self, descriptor: &[u8]) {
        if let Some(new) = Self::read(descriptor) {
            *self = new;
        }
    }

    /// That of a frame, by its descriptor.
    pub(super) fn of(&self, descriptor: &[u8]) -> Option<Template> {
        let id = descriptor.first()? & 0x3f;
        // Section A.8.2, frame_dependency_definition.
        let index = id.wrapping_sub(self.offset) & 0x3f;
        let mut template = *self.templates.get(usize::from(index))?;
        let has_own_indications = descriptor
            .get(MANDATORY)
            .is_some_and(|flags| flags & 0x20 != 0);
        if has_own_indications {
            template.opens = 0;
        }
        Some(template)
    }

    /// Section A.8.2: extended_descriptor_fields, template_dependency_structure.
    fn read(descriptor: &[u8]) -> Option<Self> {
        let mut bits = Bits::new(descriptor.get(MANDATORY..)?);
        let is_there = bits.take(1)? == 1;
        if !is_there {
            return None;
        }
        // Whether targets are named, and what this frame has of its own.
        bits.take(4)?;
        let offset = u8::try_from(bits.take(6)?).ok()?;
        let targets = bits.take(5)?.saturating_add(1);
        let mut templates = Vec::new();
        let mut temporal = 0u8;
        loop {
            templates.push(Template { temporal, opens: 0 });
            match bits.take(2)? {
                0 => {}
                1 => temporal = temporal.checked_add(1)?,
                2 => temporal = 0,
                _ => break,
            }
            if templates.len() == MAX_TEMPLATES {
                return None;
            }
        }
        // What each template is for each target; a target's layer is the highest of its frames.
        let mut switches = Vec::new();
        let mut layers = vec![0u8; usize::try_from(targets).ok()?];
        for (index, template) in templates.iter().enumerate() {
            for (target, layer) in layers.iter_mut().enumerate() {
                let indication = bits.take(2)?;
                if indication != 0 {
                    *layer = template.temporal.max(*layer);
                }
                if indication == SWITCH {
                    switches.push((index, target));
                }
            }
        }
        for (index, target) in switches {
            if let (Some(template), Some(layer)) = (templates.get_mut(index), layers.get(target)) {
                template.opens = template.opens.max(*layer);
            }
        }
        Some(Self { offset, templates })
    }
}

/// Bits from the highest of the first byte on.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0u32;
        for _ in 0..count {
            let byte = self.data.get(self.at / 8)?;
            let bit = (byte >> (7 - self.at % 8)) & 1;
            value = (value << 1) | u32::from(bit);
            self.at = self.at.checked_add(1)?;
        }
        Some(value)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    /// A descriptor with templates: each has the step of layers that leads to it from the one
    /// before, and its indications, of which there are as many as targets.
    pub(crate) fn with_templates(id: u8, offset: u8, templates: &[(u8, &str)]) -> Vec<u8> {
        let mut bits = String::from("10000");
        bits += &format!("{offset:06b}{:05b}", templates[0].1.len() - 1);
        for (step, _) in &templates[1..] {
            bits += &format!("{step:02b}");
        }
        bits += "11";
        for indication in templates.iter().flat_map(|(_, all)| all.chars()) {
            bits += match indication {
                '-' => "00",
                'D' => "01",
                'S' => "10",
                _ => "11",
            };
        }
        let mut descriptor = vec![0xc0 | id, 0, 7];
        while !bits.is_empty() {
            let rest = bits.split_off(bits.len().min(8));
            descriptor.push(u8::from_str_radix(&format!("{bits:0<8}"), 2).unwrap());
            bits = rest;
        }
        descriptor
    }

    fn of(templates: &Templates, id: u8) -> Option<(u8, u8)> {
        let found = templates.of(&[0xc0 | id, 0, 8])?;
        Some((found.temporal, found.opens))
    }

    #[test]
    fn three_temporal_layers_and_what_opens_them() {
        let mut templates = Templates::default();
        assert_eq!(of(&templates, 0), None);
        // As an encoder of L1T3 has them: two of the base layer, one and two above.
        let layers = [(0, "SSS"), (0, "SSS"), (1, "-DS"), (1, "--D"), (0, "--D")];
        templates.note(&with_templates(62, 62, &layers));
        let found = [62, 63, 0, 1, 2].map(|id| of(&templates, id));
        let expected = [(0, 2), (0, 2), (1, 2), (2, 0), (2, 0)];
        assert_eq!(found, expected.map(Some));
        assert_eq!(of(&templates, 3), None);
        // Another key frame has others.
        templates.note(&with_templates(5, 5, &[(0, "SS"), (1, "-D")]));
        assert_eq!(
            [5, 6, 7, 62].map(|id| of(&templates, id)),
            [Some((0, 1)), Some((1, 0)), None, None]
        );
    }

    #[test]
    fn spatial_layers_have_temporal_ones_each() {
        let mut templates = Templates::default();
        let layers = [(0, "SSSS"), (1, "-D-D"), (2, "--SS"), (1, "---D")];
        templates.note(&with_templates(0, 0, &layers));
        let found = [0, 1, 2, 3].map(|id| of(&templates, id).unwrap());
        assert_eq!(found, [(0, 1), (1, 0), (0, 1), (1, 0)]);
    }

    #[test]
    fn a_frame_with_indications_of_its_own_opens_nothing() {
        let mut templates = Templates::default();
        templates.note(&with_templates(0, 0, &[(0, "SS"), (1, "-D")]));
        let own = templates.of(&[0xc0, 0, 9, 0x20]).unwrap();
        assert_eq!((own.temporal, own.opens), (0, 0));
        assert_eq!(templates.of(&[0xc0, 0, 9, 0x40]).unwrap().opens, 1);
    }

    #[test]
    fn what_is_cut_short_or_without_end_changes_nothing() {
        let mut templates = Templates::default();
        templates.note(&with_templates(0, 0, &[(0, "SS"), (1, "-D")]));
        let known = templates.clone();
        let long = with_templates(0, 0, &[(0, "SSSSSSSS"); 30]);
        for length in 0..long.len() {
            templates.note(&long[..length]);
            assert_eq!(templates, known, "{length}");
        }
        // Layers that never end.
        templates.note(&[&[0xc0, 0, 1, 0x80, 0][..], &[0; 200]].concat());
        assert_eq!(templates, known);
        assert_eq!(templates.of(&[]), None);
        templates.note(&long);
        assert_ne!(templates, known);
    }
}
