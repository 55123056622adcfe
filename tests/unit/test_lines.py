"""Lines: many requests at once from one thread, to servers that behave in every way that servers do."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest
import trustme

from publisher.targets import lines as lines_module
from publisher.targets.lines import TIRED, Answer, Lines, straight

DONE = b'HTTP/1.1 200 OK\r\nETag: "a"\r\nContent-Length: 0\r\n\r\n'
Behaviour = Callable[[socket.socket], None]


def request(path: str, size: int = 0) -> bytes:
    return f"PUT {path} HTTP/1.1\r\nhost:here\r\ncontent-length:{size}\r\n\r\n".encode() + b"x" * size


def read_request(peer: socket.socket) -> bytes:
    """Return the head of a request, after its body has been read, too; b"" where the client left."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = peer.recv(1 << 16)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    left = int(head.rpartition(b"content-length:")[2].split(b"\r\n")[0]) - len(body)
    while left > 0:
        left -= len(peer.recv(min(left, 1 << 16)))
    return head


def told_back(peer: socket.socket) -> None:
    """Answer each request with its path as the ETag."""
    while head := read_request(peer):
        path = head.split()[1]
        peer.sendall(b"HTTP/1.1 200 OK\r\netag: " + path + b"\r\nContent-Length: 0\r\n\r\n")


def says(*parts: bytes, pause: float = 0.0) -> Behaviour:
    """Answer every request with these bytes, one after another."""

    def behave(peer: socket.socket) -> None:
        while read_request(peer):
            for part in parts:
                peer.sendall(part)
                time.sleep(pause)

    return behave


@contextmanager
def server(behave: Behaviour, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve on a free port; give the address."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve(peer: socket.socket) -> None:
        with suppress(OSError), peer:
            behave(context.wrap_socket(peer, server_side=True) if context else peer)

    def accept() -> None:
        with suppress(OSError):
            while True:
                peer, _ = listening.accept()
                Thread(target=serve, args=(peer,), daemon=True).start()

    Thread(target=accept, daemon=True).start()
    try:
        yield f"{'https' if context else 'http'}://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def certified(ca: Path) -> ssl.SSLContext:
    """Return what a server needs to encrypt; write whom to trust for it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(ca)
    return context


@contextmanager
def opened(address: str, ca: str = "", longest: float = 30) -> Iterator[Lines]:
    lines = Lines(address, ca, 5, longest)
    try:
        yield lines
    finally:
        lines.close()


def gathered(lines: Lines, count: int) -> dict[int, Answer]:
    found: dict[int, Answer] = {}
    deadline = time.monotonic() + 20
    while len(found) < count:
        assert time.monotonic() < deadline, found
        found |= {answer.number: answer for answer in lines.answers(1)}
    return found


def test_each_answer_is_told_with_the_number_of_its_request() -> None:
    with server(told_back) as address, opened(address) as lines:
        sent = 0
        found: dict[int, Answer] = {}
        while len(found) < 500:
            while sent < 500 and lines.flying < 20:
                lines.send(sent, request(f"/{sent}", sent))
                sent += 1
            found |= {answer.number: answer for answer in lines.answers(5)}
    assert {
        number: (answer.status, f"etag: /{number}\r\n" in answer.head.decode()) for number, answer in found.items()
    } == dict.fromkeys(range(500), (200, True))
    assert lines.flying == lines.flying_bytes == 0


def test_a_large_request_goes_out_in_pieces_while_small_ones_pass() -> None:
    with server(told_back) as address, opened(address) as lines:
        lines.send(0, request("/large", 30_000_000))
        lines.send(1, request("/small", 10))
        found = gathered(lines, 2)
    assert [found[number].status for number in (0, 1)] == [200, 200]
    assert found[1].seconds < found[0].seconds


def test_what_follows_a_request_is_sent_behind_it() -> None:
    with server(told_back) as address, opened(address) as lines:
        for number, size in enumerate((0, 5, 30_000_000, 1)):  # the last on the line of those before
            lines.send(number, request(f"/{number}", size)[: -size or None], b"x" * size)
            answer = gathered(lines, 1)[number]
            assert (answer.status, lines.flying_bytes) == (200, 0)


@pytest.mark.parametrize("encrypted", [False, True])
def test_what_goes_out_slowly_does_not_stand_still(tmp_path: Path, *, encrypted: bool) -> None:
    whole = request("/", 60_000_000)
    head = whole[:-60_000_000]

    def slow(peer: socket.socket) -> None:
        for number, start in enumerate(range(0, len(whole), 4 << 20)):
            time.sleep(0.3 if number < 8 else 0)
            wanted = min(4 << 20, len(whole) - start)
            while wanted and (size := len(peer.recv(wanted))):
                wanted -= size
        peer.sendall(DONE)

    context = certified(tmp_path / "ca.pem") if encrypted else None
    ca = str(tmp_path / "ca.pem") if encrypted else ""
    with server(slow, context) as address, opened(address, ca, longest=1.2) as lines:
        lines.send(0, head, whole[len(head) :])
        answer = gathered(lines, 1)[0]
    assert answer.status == 200
    assert answer.seconds > 2


@pytest.mark.parametrize(
    ("parts", "status", "body"),
    [
        ((b"HTTP/1.1 100 Continue\r\n\r\n", DONE), 200, b""),
        ((DONE[:9], DONE[9:30], DONE[30:]), 200, b""),
        ((b"HTTP/1.1 503 Slow\r\nContent-Length: 5\r\n\r\n", b"Later"), 503, b"Later"),
        ((b"HTTP/1.1 412 No\r\ncontent-length: 2\r\n\r\nno",), 412, b"no"),
    ],
)
def test_answers_come_in_any_pieces(parts: tuple[bytes, ...], status: int, body: bytes) -> None:
    with server(says(*parts, pause=0.02)) as address, opened(address) as lines:
        for number in range(3):  # on the same line: what follows an answer is not read as another
            lines.send(number, request("/", 4))
            answer = gathered(lines, 1)[number]
            assert (answer.status, answer.body) == (status, body)
        assert len(lines._lines) == 1  # noqa: SLF001 - that a line is used again is what is promised


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"]
)
def test_a_line_whose_end_is_not_told_is_not_used_again(answer: bytes) -> None:
    with server(says(answer)) as address, opened(address) as lines:
        lines.send(0, request("/"))
        assert gathered(lines, 1)[0].status == 200
        assert lines._lines == {}  # noqa: SLF001 - as above


def test_a_refusal_that_comes_before_the_body_was_read_is_told() -> None:
    def refuse(peer: socket.socket) -> None:
        peer.recv(100)
        peer.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        time.sleep(1)

    with server(refuse) as address, opened(address) as lines:
        lines.send(0, request("/", 50_000_000))
        answer = gathered(lines, 1)[0]
    assert (answer.status, answer.body) == (403, b"no")
    assert lines._lines == {}  # noqa: SLF001 - half of a request is on it


def test_what_gets_no_answer_is_told() -> None:
    with server(lambda peer: peer.close()) as address, opened(address) as lines:
        lines.send(0, request("/"))
        assert gathered(lines, 1)[0].status == 0
    with server(lambda _: time.sleep(60)) as address, opened(address, longest=0.5) as lines:
        lines.send(0, request("/"))
        answer = gathered(lines, 1)[0]
        assert (answer.status, str(answer.error)) == (0, "timed out")
        assert not lines.tired


def test_a_line_that_was_closed_while_it_was_idle_is_not_used_again() -> None:
    with server(lambda peer: (read_request(peer), peer.sendall(DONE))[0] and None) as address, opened(address) as lines:
        for number in range(5):
            lines.send(number, request("/"))
            assert gathered(lines, 1)[number].status == 200
            time.sleep(0.05)
            assert lines.answers(0) == []


def test_where_nobody_is_no_more_is_tried() -> None:
    with server(told_back) as address:
        pass
    with opened(address) as lines:
        for number in range(TIRED):
            assert not lines.tired
            lines.send(number, request("/"))
            answer = gathered(lines, 1)[number]
            assert answer.status == 0
            assert isinstance(answer.error, OSError)
        assert lines.tired


def test_a_nudge_ends_waiting() -> None:
    with server(told_back) as address, opened(address) as lines:
        Thread(target=lambda: (time.sleep(0.1), lines.nudge())).start()
        start = time.monotonic()
        assert lines.answers(10) == []
        assert time.monotonic() - start < lines_module._LOOK_SECONDS  # noqa: SLF001 - it would have looked up then


def test_encrypted_lines(tmp_path: Path) -> None:
    context = certified(tmp_path / "ca.pem")
    with server(told_back, context) as address:
        with opened(address, str(tmp_path / "ca.pem")) as lines:
            for number in range(40):
                lines.send(number, request(f"/{number}", 300_000))
            found = gathered(lines, 40)
            assert {answer.status for answer in found.values()} == {200}
            assert all(f"etag: /{number}\r\n" in answer.head.decode() for number, answer in found.items())
        with opened(address) as lines:  # the control: an authority that nobody trusts
            lines.send(0, request("/"))
            answer = gathered(lines, 1)[0]
            assert answer.status == 0
            assert "CERTIFICATE_VERIFY_FAILED" in str(answer.error)


def test_a_proxy_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    assert straight("https://s3.example.org/bucket")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.org:3128")
    assert not straight("https://s3.example.org/bucket")
    assert straight("http://s3.example.org/bucket")
    monkeypatch.setenv("NO_PROXY", "s3.example.org")
    assert straight("https://s3.example.org/bucket")
