"""Progress in lines: what a log file and a notebook see of long work."""

import io
import time

from tailrank.reporting import Progress, counted, part, progress_lines, silent, step


def wait_for(text: str, stream: io.StringIO, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while text not in stream.getvalue():
        assert time.monotonic() < end, stream.getvalue()
        time.sleep(0.01)


def test_a_task_that_says_nothing_for_long_is_told_of_again_and_again() -> None:
    stream = io.StringIO()
    with progress_lines(stream, first=0.02, every=0.05) as progress, step(progress, "reading shop"):
        wait_for("so far\nreading shop: ", stream)
    assert stream.getvalue().splitlines()[-1].startswith("reading shop: done, ")


def test_a_line_says_how_much_is_done_how_fast_and_how_much_time_is_left() -> None:
    stream = io.StringIO()
    with progress_lines(stream, first=0.02, every=0.05) as progress:
        progress("encoding", 0, 9_742)
        progress("encoding", 2_435, 9_742, "long texts first")
        wait_for("encoding: long texts first: 2,435 of 9,742 (25%), ", stream)
        wait_for("/s, about ", stream)
        time.sleep(0.05)
        progress("encoding", 9_742, 9_742)
    assert "encoding: done, 9,742 in " in stream.getvalue()


def test_after_an_inner_task_the_outer_one_is_told_of() -> None:
    stream = io.StringIO()
    with progress_lines(stream, first=0.02, every=0.05) as progress:
        progress("fit", 0, 2, "sequence")
        progress("epoch", 0, 3)
        wait_for("epoch: 0 of 3", stream)
        progress("epoch", 3, 3)
        wait_for("fit: sequence: 0 of 2", stream)


def test_quick_tasks_leave_no_line() -> None:
    stream = io.StringIO()
    with progress_lines(stream) as progress, step(progress, "reading"):
        pass
    assert not stream.getvalue()


def test_work_goes_on_when_nobody_reads_its_lines() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    with progress_lines(Gone(), first=0.01, every=0.01) as progress, step(progress, "reading"):
        time.sleep(0.1)
        progress("writing", 1, 2)


def test_parts_and_batches_are_counted_as_of_the_whole() -> None:
    told: list[tuple[str, int, int | None]] = []

    def note(task: str, done: int, total: int | None, note: str = "") -> None:
        told.append((task, done, total))

    progress: Progress = note
    assert list(counted(["ab", "c"], progress, "rank", 3)) == ["ab", "c"]
    part(progress, 10, 18, 20)("encode", 5, 8)
    silent("rank", 0, None)
    assert told == [("rank", 0, 3), ("rank", 2, 3), ("rank", 3, 3), ("encode", 15, 20)]
