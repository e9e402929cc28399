"""A psql kept open, for tests that look into the database itself.

    shell = SqlShell(host, user, database)
    rows = shell.rows("SELECT id, state FROM job")     # lists of texts; Away when the database is away

One thread at a time uses a shell. Away means nothing came of the query, or nobody knows.
"""

import os
import select
import subprocess
import time

MARK = "--the-end-of-the-answer--"


class Away(Exception):
    """The database did not answer."""


class SqlShell:
    def __init__(self, host, user, database):
        self.command = ["psql", "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1",
                        "-h", host, "-U", user, "-d", database]
        self.process = None
        self.backend = 0

    def close(self):
        if self.process is None:
            return
        process, self.process = self.process, None
        process.kill()
        process.communicate()

    def _ask(self, sql, seconds):
        process = self.process
        try:
            process.stdin.write(f"{sql};\n\\echo {MARK}\n".encode())
            process.stdin.flush()
        except OSError as error:
            raise Away(str(error)) from error
        deadline = time.monotonic() + seconds
        got = b""
        end = (MARK + "\n").encode()
        while not got.endswith(end):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([process.stdout], [], [], left)[0]:
                raise Away(f"no answer within {seconds} s")
            piece = os.read(process.stdout.fileno(), 1 << 16)
            if not piece:
                raise Away("psql ended: the database is away, or the query is wrong")
            got += piece
        return [line.split("\t") for line in got[:-len(end)].decode().splitlines() if line]

    def rows(self, sql, seconds=10.0):
        try:
            if self.process is None:
                self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                                stderr=subprocess.DEVNULL, env={**os.environ, "PGAPPNAME": "test"})
                self.backend = int(self._ask("SELECT pg_backend_pid()", seconds)[0][0])
            return self._ask(sql, seconds)
        except (Away, IndexError, ValueError) as error:
            self.close()
            raise Away(str(error)) from error

    def patiently(self, sql, seconds=60.0):
        """The rows, tried again until the database is back."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return self.rows(sql, 30.0)
            except Away:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
