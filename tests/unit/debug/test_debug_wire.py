"""Frames: what is accepted, what is refused, and how early."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetui.debug.wire import HEADER_LIMIT, Decoder, WireError, frame

EVENT = {"seq": 1, "type": "event", "event": "output", "body": {"output": "größe ∑"}}


@given(st.lists(st.integers(1, 200), min_size=1, max_size=20))
def test_messages_survive_any_chopping(cuts: list[int]) -> None:
    sent, decoder, got = frame(EVENT) * 3, Decoder(1000), []
    for size in [*cuts, len(sent)]:
        got += decoder.feed(sent[:size])
        sent = sent[size:]
    assert got == [EVENT] * 3


def test_content_type_is_accepted() -> None:
    body = b'{"type":"event"}'
    assert Decoder(99).feed(b"content-type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: %d\r\n\r\n%b"
                            % (len(body), body)) == [{"type": "event"}]


@pytest.mark.parametrize("start", [b"P", b"POST / HTTP/1.1\r\n", b"GET /", b"Content-Length: 5\r\nHost: localhost\r\n",
                                   b"Content-Length: 5\r\nOrigin", b"\r\n", b"{", b"Content-Lengthy: 1"])
def test_what_cannot_be_a_frame_is_refused_before_it_ends(start: bytes) -> None:
    with pytest.raises(WireError):
        Decoder(99).feed(start)


@pytest.mark.parametrize("header", [b"Content-Length: -1", b"Content-Length: 1\r\nContent-Length: 1",
                                    b"Content-Type: text/plain", b"Content-Length: 0x10", b"Content-Length: 100",
                                    b"Content-Length: 9999999999999", b"Content-Length:"])
def test_a_length_is_needed_once_and_within_the_limit(header: bytes) -> None:
    with pytest.raises(WireError):
        Decoder(99).feed(header + b"\r\n\r\n")


def test_a_header_has_an_end() -> None:
    with pytest.raises(WireError, match="too long"):
        Decoder(99).feed(b"Content-Type: " + b"x" * HEADER_LIMIT)


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"{", b'{"type":"other"}', b"{}", b"\xff\xfe", b"[" * 90])
def test_a_body_is_a_dap_message(body: bytes) -> None:
    with pytest.raises(WireError):
        Decoder(99).feed(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
