"""Drawing on real processes: order, equality, and nobody left behind when the parent is killed."""

import io
import signal
import subprocess
import sys
import textwrap
import time

import psutil
import pytest
from PIL import Image

from components.data.sources.drawing import Drawing, draw, draw_all


def disc(radius: int) -> Drawing:
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 72 72"><circle cx="36" cy="36" r="{radius}" fill="red"/></svg>'
    return Drawing(svg=svg, size=72)


def test_pictures_come_in_order_and_equal_whatever_the_workers():
    discs = [disc(radius % 36) for radius in range(75)]
    alone = list(draw_all(discs, workers=1))
    assert list(draw_all(discs, workers=2)) == alone == [draw(one) for one in discs]
    assert Image.open(io.BytesIO(alone[20])).size == (72, 72)


def test_broken_svg_is_an_error_from_a_worker_too():
    with pytest.raises(ValueError, match="root node"):
        list(draw_all([Drawing(svg="<svg", size=72)], workers=2))


def test_no_system_font_is_ever_used():
    svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 72 72"><text x="9" y="50" font-size="40">A</text></svg>'
    assert Image.open(io.BytesIO(draw(Drawing(svg=svg, size=72)))).getbbox() is None


def test_workers_leave_when_their_parent_is_killed(tmp_path):
    script = tmp_path / "endless.py"
    script.write_text(
        textwrap.dedent(
            """
            import itertools, multiprocessing
            from components.data.sources.drawing import Drawing, draw_all

            if __name__ == "__main__":
                svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle r="5"/></svg>'
                for done, _ in enumerate(draw_all((Drawing(svg=svg, size=9) for _ in itertools.count()), workers=2)):
                    if done == 100:
                        print(*(child.pid for child in multiprocessing.active_children()), flush=True)
            """
        )
    )
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        workers = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        assert len(workers) == 2
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    deadline = time.monotonic() + 10
    while left := [one for one in workers if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]:
        assert time.monotonic() < deadline, f"still running 10 s after their parent was killed: {left}"
        psutil.wait_procs(left, timeout=0.1)
