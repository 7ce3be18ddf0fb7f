//! Head: the headers of one part.

use std::ops::Range;

use crate::body::ContentType;
use crate::body::parameters::parameters;
use crate::coding::Coding;

/// What the headers of a part say.
pub(super) struct Head {
    /// Its name in a form, decoded; empty when it has none.
    pub(super) name: Vec<u8>,
    /// Where in the headers the names of its file stand.
    pub(super) file_names: Vec<Range<usize>>,
    /// Its type; `None` where readers may disagree on it, or it has parts again.
    pub(super) content_type: Option<ContentType>,
    /// Whether its content is written as it is.
    pub(super) is_readable: bool,
}

impl Head {
    /// Reads lines that each end with a carriage return and a line feed; `None` where readers may disagree on what the lines are.
    pub(super) fn parse(head: &[u8], boundary: &[u8]) -> Option<Self> {
        let mut name = Vec::new();
        let mut file_names = Vec::new();
        let mut content_types = Vec::new();
        let mut has_disposition = false;
        let mut has_name = false;
        let mut is_readable = true;
        let mut at = 0;
        while let Some(rest) = head.get(at..).filter(|rest| !rest.is_empty()) {
            let end = rest.windows(2).position(|end| end == b"\r\n")?;
            let line = rest.get(..end)?;
            let colon = line.iter().position(|byte| *byte == b':')?;
            let is_folded = matches!(line.first(), Some(b' ' | b'\t'));
            if is_folded || line.starts_with(boundary) || line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
                return None;
            }
            let (field, value) = line.split_at_checked(colon)?;
            let value = value.get(1..)?;
            match field.trim_ascii().to_ascii_lowercase().as_slice() {
                b"content-type" => content_types.push(ContentType::parse(value.trim_ascii())),
                b"content-transfer-encoding" => {
                    let encoding = value.trim_ascii().to_ascii_lowercase();
                    is_readable &= matches!(encoding.as_slice(), b"7bit" | b"8bit" | b"binary");
                }
                b"content-encoding" => is_readable &= value.trim_ascii().eq_ignore_ascii_case(b"identity"),
                b"content-disposition" => {
                    if std::mem::replace(&mut has_disposition, true) {
                        return None;
                    }
                    let value_at = at.saturating_add(colon).saturating_add(1);
                    for (parameter, range) in parameters(value) {
                        let content = value.get(range.clone()).unwrap_or_default();
                        match parameter.as_slice() {
                            b"name" => {
                                if std::mem::replace(&mut has_name, true) || content.contains(&b'\\') {
                                    return None;
                                }
                                name = Coding::Percent.decode(content, true).text.into_owned();
                            }
                            b"filename" | b"filename*" => {
                                // Behind the charset and the language (RFC 8187, section 3.2.1).
                                let is_extended = parameter.ends_with(b"*");
                                let quote = content.iter().rposition(|byte| is_extended && *byte == b'\'');
                                let skipped = quote.map_or(0, |quote| quote.saturating_add(1));
                                let start = value_at.saturating_add(range.start).saturating_add(skipped);
                                file_names.push(start..value_at.saturating_add(range.end));
                            }
                            // Names in several pieces or in a charset of their own, which not all readers put together.
                            other if other.starts_with(b"name") || other.starts_with(b"filename") => return None,
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
            at = at.saturating_add(end).saturating_add(2);
        }
        let content_type = content_types.pop().unwrap_or_else(|| ContentType::parse(b"text/plain"));
        let is_one = content_types.is_empty() && content_type.is_well_formed() && !content_type.is_multipart();
        Some(Self { name, file_names, content_type: is_one.then_some(content_type), is_readable })
    }
}
