"""publisher's own documentation: built strictly, generated where it says so, and every block of it run or read."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from docs.book.__main__ import build, generated
from publisher import links, manifest
from publisher.cli.app import app
from publisher.errors import InvalidInput
from publisher.manifest import Release, schema
from publisher.page import templates
from publisher.page.pages import pages as site_pages
from tests.blocks import PAGES, ROOT, SHELL, Block, blocks, hidden_commands, parsed
from tests.e2e.buckets import alone
from tests.servers.gcs import FakeGcs
from tests.servers.seaweed import Seaweed
from tests.unit.test_site import a_book

pytestmark = pytest.mark.xdist_group("buckets")

ALL = [block for page in PAGES for block in blocks(page)]
RUN = [block for block in ALL if block.language in SHELL and block.said != "not run"]
STORIES = sorted({block.page for block in RUN})
CLOUDS = {"how-to-s3", "how-to-gcs"}
READ = {
    "nginx",
    "apache",
    "text",
    "",
}  # configurations are run by tests/e2e/test_web_servers.py; output, pictures of folders

# What fragments of a manifest name without showing it.
BASE = """\
schema: 1
version: v1
date: 2026-11-21
status: draft
dataset: {name: base, title: Base, description: What fragments are laid over., license: CC0-1.0, authors: [{name: A}]}
space: {name: em, voxel_size: [8, 8, 8], units: nm}
volumes: [{name: segmentation, source: a}, {name: em, source: b}]
tables: [{name: body-annotations, source: c.csv}]
annotations: [{name: synapses, source: d.csv, units: nm}]
"""


def of(block: Block) -> str:
    """Sort a block by what is done with it."""
    if block.said == "not run" and block.about:
        return "marked"
    if block.said == "file" or block.language in SHELL:
        return "run"
    if block.language in {"yaml", "json"}:
        return block.language
    return "read" if block.language in READ else "unknown"


def test_no_block_is_passed_over() -> None:
    """Each is run, held against the models, parsed, or marked with a reason; what is left shows no command."""
    assert [block.where for block in ALL if of(block) == "unknown"] == []
    assert [(b.where, hidden_commands(b)) for b in ALL if of(b) == "read" and hidden_commands(b)] == []
    marked = [block for block in ALL if block.said == "not run"]
    assert [block.where for block in marked if len(block.about) < 8] == []
    counted = Counter(map(of, ALL))
    print(dict(counted))
    assert sum(counted.values()) == len(ALL)
    assert counted["run"] >= 15
    assert counted["yaml"] >= 10
    assert counted["json"] >= 4
    fences = sum(line.lstrip().startswith("```") for page in PAGES for line in page.read_text().splitlines())
    assert fences == 2 * sum(1 for block in ALL if block.language)


def test_a_block_that_nobody_classified_is_seen() -> None:
    text = "```toml\na = 1\n```\n\n    publisher release v1.yaml\n\n<!-- not run:  -->\n```sh\nrm -rf /\n```\n"
    toml, indented, bare = parsed(text, ROOT / "README.md")
    assert of(toml) == "unknown"
    assert hidden_commands(indented) == ["publisher release v1.yaml"]
    assert of(bare) == "run" or bare.about == ""


# YAML and JSON


def laid_over(base: dict[str, Any], part: Mapping[str, Any]) -> dict[str, Any]:
    """Lay a fragment over a manifest: what has the same name takes its place."""
    made = dict(base)
    for key, value in part.items():
        if isinstance(value, list) and value and isinstance(value[0], dict) and "name" in value[0]:
            names = {each["name"] for each in value}
            made[key] = [*(each for each in base.get(key, ()) if each["name"] not in names), *value]
        elif isinstance(value, dict):
            made[key] = {**base.get(key, {}), **value}
        else:
            made[key] = value
    return made


@pytest.mark.parametrize("block", [b for b in ALL if b.language == "yaml"], ids=lambda block: block.where)
def test_yaml_is_a_manifest_or_a_part_of_one(block: Block, tmp_path: Path) -> None:
    given = yaml.safe_load(block.text)
    whole = given if "schema" in given else laid_over(yaml.safe_load(BASE), given)
    (tmp_path / "v1.yaml").write_text(yaml.safe_dump(whole, sort_keys=False))
    assert isinstance(manifest.load(tmp_path / "v1.yaml").release, Release)


def test_yaml_with_a_slip_in_it_is_found(tmp_path: Path) -> None:
    block = next(b for b in ALL if b.language == "yaml" and "host: target" in b.text)
    slip = Block(block.page, block.line, "yaml", block.text.replace("host:", "hots:"))
    with pytest.raises(InvalidInput, match="did you mean 'host'"):
        test_yaml_is_a_manifest_or_a_part_of_one(slip, tmp_path)


@pytest.mark.parametrize(
    "block", [b for b in ALL if b.language == "json" and b.said != "not run"], ids=lambda block: block.where
)
def test_json_is_a_policy(block: Block) -> None:
    policy = json.loads(block.text)
    assert policy["Version"] == "2012-10-17"
    assert all({"Effect", "Action"} <= statement.keys() for statement in policy["Statement"])


# Commands

SHIM = """\
#!/bin/bash
# What is typed as `publisher`: `serve` is stopped once it serves, `plan` may have changes to tell of.
if [ "$1" = serve ]; then
  {python} -m publisher.cli "$@" --port 0 > served 2>&1 & pid=$!
  for _ in $(seq 150); do grep -q "stop with Ctrl-C" served && break; sleep 0.2; done
  page=$(grep -o "http://[^ ]*" served | head -1)
  {python} -c "import sys, urllib.request; assert urllib.request.urlopen(sys.argv[1]).status == 200" "$page"
  code=$?; kill $pid; exit $code
fi
{python} -m publisher.cli "$@"; code=$?
[ "$1" = plan ] && [ $code = 10 ] && exit 0
exit $code
"""


def story(page: Path) -> str:
    """Return one script of all that a page has typed and saved, in its order."""
    lines = ["set -e"]
    for block in blocks(page):
        if block.said == "file":
            lines += [f"echo '### {block.where}'", f"cat > {block.about} <<'END OF FILE'", block.text + "END OF FILE"]
        elif block.language in SHELL and block.said != "not run":
            lines += [f"echo '### {block.where}'", block.text]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=pytest.mark.slow) if page.stem in CLOUDS else page for page in STORIES],
    ids=lambda page: page.stem,
)
def test_what_a_page_has_people_type_works(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """In an empty folder, with servers that stand for the clouds."""
    env: dict[str, str] = {}
    if page.stem == "how-to-s3":
        seaweed: Seaweed = request.getfixturevalue("seaweed")
        seaweed.bucket("my-bucket")
        env = dict(seaweed.env)
    elif page.stem == "how-to-gcs":
        gcs: FakeGcs = request.getfixturevalue("fake_gcs")
        gcs.bucket("my-bucket")
        env = dict(gcs.env)
    elif page.stem == "how-to-ci":
        (tmp_path / "releases").mkdir()
        (tmp_path / "releases/v0.9.yaml").write_text((ROOT / "releases/v0.9.yaml").read_text())
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/publisher").write_text(SHIM.replace("{python}", sys.executable))
    (tmp_path / "bin/publisher").chmod(0o755)
    env |= {"PYTHONPATH": str(ROOT), "PUBLISHER_RENDER": "0"}
    around = alone(env)
    around["PATH"] = f"{tmp_path / 'bin'}{os.pathsep}{around['PATH']}"
    done = subprocess.run(
        ["bash", "-c", story(page)], cwd=tmp_path, env=around, capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert done.stdout.count("### ") == story(page).count("echo '### ")


@pytest.mark.parametrize(
    "block", [b for b in ALL if b.language in SHELL and b.said == "not run"], ids=lambda block: block.where
)
def test_commands_that_are_not_run_are_what_the_command_line_takes(block: Block) -> None:
    checked = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    for line in block.text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words and words[0].rpartition("/")[2] == "publisher":
            taken(words[1:])


def taken(words: list[str]) -> None:
    """Parse a command's words as it would itself; nothing is run."""
    command: Any = typer.main.get_command(app)
    name, rest = "publisher", list(words)
    while hasattr(command, "commands"):
        name = rest.pop(0)
        command = command.commands[name]
    command.make_context(name, rest)


def test_an_option_that_is_not_there_is_found() -> None:
    taken(["release", "v1.yaml", "--target", "aws"])
    with pytest.raises(Exception, match="No such option"):
        taken(["release", "v1.yaml", "--tarjet", "aws"])
    with pytest.raises(KeyError):
        taken(["relaese", "v1.yaml"])


def test_the_template_of_the_page_on_templates_is_one(tmp_path: Path) -> None:
    (block,) = [b for b in ALL if b.language == "jinja"]
    (tmp_path / "site").mkdir()
    (tmp_path / "site/cite.md.jinja").write_text(block.text)
    with templates.using(tmp_path):
        text, _ = site_pages(a_book(), None, None)["cite.md"]
    assert text.endswith("Please also cite the paper of Hemibrain DA1 projection neurons.\n")


# The pages themselves


def test_what_is_generated_is_what_the_code_says() -> None:
    assert [path.name for path, text in generated().items() if path.read_text(encoding="utf-8") != text] == []


def test_it_is_built_strictly_and_every_link_leads_somewhere(tmp_path: Path) -> None:
    assert build(tmp_path / "html") == ""
    found = links.check(tmp_path / "html", links.Release())
    assert [(finding.key, finding.message) for finding in found.findings] == []
    assert found.inside > 500
    made = {path.relative_to(tmp_path / "html").as_posix() for path in (tmp_path / "html").rglob("*.html")}
    assert {"index.html", "tutorial.html", "manifest.html", "adr/index.html"} <= made
    home = (tmp_path / "html/index.html").read_text()
    assert "Content-Security-Policy" in home
    assert "script-src 'self' 'sha256-" in home


def test_every_key_of_a_manifest_is_described() -> None:
    made = schema.schema()
    parts = {**made["$defs"], "Release": made}
    bare = [
        f"{name}.{key}"
        for name, part in parts.items()
        for key, told in part.get("properties", {}).items()
        if not told.get("description")
    ]
    assert bare == []
    text = (ROOT / "docs/manifest.md").read_text()
    assert [key for part in parts.values() for key in part.get("properties", {}) if f"| `{key}` |" not in text] == []
