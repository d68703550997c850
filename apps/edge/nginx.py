"""The edge by nginx: traffic switches by renaming a link, and by a reload only where the structure changed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from apps.core.errors import Invalid, Unavailable
from apps.core.failpoints import failpoint
from apps.edge import applied, control, links, pages, start
from apps.edge.base import Applied, EdgeState
from apps.edge.layout import Layout, open_files, worker_user
from apps.edge.render import generation_of, render
from apps.edge.rotation import rotate
from apps.edge.validation import check


class NginxEdge:
    """An `Edge`. Everything it writes is beneath `state/nginx`, `run/edge` and `run/edge-admin.sock`."""

    def __init__(
        self,
        state: Path,
        run: Path,
        *,
        binary: Path,
        port: int,
        bind: str,
        dashboard_host: str,
        dashboard_pages: Sequence[str],
        dashboard_sockets: str,
        static_root: Path,
        trusted_proxies: tuple[str, ...] = (),
        patience: float = 30.0,
    ) -> None:
        """`patience`: seconds a reload may take. Sockets are paths. Raises PlatformError("edge_settings")."""
        self.binary = binary
        self.patience = patience
        self.layout = Layout(
            state=state,
            run=run,
            port=port,
            bind=bind,
            dashboard_host=dashboard_host,
            dashboard_pages=tuple(socket.removeprefix("unix:") for socket in dashboard_pages),
            dashboard_sockets=dashboard_sockets.removeprefix("unix:"),
            static_root=static_root,
            trusted_proxies=trusted_proxies,
            workers=min(4, os.cpu_count() or 1),
            open_files=open_files(),
            user=worker_user(state, run, static_root),
        )
        self.layout.check()

    def prepare(self) -> None:
        """Write everything nginx needs to start, from the state last applied; before each start of nginx.

        A stored state that nginx no longer accepts is left out: the edge comes up and answers "not connected".
        """
        self.layout.make()
        pages.write(self.layout.home / "pages")
        with self._locked():
            state = applied.read(self._applied)
            number = self._count()
            try:
                self._check(state)
                self._try(render(state, self.layout, number))
            except (Invalid, Unavailable):
                state = EdgeState()
                self._try(render(state, self.layout, number))
            links.switch(self.layout.links, links.wanted(state))
            self._beside.replace(self.layout.configuration)

    def command(self) -> list[str]:
        """The argument list that becomes nginx in the foreground. QUIT ends it in order, TERM at once."""
        layout = self.layout
        nginx = [self.binary, "-p", layout.home, "-e", layout.error_log, "-c", layout.configuration]
        return [sys.executable, "-I", start.__file__, str(layout.admin), *map(str, nginx)]

    def apply(self, desired: Callable[[], EdgeState]) -> Applied:
        """See Edge.apply. A connection kept alive may see the previous configuration until `settle` returned.

        Raises Invalid("edge_state"), Unavailable("edge_refused"), with the previous state serving; and
        Unavailable("edge_unavailable") when nginx does not run: the state is then written for its next start.
        """
        with self._locked():
            state = desired()
            self._check(state)
            before = applied.read(self._applied)
            current = self._read()
            number = generation_of(current)
            if render(state, self.layout, number) != current:
                return self._restructure(state, before, current)
            changed = links.switch(self.layout.links, links.wanted(state))
            failpoint("edge.switched")
            if changed or state != before:
                applied.write(self._applied, state)
            if control.generation(self.layout) != number:  # an applier died between its rename and its reload
                control.reload(self.layout, number, self.patience)
                return Applied(number, True)
            return Applied(number, False)

    def settle(self, timeout: float = 10.0) -> None:
        """See Edge.settle. Returns after `timeout` seconds at the latest: long streams keep their worker longer."""
        with contextlib.suppress(Unavailable):
            pid = control.master(self.layout)
            control.until(lambda: not any(control.workers(pid).values()), time.monotonic() + timeout)

    def generation(self) -> int:
        return control.generation(self.layout)

    def access_logs(self) -> tuple[Path, ...]:
        return (self.layout.old_access_log, self.layout.access_log)

    def rotate_access_log(self, most: int) -> bool:
        return rotate(self.layout, most)

    def _restructure(self, state: EdgeState, before: EdgeState, current: str) -> Applied:
        """Write beside, test, rename, reload, probe; on failure put back what was there."""
        number = self._count()
        self._try(render(state, self.layout, number))
        old = links.switch(self.layout.links, links.wanted(state))
        failpoint("edge.linked")
        self._beside.replace(self.layout.configuration)
        failpoint("edge.renamed")
        try:
            control.generation(self.layout)
            control.reload(self.layout, number, self.patience)
        except Unavailable as error:
            if error.code == "edge_unavailable":
                applied.write(self._applied, state)
            else:
                self._put_back(current, old)
            raise
        applied.write(self._applied, state)
        links.collect(self.layout.links, serving=state, before=before)
        return Applied(number, True)

    def _put_back(self, current: str, old: dict[str, str]) -> None:
        applied.replace(self.layout.configuration, current)
        links.restore(self.layout.links, old)
        with contextlib.suppress(Unavailable):
            control.reload(self.layout, generation_of(current), self.patience)

    def _try(self, text: str) -> None:
        applied.replace(self._beside, text)
        control.test(self.binary, self.layout, self._beside)

    def _check(self, state: EdgeState) -> None:
        check(state, reserved=(self.layout.dashboard_host,))

    def _read(self) -> str:
        try:
            return self.layout.configuration.read_text()
        except FileNotFoundError:
            return ""

    def _count(self) -> int:
        """A generation no configuration had before, not even one that was refused."""
        path = self.layout.home / "generation"
        number = int(path.read_text()) + 1 if path.exists() else 1
        applied.replace(path, str(number))
        return number

    @property
    def _applied(self) -> Path:
        return self.layout.home / "applied.json"

    @property
    def _beside(self) -> Path:
        return self.layout.home / "conf" / "next.conf"

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One at a time, across threads and processes: each caller has a file description of its own."""
        with (self.layout.home / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
