#!/usr/bin/env python3
"""make check-docker: the steps of docker/Dockerfile and docker/compose.yaml, without a container engine.

Each stage of the Dockerfile becomes a folder: FROM copies a bare Debian (debootstrap) or an earlier stage,
COPY copies, RUN runs in it by chroot as the stage's user. The services of compose.yaml are then started from
the stages they name, with their environment, health checks and order, and a job is run over HTTP. PostgreSQL
comes from Debian's package in a stage of its own, as its image would start it. Needs root and debootstrap.

  ATTUNE_DOCKER_STAGES="build run standalone"   which stages are made (test runs every test, and takes as long)
"""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import yaml

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "harness"))
from attune_server import Client  # noqa: E402

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def say(text):
    print(text, flush=True)


def run(*words, **more):
    subprocess.run(words, check=True, **more)


class Stage:
    """A root folder with what later instructions need to know."""

    def __init__(self, name, root):
        self.name, self.root = name, root
        self.env, self.user, self.dir, self.command, self.args = {"PATH": PATH}, "root", "/", None, {}

    def mount(self):
        run("mount", "-t", "proc", "proc", f"{self.root}/proc")
        run("mount", "--rbind", "/dev", f"{self.root}/dev")
        run("mount", "--make-rslave", f"{self.root}/dev")

    def unmount(self):
        for place in ("dev/shm", "dev/pts", "dev", "proc"):
            subprocess.run(["umount", "-l", f"{self.root}/{place}"], stderr=subprocess.DEVNULL, check=False)

    def words(self, command, user=None, env=None):
        """The command line that runs `command` (a list) inside, as the stage's user."""
        user = user or self.user
        settings = [f"{name}={value}" for name, value in {**self.env, "LANG": "C.UTF-8", **(env or {})}.items()]
        return ["chroot", f"--userspec={user}:", self.root, "/usr/bin/env", "-i", *settings,
                "sh", "-c", 'cd "$0" && exec "$@"', self.dir, *command]


class Dockerfile:
    """The instructions this project uses; any other is an error, so that none is passed over in silence."""

    def __init__(self, path, work, context, base):
        self.work, self.context, self.base = work, context, base
        self.stages, self.steps = {}, {}
        with open(path, encoding="utf-8") as file:
            text = re.sub(r"\\\n", " ", file.read())
        lines = [line.strip() for line in text.splitlines()]
        self.global_args, name = {}, None
        for line in lines:
            if not line or line.startswith("#"):
                continue
            word, rest = line.split(None, 1)
            if word == "FROM":
                origin, _, name = rest.partition(" AS ")
                self.steps[name.strip()] = [("FROM", origin.strip())]
            elif name is None and word == "ARG":
                key, _, value = rest.partition("=")
                self.global_args[key] = value
            else:
                self.steps[name].append((word, rest))

    def make(self, name):
        if name in self.stages:
            return self.stages[name]
        say(f"== stage {name}")
        started = time.monotonic()
        stage = None
        for word, rest in self.steps[name]:
            if word == "FROM":
                stage = self.start(name, rest)
            else:
                self.step(stage, word, rest)
        self.stages[name] = stage
        size = int(subprocess.run(["du", "-sxm", stage.root], check=True, capture_output=True, text=True).stdout.split()[0])
        say(f"   {size} MB, {time.monotonic() - started:.0f} s")
        return stage

    def start(self, name, origin):
        origin = re.sub(r"\$\{(\w+)\}", lambda match: self.global_args[match.group(1)], origin)
        stage = Stage(name, os.path.join(self.work, name))
        if origin in self.steps:
            parent = self.make(origin)
            stage.env, stage.user, stage.dir, stage.command = dict(parent.env), parent.user, parent.dir, parent.command
            source = parent.root
        elif origin.startswith("debian:12"):
            source = self.base
        else:
            raise SystemExit(f"stage {name}: no way to get the image {origin} here")
        run("cp", "-a", "--reflink=auto", source, stage.root)
        return stage

    def step(self, stage, word, rest):
        if word == "RUN":
            stage.mount()
            try:
                with open(os.path.join(self.work, f"{stage.name}.log"), "ab") as log:
                    status = subprocess.run(stage.words(["/bin/sh", "-c", rest]), stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, check=False).returncode
            finally:
                stage.unmount()
            if status != 0:
                run("tail", "-n", "40", os.path.join(self.work, f"{stage.name}.log"))
                raise SystemExit(f"stage {stage.name}: RUN {rest} failed with {status}")
        elif word == "COPY":
            self.copy(stage, shlex.split(rest))
        elif word == "ENV":
            stage.env.update(pair.split("=", 1) for pair in shlex.split(rest))
        elif word == "WORKDIR":
            stage.dir = rest
            os.makedirs(stage.root + rest, exist_ok=True)
        elif word == "USER":
            stage.user = rest
        elif word == "CMD":
            stage.command = json.loads(rest)
        elif word not in ("EXPOSE", "VOLUME"):
            raise SystemExit(f"stage {stage.name}: {word} is not known here")

    def copy(self, stage, words):
        source = self.context
        if words[0].startswith("--from="):
            source = self.make(words.pop(0)[7:]).root
        *origins, target = words
        for origin in origins:
            path = os.path.join(source, origin.strip("/").removeprefix("."))
            os.makedirs(stage.root + target, exist_ok=True)
            run("cp", "-a", path.rstrip("/") + "/.", stage.root + target)


def bare_debian(work):
    """A minimal Debian 12 that reads its packages from where this machine does."""
    root = os.path.join(work, "debian")
    targets = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages"],
                             check=True, capture_output=True, text=True).stdout
    source = next(line.split()[0] for line in targets.splitlines() if line.endswith(" bookworm"))
    with open(os.path.join(work, "debootstrap.log"), "wb") as log:
        run("debootstrap", "--variant=minbase", "bookworm", root, source, stdout=log, stderr=log)
    for pattern in ("sources.list", "sources.list.d", "apt.conf.d", "trusted.gpg.d"):
        path = os.path.join("/etc/apt", pattern)
        if os.path.isdir(path):
            shutil.copytree(path, root + path, dirs_exist_ok=True,
                            ignore=shutil.ignore_patterns("*disabled*", "docker*", "20packagekit"))
        elif os.path.exists(path):
            shutil.copy(path, root + path)
    for path in ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf", "/etc/npmrc"):
        if os.path.exists(path):
            shutil.copy(path, root + path)
    os.makedirs(root + "/etc/ssl/certs", exist_ok=True)
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", root + "/etc/ssl/certs/ca-certificates.crt")
    with open(root + "/usr/sbin/policy-rc.d", "w", encoding="ascii") as file:
        file.write("#!/bin/sh\nexit 101\n")
    os.chmod(root + "/usr/sbin/policy-rc.d", 0o755)
    os.chmod(root, 0o755)
    return root


class Compose:
    """The services of compose.yaml, each in a copy of its stage, on this machine's loopback."""

    def __init__(self, path, dockerfile, work, port, database_port):
        text = open(path, encoding="utf-8").read()
        text = re.sub(r"\$\{(\w+):\?[^}]*\}", lambda match: os.environ[match.group(1)], text)
        self.services = yaml.safe_load(text)["services"]
        self.dockerfile, self.work, self.port, self.database_port = dockerfile, work, port, database_port
        self.running, self.ended = {}, {}

    def image(self, name, service):
        if service["image"].startswith("postgres:"):
            return postgres_image(self.dockerfile, self.work, service["image"])
        return self.dockerfile.make(service["build"]["target"])

    def start(self, name):
        if name in self.running or name in self.ended:
            return
        service = self.services[name]
        needs = service.get("depends_on", {})
        for need, how in needs.items():
            self.start(need)
            if how["condition"] == "service_healthy":
                self.wait_healthy(need)
            elif self.finish(need) != 0:
                raise SystemExit(f"{need} failed, which {name} needs")
        image = self.image(name, service)
        stage = Stage(name, os.path.join(self.work, "service-" + name))
        run("cp", "-a", "--reflink=auto", image.root, stage.root)
        stage.env, stage.user, stage.dir = dict(image.env), image.user, image.dir
        # Containers have networks of their own; here the services meet on the loopback, on free ports.
        with open(stage.root + "/etc/hosts", "a", encoding="ascii") as file:
            file.write("".join(f"127.0.0.1 {other}\n" for other in self.services))
        stage.env.update({key: str(value) for key, value in service.get("environment", {}).items()})
        stage.env["PGPORT"] = str(self.database_port)
        if "ATTUNE_LISTEN" in stage.env:
            stage.env["ATTUNE_LISTEN"] = stage.env["ATTUNE_LISTEN"].replace(":8080", f":{self.port}")
        stage.mount()
        log = open(os.path.join(self.work, f"service-{name}.log"), "wb")
        command = service.get("command") or image.command
        say(f"   {name}: {' '.join(command)}, as {stage.user}")
        self.running[name] = (stage, subprocess.Popen(stage.words(command), stdout=log, stderr=log,
                                                      stdin=subprocess.DEVNULL, start_new_session=True))

    def wait_healthy(self, name):
        stage, process = self.running[name]
        test = self.services[name]["healthcheck"]["test"]
        words = [word.replace("/8080", f"/{self.port}") for word in test[1:]]
        for _ in range(120):
            if process.poll() is not None:
                break
            if subprocess.run(stage.words(words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0:
                return
            time.sleep(0.5)
        run("tail", "-n", "30", os.path.join(self.work, f"service-{name}.log"))
        raise SystemExit(f"{name} did not become healthy")

    def finish(self, name):
        if name not in self.ended:
            stage, process = self.running.pop(name)
            self.ended[name] = process.wait(timeout=60)
            stage.unmount()
        return self.ended[name]

    def stop(self):
        """Stops in the reverse order of the start; each must end by itself in time."""
        bad = []
        for name, (stage, process) in reversed(self.running.items()):
            process.send_signal(signal.SIGINT if name == "postgres" else signal.SIGTERM)
            try:
                if process.wait(timeout=60) != 0:
                    bad.append(f"{name} ended with {process.returncode}")
            except subprocess.TimeoutExpired:
                bad.append(f"{name} did not stop")
                os.killpg(process.pid, signal.SIGKILL)
            stage.unmount()
        self.running = {}
        return bad


def postgres_image(dockerfile, work, name):
    """What the postgres image does at its first start: initdb, an account, a database; then the server."""
    if name in dockerfile.stages:
        return dockerfile.stages[name]
    stage = Stage("postgres-image", os.path.join(work, "postgres-image"))
    run("cp", "-a", "--reflink=auto", dockerfile.base, stage.root)
    dockerfile.step(stage, "RUN", "mkdir -p /etc/postgresql-common/createcluster.d && echo 'create_main_cluster = false'"
                    " > /etc/postgresql-common/createcluster.d/x.conf && apt-get update -q && apt-get install -q -y"
                    " --no-install-recommends postgresql-15")
    script = stage.root + "/usr/local/bin/start-postgres"
    with open(script, "w", encoding="ascii") as file:
        file.write("""#!/bin/sh
set -e
PATH=/usr/lib/postgresql/15/bin:$PATH
data=/var/lib/postgresql/data
mkdir -p -m 700 $data
if [ ! -s $data/PG_VERSION ]; then
  printf '%s' "$POSTGRES_PASSWORD" >/tmp/password
  initdb -D $data -U "$POSTGRES_USER" --auth-host=scram-sha-256 --auth-local=trust --pwfile=/tmp/password $POSTGRES_INITDB_ARGS
  pg_ctl -D $data -w -o "-c listen_addresses='' -k /tmp" start
  createdb -h /tmp -U "$POSTGRES_USER" "$POSTGRES_DB"
  pg_ctl -D $data -w -m fast stop
fi
exec postgres -D $data -c listen_addresses=127.0.0.1 -k /tmp
""")
    os.chmod(script, 0o755)
    stage.user, stage.command = "postgres", ["start-postgres"]
    stage.env["PATH"] = "/usr/lib/postgresql/15/bin:" + PATH
    dockerfile.stages[name] = stage
    return stage


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def tune(client, name):
    """A job and a prediction, as README does them."""
    with open(os.path.join(TOP, "tests", "data", "iris.csv"), "rb") as file:
        answer = client.upload("/api/v1/train?wait=60", [("file", "iris.csv", file.read()), ("target", "species"),
                                                         ("seconds", "10"), ("name", name)])
    assert answer.status in (200, 202), answer
    row = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
    answer = client.post(f"/api/v1/models/{name}/predict", {"rows": [row]})
    assert answer.status == 200 and answer.json["predictions"][0]["label"] == "setosa", answer


def check_compose(dockerfile, work):
    say("== compose.yaml")
    os.environ.setdefault("ATTUNE_DB_PASSWORD", "a password of the test")
    port = free_port()
    compose = Compose(os.path.join(TOP, "docker", "compose.yaml"), dockerfile, work, port, free_port())
    bad = ["it was not reached"]
    try:
        for name in compose.services:
            compose.start(name)
        compose.wait_healthy("attuned")
        key_file = compose.running["attuned"][0].root + "/var/lib/attune/admin.key"
        client = Client(port, open(key_file, encoding="ascii").read().strip())
        tune(client, "iris")
        say("   a job ran on the two engines, and its model answers")
    finally:
        bad = compose.stop()
    assert not bad, bad


def check_standalone(dockerfile):
    say("== the standalone image")
    stage = dockerfile.make("standalone")
    port = free_port()
    stage.mount()
    log = open(stage.root + ".service.log", "wb")
    process = subprocess.Popen(stage.words(stage.command, env={"ATTUNE_LISTEN": f"127.0.0.1:{port}"}), stdout=log, stderr=log,
                               stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        client = Client(port, None)
        for _ in range(240):
            try:
                if client.get("/readyz").status == 200:
                    break
            except OSError:
                pass
            assert process.poll() is None, open(stage.root + ".service.log", encoding="utf-8").read()[-3000:]
            time.sleep(0.5)
        client.key = open(stage.root + "/var/lib/attune/admin.key", encoding="ascii").read().strip()
        tune(client, "iris")
        process.terminate()
        assert process.wait(timeout=90) == 0
        say("   a job ran, and it stopped in order")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        stage.unmount()


def main():
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        raise SystemExit("check-docker needs root and debootstrap")
    wanted = os.environ.get("ATTUNE_DOCKER_STAGES", "build run standalone").split()
    work = tempfile.mkdtemp(prefix="attune-docker-")
    os.chmod(work, 0o755)
    try:
        say("== a bare Debian 12")
        base = bare_debian(work)
        context = os.path.join(work, "context")
        run("git", "clone", "-q", TOP, context)
        shutil.rmtree(os.path.join(context, ".git"))  # as .dockerignore has it
        dockerfile = Dockerfile(os.path.join(TOP, "docker", "Dockerfile"), work, context, base)
        for name in wanted:
            dockerfile.make(name)
        if "run" in wanted:
            check_compose(dockerfile, work)
        if "standalone" in wanted:
            check_standalone(dockerfile)
        say("check-docker passed")
    finally:
        mounts = open("/proc/mounts", encoding="utf-8").read()
        for place in reversed(re.findall(rf"^\S+ ({re.escape(work)}/\S+)", mounts, re.M)):
            subprocess.run(["umount", "-l", place], check=False)
        if work not in open("/proc/mounts", encoding="utf-8").read():
            shutil.rmtree(work, ignore_errors=True)
        else:
            say(f"something is still mounted in {work}: it is left there")


if __name__ == "__main__":
    main()
