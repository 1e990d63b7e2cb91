"""nginx's stream proxy, TLS in and TLS out (TLS 1.3, one worker): its CPU seconds for each GB.

The floor that a relay is compared with. Its client and server are those of `tests.bench.relay_cpu`.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from appliance.identity.device_ca import DeviceCa
from tests.bench.relay_cpu import METRIC, RUNS, SECONDS, Plain, cpu_seconds, median_figure, running

MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
CONFIG = """load_module {module};
worker_processes 1; daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors;
events {{ worker_connections 64; }}
stream {{ server {{
  listen 127.0.0.1:{front} ssl; ssl_certificate {pem}; ssl_certificate_key {pem}; ssl_protocols TLSv1.3;
  proxy_pass 127.0.0.1:{back}; proxy_ssl on; proxy_ssl_protocols TLSv1.3; proxy_buffer_size 64k;
}} }}
"""


def main() -> None:
    """Measure and print."""
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    if nginx is None or not MODULE.exists():
        raise SystemExit("nginx with its stream module is not installed (Debian: nginx, libnginx-mod-stream)")
    with tempfile.TemporaryDirectory(prefix="beistand-nginx-") as name:
        folder = Path(name)
        pem = DeviceCa.open(folder / "ca", time.time).wire_certificate().chain
        with running(Plain.receiver, str(pem)) as receiver:
            back = receiver.recv()
            front = _free_port()
            (folder / "nginx.conf").write_text(
                CONFIG.format(module=MODULE, folder=folder, front=front, back=back, pem=pem)
            )
            argv = [nginx, "-c", str(folder / "nginx.conf"), "-p", str(folder), "-e", str(folder / "errors")]
            process = subprocess.Popen(argv)
            try:
                _wait(front)
                with running(Plain.sender, str(pem), front):
                    time.sleep(1)
                    costs = []
                    for _ in range(RUNS):
                        before = cpu_seconds(process.pid)
                        receiver.send(SECONDS)
                        received = receiver.recv()
                        costs.append((cpu_seconds(process.pid) - before) / received * 1e9)
            finally:
                process.terminate()
                process.wait()
    median_figure(METRIC, "nginx stream", costs, "s/GB").print()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def _wait(port: int) -> None:
    end = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


if __name__ == "__main__":
    main()
