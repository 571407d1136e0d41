"""A few calls of Galaxy's API: what a user does by hand before the browser test looks."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

DONE = {"ok", "error", "empty", "discarded", "failed_metadata"}


class Session:
    """One history of the user of a running server."""

    def __init__(self, server: Any, name: str) -> None:
        self.server = server
        self.history = self._call("POST", "/api/histories", {"name": name})["id"]

    def _call(self, method: str, path: str, body: object = None) -> Any:
        return self.server.call(method, f"{path}?key={self.server.user_key}", body)

    def upload(self, path: Path) -> str:
        """Put a table of this machine into the history; gives the id of the dataset."""
        target = {"destination": {"type": "hdas"}, "elements": [_element(path, "tabular")]}
        return self.finished(self._fetch(target)["outputs"][0]["id"])

    def upload_list(self, name: str, paths: list[Path]) -> None:
        """Put FCS files of this machine into the history as a list."""
        elements = [_element(path, "fcs") for path in paths]
        target = {"destination": {"type": "hdca"}, "collection_type": "list", "name": name, "elements": elements}
        made = self._fetch(target)
        path = f"/api/histories/{self.history}/contents/dataset_collections/{made['output_collections'][0]['id']}"
        self._wait(lambda: self._call("GET", path)["populated_state"] == "ok", name)

    def _fetch(self, target: dict[str, Any]) -> Any:
        return self._call("POST", "/api/tools/fetch", {"history_id": self.history, "targets": [target]})

    def run(self, tool: str, inputs: dict[str, Any]) -> str:
        """Run a tool; gives the id of its first output."""
        made = self._call("POST", "/api/tools", {"history_id": self.history, "tool_id": tool, "inputs": inputs})
        return self.finished(made["outputs"][0]["id"])

    def finished(self, dataset: str) -> str:
        """Wait until a dataset is ready; anything but success is an error."""

        def ready() -> bool:
            state = self._call("GET", f"/api/datasets/{dataset}")
            if state["state"] in DONE:
                assert state["state"] == "ok", state.get("misc_info")
            return state["state"] in DONE

        self._wait(ready, dataset)
        return dataset

    def _wait(self, ready: Callable[[], bool], what: str, seconds: float = 180) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if ready():
                return
            time.sleep(0.5)
        msg = f"{what} was not ready in {seconds} s"
        raise TimeoutError(msg)


def _element(path: Path, ext: str) -> dict[str, str]:
    return {"src": "path", "path": str(path), "ext": ext, "name": path.name}
