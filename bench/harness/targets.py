# SPDX-License-Identifier: Apache-2.0
"""What is compared, each in the settings that its makers recommend for such work."""
import json
import os
import shutil
import subprocess

from harness.process import DESCRIPTORS, UNDER_TEST, Process, free_port
from harness.upstreams import GATEWAY, ROOT, TEMPORARY

PORTKEY = os.path.join(ROOT, "bench/portkey")
PORTKEY_START = os.path.join(PORTKEY, "node_modules/@portkey-ai/gateway/build/start-server.js")
KEY = "sk-bench-0123456789abcdef0123456789abcdef"


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w") as f:
        f.write(text)
    return path


class Gateway(Process):
    """One worker. A work with `everything` has keys, limits, log, prices, usage and SQLite on."""
    headers = {"authorization": f"Bearer {KEY}"}
    warm_up_s, warm_up_requests = 1, 0
    wrap = []  # what its command is an argument of

    def __init__(self, work, upstream, folder, env):
        self.port = free_port()
        settings = {"listen": f"127.0.0.1:{self.port}", "workers": 1, "web_ui": False,
                    **(EVERYTHING if work.everything else NOTHING)}
        env = {"PATH": os.environ["PATH"], "HOME": folder, **env}
        if upstream.ca:
            settings["upstream_ca_file"] = upstream.ca
        if upstream.cookie:
            settings.update(known_models=work.model, default_model=work.model)
            env.update(ENGINELABS_API_URL=upstream.url, CLERK_URL=upstream.url,
                       CLERK_COOKIE=upstream.cookie, ENGINELABS_MAX_PARALLEL="0")
        else:
            settings["upstreams"] = [
                {"name": "mock", "provider": "openai", "api_key": "sk-upstream",
                 "base_url": upstream.url + "/v1", "models": [work.model]}]
        path = write(folder, "gateway.yaml", json.dumps(settings, indent=1))
        log = os.path.join(folder, "gateway.log")
        with open(log, "w") as f:
            super().__init__(UNDER_TEST, [*self.wrap, GATEWAY, "serve", "--config", path],
                             cwd=folder, env=env, stderr=f)
        self.wait_for_port(self.port, log)


NOTHING = {"store_url": "memory:", "log_level": "off", "usage_retention": 0}
EVERYTHING = {
    "store_url": "sqlite:state.db", "log_format": "json",
    "keys": [{"name": "bench", "key": KEY, "requests_per_minute": 1000000000,
              "tokens_per_minute": 1000000000, "tokens_per_day": 1000000000,
              "parallel_requests": 1000, "money_per_month": 1000000}],
    "prices": [{"model": "*", "input": 1.25, "output": 2}]}


class Nginx(Process):
    """A proxy that does nothing: one worker, connections upstream kept, answers not buffered."""
    headers = {}
    warm_up_s, warm_up_requests = 1, 0

    def __init__(self, work, upstream, folder, env):
        self.port = free_port()
        scheme = "https" if upstream.ca else "http"
        conf = NGINX_CONF.format(
            folder=folder, port=self.port, upstream=upstream.port, scheme=scheme,
            descriptors=DESCRIPTORS, connections=DESCRIPTORS + DESCRIPTORS // 8,
            log=f"{folder}/access.log combined buffer=64k flush=1s" if work.everything else "off",
            tls=NGINX_TLS.format(ca=upstream.ca) if upstream.ca else "")
        path = write(folder, "nginx.conf", conf)
        super().__init__(UNDER_TEST, ["nginx", "-c", path, "-p", folder],
                         env={**os.environ, **env}, stderr=subprocess.DEVNULL)
        self.wait_for_port(self.port, f"{folder}/nginx.log")


NGINX_TLS = """proxy_ssl_verify on; proxy_ssl_trusted_certificate {ca}; proxy_ssl_name localhost;
   proxy_ssl_session_reuse on;"""
# More connections than descriptors: nginx closes waiting ones when less than a sixteenth is free.
NGINX_CONF = """daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
worker_processes 1; worker_rlimit_nofile {descriptors};
events {{ worker_connections {connections}; multi_accept on; }}
http {{ access_log {log}; """ + TEMPORARY + """
 tcp_nodelay on; client_max_body_size 32m; client_body_buffer_size 256k;
 upstream behind {{ server 127.0.0.1:{upstream}; keepalive 1024; keepalive_requests 100000000; }}
 server {{ listen 127.0.0.1:{port} backlog=4096; keepalive_requests 100000000; keepalive_timeout 75;
  location / {{ proxy_pass {scheme}://behind; proxy_http_version 1.1; proxy_buffering off;
   proxy_set_header Connection ""; proxy_set_header Authorization "Bearer sk-upstream";
   proxy_read_timeout 300; {tls} }} }} }}
"""


class Portkey(Process):
    """The Portkey gateway on Debian's Node, installed from bench/portkey's lock file."""
    warm_up_s, warm_up_requests = 60, 8000  # Node compiles what was run some thousand times

    def __init__(self, work, upstream, folder, env):
        self.port = free_port()
        self.headers = {"authorization": "Bearer sk-upstream", "x-portkey-provider": "openai",
                        "x-portkey-custom-host": upstream.url + "/v1"}
        super().__init__(UNDER_TEST, ["node", PORTKEY_START, f"--port={self.port}", "--headless"],
                         cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                         env={"PATH": os.environ["PATH"], "HOME": folder,
                              "NODE_ENV": "production", **env})
        self.wait_for_port(self.port)


def install_portkey():
    """None, or why it cannot be compared."""
    if not shutil.which("npm"):
        return "npm is not installed"
    if not os.path.exists(PORTKEY_START):
        done = subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund",
                               "--ignore-scripts"], cwd=PORTKEY, capture_output=True, text=True)
        if done.returncode:
            return "npm could not install it: " + (done.stderr.strip().splitlines() or ["?"])[-1]
    return None


ALL = {"gateway": Gateway, "nginx": Nginx, "portkey": Portkey}
