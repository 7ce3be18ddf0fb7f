"""Runs a command with an Envoy before it, whose config is the pinned one of envoy/, on free ports of this machine.

    python3 suite/envoy.py ENVOY CONFIG MODULES COMMAND...

Of the config three things are changed: the ports, the modules' folder, and the cluster `upstream`, whose service answers 200. In
COMMAND, `{url}` and `{admin}` stand for the addresses of the listener and of the admin interface.
"""

import http.server
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request


class Upstream(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_response(200)
        self.send_header("content-length", "8")
        self.end_headers()
        self.wfile.write(b"upstream")

    do_DELETE = do_HEAD = do_OPTIONS = do_PATCH = do_POST = do_PUT = do_GET

    def log_message(self, *_):
        pass


def on_this_machine(config, modules, port):
    replaced = [
        ("/etc/palisade/modules", modules),
        ("port_value: 9901", "port_value: 0"),
        ("0.0.0.0, port_value: 10000", "127.0.0.1, port_value: 0"),
        ("address: upstream, port_value: 8080", f"address: 127.0.0.1, port_value: {port}"),
    ]
    for old, new in replaced:
        assert old in config, f"the config no longer holds `{old}`, which is replaced for the suite"
        config = config.replace(old, new)
    return config


def answer(url, envoy, log):
    """What the admin interface answers, once it does."""
    for _ in range(600):
        assert envoy.poll() is None, f"Envoy ended with {envoy.returncode}:\n{log.read_text()}"
        try:
            with urllib.request.urlopen(url(), timeout=5) as response:
                return response.read().decode()
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(f"Envoy does not answer:\n{log.read_text()}")


def main(binary, config, modules, *command):
    upstream = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        own, admin, log = (pathlib.Path(folder) / name for name in ("envoy.yaml", "admin", "log"))
        text = pathlib.Path(config).read_text()
        own.write_text(on_this_machine(text, str(pathlib.Path(modules).resolve()), upstream.server_port))
        arguments = ["--config-path", own, "--admin-address-path", admin, "--log-path", log]
        envoy = subprocess.Popen([binary, *arguments, "--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warn"])
        try:
            answer(lambda: f"http://{admin.read_text()}/ready", envoy, log)
            listeners = json.loads(answer(lambda: f"http://{admin.read_text()}/listeners?format=json", envoy, log))
            address = listeners["listener_statuses"][0]["local_address"]["socket_address"]
            url = f"http://{address['address']}:{address['port_value']}"
            values = {"{url}": url, "{admin}": f"http://{admin.read_text()}"}
            for name, value in values.items():
                command = [word.replace(name, value) for word in command]
            code = subprocess.run(command, check=False).returncode
            if code:
                print(log.read_text(), file=sys.stderr)
            return code
        finally:
            envoy.terminate()
            envoy.wait()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
