"""The codec: any bytes, any split, any order; damage, hostility and other versions never crash it."""

from __future__ import annotations

import json
import random
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stub_runtime.wire import (
    HEADER_BYTES,
    MAX_BODY,
    MAX_CHUNK,
    MAX_FRAME,
    MAX_MESSAGE,
    Frame,
    Joiner,
    Kind,
    VersionError,
    WireError,
    nack,
    pack,
    read_nack,
    split,
    unpack,
)

ATTEMPT = "0123456789abcdef" * 2
ATTEMPTS = st.binary(min_size=16, max_size=16).map(bytes.hex)
KINDS = st.sampled_from(sorted(Kind))


@given(kind=KINDS, attempt=ATTEMPTS, payload=st.binary(max_size=2000), index=st.integers(0, 3))
def test_a_frame_is_what_it_was(kind: Kind, attempt: str, payload: bytes, index: int) -> None:
    frame = Frame(kind, attempt, payload, index, 4, zlib.crc32(payload))
    assert Frame.decode(frame.encode()) == frame


@settings(deadline=None, max_examples=40)
@given(size=st.one_of(st.integers(0, 600_000), st.sampled_from([0, MAX_CHUNK - 1, MAX_CHUNK, MAX_CHUNK + 1,
                                                                6 * 1024 * 1024, MAX_MESSAGE])),
       rng=st.randoms(use_true_random=False))
def test_frames_in_any_order_and_doubled_join_to_the_message(size: int, rng: random.Random) -> None:
    message = random.Random(size).randbytes(size)
    frames = split(Kind.INVOKE, ATTEMPT, message)
    assert all(len(frame.encode()) <= MAX_FRAME for frame in frames)
    mixed = frames + rng.sample(frames, min(3, len(frames)))[:len(frames) - 1]
    rng.shuffle(mixed)
    joiner, whole = Joiner(), []
    for frame in mixed:
        joined = joiner.add(Frame.decode(frame.encode()), 0.0)
        if joined is not None:
            whole.append(joined)
            break
    assert [m.payload for m in whole] == [message]
    assert joiner.held == 0


def test_a_message_over_the_limit_is_refused() -> None:
    with pytest.raises(WireError):
        split(Kind.INVOKE, ATTEMPT, bytes(MAX_MESSAGE + 1))


@given(payload=st.binary(max_size=300), at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_is_noticed(payload: bytes, at: int, bit: int) -> None:
    data = bytearray(Frame(Kind.ANSWER, ATTEMPT, payload).encode())
    data[at % len(data)] ^= 1 << bit
    with pytest.raises(WireError):
        Frame.decode(bytes(data))


@given(payload=st.binary(max_size=300), cut=st.integers(1, 400))
def test_half_a_frame_is_noticed(payload: bytes, cut: int) -> None:
    data = Frame(Kind.ANSWER, ATTEMPT, payload).encode()
    with pytest.raises(WireError):
        Frame.decode(data[:max(0, len(data) - cut)])


@given(data=st.binary(max_size=400))
def test_hostile_bytes_only_ever_raise_wire_errors(data: bytes) -> None:
    for read in (Frame.decode, unpack, lambda d: read_nack(Frame(Kind.NACK, ATTEMPT, d))):
        try:
            read(data)
        except WireError:
            continue


@given(version=st.integers(0, 255).filter(lambda v: v != 1), rest=st.binary(max_size=100))
def test_another_version_is_named(version: int, rest: bytes) -> None:
    with pytest.raises(VersionError) as caught:
        Frame.decode(bytes([version]) + rest)
    assert caught.value.version == version


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
    | st.text(st.characters(codec=None, exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4), max_leaves=20)


@given(head=st.dictionaries(st.text(max_size=8).filter(lambda k: k != "z"), JSON, max_size=4),
       body=st.binary(max_size=20_000), repeat=st.integers(1, 3))
def test_head_and_body_are_what_they_were(head: dict[str, object], body: bytes, repeat: int) -> None:
    if len(json.dumps(head)) < 60_000:
        read, content = unpack(pack(head, body * repeat))
        assert {k: v for k, v in read.items() if k != "z"} == head
        assert content == body * repeat


@pytest.mark.parametrize("text", ["\u2028\u2029", "日本語" * 3000, "😀" * 5000, "é" * 9000, "\ud800 alone"])
def test_event_text_passes_as_the_bytes_it_was(text: str) -> None:
    body = json.dumps({"text": text}).encode()
    assert json.loads(unpack(pack({}, body))[1])["text"] == text


def test_compression_is_used_only_when_it_pays() -> None:
    noise = random.Random(1).randbytes(50_000)
    assert len(pack({}, noise)) >= 50_000
    assert len(pack({}, b'{"a":1}' * 10_000)) < 10_000
    assert len(pack({}, b"a" * 1000)) > 1000


def test_a_decompression_bomb_stays_small() -> None:
    bomb = zlib.compress(bytes(200 * 1024 * 1024), 9)
    for claimed in (10, MAX_BODY, MAX_BODY + 1, -1, True, "9"):
        message = pack({"z": claimed}, bomb, compress=False)
        tracemalloc.start()
        with pytest.raises(WireError):
            unpack(message)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 3 * MAX_BODY


def test_half_sets_are_bounded_and_expire() -> None:
    joiner = Joiner(max_bytes=1024 * 1024, max_sets=10)
    for i in range(500):
        joiner.add(Frame(Kind.INVOKE, f"{i:032x}", bytes(50_000), 0, 3, i), float(i))
        assert joiner.held <= 1024 * 1024
        assert len(joiner) <= 10
    assert joiner.missing(1000.0) == []
    assert len(joiner) == 0
    assert joiner.held == 0


def test_missing_frames_are_asked_for_less_and_less_often() -> None:
    frames = split(Kind.INVOKE, ATTEMPT, random.Random(3).randbytes(3 * MAX_CHUNK))
    joiner = Joiner()
    joiner.add(frames[1], 0.0)
    assert joiner.missing(0.1) == []
    (asked,) = joiner.missing(0.31)
    assert read_nack(asked) == (Kind.INVOKE, frames[0].message_id, [0, 2])
    assert joiner.missing(0.4) == []
    assert joiner.missing(0.7) != []
    joiner.add(frames[0], 0.8)
    assert joiner.add(frames[2], 0.8) is not None


@given(indexes=st.lists(st.integers(0, 65535), max_size=60))
def test_a_nack_names_its_indexes(indexes: list[int]) -> None:
    assert read_nack(nack(ATTEMPT, Kind.ANSWER, 77, indexes)) == (Kind.ANSWER, 77, indexes)


def test_frames_of_two_messages_of_one_attempt_do_not_mix() -> None:
    first, second = (split(Kind.INVOKE, ATTEMPT, random.Random(i).randbytes(2 * MAX_CHUNK)) for i in (1, 2))
    joiner = Joiner()
    assert joiner.add(first[0], 0) is None
    assert joiner.add(second[1], 0) is None
    joined = joiner.add(second[0], 0)
    assert joined is not None
    assert joined.payload == second[0].payload + second[1].payload


def test_the_header_is_small() -> None:
    assert HEADER_BYTES == 36
