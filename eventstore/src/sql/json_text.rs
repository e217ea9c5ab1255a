//! JSON text on its way into a `jsonb` or `json` parameter.

use std::error::Error;

use bytes::{BufMut as _, BytesMut};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// JSON that is text already, so that nothing serialises it again.
#[derive(Debug, Clone)]
pub(crate) struct JsonText<S>(pub(crate) S);

impl<S: AsRef<str>> JsonText<S> {
    /// The same text, borrowed.
    pub(crate) fn as_ref(&self) -> JsonText<&str> {
        JsonText(self.0.as_ref())
    }
}

impl<S: AsRef<str> + std::fmt::Debug> ToSql for JsonText<S> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        if *ty == Type::JSONB {
            out.put_u8(1); // the version of its binary form: text follows
        }
        out.put_slice(self.0.as_ref().as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::JSONB || *ty == Type::JSON
    }

    to_sql_checked!();
}
