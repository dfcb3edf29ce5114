"""Files for the machine: the systemd unit and what rotates logs, by their own tools."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from grp import getgrgid
from pathlib import Path
from pwd import getpwuid
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

ETC = Path(__file__).resolve().parents[1] / "etc"
UNIT = ETC / "gdemoi-sms.service"


def tool(name: str) -> str:
    """Return where a tool is; skip the test where there is none."""
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        raise SkipTest(f"{name} is not installed")
    return found


class UnitTests(SynchronousTestCase):
    def test_how_exposed_it_is(self) -> None:
        """systemd rates the unit under 2.5 (10: not protected at all)."""
        command = [tool("systemd-analyze"), "security", "--offline=true", str(UNIT)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = re.search(r"exposure level for .*: ([0-9.]+)", done.stdout)
        if found is None:
            raise SkipTest("systemd-analyze cannot rate a file here")
        self.assertLess(float(found[1]), 2.5, done.stdout)

    def test_tls_can_make_its_callbacks(self) -> None:
        """Without memory that is written and run, pyOpenSSL raises MemoryError."""
        settings = [
            line for line in UNIT.read_text().splitlines() if not line.startswith("#")
        ]
        self.assertNotIn("MemoryDenyWriteExecute=yes", settings)
        self.assertIn("Type=notify", settings)

    def test_logrotate_reads_its_file(self) -> None:
        copy = Path(self.mktemp())
        user, group = getpwuid(os.getuid()), getgrgid(os.getgid())
        text = (ETC / "gdemoi.logrotate").read_text()
        # the user of the service is not there where tests run
        mine = f"create 0640 {user.pw_name} {group.gr_name}"
        copy.write_text(text.replace("create 0640 gdemoi gdemoi", mine))
        copy.chmod(0o644)
        state = f"--state={self.mktemp()}"
        command = [tool("logrotate"), "--debug", state, str(copy)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("error:", done.stderr)
