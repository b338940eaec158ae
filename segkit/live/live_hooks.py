"""Tell functions and URLs of the customers who enter a segment, and screens of each batch."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from segkit.core.checks import check_type
from segkit.core.messages import in_words, listed
from segkit.live.hooks import Hook, url_hook
from segkit.live.live_folder import LiveFolder, in_turn
from segkit.live.watching import Watcher

LONGEST_CALL = 3_600  # seconds


class LiveHooks(LiveFolder):
    """Whom :class:`Live` tells of what it writes."""

    @in_turn
    def on_enter(
        self,
        segment: int | str,
        hook: Hook | str | None,
        *,
        name: str | None = None,
        timeout: float = 10.0,
        allow_network: bool = False,
    ) -> None:
        """Tell a function or a URL of each customer who enters a segment.

        What is to be told is written with the placement, in one transaction, and told afterwards, by a thread for each
        hook, in order and at least once: after a crash perhaps twice, with the same `key`. A hook that raises or takes
        too long is called again after 1, 5, 30 and 120 seconds; the message is then parked, and the next one comes. See
        :attr:`outbox`, :meth:`deliver` and :meth:`retry_parked`. The folder remembers hooks by name: what happens
        before the hook is passed again is told then.

        Parameters
        ----------
        segment : int or str
            The id or name of the segment that is shown, as in the column `segment`.
        hook : callable, str or None
            A function takes a dict with `key`, `customer_id`, `as_of`, `segment_id`, `segment`, `was`, `event_id` and
            `late`. To a URL the same is posted as JSON, with the header `Idempotency-Key`; any answer but 2xx is a
            failure, also a redirect. None ends the subscription of `name`; what it was not told yet is kept for when it
            is subscribed again.
        name : str, optional
            By which the folder knows the hook; by default the name of the function, or the URL.
        timeout : float, default=10.0
            Seconds that a call may take. A function that takes longer is left behind, and not called again until it has
            ended.
        allow_network : bool, default=False
            Whether a URL may lead to another computer.

        Raises
        ------
        TypeError, ValueError
            If there is no such segment; the hook is no function and no URL, has no name of its own, or leads to another
            computer without `allow_network`; None is passed and `name` is not subscribed; or `timeout` is not above 0
            and at most an hour.
        """
        chosen = self._result.segment_id(segment)
        if name is not None:
            check_type("name", name, str, "It should be text, by which the folder knows the hook.")
        called = name or (hook if isinstance(hook, str) else getattr(hook, "__qualname__", ""))
        if not called or (name is None and "<lambda>" in called):
            raise ValueError("The hook has no name by which the folder could know it again. Pass name='…'.")
        called = f"{called} on {chosen}"
        if hook is None:
            subscribed = self._outbox.names(chosen)
            if called not in subscribed:
                own = listed(each.removesuffix(f" on {chosen}") for each in subscribed) or "none"
                raise ValueError(
                    f"No hook {name!r} is subscribed to {self._result.name_of(chosen)!r}. Subscribed are: {own}."
                )
            self._outbox.unsubscribe(chosen, called)
            return
        if (
            isinstance(timeout, bool)
            or not isinstance(timeout, int | float)
            or not 0 < timeout <= LONGEST_CALL
        ):
            raise ValueError(
                f"timeout={timeout!r}. It should be seconds, above 0 and at most {LONGEST_CALL:,}."
            )
        if isinstance(hook, str):
            hook = url_hook(hook, allow_network=allow_network, timeout=timeout)
        if not callable(hook):
            raise TypeError(f"hook is {in_words(hook)}. It should be a function that takes a dict, or a URL.")
        self._outbox.subscribe(chosen, called, hook, timeout)

    def deliver(self) -> pd.DataFrame:
        """Call the hooks with all that waits for them, without pauses, and return :attr:`outbox` afterwards.

        Each hook is called until it fails. Nothing needs this call; a script that ends, or a test, may.
        """
        self._outbox.deliver()
        return self.outbox

    @in_turn
    def retry_parked(self) -> int:
        """Let all parked messages wait again, each for another five attempts, and return how many there were."""
        return self._outbox.retry_parked()

    @property
    @in_turn
    def outbox(self) -> pd.DataFrame:
        """The messages to hooks: `hook`, `state` (waiting, delivered, parked), `messages` and the last `error`."""
        return self._outbox.counts()

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Call a function after each batch, sweep and correction, with what it returns.

        For screens and counters that may miss something; what must arrive goes through :meth:`on_enter`. It is called
        once all is written, in the thread of the batch, which waits for it: hand long work to another thread. Errors
        are warned of.

        Parameters
        ----------
        watcher : callable
            Takes the table that :meth:`apply`, :meth:`sweep` or :meth:`correct` returns, also one without rows.

        Returns
        -------
        callable
            Call it to stop.

        Raises
        ------
        TypeError
            If it is no function.
        """
        if not callable(watcher):
            raise TypeError(f"watcher is {in_words(watcher)}. It should be a function that takes a table.")
        return self._watchers.add(watcher)
