"""A throw-away PostgreSQL cluster: its own folder, a Unix socket only, gone at the end."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


class Cluster:
    """One server; :meth:`fresh` returns the connection string of an empty schema of its own."""

    def __init__(self) -> None:
        self._bin = BINARIES[-1].parent
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self._user: str | None = None
        if os.geteuid() == 0:
            # The server refuses to run as root.
            self._user = next(
                name for name in ("postgres", "nobody") if name in {one.pw_name for one in pwd.getpwall()}
            )
            shutil.chown(self.folder, self._user)
        self._data = self.folder / "data"
        self._numbers = itertools.count(1)
        self._run("initdb", "-D", str(self._data), "-A", "trust", "-U", "bridge", "-N", "--no-instructions")
        with_settings = (
            f"-c listen_addresses= -c unix_socket_directories={self.folder} -c fsync=off -c max_connections=50"
        )
        self._options = with_settings
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._bin / program), *arguments],
            user=self._user,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        self._run("pg_ctl", "-D", str(self._data), "-l", str(self.folder / "log"), "-o", self._options, "-w", "start")

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "-D", str(self._data), "-m", mode, "-w", "stop")

    def remove(self) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def conninfo(self) -> str:
        return f"host={self.folder} user=bridge dbname=postgres"

    def fresh(self) -> str:
        name = f"bridge_{next(self._numbers)}"
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}".encode())
        return f"{self.conninfo} options='-c search_path={name}'"
