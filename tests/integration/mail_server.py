"""A mail server on this machine: one SMTP session at a time, each message kept in an mbox file."""

from __future__ import annotations

import asyncio
import base64
import mailbox
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread


@dataclass
class MailServer:
    """What it does, and what it saw. refuses: whom. login: USER and password, or none."""

    path: Path
    port: int = 0
    tls: ssl.SSLContext | None = None
    login: tuple[str, str] | None = None
    refuses: str | None = None
    loses: bool = False
    silent: bool = False
    secure: list[bool] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client."""
        try:
            await self._talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(line: str) -> None:
            writer.write(f"{line}\r\n".encode())

        if self.silent:
            await reader.read()
            return
        say("220 ready")
        known, secure = self.login is None, False
        while line := (await reader.readline()).decode().strip():
            verb = line.split()[0].upper()
            if verb == "EHLO":
                say("250-here")
                say("250-STARTTLS" if self.tls and not secure else "250-8BITMIME")
                say("250 AUTH PLAIN" if self.login else "250 SMTPUTF8")
            elif verb == "STARTTLS" and self.tls:
                say("220 go on")
                await writer.drain()
                await writer.start_tls(self.tls)
                secure = True
            elif verb == "AUTH":
                _, user, password = base64.b64decode(line.split()[2]).decode().split("\0")
                known = (user, password) == self.login
                say("235 well" if known else f"535 {user} is nobody here")
            elif verb == "MAIL" and not known:
                say("530 log in")
            elif verb == "RCPT" and self.refuses and self.refuses in line:
                say(f"550 no mailbox {self.refuses}")
            elif verb == "DATA":
                say("354 go on")
                content = await reader.readuntil(b"\r\n.\r\n")
                self.secure.append(secure)
                if not self.loses:
                    self._keep(content[:-5].replace(b"\r\n..", b"\r\n."))
                say("250 taken")
            elif verb == "QUIT":
                say("221 bye")
                break
            else:
                say("250 well")
        await writer.drain()

    def _keep(self, content: bytes) -> None:
        box = mailbox.mbox(self.path)
        box.add(content.replace(b"\r\n", b"\n"))
        box.flush()
        box.close()


@contextmanager
def mail_on_loopback(server: MailServer) -> Iterator[MailServer]:
    """Serve on a free port until this is left."""
    loop, ready = asyncio.new_event_loop(), Event()

    async def listen() -> asyncio.Server:
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        server.port = listening.sockets[0].getsockname()[1]
        ready.set()
        return listening

    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    listening = asyncio.run_coroutine_threadsafe(listen(), loop).result(10)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(listening.close)
        asyncio.run_coroutine_threadsafe(_ended(loop), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _ended(loop: asyncio.AbstractEventLoop) -> None:
    """End the sessions that are still open."""
    others = asyncio.all_tasks(loop) - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
