# -*- coding: utf-8 -*-
"""Many threads, each blocked in its own kind of place; writes what the interpreter itself says of them.

    python truth.py TRUTH.json SCRATCH_DIRECTORY

Runs on CPython 3.6 to 3.15. When every thread is where it should be (the kernel says so: see
`common.is_settled`), a helper thread writes `sys._current_frames()`, names and ids to TRUTH.json,
prints "ready" and ends. The process then stays as it is until it is killed.
"""

import _thread
import ast
import asyncio
import contextlib
import ctypes
import functools
import gc
import itertools
import os
import queue
import re
import select
import sys
import threading
import time
import weakref
import zlib

import common
from common import HOLD_FD, arrivals, arrive, chain, hold

FOREVER = 10 ** 6  # seconds
DEPTH = 900  # below the default recursion limit, and several pages of frames

places = []  # (key, function, keyword arguments of threading.Thread)
busy_lines = {}  # key -> lines on which the innermost frame may be
kept = []  # objects that must live as long as the process


def place(key, **thread):
    """Have the function run in a thread of its own, before the truth is taken."""
    def register(function):
        places.append((key, function, thread))
        return function
    return register


# --- waiting ---------------------------------------------------------------------------------

held_lock = threading.Lock()
held_lock.acquire()
held_rlock = threading.RLock()
held_rlock.acquire()


@place("sleep")
def sleeper():
    arrive("sleep", "sleep")
    time.sleep(FOREVER)


@place("select")
def selector():
    arrive("select", "select")
    select.select([HOLD_FD], [], [])


@place("poll")
def poller():
    poll = select.poll()
    poll.register(HOLD_FD, select.POLLIN)
    arrive("poll", "poll")
    poll.poll()


@place("lock")
def lock_waiter():
    arrive("lock", "lock")
    held_lock.acquire()


@place("with-lock")
def with_lock_waiter():
    arrive("with-lock", "lock")
    with held_lock:
        raise AssertionError("the lock is never released")


@place("rlock")
def rlock_waiter():
    arrive("rlock", "lock")
    held_rlock.acquire()


@place("event", daemon=True)
def event_waiter():
    event = threading.Event()
    arrive("event", "lock")
    event.wait()


@place("queue", daemon=True)
def queue_waiter():
    items = queue.Queue()
    arrive("queue", "lock")
    items.get()


@place("finally")
def in_a_finally():
    try:
        try:
            raise KeyError("first")
        finally:
            arrive("finally")
            hold()
    except KeyError:
        pass


@place("except")
def in_an_except():
    try:
        {}["missing"]
    except KeyError as error:
        try:
            raise ValueError("second") from error
        except ValueError:
            arrive("except")
            hold()


# --- generators and coroutines ---------------------------------------------------------------

def blocking_generator(key):
    yield 1
    arrive(key)
    hold()
    yield 2


@place("generator")
def over_a_generator():
    for _ in blocking_generator("generator"):
        pass


@place("yield-from")
def over_nested_generators():
    def inner():
        yield from blocking_generator("yield-from")

    def middle():
        yield 0
        yield from inner()

    def outer():
        yield from middle()

    list(outer())


@place("generator-close")
def closing_a_generator():
    def cleaned_up():
        try:
            yield
        finally:
            arrive("generator-close")
            hold()

    generator = cleaned_up()
    next(generator)
    generator.close()


@place("generator-expression")
def over_a_generator_expression():
    sum(x for x in blocking_generator("generator-expression"))


@place("coroutine")
def in_a_coroutine():
    async def leaf():
        arrive("coroutine")
        hold()

    async def trunk():
        await leaf()

    loop = asyncio.new_event_loop()
    loop.run_until_complete(trunk())


@place("await-by-hand")
def in_an_awaited_chain():
    class Awaitable:
        def __await__(self):
            yield from blocking_generator("await-by-hand")

    async def wait(awaitable):
        async with AsyncManager():
            return await awaitable

    class AsyncManager:
        async def __aenter__(self):
            pass

        async def __aexit__(self, *exc_info):
            pass

    coroutine = wait(Awaitable())
    coroutine.send(None)
    coroutine.send(None)


@place("async-generator")
def in_an_async_generator():
    async def numbers():
        yield 1
        arrive("async-generator")
        hold()

    async def consume():
        return [number async for number in numbers()]

    with contextlib.suppress(StopIteration):
        consume().send(None)


# --- comprehensions --------------------------------------------------------------------------

def block_at(key, value=None):
    arrive(key)
    hold()
    return value


@place("list-comprehension")
def in_a_list_comprehension():
    return [
        block_at("list-comprehension")
        for _ in range(3)
    ]


@place("nested-comprehension")
def in_nested_comprehensions():
    return {
        outer: {
            block_at("nested-comprehension", inner)
            for inner in range(outer) if inner > 1
        }
        for outer in [1, 2, 3]
    }


# --- calls from C ----------------------------------------------------------------------------

@place("partial")
def through_a_partial():
    functools.partial(functools.partial(block_at), "partial")()


@place("sorted")
def as_a_sort_key():
    def key(item):
        if item == "c":
            arrive("sorted")
            hold()
        return item

    sorted("abcd", key=key)


@place("map-filter")
def under_map_and_filter():
    def blocks(item):
        if item:
            arrive("map-filter")
            hold()
        return item

    list(map(lambda item: item, filter(blocks, [0, 0, 1])))


@place("reduce")
def under_reduce():
    functools.reduce(
        lambda left, right: block_at("reduce") if right == 3 else right,
        [1, 2, 3, 4])


@place("re-sub")
def in_a_replacement():
    re.sub("b", lambda match: block_at("re-sub"), "abc")


@place("del")
def in_a_finalizer():
    class Finalized:
        def __del__(self):
            arrive("del")
            hold()

    finalized = Finalized()
    del finalized


@place("weakref")
def in_a_weakref_callback():
    class Referent:
        pass

    def gone(reference):
        arrive("weakref")
        hold()

    referent = Referent()
    reference = weakref.ref(referent, gone)
    referent = reference


@place("property")
def in_a_property():
    class Descriptor:
        def __get__(self, instance, owner):
            return instance.missing

    class Owner:
        described = Descriptor()

        @property
        def value(self):
            return self.described

        def __getattr__(self, name):
            arrive("property")
            hold()

    return Owner().value


@place("eq")
def in_a_dictionary_lookup():
    class Key:
        def __hash__(self):
            return 7

        def __eq__(self, other):
            arrive("eq")
            hold()

    return {Key(): 1}[Key()]


@place("iter")
def in_an_iterator():
    class Countdown:
        def __init__(self, start):
            self.left = start

        def __iter__(self):
            return self

        def __next__(self):
            self.left -= 1
            if self.left == 0:
                arrive("iter")
                hold()
            return self.left

    first, second, third = Countdown(3)


@place("init")
def in_a_constructor():
    class Base:
        def __new__(cls, *args):
            return super().__new__(cls)

        def __init__(self, key):
            arrive(key)
            hold()

    class Derived(Base):
        def __init__(self, key):
            super().__init__(key)

    Derived("init")


@place("call")
def in_a_callable_object():
    class Callable:
        @functools.lru_cache(maxsize=None)
        def __call__(self, *args, **keywords):
            arrive("call")
            hold()

    Callable()(*[1, 2], **{"three": 3})


@place("exit")
def in_an_exit():
    class Manager:
        def __enter__(self):
            return self

        def __exit__(self, *exc_info):
            arrive("exit")
            hold()

    with Manager():
        len("")


@place("contextmanager")
def in_a_context_manager():
    @contextlib.contextmanager
    def manager():
        arrive("contextmanager")
        hold()
        yield

    with manager():
        pass


@place("ctypes-callback")
def in_a_ctypes_callback():
    pointer = ctypes.POINTER(ctypes.c_int)

    def compare(left, right):
        arrive("ctypes-callback")
        hold()
        return 0

    numbers = (ctypes.c_int * 2)(2, 1)
    callback = ctypes.CFUNCTYPE(ctypes.c_int, pointer, pointer)(compare)
    ctypes.CDLL(None).qsort(numbers, ctypes.c_size_t(2), ctypes.c_size_t(4), callback)


# --- depth, definitions, code without files --------------------------------------------------

@place("recursion")
def in_a_recursion():
    def recurse(depth):
        if depth == 0:
            arrive("recursion")
            hold()
        else:
            recurse(depth - 1)

    recurse(DEPTH)


@place("class-body")
def in_a_class_body():
    class Outer:
        attribute = 1

        class Inner:
            arrive("class-body")
            hold()


@place("metaclass")
def in_a_metaclass():
    class Meta(type):
        def __new__(mcs, name, bases, namespace):
            if bases:
                arrive("metaclass")
                hold()
            return super().__new__(mcs, name, bases, namespace)

    class First(metaclass=Meta):
        pass

    class Second(First):
        pass


@place("decorator-lambda")
def in_a_decorator():
    decorate = (lambda key:
                lambda function:
                block_at(key))

    @decorate("decorator-lambda")
    def decorated():
        pass


@place("exec")
def in_exec():
    exec("arrive('exec')\n"
         "\n"
         "hold()\n", globals())


@place("eval")
def in_eval():
    eval("[block_at(key) for key in ('eval',)]", globals())


@place("odd-file-names")
def in_oddly_named_files():
    call = functools.partial(block_at, "odd-file-names")
    # No name, a terminal escape, a byte that is no UTF-8, Latin-1, and a very long one.
    for name in ("", "\x1b[31mred\n\t.py", "not-utf8-\udcff.py", "caf\xe9.py", "long" * 1000):
        namespace = {"inner": call}
        exec(compile("\ndef call():\n    return inner()\n", name, "exec"), namespace)
        call = namespace["call"]
    call()


@place("odd-function-names")
def in_oddly_named_functions():
    call = functools.partial(block_at, "odd-function-names")
    for name in ("функция", "関数", "\U0001f40d", "caf\xe9", "\x1b]0;title\x07", "a\nb", "\ud800"):
        tree = ast.parse("def f():\n    return inner()\n")
        tree.body[0].name = name  # the compiler takes any string; the parser would not
        namespace = {"inner": call}
        exec(compile(tree, "<names>", "exec"), namespace)
        call = namespace[name]
    call()


@place("import")
def in_an_import():
    write_module("blocking_package/__init__.py", "from . import blocking_module\n")
    write_module("blocking_package/blocking_module.py", """
        import sys

        main = sys.modules["__main__"]
        main.arrive("import")
        main.hold()
        """)
    import blocking_package
    kept.append(blocking_package)


@place("unicode-file", name="\u043f\u043e\u0442\u043e\u043a-\u7dda\u7a0b-\U0001f9f5")
def in_a_file_with_a_name_from_everywhere():
    write_module("модуль_模組_.py", """
        import sys

        main = sys.modules["__main__"]


        class Класс:
            def метод(self):
                main.arrive("unicode-file")
                main.hold()


        def 函数():
            Класс().метод()
        """)
    module = __import__("модуль_模組_")
    write_module("\U0001f40d.py", "def call(function):\n    function()\n")
    __import__("\U0001f40d").call(module.函数)


@place("long-function")
def in_a_long_function():
    lines = ["import sys", "main = sys.modules['__main__']", "", "def step(count):",
             "    return main.block_at('long-function') if count else True", "",
             "def identity(*values):", "    return values[-1]", "", "def long_function(n):"]
    # Constants, names and locals beyond 255 need EXTENDED_ARG; so does a jump over them.
    lines += ["    v%d = n + %d" % (i, 1000 + i) for i in range(400)]
    lines += [""] * 300  # a line delta of more than one byte, forward ...
    lines += ["    count = 0", "    while identity(", "            v399,", "            step("]
    lines += ["                # between"] * 150
    lines += ["                count),", "            ):", "        count += 1"]
    lines += ["        v%d = v%d + len(str(%d))" % (i, 399 - i, 2000 + i) for i in range(390)]
    lines += ["    return v0", "", ""]
    # ... and back: after the second round the condition on the loop's first lines is evaluated,
    # by code that newer compilers put behind the body.
    lines += ["def wide(n):"]
    # A column beyond 255 takes the long form of a location entry.
    lines += ["    return (" + " " * 400 + "identity(1,", "        long_function(n), 3))"]
    write_module("long_lines.py", "\n".join(lines) + "\n", dedent=False)
    __import__("long_lines").wide(1)


@place("traced")
def under_a_trace_function():
    def trace(frame, event, argument):
        return trace

    def traced(value):
        value += 1
        arrive("traced")
        hold(
        )

    sys.settrace(trace)
    traced(1)


# --- threads ---------------------------------------------------------------------------------

@place("renamed", name="before")
def renamed():
    threading.current_thread().name = "\u0416-\u6f22\u5b57-\U0001f600"
    arrive("renamed")
    hold()


@place("latin-name", name="na\xefve")
def latin_name():
    arrive("latin-name")
    hold()


@place("control-name", name="\x1b[31mred\x1b[0m\nsecond line\x07\x9b")
def control_name():
    arrive("control-name")
    hold()


@place("teardown")
def teardown():
    """Blocks while its own thread state is being cleared: a thread-local's finalizer."""
    class Finalized:
        def __del__(self):
            arrive("teardown")
            hold()

    thread_locals.finalized = Finalized()


thread_locals = threading.local()
kept.append(thread_locals)


class ThreadSubclass(threading.Thread):
    """A thread that overrides run()."""

    def run(self):
        arrive("subclass")
        hold()


def raw_thread(argument):
    """Started by _thread: the threading module never hears of it."""
    arrive("raw")
    hold()


def foreign_thread(argument):
    """Called by a thread that C made: its thread state comes from PyGILState_Ensure()."""
    arrive("foreign")
    hold()


def collecting_thread():
    """In a finalizer called by the garbage collector."""
    class Cycle:
        def __init__(self):
            self.me = self

        def __del__(self):
            arrive("collector")
            hold()

    Cycle()
    gc.collect()


# --- busy threads ----------------------------------------------------------------------------

def lines_of(function, first, last):
    """The lines from `first` to `last`, counted from the function's def."""
    start = function.__code__.co_firstlineno
    return list(range(start + first, start + last + 1))


def busy_in_python():
    arrive("busy-python")
    number = 0
    while True:
        number += 1
        if number > 100:
            number = 0


def busy_in_c_without_gil():
    data = bytes(4 << 20)
    arrive("busy-c-without-gil")
    while True:
        zlib.compress(data, 9)


def busy_in_c_with_gil():
    arrive("busy-c-with-gil")
    while True:
        sum(itertools.repeat(1, 20000))


busy_lines["busy-python"] = lines_of(busy_in_python, 3, 6)
busy_lines["busy-c-without-gil"] = lines_of(busy_in_c_without_gil, 3, 4)
busy_lines["busy-c-with-gil"] = lines_of(busy_in_c_with_gil, 2, 3)
BUSY = [busy_in_python, busy_in_c_without_gil, busy_in_c_with_gil]


# --- the truth -------------------------------------------------------------------------------

def write_module(name, source, dedent=True):
    """Write a module into the scratch directory, which is on sys.path."""
    if dedent:
        source = re.sub("(?m)^ {8}", "", source)
    path = os.path.join(sys.path[0], name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(source)


def start_native_thread(function):
    """Start a thread by pthread_create; give its id."""
    before = set(os.listdir("/proc/self/task"))
    thread = ctypes.c_ulong()
    address = ctypes.cast(function, ctypes.c_void_p)
    failed = ctypes.CDLL(None).pthread_create(ctypes.byref(thread), None, address, None)
    if failed:
        raise OSError(failed, "pthread_create")
    kept.append(function)
    new, = set(os.listdir("/proc/self/task")) - before
    return int(new)


def truth(native_threads):
    """Everything the interpreter says of its threads, without the one that asks."""
    frames = sys._current_frames()
    known = {thread.ident: thread for thread in threading.enumerate()}
    keys = {arrival.ident: key for key, arrival in arrivals.items()}
    threads = []
    for ident, frame in frames.items():
        if ident == _thread.get_ident():
            continue
        key = keys[ident]
        thread = known.get(ident)
        threads.append({
            "key": key,
            "ident": ident,
            "lwp": arrivals[key].native_id,
            "name": thread.name if thread else None,
            "daemon": thread.daemon if thread else None,
            "main": thread is threading.main_thread(),
            "interpreter": 0,
            "frames": chain(frame),
            "busy_lines": busy_lines.get(key),
        })
    return common.process(threads, native_threads=native_threads)


def unsettled():
    """The keys of threads that are not yet where they should be."""
    frames = sys._current_frames()
    late = common.unsettled(expected - set(busy_lines))
    for key in expected & set(busy_lines):
        ident = key in arrivals and arrivals[key].ident
        if ident not in frames or frames[ident].f_lineno not in busy_lines[key]:
            late.add(key)
    return late


expected = set()


def write_truth(path, native_threads):
    """Wait for all; start the busy ones last, for they slow everybody down; write."""
    def settle():
        common.wait_for(lambda: not unsettled(), lambda: "not there: %s" % sorted(unsettled()))

    settle()
    # A collection that stops in a finalizer: from now on the collector is off. It is so before, or else a collection that
    # another thread's turn has come for, this one's say, may meet the finalizer first.
    gc.disable()
    expected.add("collector")
    threading.Thread(target=collecting_thread, name="collector").start()
    settle()
    expected.update(busy_lines)
    for function in BUSY:
        threading.Thread(target=function, name=function.__name__).start()
    settle()
    result = truth(native_threads)
    late = unsettled()
    if late:
        raise AssertionError("threads have moved: %s" % sorted(late))
    common.write(path, result)
    os.write(1, b"ready\n")


def main():
    """Start everything, then wait for ever."""
    path, scratch = sys.argv[1:]
    sys.path.insert(0, scratch)
    native_threads = [start_native_thread(ctypes.CDLL(None).pause)]
    # Small stacks keep gcore's files small; this much is enough for DEPTH levels of C recursion.
    threading.stack_size(2 << 20)
    expected.update(key for key, _, _ in places)
    expected.update(["subclass", "raw", "foreign", "main"])
    for key, function, arguments in places:
        arguments.setdefault("name", key)
        threading.Thread(target=function, **arguments).start()
    ThreadSubclass(name="subclass").start()
    _thread.start_new_thread(raw_thread, (1,))
    start_native_thread(ctypes.CFUNCTYPE(None, ctypes.c_void_p)(foreign_thread))
    threading.Thread(target=common.or_die(write_truth), args=(path, native_threads), name="writer").start()
    arrive("main")
    os.read(0, 1)


if __name__ == "__main__":
    main()
