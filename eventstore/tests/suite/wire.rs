//! What goes over the wire to a server, for whoever listens in.

#![cfg(feature = "rustls")]

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// With what a client asks for TLS.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// Hands connections on to a port of this machine, and keeps what clients say.
pub(crate) struct Wire {
    pub(crate) port: u16,
    said: Arc<Mutex<Vec<Vec<u8>>>>,
    task: JoinHandle<()>,
}

impl Wire {
    pub(crate) async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, said) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Vec<Vec<u8>>>>::default());
        let kept = Arc::clone(&said);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let nth = {
                    let mut kept = kept.lock().unwrap();
                    kept.push(Vec::new());
                    kept.len() - 1
                };
                tokio::spawn(hand_on(client, server, Arc::clone(&kept), nth));
            }
        });
        Self { port, said, task }
    }

    /// What each connection's client has said so far.
    pub(crate) fn said(&self) -> Vec<Vec<u8>> {
        self.said.lock().unwrap().clone()
    }

    /// Whether each has said nothing in the clear but that it wants TLS.
    pub(crate) fn is_all_tls(&self) -> bool {
        self.said().iter().all(|said| match said.split_at_checked(SSL_REQUEST.len()) {
            // What follows is a handshake's first record, or has not come.
            Some((first, rest)) => first == SSL_REQUEST && rest.first().is_none_or(|byte| *byte == 0x16),
            None => said.is_empty(),
        })
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn hand_on(client: TcpStream, server: u16, kept: Arc<Mutex<Vec<Vec<u8>>>>, nth: usize) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    tokio::spawn(async move { copy(&mut from_server, &mut to_client).await });
    let mut piece = [0; 4_096];
    while let Ok(count @ 1..) = from_client.read(&mut piece).await {
        kept.lock().unwrap()[nth].extend_from_slice(&piece[..count]);
        if to_server.write_all(&piece[..count]).await.is_err() {
            return;
        }
    }
}
