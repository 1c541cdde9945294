//! Something between a client and a PostgreSQL server that loses answers.
//!
//! Owns passing on what is said in the clear, and breaking a connection when a commit is on its way: the server has it, and the
//! client does not learn what became of it. Tries nothing.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// As the protocol has it: a query, its length, its text.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";

pub struct Lossy {
    pub port: u16,
    lost: Arc<AtomicUsize>,
}

impl Lossy {
    /// Loses the answer to one commit of so many.
    pub fn before(server: u16, one_of: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("it has one").port();
        let (seen, lost) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&lost);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(("127.0.0.1", server)).expect("the server is there");
                let (back, forth) = (server.try_clone().expect("a socket"), client.try_clone().expect("a socket"));
                std::thread::spawn(move || pass(back, forth));
                let (seen, counted) = (Arc::clone(&seen), Arc::clone(&counted));
                std::thread::spawn(move || pass_but_lose(client, server, (&seen, &counted), one_of));
            }
        });
        Self { port, lost }
    }

    /// How many answers were lost.
    pub fn lost(&self) -> usize {
        self.lost.load(Ordering::SeqCst)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
}

fn pass_but_lose(
    mut client: TcpStream,
    mut server: TcpStream,
    (seen, lost): (&AtomicUsize, &AtomicUsize),
    one_of: usize,
) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(len) = client.read(&mut buffer) {
        let is_lost = buffer[..len].ends_with(COMMIT) && seen.fetch_add(1, Ordering::SeqCst) % one_of == one_of - 1;
        if is_lost {
            let _ = client.shutdown(Shutdown::Both);
            lost.fetch_add(1, Ordering::SeqCst);
        }
        if len == 0 || server.write_all(&buffer[..len]).is_err() || is_lost {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Write);
}
