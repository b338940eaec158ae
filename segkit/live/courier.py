"""Deliver the messages of one hook in a thread of its own, so that a hook that hangs holds nobody else."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable
from typing import Protocol

from segkit.live.hooks import Hook, Message

PAUSES = (1.0, 5.0, 30.0, 120.0)  # seconds after each failure of a message; one more, and it is parked
MOST_ATTEMPTS = len(PAUSES) + 1


class Messages(Protocol):
    """The messages of hooks, wherever they are kept."""

    def waiting(self, hook: str) -> Iterable[tuple[int, Message]]:
        """Return the next messages of a hook with their number, in order; none when closed."""

    def tried(self, hook: str, number: int, error: str | None) -> int:
        """Keep how an attempt went, and return how many there were."""


class Courier:
    """Call a hook with its messages, in order.

    Parameters
    ----------
    messages : Messages
    name : str
        By which `messages` knows the hook.
    hook : callable
        Takes a message.
    timeout : float
        Seconds that a call may take.
    """

    def __init__(self, messages: Messages, name: str, hook: Hook, timeout: float):
        self.name, self._messages = name, messages
        self.hook, self.timeout = hook, timeout
        self._alone, self._woken = threading.Lock(), threading.Event()
        self._not_before, self._until = -math.inf, math.inf
        self._hanging: _Call | None = None
        self._thread = threading.Thread(target=self._run, name=f"segkit hook {name}", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Deliver soon, but not within the pause after a failure."""
        self._woken.set()

    def hurry(self) -> None:
        """Deliver soon, whatever the pause."""
        self._not_before = -math.inf
        self._woken.set()

    def end(self) -> None:
        """Let the thread end after what waits now, or after the time of one call."""
        self._until = time.monotonic() + self.timeout
        self._woken.set()

    def join(self) -> None:
        """Wait until the thread has ended, for two calls at most."""
        if not isinstance(threading.current_thread(), _Call):  # a hook that closes the folder
            self._thread.join(2 * self.timeout)

    def deliver(self) -> None:
        """Call the hook with each message that waits, until it fails."""
        if isinstance(threading.current_thread(), _Call):
            return  # a hook that delivers: the messages of its own would wait for each other
        with self._alone:
            while waiting := list(self._messages.waiting(self.name)):
                for number, message in waiting:
                    if time.monotonic() > self._until:
                        return
                    error = self._call(message)
                    attempts = self._messages.tried(self.name, number, error)
                    if error is not None:
                        self._not_before = time.monotonic() + PAUSES[min(attempts, len(PAUSES)) - 1]
                        self._woken.set()  # so that the thread knows of the pause
                        return

    def _run(self) -> None:
        while True:
            pause = self._not_before - time.monotonic()
            self._woken.wait(pause if pause > 0 else None)
            self._woken.clear()
            if time.monotonic() >= self._not_before:
                self.deliver()
            if self._until < math.inf:
                return

    def _call(self, message: Message) -> str | None:
        """Call the hook once, and return what went wrong."""
        if self._hanging is not None:  # a call beside it would hang too
            self._hanging.join(self.timeout)
            if self._hanging.is_alive():
                return "An earlier call has not ended."
            self._hanging = None
        call = _Call(self.hook, message)
        call.start()
        call.join(self.timeout)
        if call.is_alive():
            self._hanging = call
            return f"The call took longer than {self.timeout:g} seconds."
        return call.error


class _Call(threading.Thread):
    """One call of a hook, which nobody can stop: it is left behind when it takes too long."""

    def __init__(self, hook: Hook, message: Message):
        super().__init__(daemon=True)
        self._hook, self._message = hook, message
        self.error: str | None = None

    def run(self) -> None:
        try:
            self._hook(self._message)
        except (
            BaseException
        ) as error:  # whatever a hook raises is kept as the reason; the batch is written already
            self.error = f"{type(error).__name__}: {error}"[:200]
