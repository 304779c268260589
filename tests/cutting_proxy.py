"""A proxy before Postgres that passes a COMMIT on, and then swallows the answer together with the connection."""

from __future__ import annotations

import selectors
import socket
import threading
from contextlib import suppress
from pathlib import Path

NAME = ".s.PGSQL.5432"


class CuttingProxy:
    """Listens on a unix socket in `folder`; every `nth` COMMIT's answer is lost while `cutting` is set."""

    def __init__(self, folder: Path, server: Path, nth: int) -> None:
        self.cut = 0
        self.cutting = threading.Event()
        self._server = server
        self._nth = nth
        self._commits = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(folder / NAME))
        self._listener.listen(32)
        self._listener.settimeout(0.1)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)
        self._listener.close()

    def _accept(self) -> None:
        while not self._stop.is_set():
            with suppress(TimeoutError):
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server, suppress(OSError):
            server.connect(str(self._server / NAME))
            with selectors.DefaultSelector() as ready:
                ready.register(client, selectors.EVENT_READ, server)
                ready.register(server, selectors.EVENT_READ, client)
                while not self._stop.is_set():
                    for key, _ in ready.select(0.1):
                        if not self._pass_on(key.fileobj, key.data, from_client=key.fileobj is client):
                            return

    def _pass_on(self, source: object, target: socket.socket, *, from_client: bool) -> bool:
        assert isinstance(source, socket.socket)
        some = source.recv(65536)
        if not some:
            return False
        target.sendall(some)
        if from_client and b"COMMIT\0" in some and self._is_to_cut():
            target.recv(65536)  # it is committed, and only we know
            return False
        return True

    def _is_to_cut(self) -> bool:
        with self._lock:
            self._commits += self.cutting.is_set()
            cuts = self.cutting.is_set() and self._commits % self._nth == 0
            self.cut += cuts
            return cuts
