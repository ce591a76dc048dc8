"""What ``make install-service`` puts in place, below a folder of the test's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: Lines that the unit must hold, whatever else stands in it.
HARDENED = tuple(re.findall(r"\S+", """Type=notify WatchdogSec=60 Restart=on-failure RestartForceExitStatus=75 KillMode=mixed
TimeoutStopSec=300 UMask=0077 NoNewPrivileges=yes CapabilityBoundingSet= ProtectSystem=strict
BindReadOnlyPaths=-/home/warrior/data PrivateTmp=yes PrivateDevices=yes ProtectClock=yes
ProtectHostname=yes ProtectKernelLogs=yes ProtectKernelModules=yes ProtectKernelTunables=yes
ProtectControlGroups=yes RestrictNamespaces=yes RestrictRealtime=yes RestrictSUIDSGID=yes
LockPersonality=yes SystemCallFilter=@system-service"""))


@pytest.mark.long
def test_everything_lies_below_the_prefix_and_works(tmp_path: Path) -> None:
    """A wheel becomes a program of its own, with configuration and a hardened unit; done again
    it keeps a configuration that was changed."""
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir",
                    str(tmp_path / "dist"), str(ROOT)], check=True, stdin=subprocess.DEVNULL)
    wheel = next((tmp_path / "dist").glob("*.whl"))
    stage = tmp_path / "stage"
    command = [sys.executable, "-B", str(ROOT / "tools" / "install_service.py"), "--prefix",
               str(stage), "--wheel", str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    unit = (stage / "etc/systemd/system/warrior.service").read_text()
    assert [line for line in HARDENED if line not in unit.splitlines()] == []
    assert not re.search(r"@[A-Z_]+@", unit)
    config = stage / "etc/warrior.conf"
    config.write_text("[warrior]\nport = 8123\n")
    program = stage / "opt/archive-warrior/versions"
    version = next(iter(sorted(os.listdir(program))))
    told = subprocess.run([str(program / version / "bin/python"), "-c",
                           "import sys; from warrior.cli.ctl import main; sys.exit(main())", "--version"],
                          capture_output=True, text=True, check=False)
    assert told.returncode == 0 and "warrior" in told.stdout, told.stderr
    verify(unit, tmp_path)


def verify(unit: str, folder: Path) -> None:
    """With the real systemd-analyze, where there is one; the program lies elsewhere here."""
    if shutil.which("systemd-analyze") is None:
        return
    path = folder / "warrior.service"
    path.write_text(re.sub(r"(?m)^User=.*", "User=root", re.sub(
        r"(?m)^ExecStart=.*", "ExecStart=/bin/true", unit)))
    checked = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True,
                             text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
