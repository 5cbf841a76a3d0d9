"""The stream of session events: everyone hears everything, and latecomers get the snapshot."""

from livetui.session.events import LinkChanged, Notice, SessionEnded, SessionEvent, SessionFailed, StackProgress
from livetui.session.hub import Hub


def test_every_listener_hears_every_event_until_it_leaves() -> None:
    hub, first, second = Hub(), list[SessionEvent](), list[SessionEvent]()
    leave = hub.subscribe(first.append)
    hub.subscribe(second.append)
    hub.publish(Notice("info", "one"))
    leave()
    hub.publish(Notice("info", "two"))
    assert first == [Notice("info", "one")]
    assert second == [Notice("info", "one"), Notice("info", "two")]


def test_a_listener_that_fails_stops_nobody() -> None:
    hub, heard = Hub(), list[SessionEvent]()

    def broken(event: SessionEvent) -> None:
        raise ValueError(event)

    hub.subscribe(broken)
    hub.subscribe(heard.append)
    hub.publish(Notice("info", "on"))
    assert heard == [Notice("info", "on")]


def test_the_snapshot_follows_the_events() -> None:
    hub = Hub()
    assert hub.status().phase == "starting"
    hub.publish(StackProgress("bootstrap", "Bucket", "CREATE_COMPLETE"))
    hub.publish(StackProgress("deploy", "Table", "CREATE_IN_PROGRESS"))
    hub.publish(LinkChanged("connecting"))
    status = hub.status()
    assert (status.phase, [step.resource for step in status.steps]) == ("deploying", ["Bucket", "Table"])
    assert status.link == LinkChanged("connecting")


def test_a_failure_stays_visible_after_the_end() -> None:
    hub = Hub()
    hub.publish(SessionFailed("no template"))
    hub.publish(SessionEnded(2))
    assert hub.status().phase == "failed"
    assert hub.status().failed == SessionFailed("no template")
