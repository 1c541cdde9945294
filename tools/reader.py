#!/usr/bin/env python3
"""Reads a Mainstay repository with nothing but its description in docs/format.md.

Owns listing snapshots and restoring one from a repository in a local directory. Shares no code with Mainstay, does not
use the index, and writes nothing to the repository. Invariant: what is restored came out of a seal that fits.
The password file holds a passphrase, a recovery code (MSK1-...) or a recipient's private half (MSR1-...), as one line;
one line break at its end does not count. SNAPSHOT is `latest` or the first digits of an id. Exit code 0: done; 3: done,
with warnings; 1: not done."""
import argparse, bisect, contextlib, functools, hashlib, hmac, json, os, resource, stat, struct, sys, time  # noqa: E401
from collections import namedtuple

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import mlkem, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

CONTENT, TREE, CHUNK_TABLE, SNAPSHOT, DATA_KEY, KEY_SLOT = 1, 2, 3, 6, 7, 8
FILE, DIRECTORY, SYMLINK, ENTER = 1, 2, 3, os.O_DIRECTORY | os.O_NOFOLLOW
SPECIAL = {4: stat.S_IFCHR, 5: stat.S_IFBLK, 6: stat.S_IFIFO, 7: stat.S_IFSOCK}
BLOCK_LIMIT, CHUNK_LIMIT, OBJECT_LIMIT, DEPTH_LIMIT, CACHED_BLOCKS = 4 << 20, 1 << 20, 256 << 20, 16384, 32
SUITES = {"aes-256-gcm": AESGCM, "chacha20-poly1305": ChaCha20Poly1305}
HPKE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)

generation = lambda name: int(name.partition(".")[2].partition("-")[0] or 0)  # of the secrets in it, or that wrap it
Data, Hole = namedtuple("Data", "session serial offset length"), namedtuple("Hole", "length")


class Damaged(Exception):
    """The repository is not what docs/format.md says, or the secret is not one of its secrets."""


def expect(condition, problem):
    if not condition:
        raise Damaged(problem)


def cbor(data):
    """One item of CBOR with definite lengths: integers, strings, arrays, maps, booleans."""
    value, end = cbor_item(data, 0, 0)
    expect(end == len(data), "CBOR: bytes after the end")
    return value


def cbor_item(data, at, depth):
    expect(at < len(data) and depth < 16, "CBOR: cut short or nested too deeply")
    major, low, at = data[at] >> 5, data[at] & 31, at + 1
    if low >= 24:
        width = 1 << (low - 24)
        expect(low < 28 and at + width <= len(data), "CBOR: indefinite length, or cut short")
        low, at = int.from_bytes(data[at : at + width], "big"), at + width
    if major in (0, 1):
        return (low if major == 0 else -1 - low), at
    if major == 7:
        expect(low in (20, 21), "CBOR: unknown simple value")
        return low == 21, at
    expect(major != 6 and low <= len(data) - at, "CBOR: a tag, or a length beyond the end")
    if major in (2, 3):
        value = bytes(data[at : at + low])
        return (value if major == 2 else value.decode("utf-8")), at + low
    items = []
    for _ in range(low if major == 4 else 2 * low):
        item, at = cbor_item(data, at, depth + 1)
        items.append(item)
    if major == 4:
        return items, at
    expect(items[::2] == sorted(set(items[::2])), "CBOR: keys of a map out of order")
    return dict(zip(items[::2], items[1::2])), at


def derive(key, *info):
    """HKDF-SHA-256 with an empty salt, 32 bytes: extract, then one round of expand."""
    return hmac.digest(hmac.digest(b"", key, "sha256"), b"".join(info) + b"\x01", "sha256")


def coded_key(prefix, text):
    """The 32 bytes of a code."""
    digits = "".join(text.split()).replace("-", "").upper().translate(str.maketrans("OIL", "011"))
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    expect(digits.startswith(prefix) and len(digits) == 60 and set(digits[4:]) <= set(alphabet), "it is no such code")
    return sum(alphabet.index(digit) << 5 * at for at, digit in enumerate(digits[:3:-1])).to_bytes(35, "big")[:32]


def slot_key(slot, secret):
    """What the secret makes of a slot: its key and the nonce, or for a recipient the seed of one."""
    if slot[2] == 1 and slot[6] <= 4 << 20 and slot[7] <= 64 and slot[8] <= 64:
        stretch = Argon2id(salt=slot[5], length=32, iterations=slot[7], lanes=slot[8], memory_cost=slot[6])
        return stretch.derive(secret.encode("utf-8")), slot[9]
    key = coded_key({2: "MSK1", 3: "MSR1"}.get(slot[2], "none"), secret)
    return (derive(key, b"key slot", slot[5]), slot[9]) if slot[2] == 2 else (key, None)


def pair(seed):
    """The two private keys of X-Wing, which its seed is expanded into."""
    keys = hashlib.shake_256(seed).digest(96)
    lattice, curve = mlkem.MLKEM768PrivateKey.from_seed_bytes, x25519.X25519PrivateKey.from_private_bytes
    return MLKEM768X25519PrivateKey(lattice(keys[:64]), curve(keys[64:]))


class Repository:
    def __init__(self, root, secret):
        self.root, self.places = root, {}
        config = json.loads(self.read("mainstay.json", 1 << 16))
        expect(config["magic"] == "mainstay repository", "mainstay.json: not a Mainstay repository")
        expect(config["format"] == 5, f"mainstay.json: unknown format {config['format']}")
        unknown = config["features"]["incompatible"]
        expect(not unknown and config["suite"] in SUITES, f"mainstay.json: unknown {unknown or config['suite']}")
        self.suite, self.id = SUITES[config["suite"]], bytes.fromhex(config["repository"])
        self.secrets = self.unlock(secret)

    def read(self, name, limit=OBJECT_LIMIT):
        with open(os.path.join(self.root, name), "rb") as file:
            data = file.read(limit + 1)
        expect(len(data) <= limit, f"{name}: longer than {limit} bytes")
        return data

    def names(self, folder):
        path = os.path.join(self.root, folder)
        return [f"{folder}/{name}" for name in sorted(os.listdir(path))] if os.path.isdir(path) else []

    def clear(self, name, kind):
        """The body of a clear object. Its checksum is BLAKE3, and need not be checked (docs/format.md)."""
        data = self.read(name)
        head = b"MSC1" + bytes([kind, 0, 0, 0]) + self.id
        expect(len(data) >= 56 and data[:24] == head, f"{name}: not a clear object of kind {kind} of this repository")
        return cbor(data[24:-32])

    def open(self, what, key, nonce, sealed, kind, *says):
        """Opens a seal; without a nonce, one that was made by HPKE to the public half of the seed `key`."""
        data = b"".join((b"mainstay-1", bytes([kind]), self.id, *says))
        try:
            return self.suite(key).decrypt(nonce, sealed, data) if nonce else HPKE.decrypt(sealed, pair(key), data)
        except InvalidTag:
            raise Damaged(f"{what}: its seal does not match") from None

    def unlock(self, secret):
        for name in sorted(self.names("keys/slots"), key=generation, reverse=True):
            with contextlib.suppress(Damaged):
                slot = self.clear(name, KEY_SLOT)
                expect(name.partition(".")[0].endswith("/" + slot[1].hex()), f"{name}: it is another slot")
                return cbor(self.open(name, *slot_key(slot, secret), slot[10], KEY_SLOT, slot[1]))
        raise Damaged("no key slot opens with this secret")

    @functools.cache
    def data_key(self, session, purpose):
        """A session's data key for content (1) or trees (2), of whichever object opens, and its domain; None for ours."""
        own = f"keys/data/{session.hex()}"  # what follows it is a generation, and who carried the key here
        for name in sorted((name for name in self.names("keys/data") if name.startswith(own)), key=generation)[::-1]:
            with contextlib.suppress(Damaged):
                return self.open_wrap(name, session, purpose)
        raise Damaged(f"no data key of session {session.hex()} opens")

    def open_wrap(self, name, session, purpose):
        """The same of one object: the secret of its generation and domain opens it."""
        stored = self.clear(name, DATA_KEY)
        domain = None if stored.get(3) == self.secrets.get(9) else stored.get(3, bytes(8))
        expect(stored[1] == session and (not domain or 6 in self.secrets), f"{name}: of another session or domain")
        number, what = {CONTENT: (4, b"domain content"), TREE: (5, b"domain tree")}[purpose]
        wrapped = next((key for key in stored[2] if key[1] == purpose and key[2] in (1, 2)), None)
        expect(wrapped and number in self.secrets, f"{name}: no key for purpose {purpose} that this secret may open")
        older = [{4: old[1], 5: old[2], 13: old.get(3)} for old in self.secrets.get(12, [])]
        secrets = {**dict(enumerate(older)), self.secrets.get(11, 0): self.secrets}.get(wrapped.get(5, 0), {number: b""})
        secret = derive(secrets.get(13) or self.secrets[6], what, domain) if domain else secrets[number]
        wrapping = derive(secret, (b"wrap" if wrapped[2] == 1 else b"seal") + b" data key")
        return self.open(name, wrapping, wrapped.get(3), wrapped[4], DATA_KEY, session, bytes([purpose])), domain

    def snapshots(self):
        """(id, fields, forgotten) of every snapshot, oldest first; a clock that was set back makes none older."""
        forgotten, found = {m for m in self.names("trash") if cbor_item(self.read(m), 28, 0)[0].get(3) is not True}, []
        for name in (name for source in self.names("snapshots") for name in self.names(source)):
            sequence, _, id = os.path.basename(name).partition("-")
            snapshot = self.snapshot(name)
            expect(snapshot[2] == int(sequence), f"{name}: it has another place in the history")
            found.append((id, snapshot, f"trash/{id}" in forgotten))
        earlier = lambda one, other: one[1][1] == other[1][1] and other[1][2] <= one[1][2]
        return sorted(found, key=lambda one: max((e[1][6], e[1][2]) for e in found if earlier(one, e)))

    def snapshot(self, name):
        head = (data := self.read(name))[: 144 + int.from_bytes(data[140:144], "little")]
        expect(head[:5] + head[6:24] == b"MSS1" + bytes([SNAPSHOT, 0, 0]) + self.id, f"{name}: no snapshot")
        key = derive(self.data_key(head[112:128], TREE)[0], b"object", bytes([SNAPSHOT]))
        return cbor(self.open(name, key, head[128:140], data[len(head) : -64], SNAPSHOT, head))

    def find_blocks(self, name):  # from the pack's own directory
        with open(os.path.join(self.root, name), "rb") as pack:
            length, header = os.fstat(pack.fileno()).st_size, self.id + bytes.fromhex(name.partition("-")[2])
            is_pack = 96 <= length <= 1 << 30 and pack.read(40) == b"MSPACK\x01\0" + header
            expect(is_pack, f"{name}: not a pack of this repository")
            at, count, zero, _hash, magic = struct.unpack("<QII32s8s", os.pread(pack.fileno(), 56, length - 56))
            ends = (magic, at + 40 * count + 56, zero) == (b"MSPKEND\x01", length, 0)
            expect(ends and count <= 1 << 20, f"{name}: it does not end like a pack")
            rows = struct.iter_unpack("<16sIBB2sIIII", os.pread(pack.fileno(), 40 * count, at))
        for session, serial, kind, thinned, zero, offset, size, table, table_size in rows:
            expect(max(offset + size, table + table_size) <= at and zero == bytes(2), f"{name}: a broken directory")
            block, place = (session, serial, kind), (thinned, name, offset, size, table, table_size)
            self.places.setdefault(block, []).append(place)

    @functools.lru_cache(CACHED_BLOCKS)
    def copy(self, session, serial, kind, place):
        """The plaintext of a copy of a block, and which ranges of it are there."""
        what = f"block {session.hex()}:{serial}"
        _, name, offset, length, table_offset, table_length = place
        with open(os.path.join(self.root, name), "rb") as pack:
            stored = os.pread(pack.fileno(), min(length, BLOCK_LIMIT << 1), offset)
            table = os.pread(pack.fileno(), min(table_length, BLOCK_LIMIT), table_offset)
        plain, kept = self.open_block(what, session, serial, kind, stored)
        index = (domain := self.data_key(session, kind)[1]) and derive(self.secrets[6], b"domain index", domain)
        key = derive(index or self.secrets[3], b"chunk table", session, struct.pack("<I", serial))
        says = CHUNK_TABLE, session, struct.pack("<I", serial)
        rows = self.open(f"chunk table of {what}", key, table[:12], table[12:], *says)
        expect(len(plain) == sum(struct.unpack("<" + "32xI" * (len(rows) // 36), rows)), f"{what}: not all its chunks")
        return plain, kept

    def open_block(self, what, session, serial, kind, stored):
        header, sealed = stored[:44], stored[44:]
        expect(0 < len(sealed) <= BLOCK_LIMIT + (1 << 16) and header[5] <= 1, f"{what}: impossible length or codec")
        start = b"MSBK" + bytes([kind, header[5], header[6], 0]) + session + struct.pack("<I", serial)
        expect(header[:28] + header[40:] == start + struct.pack("<I", len(sealed)), f"{what}: another block is there")
        key = derive(self.data_key(session, kind)[0], b"block", struct.pack("<I", serial))
        coded = self.open(what, key, header[28:40], sealed, kind, header)
        if header[5]:
            declared = zstandard.frame_content_size(coded)
            expect(0 <= declared <= BLOCK_LIMIT + (1 << 19), f"{what}: it declares {declared} bytes")
            coded = zstandard.ZstdDecompressor().decompress(coded, max_output_size=declared)
        return spread(what, coded) if header[6] else (coded, [(0, len(coded))])

    def take(self, extent, kind):
        expect(isinstance(extent, Data), "a hole where a tree page should be")
        start, end, block = extent.offset, extent.offset + extent.length, (extent.session, extent.serial, kind)
        for plain, kept in (self.copy(*block, place) for place in sorted(self.places.get(block, []))):  # whole first
            before = bisect.bisect(kept, (start, BLOCK_LIMIT << 1)) - 1  # zeros where chunks are not are nobody's
            if start == end <= len(plain) or before >= 0 and end <= kept[before][1]:
                return memoryview(plain)[start:end]
        expect(False, f"{extent.length} bytes at {start} are in no copy of block {extent.serial}")

    def all_extents(self, inline, lists):
        pages = (map(cbor(self.take(part, TREE)).get, (1, 2)) for part in lists)
        return inline + [extent for page in pages for extent in to_extents(*page)]

    def nodes(self, pages):
        """The nodes of a directory, in the order of their names, each with the extents of its content."""
        last = b""
        for extent in pages:
            expect(extent.length <= CHUNK_LIMIT, "a tree page is too long")
            page = cbor(self.take(extent, TREE))
            expect(set(page) == {1, 2, 3, 4}, "a tree page has unknown keys")
            for node in page[4]:
                name = node[1]
                allowed = last < name not in (b".", b"..") and len(name) <= 255 and not set(name) & {0, ord("/")}
                expect(allowed and set(node) <= set(range(1, 17)), f"the node {name!r} is not allowed here")
                last = name
                yield node, self.all_extents(*(to_extents(page[1], node.get(key, [])) for key in (12, 13)))


def spread(what, coded):
    """The plaintext of a thinned block, with zeros where chunks were taken out, and the ranges that are there."""
    length, count = struct.unpack_from("<II", coded)
    expect(length <= BLOCK_LIMIT and count <= 1 << 15, f"{what}: {count} ranges of {length} bytes")
    plain, kept, at = bytearray(length), [], 8 + 8 * count
    for start, size in struct.iter_unpack("<II", coded[8:at]):
        expect(start + size <= length and at + size <= len(coded), f"{what}: a range that is not in it")
        plain[start : start + size], at = coded[at : at + size], at + size
        kept.append((start, start + size))
    return plain, kept


def to_extents(sessions, numbers):
    extents, at = [], 0
    while at < len(numbers):
        step = 4 if numbers[at] else 2
        expect(at + step <= len(numbers) and 0 <= numbers[at] <= len(sessions), "an extent is broken")
        session, rest, at = numbers[at], numbers[at + 1 : at + step], at + step
        extents.append(Data(sessions[session - 1], *rest) if session else Hole(*rest))
    return extents


class Restore:
    """Writes a tree beneath a directory; every name is opened in its parent, so that no path is too long or a link."""

    def __init__(self, repository, target):
        self.repository, self.links, self.path, self.warnings = repository, {}, [], 0
        os.makedirs(target, exist_ok=True)
        expect(not os.listdir(target), f"{target}: not empty")
        self.root = os.open(target, os.O_DIRECTORY)

    def run(self, pages):
        os.umask(0)
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
        stack = [(self.root, self.repository.nodes(pages), None)]
        while stack:
            folder, nodes, own = stack[-1]
            node, extents = next(nodes, (None, None))
            if node is None:
                stack.pop()
                if own is not None:
                    self.finish(own, folder)
                    self.path.pop()
                    os.close(folder)
            elif node[2] == DIRECTORY:
                expect(len(stack) < DEPTH_LIMIT, "the tree is too deep")
                os.mkdir(node[1], 0o700, dir_fd=folder)
                self.path.append(node[1])
                stack.append((os.open(node[1], ENTER, dir_fd=folder), self.repository.nodes(extents), node))
            else:
                self.write(folder, node, extents)

    def write(self, folder, node, extents):
        name, kind = node[1], node[2]
        linked = (node.get(10, 0), node[9]) if node.get(11, 1) > 1 else None
        if linked in self.links:
            return self.link(self.links[linked], name, folder)
        if kind == FILE:
            self.write_file(folder, node, extents)
        elif kind == SYMLINK:
            os.symlink(node[14], name, dir_fd=folder)
        else:
            expect(kind in SPECIAL, f"{name!r}: unknown kind {kind}")
            try:
                os.mknod(name, SPECIAL[kind] | 0o600, os.makedev(*node.get(15, [0, 0])), dir_fd=folder)
            except PermissionError as error:
                return self.warn(node, error)
        if kind != FILE:
            self.finish(node, name, dir_fd=folder, follow_symlinks=False)
        if linked:
            self.links[linked] = (*self.path, name)

    def link(self, first, name, folder):
        parent = os.dup(self.root)
        for part in first[:-1]:
            above, parent = parent, os.open(part, ENTER, dir_fd=parent)
            os.close(above)
        os.link(first[-1], name, src_dir_fd=parent, dst_dir_fd=folder, follow_symlinks=False)
        os.close(parent)

    def write_file(self, folder, node, extents):
        at, total = 0, sum(extent.length for extent in extents)
        expect(total == node.get(6, 0), f"{node[1]!r}: {total} bytes of content, {node.get(6, 0)} expected")
        file = os.open(node[1], os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
        os.ftruncate(file, total)
        for extent in extents:
            data, done = self.repository.take(extent, CONTENT) if isinstance(extent, Data) else b"", 0
            while done < len(data):
                done += os.pwrite(file, data[done:], at + done)
            at += extent.length
        self.finish(node, file)
        os.close(file)

    def finish(self, node, place, **beneath):
        """Owner, attributes, mode and times: `place` is an open file or directory, or a name beneath `dir_fd`."""
        if os.geteuid() == 0:
            os.chown(place, node[4], node[5], **beneath)
        path = b"/proc/self/fd/%d/%s" % (beneath["dir_fd"], place) if beneath else place
        for name, value in zip(*[iter(node.get(16, []))] * 2):
            try:
                os.setxattr(path, name, value, follow_symlinks=not beneath)
            except OSError as error:
                self.warn(node, error)
        if node[2] != SYMLINK:
            os.chmod(path, node[3])
        os.utime(place, ns=(node[7][0] * 1_000_000_000 + node[7][1],) * 2, **beneath)

    def warn(self, node, error):
        self.warnings += 1
        print(f"warning: {b'/'.join([*self.path, node[1]])!r}: {error}", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description="Reads a Mainstay repository from its description alone.")
    for flag in ("--repo", "--password-file"):
        parser.add_argument(flag, required=True)
    verbs = parser.add_subparsers(dest="verb", required=True)
    _list, restore = (verbs.add_parser(verb) for verb in ("list", "restore"))
    restore.add_argument("snapshot")
    restore.add_argument("--target", required=True)
    arguments = parser.parse_args()
    secret = open(arguments.password_file, encoding="utf-8", newline="").read().removesuffix("\n").removesuffix("\r")
    repository = Repository(arguments.repo, secret)
    snapshots = repository.snapshots()
    if arguments.verb == "list":
        for id, fields, forgotten in snapshots:
            when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(fields[6] // 1_000_000_000))
            print(id, when, f"#{fields[2]}", fields[1], "forgotten" if forgotten else "", sep="\t")
        return 0
    for name in (name for folder in repository.names("packs") for name in repository.names(folder)):
        repository.find_blocks(name)
    latest = [id for id, _fields, forgotten in snapshots if not forgotten and arguments.snapshot == "latest"]
    fitting = [one[1] for one in snapshots if one[0].startswith(latest[-1] if latest else arguments.snapshot)]
    expect(len(fitting) == 1, f"{len(fitting)} snapshots fit {arguments.snapshot!r}")
    writer = Restore(repository, arguments.target)
    writer.run(repository.all_extents(*(to_extents(*map(cbor(part).get, (1, 2))) for part in fitting[0][13])))
    return 3 if writer.warnings else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Damaged, OSError, ValueError, LookupError, TypeError, struct.error, zstandard.ZstdError) as problem:
        print(f"error: {type(problem).__name__}: {problem}", file=sys.stderr)
        sys.exit(1)
