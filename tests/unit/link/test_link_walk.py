"""The walk that must hold, as a stateful test of both machines, and its named scenarios one by one."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from livetui.link.messages import Answer
from livetui.link.outgoing import Outgoing
from stub_runtime.actions import Publish
from stub_runtime.errors import NOTHING_RAN
from stub_runtime.presence import Presence, presence_frame
from stub_runtime.wire import NO_ATTEMPT, Frame, Kind, refusal, split
from tests.unit.link.world import SEED, TOPICS, SimConsole, SimStub, Weather, World, forged_presence

WEATHERS = {
    "clear": Weather(),
    "lossy": Weather(lose=0.3),
    "doubling": Weather(duplicate=0.5),
    "disordered": Weather(duplicate=0.2, delay=(0.001, 0.6)),
    "slow": Weather(delay=(0.3, 2.0)),
}
SIZES = st.sampled_from([10, 5_000, 250_000, 400_000])


class Walk(RuleBasedStateMachine):
    """Anything may happen, in any order; then the sky clears and every caller must have had its one end."""

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.world = World(random.Random(seed))
        self.stubs = [SimStub(self.world, number) for number in range(3)]
        self.console: SimConsole | None = None

    @rule(kind=st.sampled_from(sorted(WEATHERS)))
    def weather(self, kind: str) -> None:
        self.world.weather = WEATHERS[kind]

    @rule(number=st.integers(0, 2), size=SIZES, seconds=st.sampled_from([3.0, 60.0]))
    def call(self, number: int, size: int, seconds: float) -> None:
        stub = self.stubs[number]
        if not stub.busy and not stub.frozen:
            stub.invoke(size, seconds)

    @rule(seconds=st.sampled_from([0.02, 0.3, 1.0, 4.0, 12.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.run(seconds)

    @precondition(lambda self: self.console is None)
    @rule(owner=st.sampled_from(["ada@laptop", "bob@desk"]), checkout=st.sampled_from(["", "second"]),
          quick=st.booleans(), paced=st.booleans(), slow_bucket=st.sampled_from([0.0, 0.5, 4.0]))
    def console_starts(self, owner: str, checkout: str, quick: bool, paced: bool, slow_bucket: float) -> None:
        self.console = SimConsole(self.world, owner, quick=quick, checkout=checkout, slow_bucket=slow_bucket,
                                  outgoing=Outgoing() if paced else None)

    @precondition(lambda self: self.console is not None)
    @rule(will_after=st.sampled_from([0.0, 2.0, 45.0]))
    def console_is_killed(self, will_after: float) -> None:
        self.console.crash(will_after)
        self.console = None

    @precondition(lambda self: self.console is not None)
    @rule()
    def console_is_closed(self) -> None:
        self.console.close()
        self.console = None

    @precondition(lambda self: self.console is not None)
    @rule()
    def console_is_cut(self) -> None:
        self.console.cut()

    @precondition(lambda self: self.console is not None)
    @rule(seconds=st.sampled_from([0.0, 20.0, 3600.0]))
    def clock_of_the_console_jumps(self, seconds: float) -> None:
        self.console.carry_out(self.console.machine.slept(seconds, self.world.now))

    @rule(epoch=st.integers(0, 3))
    def somebody_who_never_owned_the_stage_dies(self, epoch: int) -> None:
        will = Presence(False, "e" * 16, self.world.epoch + epoch)
        self.world.publish(Publish(TOPICS.presence, presence_frame(will, TOPICS.root, SEED).encode(), retain=True))

    @precondition(lambda self: self.console is not None)
    @rule(quick=st.booleans())
    def console_is_taken_over(self, quick: bool) -> None:
        self.old = self.console
        owner = "bob@desk" if self.console.owner == "ada@laptop" else "ada@laptop"
        self.console = SimConsole(self.world, owner, inherits=False, quick=quick)

    @precondition(lambda self: self.console is not None)
    @rule()
    def work_starts(self) -> None:
        self.console.start()

    @precondition(lambda self: self.console is not None)
    @rule()
    def work_finishes(self) -> None:
        self.console.finish()

    @rule(number=st.integers(0, 2))
    def stub_is_cut(self, number: int) -> None:
        if self.stubs[number].connection:
            self.stubs[number].cut()

    @rule(number=st.integers(0, 2), seconds=st.sampled_from([60.0, 600.0]))
    def stub_is_frozen(self, number: int, seconds: float) -> None:
        stub = self.stubs[number]
        if not stub.busy and not stub.frozen:
            stub.frozen = True
            self.world.at(self.world.now + seconds, lambda: setattr(stub, "frozen", False))

    @rule(which=st.integers(0, 50))
    def presence_is_replayed(self, which: int) -> None:
        if self.world.history:
            self.world.publish(Publish(TOPICS.presence, self.world.history[which % len(self.world.history)],
                                       retain=True))

    @rule(epoch=st.integers(0, 1000))
    def presence_is_forged(self, epoch: int) -> None:
        self.world.publish(Publish(TOPICS.presence, forged_presence(epoch), retain=True))

    @rule(payload=st.binary(max_size=200), topic=st.sampled_from([TOPICS.console(0), TOPICS.stubs, TOPICS.presence]))
    def garbage_is_published(self, payload: bytes, topic: str) -> None:
        self.world.publish(Publish(topic, payload, reply_to=TOPICS.stub("Orders", "ab")))

    @invariant()
    def nothing_runs_twice(self) -> None:
        assert all(count == 1 for count in self.world.executed.values())

    @invariant()
    def answers_belong_to_their_calls(self) -> None:
        for attempt, finish in self.world.finished.items():
            if not finish.failure:
                assert finish.body == b"answer to " + self.world.events[attempt]
                assert attempt in self.world.executed

    @invariant()
    def who_is_told_that_nothing_ran_is_told_the_truth(self) -> None:
        told = {attempt for attempt, finish in self.world.finished.items() if finish.failure in NOTHING_RAN}
        assert not told & self.world.executed.keys()

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.world.weather = WEATHERS["clear"]
        for _ in range(80):
            if self.console is not None:
                self.console.start()
                self.console.finish()
            self.world.run(1.0)
        assert self.world.finished.keys() == self.world.events.keys(), "a caller never heard anything"
        self.nothing_runs_twice()
        self.answers_belong_to_their_calls()
        self.who_is_told_that_nothing_ran_is_told_the_truth()


TestWalk = Walk.TestCase
TestWalk.settings = settings(max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=[*HealthCheck])


@pytest.fixture
def world() -> World:
    return World(random.Random(7))


def test_cold_start_with_a_console(world: World) -> None:
    SimConsole(world, "ada@laptop")
    attempt = SimStub(world, 1).invoke(10)
    world.run(0.5)
    assert world.finished[attempt].body == b"answer to " + world.events[attempt]


def test_cold_start_with_none_is_offline_within_two_seconds(world: World) -> None:
    attempt = SimStub(world, 1).invoke(10)
    world.run(2)
    assert world.finished[attempt].failure == "LivetuiOffline"


def test_a_quick_call_is_two_messages(world: World) -> None:
    SimConsole(world, "ada@laptop")
    stub = SimStub(world, 1)
    stub.invoke(10)
    world.run(1)
    sent: list[Publish] = []
    publish = world.publish
    world.publish = lambda what, sure=False: (sent.append(what), publish(what, sure))[1]  # type: ignore[assignment]
    stub.invoke(10)
    world.run(5)
    assert len(sent) == 2


def test_an_answer_that_was_lost_and_forgotten_comes_from_the_store(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livetui.link.machine.KEEP_BYTES", 0)
    console = SimConsole(world, "ada@laptop")
    stub = SimStub(world, 1)
    stub.invoke(10)
    world.run(1)
    lost: list[Publish] = []
    publish = world.publish

    def lossy(what: Publish, sure: bool = False) -> None:
        if what.topic in stub.subscriptions and not what.retain and not lost:
            lost.append(what)
        else:
            publish(what, sure)

    monkeypatch.setattr(world, "publish", lossy)
    attempt = stub.invoke(10)
    world.run(9)
    assert len(lost) == 1
    assert attempt not in console.machine._attempts
    assert world.finished[attempt].body == b"answer to " + world.events[attempt]
    assert world.executed[attempt] == 1


@pytest.mark.parametrize("kept", [1 << 20, 0])
def test_a_console_hears_that_its_answer_did_not_arrive(world: World, monkeypatch: pytest.MonkeyPatch, kept: int) -> None:
    monkeypatch.setattr("livetui.link.machine.KEEP_BYTES", kept)
    console = SimConsole(world, "ada@laptop")
    stub = SimStub(world, 1)
    delivered = stub.invoke(10)
    world.run(1)
    publish = world.publish
    monkeypatch.setattr(world, "publish", lambda what, sure=False: None if what.topic in stub.subscriptions
                        and not what.retain else publish(what, sure))
    attempt = stub.invoke(10)
    world.run(12)
    assert world.executed[attempt] == 1
    assert world.finished[attempt].failure == "LivetuiInterrupted"
    assert attempt in console.dropped
    assert delivered not in console.dropped


def test_a_closed_console_is_noticed_at_once(world: World) -> None:
    console = SimConsole(world, "ada@laptop")
    stub = SimStub(world, 1)
    stub.invoke(10)
    world.run(1)
    console.close()
    world.run(1)
    attempt = stub.invoke(10)
    world.run(2)
    assert world.finished[attempt].failure == "LivetuiOffline"


def test_a_killed_console_is_noticed_within_ten_seconds(world: World) -> None:
    console = SimConsole(world, "ada@laptop", quick=False)
    attempt = SimStub(world, 1).invoke(10)
    world.run(1)
    console.start()
    console.crash(will_after=100)
    world.run(10.1)
    assert world.finished[attempt].failure == "LivetuiInterrupted"


def test_a_console_that_is_cut_off_before_it_could_ack_is_waited_for(world: World) -> None:
    console = SimConsole(world, "ada@laptop", quick=False)
    stub = SimStub(world, 1)
    world.run(1)
    attempt = stub.invoke(10)
    world.run(0.35)
    console.cut()
    world.run(1.5)
    console.start()
    console.finish()
    world.run(3)
    assert world.finished[attempt].body == b"answer to " + world.events[attempt]


@pytest.mark.parametrize("ends", ["silent", "closed", "killed"])
def test_a_call_that_was_sent_and_never_answered_may_have_run(world: World, ends: str) -> None:
    console = SimConsole(world, "ada@laptop")
    stub = SimStub(world, 1)
    stub.invoke(10)
    world.run(1)
    console.respond = lambda *_: None  # type: ignore[method-assign]
    console.machine.next_tick = lambda: None  # type: ignore[method-assign]
    attempt = stub.invoke(10)
    world.run(0.1)
    assert world.executed[attempt] == 1
    world.weather = Weather(lose=1.0)
    if ends != "silent":
        console.close() if ends == "closed" else console.crash(will_after=0)
    world.run(11)
    assert world.finished[attempt].failure == "LivetuiInterrupted"
    assert "may have" in world.finished[attempt].reason


def test_a_frozen_stub_whose_console_closed_sends_nothing_to_it(world: World) -> None:
    console = SimConsole(world, "ada@laptop")
    stub = SimStub(world, 1)
    stub.invoke(10)
    world.run(1)
    stub.frozen = True
    console.close()
    world.run(40)
    stub.frozen = False
    attempt = stub.invoke(10)
    world.run(3)
    assert world.finished[attempt].failure == "LivetuiOffline"


def test_after_a_restart_unstarted_work_runs_and_started_work_is_interrupted(world: World) -> None:
    console = SimConsole(world, "ada@laptop", quick=False)
    started, queued = SimStub(world, 1).invoke(10), SimStub(world, 2).invoke(10)
    world.run(1)
    console.start()
    assert console.running in ([started], [queued])
    ran = console.running[0]
    console.crash(will_after=0)
    world.run(1)
    SimConsole(world, "ada@laptop")
    world.run(3)
    other = queued if ran == started else started
    assert world.finished[ran].failure == "LivetuiInterrupted"
    assert world.finished[other].body == b"answer to " + world.events[other]


def test_an_answer_that_was_recorded_before_the_kill_is_sent_after_the_restart(world: World) -> None:
    console = SimConsole(world, "ada@laptop", quick=False)
    attempt = SimStub(world, 1).invoke(10)
    world.run(1)
    console.start()
    world.weather = Weather(lose=1.0)
    console.finish()
    console.crash(will_after=0)
    world.weather = Weather()
    world.run(0.5)
    SimConsole(world, "ada@laptop")
    world.run(3)
    assert world.finished[attempt].body == b"answer to " + world.events[attempt]
    assert world.executed[attempt] == 1


def test_a_take_over_from_another_machine_counts_unknown_as_started(world: World) -> None:
    SimConsole(world, "ada@laptop", quick=False)
    attempt = SimStub(world, 1).invoke(10)
    world.run(1)
    SimConsole(world, "bob@desk", inherits=False)
    world.run(2)
    assert world.finished[attempt].failure == "LivetuiInterrupted"
    assert attempt not in world.executed


@pytest.mark.parametrize("again", [False, True])
def test_after_a_crash_a_second_checkout_of_the_same_owner_runs_nothing_twice(world: World, again: bool) -> None:
    console = SimConsole(world, "ada@laptop", quick=False)
    attempt = SimStub(world, 1).invoke(10)
    world.run(1)
    console.start()
    console.crash(will_after=0)
    world.run(1)
    second = SimConsole(world, "ada@laptop", checkout="second")
    if again:  # the first one's history comes back, and the second may have run the call meanwhile
        second.crash(will_after=0)
        world.run(0.5)
        SimConsole(world, "ada@laptop")
    world.run(3)
    assert world.finished[attempt].failure == "LivetuiInterrupted"
    assert world.executed == {attempt: 1}


def test_a_console_that_keeps_no_history_counts_unknown_as_started(world: World) -> None:
    console = SimConsole(world, "ada@laptop", quick=False, checkout=None)
    attempt = SimStub(world, 1).invoke(10)
    world.run(1)
    console.crash(will_after=0)
    SimConsole(world, "ada@laptop", checkout=None)
    world.run(3)
    assert world.finished[attempt].failure == "LivetuiInterrupted"
    assert attempt not in world.executed


def test_a_late_will_of_an_old_session_changes_nothing(world: World) -> None:
    SimConsole(world, "ada@laptop").crash(will_after=3)
    world.run(1)
    SimConsole(world, "ada@laptop")
    world.run(2.5)
    attempt = SimStub(world, 1).invoke(10)
    world.run(2)
    assert not world.finished[attempt].failure


@pytest.mark.parametrize("seconds", [60, 600, 3 * 3600])
def test_a_frozen_stub_loses_nothing(world: World, seconds: float) -> None:
    SimConsole(world, "ada@laptop")
    stub = SimStub(world, 1)
    stub.invoke(10)
    world.run(1)
    connections = stub.connection
    stub.subscriptions = set()  # the socket dies while nobody looks
    world.run(seconds)
    attempt = stub.invoke(10)
    world.run(4)
    assert not world.finished[attempt].failure
    assert stub.connection == connections + 1


def test_an_asynchronous_retry_is_another_attempt(world: World) -> None:
    SimConsole(world, "ada@laptop")
    stub = SimStub(world, 1)
    first = stub.invoke(10)
    world.run(1)
    second = stub.invoke(10)
    world.run(1)
    assert world.executed == {first: 1, second: 1}


def test_a_forged_presence_is_ignored_and_the_true_one_is_asserted_again(world: World) -> None:
    SimConsole(world, "ada@laptop")
    world.publish(Publish(TOPICS.presence, forged_presence(99), retain=True))
    world.run(1.1)
    attempt = SimStub(world, 1).invoke(10)
    world.run(1)
    assert not world.finished[attempt].failure


def test_every_frame_twice_changes_nothing(world: World) -> None:
    world.weather = Weather(duplicate=1.0)
    console = SimConsole(world, "ada@laptop", quick=False)
    attempts = [SimStub(world, number).invoke(size) for number, size in ((1, 10), (2, 250_000), (3, 400_000))]
    world.run(2)
    for _ in attempts:
        console.start()
    world.run(2)
    for _ in attempts:
        console.finish()
    world.run(2)
    assert [world.finished[attempt].body for attempt in attempts] == [
        b"answer to " + world.events[attempt] for attempt in attempts]


def test_a_replayed_presence_of_an_old_session_gets_nothing_sealed_to_it(world: World) -> None:
    SimConsole(world, "ada@laptop").close()
    old = world.history[0]
    stub = SimStub(world, 1)
    SimConsole(world, "ada@laptop")
    stub.invoke(10)
    world.run(1)
    current = stub.machine.presence
    stub.carry_out(stub.machine.received(old, world.now))
    assert stub.machine.presence == current


def test_an_answer_to_another_attempt_is_not_taken(world: World) -> None:
    console = SimConsole(world, "ada@laptop", quick=False)
    stub = SimStub(world, 1)
    attempt = stub.invoke(10)
    world.run(1)
    held = console.machine.waiting(attempt)
    assert held is not None
    other = replace(held, id="f" * 32)
    sealed = console.machine.seal(other, Answer(b"crossed"))
    stub.carry_out(stub.machine.received(split(Kind.ANSWER, attempt, sealed)[0].encode(), world.now))
    assert attempt not in world.finished


def test_a_newer_frame_is_refused_in_its_own_version_with_the_side_to_update(world: World) -> None:
    console = SimConsole(world, "ada@laptop")
    sent: list[Publish] = []
    world.publish = lambda what, sure=False: sent.append(what)  # type: ignore[method-assign]
    newer = Frame(Kind.INVOKE, "a" * 32).encode(version=2)
    console.hear(Publish(TOPICS.console(0), newer, reply_to=TOPICS.stub("Orders", "ab")))
    assert sent[0].payload[0] == 2
    assert b"update livetui on this machine" in sent[0].payload


def test_a_refused_call_fails_with_the_reason(world: World) -> None:
    SimConsole(world, "ada@laptop", quick=False)
    stub = SimStub(world, 1)
    attempt = stub.invoke(10)
    world.run(1)
    refused = Frame(Kind.REFUSE, NO_ATTEMPT, refusal(1, "console"))
    stub.carry_out(stub.machine.received(refused.encode(), world.now))
    assert world.finished[attempt].failure == "LivetuiVersion"


def test_a_presence_of_another_version_is_no_mere_absence(world: World) -> None:
    world.publish(Publish(TOPICS.presence, bytes([2]) + bytes(60), retain=True))
    attempt = SimStub(world, 1).invoke(10)
    world.run(2)
    assert world.finished[attempt].failure == "LivetuiVersion"
    assert "deploy again" in world.finished[attempt].reason


def test_garbage_of_another_version_does_not_end_a_call(world: World) -> None:
    console = SimConsole(world, "ada@laptop", quick=False)
    stub = SimStub(world, 1)
    attempt = stub.invoke(10)
    world.run(1)
    stub.carry_out(stub.machine.received(bytes([9]) * 50, world.now))
    console.start()
    console.finish()
    world.run(1)
    assert not world.finished[attempt].failure
