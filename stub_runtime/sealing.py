"""Signing and sealing, by libsodium alone: Ed25519 signatures, X25519 + XSalsa20-Poly1305 boxes.

Nothing here is our own cryptography; this module only fixes what is signed and how a sealed message is laid out, which
is PyNaCl's way (`Box`, `SealedBox`, `SigningKey`). libsodium is called as PyNaCl binds it, without PyNaCl's Python
modules: importing those takes a fifth of the stub's cold start, and they copy a message four times.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

from nacl._sodium import ffi, lib

from stub_runtime.wire import WireError

KEY_ID_BYTES = 8
KEY_BYTES = 32
_NONCE, _MAC, _SIGNATURE = 24, 16, 64

if lib.sodium_init() < 0:
    raise ImportError("libsodium cannot be used on this machine")


class CannotOpen(WireError):
    """A message that is not sealed to a key of this side, or was changed on the way."""


def _key_pair(generate: Any, public_bytes: int, secret_bytes: int, *seed: bytes) -> tuple[bytes, bytes]:
    """(public, secret)"""
    public, secret = bytearray(public_bytes), bytearray(secret_bytes)
    generate(ffi.from_buffer(public), ffi.from_buffer(secret), *seed)
    return bytes(public), bytes(secret)


def _signing_pair(seed: bytes) -> tuple[bytes, bytes]:
    if len(seed) != KEY_BYTES:
        raise ValueError(f"a signing key has {KEY_BYTES} bytes")
    return _key_pair(lib.crypto_sign_seed_keypair, KEY_BYTES, 2 * KEY_BYTES, seed)


def verify_key_of(seed: bytes) -> bytes:
    """The public half (32 bytes) of a signing key's seed (32 bytes): what stubs are told."""
    return _signing_pair(seed)[0]


def sign(seed: bytes, message: bytes) -> bytes:
    """Ed25519 signature, 64 bytes."""
    signed = bytearray(_SIGNATURE + len(message))
    if lib.crypto_sign(ffi.from_buffer(signed), ffi.NULL, message, len(message), _signing_pair(seed)[1]):
        raise RuntimeError("libsodium did not sign")
    return bytes(signed[:_SIGNATURE])


def verify(verify_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` is that key's over `message`."""
    if len(signature) != _SIGNATURE or len(verify_key) != KEY_BYTES:
        return False
    signed, plain = signature + message, bytearray(_SIGNATURE + len(message))
    return bool(lib.crypto_sign_open(ffi.from_buffer(plain), ffi.new("unsigned long long *"), signed, len(signed),
                                     verify_key) == 0)


def sha256(content: bytes) -> bytes:
    """The digest, 32 bytes; `hashlib` would load OpenSSL too, which costs the stub's cold start 3 ms."""
    digest = bytearray(32)
    lib.crypto_hash_sha256(ffi.from_buffer(digest), content, len(content))
    return bytes(digest)


@lru_cache(16)
def key_id(public: bytes) -> bytes:
    """Short name of a public key, so that a console sees at once that a frame is for another session."""
    return sha256(public)[:KEY_ID_BYTES]


class _Box:
    """What two key pairs have in common: boxes that either side can make and open."""

    def __init__(self, secret: bytes, public: bytes) -> None:
        if len(public) != KEY_BYTES:
            raise CannotOpen("a public key of another size")
        shared = bytearray(KEY_BYTES)
        if lib.crypto_box_beforenm(ffi.from_buffer(shared), bytes(public), secret):
            raise CannotOpen("a public key that is no key")
        self._shared = bytes(shared)

    def seal(self, before: bytes, plain: bytes) -> bytes:
        """`before`, a random nonce, and the box of `plain`."""
        nonce = os.urandom(_NONCE)
        start = len(before) + _NONCE
        sealed = bytearray(start + _MAC + len(plain))
        sealed[:start] = before + nonce
        if lib.crypto_box_easy_afternm(ffi.from_buffer(sealed) + start, ffi.from_buffer(plain), len(plain), nonce,
                                       self._shared):
            raise RuntimeError("libsodium did not seal")
        return bytes(sealed)

    def open(self, sealed: bytes, start: int) -> bytes:
        """What was sealed, with `start` bytes before its nonce. Raises `CannotOpen`."""
        size = len(sealed) - start - _NONCE - _MAC
        if size < 0:
            raise CannotOpen("a message that was cut")
        plain = bytearray(size)
        at = start + _NONCE
        if lib.crypto_box_open_easy_afternm(ffi.from_buffer(plain), ffi.from_buffer(sealed) + at, _MAC + size,
                                            sealed[start:at], self._shared):
            raise CannotOpen("a message that does not open")
        return bytes(plain)


class StubKey:
    """A stub's key pair, fresh per execution environment, and its boxes to the consoles it has talked to."""

    def __init__(self) -> None:
        self._public, self._secret = _key_pair(lib.crypto_box_keypair, KEY_BYTES, KEY_BYTES)
        self._boxes: dict[bytes, _Box] = {}

    def seal(self, console: bytes, plain: bytes) -> bytes:
        """Seal a call to the console's public key: key id, our public key, box. Raises `WireError` for a bad key."""
        name = key_id(console)
        if name not in self._boxes:
            if len(self._boxes) >= 8:
                self._boxes.pop(next(iter(self._boxes)))
            self._boxes[name] = _Box(self._secret, console)
        return self._boxes[name].seal(name + self._public, plain)

    def open(self, sealed: bytes) -> bytes:
        """Open what a console sealed to us. Raises `CannotOpen`."""
        box = self._boxes.get(sealed[:KEY_ID_BYTES])
        if box is None:
            raise CannotOpen("sealed by a console that this stub never talked to")
        return box.open(sealed, KEY_ID_BYTES)


class SessionKey:
    """A console's key pair, fresh per session and never stored, and its boxes to stubs."""

    def __init__(self) -> None:
        self.public, self._secret = _key_pair(lib.crypto_box_keypair, KEY_BYTES, KEY_BYTES)
        self._id = key_id(self.public)
        self._boxes: dict[bytes, _Box] = {}

    def is_mine(self, sealed: bytes) -> bool:
        """Whether a call is sealed to this session, by its key id."""
        return sealed[:KEY_ID_BYTES] == self._id

    def _box(self, stub: bytes) -> _Box:
        box = self._boxes.get(stub)
        if box is None:
            while len(self._boxes) >= 1024:
                self._boxes.pop(next(iter(self._boxes)))
            box = self._boxes[stub] = _Box(self._secret, stub)
        return box

    def open(self, sealed: bytes) -> tuple[bytes, bytes]:
        """(plain bytes, the stub's public key). Raises `WireError` when it cannot be opened."""
        stub = bytes(sealed[KEY_ID_BYTES:KEY_ID_BYTES + KEY_BYTES])
        return self._box(stub).open(sealed, KEY_ID_BYTES + KEY_BYTES), stub

    def seal(self, stub: bytes, plain: bytes) -> bytes:
        """Seal an answer to a stub's public key: our key id, box."""
        return self._box(stub).seal(self._id, plain)


def seal_anonymously(public: bytes, plain: bytes) -> bytes:
    """Seal to a public key without a key of one's own (libsodium's sealed box). Raises `WireError` for a bad key."""
    if len(public) != KEY_BYTES:
        raise CannotOpen("a public key of another size")
    sealed = bytearray(KEY_BYTES + _MAC + len(plain))
    if lib.crypto_box_seal(ffi.from_buffer(sealed), plain, len(plain), public):
        raise CannotOpen("a public key that is no key")
    return bytes(sealed)


class ReplyKey:
    """A key pair for one sealed reply."""

    def __init__(self) -> None:
        self.public, self._secret = _key_pair(lib.crypto_box_keypair, KEY_BYTES, KEY_BYTES)

    def open(self, sealed: bytes) -> bytes:
        """Open what `seal_anonymously` sealed. Raises `CannotOpen`."""
        plain = bytearray(max(0, len(sealed) - KEY_BYTES - _MAC))
        if len(sealed) < KEY_BYTES + _MAC or lib.crypto_box_seal_open(
                ffi.from_buffer(plain), sealed, len(sealed), self.public, self._secret):
            raise CannotOpen("a reply that does not open")
        return bytes(plain)
