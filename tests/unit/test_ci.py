"""The workflow that `publisher ci github` writes, and what GitHub shows of publisher's errors."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from publisher.annotations import command as annotation
from publisher.cli.app import app
from publisher.errors import Problem

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(sysconfig.get_path("scripts"))
MANIFEST = """\
schema: 1
version: v1
date: 2026-11-21
status: draft
dataset: {name: tiny, title: Tiny, description: Nothing., license: CC0-1.0, authors: [{name: A. Author}]}
targets:
"""
TARGETS = {
    "s3": {"aws": "s3://bucket/prefix"},
    "gs": {"gcp": "gs://bucket/prefix"},
    "both": {"here": "../public", "aws": "s3://bucket/prefix", "mirror": "s3://other", "gcp": "gs://bucket/prefix"},
    "local": {"here": "../public"},
}
CLOUDS = {"s3": {"AWS"}, "gs": {"GCP"}, "both": {"AWS", "GCP"}, "local": set()}
SIGN_IN = {"AWS": "aws-actions/configure-aws-credentials", "GCP": "google-github-actions/auth"}
OUT = Path(".github/workflows/publish.yml")


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["ci", *words])


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lab's repository, and where the command is run."""
    (tmp_path / "releases").mkdir()
    (tmp_path / "requirements.txt").write_text("./publisher\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    return tmp_path


def manifest(kind: str, name: str = "v1") -> Path:
    path = Path("releases", f"{name}.yaml")
    lines = [f"  {target}: {{url: '{url}'}}\n" for target, url in TARGETS[kind].items()]
    path.write_text(MANIFEST + "".join(lines))
    return path


def written(kind: str, *words: str) -> dict[str, Any]:
    manifest(kind)
    result = run("github", *words)
    assert result.exit_code == 0, result.output
    return yaml.safe_load(OUT.read_text())  # type: ignore[no-any-return]


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def used(job: dict[str, Any]) -> set[str]:
    return {step["uses"].partition("@")[0] for step in job["steps"] if "uses" in step}


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("kind", TARGETS)
def test_each_job_may_do_what_it_needs(kind: str) -> None:
    workflow = written(kind)
    jobs = workflow["jobs"]
    assert workflow["permissions"] == {}
    assert set(jobs) == ({"validate", "plan", "release"} if CLOUDS[kind] else {"validate"})
    assert jobs["validate"]["permissions"] == {"contents": "read"}
    for name in set(jobs) - {"validate"}:
        assert jobs[name]["permissions"] == {"contents": "read", "id-token": "write"}
        assert used(jobs[name]) >= {SIGN_IN[cloud] for cloud in CLOUDS[kind]}
    for job in jobs.values():
        assert job["timeout-minutes"] <= 360
        assert "environment" not in job or job is jobs["release"]
        (checkout,) = [step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")]
        assert checkout["with"]["persist-credentials"] is False
    assert "secrets" not in OUT.read_text()
    assert "pull_request_target" not in OUT.read_text()


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("kind", TARGETS)
def test_actions_are_pinned_and_scripts_hold_no_expression(kind: str) -> None:
    workflow = written(kind, "--prepare", "make inputs")
    pins = re.findall(r"uses: (\S+)(.*)", OUT.read_text())
    assert pins
    for action, comment in pins:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action)
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment)
    scripts = [step["run"] for step in steps(workflow) if "run" in step]
    assert "make inputs\n" in scripts
    assert not [script for script in scripts if "${{" in script]
    assert workflow["defaults"]["run"]["shell"] == "bash"  # with it, GitHub sets pipefail


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("kind", ["s3", "gs", "both"])
def test_one_publisher_at_a_time(kind: str) -> None:
    workflow = written(kind)
    release, plan = workflow["jobs"]["release"], workflow["jobs"]["plan"]
    assert release["concurrency"] == {"group": "publish", "cancel-in-progress": False}
    assert release["environment"] == "publish"
    assert "github.event.pull_request.head.repo.full_name == github.repository" in plan["if"]
    told = [step["env"]["TARGET"] for step in release["steps"] if "TARGET" in step.get("env", {})]
    assert sorted(told) == sorted(name for name, url in TARGETS[kind].items() if "://" in url)
    text = json.dumps(plan)
    for cloud, role in {"AWS": "AWS_ROLE_ARN", "GCP": "GCP_SERVICE_ACCOUNT"}.items():
        assert (f"vars.{role} " in json.dumps(release)) is (cloud in CLOUDS[kind])
        assert f"vars.{role} " not in text  # a pull request never gets the role that writes


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("kind", TARGETS)
def test_linters_find_nothing(kind: str) -> None:
    written(kind, "--prepare", "make inputs")
    _lint(Path())


def test_linters_find_nothing_here() -> None:
    _lint(ROOT)


def _lint(folder: Path) -> None:
    path = folder / OUT
    for command in (["actionlint", path], ["zizmor", "--offline", "--persona", "pedantic", "--no-progress", path]):
        done = subprocess.run([SCRIPTS / str(command[0]), *command[1:]], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("repository")
def test_linters_would_find_a_mistake() -> None:
    written("s3")
    text = OUT.read_text()
    OUT.write_text(re.sub("checkout@[0-9a-f]{40}", "checkout@v7", text))
    with pytest.raises(AssertionError, match="unpinned-uses"):
        _lint(Path())
    OUT.write_text(text.replace("vars.AWS_REGION", "wars.AWS_REGION"))
    with pytest.raises(AssertionError, match='undefined variable "wars"'):
        _lint(Path())


def test_this_repository_has_what_the_command_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (line,) = re.findall(r"^# publisher ci (github .*)$", OUT.read_text(), re.MULTILINE)
    result = run(*shlex.split(line), "--check")
    assert result.exit_code == 0, result.output


@pytest.mark.usefixtures("repository")
def test_check_names_the_line() -> None:
    manifest("s3")
    assert "is not there" in run("github", "--check").output
    assert run("github", "--json").stdout == f'{{"out": "{OUT}", "written": true}}\n'
    assert run("github", "--json").stdout == f'{{"out": "{OUT}", "written": false}}\n'
    assert run("github", "--check").exit_code == 0
    lines = OUT.read_text().splitlines()
    OUT.write_text("\n".join(["permissions: write-all" if line == "permissions: {}" else line for line in lines]))
    result = run("github", "--check")
    assert result.exit_code == 2
    assert f"{OUT}:{lines.index('permissions: {}') + 1}:1: is not what publisher writes" in result.output


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--prepare", "echo ${{ github.head_ref }}"], "--prepare: must not hold ${{ }}"),
        (["--prepare", "one\ntwo"], "--prepare: must be one line"),
        (["--install", "one\u2028two"], "--install: must be one line"),
        (["--manifest", "../elsewhere.yaml"], "is outside of"),
        (["--manifest", "v1.yaml"], "lies at the top of the repository"),
        (["--manifest", "releases/v3.yaml"], "releases/v3.yaml: cannot be read"),
        ([], "there are releases/v1.yaml, releases/v2.yaml"),
    ],
)
def test_what_would_not_work_is_refused(words: list[str], says: str) -> None:
    manifest("s3")
    manifest("s3", "v2")
    chosen = [] if not words or "--manifest" in words else ["--manifest", "releases/v1.yaml"]
    result = run("github", *chosen, *words)
    assert (result.exit_code, says in result.output) == (2, True), result.output
    assert not OUT.exists()


def test_what_is_installed_is_said(repository: Path) -> None:
    manifest("s3")
    (repository / "requirements.txt").unlink()
    result = run("github")
    assert (result.exit_code, "there is no requirements.txt" in result.output) == (2, True)
    assert run("github", "--install", "python -m pip install ./publisher").exit_code == 0


@pytest.mark.usefixtures("repository")
def test_a_tag_releases_the_manifest_of_its_name() -> None:
    manifest("s3")
    manifest("s3", "v2")
    assert run("tag", "v1").stdout == "releases/v1.yaml\n"
    none = run("tag", "v3")
    assert none.exit_code == 2
    assert "the tag v3 releases the manifest releases/v3.yaml, and there is none" in none.stderr
    other = run("tag", "v2")
    assert (other.exit_code, other.stdout) == (2, "")
    assert "releases/v2.yaml:2:1: version is v1, but the tag that releases this manifest is v2" in other.stderr


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (Problem("a.yaml:3:5", "wrong", "mend it"), "::error file=a.yaml,line=3,col=5,title=T::wrong → mend it"),
        (Problem("a,b:c.yaml:3:5", "x"), "::error file=a%2Cb%3Ac.yaml,line=3,col=5,title=T::x"),
        (Problem("a.yaml:3:5", "50%: a\r\nb"), "::error file=a.yaml,line=3,col=5,title=T::50%25: a%0D%0Ab"),
        (Problem("a.yaml:3:5", "::set-env::"), "::error file=a.yaml,line=3,col=5,title=T::::set-env::"),
        (Problem("swc/1.swc:2", "no node"), "::error title=T::swc/1.swc:2: no node"),
        (Problem("http://127.0.0.1:80:80", "no"), "::error title=T::http://127.0.0.1:80:80: no"),
        (Problem("a\nb.yaml:1:1", "x"), "::error title=T::a%0Ab.yaml:1:1: x"),
        (Problem("", "interrupted"), "::error title=T::interrupted"),
    ],
)
def test_annotations(problem: Problem, expected: str) -> None:
    assert annotation("error", problem, "T") == expected


def test_annotations_are_relative_to_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path / "data")
    for name in ("v1.yaml", tmp_path / "data" / "v1.yaml"):
        made = annotation("warning", Problem(f"{name}:1:2", "x"), "a: b", str(tmp_path))
        assert made == "::warning file=data/v1.yaml,line=1,col=2,title=a%3A b::x"
    assert "file=../v1.yaml," in annotation("warning", Problem("../v1.yaml:1:2", "x"), "", str(tmp_path / "no"))


def validated(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "publisher.cli", "validate", "releases/v1.yaml", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_broken_manifest_is_annotated_on_github_alone(repository: Path) -> None:
    path = manifest("s3")
    path.write_text(path.read_text().replace("status: draft", "status: raft") + "colour: red\n")
    plain = validated(repository)
    assert plain.returncode == 2
    assert "::" not in plain.stderr + plain.stdout
    github = validated(repository, "--json", GITHUB_ACTIONS="true", GITHUB_WORKSPACE=str(repository))
    assert github.returncode == 2
    assert len(json.loads(github.stdout)["problems"]) == 2
    found = [line for line in github.stderr.splitlines() if line.startswith("::")]
    title = "title=This cannot go on as it is; nothing was written"
    assert found[0].startswith(f"::error file=releases/v1.yaml,line=4,col=1,{title}::status is 'raft'")
    assert found[1].startswith(f"::error file=releases/v1.yaml,line=8,col=1,{title}::unknown key 'colour'")
    assert len(found) == 2


def test_policies_in_the_documentation() -> None:
    text = (ROOT / "docs" / "how-to-ci.md").read_text()
    trust, publishing, set_up = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL))
    (statement,) = trust["Statement"]
    issuer = "token.actions.githubusercontent.com"
    wanted = {f"{issuer}:aud": "sts.amazonaws.com", f"{issuer}:sub": "PREFIX:environment:publish"}
    assert statement["Condition"] == {"StringEquals": wanted}
    actions = {action for part in publishing["Statement"] for action in [part["Action"]] if isinstance(action, str)}
    actions |= set(publishing["Statement"][0]["Action"])
    assert not {action for action in actions if re.search(r"\*|Delete|Policy|Acl|CORS", action)}
    assert set(set_up["Statement"][0]["Action"]).isdisjoint(actions)


@pytest.mark.usefixtures("repository")
def test_a_release_with_scenes_has_a_browser() -> None:
    """It is installed before there are credentials, in a version that is said; a release without scenes needs none."""
    path = manifest("s3")
    path.write_text(path.read_text() + "volumes:\n  - {name: em, external: 'precomputed://gs://elsewhere/em'}\n")
    assert run("github").exit_code == 0
    names = [step["name"] for step in yaml.safe_load(OUT.read_text())["jobs"]["release"]["steps"]]
    assert names.index("Install publisher") < names.index("Install Chromium") < names.index("Take on the role on AWS")
    assert re.search(r'pip install "playwright==\d+\.\d+\.\d+"', OUT.read_text())
    _lint(Path())
    assert run("github", "--no-render").exit_code == 0
    assert "hromium" not in OUT.read_text()
    assert "--no-render" in OUT.read_text()
    assert run("github", "--no-render", "--check").exit_code == 0
    assert "hromium" not in json.dumps(written("s3"))
