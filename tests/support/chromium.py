"""Chromium without a window, told what to do over pipes by its DevTools protocol."""

import functools
import json
import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Dict, List, Optional, Tuple, Type

from tests.support import packages

# The libraries of Debian 12 that a machine without a desktop has not got.
_LIBRARIES = (
    "libopenh264-7", "libdouble-conversion3", "libharfbuzz-subset0", "libpulse0", "libflac12", "libopus0",
    "libxnvctrl0", "libminizip1", "libopenjp2-7", "libogg0", "libsndfile1", "libasyncns0", "libvorbis0a",
    "libvorbisenc2", "libmp3lame0", "libmpg123-0")

# DevTools' own page, which may import what it is made of.
DEVTOOLS = "devtools://devtools/bundled/devtools_app.html"

# Bytes of one message's text; the pipe takes no more than 256 MB.
_PIECE = 1 << 20


@functools.lru_cache(maxsize=None)
def find() -> Tuple[Path, Dict[str, str]]:
    """Chromium, and the variables that it needs: the system's own, or Debian's. Raises NotAvailable."""
    installed = shutil.which("chromium")
    if installed:
        return Path(installed), {}
    root = packages.debian("chromium", "chromium-common", *_LIBRARIES)
    folders = [str(root / "usr/lib/x86_64-linux-gnu"), str(root / "usr/lib/x86_64-linux-gnu/pulseaudio")]
    variables = {"LD_LIBRARY_PATH": os.pathsep.join(folders)}
    executable = root / "usr/lib/chromium/chromium"
    packages.needs(executable, variables)
    return executable, variables


class Chromium:
    """A running one with one page, ended when the with block is left."""

    def __init__(self, folder: Path, page: str) -> None:
        executable, variables = find()
        commands, self._write = os.pipe()
        read, answers = os.pipe()
        self._process = subprocess.Popen(
            ["bash", "-c", 'exec "$0" "$@" 3<&%d 4>&%d' % (commands, answers), str(executable), "--headless",
             "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe",
             "--user-data-dir=%s" % folder, "about:blank"],
            pass_fds=(commands, answers), env={**os.environ, "HOME": str(folder), **variables},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(commands)
        os.close(answers)
        self._answers = os.fdopen(read, "rb")
        self._number = 0
        self._rest = b""
        self._session: Optional[str] = None
        target = self._call("Target.createTarget", url=page)["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def __enter__(self) -> "Chromium":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self._process.terminate()
        self._process.wait()
        os.close(self._write)
        self._answers.close()

    def _call(self, method: str, **parameters: Any) -> Dict[str, Any]:
        self._number += 1
        message: Dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        data = memoryview(json.dumps(message).encode() + b"\0")
        while data:
            data = data[os.write(self._write, data):]
        while True:
            text, found, rest = self._rest.partition(b"\0")
            if not found:
                more = self._answers.read1(1 << 20)  # type: ignore[attr-defined]
                assert more, "Chromium has ended"
                self._rest += more
                continue
            self._rest = rest
            answer = json.loads(text)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                result: Dict[str, Any] = answer["result"]
                return result

    def run(self, source: str) -> Any:
        """What the body of an async function returns in the page."""
        answer = self._call("Runtime.evaluate", expression="(async () => {%s})()" % source, awaitPromise=True,
                            returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def load_snapshot(self, path: Path) -> None:
        """Have DevTools read a heap snapshot, as `snapshot`, with the code that its Memory panel runs."""
        self.run("""
            globalThis.worker = await import(
                'devtools://devtools/bundled/entrypoints/heap_snapshot_worker/heap_snapshot_worker.js');
            globalThis.loader = new worker.HeapSnapshotLoader.HeapSnapshotLoader({sendEvent() {}});""")
        text = path.read_text("ascii")
        pieces: List[str] = [text[start:start + _PIECE] for start in range(0, len(text), _PIECE)]
        for piece in pieces:
            self.run("loader.write(%s);" % json.dumps(piece))
        self.run("""
            loader.close();
            const channel = new MessageChannel();
            new worker.HeapSnapshot.SecondaryInitManager(channel.port2);
            globalThis.snapshot = await loader.buildSnapshot(channel.port1);""")
