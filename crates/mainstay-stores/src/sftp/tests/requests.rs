//! The requests of SFTP on a tree in memory, for [`super::scripted`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use russh_sftp::protocol::{
    Attrs, Data, ExtendedReply, File, FileAttributes, Handle, Name, OpenFlags, Packet, Status, StatusCode, Version,
};
use russh_sftp::server::Handler;

use super::scripted::{Act, Op, Shared};

/// One channel.
pub struct Requests {
    shared: Arc<Mutex<Shared>>,
    /// Paths of what is open; of a directory that was listed, none.
    handles: HashMap<String, Option<String>>,
    next: u32,
}

type Answer<T> = Result<T, StatusCode>;

impl Requests {
    pub fn new(shared: Arc<Mutex<Shared>>) -> Self {
        Self { shared, handles: HashMap::new(), next: 0 }
    }

    /// Does what was asked for, or what was written down for it; says whether it is to be told otherwise.
    async fn answer<T>(&self, op: Op, of: &str, act: impl FnOnce(&mut Shared) -> Answer<T>) -> Answer<(T, bool)> {
        let scripted = self.shared.lock().unwrap().next(op, of);
        match scripted {
            Some(Act::Refuse(code)) => return Err(code),
            Some(Act::Silence) => std::future::pending().await,
            Some(Act::CutBefore) => {
                self.shared.lock().unwrap().cut();
                std::future::pending().await
            }
            _ => {}
        }
        let done = act(&mut self.shared.lock().unwrap());
        if scripted == Some(Act::CutAfter) {
            self.shared.lock().unwrap().cut();
            std::future::pending::<()>().await;
        }
        done.map(|done| (done, scripted == Some(Act::Lie)))
    }

    fn path(&self, handle: &str) -> Answer<String> {
        self.handles.get(handle).cloned().flatten().ok_or(StatusCode::Failure)
    }

    fn handle(&mut self, id: u32, path: String) -> Handle {
        self.next += 1;
        let handle = self.next.to_string();
        self.handles.insert(handle.clone(), Some(path));
        Handle { id, handle }
    }
}

fn ok(id: u32) -> Status {
    Status { id, status_code: StatusCode::Ok, error_message: String::new(), language_tag: String::new() }
}

fn attributes(node: &Option<Vec<u8>>, more: u64) -> FileAttributes {
    let mode = if node.is_some() { 0o100_600 } else { 0o040_700 };
    let size = node.as_ref().map_or(0, |bytes| bytes.len() as u64) + more;
    FileAttributes { size: Some(size), permissions: Some(mode), ..FileAttributes::empty() }
}

fn above(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((above, _)) => above,
    }
}

const HUGE: u64 = 1 << 50;

impl Handler for Requests {
    type Error = StatusCode;

    fn unimplemented(&self) -> StatusCode {
        StatusCode::OpUnsupported
    }

    async fn init(&mut self, _: u32, _: HashMap<String, String>) -> Answer<Version> {
        let offered = self.shared.lock().unwrap().extensions.clone();
        let extensions = offered.into_iter().map(|name| (name.to_owned(), "1".to_owned())).collect();
        Ok(Version { extensions, ..Version::new() })
    }

    async fn open(&mut self, id: u32, path: String, flags: OpenFlags, _: FileAttributes) -> Answer<Handle> {
        let op = if flags.contains(OpenFlags::CREATE) { Op::Create } else { Op::Open };
        let open = |shared: &mut Shared| match (op, shared.tree.contains_key(&path)) {
            (Op::Create, true) => Err(StatusCode::Failure),
            (Op::Create, false) if !shared.tree.contains_key(above(&path)) => Err(StatusCode::NoSuchFile),
            (Op::Create, false) => {
                shared.tree.insert(path.clone(), Some(Vec::new()));
                Ok(())
            }
            (_, true) => Ok(()),
            (_, false) => Err(StatusCode::NoSuchFile),
        };
        self.answer(op, &path, open).await?;
        Ok(self.handle(id, path))
    }

    async fn close(&mut self, id: u32, handle: String) -> Answer<Status> {
        // What was only read is closed when nobody waits for it any more.
        if let Some(path) = self.handles.remove(&handle).flatten().filter(|path| path.starts_with("/r/tmp/")) {
            self.answer(Op::Close, &path, |_| Ok(())).await?;
        }
        Ok(ok(id))
    }

    async fn write(&mut self, id: u32, handle: String, offset: u64, data: Vec<u8>) -> Answer<Status> {
        let path = self.path(&handle)?;
        let write = |shared: &mut Shared| {
            let Some(Some(bytes)) = shared.tree.get_mut(&path) else { return Err(StatusCode::NoSuchFile) };
            let (start, end) = (offset as usize, offset as usize + data.len());
            bytes.resize(bytes.len().max(end), 0);
            bytes[start..end].copy_from_slice(&data);
            Ok(())
        };
        self.answer(Op::Write, &path, write).await?;
        Ok(ok(id))
    }

    async fn read(&mut self, id: u32, handle: String, offset: u64, len: u32) -> Answer<Data> {
        let path = self.path(&handle)?;
        let read = |shared: &mut Shared| {
            let Some(Some(bytes)) = shared.tree.get(&path) else { return Err(StatusCode::Failure) };
            let rest = bytes.get(offset as usize..).filter(|rest| !rest.is_empty()).ok_or(StatusCode::Eof)?;
            Ok(rest[..rest.len().min(len as usize)].to_vec())
        };
        let (mut data, is_lie) = self.answer(Op::Read, &path, read).await?;
        if is_lie {
            data.resize(len as usize + 1, 7);
        }
        Ok(Data { id, data })
    }

    async fn lstat(&mut self, id: u32, path: String) -> Answer<Attrs> {
        let look = |shared: &mut Shared| shared.tree.get(&path).cloned().ok_or(StatusCode::NoSuchFile);
        let (node, is_lie) = self.answer(Op::Lstat, &path, look).await?;
        Ok(Attrs { id, attrs: attributes(&node, if is_lie { HUGE } else { 0 }) })
    }

    async fn stat(&mut self, id: u32, path: String) -> Answer<Attrs> {
        self.lstat(id, path).await
    }

    async fn fstat(&mut self, id: u32, handle: String) -> Answer<Attrs> {
        let path = self.path(&handle)?;
        let look = |shared: &mut Shared| shared.tree.get(&path).cloned().ok_or(StatusCode::NoSuchFile);
        let (node, is_lie) = self.answer(Op::Fstat, &path, look).await?;
        Ok(Attrs { id, attrs: attributes(&node, if is_lie { HUGE } else { 0 }) })
    }

    async fn opendir(&mut self, id: u32, path: String) -> Answer<Handle> {
        if !matches!(self.shared.lock().unwrap().tree.get(&path), Some(None)) {
            return Err(StatusCode::NoSuchFile);
        }
        Ok(self.handle(id, path))
    }

    async fn readdir(&mut self, id: u32, handle: String) -> Answer<Name> {
        let path = self.path(&handle).map_err(|_| StatusCode::Eof)?;
        let list = |shared: &mut Shared| {
            let inner = shared.tree.iter().filter(|(inner, _)| *inner != "/" && above(inner) == path);
            let file = |(inner, node): (&String, &Option<Vec<u8>>)| {
                File::new(inner.rsplit('/').next().unwrap_or_default(), attributes(node, 0))
            };
            Ok(inner.map(file).chain([File::new(".", attributes(&None, 0))]).collect::<Vec<_>>())
        };
        let (mut files, is_lie) = self.answer(Op::Readdir, &path, list).await?;
        if is_lie {
            files.clear();
        }
        self.handles.insert(handle, None);
        Ok(Name { id, files })
    }

    async fn remove(&mut self, id: u32, path: String) -> Answer<Status> {
        let remove = |shared: &mut Shared| shared.tree.remove(&path).map(drop).ok_or(StatusCode::NoSuchFile);
        self.answer(Op::Remove, &path, remove).await?;
        Ok(ok(id))
    }

    async fn mkdir(&mut self, id: u32, path: String, _: FileAttributes) -> Answer<Status> {
        let mut shared = self.shared.lock().unwrap();
        match (shared.tree.contains_key(&path), shared.tree.contains_key(above(&path))) {
            (true, _) => Err(StatusCode::Failure),
            (_, false) => Err(StatusCode::NoSuchFile),
            (false, true) => {
                shared.tree.insert(path, None);
                Ok(ok(id))
            }
        }
    }

    async fn rename(&mut self, id: u32, from: String, to: String) -> Answer<Status> {
        let rename = |shared: &mut Shared| {
            if shared.tree.contains_key(&to) && !shared.renames_over {
                return Err(StatusCode::Failure);
            }
            if !shared.tree.contains_key(above(&to)) {
                return Err(StatusCode::NoSuchFile);
            }
            let node = shared.tree.remove(&from).ok_or(StatusCode::NoSuchFile)?;
            shared.tree.insert(to.clone(), node);
            Ok(())
        };
        self.answer(Op::Rename, &from, rename).await?;
        Ok(ok(id))
    }

    async fn extended(&mut self, id: u32, request: String, data: Vec<u8>) -> Answer<Packet> {
        match request.as_str() {
            "fsync@openssh.com" => {
                let handle = String::from_utf8_lossy(data.get(4..).unwrap_or_default()).into_owned();
                let path = self.path(&handle)?;
                self.answer(Op::Fsync, &path, |_| Ok(())).await?;
                Ok(ok(id).into())
            }
            // Eleven numbers, of which none says that there is space.
            "statvfs@openssh.com" => Ok(ExtendedReply { id, data: vec![0; 11 * 8] }.into()),
            _ => Err(StatusCode::OpUnsupported),
        }
    }
}
