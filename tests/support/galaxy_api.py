"""A few calls of Galaxy's API: what a user does by hand before the browser test looks."""

import time
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
        made = self._fetch(
            {"destination": {"type": "hdca"}, "collection_type": "list", "name": name, "elements": elements}
        )
        for output in made["outputs"]:
            self.finished(output["id"])

    def _fetch(self, target: dict[str, Any]) -> Any:
        return self._call("POST", "/api/tools/fetch", {"history_id": self.history, "targets": [target]})

    def run(self, tool: str, inputs: dict[str, Any]) -> str:
        """Run a tool; gives the id of its first output."""
        made = self._call("POST", "/api/tools", {"history_id": self.history, "tool_id": tool, "inputs": inputs})
        return self.finished(made["outputs"][0]["id"])

    def finished(self, dataset: str, seconds: float = 180) -> str:
        """Wait until a dataset is ready; anything but success is an error."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            state = self._call("GET", f"/api/datasets/{dataset}")
            if state["state"] in DONE:
                assert state["state"] == "ok", state.get("misc_info")
                return dataset
            time.sleep(0.5)
        msg = f"dataset {dataset} was not ready in {seconds} s"
        raise TimeoutError(msg)


def _element(path: Path, ext: str) -> dict[str, str]:
    return {"src": "path", "path": str(path), "ext": ext, "name": path.name}
