"""What the bot loads."""

import subprocess
import sys


def test_the_bot_does_without_torch() -> None:
    program = (
        "import sys, bot.__main__, bot.extension, bot.web.app, bot.discord_app.client\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
