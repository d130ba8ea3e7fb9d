"""Draw the icons of the installed page anew, after a change of its favicon.svg.

    python docs/draw_icons.py

Needs Chromium, which playwright drives.
"""

from __future__ import annotations

import io
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

PAGE = Path(__file__).resolve().parents[1] / "bot" / "web" / "page"
ICONS = {"icon-192.png": 192, "icon-512.png": 512, "icon-full-512.png": 512}
SAFE = 0.72  # of a full icon: systems cut it to a shape of theirs, at most to a circle of 80 %
COLOURS = 64


def main() -> None:
    drawing = (PAGE / "favicon.svg").read_text("utf-8")
    ground = drawing.partition('fill="')[2].partition('"')[0]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for name, size in ICONS.items():
            is_full = "full" in name
            inner = round(size * SAFE) if is_full else size
            page = browser.new_page(viewport={"width": size, "height": size})
            colour = ground if is_full else "transparent"
            page.set_content(
                f"<style>body{{margin:0;height:{size}px;display:grid;place-items:center;"
                f"background:{colour}}} svg{{width:{inner}px}}</style>{drawing}"
            )
            picture = Image.open(io.BytesIO(page.screenshot(omit_background=True)))
            picture.quantize(COLOURS).save(PAGE / name, optimize=True)
        browser.close()


if __name__ == "__main__":
    main()
