"""One server and one window, signed in, for all tests of the pages that leave both as they found them."""

import atexit

from attune_server import AttuneServer
from browser import Window

_running = []


def signed_in() -> Window:
    """Both go when the run ends."""
    if not _running:
        server = AttuneServer()
        atexit.register(server.close)
        server.start()
        _running.append(Window(server).sign_in())
    return _running[0]
