"""What must never become public by accident: hostile names, and secrets that lie about in a tree. Pure functions."""

from __future__ import annotations

import re
import unicodedata
from fnmatch import translate

MAX_KEY_BYTES = 1024  # S3's and GCS's limit on the UTF-8 form of an object's key

OWN_NAMES = frozenset({".release", ".publisher", ".publisher-tmp"})  # records, work folders, what is half written

# Left by desktops and editors, in nobody's interest: these are never published, and nobody is asked.
JUNK = (".DS_Store", "Thumbs.db", "desktop.ini", "._*", "*~", ".*.swp", "__pycache__", ".ipynb_checkpoints")

SECRET_FOLDERS = frozenset({".git", ".hg", ".svn", ".ssh", ".aws", ".gnupg", ".docker", ".kube", ".cloudvolume"})
SECRET_FILES = (
    ".env", ".env.*", ".netrc", "_netrc", ".pgpass", ".npmrc", ".pypirc", ".htpasswd", ".git-credentials", ".boto",
    ".s3cfg", "rclone.conf", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "*.pem", "*.key", "*.p12", "*.pfx", "*.kdbx",
    "*.jks", "*.ppk", "*.keystore", "credentials", "credentials.json", "application_default_credentials.json",
    "*service-account*.json", "*service_account*.json", "*-secret.json",
)  # fmt: skip
HARMLESS_FILES = frozenset({".env.example", ".env.sample", ".env.template"})
_JUNK = re.compile("|".join(map(translate, JUNK)))
_SECRET_NAME = re.compile("|".join(map(translate, SECRET_FILES)))

# (what it is, words of which one must be there, pattern). Looking for words is a hundred times faster than patterns.
_SECRET_TEXTS = tuple(
    (what, words, re.compile(pattern))
    for what, words, pattern in (
        ("a private key", (b"PRIVATE KEY",), rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY"),
        ("an AWS access key", (b"AKIA", b"ASIA"), rb"(?<![0-9A-Z])(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Z])"),
        (
            "an AWS secret key",
            (b"secret_access_key", b"SECRET_ACCESS_KEY"),
            rb"(?i:aws_secret_access_key)[\"']?\s*[=:]\s*[\"']?[A-Za-z0-9/+]{40}",
        ),
        ("an Azure storage key", (b"AccountKey=",), rb"AccountKey=[A-Za-z0-9/+]{86}=="),
        ("a Google service account key", (b"private_key_id",), rb"\"private_key_id\"\s*:\s*\"[0-9a-f]{40}\""),
        ("a Google API key", (b"AIza",), rb"(?<![0-9A-Za-z_-])AIza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])"),
        (
            "a GitHub token",
            (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_"),
            rb"(?<![0-9A-Za-z])(?:gh[pousr]_[0-9A-Za-z]{36}|github_pat_[0-9A-Za-z_]{22})",
        ),
        ("a GitLab token", (b"glpat-",), rb"(?<![0-9A-Za-z])glpat-[0-9A-Za-z_-]{20}"),
        ("a Slack token", (b"xox",), rb"(?<![0-9A-Za-z])xox[abprs]-[0-9A-Za-z-]{10}"),
        (
            "a package index token",
            (b"pypi-", b"npm_"),
            rb"(?<![0-9A-Za-z])(?:pypi-AgEIcHlwaS5vcmc|npm_[0-9A-Za-z]{36})",
        ),
        ("a Hugging Face token", (b"hf_",), rb"(?<![0-9A-Za-z])hf_[0-9A-Za-z]{34}"),
        (
            "a bearer token (such as neuPrint's)",
            (b"eyJ",),
            rb"eyJ[0-9A-Za-z_-]{10,}\.eyJ[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{20,}",
        ),
        ("a neo4j password", (b":SHA-256,",), rb"(?<!\S)[^\s:,]+:SHA-256,[0-9A-F]{64},[0-9A-F]{8,}"),
        (
            "a password in an address",
            (b"postgres", b"mysql://", b"mongodb", b"redis://", b"amqp://", b"bolt://", b"neo4j://"),
            rb"(?:postgres(?:ql)?|mysql|mongodb(?:\+srv)?|redis|amqp|bolt|neo4j)://[^\s:/@]+:[^\s/@]+@",
        ),
    )
)
SCANNED_BYTES = 1 << 20  # of the head of each text


# What nearly all files of a dataset are called: chunks, segments, shards. Nothing in these can be hostile or secret.
_PLAIN = re.compile(r"[0-9][0-9_:-]*(?:\.(?:gz|swc|shard|frag|index|ngmesh|obj|ply|json))?")


def plain(name: str) -> bool:
    """Whether a file of this name needs no further look: it is no junk, not hostile, no secret, and folds to itself."""
    return _PLAIN.fullmatch(name) is not None


def junk(name: str) -> bool:
    """Whether a file or folder of this name is a leftover of a desktop or an editor."""
    return _JUNK.match(name) is not None


def fold(name: str) -> str:
    """Return what a name becomes on a disk that ignores case and composes accents."""
    return unicodedata.normalize("NFC", name).casefold()


def hostile(name: str) -> str:
    """Return why this name of a file or folder cannot be a part of a key, or nothing."""
    if name in {".", ".."}:
        return "climbs out of its folder"
    if "\\" in name:
        return "has a backslash in its name, which some stores take for a folder"
    try:
        name.encode()
    except UnicodeEncodeError:
        return "has a name that is not UTF-8"
    if name in OWN_NAMES:
        return "has a name that publisher keeps for itself"
    if any(unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp"} for character in name):
        return "has an invisible or control character in its name"
    return ""


def secret_name(name: str, *, folder: bool) -> str:
    """Return what kind of secret a file or folder of this name holds, or nothing."""
    if folder:
        return "a folder of secrets or of version control" if name in SECRET_FOLDERS else ""
    if name in SECRET_FOLDERS:  # a worktree's .git is a file
        return "a pointer to version control"
    lower = name.lower()
    if lower in HARMLESS_FILES:
        return ""
    return "a secret by its name" if _SECRET_NAME.match(lower) else ""


def secret_text(data: bytes) -> tuple[str, int]:
    """Return what kind of secret stands in this text, and on which line, or nothing; binary data is not searched."""
    if b"\0" in data:
        return "", 0
    for what, words, pattern in _SECRET_TEXTS:
        found = pattern.search(data) if any(word in data for word in words) else None
        if found is not None:
            return what, data.count(b"\n", 0, found.start()) + 1
    return "", 0
