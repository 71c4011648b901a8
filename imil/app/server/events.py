"""The queue of what visitors ask for: each act is done, though the visitor has gone."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from functools import partial
from typing import Any, Literal
from weakref import WeakKeyDictionary

from gradio import queueing
from gradio.routes import App
from gradio.server_messages import EventMessage
from gradio.utils import LRUCache

from imil.app.server.rates import MOST_CALLS_WAITING, share_of_one
from imil.app.server.sessions import Sessions
from imil.app.server.visitors import Visitor, visitor_of

WAITING = "Too much of yours waits to be done. Go on when it is; nothing is lost."

# Seconds between two looks for answers that nobody fetches; a page that is open does so at once.
UNREAD_EVERY = 60.0
# The name of events that go in turn: those of a session in the order in which they were asked for,
# beside those of other sessions.
IN_TURN = "in turn"
# Seconds between two looks for an event to begin; Gradio's 1 ms takes twice as much of a core.
POLL_EVERY = 0.004
# Sessions whose answers are kept, as many as Gradio keeps.
SESSIONS = 2000


class Events(queueing.Queue):
    """Gradio's queue; what a session has asked for is done though its connection ends.

    Gradio takes that for the end of the visit: it drops what waits, and answers nothing that runs.
    A page that was closed or loaded anew right after "Black out" would lose that mask.

    Of events that cost much no visitor has more than a share begun, see `imil.app.server.rates`.

    Events with the `concurrency_id` `IN_TURN` are begun in turn for each session, whatever the
    others wait for. Gradio knows one line for all sessions, or none.

    Args:
        like: a queue that has served nothing yet, whose settings this one takes.
    """

    def __init__(self, like: queueing.Queue) -> None:
        # Who sent each event.
        self._visitors: WeakKeyDictionary[queueing.Event, Visitor] = WeakKeyDictionary()
        super().__init__(
            live_updates=like.live_updates,
            concurrency_count=like.max_thread_count,
            update_intervals=like.update_intervals,
            max_size=like.max_size,
            blocks=like.blocks,
            default_concurrency_limit=like.default_concurrency_limit,
        )
        self.pending_messages_per_session = _Messages(self)
        self.sleep_when_free = POLL_EVERY

    def set_server_app(self, app: App) -> None:
        """Take the server that the page is served by, once it is there."""
        super().set_server_app(app)
        if not isinstance(app.state_holder, Sessions):
            app.state_holder = Sessions()  # type: ignore[no-untyped-call]  # Gradio's
            app.state_holder.set_blocks(self.blocks)

    async def push(
        self, body: Any, request: Any, username: str | None
    ) -> tuple[bool, Any, Literal["success", "error", "queue_full", "validator_error"]]:
        """Let an event wait; one of a visitor of whom too many wait already is refused."""
        visitor = visitor_of(request, proxied=getattr(self.blocks, "proxied", False))
        lines = self.event_queue_per_concurrency_id.values()
        waiting = sum(
            self._visitors.get(event) == visitor for line in lines for event in line.queue
        )
        if waiting >= MOST_CALLS_WAITING * visitor.people:
            return False, WAITING, "queue_full"
        begun, event_id, how = await super().push(body, request, username)
        if begun and (event := self.event_ids_to_events.get(str(event_id))) is not None:
            self._visitors[event] = visitor
        return begun, event_id, how

    def get_events(self) -> tuple[list[queueing.Event], bool, str] | None:
        """Return what is begun next; what goes in turn waits for nothing of another session."""
        busy = {
            event.session_hash
            for job in self.active_jobs
            for event in job or ()
            if event.concurrency_id == IN_TURN
        }
        taken = Counter(
            (event.concurrency_id, self._visitors.get(event))
            for job in self.active_jobs
            for event in job or ()
        )
        names = list(self.event_queue_per_concurrency_id)
        random.shuffle(names)
        for name in names:
            queue = self.event_queue_per_concurrency_id[name]
            limit = queue.concurrency_limit
            if limit is not None and queue.current_concurrency >= limit:
                continue
            most = share_of_one(name)
            for event in queue.queue:
                if name == IN_TURN and event.session_hash in busy:
                    continue
                if most is None or taken[name, self._visitors.get(event)] < most:
                    queue.queue.remove(event)
                    return [event], event.fn.batch, name
        return None

    async def clean_events(
        self, *, session_hash: str | None = None, event_id: str | None = None
    ) -> None:
        """Let what a session asked for go on; its answers are forgotten if nobody fetches them."""
        if session_hash is None:
            await super().clean_events(event_id=event_id)
        else:
            self._look_later(session_hash, unread=False)

    def send_message(self, event: queueing.Event, event_message: EventMessage) -> None:
        """Tell a session something, unless it was forgotten."""
        if event.session_hash in self.pending_messages_per_session:
            super().send_message(event, event_message)

    def waits_for(self, session_hash: str) -> bool:
        """Return whether a session has asked for something that it was not told yet."""
        return bool(self.pending_event_ids_session.get(session_hash))

    def _look_later(self, session_hash: str, *, unread: bool) -> None:
        look = partial(self._look, session_hash, unread=unread)
        asyncio.get_running_loop().call_later(UNREAD_EVERY, look)

    def _look(self, session_hash: str, *, unread: bool) -> None:
        """Forget what lies there as it did at the look before; what is being fetched does not."""
        messages = self.pending_messages_per_session.get(session_hash)
        lies = messages is not None and not messages.empty()
        if lies and unread:
            self.pending_event_ids_session.pop(session_hash, None)
            del self.pending_messages_per_session[session_hash]
        elif lies or self.waits_for(session_hash):
            self._look_later(session_hash, unread=lies)


class _Messages(LRUCache[str, Any]):
    """What sessions are to be told; Gradio removes a session's at the end of each connection."""

    def __init__(self, events: Events) -> None:
        super().__init__(SESSIONS + 1)
        self._events = events

    def __setitem__(self, session_hash: str, messages: Any) -> None:
        while len(self) >= SESSIONS:
            idle = (each for each in self if not self._events.waits_for(each))
            super().__delitem__(next(idle, next(iter(self))))
        super().__setitem__(session_hash, messages)

    def __delitem__(self, session_hash: str) -> None:
        if not self._events.waits_for(session_hash):
            super().__delitem__(session_hash)
