"""Messages between two workers: JSON objects, one a line, over a socket."""

import contextlib
import json
import socket
import threading
from typing import Any

_LONGEST_MESSAGE = 1 << 20
_SECONDS_TO_SEND = 5


class Connection:
    """One end of a connection. Any thread may send; one thread receives.

    Args:
        connected: The socket, which is closed with the connection.
    """

    def __init__(self, connected: socket.socket) -> None:
        connected.settimeout(_SECONDS_TO_SEND)
        self._socket = connected
        self._sending = threading.Lock()
        self._unread = b""

    def fileno(self) -> int:
        """For `select`."""
        return self._socket.fileno()

    def send(self, **message: Any) -> None:
        """Sends a message. That the other end is gone shows when something is received."""
        with self._sending, contextlib.suppress(OSError):
            self._socket.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> list[dict[str, Any]] | None:
        """The messages that have come; call it when `select` says that there is something to read.

        Returns:
            None if the other end is gone, or is none of ours by what it sends.
        """
        try:
            received = self._socket.recv(1 << 16)
        except OSError:
            return None
        *lines, self._unread = (self._unread + received).split(b"\n")
        if not received or len(self._unread) > _LONGEST_MESSAGE:
            return None
        try:
            messages = [json.loads(line) for line in lines]
        except ValueError:
            return None
        return messages if all(isinstance(message, dict) for message in messages) else None

    def close(self) -> None:
        """Hangs up, after what has been sent."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        self._socket.close()
