import subprocess
import sys
from pathlib import Path

from market_maker import logfiles


def test_small_files_stay(tmp_path: Path) -> None:
    log = tmp_path / "quoter.log"
    log.write_text("line\n")
    assert not logfiles.rotate(log, max_bytes=100)
    assert not logfiles.rotate(tmp_path / "absent.log", max_bytes=100)
    assert [file.name for file in tmp_path.iterdir()] == ["quoter.log"]


def test_at_most_five_old_files_remain_and_the_newest_is_number_one(tmp_path: Path) -> None:
    log = tmp_path / "quoter.log"
    for number in range(9):
        log.write_text(f"{number}\n" * 100)
        assert logfiles.rotate(log, max_bytes=100)
    old = sorted(file.name for file in tmp_path.iterdir() if file != log)
    assert old == [f"quoter.log.{n}" for n in range(1, 6)]
    assert (tmp_path / "quoter.log.1").read_text().startswith("8")
    assert (tmp_path / "quoter.log.5").read_text().startswith("4")


def test_the_writer_goes_on_in_the_same_file(tmp_path: Path) -> None:
    """`tail -f` follows the file, so the child must not keep writing into a renamed one."""
    log = tmp_path / "quoter.log"
    script = "import sys\nfor line in sys.stdin: print(line * 30, end='', flush=True)"
    with logfiles.open_log(log) as output:
        child = subprocess.Popen([sys.executable, "-uc", script], stdin=subprocess.PIPE, stdout=output, text=True)
    assert child.stdin is not None
    child.stdin.write("before\n")
    child.stdin.flush()
    while log.stat().st_size < 30 * len("before\n"):
        pass
    assert logfiles.rotate(log, max_bytes=10)
    child.communicate("after\n", timeout=10)
    assert log.read_text() == "after\n" * 30
    assert (tmp_path / "quoter.log.1").read_text() == "before\n" * 30


def test_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    assert logfiles.last_lines(log, 2) == []
    log.write_text("a\nb\nc\n")
    assert logfiles.last_lines(log, 2) == ["b", "c"]
