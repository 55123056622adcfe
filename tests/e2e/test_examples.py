"""The examples of a release: run, run against stand-ins, parsed; shown as published; one broken on purpose of each sort."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup

from publisher import record, serve
from publisher.examples import Interpreters, Live, check, findings, inside
from publisher.objects import Checked
from publisher.page import shelf
from publisher.page.examples import Example
from tests.e2e.conftest import InBucket, Release, Result, publisher
from tests.servers.fixtures import BUCKET
from tests.servers.gcs import FakeGcs
from tests.servers.seaweed import Seaweed

FOUND = 8
Checker = Callable[..., Checked]


def files(target: Path, version: str = "v0.9") -> dict[str, str]:
    """What lies in the release's folder of examples, as it lies there."""
    folder = target / version / "examples"
    return {path.name: path.read_text() for path in sorted(folder.iterdir()) if path.name != "index.json"}


def blocks(out: Path) -> Counter[str]:
    """Return every block of Python, R or shell that the built pages show, and how often."""
    languages = [f"div.language-{name} pre code" for name in ("python", "r", "bash")]
    pages = (BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser") for path in out.rglob("*.html"))
    return Counter(code.get_text().strip("\n") for page in pages for code in page.select(", ".join(languages)))


def strange(out: Path, there: dict[str, str]) -> list[str]:
    """Return what is on the pages and in no file, and the names of files that no page shows."""
    texts = {text.strip("\n"): name for name, text in there.items()}
    shown = blocks(out)
    return [*(text for text in shown if text not in texts), *(texts[text] for text in texts if text not in shown)]


# The page


def test_the_page_shows_the_files_of_the_release_and_nothing_else(published: Release, tmp_path: Path) -> None:
    site, there = published.target / "site" / "v0.9", files(published.target)
    listed = json.loads((published.target / "v0.9/examples/index.json").read_text())["examples"]
    assert [row["file"] for row in listed] == list(there)
    assert strange(site, there) == []
    shown = blocks(site)
    # One example of each way to read is shown on its own tab again, and no other is.
    again = {text for text, times in shown.items() if times > 1}
    assert (len(shown), len(there), sum(shown.values())) == (50, 50, 50 + len(again))
    assert len(again) == 11

    page = (site / "download.html").read_text()
    assert page.count("PrecomputedSkeletonSource") > 2
    (tmp_path / "download.html").write_text(page.replace("PrecomputedSkeletonSource", "PrecomputedSkeletons"))
    (other,) = {name for name in strange(tmp_path, there) if name in there}
    assert other == "31-skeletons-skeletons-cloudvolume.py"


def test_browsers_show_the_files_as_text(served: str) -> None:
    import requests

    answer = requests.get(f"{served}/v0.9/examples/01-neuprint-neuprint.py", timeout=30)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "# pip install neuprint-python" in answer.text


# Checking


@pytest.fixture(scope="module")
def those(published: Release) -> dict[str, Example]:
    """The examples of the published release by what follows their number."""
    made = shelf.published("v0.9", lambda key: (published.target / key).read_bytes())
    assert made is not None
    return {example.name.partition("-")[2]: example for example in made}


@pytest.fixture
def checked(published: Release, served: str) -> Checker:
    """Check one example against the release as it is served."""
    live = record.parse((published.target / "v0.9/.release/release.json").read_bytes(), "here")

    def checker(example: Example, old: str = "", new: str = "", **services: str) -> Checked:
        assert old in example.text
        given = {name: {"server": server} for name, server in services.items()}
        shown = replace(live, programmatic={**live.programmatic, **given})
        (seen,) = check([replace(example, text=example.text.replace(old, new))], Live(shown, served), Interpreters())
        return seen

    return checker


GOOD = {
    "neuprint-neuprint.py": "doubled",
    "neuprint-neuprint.R": "parsed",
    "body-annotations-copy-curl.sh": "run",
    "skeletons-skeletons-swc.py": "run",
    "skeletons-skeletons-swc.R": "run",
    "skeletons-copy-tree.py": "run",
}


@pytest.mark.parametrize("name", GOOD)
def test_each_sort_passes(those: dict[str, Example], checked: Checker, name: str) -> None:
    seen = checked(those[name])
    assert (seen.ok, seen.how) == (True, GOOD[name]), seen
    assert bool(seen.why) is (seen.how == "parsed")
    if seen.how == "doubled":
        assert seen.by.startswith("neuprint-python ")


BROKEN = {
    "run, Python": ("skeletons-skeletons-swc.py", '"radius", "parent"]', '"r", "parent"]', "radius"),
    "run, shell": ("body-annotations-copy-curl.sh", "/v0.9/", "/v0.8/", "404"),
    "run, R": ("skeletons-skeletons-swc.R", "skeletons-swc/", "skeletons/", "cannot open"),
    "run, a copy that lacks something": ("skeletons-copy-tree.py", ".to_pylist()", ".to_pylist()[:3]", "it left 3 files"),
    "doubled, a keyword": ("neuprint-neuprint.py", "dataset=", "data_set=", "unexpected keyword argument 'data_set'"),
    "doubled, an answer": ("neuprint-neuprint.py", '"instance", "pre"', '"instance", "before"', "['before'] not in index"),
    "doubled, a dataset": ("neuprint-neuprint.py", "hemibrain:v1.2.1", "hemibrain:v9", "does not exist"),
    "doubled, another host": ("neuprint-neuprint.py", 'janelia.org"', 'other.example"', "other.example"),
    "parsed, R": ("body-annotations-table.R", "print(dim(table))", "print(dim(table)", "unexpected"),
    "parsed, Python": ("skeletons-skeletons-swc.py", "print(", "print((", "never closed"),
    "parsed, shell": ("body-annotations-copy-curl.sh", "curl ", "if curl ", "syntax error"),
}  # fmt: skip


@pytest.mark.parametrize("sort", BROKEN)
def test_one_of_each_sort_that_is_broken_is_found(those: dict[str, Example], checked: Checker, sort: str) -> None:
    name, old, new, why = BROKEN[sort]
    seen = checked(those[name], old, new)
    assert (seen.ok, seen.how) == (False, sort.partition(",")[0]), seen
    (found,) = findings([seen], "v0.9")
    assert (found.severity, found.key) == ("error", f"v0.9/examples/{those[name].name}")
    assert why in found.message, found.message


def test_calls_that_do_not_fit_their_library_are_found() -> None:
    text = "from neuprint import fetch_adjacencies\nimport neuprint as n\n"
    assert inside.unfit(text + "fetch_adjacencies(None, [1])\nn.fetch_neurons(7)\n") == []
    (wrong,) = inside.unfit(text + "fetch_adjacencies(None, sinks=[1])\n")
    assert wrong.startswith("line 3: fetch_adjacencies: ")
    assert "sinks" in wrong
    (gone,) = inside.unfit(text + "n.fetch_neuron(7)\n")
    assert "has no attribute 'fetch_neuron'" in gone


def test_what_cannot_be_run_is_told(
    those: dict[str, Example], checked: Checker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tool that is not here, data of others who do not answer, packages that nobody has; and what nothing here can read."""
    seen = checked(those["body-annotations-copy-curl.sh"], "curl", "curl-of-tomorrow")
    assert (seen.ok, seen.how, seen.why) == (True, "parsed", "curl-of-tomorrow cannot be found here")
    seen = checked(those["skeletons-skeletons-swc.py"], "# pip install pandas", "# pip install pandas.")
    assert (seen.ok, seen.how) == (True, "parsed")
    assert "pandas. cannot be installed here" in seen.why
    monkeypatch.setenv("PATH", os.devnull)
    seen = checked(those["body-annotations-table.R"])
    assert (seen.ok, seen.how) == (False, "unchecked")
    assert "Rscript cannot be found" in findings([seen], "v0.9")[0].message


# From the command line


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A manifest of one small table: read by pandas and by base R, copied by curl."""
    (tmp_path / "t.csv").write_text("body,type\n7,PN\n12,LN\n")
    manifest = {
        "schema": 1,
        "version": "v1",
        "date": "2026-11-21",
        "status": "final",
        "dataset": {
            "name": "tiny",
            "title": "Tiny",
            "description": "One table of two rows, for tests.",
            "license": "CC0-1.0",
            "authors": [{"name": "Ada Lovelace"}],
        },
        "tables": [{"name": "bodies", "source": "t.csv", "format": "source"}],
    }
    (tmp_path / "v1.yaml").write_text(yaml.safe_dump(manifest))
    return tmp_path / "v1.yaml"


def test_an_example_that_fails_fails_the_release(tiny: Path) -> None:
    target = tiny.parent / "public"
    done = publisher("release", tiny, "--target", target, "--json", "--examples")
    assert (done.code, done.json["findings"]) == (0, []), done.err
    assert "3 examples shown: 3 run, all passed" in done.err
    assert [each["name"] for each in done.json["examples"]] == list(files(target, "v1"))
    page = BeautifulSoup((target / "site/v1/download.html").read_text(), "html.parser")
    lines = [line.get_text() for line in page.select(".pub-checked--run")]
    assert len(lines) == sum(blocks(target / "site/v1").values()) > 3
    assert all(line.startswith("Run against this release on 20") for line in lines)

    again = publisher("release", tiny, "--target", target, "--json", "--until", "publish")
    assert (again.code, again.json["uploaded"]) == (0, 0)  # what is live stays as it is
    with serve.running(target) as base:
        stranger = publisher("verify", base, "--json", "--depth", "quick", "--examples")
    assert (stranger.code, len(stranger.json["examples"])) == (0, 3), stranger.err

    (path,) = (target / "v1/examples").glob("*-table-pandas.py")
    path.write_text(path.read_text().replace("read_csv", "read_cvs"))
    broken = publisher("verify", tiny, "--target", target, "--json", "--examples")
    assert broken.code == FOUND
    assert "3 examples shown: 3 run, 1 FAILED" in broken.err
    (found,) = [each for each in broken.json["findings"] if each["check"] == "example"]
    assert found["key"] == f"v1/examples/{path.name}"
    assert "read_cvs" in found["message"]


def test_examples_of_strangers_are_run_only_where_that_is_asked_for(served: str) -> None:
    env = {"PUBLISHER_EXAMPLES": ""}
    done = publisher("verify", served, "--json", "--depth", "quick", env=env)
    assert (done.code, done.json["examples"]) == (0, []), done.err


def test_without_r_nothing_is_claimed(tiny: Path) -> None:
    target, folder = tiny.parent / "public", tiny.parent / "bin"
    folder.mkdir()
    for name in ("bash", "curl"):
        (folder / name).symlink_to(shutil.which(name) or "")
    env = {"PATH": str(folder), "PUBLISHER_EXAMPLES": ""}
    words = ("release", tiny, "--target", target, "--json", "--until", "verify")
    done = publisher(*words, env=env)
    (note,) = done.json["findings"]
    assert (done.code, note["severity"], done.json["examples"]) == (0, "note", [])
    assert "examples were not run: Rscript cannot be found" in note["message"]
    asked = publisher(*words, "--examples", env=env)
    assert asked.code == 2
    assert "--examples" in asked.err


# All of them


REALLY = ("python", "curl", "s5cmd", "rclone", "aws", "gcloud")


def all_really_run(told: Result) -> Counter[str]:
    """Hold a run against what must be: everything is accounted for, and what can be run was."""
    seen = told.json["examples"]
    assert [each for each in seen if not each["ok"]] == []
    counts = Counter(each["how"] for each in seen)
    assert counts["run"] + counts["doubled"] + counts["parsed"] == len(seen)
    print(f"{len(seen)} examples: {dict(counts)}")
    for each in seen:
        if each["how"] == "parsed":
            assert each["why"], each
            assert each["name"].endswith((".R", "-flybrains.py", "-gsutil.sh")), each
    return counts


@pytest.mark.slow
def test_every_example_of_the_example(published: Release) -> None:
    told = publisher("verify", published.manifest, "--target", published.target, "--json", "--examples")
    assert told.code == 0, told.err
    assert all_really_run(told) == {"run": 36, "doubled": 2, "parsed": 5}


@pytest.mark.slow
@pytest.mark.xdist_group("buckets")
def test_every_example_of_the_example_in_a_bucket(published: Release, in_s3: InBucket, seaweed: Seaweed) -> None:
    words = ("verify", published.manifest, "--target", in_s3.url, "--json", "--examples", "--depth", "quick")
    told = publisher(*words, env=seaweed.env, timeout=1200)
    assert told.code == 0, told.err
    assert all_really_run(told)["run"] > 90


@pytest.mark.slow
@pytest.mark.xdist_group("buckets")
def test_every_example_of_the_example_on_cloud_storage(published: Release, in_gcs: InBucket, fake_gcs: FakeGcs) -> None:
    words = ("verify", published.manifest, "--target", in_gcs.url, "--json", "--examples", "--depth", "quick")
    told = publisher(*words, "--no-access", env=fake_gcs.env, timeout=1200)
    assert [each for each in told.json["findings"] if each["check"] == "example"] == []
    assert all_really_run(told)["run"] > 60
    assert BUCKET in in_gcs.url


SERVICES = {
    "cave": {"server": "https://cave.example.org", "datastack": "minnie65_public"},
    "bossdb": {"server": "https://api.bossdb.io", "collection": "c", "experiment": "e", "channel": "em"},
    "dvid": {"server": "http://emdata.example.org:8900", "uuid": "a89e"},
}


@pytest.mark.slow
@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_a_stand_in_that_its_client_believes(published: Release, served: str, service: str) -> None:
    from publisher.page.templates import render

    live = record.parse((published.target / "v0.9/.release/release.json").read_bytes(), "here")
    shown = Live(replace(live, programmatic=SERVICES), served)
    text = render(f"examples/{service}.py.jinja", **SERVICES[service])
    example = Example(f"01-{service}-{service}.py", "Python", "python", service, text, service=service)
    (seen,) = check([example], shown)
    assert (seen.how, seen.ok, seen.why) == ("doubled", True, ""), seen
    wrong = {
        "cave": ("get_tables()", "get_tables(nobody=1)"),
        "bossdb": ("volume[0:1", "volume['a'"),
        "dvid": ('["Base"]', '["Bass"]'),
    }
    (seen,) = check([replace(example, text=text.replace(*wrong[service]))], shown)
    assert (seen.how, seen.ok) == ("doubled", False), seen
