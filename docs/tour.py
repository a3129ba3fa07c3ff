"""Film the page and the dashboard of a running demo: `tailrank demo --serve`, then `python docs/tour.py`.

Writes docs/tour.webp and the pictures of the README. Needs Chromium, Pillow, and the dependency group `test`.
"""

from __future__ import annotations

import io
import shutil
import sys
from itertools import pairwise
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

DOCS = Path(__file__).parent
URL = "http://127.0.0.1:8000"
RIGHT = "ol[data-side='1'] > li"


class Film:
    """Frames, and for how many milliseconds each is seen."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.frames: list[tuple[Image.Image, int]] = []

    def take(self, milliseconds: int) -> None:
        """Take one frame."""
        shot = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        self.frames.append((shot, milliseconds))

    def run(self, frames: int) -> None:
        """Take frames while something moves."""
        for _ in range(frames):
            self.take(80)

    def write(self, file: Path) -> None:
        """Write an animated WebP; equal frames become one."""
        kept = [self.frames[0]]
        for (before, _), (after, time) in pairwise(self.frames):
            if before.tobytes() == after.tobytes():
                kept[-1] = kept[-1][0], kept[-1][1] + time
            else:
                kept.append((after, time))
        images, times = zip(*((image.resize((960, 675)), time) for image, time in kept), strict=True)
        images[0].save(
            file, save_all=True, append_images=images[1:], duration=list(times), loop=0, quality=60, method=6
        )
        print(f"{file}: {sum(times) / 1e3:.0f} s, {file.stat().st_size / 1e6:.1f} MB")


def try_it(film: Film) -> None:
    """Show what a list is made of, and what moves it."""
    page = film.page
    page.locator(RIGHT).first.wait_for()
    page.wait_for_timeout(1_000)
    film.take(4_000)
    page.locator(f"{RIGHT} >> button.item").first.hover()
    page.wait_for_timeout(400)
    film.take(4_000)
    page.screenshot(path=DOCS / "page-try.png")
    page.mouse.move(5, 5)
    menu = page.get_by_label("how it is made").last
    menu.select_option(label="without the language model")
    film.run(4)
    film.take(3_500)
    menu.select_option(label="tailrank")
    film.run(4)
    film.take(1_500)
    page.locator(f"{RIGHT} >> button.item").nth(2).click()
    film.run(5)
    film.take(3_000)
    page.get_by_role("button", name="Erase").first.click()
    film.run(5)
    film.take(2_500)
    for strength in range(1, 11):
        page.get_by_label("Long tail").fill(str(strength / 20))
        film.run(2)
    film.take(3_500)
    page.get_by_label("Long tail").fill("0")
    page.get_by_label("Or say what you are after").fill("something quiet for a rainy evening")
    film.take(2_000)
    page.get_by_role("button", name="Add", exact=True).click()
    page.wait_for_timeout(400)
    film.run(4)
    film.take(4_000)
    page.get_by_role("region", name="The catalogue as a map").scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    film.take(4_000)
    page.screenshot(path=DOCS / "page-map.png")


def dashboard(film: Film) -> None:
    """Show what the clicks so far made of the server."""
    film.page.bring_to_front()
    film.page.wait_for_timeout(2_000)
    film.take(5_000)
    film.page.screenshot(path=DOCS / "page-dashboard.png")


def main() -> None:
    """Film all of it."""
    browsers = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=next(browsers), args=["--no-sandbox"])
        url = sys.argv[1] if len(sys.argv) > 1 else URL
        behind, page = (browser.new_page(viewport={"width": 1280, "height": 900}) for _ in range(2))
        behind.goto(f"{url}/dashboard")  # its lines begin when it opens
        page.goto(url)
        film = Film(page)
        try_it(film)
        film.page = behind
        dashboard(film)
        film.write(DOCS / "tour.webp")
        browser.close()


if __name__ == "__main__":
    main()
