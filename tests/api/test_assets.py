"""Pages, scripts and the contract as a browser gets them."""

import gzip
import http.client

from common import ApiTest, server  # noqa: I001 sets the path
from attune_server import Answer


class Assets(ApiTest):
    def fetch(self, path, accepted):
        """The answer's bytes as they came."""
        connection = http.client.HTTPConnection("127.0.0.1", server().port, timeout=60)
        self.addCleanup(connection.close)
        connection.request("GET", path, headers={"Accept-Encoding": accepted})
        response = connection.getresponse()
        kept = {name.lower(): value for name, value in response.getheaders() if name.lower() != "content-type"}
        return Answer(response.status, kept, response.read())

    def test_packed_assets(self):
        """Who takes gzip gets pages, scripts and the contract so; the bytes are the same, and either form is told from the other."""
        for path in ("/", "/assets/main.js", "/openapi.json"):
            plain = self.api.get(path)
            self.assertNotIn("content-encoding", plain.headers)
            for accepted in ("gzip", "br, gzip;q=0.5", "deflate, GZIP"):
                packed = self.fetch(path, accepted)
                self.assertEqual(packed.headers["content-encoding"], "gzip", accepted)
                self.assertEqual(packed.headers["vary"], "Accept-Encoding")
                self.assertEqual(gzip.decompress(packed.raw), plain.raw)
                self.assertNotEqual(packed.headers["etag"], plain.headers["etag"])
            for refused in ("br", "gzip;q=0", "gzip; q=0.0, br", "gzipped"):
                self.assertEqual(self.fetch(path, refused).raw, plain.raw, refused)
            again = self.api.get(path, headers={"Accept-Encoding": "gzip", "If-None-Match": packed.headers["etag"]})
            self.assertEqual((again.status, again.raw), (304, b""))
