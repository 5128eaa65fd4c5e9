"""A proxy on loopback that resets a connection after some bytes of its answer, or all of them."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from typing import Self

RESET = struct.pack("ii", 1, 0)


class CuttingProxy:
    """In front of one server. As a context manager it closes."""

    def __init__(self, port: int) -> None:
        self._server = port
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.cut_after: int | None = None
        """Bytes of one answer after which its connection is reset; once."""
        self.refusals = 0
        """How many of the next connections are reset at once, after a cut."""
        self.is_away = False
        """Whether new connections are reset at once."""
        self.cuts = 0
        self._threads = [threading.Thread(target=self._accept, name="cutting")]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.is_away = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(30)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed
            if self.is_away or self._is_refused():
                _reset(client)
                continue
            server = socket.create_connection(("127.0.0.1", self._server))
            there = threading.Thread(target=self._pass, args=(client, server, False))
            back = threading.Thread(target=self._pass, args=(server, client, True))
            self._threads += [there, back]
            there.start()
            back.start()

    def _pass(self, source: socket.socket, target: socket.socket, is_answer: bool) -> None:
        passed = 0
        with suppress(OSError):
            while data := source.recv(1 << 16):
                passed += len(data)
                if is_answer and self._is_cut(passed):
                    _reset(target)
                    _reset(source)
                    return
                target.sendall(data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        if is_answer:
            source.close()
            target.close()

    def _is_refused(self) -> bool:
        with self._lock:
            if self.cuts == 0 or self.refusals == 0:
                return False
            self.refusals -= 1
            return True

    def _is_cut(self, passed: int) -> bool:
        with self._lock:
            if self.cut_after is None or passed < self.cut_after:
                return False
            self.cut_after = None
            self.cuts += 1
            return True


def _reset(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        connection.shutdown(socket.SHUT_RD)
    connection.close()
