"""What stands in the way of a connection, in a thread of its own: cut, or gone quiet.

TCP links are passed on until they are cut; datagrams are passed on, lost or doubled.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Final

CHUNK: Final = 65_536
RESET: Final = struct.pack("ii", 1, 0)


class Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do something there; return what it returns."""
        done: Future[Any] = asyncio.run_coroutine_threadsafe(work, self.loop)
        return done.result(30)

    def end(self) -> None:
        """Stop it."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)


class TcpProxy:
    """Passes connections on to a port of this machine."""

    def __init__(self, loop: Loop, target: int) -> None:
        self._loop, self._target = loop, target
        self._writers: set[asyncio.StreamWriter] = set()
        server = loop.do(asyncio.start_server(self._taken, "127.0.0.1", 0))
        self._server: asyncio.Server = server
        self.port = int(server.sockets[0].getsockname()[1])

    async def _taken(
        self, near: asyncio.StreamReader, near_out: asyncio.StreamWriter
    ) -> None:
        """Pass one connection on until either side ends."""
        try:
            far, far_out = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            near_out.transport.abort()
            return
        pair = {near_out, far_out}
        self._writers |= pair
        ways = (self._pass_on(near, far_out), self._pass_on(far, near_out))
        try:
            await asyncio.gather(*ways)
        finally:
            self._writers -= pair
            for writer in pair:
                writer.transport.abort()

    async def _pass_on(
        self, source: asyncio.StreamReader, to: asyncio.StreamWriter
    ) -> None:
        """Pass octets on one way; what is broken ends both."""
        with contextlib.suppress(OSError):
            while octets := await source.read(CHUNK):
                to.write(octets)
                await to.drain()
        to.transport.abort()

    async def _cut(self) -> None:
        for writer in list(self._writers):
            # with no time to linger, the end is RST and not FIN
            link = writer.get_extra_info("socket")
            if link.fileno() >= 0:  # else it has ended by itself
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()

    def cut(self) -> None:
        """Reset all connections, with whatever is on its way."""
        self._loop.do(self._cut())

    async def _close(self) -> None:
        self._server.close()
        await self._cut()

    def end(self) -> None:
        """Listen no more."""
        self._loop.do(self._close())


class UdpProxy(asyncio.DatagramProtocol):
    """Passes datagrams on to a port of this machine, each peer from a port of its own.

    `fate` says how often the next datagram is passed on: 0 loses it, 2 doubles it.
    """

    def __init__(self, loop: Loop, target: int) -> None:
        self._loop, self._target = loop, target
        self.fate: Callable[[], int] = lambda: 1
        self.lost = self.doubled = 0
        self._backs: dict[tuple[str, int], asyncio.Future[_Back]] = {}
        self._near: asyncio.DatagramTransport | None = None
        loop.do(self._listen())
        assert self._near is not None
        self.port: int = int(self._near.get_extra_info("sockname")[1])

    async def _listen(self) -> None:
        made = asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        self._near = (await made)[0]

    def datagram_received(self, data: bytes, address: Any) -> None:
        """Pass on what a peer says."""
        self._tasks = asyncio.ensure_future(self._to_target(data, address))

    async def _to_target(self, data: bytes, address: tuple[str, int]) -> None:
        if address not in self._backs:
            running = asyncio.get_running_loop()
            self._backs[address] = asyncio.ensure_future(self._back(running, address))
        back = await self._backs[address]
        for _ in range(self.count()):
            back.transport.sendto(data)

    async def _back(self, running: Any, address: tuple[str, int]) -> _Back:
        made = await running.create_datagram_endpoint(
            lambda: _Back(self, address), remote_addr=("127.0.0.1", self._target)
        )
        found: _Back = made[1]
        return found

    def count(self) -> int:
        """Return how often a datagram goes on; keep count of what is lost."""
        times = self.fate()
        self.lost += times == 0
        self.doubled += times > 1
        return times

    def to_peer(self, data: bytes, address: tuple[str, int]) -> None:
        """Pass on what the far side says."""
        assert self._near is not None
        for _ in range(self.count()):
            self._near.sendto(data, address)

    async def _close(self) -> None:
        assert self._near is not None
        self._near.close()
        for back in self._backs.values():
            (await back).transport.close()

    def end(self) -> None:
        """Listen no more."""
        self._loop.do(self._close())


class _Back(asyncio.DatagramProtocol):
    """The port from which the far side hears one peer."""

    transport: asyncio.DatagramTransport

    def __init__(self, proxy: UdpProxy, address: tuple[str, int]) -> None:
        self.proxy, self.address = proxy, address

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        """Pass on what is said back."""
        self.proxy.to_peer(data, self.address)
