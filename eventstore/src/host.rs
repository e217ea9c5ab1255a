//! A server as it was found when the store connected.

use std::sync::Arc;

use uuid::Uuid;

use crate::error::{Error, ErrorKind};
use crate::migration::ServerState;
use crate::pool::{Connector, Pool};
use crate::routing::IS_PRIMARY;

/// A server, and what it said of itself.
pub(crate) struct Host {
    pub(crate) connector: Connector,
    pub(crate) pool: Arc<dyn Pool>,
    pub(crate) state: Result<ServerState, Error>,
}

/// One host says it best itself; of several each one's state is told.
pub(crate) fn none_is_writable(hosts: &[Host]) -> Error {
    let refused = |host: &&Host| matches!(&host.state, Err(error) if error.kind() == ErrorKind::Invalid);
    if let [Host { state: Err(error), .. }] = hosts {
        return error.clone();
    }
    if let Some(Host { state: Err(error), .. }) = hosts.iter().find(refused) {
        return error.clone();
    }
    let told = hosts.iter().map(|host| match &host.state {
        Ok(_) => format!("{} is a standby", host.connector.server()),
        Err(error) => error.to_string(),
    });
    Error::unavailable(format!("no host is writable at the moment: {}", told.collect::<Vec<_>>().join("; ")))
}

impl Host {
    /// Why it can not be a replica of this log now.
    pub(crate) fn is_no_replica(&self, log: Option<Uuid>) -> Option<String> {
        match &self.state {
            Err(error) => Some(format!("it can not be reached: {error}")),
            Ok(state) if !state.standby => Some(IS_PRIMARY.to_owned()),
            Ok(state) if state.log.is_some() && log.is_some() && state.log != log => {
                Some("its log is another one than the primary's".to_owned())
            }
            Ok(_) => None,
        }
    }
}
