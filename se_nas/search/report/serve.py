"""A report on 127.0.0.1 that is up to date while the search runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from se_nas.errors import InputError
from se_nas.search.report.contents import read
from se_nas.search.report.page import render
from se_nas.search.run_dir.directory import RESULTS, RunDirectory
from se_nas.texts import one_line

EVERY_MS = 2000  # how often an open page asks whether there is more
RELOAD = """<script>
let seen = null;
setInterval(async () => {
  const now = await fetch("/state").then(answer => answer.text()).catch(() => seen);
  if (seen !== null && now !== seen) location.reload();
  seen = now;
}, %d);
</script>"""


def serve_report(run: RunDirectory, port: int, say: Callable[[str], None]) -> None:
    """Answer browsers on this machine until Ctrl-C.

    Args:
        port: 0 for any that is free.
        say: is told the address.

    Raises:
        InputError: the run cannot be read, or the port is taken.
    """
    page = lru_cache(maxsize=1)(lambda state: render(read(run)) + RELOAD % EVERY_MS)
    page(_state(run))  # an error is told here, not to a browser

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/state":
                self._answer(_state(run), "text/plain")
                return
            try:
                self._answer(page(_state(run)), "text/html")
            except InputError as error:
                self._answer(one_line(str(error)), "text/plain", 500)

        def _answer(self, text: str, kind: str, code: int = 200) -> None:
            content = text.encode("utf-8", errors="backslashreplace")
            self.send_response(code)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing of each request."""

    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise InputError(
            f"--port {port} cannot be listened on: {error.strerror}; give another, or 0"
        ) from None
    with server:
        say(f"http://127.0.0.1:{server.server_address[1]} shows {run.shown}; Ctrl-C ends it")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("ended")


def _state(run: RunDirectory) -> str:
    """Return what changes whenever the run has more to tell."""
    found = []
    for path in (run.journal, run.path / RESULTS):
        try:
            told = path.stat()
            found.append(f"{told.st_size} {told.st_mtime_ns}")
        except OSError:
            found.append("none")
    return "; ".join(found)
