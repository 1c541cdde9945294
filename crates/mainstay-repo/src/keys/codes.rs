//! Codes: keys in a form that survives being printed and typed.
//!
//! Owns their spelling, Crockford's base 32 with a prefix and check digits. Opens nothing.

use zeroize::Zeroizing;

use crate::error::Result;
use crate::seal::{KeyBytes, PublicKey, random};

/// Crockford's base 32: no I, L, O or U, so that a typed code is not misread.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Digits between two hyphens, and groups on a line.
const GROUP_LEN: usize = 7;
const LINE_GROUPS: usize = 9;

/// Characters of a code of 32 bytes, without the hyphens.
const CODE_LEN: usize = 60;

/// One kind of code: three letters that `1` follows, and how much it says. Key and check bytes together are a multiple of
/// five, so that no digit is used in part.
struct Spelling {
    prefix: &'static str,
    key_len: usize,
    check_len: usize,
}

const RECOVERY: Spelling = Spelling { prefix: "MSK", key_len: 32, check_len: 3 };
const PRIVATE: Spelling = Spelling { prefix: "MSR", key_len: 32, check_len: 3 };
const PUBLIC: Spelling = Spelling { prefix: "MSP", key_len: PublicKey::LEN, check_len: 4 };

/// 256 random bits that open a repository.
pub struct RecoveryCode(pub(super) KeyBytes);

impl RecoveryCode {
    pub fn generate() -> Result<Self> {
        Ok(Self(Zeroizing::new(random()?)))
    }

    /// `MSK1-` and 56 letters and digits in groups of seven: the key and three bytes of its BLAKE3.
    pub fn to_text(&self) -> Zeroizing<String> {
        RECOVERY.write(self.0.as_slice())
    }

    /// Reads a code, forgiving case, spaces and the letters that look like digits.
    pub fn parse(text: &str) -> Option<Self> {
        RECOVERY.read_key(text).map(Self)
    }

    /// Whether a text has the form of a code, give or take a few characters: it begins like one, or has its groups.
    pub(super) fn is_resembled_by(text: &str) -> bool {
        let plain: Zeroizing<String> =
            Zeroizing::new(text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect());
        let begins = |prefix: &str| plain.get(..3).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix));
        let begins_so = begins(RECOVERY.prefix) || begins(PRIVATE.prefix);
        let has_groups = text.matches('-').count() >= 7;
        plain.len().abs_diff(CODE_LEN) <= 2
            && plain.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && (begins_so || has_groups)
    }
}

/// The private half of a recipient: the seed of a key pair.
pub struct RecipientCode(pub(super) KeyBytes);

impl RecipientCode {
    pub fn generate() -> Result<Self> {
        random().map(Self::of_seed)
    }

    pub(crate) fn of_seed(seed: [u8; 32]) -> Self {
        Self(Zeroizing::new(seed))
    }

    /// `MSR1-` and 56 letters and digits, as in a recovery code.
    pub fn to_text(&self) -> Zeroizing<String> {
        PRIVATE.write(self.0.as_slice())
    }

    pub fn parse(text: &str) -> Option<Self> {
        PRIVATE.read_key(text).map(Self)
    }

    /// The half that may be shown to everybody.
    pub fn recipient(&self) -> Recipient {
        Recipient(PublicKey::of(&self.0))
    }
}

/// The public half of a recipient: the repository's secrets can be sealed to it, and nothing can be opened with it.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient(pub(super) PublicKey);

impl Recipient {
    /// `MSP1-` and 1,952 letters and digits on 31 lines: the key and four bytes of its BLAKE3.
    pub fn to_text(&self) -> String {
        PUBLIC.write(&self.0.to_bytes()).to_string()
    }

    /// Reads a public key that begins where a line of the text does, whatever stands before.
    pub fn parse(text: &str) -> Option<Self> {
        let is_before = |line: &&str| !line.trim_start().to_ascii_uppercase().starts_with("MSP");
        let text: Vec<&str> = text.lines().skip_while(is_before).collect();
        let bytes = PUBLIC.read(&text.join("\n"))?;
        PublicKey::from_bytes(&bytes).ok().map(Self)
    }
}

impl Spelling {
    fn write(&self, key: &[u8]) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(key.to_vec());
        bytes.extend_from_slice(&blake3::hash(key).as_bytes()[..self.check_len]);
        let mut text = Zeroizing::new(format!("{}1", self.prefix));
        for (index, group) in five_bit_groups(&bytes).into_iter().enumerate() {
            if index % GROUP_LEN == 0 {
                let is_new_line = index > 0 && (index / GROUP_LEN).is_multiple_of(LINE_GROUPS);
                text.push(if is_new_line { '\n' } else { '-' });
            }
            text.push(char::from(ALPHABET[usize::from(group)]));
        }
        text
    }

    fn read_key(&self, text: &str) -> Option<KeyBytes> {
        let key: [u8; 32] = self.read(text)?.as_slice().try_into().ok()?;
        Some(Zeroizing::new(key))
    }

    fn read(&self, text: &str) -> Option<Zeroizing<Vec<u8>>> {
        let plain: Zeroizing<String> = Zeroizing::new(
            text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect::<String>().to_ascii_uppercase(),
        );
        let digits = plain.strip_prefix(self.prefix)?.strip_prefix(['1', 'I', 'L'])?;
        if digits.len() != (self.key_len + self.check_len) * 8 / 5 {
            return None;
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.key_len + self.check_len));
        let (mut buffer, mut held) = (0u32, 0);
        for digit in digits.bytes() {
            let digit = match digit {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            };
            let value = ALPHABET.iter().position(|letter| *letter == digit)?;
            buffer = (buffer << 5 | value as u32) & 0xfff;
            held += 5;
            if held >= 8 {
                held -= 8;
                bytes.push((buffer >> held) as u8);
            }
        }
        let check = bytes.split_off(self.key_len);
        (blake3::hash(&bytes).as_bytes().get(..self.check_len)? == check).then_some(bytes)
    }
}

fn five_bit_groups(bytes: &[u8]) -> Vec<u8> {
    let mut groups = Vec::with_capacity(bytes.len() * 8 / 5);
    let (mut buffer, mut held) = (0u32, 0);
    for byte in bytes {
        buffer = (buffer << 8 | u32::from(*byte)) & 0xfff;
        held += 8;
        while held >= 5 {
            held -= 5;
            groups.push((buffer >> held) as u8 & 31);
        }
    }
    groups
}

#[cfg(test)]
mod tests;
