"""The configurations that docs/web-server.md shows, in real nginx, Apache and Caddy: `verify` finds nothing wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import requests

from docs.book.web import FILES, configuration
from publisher import verify
from tests.blocks import ROOT, blocks
from tests.e2e.conftest import Release
from tests.servers.process import free_port

pytestmark = pytest.mark.xdist_group("buckets")  # whose worker has published the example

VOLUME = "/v0.9/synapse-density/"  # the example's, whose chunks are JPEG
MODULES = ("mpm_event", "authz_core", "dir", "headers", "rewrite")
APACHE = """\
ServerRoot {home}
ServerName localhost
PidFile {home}/pid
ErrorLog {home}/errors
{modules}
Include {home}/apache.conf
"""
NGINX = """\
daemon off; error_log stderr; pid {home}/pid; {user} worker_processes 1;
events {{}}
http {{ access_log off; client_body_temp_path {home}; proxy_temp_path {home}; fastcgi_temp_path {home};
        uwsgi_temp_path {home}; scgi_temp_path {home}; include {home}/nginx.conf; }}
"""


def configured(name: str, home: Path, root: Path, port: int, *, jpeg: bool = True) -> None:
    """Write what the page shows, with the folder and the port of here, and the lines of JPEG chunks made real."""
    lines = []
    for line in configuration(name).replace("/srv/public", str(root)).replace("8080", str(port)).splitlines():
        ours = jpeg and "#" in line and ("/v0.9/em/" in line or "@em" in line)
        lines.append(line.replace("# ", "", 1).replace("/v0.9/em/", VOLUME) if ours else line)
    (home / name).write_text("\n".join(lines) + "\n")


def command(name: str, home: Path) -> list[str]:
    if name == "nginx.conf":
        user = "user root;" if os.getuid() == 0 else ""
        (home / "main").write_text(NGINX.format(home=home, user=user))
        return [_there("nginx"), "-e", "stderr", "-c", str(home / "main")]
    if name == "apache.conf":
        load = "\n".join(f"LoadModule {each}_module /usr/lib/apache2/modules/mod_{each}.so" for each in MODULES)
        (home / "main").write_text(APACHE.format(home=home, modules=load))
        return [_there("apache2"), "-f", str(home / "main"), "-DFOREGROUND"]
    return [_there("caddy"), "run", "--config", str(home / "Caddyfile"), "--adapter", "caddyfile"]


def _there(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    assert found, f"{name} is not installed: run tests/install_programs.sh"
    return found


@contextmanager
def serving(name: str, home: Path, root: Path, *, jpeg: bool = True) -> Iterator[str]:
    """Serve a folder by a real server; yield its address."""
    port = free_port()
    home.mkdir()
    configured(name, home, root, port, jpeg=jpeg)
    words, base = command(name, home), f"http://127.0.0.1:{port}"
    env = os.environ | {"XDG_DATA_HOME": str(home), "XDG_CONFIG_HOME": str(home), "HOME": str(home)}
    with (home / "log").open("wb") as log, subprocess.Popen(words, env=env, stdout=log, stderr=log) as process:
        try:
            for _ in range(300):
                assert process.poll() is None, (home / "log").read_text()
                try:
                    requests.get(f"{base}/releases.json", timeout=5)
                    break
                except requests.ConnectionError:
                    time.sleep(0.1)
            yield base
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):  # Caddy goes on as long as somebody reads from it
                process.wait(10)
            process.kill()


@pytest.mark.parametrize("name", FILES)
def test_verify_finds_nothing_wrong(name: str, published: Release, tmp_path: Path) -> None:
    with serving(name, tmp_path / "server", published.target) as base:
        report = verify.verify(base, depth="full")
        assert report.findings == ()
        assert report.objects == report.digests > 500
        page = requests.get(f"{base}/site/v0.9/index.html", timeout=30)
        assert (page.headers["Content-Type"], page.headers["Cache-Control"]) == ("text/html; charset=utf-8", "no-cache")
        assert requests.get(f"{base}/site/", timeout=30).status_code == 200
        chunk = next(path for path in (published.target / "v0.9/segmentation").rglob("*.gz") if path.stat().st_size)
        key = chunk.relative_to(published.target).as_posix().removesuffix(".gz")
        stored = requests.get(f"{base}/{key}", headers={"Accept-Encoding": "gzip"}, stream=True, timeout=30)
        assert stored.headers["Cache-Control"] == "public, max-age=31536000, immutable, no-transform"
        assert stored.raw.read(decode_content=False) == chunk.read_bytes()
        assert requests.get(f"{base}/.publisher-tmp/lock", timeout=30).status_code == 404


@pytest.mark.parametrize("name", FILES)
def test_verify_sees_what_a_configuration_lacks(name: str, published: Release, tmp_path: Path) -> None:
    with serving(name, tmp_path / "server", published.target, jpeg=False) as base:
        found = {
            (finding.check, finding.key.rpartition("/")[0]) for finding in verify.verify(base, depth="quick").findings
        }
    assert {check for check, _ in found} == {"content-type"}
    assert all(folder.startswith(VOLUME.strip("/")) for _, folder in found)


def test_the_page_shows_these_very_files() -> None:
    shown = [
        block.text for block in blocks(ROOT / "docs/web-server.md") if block.language in {"nginx", "apache", "text"}
    ]
    assert shown == [configuration(name) for name in FILES]
