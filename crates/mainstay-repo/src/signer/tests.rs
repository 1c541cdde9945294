//! Tests of who is believed.

use super::*;
use crate::format::signature::SigningRights;

const MESSAGE: &[u8] = b"message";

fn first() -> (Signer, RepositoryId) {
    Signer::first("first", 1).unwrap()
}

fn judged(
    repository: RepositoryId,
    certificates: &[Certificate],
    signer: &Signer,
    right: SigningRights,
) -> Decoded<String> {
    let judge = Judge::new(repository);
    let judge = || judge.judge(certificates, right, MESSAGE, &signer.sign(MESSAGE)).map(|holder| holder.label);
    let first = judge();
    assert_eq!(judge(), first, "what is remembered is judged in the same way");
    first
}

#[test]
fn holders_are_known_through_those_who_made_them_known() {
    let (root, repository) = first();
    let second = root.introduce(repository, SigningRights::ALL, "second", 2).unwrap();
    let third = second.introduce(repository, SigningRights::SNAPSHOTS, "third", 3).unwrap();
    for (signer, label) in [(&root, "first"), (&second, "second"), (&third, "third")] {
        assert_eq!(judged(repository, signer.certificates(), signer, SigningRights::SNAPSHOTS), Ok(label.to_owned()));
        assert_eq!(signer.confirm(repository, SigningRights::SNAPSHOTS), Ok(()));
    }
    let again = Signer::open(third.stored().clone());
    assert_eq!((again.public_key(), again.own()), (third.public_key(), third.own()));
}

#[test]
fn a_right_that_was_not_given_is_not_there() {
    let (root, repository) = first();
    let writer = root.introduce(repository, SigningRights::SNAPSHOTS, "writer", 2).unwrap();
    assert!(judged(repository, writer.certificates(), &writer, SigningRights::REMOVALS).is_err());
    assert!(writer.confirm(repository, SigningRights::REMOVALS).is_err());
    assert!(writer.introduce(repository, SigningRights::SNAPSHOTS, "friend", 3).is_err());
    // One who does it nevertheless is not believed.
    let friend = root.introduce(repository, SigningRights::ALL, "friend", 3).unwrap();
    let mut forged = vec![certify(&writer.key, repository, friend.own().unwrap().clone())];
    forged.extend_from_slice(writer.certificates());
    assert!(judged(repository, &forged, &friend, SigningRights::SNAPSHOTS).is_err());
}

#[test]
fn nobody_makes_himself_known() {
    let (root, repository) = first();
    let (stranger, elsewhere) = Signer::first("first", 1).unwrap();
    assert!(judged(repository, stranger.certificates(), &stranger, SigningRights::SNAPSHOTS).is_err());
    assert!(judged(elsewhere, root.certificates(), &root, SigningRights::SNAPSHOTS).is_err());
    // His own certificate before one of the true first holder, who never signed it.
    let borrowed = [stranger.certificates(), root.certificates()].concat();
    assert!(judged(repository, &borrowed, &stranger, SigningRights::SNAPSHOTS).is_err());
    // The certificate of another, with his own signature beneath the message.
    assert!(judged(repository, root.certificates(), &stranger, SigningRights::SNAPSHOTS).is_err());
    assert!(judged(repository, &[], &root, SigningRights::SNAPSHOTS).is_err());
}

#[test]
fn a_certificate_that_was_changed_is_worth_nothing() {
    let (root, repository) = first();
    let second = root.introduce(repository, SigningRights::SNAPSHOTS, "second", 2).unwrap();
    let changes: [fn(&mut Certificate); 5] = [
        |certificate| certificate.statement.rights.0 ^= 8,
        |certificate| certificate.statement.label.push('!'),
        |certificate| certificate.statement.slot.0[0] ^= 1,
        |certificate| certificate.statement.created += 1,
        |certificate| certificate.signature[0] ^= 1,
    ];
    for change in changes {
        for at in 0..2 {
            let mut certificates = second.certificates().to_vec();
            change(&mut certificates[at]);
            assert!(judged(repository, &certificates, &second, SigningRights::SNAPSHOTS).is_err());
        }
    }
    assert!(judged(repository, second.certificates(), &second, SigningRights::SNAPSHOTS).is_ok());
}

#[test]
fn a_message_or_a_signature_that_was_changed_is_noticed() {
    let (root, repository) = first();
    let judge = Judge::new(repository);
    let signature = root.sign(MESSAGE);
    let judged = |message: &[u8], signature: &[u8; 64]| {
        judge.judge(root.certificates(), SigningRights::SNAPSHOTS, message, signature).is_ok()
    };
    assert!(judged(MESSAGE, &signature) && !judged(b"massage", &signature));
    for bit in 0..512 {
        let mut flipped = signature;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(!judged(MESSAGE, &flipped), "bit {bit}");
    }
}

#[test]
fn a_line_of_holders_has_an_end() {
    let (mut signer, repository) = first();
    for number in 1..limits::CERTIFICATES {
        signer = signer.introduce(repository, SigningRights::ALL, &number.to_string(), 0).unwrap();
    }
    assert!(signer.confirm(repository, SigningRights::ALL).is_ok());
    assert!(signer.introduce(repository, SigningRights::ALL, "one more", 0).is_err());
    assert!(Signer::first(&"x".repeat(limits::LABEL_LEN + 1), 0).is_err());
}
