"""gdbext dump: what the other commands tell of a process or a core, in one go."""

import json
from typing import Any, Dict, Iterator, List, Tuple

from .command import JSON, STATUS, Command, Option, capture, complain, end, execute, write


class Dump(Command):
    """Runs the commands for all threads, one after the other."""

    NAME = "gdbext dump"
    CLASS = STATUS
    SUMMARY = "Print threads and tracebacks of all threads, and what else is asked for, in one go."
    USAGE = "gdbext dump [-locals] [-native] [-exc] [-locks] [-all] [-limit N] [-json]"
    OPTIONS = (Option("locals", "With the variables of each frame."),
               Option("native", "With the frames of C functions between those of Python."),
               Option("exc", "With the exceptions of all threads."),
               Option("locks", "With the locks that threads wait for, and deadlocks."),
               Option("all", "With all of these."),
               Option("limit", "The N most recent calls of each thread only.", "N"), JSON)
    EXAMPLE = "gdbext dump -locks"

    def run(self, options: Dict[str, Any]) -> None:
        """Answer for all threads of the selected inferior."""
        _dump(options)


def _dump(options: Dict[str, Any]) -> bool:
    """Answer; gives whether no part of it failed."""
    from . import model

    return (_dump_json if options["json"] else _dump_text)(model.current(), options)


def _asked(options: Dict[str, Any], name: str) -> bool:
    return bool(options[name] or options["all"])


def _traceback(options: Dict[str, Any]) -> str:
    words = ["py-bt-plus"] + ["-full"] * _asked(options, "locals") + ["-native"] * _asked(options, "native")
    return " ".join(words + [f"-limit {options['limit']}"] * bool(options["limit"]))


def _others(options: Dict[str, Any]) -> Iterator[Tuple[str, str, str]]:
    """The commands that answer for all threads at once: what they are about, and their options."""
    if _asked(options, "locks"):
        yield "Locks", "py-locks", ""
    yield "Threads", "py-threads", ""
    if _asked(options, "exc"):
        yield "Exceptions", "py-exc", " -all" + " -locals" * _asked(options, "locals")


def _numbers(current: Any) -> Dict[int, Any]:
    """gdb's numbers of the threads, and a thread of each."""
    return {thread.native.number: thread for thread in reversed(current.threads()) if thread.native is not None}


def _dump_text(current: Any, options: Dict[str, Any]) -> bool:
    from ..render.dump import section, title
    from ..render.exceptions import heading

    write([title(current.target())])
    problems = 0
    for subject, command, more in _others(options):
        write(["", section(subject)])
        problems += not execute(command + more)
    write(["", section("Tracebacks")])
    for number, thread in sorted(_numbers(current).items()):
        write(["", heading(thread)])
        problems += not execute(_traceback(options), number)
    return not problems


def _dump_json(current: Any, options: Dict[str, Any]) -> bool:
    from ..render.dump import document

    problems: List[str] = []

    def documents(command: str, *number: int) -> List[Dict[str, Any]]:
        text, problem = capture(command + " -json", *number)
        problems.extend([problem] if problem is not None else [])
        return [json.loads(line) for line in text.splitlines()]

    answers: Dict[str, Any] = {"py-locks": None, "py-threads": None, "py-exc": None}
    for _subject, command, more in _others(options):
        answers[command] = next(iter(documents(command + more)), None)
    stacks = [each for number in sorted(_numbers(current)) for each in documents(_traceback(options), number)]
    write([document(current.target(), {**answers, "py-bt-plus": stacks}, problems)])
    return not problems


def for_shell(options: Dict[str, Any], mark: str) -> None:
    """Answer, with `mark` on a line of both streams before and behind it, and end gdb with a status."""
    from ..analysis.statuses import NO_PYTHON, NOT_OPENED, OK, PARTIAL
    from ..cpython.process import NoPython
    from ..cpython.reader import READ_ERRORS
    from ..target.stop import NoInferior

    status = NOT_OPENED
    write([mark])
    complain(mark)
    try:
        status = OK if _dump(options) else PARTIAL
    except NoInferior:
        pass
    except (NoPython,) + READ_ERRORS as error:
        status = NO_PYTHON
        complain(str(error))
    write([mark])
    complain(mark)
    end(status)
