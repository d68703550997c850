"""What a workload or a run reaches: its peers by the keeper's ways, the public through a proxy of the agent's."""

from __future__ import annotations

import asyncio

from apps.engines.base import Peer, RunSpec
from apps.engines.process import ways
from apps.engines.process.context import Context


class Reach:
    """`key`: what asks, as the keeper calls it. `build`: the package registries' hosts are trusted by name."""

    def __init__(self, context: Context, spec: RunSpec, key: str, *, build: bool) -> None:
        self._context = context
        self._spec = spec
        self._key = key
        self._build = build
        self._proxy: asyncio.Server | None = None
        self._round = 0

    def peers(self, asked: tuple[Peer, ...] | None = None) -> None:
        """Have ways to `asked` of its peers, to all without, and to no others. Raises PlatformError."""
        if self._spec.peers:
            wanted = self._spec.peers if asked is None else asked
            self._context.keeper.reach(self._key, ways.wanted(self._spec.pod, wanted))

    def serve(self, listener: int) -> None:
        """Let out who connects to `listener`, which is taken over; from soon on, until `close`."""
        self._round += 1
        asyncio.get_running_loop().create_task(self._serve(listener, self._round))

    async def _serve(self, listener: int, number: int) -> None:
        proxy = await self._context.egress.serve(listener, build=self._build)
        if number == self._round:
            self._proxy = proxy
        else:  # closed meanwhile
            proxy.close()

    def close(self) -> None:
        """Let nobody out any more. The ways to peers stay."""
        self._round += 1
        if self._proxy is not None:
            self._proxy.close()
            self._proxy = None
