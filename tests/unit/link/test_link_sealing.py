"""Sealing calls libsodium itself: what it makes is PyNaCl's, and what was changed or belongs to others stays shut."""

from __future__ import annotations

import hashlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.public import Box, PrivateKey, PublicKey, SealedBox
from nacl.signing import SigningKey

from stub_runtime.sealing import (
    KEY_ID_BYTES,
    CannotOpen,
    ReplyKey,
    SessionKey,
    StubKey,
    key_id,
    seal_anonymously,
    sha256,
    sign,
    verify,
    verify_key_of,
)
from stub_runtime.wire import WireError


@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=500))
def test_signatures_are_those_of_pynacl(seed: bytes, message: bytes) -> None:
    theirs = SigningKey(seed)
    assert verify_key_of(seed) == bytes(theirs.verify_key)
    assert sign(seed, message) == theirs.sign(message).signature
    assert verify(bytes(theirs.verify_key), message, theirs.sign(message).signature)


@given(message=st.binary(max_size=200), at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_changed_message_signature_or_key_does_not_verify(message: bytes, at: int, flip: int) -> None:
    parts = [bytearray(verify_key_of(b"s" * 32)), bytearray(message), bytearray(sign(b"s" * 32, message))]
    whole = [part for part in parts if part]
    changed = whole[at % len(whole)]
    changed[at % len(changed)] ^= flip
    assert not verify(bytes(parts[0]), bytes(parts[1]), bytes(parts[2]))


@given(content=st.binary(max_size=300))
def test_digests_are_those_of_hashlib(content: bytes) -> None:
    assert sha256(content) == hashlib.sha256(content).digest()


@pytest.mark.parametrize("signature", [b"", b"x" * 63, b"x" * 65, bytes(64)])
def test_no_signature_verifies_nothing(signature: bytes) -> None:
    assert not verify(verify_key_of(b"s" * 32), b"", signature)


@pytest.mark.parametrize("size", [0, 1, 5000, 300_000])
def test_boxes_are_those_of_pynacl_both_ways(size: int) -> None:
    theirs, stub, plain = PrivateKey.generate(), StubKey(), os.urandom(size)
    console = bytes(theirs.public_key)
    sealed = stub.seal(console, plain)
    assert len(sealed) == size + 8 + 32 + 24 + 16  # key id, ephemeral key, nonce, authenticator
    box = Box(theirs, PublicKey(sealed[KEY_ID_BYTES:KEY_ID_BYTES + 32]))
    assert box.decrypt(sealed[KEY_ID_BYTES + 32:]) == plain
    assert stub.open(key_id(console) + box.encrypt(plain)) == plain


@pytest.mark.parametrize("size", [0, 5000])
def test_a_session_opens_what_its_stubs_seal_and_answers_only_them(size: int) -> None:
    session, stub, other, plain = SessionKey(), StubKey(), StubKey(), os.urandom(size)
    opened, public = session.open(stub.seal(session.public, plain))
    assert opened == plain
    other.seal(session.public, b"")
    answer = session.seal(public, plain)
    assert stub.open(answer) == plain
    with pytest.raises(CannotOpen):
        other.open(answer)
    with pytest.raises(CannotOpen):
        SessionKey().open(stub.seal(session.public, plain))


@given(at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_changed_box_does_not_open(at: int, flip: int) -> None:
    session, stub = SessionKey(), StubKey()
    sealed = bytearray(stub.seal(session.public, b"secret"))
    at = KEY_ID_BYTES + at % (len(sealed) - KEY_ID_BYTES)
    sealed[at] ^= flip
    try:
        opened, public = session.open(bytes(sealed))
    except WireError:
        return
    # X25519 ignores the highest bit of a public key; the box is then the same, and so is what it says
    assert (at, flip, opened) == (KEY_ID_BYTES + 31, 128, b"secret")
    assert public != stub._public


@given(garbage=st.binary(max_size=120))
def test_garbage_is_refused_with_a_wire_error(garbage: bytes) -> None:
    session, stub = SessionKey(), StubKey()
    with pytest.raises(WireError):
        session.open(garbage)
    with pytest.raises(WireError):
        stub.open(garbage)
    with pytest.raises(WireError):
        ReplyKey().open(garbage)


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(32), bytes([1]) + bytes(31), bytes(33)])
def test_a_public_key_that_is_none_is_refused(key: bytes) -> None:
    with pytest.raises(WireError):
        StubKey().seal(key, b"x")
    with pytest.raises(WireError):
        seal_anonymously(key, b"x")
    with pytest.raises(WireError):
        SessionKey().open(bytes(KEY_ID_BYTES) + key + bytes(60))


def test_sealed_replies_are_those_of_pynacl() -> None:
    reply = ReplyKey()
    assert reply.open(bytes(SealedBox(PublicKey(reply.public)).encrypt(b"keys"))) == b"keys"
    theirs = PrivateKey.generate()
    assert SealedBox(theirs).decrypt(seal_anonymously(bytes(theirs.public_key), b"keys")) == b"keys"
