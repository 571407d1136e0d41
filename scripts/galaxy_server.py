"""A Galaxy server of our own, from PyPI alone: installed, configured, started and stopped by this script.

``python scripts/galaxy_server.py serve``    start it for a person, with the tools of this checkout in the panel
``python scripts/galaxy_server.py install``  only install Galaxy and planemo (into .galaxy/)

The tests use the class `Galaxy` of this module. The tools run with the Python environment that runs this
script, so the working copy of the library must be installed in it.
"""

import argparse
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import quoteattr

ROOT = Path(__file__).resolve().parents[1]
HOME = Path(os.environ.get("IMMPORT_CYTO_GALAXY_HOME", ROOT / ".galaxy"))
EMAIL = "admin@example.org"
START_SECONDS = 1200
# jobs of Galaxy start without the variables of the server; those that choose the kernels of BLAS change last digits
NUMERIC = ("OPENBLAS_", "MKL_", "BLIS_", "OMP_")
SECTIONS = (
    ("FCS", ("fcs_",)),
    ("ImmPort", ("immport_", "simulate")),
    ("Panels", ("panel_",)),
    ("Events", ("events_",)),
    ("Clustering", ("cluster_",)),
    ("Populations", ("population_",)),
    ("Meta-analysis", ("meta_",)),
    ("Figures", ("figure_",)),
    ("Reports", ("report_",)),
)
STOCK_TOOLS = (
    "build_list.xml", "apply_rules.xml", "flatten_collection.xml", "merge_collection.xml", "extract_dataset.xml",
    "filter_failed_collection.xml", "sample_sheet_to_tabular.xml",
)  # fmt: skip


def run(*command: str | Path) -> None:
    """Run a command; its failure ends the script."""
    subprocess.run([str(part) for part in command], check=True)


def environment(name: str) -> Path:
    """The virtual environment of Galaxy or planemo, installed at the first call."""
    requirements = ROOT / "requirements" / f"{name}.txt"
    place = HOME / f"env-{name}"
    stamp = place / "requirements.txt"
    wanted = requirements.read_text()
    if stamp.is_file() and stamp.read_text() == wanted:
        return place
    print(f"installing {name} into {place}", flush=True)
    shutil.rmtree(place, ignore_errors=True)
    run(sys.executable, "-m", "venv", place)
    run(place / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv")
    run(place / "bin" / "uv", "pip", "install", "--quiet", "--python", place / "bin" / "python", "-r", requirements)
    stamp.write_text(wanted)
    return place


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tool_files() -> list[Path]:
    """The XML files of the tools."""
    return sorted(path for path in (ROOT / "tools").glob("*.xml") if "<tool " in path.read_text(encoding="utf-8"))


def tool_version() -> str:
    """Version that the tools require."""
    from immport_cyto import __version__

    return __version__


def configure(state: Path, key: str) -> Path:
    """Write a minimal configuration to `state`; give the path of ``galaxy.yml``."""
    dependency = state / "tooldeps" / "immport-cyto" / tool_version()
    dependency.mkdir(parents=True, exist_ok=True)
    scripts = Path(sys.executable).parent
    cache = HOME / "kernel-cache"
    variables = {"PATH": f"{scripts}:$PATH", "NUMBA_CACHE_DIR": str(cache)}
    variables |= {name: value for name, value in os.environ.items() if name.startswith(NUMERIC)}
    lines = [f'{name}="{value}"; export {name}\n' for name, value in variables.items()]
    (dependency / "env.sh").write_text("".join(lines))
    (state / "dependency_resolvers_conf.xml").write_text(
        "<dependency_resolvers>\n"
        f"  <galaxy_packages base_path={quoteattr(str(state / 'tooldeps'))}/>\n"
        "</dependency_resolvers>\n"
    )
    sections = []
    for label, prefixes in SECTIONS:
        files = [path for path in tool_files() if path.name.startswith(prefixes)]
        lines = "\n".join(f"    <tool file={quoteattr(str(path))}/>" for path in files)
        identifier = label.lower().replace(" ", "_")
        sections.append(f'  <section id="{identifier}" name="{label}">\n{lines}\n  </section>')
    stock = "\n".join(f'    <tool file="${{model_tools_path}}/{name}"/>' for name in STOCK_TOOLS)
    (state / "tool_conf.xml").write_text(
        '<?xml version="1.0"?>\n<toolbox>\n  <section id="getext" name="Get Data">'
        '<tool file="data_source/upload.xml"/></section>\n'
        f'  <section id="collections" name="Collection Operations">\n{stock}\n  </section>\n'
        + "\n".join(sections)
        + "\n</toolbox>\n"
    )
    (state / "job_conf.yml").write_text(
        json.dumps(
            {
                "runners": {"local": {"load": "galaxy.jobs.runners.local:LocalJobRunner", "workers": 4}},
                "execution": {"default": "local", "environments": {"local": {"runner": "local"}}},
            }
        )
    )
    settings = {
        "data_dir": str(state / "data"),
        "config_dir": str(state),
        "tool_config_file": str(state / "tool_conf.xml"),
        "job_config_file": str(state / "job_conf.yml"),
        # messages between the processes have a file of their own: on a busy machine their readers locked the database
        "database_connection": f"sqlite:///{state}/data/universe.sqlite?isolation_level=IMMEDIATE&timeout=60",
        "amqp_internal_connection": f"sqlalchemy+sqlite:///{state}/data/control.sqlite?isolation_level=IMMEDIATE",
        "dependency_resolvers_config_file": str(state / "dependency_resolvers_conf.xml"),
        "tool_dependency_dir": str(state / "tooldeps"),
        "admin_users": EMAIL,
        "bootstrap_admin_api_key": key,
        "enable_celery_tasks": True,
        "metadata_strategy": "directory_celery",
        "conda_auto_init": False,
        "conda_auto_install": False,
        "involucro_auto_init": False,
        "enable_mulled_containers": False,
        "allow_path_paste": True,
        "sanitize_all_html": False,
        "watch_tools": "false",
        "cleanup_job": "onsuccess",
        "log_level": "INFO",
    }
    target = state / "galaxy.yml"
    target.write_text(json.dumps({"galaxy": settings}, indent=1))  # JSON is YAML
    return target


class Galaxy:
    """A running Galaxy: its address, keys, and the end of it."""

    def __init__(self, state: Path, port: int | None = None) -> None:
        self.state = state
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        key_file = state / "admin.key"
        self.admin_key = key_file.read_text() if key_file.is_file() else secrets.token_hex(16)
        self.user_key = ""
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start the server and its worker, wait until it answers, make the user."""
        place = environment("galaxy")
        self.state.mkdir(parents=True, exist_ok=True)
        (self.state / "admin.key").write_text(self.admin_key)
        config = configure(self.state, self.admin_key)
        names = os.environ | {
            "GALAXY_CONFIG_FILE": str(config),
            "GALAXY_TEST_FILE_DIR": str(ROOT / "test-data"),
            "PATH": f"{place / 'bin'}:{os.environ['PATH']}",
            "VIRTUAL_ENV": str(place),
        }
        web = ["galaxy-web", "--config", str(config), "--bind", f"127.0.0.1:{self.port}", "--single-user", EMAIL]
        worker = [
            "celery", "--app", "galaxy.celery", "worker", "--concurrency", "2", "--pool", "threads",
            "--queues", "celery,galaxy.internal,galaxy.external", "--loglevel", "INFO",
        ]  # fmt: skip
        self._run(place, web, "galaxy.log", names)
        self._wait()
        # only now: both would make the database
        self._run(place, worker, "celery.log", names)
        self._make_user()
        (self.state / "port").write_text(str(self.port))

    def _run(self, place: Path, command: list[str], log_name: str, names: dict[str, str]) -> None:
        line = [str(place / "bin" / command[0]), *command[1:]]
        with (self.state / log_name).open("ab") as log:
            self.processes.append(
                subprocess.Popen(line, cwd=self.state, env=names, stdout=log, stderr=log, start_new_session=True)
            )

    @classmethod
    def attach(cls, state: Path) -> "Galaxy":
        """A server that ``serve`` started and that still runs, with the tool files as they are now."""
        galaxy = cls(state, int((state / "port").read_text()))
        galaxy.user_key = (state / "user.key").read_text()
        configure(state, galaxy.admin_key)
        galaxy.call("PUT", f"/api/configuration/toolbox?key={galaxy.admin_key}")
        return galaxy

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            for process in self.processes:
                if process.poll() is not None:
                    tail = "\n".join((self.state / "galaxy.log").read_text(errors="replace").splitlines()[-30:])
                    msg = f"Galaxy ended while starting:\n{tail}"
                    raise RuntimeError(msg)
            with contextlib.suppress(urllib.error.URLError, OSError):
                self.call("GET", "/api/version")
                return
            time.sleep(0.5)
        msg = f"Galaxy did not answer within {START_SECONDS} s; see {self.state / 'galaxy.log'}"
        raise RuntimeError(msg)

    def _make_user(self) -> None:
        users = self.call("GET", f"/api/users?key={self.admin_key}")
        if not users:
            details = {"username": "admin", "email": EMAIL, "password": secrets.token_hex(8)}
            users = [self.call("POST", f"/api/users?key={self.admin_key}", details)]
        self.user_key = str(self.call("POST", f"/api/users/{users[0]['id']}/api_key?key={self.admin_key}"))
        (self.state / "user.key").write_text(self.user_key)

    def call(self, method: str, path: str, body: object = None) -> object:
        """One request to the API; JSON in, JSON out."""
        return json.loads(self.text(method, path, body))

    def text(self, method: str, path: str, body: object = None) -> str:
        """One request to the API; JSON in, text out."""
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(
            self.url + path, data=data, method=method, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return str(answer.read(), "utf-8")

    def planemo(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run ``planemo test`` against this server."""
        command = [
            environment("planemo") / "bin" / "planemo", "test", "--engine", "external_galaxy",
            "--galaxy_url", self.url, "--galaxy_admin_key", self.admin_key, "--galaxy_user_key", self.user_key,
            "--no_shed_install", *arguments,
        ]  # fmt: skip
        return subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, check=False, cwd=self.state
        )

    def stop(self) -> None:
        """End both processes and everything that they started."""
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.processes = []


@contextlib.contextmanager
def running(state: Path | None = None, port: int | None = None) -> Iterator[Galaxy]:
    """A Galaxy for the time of a block; without `state` it leaves nothing behind."""
    with contextlib.ExitStack() as stack:
        place = state or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="galaxy-", ignore_cleanup_errors=True))
        )
        galaxy = Galaxy(place, port)
        stack.callback(galaxy.stop)
        galaxy.start()
        yield galaxy


def main() -> None:
    """Serve until interrupted, or only install."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("serve", "install"))
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--state", type=Path, default=HOME / "state", help="database and datasets are kept here")
    given = parser.parse_args()
    environment("galaxy")
    if given.what == "install":
        environment("planemo")
        return
    print("starting Galaxy (about a minute)", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with running(given.state.resolve(), given.port) as galaxy:
        print(f"Galaxy: {galaxy.url}   (Ctrl-C ends it; state in {given.state})", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            while all(process.poll() is None for process in galaxy.processes):
                time.sleep(1)


if __name__ == "__main__":
    main()
