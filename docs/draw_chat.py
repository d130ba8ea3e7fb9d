"""Draw a chat as Discord would show it, for the README: from what a simulated Discord recorded.

    python docs/draw_chat.py CHAT.json PICTURE.png

CHAT.json is a list of {"author", "content", "buttons", "image": FILE or null}; the text is
shown by the marks of Discord's Markdown that the bot uses, nothing else. Needs Chromium, which
playwright drives.
"""

from __future__ import annotations

import base64
import html
import json
import re
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

STYLE = """
body{margin:0;background:#313338;color:#dbdee1;font:16px/1.375 "gg sans","Noto Sans",sans-serif;
padding:16px;width:720px}
.m{display:flex;gap:14px;margin:0 0 18px}.a{width:40px;height:40px;border-radius:50%;flex:none;
display:grid;place-items:center;font-weight:700;color:#fff}.n{font-weight:600;color:#f2f3f5}
.bot .n::after{content:"APP";font-size:10px;background:#5865f2;border-radius:3px;padding:1px 4px;
margin-left:6px}.q{border-left:4px solid #4e5058;padding-left:10px;margin:2px 0}
code{background:#2b2d31;border-radius:3px;padding:1px 4px;font-size:14px}
.s{font-size:12px;color:#949ba4}.b{display:inline-block;background:#4e5058;color:#fff;
border-radius:4px;padding:6px 16px;margin:8px 8px 0 0;font-size:14px}.b.go{background:#248046}
img{display:block;max-width:460px;border-radius:8px;margin-top:8px}.h{font-size:19px;font-weight:700;
color:#f2f3f5}
"""
COLOURS = {"mona": "#d1603d", "Sonneteer": "#7b5ea7"}
GREEN = ("Train", "Yes, train on it")


def read_marks(text: str) -> str:
    """Turn one line of the bot's Markdown into HTML; what is escaped shows as itself."""
    held: list[str] = []

    def hold(match: re.Match[str]) -> str:
        held.append(html.escape(match[1]))
        return f"\0{len(held) - 1}\0"

    shown = html.escape(re.sub(r"\\(.)", hold, text), quote=False)
    shown = re.sub(r"`([^`]+)`", r"<code>\1</code>", shown)
    shown = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", shown)
    return re.sub("\0(\\d+)\0", lambda match: held[int(match[1])], shown)


def read_line(line: str) -> str:
    for mark, kind in (("-# ", "s"), ("> ", "q"), ("### ", "h")):
        if line.startswith(mark):
            return f'<div class="{kind}">{read_marks(line.removeprefix(mark)) or "&nbsp;"}</div>'
    return f"<div>{read_marks(line) or '&nbsp;'}</div>"


def draw(message: dict[str, Any]) -> str:
    author = message["author"]
    lines = "".join(read_line(line) for line in message["content"].split("\n"))
    buttons = "".join(
        f'<span class="b{" go" if label in GREEN else ""}">{html.escape(label)}</span>'
        for label in message.get("buttons", [])
    )
    image = message.get("image")
    if image:
        data = base64.b64encode(Path(image).read_bytes()).decode()
        buttons = f'<img src="data:image/png;base64,{data}">{buttons}'
    kind = "bot" if author == "Sonneteer" else "person"
    avatar = f'<div class="a" style="background:{COLOURS.get(author, "#5865f2")}">{author[0]}</div>'
    return (
        f'<div class="m {kind}">{avatar}<div><div class="n">{html.escape(author)}</div>'
        f"{lines}<div>{buttons}</div></div></div>"
    )


def main() -> None:
    chat, picture = json.loads(Path(sys.argv[1]).read_text("utf-8")), Path(sys.argv[2])
    page_text = f"<style>{STYLE}</style>" + "".join(draw(message) for message in chat)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium")
        page = browser.new_page(viewport={"width": 752, "height": 200}, device_scale_factor=1.5)
        page.set_content(page_text)
        page.screenshot(path=picture, full_page=True)
        browser.close()


if __name__ == "__main__":
    main()
