"""A mail server for tests: aiosmtpd, misbehaving where it is told to.

Its one argument is JSON: `folder`, `security` ("plain", "starttls" or "implicit"), `certificate` and `key` (files),
`user` and `password`, `mechanisms` of AUTH that it offers, `smtputf8`, and `behavior`. Each mail that it takes becomes
two files in the folder: the mail as it came, and its envelope as JSON.
"""

import asyncio
import base64
import json
import logging
import pathlib
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

SETTINGS = json.loads(sys.argv[1])
BEHAVIOR = SETTINGS["behavior"]
FOLDER = pathlib.Path(SETTINGS["folder"])
FOREVER = asyncio.Event


class Server(SMTP):
    """What aiosmtpd has no hook for: the greeting, and a connection that ends within a mail."""

    async def _handle_client(self):
        if BEHAVIOR == "busy":
            await self.push("421 4.3.2 too many connections, come back later")
            self.transport.close()
        elif BEHAVIOR == "closed":
            await self.push("554 5.3.2 no mail is taken here")
            self.transport.close()
        elif BEHAVIOR == "silent":
            await FOREVER().wait()
        else:
            await super()._handle_client()

    async def push(self, status):
        # As somebody in between would, who cannot read what follows.
        if BEHAVIOR == "injected" and status == "220 Ready to start TLS":
            status += "\r\n250-mail.test\r\n250 AUTH PLAIN LOGIN"
        await super().push(status)

    async def smtp_DATA(self, arg):
        if BEHAVIOR == "cuts":
            await self.push("354 go ahead")
            await self._reader.readuntil(b"\r\n")
            self.transport.abort()
        else:
            await super().smtp_DATA(arg)


class Handler:
    """Takes mail into the folder, unless it is told to do otherwise."""

    def __init__(self):
        self.known = set()
        self.taken = 0

    async def handle_MAIL(self, server, session, envelope, address, options):
        if BEHAVIOR == "shuts_down":
            return "421 4.3.0 shutting down"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in SETTINGS["unknown"]:
            return f"550 5.1.1 <{address}>: there is no such mailbox"
        if address in SETTINGS["greylisted"] and address not in self.known:
            self.known.add(address)
            return f"450 4.2.0 <{address}>: greylisted, come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if BEHAVIOR == "refuses_content":
            return "554 5.6.0 this is not wanted here"
        self.take(session, envelope)
        if BEHAVIOR == "silent_after_data":
            await FOREVER().wait()
        return f"250 2.0.0 taken as {self.taken}"

    def take(self, session, envelope):
        self.taken += 1
        envelope_of_it = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "options": envelope.mail_options,
            "login": session.auth_data,
        }
        # The envelope is there last, and at once as a whole.
        write(f"{self.taken:04}.eml", envelope.original_content)
        write(f"{self.taken:04}.json", json.dumps(envelope_of_it).encode())


def write(name, content):
    half = FOLDER / f".{name}"
    half.write_bytes(content)
    half.rename(FOLDER / name)


def authenticate(server, session, envelope, mechanism, login):
    user, password = login.login.decode(), login.password.decode()
    if (user, password) == (SETTINGS["user"], SETTINGS["password"]) and BEHAVIOR != "refuses_auth":
        return AuthResult(success=True, auth_data=f"{mechanism} {user}")
    # Some servers tell everybody what they were told.
    blob = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    return AuthResult(success=False, handled=False, message=f"535 5.7.8 no login for {user} with {password} ({blob})")


def tls():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(SETTINGS["certificate"], SETTINGS["key"])
    return context


async def main():
    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    security = SETTINGS["security"]
    handler = Handler()
    starttls = tls() if security == "starttls" else None
    offered = SETTINGS["mechanisms"]

    def connection():
        return Server(
            handler,
            hostname="mail.test",
            enable_SMTPUTF8=SETTINGS["smtputf8"],
            tls_context=starttls,
            require_starttls=starttls is not None,
            # It does not see that a connection is encrypted from the start.
            auth_require_tls=starttls is not None,
            auth_required=SETTINGS["user"] is not None,
            auth_exclude_mechanism=[name for name in ("PLAIN", "LOGIN") if name not in offered],
            authenticator=authenticate,
        )

    server = await asyncio.get_running_loop().create_server(
        connection, "127.0.0.1", 0, ssl=tls() if security == "implicit" else None
    )
    print(f"listening on {server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


asyncio.run(main())
