"""What a key may do is remembered for a while, and not for longer."""

from livetui.cloud.decisions import KEPT_S, remembering


def test_an_answer_counts_until_it_is_too_old() -> None:
    asked: list[tuple[str, ...]] = []
    now, allowed = 0.0, True

    def allows(*question: str) -> bool:
        asked.append(question)
        return allowed

    remembered = remembering(allows, lambda: now)
    assert [remembered("ada", "publish"), remembered("ada", "publish")] == [True, True]
    allowed = False
    assert [remembered("ada", "publish"), remembered("ada", "receive")] == [True, False]
    assert asked == [("ada", "publish"), ("ada", "receive")]
    now = KEPT_S[True]
    assert remembered("ada", "publish") is False
    allowed = True
    assert remembered("ada", "publish") is False
    now += KEPT_S[False]
    assert remembered("ada", "publish") is True
