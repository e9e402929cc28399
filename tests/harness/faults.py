"""Steers the faults of a program that was linked with faults.c, through the file both share (see faults.h)."""

import errno
import mmap
import os
import struct
import subprocess

from attune_server import BUILD

NONE, MEMORY, STATEMENT, FILE, SYSTEM, LIBRARY, COPY = range(7)
ERROR, LOST, EMPTY, ODD = range(4)
LAYOUT = struct.Struct("=6i8s")


def build(program):
    """The program is one of the tests': make all does not make it."""
    subprocess.run(["make", "-s", "-C", BUILD, program], check=True, stdout=subprocess.DEVNULL)


class Faults:
    """The file, made empty; environment() tells the program of it."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "faults")
        with open(self.path, "wb") as file:
            file.write(bytes(4096))
        os.chmod(self.path, 0o666)
        with open(self.path, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), 4096)

    def environment(self):
        return {"ATTUNE_FAULTS": self.path}

    def arm(self, kind, nth, sticky=False, how=ERROR, state="", code=errno.ENOSPC):
        """The nth call of this kind fails from now on, and with `sticky` all after it."""
        whole = LAYOUT.pack(kind, nth, int(sticky), 0, how, code, state.encode())
        self.page[0:4] = bytes(4)
        self.page[4:LAYOUT.size] = whole[4:]
        self.page[0:4] = whole[0:4]

    def end(self):
        """Nothing fails any more; how many calls did."""
        self.page[0:4] = bytes(4)
        return LAYOUT.unpack(self.page[:LAYOUT.size])[3]

    def close(self):
        self.page.close()
