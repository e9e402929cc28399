"""attuned, built with the thread sanitizer, under load: what it reports, and how it ended."""

import glob
import os
import tempfile

from attune_server import AttuneServer
from load import Load


def run(seconds, clients, seed=1):
    """(sentences of what is wrong, the load's counts). ATTUNE_BUILD is a build with --enable-sanitizers=thread."""
    with tempfile.TemporaryDirectory(prefix="attune-tsan-") as folder:
        os.chmod(folder, 0o777)  # attuned drops its rights
        reports = os.path.join(folder, "report")
        options = f"log_path={reports} exitcode=66 second_deadlock_stack=1 history_size=4"
        with AttuneServer(engines=1, environment={"TSAN_OPTIONS": options}) as server:
            load = Load(server, clients, seed)
            load.prepare()
            status = load.run(seconds)
            faults = list(load.faults)
            if status != 0:
                faults.append(f"attuned ended with status {status}")
        for path in sorted(glob.glob(reports + "*")):
            with open(path, encoding="utf-8", errors="replace") as file:
                text = file.read()
            faults.append(f"{text.count('WARNING: ThreadSanitizer')} reports, the first:\n{text[:5000]}")
        return faults, load.answers
