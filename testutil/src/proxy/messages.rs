//! Messages of PostgreSQL's protocol in a stream of bytes.

use std::collections::HashSet;

/// The messages of one end, as they pass.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// The beginning of a message whose rest has not come yet.
    partial: Vec<u8>,
    is_started: bool,
    /// Statements whose text contains the words of some call that was waited for. All are looked at, as a statement is
    /// prepared long before its calls.
    texts: Vec<(Vec<u8>, Vec<u8>)>,
    bound: HashSet<Vec<u8>>,
    /// How many ends of calls there were, each of which is answered.
    pub(super) calls: u64,
}

impl Messages {
    /// Those of a server, whose first one has a type too.
    pub(super) fn of_server() -> Self {
        Self { is_started: true, ..Self::default() }
    }

    /// Whether a call of a statement with these words ends in this piece.
    pub(super) fn see(&mut self, piece: &[u8], words: Option<&str>) -> bool {
        self.partial.extend_from_slice(piece);
        let mut is_call = false;
        while let Some(message) = self.next() {
            // The first message has no type.
            if self.is_started {
                self.calls += u64::from(matches!(message[0], b'S' | b'Q' | b'F'));
                is_call |= self.message(message[0], &message[5..], words);
            }
            self.is_started = true;
        }
        is_call
    }

    /// How many messages of these kinds end in this piece.
    pub(super) fn count(&mut self, piece: &[u8], kinds: &[u8]) -> u64 {
        self.partial.extend_from_slice(piece);
        let of_kind = std::iter::from_fn(|| self.next()).filter(|message| kinds.contains(&message[0]));
        of_kind.count() as u64
    }

    /// The next message that is there as a whole.
    fn next(&mut self) -> Option<Vec<u8>> {
        let header = usize::from(self.is_started);
        let length = self.partial.get(header..header + 4)?;
        let length = header + u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
        (self.partial.len() >= length).then(|| self.partial.drain(..length).collect())
    }

    fn message(&mut self, kind: u8, body: &[u8], words: Option<&str>) -> bool {
        let mut texts = body.split(|byte| *byte == 0);
        let mut next = || texts.next().unwrap_or_default().to_vec();
        match kind {
            b'P' => {
                let (name, text) = (next(), next());
                self.texts.retain(|(other, _)| *other != name);
                self.texts.push((name, text));
            }
            b'B' => {
                let (_portal, name) = (next(), next());
                self.bound.insert(name);
            }
            b'S' => {
                let bound = std::mem::take(&mut self.bound);
                let is_it = |(name, text): &(Vec<u8>, Vec<u8>)| {
                    bound.contains(name)
                        && words.is_some_and(|words| String::from_utf8_lossy(text).contains(words))
                };
                return self.texts.iter().any(is_it);
            }
            b'Q' => return words.is_some_and(|words| String::from_utf8_lossy(body).contains(words)),
            _ => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap_or_default();
        [&[kind][..], &length.to_be_bytes(), body].concat()
    }

    #[test]
    fn a_call_is_known_however_its_bytes_come() {
        let startup = [&9_u32.to_be_bytes()[..], b"hello"].concat();
        let prepare = [message(b'P', b"s1\0SELECT * FROM append_v1()\0\0\0"), message(b'S', b"")].concat();
        let call = |name: &[u8]| {
            let bind = [b"\0", name, b"\0\0\0\0\0\0\0"].concat();
            [message(b'B', &bind), message(b'E', b"\0\0\0\0\0"), message(b'S', b"")].concat()
        };
        for size in [1, 3, 1_000] {
            let mut messages = Messages::default();
            let mut see =
                |bytes: &[u8], words| bytes.chunks(size).filter(|piece| messages.see(piece, words)).count();
            assert_eq!(see(&startup, Some("append_v1")), 0);
            assert_eq!(see(&prepare, None), 0);
            assert_eq!(see(&call(b"s2"), Some("append_v1")), 0);
            assert_eq!(see(&call(b"s1"), Some("append_v1")), 1);
            assert_eq!(see(&call(b"s1"), Some("another")), 0);
            assert_eq!(see(&call(b"s1"), None), 0);
            assert_eq!(see(&message(b'Q', b"COMMIT\0"), Some("COMMIT")), 1);
        }
    }
}
