# SPDX-License-Identifier: Apache-2.0
"""What stands behind the programs that are measured: an OpenAI-format upstream, the EngineLabs
simulator, and nginx as the TLS end of either."""
import http.client
import json
import os
import subprocess

from harness.process import DESCRIPTORS, DRIVING, Process, free_port

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GATEWAY = os.path.join(ROOT, "build/enginelabs-2api")
PROGRAMS = os.path.join(ROOT, "build/release")


class Mock(Process):
    """bench-upstream: every POST gets the same answer."""

    def __init__(self, work, folder):
        answer = work.answer()
        path = os.path.join(folder, "answer")
        with open(path, "w") as f:
            f.write(answer)
        more = ["--stream"] * work.stream + ["--one-write"] * work.one_write
        super().__init__(DRIVING, [os.path.join(PROGRAMS, "bench-upstream"), "--answer", path,
                                   "--delay-ms", str(work.delay_ms),
                                   "--every-ms", str(work.every_ms), *more],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.port = int(self.popen.stdout.readline())

    def left_us(self):
        """Ends it; when clients left in the middle of an answer."""
        self.popen.stdin.close()
        return json.loads(self.popen.stdout.read())["left_us"]


class Simulator(Process):
    """The EngineLabs upstream of the program itself. Answers follow commands in the prompt."""

    def __init__(self, work, folder):
        super().__init__(DRIVING, [GATEWAY, "simulate", "--listen", "127.0.0.1:0"],
                         stdout=subprocess.PIPE, cwd=folder)
        self.port = int(self.popen.stdout.readline().strip().rpartition(":")[2])
        self.url = f"http://127.0.0.1:{self.port}"
        self.cookie = self.popen.stdout.readline().strip().partition("=")[2]
        self.ask("POST", "/__sim/settings", {"daily_limit": 1000000})
        if work.delay_ms:
            self.ask("POST", "/__sim/faults", [
                {"where": where, "kind": "delay", "delay_ms": work.delay_ms, "times": -1}
                for where in ("post", "ws")])

    def ask(self, method, path, body=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        c.request(method, path, json.dumps(body), {"content-type": "application/json"})
        response = c.getresponse()
        text = response.read()
        c.close()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {text[:200]}")
        return json.loads(text) if text.strip() else None

    def left_us(self):
        return [e["us"] for e in self.ask("GET", "/__sim/log?kind=ws_close")]


class TlsFront(Process):
    """Debian's nginx as the TLS end of an upstream, with a CA of our own."""

    def __init__(self, port, folder):
        self.folder = folder
        self.ca = make_certificates(folder)
        self.port = free_port()
        with open(os.path.join(folder, "tls.conf"), "w") as f:
            f.write(TLS_CONF.format(folder=folder, port=self.port, upstream=port,
                                    descriptors=DESCRIPTORS,
                                    connections=DESCRIPTORS + DESCRIPTORS // 8))
        super().__init__(DRIVING, ["nginx", "-c", os.path.join(folder, "tls.conf"), "-p", folder],
                         stderr=subprocess.DEVNULL)
        self.wait_for_port(self.port)


TEMPORARY = "".join(f"{kind}_temp_path {{folder}}; "
                    for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
TLS_CONF = """daemon off; pid {folder}/tls.pid; error_log {folder}/tls.log; worker_processes 1;
worker_rlimit_nofile {descriptors};
events {{ worker_connections {connections}; }}
http {{ access_log off; """ + TEMPORARY + """
 client_max_body_size 1m; client_body_buffer_size 256k;
 map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
 upstream behind {{ server 127.0.0.1:{upstream}; keepalive 1024; keepalive_requests 100000000; }}
 server {{ listen 127.0.0.1:{port} ssl backlog=4096; keepalive_requests 100000000;
  ssl_certificate {folder}/site.pem; ssl_certificate_key {folder}/site.key;
  ssl_session_cache shared:s:8m;
  location / {{ proxy_pass http://behind; proxy_http_version 1.1; proxy_buffering off;
   proxy_set_header Host $http_host; proxy_read_timeout 300;
   proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade; }} }} }}
"""


def make_certificates(folder):
    """A CA and its certificate for localhost. Returns the CA's path."""
    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *key, "-days", "2", "-subj", "/CN=bench CA",
            "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", *key, "-subj", "/CN=localhost", "-keyout", "site.key", "-out", "site.csr")
    with open(os.path.join(folder, "names"), "w") as f:
        f.write("subjectAltName=DNS:localhost,IP:127.0.0.1")
    openssl("x509", "-req", "-in", "site.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "site.pem")
    return os.path.join(folder, "ca.pem")
