"""Sessions over a network that does what networks do, and over one that is an enemy."""

from __future__ import annotations

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
)

from cg_core.session import Settings
from tests.core.session.link import (
    STRANGER,
    Client,
    Link,
    Wire,
    body_of,
    operation_of,
    sealed,
)

few = st.integers(0, 3)
choices = st.integers(0, 10**6)


class NetworkMachine(RuleBasedStateMachine):
    """A network that loses, a user, a service, and strangers who have seen everything."""

    hostile = False

    @initialize(tight=st.booleans())
    def begin(self, tight: bool) -> None:
        few_at_once = Settings(most_unanswered=2, most_candidates=1, batch_length=600)
        self.link = Link(
            clients=2, settings=few_at_once if tight else Settings(), hostile=self.hostile
        )

    def client(self, choice: int) -> Client:
        return self.link.clients[choice % 2]

    def wire(self, choice: int) -> Wire | None:
        # One that matters, rather.
        wires = [
            wire
            for wire in self.link.wires.values()
            if wire.client is not None and (wire.client_has or wire.target_has)
        ]
        return wires[choice % len(wires)] if wires else None

    # Users

    @rule(choice=choices, patience=st.sampled_from([None, None, 0.0, 3.0, 100.0]), count=few)
    def ask(self, choice: int, patience: float | None, count: int) -> None:
        for _ in range(count):
            self.link.ask(self.client(choice), patience=patience)

    @rule(choice=choices)
    def ask_for_member(self, choice: int) -> None:
        self.link.ask(self.client(choice), for_member=True)

    @rule(choice=choices, which=choices)
    def abandon(self, choice: int, which: int) -> None:
        client = self.client(choice)
        asked = [asked for asked in client.asked.values() if not asked.abandoned]
        if asked:
            self.link.abandon(client, asked[which % len(asked)])

    @rule(choice=choices)
    def keepalive(self, choice: int) -> None:
        self.link.keepalive(self.client(choice))

    # The service

    @precondition(lambda self: self.link.to_answer)
    @rule(choice=choices, refuse=st.booleans())
    def answer(self, choice: int, refuse: bool) -> None:
        keys = list(self.link.to_answer)
        self.link.answer(keys[choice % len(keys)], refuse=refuse)

    # The network

    @rule(choice=choices, to_target=st.booleans(), count=st.integers(1, 3))
    def deliver(self, choice: int, to_target: bool, count: int) -> None:
        if wire := self.wire(choice):
            self.link.deliver(wire, to_target=to_target, count=count)

    @rule(count=st.integers(1, 4))
    def flow(self, count: int) -> None:
        for _ in range(count):
            self.link.flow()

    @rule(choice=choices, arrive_at_target=few, arrive_at_client=few)
    def cut(self, choice: int, arrive_at_target: int, arrive_at_client: int) -> None:
        if wire := self.wire(choice):
            self.link.cut(
                wire, arrive_at_target=arrive_at_target, arrive_at_client=arrive_at_client
            )

    @rule(choice=choices, to_target=st.booleans())
    def tell(self, choice: int, to_target: bool) -> None:
        wire = self.wire(choice)
        if wire and not wire.intact:
            self.link.tell(wire, target=to_target)

    @rule(choice=choices, works=st.booleans())
    def open(self, choice: int, works: bool) -> None:
        client = self.client(choice)
        if client.wants:
            (self.link.open if works else self.link.fail)(client)

    @rule(seconds=st.sampled_from([0.2, 1.0, 8.0]))
    def wait(self, seconds: float) -> None:
        self.link.wait_until(self.link.seconds + seconds)

    @rule(late=st.sampled_from([0.0, 0.0, 0.5, 50.0]))
    def wait_for_deadline(self, late: float) -> None:
        due = self.link.next_deadline()
        if due is not None and due < self.link.seconds + 200:
            self.link.wait_until(due + late)

    # Strangers, on connections of their own

    @precondition(lambda self: self.link.record.texts)
    @rule(choice=choices, recent=st.booleans(), times=st.integers(1, 2))
    def replay(self, choice: int, recent: bool, times: int) -> None:
        texts = self.link.record.texts
        text = texts[-1 - choice % min(len(texts), 4)] if recent else texts[choice % len(texts)]
        is_new = not self.link.record.was_taken(body_of(text))
        wire = self.link.stranger(*[text] * times)
        body = body_of(text)
        sent = [body_of(text) for text in wire.to_client]
        if body["type"] == "ack" or (not is_new and operation_of(body) != "connect"):
            assert {each["type"] for each in sent} <= {"ack"}, "more than the last ack"
            assert len({each["token"] for each in sent}) <= 1
            assert len(sent) <= (1 if body["type"] == "ack" else 1 + times)

    @rule(choice=choices, times=st.integers(1, 2))
    def sign_as_stranger(self, choice: int, times: int) -> None:
        texts = self.link.record.texts
        if texts:
            body = body_of(texts[choice % len(texts)])
            if operation_of(body) != "connect":
                wire = self.link.stranger(*[sealed(STRANGER, **body)] * times)
                assert not wire.to_client

    @rule(text=st.sampled_from(["", "{", "{}", "[]", "null", "1e999", "{" * 9]))
    def talk_nonsense(self, text: str) -> None:
        before = len(self.link.record.texts)
        self.link.stranger(text, text)
        assert len(self.link.record.texts) == before

    # Ends

    @rule(choice=choices, unlikely=few)
    def restart_client(self, choice: int, unlikely: int) -> None:
        if not unlikely or self.client(choice).is_closed:
            self.link.restart_client(self.client(choice))

    @rule(unlikely=few)
    def restart_target(self, unlikely: int) -> None:
        if not unlikely:
            self.link.restart_target()

    @rule(choice=choices, unlikely=few)
    def close_client(self, choice: int, unlikely: int) -> None:
        if not unlikely:
            self.link.close_client(self.client(choice))

    @rule(choice=choices, unlikely=few)
    def close_session(self, choice: int, unlikely: int) -> None:
        sessions = sorted(self.link.target_sessions)
        if sessions and not unlikely:
            self.link.close_session(sessions[choice % len(sessions)])

    # At the end

    @rule(told=st.booleans())
    def settle(self, told: bool) -> None:
        for client in self.link.clients:
            if client.is_closed:
                self.link.restart_client(client)
        waiting = list(self.link.open_requests())
        sent = len(self.link.record.texts)
        self.link.settle(told=told)
        sent = len(self.link.record.texts) - sent
        assert sent <= 60 + 6 * len(waiting), "ping-pong"
        if not self.hostile:
            for asked in waiting:
                assert not asked.is_open

    def teardown(self) -> None:
        if not hasattr(self, "link"):
            return
        self.link.hostile = False
        self.settle(told=True)
        for client in self.link.clients:
            self.link.close_client(client)
        self.link.settle()
        assert all(client.is_closed for client in self.link.clients)
        for _ in range(3):  # a transport's time, a stranger's, a session's
            self.link.wait_until(self.link.seconds + 8_000)
        assert len(self.link.target) == 0
        assert self.link.target.next_deadline() is None
        assert all(client.session.next_deadline() is None for client in self.link.clients)


NetworkTest = NetworkMachine.TestCase
NetworkTest.settings = settings(
    max_examples=150,
    stateful_step_count=50,
    phases=(Phase.generate,),  # shrinking would take minutes
)
