"""Runs in the example's own interpreter, which may have nothing of publisher: `python -I inside.py example.py routes`.

First every call of a function that the example imports is held against that function's signature. Then the example runs
as it stands, its service's address leading to a stand-in on this machine, and every other address nowhere.
"""

from __future__ import annotations

import ast
import inspect
import json
import runpy
import socket
import sys
from pathlib import Path
from typing import Any

UNFIT = 3  # exit code: a call does not fit what it calls


def main(path: str, routes: str) -> None:
    """Check an example's calls, and run it where `routes` names its service's host and port."""
    text = Path(path).read_text(encoding="utf-8")
    if wrong := unfit(text):
        print("\n".join(wrong))  # noqa: T201 - the parent reads it
        raise SystemExit(UNFIT)
    if places := json.loads(routes):
        _lead(places)
        runpy.run_path(path, run_name="__main__")


def unfit(text: str) -> list[str]:
    """Return what is wrong with calls of what an example imports; what its own values are, only running it tells."""
    tree = ast.parse(text)
    names: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            exec(compile(ast.Module([node], []), "<example>", "exec"), names)  # noqa: S102 - its imports, and no more
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [wrong for call in calls if (wrong := _misfit(call, names))]


def _misfit(call: ast.Call, names: dict[str, Any]) -> str:
    try:
        called = _value(call.func, names)
    except AttributeError as error:
        return f"line {call.lineno}: {error}"
    if called is None or any(isinstance(each, ast.Starred) for each in call.args):
        return ""
    try:
        signature = inspect.signature(called)
    except (TypeError, ValueError):  # written in C, and silent about itself
        return ""
    try:
        signature.bind(*call.args, **{each.arg: each.value for each in call.keywords if each.arg})
    except TypeError as error:
        return f"line {call.lineno}: {ast.unparse(call.func)}: {error}"
    return ""


def _value(node: ast.expr, names: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever the example imports
    """Return what a name or an attribute of an imported thing stands for; None for the example's own values."""
    if isinstance(node, ast.Name):
        return names.get(node.id) if not node.id.startswith("__") else None
    if isinstance(node, ast.Attribute):
        inner = _value(node.value, names)
        return None if inner is None else getattr(inner, node.attr)
    return None


def _lead(routes: dict[str, int]) -> None:
    """Let each of these hosts be a port of this machine, and no other host be anywhere."""
    real = socket.getaddrinfo

    def lead(host: Any, port: Any, *more: Any, **others: Any) -> Any:  # noqa: ANN401 - as the system's own
        name = host.decode() if isinstance(host, bytes) else str(host)
        if name not in routes:
            raise socket.gaierror(f"the example asked for {name}:{port}, and only {', '.join(routes)} has a stand-in")
        return real("127.0.0.1", routes[name], *more, **others)

    socket.getaddrinfo = lead


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
