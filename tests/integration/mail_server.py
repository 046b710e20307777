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
    """What it does, and what it saw.

    whole: TLS from the first byte. refuses: whom. login: USER and password, or none. most: messages
    of one session. drips: it says its first words by and by.
    """

    path: Path
    port: int = 0
    tls: ssl.SSLContext | None = None
    whole: bool = False
    login: tuple[str, str] | None = None
    refuses: str | None = None
    loses: bool = False
    silent: bool = False
    drips: bool = False
    most: int | None = None
    farewell: str = "221 bye"
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
        while self.drips:
            say("220-wait")
            await writer.drain()
            await asyncio.sleep(0.2)
        say("220 ready")
        known, secure, taken = self.login is None, self.whole, 0
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
            elif verb == "MAIL" and taken == self.most:
                say("421 enough")
                break
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
                taken += 1
                say("250 taken")
            elif verb == "QUIT":
                say(self.farewell)
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
        listening = await asyncio.start_server(
            server.serve, "127.0.0.1", 0, ssl=server.tls if server.whole else None
        )
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
