"""Which thread computes a concurrent.futures.Future: a pool's worker, or the one that runs an asyncio event loop.

Facts: Lib/concurrent/futures/thread.py; Lib/asyncio/tasks.py (run_coroutine_threadsafe), futures.py (_chain_future),
base_events.py (BaseEventLoop._run_once), events.py (Handle).
"""

from typing import Container, Dict, List, Optional, Sequence, Set, Tuple

from ..cpython.frames import Frame
from ..cpython.locks import SIMPLE_QUEUE
from ..cpython.reader import READ_ERRORS
from ..cpython.runtime import Interpreter
from .holders import MAX_FRAMES, RUNS, Holder
from .library import CHAIN, LOOP, SUBMITTED, WORK_ITEM, WORKER
from .threads import Thread
from .waits import Tools


class Futures:
    """The futures of one Python, after one pass over the frames of its threads. Never raises READ_ERRORS."""

    def __init__(self, tools: Tools, threads: Sequence[Thread], waiting: Container[int]) -> None:
        """`waiting` has the id() of each thread that is known to wait."""
        self._tools = tools
        self._waiting = waiting
        # By future.
        self._running: Dict[int, Holder] = {}
        # By a pool's queue: its workers, and how many it may have.
        self._pools: Dict[int, List[Holder]] = {}
        self._most: Dict[int, Optional[int]] = {}
        self._starting: List[Holder] = []
        # By event loop; and by future, the loop that has yet to begin what it is for.
        self._loops: Dict[int, Holder] = {}
        self._loop_of: Dict[int, int] = {}
        for thread in threads:
            if thread.state is not None:
                self._look_at(thread, thread.state.interpreter)
        self._queue_of = {future: queue for queue in self._pools for future in self._in_queue(queue)}

    def holders(self, interpreter: Interpreter, future: int, state: str) -> Tuple[List[Holder], Optional[str]]:
        """Those any one of which can compute a future that is "running" or "pending"; why there is not just one."""
        running = self._running.get(future)
        if running is not None:
            return [running], None
        if state == "running":
            return [], "it is not known in which thread"
        queue = self._queue_of.get(future)
        if queue is not None:
            workers, limit = self._pools[queue], self._most[queue]
            if limit is None or len(workers) < limit:
                # It does so when somebody submits more work to it.
                workers = [workers[0]._replace(doubt="its pool may start another worker"), *workers[1:]]
            return workers + self._starting, "any of the pool's workers, in whose queue it waits"
        loop = self._loop_of.get(future) or self._loop_that_sets(interpreter, future)
        if loop is not None:
            return [self._loops[loop]], None
        return [], ("no thread is seen that would compute it: neither a pool's worker nor one that runs a loop of "
                    "asyncio's")

    def _look_at(self, thread: Thread, interpreter: Interpreter) -> None:
        """Note what a thread's frames run."""
        library = self._tools.library
        innermost = None
        known = False
        for frame, _count in zip(thread.frames(), range(MAX_FRAMES)):
            innermost = innermost or frame
            name = library.name_of(interpreter, frame)
            found = Holder(thread, RUNS, frame)
            if name == WORK_ITEM:
                self._runs(library.attribute(library.local(frame, "self"), "future"), found)
            elif name == SUBMITTED:
                # Since 3.12 the coroutine may begin before its future is known to the loop (eager_task_factory).
                self._runs(library.local(frame, "future"), found)
            elif name == WORKER:
                queue = library.local(frame, "work_queue")
                if queue is not None:
                    self._pools.setdefault(queue, []).append(found)
                    self._most[queue] = self._most_workers(frame)
            elif name == LOOP:
                loop = library.local(frame, "self")
                if loop is not None:
                    self._loops[loop] = found._replace(role="which runs its event loop")
                    self._loop_of.update(dict.fromkeys(self._submitted_to(interpreter, loop), loop))
            known = known or not library.is_between(frame)
        if not known and id(thread) not in self._waiting:
            # Perhaps a worker that is about to begin.
            self._starting.append(Holder(thread, RUNS, innermost, None, "it is about to start"))

    def _runs(self, future: Optional[int], holder: Holder) -> None:
        if future is not None:
            self._running.setdefault(future, holder)

    # Pools.

    def _most_workers(self, worker: Frame) -> Optional[int]:
        """How many workers the pool may have of which this is one; 0 where the pool is gone and will start none."""
        library, runtime = self._tools.library, self._tools.runtime
        reference = library.local(worker, "executor_reference")
        try:
            # Its name was shorter up to 3.9.
            if reference is None or runtime.objects.type_of(reference).name not in (
                    "weakref.ReferenceType", "weakref"):
                return None
            pool = runtime.reader.pointer(reference, "PyWeakReference", "wr_object")
            if runtime.objects.type_of(pool).name == "NoneType":
                return 0
        except READ_ERRORS:
            return None
        return library.number(library.attribute(pool, "_max_workers"))

    def _in_queue(self, queue: int) -> Set[int]:
        """The futures of the work items in the queue of a pool."""
        locks = self._tools.runtime.locks
        try:
            if locks.kind(queue) == SIMPLE_QUEUE:
                items = locks.simple_queue_items(queue)
            else:
                # A queue.Queue, up to 3.6.
                items = self._in_deque(queue, "queue")
        except READ_ERRORS:
            return set()
        found = {self._tools.library.attribute(item, "future") for item in items}
        return {future for future in found if future is not None}

    # Event loops.

    def _submitted_to(self, interpreter: Interpreter, loop: int) -> Set[int]:
        """The futures, among other objects, of what run_coroutine_threadsafe() gave a loop and it has yet to begin."""
        library = self._tools.library
        try:
            handles = self._in_deque(loop, "_ready")
        except READ_ERRORS:
            return set()
        callbacks = [library.slot(handle, "_callback") for handle in handles]
        return {held for callback in callbacks if callback is not None
                and library.function(interpreter, callback) == SUBMITTED for held in library.closure(callback)}

    def _loop_that_sets(self, interpreter: Interpreter, future: int) -> Optional[int]:
        """The loop that a future gets its result in: the one of the asyncio future that it is chained to."""
        library = self._tools.library
        try:
            callbacks = self._tools.runtime.objects.list_items(library.attribute(future, "_done_callbacks") or 0)
        except READ_ERRORS:
            return None
        return next((held for callback in callbacks if library.function(interpreter, callback) == CHAIN
                     for held in library.closure(callback) if held in self._loops), None)

    def _in_deque(self, owner: int, name: str) -> List[int]:
        """The items of a deque that is an attribute. Raises READ_ERRORS."""
        items = self._tools.library.attribute(owner, name)
        return self._tools.runtime.locks.deque_items(items) if items is not None else []
