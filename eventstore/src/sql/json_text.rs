//! JSON text on its way into a `jsonb` parameter.

use std::error::Error;

use bytes::{BufMut as _, BytesMut};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// JSON that is text already, so that nothing serialises it again.
#[derive(Debug, Clone)]
pub(crate) struct JsonText<S>(pub(crate) S);

impl<S: AsRef<str> + std::fmt::Debug> ToSql for JsonText<S> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_u8(1); // the version of jsonb's binary form: text follows
        out.put_slice(self.0.as_ref().as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::JSONB
    }

    to_sql_checked!();
}
