"""The workflow's own scripts, as they stand in the file, in fresh clones of a repository like this one.

Each job gets a clone as deep as its checkout step asks for, an environment such as GitHub's, and its `run` steps in
order, each in the shell that GitHub would start. Not run: the actions (checkout, Python, signing in to a cloud), for
which the clone, the virtual environment and the target's own variables stand. publisher is installed by the workflow's
own command, once, with its dependencies taken from the environment of the tests instead of being downloaded again; the
inputs are prepared once, and the workflow's own command finds them done.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
import venv
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from publisher import ci
from tests.e2e.conftest import ROOT, publisher
from tests.servers.fixtures import BUCKET

WORKFLOW = ROOT / ci.OUT
INSTALL = 'python -m pip install ".[inputs,mesh]"'
PREPARE = "python releases/prepare_inputs.py"
MANIFEST = "releases/v0.9.yaml"
SHELL = ("bash", "--noprofile", "--norc", "-eo", "pipefail")  # what GitHub starts for `shell: bash`

pytestmark = pytest.mark.xdist_group("ci-steps")  # they share the environment that the jobs install into


@dataclass(frozen=True)
class TargetEnv:
    """Where the jobs publish to, and what reaches it: the variables stand for what the sign-in steps would set."""

    url: str
    variables: dict[str, str] = field(default_factory=dict)


@pytest.fixture(params=[pytest.param("folder", marks=pytest.mark.slow), "s3"])
def target_env(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TargetEnv:
    """Each target that jobs publish to; its variables reach the test's own look at it, too."""
    if request.param == "folder":
        return TargetEnv(str(tmp_path / "public"))
    server, prefix = request.getfixturevalue("seaweed"), request.getfixturevalue("prefix")
    made = TargetEnv(f"s3://{BUCKET}/{prefix}releases", server.env)
    for name, value in made.variables.items():
        monkeypatch.setenv(name, value)
    return made


@dataclass
class Done:
    """What a job did."""

    code: int
    log: str
    summary: str
    ran: list[str]


@dataclass
class Lab:
    """A repository on a server, and the runners that its workflow starts."""

    origin: Path
    binaries: Path
    inputs: Path
    variables: dict[str, str]
    installed: set[str]
    jobs: int = 0

    def git(self, *words: str, cwd: Path | None = None) -> str:
        identity = ["-c", "user.name=A. Author", "-c", "user.email=author@example.org", "-c", "commit.gpgsign=false"]
        command = ["git", *identity, *words]
        return subprocess.run(command, cwd=cwd or self.origin, capture_output=True, text=True, check=True).stdout

    def propose(self, name: str, change: Callable[[Path], object]) -> dict[str, str]:
        """Push a branch and let the server merge it for a pull request; return GitHub's words for that."""
        self.git("checkout", "--quiet", "-B", name, "main")
        change(self.origin)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", name)
        self.git("checkout", "--quiet", "-B", f"{name}-merge", "main")
        self.git("merge", "--quiet", "--no-ff", "--message", "merge", name)
        self.git("checkout", "--quiet", "main")
        return {
            "github.event_name": "pull_request",
            "github.ref": f"{name}-merge",
            "github.ref_name": "7/merge",
            "github.event.pull_request.head.repo.full_name": "lab/data",
        }

    def tag(self, name: str) -> dict[str, str]:
        self.git("tag", "--force", name, "main")
        return {"github.event_name": "push", "github.ref": name, "github.ref_name": name}

    def run(self, workflow: dict[str, Any], name: str, event: dict[str, str], **variables: str) -> Done | None:
        """Run a job; return None where its condition keeps it from running."""
        job = workflow["jobs"][name]
        words = {"github.repository": "lab/data", "github.run_id": "1"} | event
        words |= {f"vars.{key}": value for key, value in variables.items()}
        if not evaluate(job.get("if", "true"), words):
            return None
        self.jobs += 1
        place = self.origin.parent / f"job-{self.jobs}"
        (place / "temp").mkdir(parents=True)
        depth = next(step["with"]["fetch-depth"] for step in job["steps"] if "checkout@" in step.get("uses", ""))
        source = f"file://{self.origin}"
        clone = ["clone", "--quiet", f"--depth={depth}", f"--branch={words['github.ref']}", source, str(place / "data")]
        self.git(*clone)
        shutil.copytree(self.inputs, place / "data" / "releases" / "inputs")
        environment = self._environment(place, words)
        done = Done(0, "", "", [])
        for step in job["steps"]:
            if "run" not in step or not evaluate(step.get("if", "true"), words):
                continue
            if step["run"] in self.installed:
                continue
            done.ran.append(step["name"])
            own = {key: filled(value, words) for key, value in step.get("env", {}).items()}
            script = place / "temp" / "step.sh"
            script.write_text(step["run"])
            command = [*SHELL, str(script)]
            result = subprocess.run(
                command,
                cwd=place / "data",
                env=environment | own,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=600,
            )
            done.code, done.log = result.returncode, done.log + result.stdout
            if done.code:
                break
            if step["name"] == "Install publisher":
                self.installed.add(step["run"])
        summary = place / "temp" / "summary.md"
        done.summary = summary.read_text() if summary.exists() else ""
        return done

    def _environment(self, place: Path, words: dict[str, str]) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if key.startswith(("PIP_", "LC_", "LANG", "SSL_"))}
        return kept | {
            "PATH": f"{self.binaries}:{os.environ['PATH']}",
            # Tests of their own open scenes and run examples, which takes a minute each here.
            "PUBLISHER_EXAMPLES": "0",
            "PUBLISHER_RENDER": "0",
            "HOME": str(place / "temp"),
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": words["github.event_name"],
            "GITHUB_STEP_SUMMARY": str(place / "temp" / "summary.md"),
            "GITHUB_WORKSPACE": str(place / "data"),
            "RUNNER_TEMP": str(place / "temp"),
            "NO_MKDOCS_2_WARNING": "1",
            **self.variables,
        }


def evaluate(condition: str, words: dict[str, str]) -> bool:
    """Return what GitHub's expression comes to: comparisons of words and texts, joined by && alone."""
    python = re.sub(r"\b(github|vars)\.[\w.]+", lambda match: repr(words.get(match[0], "")), condition)
    return bool(eval(python.replace("&&", "and").replace("\n", " "), {"true": True}))


def filled(value: str, words: dict[str, str]) -> str:
    """Return a value of `env` with its expressions filled in; a word that GitHub has no value for is empty."""
    return re.sub(r"\$\{\{ ([\w.]+) \}\}", lambda match: words.get(match[1], ""), value)


@pytest.fixture(scope="module")
def binaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment of the jobs' own, which sees the packages of the tests below its own ones."""
    folder = tmp_path_factory.mktemp("runner") / "venv"
    venv.create(folder, with_pip=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "tests.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return folder / "bin"


@pytest.fixture(scope="module")
def installed() -> set[str]:
    """Commands that have installed publisher for the jobs of this module."""
    return set()


@pytest.fixture
def make_lab(inputs: Path, binaries: Path, installed: set[str], tmp_path: Path) -> Callable[..., Lab]:
    def make(**variables: str) -> Lab:
        origin = tmp_path / "origin"
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
        for name in filter(None, names):
            if (ROOT / name).is_file():
                (origin / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, origin / name)
        lab = Lab(origin, binaries, inputs, variables, installed)
        lab.git("init", "--quiet", "--initial-branch=main")
        lab.git("add", "--all")
        lab.git("commit", "--quiet", "--message", "first")
        return lab

    return make


def replace(old: str, new: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        text = (folder / MANIFEST).read_text()
        assert old in text
        (folder / MANIFEST).write_text(text.replace(old, new))

    return change


def test_the_workflow_of_this_repository(make_lab: Callable[..., Lab]) -> None:
    lab = make_lab()
    workflow = yaml.safe_load(WORKFLOW.read_text())
    request = lab.propose("elsewhere", lambda folder: (folder / "NEWS.md").write_text("Nothing.\n"))
    done = lab.run(workflow, "validate", request)
    assert done is not None
    assert done.code == 0, done.log
    assert f"{MANIFEST} is good" in done.log
    assert "Find the manifests that changed" in done.ran

    roles = {"AWS_REGION": "us-east-1", "AWS_ROLE_ARN": "arn:publish"}
    roles |= {"GCP_WORKLOAD_IDENTITY_PROVIDER": "provider", "GCP_SERVICE_ACCOUNT": "publisher@lab"}
    unknown = lab.run(workflow, "release", lab.tag("v0.1"), **roles)
    assert unknown is not None
    assert unknown.code == 2
    assert re.search(
        r"^::error title=.*::the tag v0\.1 releases the manifest releases/v0\.1\.yaml", unknown.log, re.MULTILINE
    )
    assert unknown.ran[-1] == "Find the manifest of the tag"

    code = "import publisher; print(publisher.__file__)"
    command = [lab.binaries / "python", "-c", code]
    where = subprocess.run(command, cwd=lab.origin.parent, capture_output=True, text=True, check=True).stdout
    assert where.startswith(str(lab.binaries.parent))  # the jobs ran what they installed, not this checkout


def test_a_pull_request_shows_its_problems_at_their_lines(make_lab: Callable[..., Lab]) -> None:
    lab = make_lab()
    workflow = yaml.safe_load(WORKFLOW.read_text())

    def change(folder: Path) -> None:
        replace("status: final", "status: finall")(folder)
        (folder / "releases" / "v1.0.yml").write_text("schema: 1\n")

    done = lab.run(workflow, "validate", lab.propose("broken", change))
    assert done is not None
    assert done.code == 2
    line = (ROOT / MANIFEST).read_text().splitlines().index("status: final") + 1
    assert f"::error file={MANIFEST},line={line},col=1,title=" in done.log
    assert "::error file=releases/v1.0.yml,line=1,col=1,title=" in done.log  # every manifest that changed is looked at


def test_plan_and_release(make_lab: Callable[..., Lab], target_env: TargetEnv, tmp_path: Path) -> None:
    variables = {"AWS_REGION": "us-east-1", "AWS_ROLE_ARN": "arn:publish", "AWS_PLAN_ROLE_ARN": "arn:plan"}
    lab = make_lab(**target_env.variables)
    workflow = _for_a_bucket(lab, tmp_path)
    replace("s3://bucket/releases", target_env.url)(lab.origin)
    lab.git("commit", "--quiet", "--all", "--message", "target")

    request = lab.propose("words", replace("title: Neuron segmentation", "title: Segmentation of neurons"))
    assert _passes(lab.run(workflow, "validate", request, **variables))
    planned = _passes(lab.run(workflow, "plan", request, **variables))
    assert planned.summary.startswith(f"### Plan of {MANIFEST} for aws\n\n~~~text\n+ v0.9/")
    assert re.search(r"^\d+ to add$", planned.summary, re.MULTILINE)
    assert lab.run(workflow, "release", request, **variables) is None

    fork = request | {"github.event.pull_request.head.repo.full_name": "stranger/data"}
    assert lab.run(workflow, "plan", fork, **variables) is None
    assert lab.run(workflow, "plan", request) is None  # nobody has set up a role that reads

    look = ("verify", lab.origin / MANIFEST, "--depth", "quick", "--json")
    unset = lab.run(workflow, "release", lab.tag("v0.9"), AWS_REGION="us-east-1")
    assert unset is not None
    assert (unset.code, unset.ran) == (1, ["Check the repository's variables"])
    assert "::error title=A variable is missing::Set AWS_ROLE_ARN under" in unset.log
    assert publisher(*look).code != 0  # nothing is live

    released = _passes(lab.run(workflow, "release", lab.tag("v0.9"), **variables))
    assert "is verified" in released.log
    assert publisher(*look).json["ok"]
    again = _passes(lab.run(workflow, "release", lab.tag("v0.9"), **variables))
    assert re.search(r"^0 objects written: ", again.log, re.MULTILINE)
    unchanged = lab.propose("elsewhere", lambda folder: (folder / "NEWS.md").write_text("Nothing.\n"))
    nothing = _passes(lab.run(workflow, "plan", unchanged, **variables)).summary
    assert re.search(r"^\d+ unchanged$", nothing, re.MULTILINE)
    assert "\n+ " not in nothing


def _for_a_bucket(lab: Lab, tmp_path: Path) -> dict[str, Any]:
    """Give the example a bucket for its target, and return the workflow that publisher writes for it."""
    text = (lab.origin / MANIFEST).read_text()
    targets = re.sub(r"(?m)^targets:\n(?:  .*\n)+", 'targets:\n  aws: {url: "s3://bucket/releases"}\n', text)
    assert targets != text
    (lab.origin / MANIFEST).write_text(targets)
    out = tmp_path / "publish.yml"
    words = ["ci", "github", "--manifest", MANIFEST, "--install", INSTALL, "--prepare", PREPARE, "--out", out]
    assert publisher(*words, cwd=lab.origin).code == 0
    return yaml.safe_load(out.read_text())  # type: ignore[no-any-return]


def _passes(done: Done | None) -> Done:
    assert done is not None
    assert done.code == 0, done.log
    return done
