"""Signing and sealing, by PyNaCl (libsodium) alone: Ed25519 signatures, X25519 + XSalsa20-Poly1305 boxes.

Nothing here is our own cryptography; this module only fixes what is signed and how a sealed message is laid out.
"""

from __future__ import annotations

import hashlib

from nacl.exceptions import CryptoError
from nacl.public import Box, PrivateKey, PublicKey, SealedBox
from nacl.signing import SigningKey, VerifyKey

from stub_runtime.wire import WireError

KEY_ID_BYTES = 8
OVERHEAD = KEY_ID_BYTES + 32 + Box.NONCE_SIZE + 16
"""Bytes that sealing a call adds."""


class CannotOpen(WireError):
    """A message that is not sealed to a key of this side, or was changed on the way."""


def verify_key_of(seed: bytes) -> bytes:
    """The public half (32 bytes) of a signing key's seed (32 bytes): what stubs are told."""
    return bytes(SigningKey(seed).verify_key)


def sign(seed: bytes, message: bytes) -> bytes:
    """Ed25519 signature, 64 bytes."""
    return SigningKey(seed).sign(message).signature


def verify(verify_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` is that key's over `message`."""
    if len(signature) != 64:
        return False
    try:
        VerifyKey(verify_key).verify(message, signature)
    except CryptoError:
        return False
    return True


def key_id(public: bytes) -> bytes:
    """Short name of a public key, so that a console sees at once that a frame is for another session."""
    return hashlib.sha256(public).digest()[:KEY_ID_BYTES]


class StubKey:
    """A stub's key pair, fresh per execution environment, and its boxes to the consoles it has talked to."""

    def __init__(self) -> None:
        self._private = PrivateKey.generate()
        self._public = bytes(self._private.public_key)
        self._boxes: dict[bytes, Box] = {}

    def seal(self, console: bytes, plain: bytes) -> bytes:
        """Seal a call to the console's public key: key id, our public key, box. Raises `WireError` for a bad key."""
        name = key_id(console)
        if name not in self._boxes:
            if len(self._boxes) >= 8:
                self._boxes.pop(next(iter(self._boxes)))
            try:
                self._boxes[name] = Box(self._private, PublicKey(console))
            except (CryptoError, TypeError, ValueError) as error:
                raise WireError("a presence whose key is no key") from error
        return b"".join((name, self._public, self._boxes[name].encrypt(plain)))

    def open(self, sealed: bytes) -> bytes:
        """Open what a console sealed to us. Raises `CannotOpen`."""
        box = self._boxes.get(sealed[:KEY_ID_BYTES])
        if box is None:
            raise CannotOpen("sealed by a console that this stub never talked to")
        try:
            return box.decrypt(sealed[KEY_ID_BYTES:])
        except (CryptoError, TypeError, ValueError) as error:
            raise CannotOpen("a message that does not open") from error


class SessionKey:
    """A console's key pair, fresh per session and never stored, and its boxes to stubs."""

    def __init__(self) -> None:
        self._private = PrivateKey.generate()
        self.public = bytes(self._private.public_key)
        self._id = key_id(self.public)
        self._boxes: dict[bytes, Box] = {}

    def is_mine(self, sealed: bytes) -> bool:
        """Whether a call is sealed to this session, by its key id."""
        return sealed[:KEY_ID_BYTES] == self._id

    def _box(self, stub: bytes) -> Box:
        box = self._boxes.get(stub)
        if box is None:
            while len(self._boxes) >= 1024:
                self._boxes.pop(next(iter(self._boxes)))
            box = self._boxes[stub] = Box(self._private, PublicKey(stub))
        return box

    def open(self, sealed: bytes) -> tuple[bytes, bytes]:
        """(plain bytes, the stub's public key). Raises `CannotOpen`."""
        stub = sealed[KEY_ID_BYTES:KEY_ID_BYTES + 32]
        try:
            return self._box(stub).decrypt(sealed[KEY_ID_BYTES + 32:]), stub
        except (CryptoError, TypeError, ValueError) as error:
            raise CannotOpen("a message that does not open") from error

    def seal(self, stub: bytes, plain: bytes) -> bytes:
        """Seal an answer to a stub's public key: our key id, box."""
        return self._id + self._box(stub).encrypt(plain)


def seal_anonymously(public: bytes, plain: bytes) -> bytes:
    """Seal to a public key without a key of one's own (libsodium's sealed box)."""
    return SealedBox(PublicKey(public)).encrypt(plain)


class ReplyKey:
    """A key pair for one sealed reply."""

    def __init__(self, private: PrivateKey | None = None) -> None:
        self._private = private or PrivateKey.generate()
        self.public = bytes(self._private.public_key)

    def open(self, sealed: bytes) -> bytes:
        """Open what `seal_anonymously` sealed. Raises `CannotOpen`."""
        try:
            return SealedBox(self._private).decrypt(sealed)
        except (CryptoError, TypeError, ValueError) as error:
            raise CannotOpen("a reply that does not open") from error
