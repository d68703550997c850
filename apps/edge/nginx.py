"""The edge by nginx: traffic switches by renaming a link, and by a reload only where the structure changed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from apps.core.errors import Invalid, Unavailable
from apps.core.failpoints import failpoint
from apps.edge import (
    applied,
    certificates,
    control,
    guesses,
    hop,
    links,
    pages,
    passwords,
    readback,
    refusal,
    start,
    tls,
)
from apps.edge.base import Applied, EdgeState, Served, Shown, same
from apps.edge.layout import HOPS, Layout, open_files, worker_user
from apps.edge.outside import Outside
from apps.edge.render import SIZES, generation_of, render, renumbered
from apps.edge.rotation import rotate
from apps.edge.shown import shown
from apps.edge.validation import check


class NginxEdge:
    """An `Edge`. What it writes is beneath `state/nginx`, `run/edge` and `run/edge-*.sock`, and in the directory of an
    nginx outside."""

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
        dashboard_git: str = "",
        push_mb: int = 512,
        trusted_proxies: tuple[str, ...] = (),
        tls_port: int = 0,
        names: tuple[str, ...] = (),
        cache_mb: int = 512,
        patience: float = 30.0,
        outside: Outside | None = None,
    ) -> None:
        """`patience`: seconds a reload may take. `names`: further ones of the self-signed certificate. Sockets are
        paths. Raises PlatformError("edge_settings").
        """
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
            dashboard_git=dashboard_git.removeprefix("unix:"),
            push_mb=push_mb,
            trusted_proxies=trusted_proxies,
            cache_mb=cache_mb,
            workers=min(4, os.cpu_count() or 1),
            open_files=open_files(),
            tls_port=tls_port,
            user=worker_user(state, run, static_root, outside=outside.user if outside else ""),
            outside=outside,
        )
        self.names = (dashboard_host, *names)
        self.layout.check()

    def prepare(self) -> None:
        """Write everything nginx needs to start, from the state last applied; before each start of nginx.

        A stored state that nginx no longer accepts is left out: the edge comes up and answers "not connected".
        An nginx outside is told, if it runs; what it refuses is taken back, and what it had stays.
        """
        self._lay_out()
        with self._locked():
            state = applied.read(self._applied)
            number = self._count()
            hops = hop.listening(self._read(), self.layout) if self.layout.outside else 0
            try:
                self._check(state)
                self._try(state, render(state, self.layout, number, hops))
            except (Invalid, Unavailable):
                state = EdgeState()
                self._try(state, render(state, self.layout, number, hops))
            passwords.switch(self.layout, passwords.wanted(state))
            links.switch(self.layout.links, self._links(state))
            if self.layout.outside:
                self._publish(number)
            else:
                self._beside.replace(self.layout.configuration)

    def refresh(self) -> None:
        """Have the nginx that runs serve what was applied last as this version, with its settings, writes it.

        Raises as `apply` does, with what it had still serving.
        """
        self._lay_out()
        self.apply(lambda: applied.read(self._applied))

    def _lay_out(self) -> None:
        self.layout.make()
        if self.layout.outside:
            applied.replace(self.layout.sizes, "\n".join(SIZES) + "\n")
        pages.write(self.layout.home / "pages")
        guesses.prepare(self.layout)
        certificates.ensure_default(self.layout, self.names)

    def _publish(self, number: int) -> None:
        current = self._read()
        self._beside.replace(self.layout.configuration)
        try:
            control.accept(self.layout)
            control.reload(self.layout, number, self.patience)
        except Unavailable as error:
            if error.code == "edge_unavailable":  # it reads the file when it starts
                return
            refusal.note(self.layout, error.message)
            self._replace(current)
        else:
            refusal.forget(self.layout)

    def command(self) -> list[str]:
        """The argument list that becomes nginx in the foreground. QUIT ends it in order, TERM at once."""
        layout = self.layout
        nginx = [self.binary, "-p", layout.home, "-e", layout.error_log, "-c", layout.configuration]
        return [sys.executable, "-I", start.__file__, str(layout.admin), str(layout.run / HOPS), *map(str, nginx)]

    def apply(self, desired: Callable[[], EdgeState]) -> Applied:
        """See Edge.apply. A connection kept alive may see the previous configuration until `settle` returned.

        Raises Invalid("edge_state"), Unavailable("edge_refused"), with the previous state serving; and
        Unavailable("edge_unavailable") when nginx does not run: the state is then written for its next start.
        """
        with self._locked():
            state = desired()
            state = replace(state, sites=tuple(map(same, state.sites)))
            self._check(state)
            with self._noted():
                return self._apply(state)

    def _apply(self, state: EdgeState) -> Applied:
        current = self._read()
        number = generation_of(current)
        text = render(state, self.layout, number, hop.listening(current, self.layout))
        if text != current:
            return self._restructure(state, current, text)
        links.switch(self.layout.links, self._links(state))
        passwords.switch(self.layout, passwords.wanted(state))
        guesses.forget(self.layout)
        failpoint("edge.switched")
        applied.write(self._applied, state)
        if control.answer(self.layout) != str(number):  # an applier died between its rename and its reload
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

    def keep_certificate(self, name: str, chain: str, key: str) -> None:
        certificates.keep(self.layout, name, chain, key)

    def certificates(self) -> set[str]:
        return set(certificates.changes(self.layout))

    def certificate_changes(self) -> dict[str, float]:
        return certificates.changes(self.layout)

    def certificate(self, name: str) -> tuple[str, str] | None:
        return certificates.read(self.layout, name)

    def keep_default_certificate(self) -> None:
        certificates.ensure_default(self.layout, self.names)

    def forget_certificates(self, names: Iterable[str]) -> None:
        certificates.forget(self.layout, names)

    def challenges(self) -> Path:
        return self.layout.acme

    def served(self) -> Served:
        text, (words, at) = self._read(), refusal.last(self.layout)
        since = self.layout.configuration.stat().st_mtime if text else 0.0
        return Served(text, generation_of(text), since, words, at)

    def shown(self, route: str) -> Shown:
        return shown(applied.read(self._applied), route, self.layout, generation_of(self._read()))

    def access_logs(self) -> tuple[Path, ...]:
        return (self.layout.old_access_log, self.layout.access_log)

    def journal(self) -> Path:
        return self.layout.state / "requests"

    def rotate_access_log(self, most: int) -> bool:
        return rotate(self.layout, most)

    def _restructure(self, state: EdgeState, current: str, text: str) -> Applied:
        """Write beside, test, rename, reload, probe; on failure put back what was there."""
        number = self._count()
        self._try(state, renumbered(text, number))
        known = passwords.switch(self.layout, passwords.wanted(state))
        wanted = self._links(state)
        old = links.switch(self.layout.links, wanted)
        failpoint("edge.linked")
        self._beside.replace(self.layout.configuration)
        failpoint("edge.renamed")
        try:
            control.accept(self.layout)
            control.answer(self.layout)  # there is somebody to reload
            control.reload(self.layout, number, self.patience)
        except Unavailable as error:
            if error.code == "edge_unavailable":
                applied.write(self._applied, state)
            else:
                self._put_back(current, old, known)
            raise
        refusal.forget(self.layout)
        applied.write(self._applied, state)
        links.collect(self.layout.links, serving=wanted, before=current)
        passwords.collect(self.layout, serving=state)
        return Applied(number, True)

    def _put_back(self, current: str, old: dict[str, str], known: dict[str, str]) -> None:
        self._replace(current)
        passwords.restore(self.layout, known)
        links.restore(self.layout.links, old)
        with contextlib.suppress(Unavailable):
            control.reload(self.layout, generation_of(current), self.patience)

    def _replace(self, text: str) -> None:
        """Put back what was there: for an nginx outside that may be nothing."""
        if text:
            applied.replace(self.layout.configuration, text)
        else:
            self.layout.configuration.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _noted(self) -> Iterator[None]:
        """What is refused within stands on the operators' page until the next configuration is taken."""
        try:
            yield
        except Unavailable as error:
            if error.code == "edge_refused":
                self._note(error.message)
            raise
        except OSError as error:
            words = f"The edge's files cannot be written: {error.strerror}: {error.filename}"
            self._note(words)
            hint = "What served goes on; make room, or mend its permissions."
            raise Unavailable("edge_refused", words, hint) from None

    def _note(self, words: str) -> None:
        with contextlib.suppress(OSError):  # there may be no room for that either
            refusal.note(self.layout, words)

    def _try(self, state: EdgeState, text: str) -> None:
        """Write the configuration beside, read it back, and have nginx test it. It stays there to be looked at."""
        applied.replace(self._beside, text)
        readback.compare(text, state, self.layout)
        control.test(self.binary, self.layout, self._beside)

    def _links(self, state: EdgeState) -> dict[str, str]:
        return tls.sound(self.layout, links.wanted(state))

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
        return self.layout.beside

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One at a time, across threads and processes: each caller has a file description of its own."""
        with (self.layout.home / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
