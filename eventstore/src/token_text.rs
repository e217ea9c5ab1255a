//! Tokens as text, for whoever has to hand one to a browser and have it back.
//!
//! The text says which position and event, and ends with a seal over both: a keyed hash (HMAC-SHA-256, its first half) whose key is
//! the log's identity, which never leaves the servers. So a text that was changed, cut or made up is refused, and so is that of
//! another log. It hides nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use uuid::Uuid;

use crate::error::Error;
use crate::event::EventId;
use crate::position::Position;
use crate::store::EventStore;
use crate::token::Token;

/// The form of the text; the next one will be another.
const FORM: u8 = 1;
/// What the seal is for: the same identity could seal other things one day.
const PURPOSE: &[u8] = b"eventstore token";
const POSITION_BYTES: usize = 8;
const ID_BYTES: usize = 16;
const SEAL_BYTES: usize = 16;
const BODY_BYTES: usize = 1 + POSITION_BYTES + ID_BYTES;

impl EventStore {
    /// A token as text: 55 characters that need no escaping, for a browser to keep and bring back. Not secret: it shows the
    /// position.
    ///
    /// # Errors
    /// As [`head`](Self::head), where this handle has read nothing yet and has to ask which log it is.
    pub async fn token_text(&self, token: Token) -> Result<String, Error> {
        Ok(write(token, self.log_identity().await?))
    }

    /// The token of such a text.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a text that was changed, or that a store of another log wrote; else as
    /// [`token_text`](Self::token_text).
    pub async fn parse_token(&self, text: &str) -> Result<Token, Error> {
        parse(text, self.log_identity().await?)
    }

    async fn log_identity(&self) -> Result<Uuid, Error> {
        if self.inner().servers.log().is_none() {
            self.head().await?;
        }
        self.inner()
            .servers
            .log()
            .ok_or_else(|| Error::internal("a page came without the identity of its log"))
    }
}

/// The text of a token of this log: 55 characters that need no escaping in a URL or header.
pub(crate) fn write(token: Token, log: Uuid) -> String {
    let mut bytes = Vec::with_capacity(BODY_BYTES + SEAL_BYTES);
    bytes.push(FORM);
    bytes.extend(token.position().get().to_be_bytes());
    bytes.extend(token.event_id().uuid().as_bytes());
    let seal = seal(&bytes, log).finalize().into_bytes();
    bytes.extend(&seal[..SEAL_BYTES]);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The token of a text that [`write`] made for this log.
///
/// # Errors
/// [`Invalid`](crate::ErrorKind::Invalid) for any other.
pub(crate) fn parse(text: &str, log: Uuid) -> Result<Token, Error> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| not_a_token())?;
    let (body, its_seal) = bytes.split_at_checked(BODY_BYTES).ok_or_else(not_a_token)?;
    if its_seal.len() != SEAL_BYTES || body[0] != FORM {
        return Err(not_a_token());
    }
    seal(body, log).verify_truncated_left(its_seal).map_err(|_| {
        Error::invalid(
            "token was changed, or is from another log; expected a text as this log's store wrote it",
        )
    })?;
    let (position, id) = body[1..].split_at(POSITION_BYTES);
    let position = u64::from_be_bytes(position.try_into().map_err(|_| not_a_token())?);
    let id = Uuid::from_slice(id).map_err(|_| not_a_token())?;
    Ok(Token::new(Position::new(position), EventId::from(id)))
}

fn seal(body: &[u8], log: Uuid) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(log.as_bytes()).expect("a key of any length will do");
    mac.update(PURPOSE);
    mac.update(body);
    mac
}

fn not_a_token() -> Error {
    Error::invalid("text is no token; expected 55 characters as a store wrote them")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    const LOG: Uuid = Uuid::from_u128(0x0190_a5e2_1d2c_7e3a_b7a1_0242_ac12_0002);

    fn token() -> Token {
        Token::new(Position::new(4_711), EventId::from(Uuid::from_u128(7)))
    }

    /// Browsers keep them for longer than a program runs.
    #[test]
    fn texts_stay_as_they_are() {
        assert_eq!(write(token(), LOG), "AQAAAAAAABJnAAAAAAAAAAAAAAAAAAAAB9VMQC_O_vY6MRNrgyEedno");
    }

    #[test]
    fn what_was_written_comes_back() {
        for token in [Token::START, token(), Token::new(Position::new(u64::MAX), EventId::generate())] {
            let text = write(token, LOG);
            assert_eq!(text.len(), 55);
            assert_eq!(parse(&text, LOG).unwrap(), token);
        }
    }

    #[test]
    fn what_was_changed_or_made_up_is_invalid() {
        let text = write(token(), LOG);
        let mut bad = vec![
            String::new(),
            "x".to_owned(),
            format!("{text}A"),
            text[1..].to_owned(),
            text.replace('A', "B"),
        ];
        // Each bit of it.
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            bad.push(URL_SAFE_NO_PAD.encode(changed));
        }
        bad.push(URL_SAFE_NO_PAD.encode(&bytes[..BODY_BYTES]));
        bad.push(write(token(), Uuid::from_u128(1)));
        for text in bad {
            assert_eq!(parse(&text, LOG).unwrap_err().kind(), ErrorKind::Invalid, "{text}");
        }
    }
}
