"""What must never become public: hostile names and secrets (faults 17 and 18), and the tree that is walked for them."""

from __future__ import annotations

import gzip
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher import plan, runs, safety, tree
from publisher.errors import InvalidInput, Problem
from publisher.formats import precomputed
from publisher.objects import ObjectSpec
from publisher.targets import Nowhere
from publisher.tree import Tree

RELEASES = Path(__file__).parent.parent.parent / "releases"


def a_tree(path: Path, **more: object) -> Tree:
    return Tree(artifact="notes", key="v1/files/notes", path=path, **more)  # type: ignore[arg-type]


def planned(*trees: Tree) -> tuple[list[str], list[Problem]]:
    """Return the keys that a plan would publish, and what it refuses; where it refuses anything, it publishes nothing."""
    try:
        made = plan.plan(trees, Nowhere(), None, version="v1", final=False)
    except InvalidInput as error:
        return [], list(error.problems)
    return [change.key for change in made.changes], []


def write(path: Path, data: bytes | str = "Some notes.\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


# --- fault 17: hostile names ------------------------------------------------------------------------------------------

NAMES = (
    "bell\a.txt",
    "new\nline.txt",
    "carriage\rreturn.txt",
    "escape\x1b[31m.txt",
    "delete\x7f.txt",
    "zero\u200bwidth.txt",
    "right\u202eto-left.txt",
    "line\u2028separator.txt",
    "byte\ufefforder.txt",
    "back\\slash.txt",
    "..\\..\\climbs.txt",
    os.fsdecode(b"latin-\xe9.txt"),
    ".release",
    ".publisher",
    ".publisher-tmp",
)


def link_to_outside(root: Path) -> str:
    (root / "outside.txt").symlink_to("/etc/hostname")
    return "outside.txt"


def link_to_the_folder_above(root: Path) -> str:
    (root / "above").symlink_to("..")
    return "above"


def link_through_another(root: Path) -> str:
    (root.parent / "hop").symlink_to("/")
    (root / "through").symlink_to("../hop")
    return "through"


def link_to_itself(root: Path) -> str:
    (root / "circle").symlink_to(".")
    return "circle"


def pipe(root: Path) -> str:
    os.mkfifo(root / "pipe")
    return "pipe"


def long_key(root: Path) -> str:
    return str(write(root.joinpath(*["n" * 250] * 4, "notes.txt")).relative_to(root))


def two_cases(root: Path) -> str:
    write(root / "Notes.txt")
    write(root / "notes.txt")
    return "notes.txt"


def two_accents(root: Path) -> str:
    write(root / "cafe\u0301.txt")
    write(root / "caf\u00e9.txt")
    return "caf\u00e9.txt"


MAKERS = (
    link_to_outside,
    link_to_the_folder_above,
    link_through_another,
    link_to_itself,
    pipe,
    long_key,
    two_cases,
    two_accents,
)


def test_there_are_twenty() -> None:
    assert len(NAMES) + len(MAKERS) >= 20


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_hostile_name_is_named_and_not_published(name: str, tmp_path: Path) -> None:
    write(tmp_path / "source" / "good.txt")
    write(tmp_path / "source" / name)
    keys, problems = planned(a_tree(tmp_path / "source"))
    assert keys == []
    assert [problem.where for problem in problems] == [ascii(f"{tmp_path}/source/{name}")]
    assert problems[0].where.isascii()  # it cannot disturb the terminal that it is shown on
    assert problems[0].where.isprintable()


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_hostile_name_cannot_be_allowed(name: str, tmp_path: Path) -> None:
    write(tmp_path / "source" / name)
    assert planned(a_tree(tmp_path / "source", allow={name: "it looks nice"}))[0] == []


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_hostile_file_is_named_and_not_published(make: object, tmp_path: Path) -> None:
    write(tmp_path / "source" / "good.txt")
    assert callable(make)
    guilty = make(tmp_path / "source")
    keys, problems = planned(a_tree(tmp_path / "source"))
    assert keys == []
    assert [problem.where for problem in problems] == [f"{tmp_path}/source/{guilty}"]


def test_climbing_names_are_hostile() -> None:
    assert safety.hostile("..")
    assert safety.hostile(".")
    assert not safety.hostile("...")
    assert not safety.hostile(".zarray")


def test_links_inside_the_source_are_followed(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write(source / "data" / "one.csv", "body\n1\n")
    (source / "latest.csv").symlink_to("data/one.csv")
    (source / "newest").symlink_to("data")
    keys, problems = planned(a_tree(source))
    assert problems == []
    assert [key.removeprefix("v1/files/notes/") for key in keys] == ["data/one.csv", "latest.csv", "newest/one.csv"]


def test_links_between_folders_end(tmp_path: Path) -> None:
    """Two folders with links to each other would be walked for ever, twice as many with each step."""
    for here, there in (("a", "b"), ("b", "a")):
        (tmp_path / here).mkdir()
        for number in range(5):
            (tmp_path / here / f"link{number}").symlink_to(f"../{there}")
    problems = planned(a_tree(tmp_path))[1]
    assert len(problems) == 2 * 5 * 5
    assert {problem.message for problem in problems} == {"is a link to a folder that holds it"}


def test_a_source_may_be_a_link(tmp_path: Path) -> None:
    write(tmp_path / "data" / "one.csv", "body\n1\n")
    (tmp_path / "source").symlink_to("data")
    assert planned(a_tree(tmp_path / "source"))[0] == ["v1/files/notes/one.csv"]


def test_junk_is_left_out(tmp_path: Path) -> None:
    for name in (".DS_Store", "Thumbs.db", "._notes.txt", "notes.txt~", ".notes.txt.swp", "__pycache__/a.pyc"):
        write(tmp_path / name)
    write(tmp_path / "notes.txt")
    assert planned(a_tree(tmp_path)) == (["v1/files/notes/notes.txt"], [])


# --- fault 18: secrets ------------------------------------------------------------------------------------------------

SECRET_NAMES = (
    ".git/config",
    "sub/.git",  # a worktree's
    ".hg/store",
    ".ssh/config",
    ".aws/config",
    ".gnupg/trustdb.gpg",
    ".kube/config",
    ".cloudvolume/secrets/token.json",
    ".env",
    ".env.production",
    ".netrc",
    ".pgpass",
    ".pypirc",
    ".git-credentials",
    "id_rsa",
    "id_ed25519",
    "server.pem",
    "server.key",
    "backup.kdbx",
    "application_default_credentials.json",
    "flyem-service-account.json",
)

# In two parts each, so that nobody's scanner finds them here.
SECRET_TEXTS = {
    "a private key": "-----BEGIN OPENSSH " + "PRIVATE KEY-----\nb3BlbnNzaC1r\n",
    "an AWS access key": "AWS_ACCESS_KEY_ID=AKIA" + "2E0A8F3B244C9986",
    "an AWS secret key": "AWS_SECRET_ACCESS_KEY=" + "wJalrXUtnFEMIK7MDENGbPxRfiCYzEXAMPLEKEYa",
    "an Azure storage key": "AccountName=x;AccountKey=" + "A" * 86 + "==",
    "a Google service account key": '"private_key_id": "' + "0123456789abcdef" * 2 + '01234567"',
    "a Google API key": "key=AIza" + "SyA1234567890abcdefghijklmnopqrstuv",
    "a GitHub token": "token: ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
    "a GitLab token": "token: glpat-" + "a1B2c3D4e5F6g7H8i9J0",
    "a Slack token": "xoxb-" + "123456789012-abcdefghij",
    "a package index token": "password = pypi-" + "AgEIcHlwaS5vcmcCJDU",
    "a Hugging Face token": "HF_TOKEN=hf_" + "abcdefghijklmnopqrstuvwxyzABCDEFGH",
    "a bearer token (such as neuPrint's)": "eyJhbGciOiJIUzI1NiJ9.eyJlbWFpbCI6ImEifQ.c2lnbmF0dXJlIG9mIGEgdG9rZW4",
    "a neo4j password": "neo4j:SHA-256," + "0A" * 32 + "," + "0B" * 16 + ":",
    "a password in an address": "uri = bolt://neo4j:" + "opensesame@db.example.org:7687",
}


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_secret_by_its_name(name: str, tmp_path: Path) -> None:
    write(tmp_path / "good.txt")
    write(tmp_path / name)
    keys, problems = planned(a_tree(tmp_path))
    guilty = name if name.startswith("sub/") else name.split("/", maxsplit=1)[0]
    assert keys == []
    assert [problem.where for problem in problems] == [f"{tmp_path}/{guilty}"]
    assert f"allow: [{{path: {guilty}, reason: …}}]" in problems[0].hint


@pytest.mark.parametrize("kind", SECRET_TEXTS)
@pytest.mark.parametrize("name", ["notes.txt", "account.json", "without-extension", "job.sh"])
def test_secret_in_a_text(kind: str, name: str, tmp_path: Path) -> None:
    write(tmp_path / "sub" / name, f"first line\n{SECRET_TEXTS[kind]}\nlast line\n")
    keys, problems = planned(a_tree(tmp_path))
    assert keys == []
    assert [(p.where, p.message) for p in problems] == [(f"{tmp_path}/sub/{name}:2", f"holds {kind}")]
    assert SECRET_TEXTS[kind] not in str(problems)  # a message goes into logs


@pytest.mark.parametrize("kind", SECRET_TEXTS)
def test_secret_in_a_database_store(kind: str, tmp_path: Path) -> None:
    write(tmp_path / "dbms" / "auth", SECRET_TEXTS[kind])
    assert planned(a_tree(tmp_path, role=lambda _: "opaque"))[0] == []


def test_secret_in_the_head_of_a_large_text(tmp_path: Path) -> None:
    write(tmp_path / "log.txt", SECRET_TEXTS["a private key"] + "line\n" * 1_000_000)
    assert planned(a_tree(tmp_path))[0] == []


@pytest.mark.parametrize("name", [".netrc", ".ssh/", "notes.txt"])
def test_the_source_itself_is_a_secret(name: str, tmp_path: Path) -> None:
    source = tmp_path / name
    write(source / "config" if name.endswith("/") else source, SECRET_TEXTS["an AWS access key"])
    assert planned(a_tree(source))[0] == []
    if name == "notes.txt":  # what the hint says works
        assert planned(a_tree(source, allow={".": "made up"}))[1] == []


def test_override_by_exact_path_with_a_reason(tmp_path: Path) -> None:
    for name in ("notes.txt", "sub/notes.txt", "other.txt"):
        write(tmp_path / name, SECRET_TEXTS["an AWS access key"])
    write(tmp_path / ".env")
    write(tmp_path / "sub" / ".env")
    allow = {"notes.txt": "the key of AWS's own documentation", ".env": "no secret in it"}
    problems = planned(a_tree(tmp_path, allow=allow))[1]
    assert [problem.where for problem in problems] == [
        f"{tmp_path}/other.txt:1",
        f"{tmp_path}/sub/.env",
        f"{tmp_path}/sub/notes.txt:1",
    ]
    everything = dict.fromkeys(("notes.txt", "other.txt", ".env", "sub/.env", "sub/notes.txt"), "looked at")
    keys, problems = planned(a_tree(tmp_path, allow=everything))
    assert (len(keys), problems) == (5, [])


def test_override_of_a_folder_is_not_one_of_what_is_in_it(tmp_path: Path) -> None:
    write(tmp_path / ".git" / "config")
    write(tmp_path / ".git" / "credentials")
    problems = planned(a_tree(tmp_path, allow={".git": "the history is public"}))[1]
    assert [problem.where for problem in problems] == [f"{tmp_path}/.git/credentials"]


def test_override_of_a_link_out(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere" / "one.csv", "body\n1\n")
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "data").symlink_to("../elsewhere")
    keys, _ = planned(a_tree(tmp_path / "source", allow={"data": "the lab's shared disk"}))
    assert keys == ["v1/files/notes/data/one.csv"]


# --- no false alarms --------------------------------------------------------------------------------------------------


def realistic(root: Path) -> Iterator[Tree]:
    """Make what releases hold: chunks of every kind, metadata, tables, skeletons, meshes, a database and its inputs."""
    dice = random.Random(7)
    info = {
        "@type": "neuroglancer_multiscale_volume",
        "type": "segmentation",
        "data_type": "uint64",
        "num_channels": 1,
        "mesh": "mesh",
        "scales": [{"key": "8_8_8", "encoding": "compressed_segmentation"}],
    }
    write(root / "volume" / "info", json.dumps(info))
    write(
        root / "volume" / "provenance", json.dumps({"owners": ["someone@example.org"], "sources": ["gs://bucket/em"]})
    )
    for x in range(0, 512, 64):
        chunk = dice.randbytes(200)
        write(root / "volume" / "8_8_8" / f"{x}-{x + 64}_0-64_0-64.gz", gzip.compress(chunk, mtime=0))
        write(root / "volume" / "mesh" / f"{x}:0", json.dumps({"fragments": [f"{x}:0:0-64_0-64_0-64"]}))
    yield Tree("volume", "v1/volume", root / "volume", precomputed.roles(root / "volume"), encoded_names=True)
    for level in range(3):
        write(root / "zarr" / str(level) / ".zarray", json.dumps({"shape": [64, 64, 64]}))
        write(root / "zarr" / str(level) / "0.0.0", dice.randbytes(500))
        write(root / "zarr" / str(level) / "c" / "0" / "0", dice.randbytes(500))
    write(root / "zarr" / ".zattrs", json.dumps({"multiscales": [{"version": "0.4"}]}))
    yield Tree("zarr", "v1/zarr", root / "zarr")
    for body in dice.sample(range(10**9), 20):
        nodes = "".join(f"{n} 0 {dice.random() * 1e5:.3f} 1 2 9.5 {n - 1 or -1}\n" for n in range(1, 50))
        write(root / "swc" / f"{body}.swc", f"# from 'hemibrain:v1.2.1', made by someone@example.org\n{nodes}")
    yield Tree("swc", "v1/swc", root / "swc", only=".swc", role=lambda _: "swc")
    write(root / "neo4j" / "databases" / "neo4j" / "neostore", dice.randbytes(8192))
    for name in ("nodestore.db", "nodestore.db.id", "propertystore.db.strings.keys", "schemastore.db", "counts.db"):
        write(root / "neo4j" / "databases" / "neo4j" / f"neostore.{name}", dice.randbytes(8192))
    write(root / "neo4j" / "transactions" / "neo4j" / "neostore.transaction.db.0", dice.randbytes(64))
    write(root / "neo4j" / "databases" / "store_lock", b"")
    write(
        root / "neo4j" / "README.md",
        "Load with `neo4j-admin load`; the password is yours to choose: bolt://localhost:7687\n",
    )
    yield Tree("neo4j", "v1/neo4j", root / "neo4j", role=lambda _: "opaque")
    header = ":ID(Body-ID),bodyId:long,type:string,:LABEL\n"
    rows = "".join(f"{body},{body},DA1_lPN,hemibrain_Neuron;Segment\n" for body in dice.sample(range(10**15), 500))
    write(root / "inputs" / "Neuprint_Neurons.csv", header + rows)
    digest = "".join(dice.choices("0123456789abcdef", k=64))
    write(root / "inputs" / "Neuprint_Meta.csv", f"dataset,uuid\nhemibrain,{digest}\n")
    write(root / "inputs" / "SHA256SUMS", "".join(f"{digest}  file-{n}.csv\n" for n in range(200)))
    write(root / "inputs" / "key.csv", "key,secret_layer,token\n1,2,3\n")
    write(
        root / "inputs" / "keys.json",
        json.dumps({"api_key": "", "credentials": None, "url": "https://user@example.org"}),
    )
    write(root / "inputs" / "base64.json", json.dumps({"jpeg": gzip.compress(dice.randbytes(5000)).hex()}))
    write(root / "inputs" / "tokenizer.py", "import os\nkey = os.environ['AWS_SECRET_ACCESS_KEY']\n")
    write(root / "inputs" / ".env.example", "AWS_ACCESS_KEY_ID=\n")
    write(root / "inputs" / "mesh.obj", "".join(f"v {dice.random():.6f} 0 0\n" for _ in range(1000)))
    write(root / "inputs" / "pyramid.tar", dice.randbytes(10_000))
    yield Tree("inputs", "v1/inputs", root / "inputs")


def test_no_false_alarm_on_a_realistic_tree(tmp_path: Path) -> None:
    keys, problems = planned(*realistic(tmp_path))
    assert problems == []
    assert len(keys) == sum(1 for path in tmp_path.rglob("*") if path.is_file())


def test_no_false_alarm_on_the_inputs_of_our_own_releases(tmp_path: Path) -> None:
    """Where the example release's inputs are made; without them the folder of manifests is what there is."""
    source = RELEASES / "inputs" if (RELEASES / "inputs").is_dir() else tmp_path
    found = [item for item in tree.specs(a_tree(source), final=False) if isinstance(item, Problem)]
    assert found == []


@settings(max_examples=200)
@given(st.binary(max_size=4000))
def test_random_bytes_are_no_secret(data: bytes) -> None:
    assert safety.secret_text(data) == ("", 0)


# --- the order of keys ------------------------------------------------------------------------------------------------

_NAMES = st.text(alphabet="-./ab0_~ éß\u4e2d\U0001f9e0", min_size=1, max_size=6).filter(
    lambda name: "/" not in name and name not in {".", ".."} and not safety.junk(name)
)


def files(draw_from: dict[str, object], root: Path) -> int:
    """Write a nested mapping as folders and files; return how many files there are."""
    count = 0
    root.mkdir(exist_ok=True)
    for name, inside in draw_from.items():
        if isinstance(inside, dict):
            count += files(inside, root / name)
        else:
            (root / name).write_bytes(b"x")
            count += 1
    return count


@settings(max_examples=150, deadline=None)
@given(st.recursive(st.none(), lambda inside: st.dictionaries(_NAMES, inside, max_size=5), max_leaves=25))
def test_walk_is_in_the_byte_order_of_keys(content: dict[str, object] | None) -> None:
    with TemporaryDirectory() as scratch:
        count = files(content or {}, Path(scratch) / "source")
        found = list(tree.specs(a_tree(Path(scratch) / "source"), final=False))
    keys = [item.key.encode() for item in found if isinstance(item, ObjectSpec)]
    assert len(keys) == count
    assert keys == sorted(keys)
    assert all("only by case" in item.message for item in found if isinstance(item, Problem))


@settings(max_examples=200)
@given(st.lists(st.tuples(st.text(max_size=4), st.integers(0, 9)), max_size=60), st.integers(1, 9))
def test_in_order_is_sorted_whatever_the_run(items: list[tuple[str, int]], run: int) -> None:
    assert list(runs.in_order(iter(items), run)) == sorted(items)


def test_a_folder_larger_than_a_run_goes_through_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spilled = []
    spill = runs._spill  # noqa: SLF001 - that it spills is the point
    monkeypatch.setattr(runs, "_spill", lambda disk, batch: spilled.append(len(batch)) or spill(disk, batch))
    monkeypatch.setattr(runs.in_order, "__defaults__", (100,))
    monkeypatch.setattr(runs, "BLOCK", 7)
    names = [f"{number}-{number + 64}" for number in range(1050)]
    for name in names:
        (tmp_path / name).write_bytes(b"")
    found = [item.key for item in tree.specs(a_tree(tmp_path), final=False) if isinstance(item, ObjectSpec)]
    assert found == sorted(f"v1/files/notes/{name}" for name in names)
    assert sum(spilled) == len(names)
    assert max(spilled) == 100


def test_a_scale_that_no_info_speaks_of_is_stored_as_chunks_are(tmp_path: Path) -> None:
    write(tmp_path / "16_16_16" / "0-64_0-64_0-64.gz", gzip.compress(b"voxels"))
    (item,) = tree.specs(a_tree(tmp_path, encoded_names=True), final=False)
    assert isinstance(item, ObjectSpec)
    assert item.key == "v1/files/notes/16_16_16/0-64_0-64_0-64"
    assert item.headers.content_encoding == "gzip"


def test_gzip_is_more_than_its_magic(tmp_path: Path) -> None:
    good = gzip.compress(b"voxels " * 1000, mtime=0)
    assert tree.is_gzip(str(write(tmp_path / "good", good)))
    assert tree.is_gzip(str(write(tmp_path / "two-members", good + good)))
    assert not tree.is_gzip(str(write(tmp_path / "magic", good[:3] + bytes(100))))
    assert not tree.is_gzip(str(write(tmp_path / "cut", good[:-4])))
    assert not tree.is_gzip(str(write(tmp_path / "empty", b"")))
