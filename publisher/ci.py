"""Workflows that publish from CI: written from a manifest's targets, so that nobody copies them by hand."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from publisher import manifest
from publisher.errors import InvalidInput, Problem
from publisher.resources import folder

INSTALL = "python -m pip install -r requirements.txt"
OUT = Path(".github/workflows/publish.yml")
PLAYWRIGHT = "1.65.2"  # which publisher's own tests drive Chromium with
PYTHON = "3.11"  # the version that publisher's own tests run on
_CLOUDS = {"s3": "aws", "gs": "gcp"}  # whose credentials a scheme needs
# Repository variables: names of roles, none of them a secret.
_ROLES = {"aws": "AWS_ROLE_ARN", "gcp": "GCP_SERVICE_ACCOUNT"}
_PLAN_ROLES = {"aws": "AWS_PLAN_ROLE_ARN", "gcp": "GCP_PLAN_SERVICE_ACCOUNT"}
_PLACES = {"aws": "AWS_REGION", "gcp": "GCP_WORKLOAD_IDENTITY_PROVIDER"}


@dataclass(frozen=True, slots=True)
class Settings:
    """What a workflow is written from. Paths are relative to the top of the repository, which is the current folder."""

    manifest: Path | None = None
    """A manifest like those that will be released; without it, the only one in `releases/`."""
    prepare: str = ""
    """Command that brings the inputs to where the manifests name them."""
    install: str = INSTALL
    """Command that installs publisher."""
    out: Path = OUT
    render: bool = True
    """Whether the release opens its scenes in a browser, where the manifest has any."""


def github(settings: Settings) -> str:
    """Return the text of a GitHub workflow: validate and plan a pull request, release a tag.

    It releases to the manifest's targets in buckets; where there are none, it validates and no more.

    Raises:
        InvalidInput: the manifest or the settings.

    """
    path = _manifest(settings)
    _say_how_to_install(settings)
    clouds: dict[str, list[str]] = {}
    release = manifest.load(path).release
    for name, target in release.targets.items():
        cloud = _CLOUDS.get(target.url.partition("://")[0])
        if cloud is not None:
            clouds.setdefault(cloud, []).append(name)
    text = _environment().get_template("github.yml.jinja")
    return text.render(
        command=_command(settings, path),
        manifest=path.as_posix(),
        folder=path.parent.as_posix(),
        install=settings.install,
        prepare=settings.prepare,
        python=PYTHON,
        render=PLAYWRIGHT if settings.render and release.views else "",
        clouds=clouds,
        roles=_ROLES,
        plan_roles=_PLAN_ROLES,
        may_plan=[f"vars.{_PLAN_ROLES[cloud]} != ''" for cloud in clouds],
        variables={cloud: (_ROLES[cloud], _PLACES[cloud]) for cloud in clouds},
    )


def write(settings: Settings) -> bool:
    """Write the workflow; return whether that changed the file.

    Raises:
        InvalidInput: the manifest or the settings.

    """
    text = github(settings)
    if settings.out.is_file() and settings.out.read_text(encoding="utf-8") == text:
        return False
    settings.out.parent.mkdir(parents=True, exist_ok=True)
    settings.out.write_text(text, encoding="utf-8")
    return True


def check(settings: Settings) -> bool:
    """Compare the workflow that is there with the one that would be written; return False, as nothing was.

    Raises:
        InvalidInput: it differs, from a certain line on; or the manifest or the settings.

    """
    text, out = github(settings), settings.out
    if not out.is_file():
        raise InvalidInput(Problem(str(out), "is not there", "run the same command without --check"))
    there = out.read_text(encoding="utf-8")
    if there == text:
        return False
    pairs = enumerate(zip_longest(there.splitlines(), text.splitlines()), start=1)
    line = next((number for number, (left, right) in pairs if left != right), 1)
    raise InvalidInput(
        Problem(f"{out}:{line}:1", "is not what publisher writes", "run the same command without --check")
    )


def manifest_of(tag: str, place: Path) -> Path:
    """Return the manifest that a tag releases: the one of that name in the folder `place`.

    Raises:
        InvalidInput: there is none, or its version is not the tag.

    """
    paths = [place / f"{tag}{suffix}" for suffix in (".yaml", ".yml")]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        message = f"the tag {tag} releases the manifest {paths[0]}, and there is none"
        raise InvalidInput(Problem("", message, "add it and move the tag, or tag the commit that has it"))
    loaded = manifest.load(path)
    version = loaded.release.version
    if version != tag:
        message = f"version is {version}, but the tag that releases this manifest is {tag}"
        raise InvalidInput(
            Problem(loaded.where("version"), message, "a tag, its manifest and its version have one name")
        )
    return path


def _manifest(settings: Settings) -> Path:
    """Return the manifest's path from the top of the repository."""
    path = settings.manifest
    if path is None:
        found = sorted(path for path in Path("releases").glob("*.y*ml") if path.suffix in {".yaml", ".yml"})
        if len(found) != 1:
            there = f"there are {', '.join(map(str, found))}" if found else "there is none in releases/"
            raise InvalidInput(Problem("--manifest", "say which manifest the workflow is for", there))
        path = found[0]
    here = Path.cwd()
    if not path.resolve().is_relative_to(here):
        raise InvalidInput(
            Problem("--manifest", f"{path} is outside of {here}", "run this at the top of the repository")
        )
    path = path.resolve().relative_to(here)
    if path.parent == Path():
        message = f"{path} lies at the top of the repository, among other YAML files"
        raise InvalidInput(Problem("--manifest", message, "give manifests a folder of their own, such as releases/"))
    _one_line("--manifest", path.as_posix())
    return path


def _say_how_to_install(settings: Settings) -> None:
    """Refuse what would not work in a workflow, or would work by accident."""
    _one_line("--install", settings.install)
    _one_line("--prepare", settings.prepare)
    if settings.install == INSTALL and not Path("requirements.txt").is_file():
        message = "there is no requirements.txt here that says which publisher CI installs"
        hint = "write one, or give the command, such as --install 'python -m pip install \"./publisher[s3]\"'"
        raise InvalidInput(Problem("--install", message, hint))


def _one_line(option: str, text: str) -> None:
    if not text.isprintable():
        raise InvalidInput(Problem(option, "must be one line of printable text", "put more into a script"))
    if "${{" in text:
        message = "must not hold ${{ }}: GitHub would paste the value into the script"
        raise InvalidInput(Problem(option, message, "read an environment variable instead"))


def _command(settings: Settings, path: Path) -> str:
    """Return the words that write this very workflow."""
    words = ["publisher", "ci", "github", "--manifest", path.as_posix()]
    for option, value, default in (
        ("--prepare", settings.prepare, ""),
        ("--install", settings.install, INSTALL),
        ("--out", settings.out.as_posix(), OUT.as_posix()),
    ):
        if value != default:
            words += [option, value]
    words += [] if settings.render else ["--no-render"]
    return shlex.join(words)


def _environment() -> Environment:
    made = Environment(  # noqa: S701 - YAML, where HTML's escapes would be wrong
        loader=FileSystemLoader(folder("templates") / "ci"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        variable_start_string="<%=",
        variable_end_string="%>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<%#",
        comment_end_string="%>",
    )
    made.filters["quoted"] = lambda value: json.dumps(value, ensure_ascii=False)
    return made
