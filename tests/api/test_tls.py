"""TLS inside attuned: what is shown, what is refused, a new certificate while it serves."""

import http.client
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

import common  # noqa: F401  (finds the harness)
from attune_server import Answer, AttuneServer, BUILD


def make_certificate(folder, name, days=30, host="127.0.0.1", start=None):
    """A self-signed certificate for 127.0.0.1; (certificate, key)."""
    cert, key = os.path.join(folder, name + ".pem"), os.path.join(folder, name + ".key")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
               "-subj", f"/CN={name}", "-addext", f"subjectAltName=IP:{host}", "-days", str(days),
               "-keyout", key, "-out", cert]
    subprocess.run(command, check=True, capture_output=True)
    for path in (cert, key):
        os.chmod(path, 0o644)  # as root attuned serves as another account
    return cert, key


def expired_certificate(folder):
    """One that ended in 2020: openssl x509 takes no dates, openssl ca does."""
    cert, key = os.path.join(folder, "old.pem"), os.path.join(folder, "old.key")
    config = os.path.join(folder, "ca.cnf")
    request = os.path.join(folder, "old.csr")
    with open(config, "w", encoding="ascii") as file:
        file.write(f"[ca]\ndefault_ca=d\n[d]\ndatabase={folder}/index\nserial={folder}/serial\n"
                   f"new_certs_dir={folder}\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n")
    open(os.path.join(folder, "index"), "w", encoding="ascii").close()
    with open(os.path.join(folder, "serial"), "w", encoding="ascii") as file:
        file.write("01\n")
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                    "-nodes", "-subj", "/CN=old", "-keyout", key, "-out", request], check=True, capture_output=True)
    subprocess.run(["openssl", "ca", "-batch", "-selfsign", "-config", config, "-in", request, "-keyfile", key,
                    "-out", cert, "-notext", "-startdate", "20200101000000Z", "-enddate", "20200201000000Z"],
                   check=True, capture_output=True)
    return cert, key


class TlsServer(AttuneServer):
    """An attuned that speaks TLS with a certificate we trust."""

    context = None

    def call(self, method, path, body=None, headers=None, timeout=120):
        connection = http.client.HTTPSConnection(self.host, self.port, timeout=timeout, context=self.context)
        send = dict(headers or {})
        if self.key:
            send["Authorization"] = "Bearer " + self.key
        try:
            connection.request(method, path, body, send)
            response = connection.getresponse()
            lowered = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, lowered, response.read())
        finally:
            connection.close()


class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="attune-tls-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        os.chmod(cls.folder, 0o755)
        cls.first = make_certificate(cls.folder, "first")
        cls.second = make_certificate(cls.folder, "second")
        cls.cert, cls.key = os.path.join(cls.folder, "live.pem"), os.path.join(cls.folder, "live.key")
        cls.install(cls.first)
        cls.api = TlsServer(["--tls-cert", cls.cert, "--tls-key", cls.key], engines=0)
        cls.api.context = cls.trusting(cls.first)
        cls.addClassCleanup(cls.api.close)
        cls.api.start()

    @staticmethod
    def trusting(*pairs):
        context = ssl.create_default_context()
        for cert, _ in pairs:
            context.load_verify_locations(cert)
        return context

    @classmethod
    def install(cls, pair):
        for source, target in zip(pair, (cls.cert, cls.key)):
            shutil.copy(source, target)

    def connect(self, context):
        raw = socket.create_connection(("127.0.0.1", self.api.port), timeout=10)
        return context.wrap_socket(raw, server_hostname="127.0.0.1")

    def test_answers(self):
        answer = self.api.get("/api/v1/jobs")
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.headers["strict-transport-security"], "max-age=31536000")
        link = self.api.sign_in_link()
        self.assertTrue(link.startswith(f"https://127.0.0.1:{self.api.port}/sign-in#code="), link)
        body = '{"code":"%s"}' % link.partition("#code=")[2]
        answer = self.api.call("POST", "/api/v1/session", body, {"Content-Type": "application/json"})
        self.assertEqual(answer.status, 201, answer)
        self.assertIn("; Secure", answer.headers["set-cookie"])
        curl = subprocess.run(["curl", "-sS", "--cacert", self.first[0], "-o", "/dev/null", "-w", "%{http_code}",
                               f"https://127.0.0.1:{self.api.port}/healthz"], capture_output=True, text=True)
        self.assertEqual(curl.stdout, "200", curl.stderr)

    def test_versions_and_ciphers(self):
        for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
            context = self.trusting(self.first)
            context.minimum_version = context.maximum_version = version
            with self.connect(context) as stream:
                self.assertEqual(stream.version(), name)
        context = self.trusting(self.first)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.connect(context)
        context = self.trusting(self.first)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:AES128-SHA@SECLEVEL=0")
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.connect(context)

    def test_plain_http_to_the_tls_port(self):
        for words in (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 4096, b"\x16\x03\x01\xff\xff" + b"x" * 100):
            with socket.create_connection(("127.0.0.1", self.api.port), timeout=10) as stream:
                stream.sendall(words)
                stream.settimeout(10)
                try:
                    while stream.recv(4096):
                        pass
                except (ConnectionError, socket.timeout):
                    pass
        self.assertEqual(self.api.get("/healthz").status, 200)

    def test_zz_another_certificate(self):
        """SIGHUP: new connections get the new one, those that are open go on; a bad one changes nothing."""
        kept = http.client.HTTPSConnection("127.0.0.1", self.api.port, context=self.trusting(self.first))
        kept.request("GET", "/healthz")
        kept.getresponse().read()
        shutil.copy(self.second[0], self.cert)  # the old key stays: they don't match
        self.api.process.send_signal(signal.SIGHUP)
        self.wait_log("does not belong to the certificate")
        self.assertEqual(self.api.get("/healthz").status, 200)
        self.install(self.second)
        self.api.process.send_signal(signal.SIGHUP)
        self.wait_log("the certificate was read again")
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.connect(self.trusting(self.first))
        self.api.context = self.trusting(self.second)
        self.assertEqual(self.api.get("/healthz").status, 200)
        kept.request("GET", "/healthz")
        self.assertEqual(kept.getresponse().status, 200)
        kept.close()

    def wait_log(self, words):
        deadline = time.monotonic() + 10
        while words not in self.api.log() and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertIn(words, self.api.log())


class BadCertificates(unittest.TestCase):
    """attuned says what is wrong and does not start."""

    def test_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            good, other = make_certificate(folder, "good"), make_certificate(folder, "other")
            old = expired_certificate(folder)
            noise = os.path.join(folder, "noise")
            with open(noise, "w", encoding="ascii") as file:
                file.write("nothing of that kind\n")
            for cert, key, words in ((good[0], other[1], "does not belong to"), (old[0], old[1], "expired on 2020-02-01"),
                                     (noise, good[1], "holds no certificate"), (good[0], noise, "holds no private key"),
                                     (good[0], os.path.join(folder, "none"), "none"), (good[0], None, "belong together")):
                command = [os.path.join(BUILD, "server", "attuned"), "--data-dir", os.path.join(folder, "data"),
                           "--listen", "127.0.0.1:0", "--tls-cert", cert]
                command += ["--tls-key", key] if key else []
                run = subprocess.run(command, capture_output=True, text=True, timeout=30)
                self.assertEqual(run.returncode, 1, run.stderr)
                self.assertIn(words, run.stderr)
                self.assertFalse(os.path.exists(os.path.join(folder, "data")), "it began before it had looked")


if __name__ == "__main__":
    unittest.main()
