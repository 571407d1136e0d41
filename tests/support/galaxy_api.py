"""A few calls of Galaxy's API: what a user does by hand before the browser test looks."""

import time
import urllib.error
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

# paused: a job before it failed
DONE = {"ok", "error", "empty", "discarded", "failed_metadata", "paused"}
JOB_DONE = {"ok", "error", "deleted", "failed"}


class Session:
    """One history of the user of a running server."""

    def __init__(self, server: Any, name: str) -> None:
        self.server = server
        self._lists: dict[str, str] = {}
        self.history = self._call("POST", "/api/histories", {"name": name})["id"]

    def _call(self, method: str, path: str, body: object = None) -> Any:
        return self.server.call(method, f"{path}?key={self.server.user_key}", body)

    def upload(self, path: Path, ext: str = "tabular", name: str = "") -> str:
        """Put a file of this machine into the history; gives the id of the dataset."""
        target = {"destination": {"type": "hdas"}, "elements": [_element(path, ext, name)]}
        return self.finished(self._fetch(target)["outputs"][0]["id"])

    def build_list(self, dataset: str, names: list[str], others: dict[str, str] | None = None) -> str:
        """A list of one dataset again and again, under any names, and of `others` by their names; gives its id."""
        named = dict.fromkeys(names, dataset) | (others or {})
        elements = [{"src": "hda", "id": one, "name": name} for name, one in named.items()]
        body = {"history_id": self.history, "collection_type": "list", "name": "list", "element_identifiers": elements}
        return str(self._call("POST", "/api/dataset_collections", body)["id"])

    def build_sample_sheet(self, elements: str, sheet: dict[str, Any]) -> str:
        """The elements of a list once more, with columns and rows of a sample sheet; gives its id."""
        named = [
            {"src": "hda", "id": one["object"]["id"], "name": one["element_identifier"]}
            for one in self.elements(elements)
        ]
        body = {
            "history_id": self.history, "collection_type": "sample_sheet", "name": "sheet",
            "element_identifiers": named, **sheet,
        }  # fmt: skip
        return str(self._call("POST", "/api/dataset_collections", body)["id"])

    def upload_list(self, name: str, paths: list[Path], ext: str = "fcs") -> str:
        """Put files of this machine into the history as a list; gives its id."""
        elements = [_element(path, ext) for path in paths]
        target = {"destination": {"type": "hdca"}, "collection_type": "list", "name": name, "elements": elements}
        made = self._fetch(target)["output_collections"][0]["id"]
        self.populated(made)
        for element in self.elements(made):
            self.finished(element["object"]["id"])
        return str(made)

    def collection_of(self, path: Path) -> str:
        """A list of one FCS file, uploaded once."""
        if path.name not in self._lists:
            self._lists[path.name] = self.upload_list(path.name, [path])
        return self._lists[path.name]

    def _list(self, collection: str) -> Any:
        return self._call("GET", f"/api/histories/{self.history}/contents/dataset_collections/{collection}")

    def populated(self, collection: str) -> None:
        """Wait until a list has its elements; a list that Galaxy could not build is an error."""

        def ready() -> bool:
            found = self._list(collection)
            assert found["populated_state"] != "failed", found["populated_state_message"]
            return bool(found["populated_state"] == "ok")

        self._wait(ready, collection)

    def elements(self, collection: str) -> list[Any]:
        """Elements of a list."""
        return list(self._list(collection)["elements"])

    def content(self, dataset: str) -> str:
        """Text of a dataset."""
        return str(self.server.text("GET", f"/api/datasets/{dataset}/display?key={self.server.user_key}"))

    def _fetch(self, target: dict[str, Any]) -> Any:
        return self._call("POST", "/api/tools/fetch", {"history_id": self.history, "targets": [target]})

    def run(self, tool: str, inputs: dict[str, Any]) -> str:
        """Run a tool; gives the id of its first output."""
        made = self._call("POST", "/api/tools", {"history_id": self.history, "tool_id": tool, "inputs": inputs})
        return self.finished(made["outputs"][0]["id"])

    def workflow(self, path: Path, inputs: dict[str, Any]) -> dict[str, str]:
        """Import a workflow and run it; gives the ids of its outputs that are datasets."""
        made = self._call("POST", "/api/workflows", {"from_path": str(path)})["id"]
        body = {"history_id": self.history, "inputs": inputs, "inputs_by": "name", "allow_tool_state_corrections": True}
        invocation = self._call("POST", f"/api/workflows/{made}/invocations", body)["id"]

        def state() -> Any:
            return self._call("GET", f"/api/invocations/{invocation}")

        ends = {"scheduled", "completed", "failed", "cancelled"}
        self._wait(lambda: state()["state"] in ends, path.name)
        assert state()["state"] in {"scheduled", "completed"}, state().get("messages")
        found = {label: str(output["id"]) for label, output in state()["outputs"].items()}
        for dataset in found.values():
            self.finished(dataset)
        return found

    def _start(self, tool: str, inputs: dict[str, Any]) -> Any:
        body = {"history_id": self.history, "tool_id": tool, "inputs": inputs}
        made = self._call("POST", "/api/tools", body)
        job = made["jobs"][0]["id"]
        self._wait(lambda: self._job(job)["state"] in JOB_DONE, tool)
        return made, self._job(job)

    def _job(self, job: str) -> Any:
        return self.server.call("GET", f"/api/jobs/{job}?full=true&key={self.server.user_key}")

    def run_all(self, tool: str, inputs: dict[str, Any]) -> dict[str, str]:
        """Run a tool; gives the ids of its outputs by their names."""
        made, job = self._start(tool, inputs)
        assert job["state"] == "ok", job["stderr"]
        found = {output["output_name"]: str(output["id"]) for output in made["outputs"]}
        for dataset in found.values():
            self.finished(dataset)
        for output in made["output_collections"]:
            self.populated(output["id"])
            found[output["output_name"]] = str(output["id"])
        return found

    def run_over(self, tool: str, inputs: dict[str, Any]) -> dict[str, str]:
        """Run a tool over the parts of a list; gives the ids of the lists that it makes by the outputs' names."""
        made = self._call("POST", "/api/tools", {"history_id": self.history, "tool_id": tool, "inputs": inputs})
        for job in made["jobs"]:
            self._wait(lambda one=job["id"]: self._job(one)["state"] in JOB_DONE, tool)
            assert self._job(job["id"])["state"] == "ok", self._job(job["id"])["stderr"]
        lists = made["implicit_collections"] or made["output_collections"]
        for one in lists:
            self.populated(one["id"])
        return {one["output_name"]: str(one["id"]) for one in lists}

    def fails(self, tool: str, inputs: dict[str, Any]) -> str:
        """Run a tool that must end with an error; gives its message."""
        _, job = self._start(tool, inputs)
        assert job["state"] == "error"
        return str(job["stderr"])

    def refused(self, tool: str, inputs: dict[str, Any]) -> str:
        """Ask for a job that Galaxy must not start; gives what it says."""
        try:
            self._start(tool, inputs)
        except urllib.error.HTTPError as error:
            if error.code != HTTPStatus.BAD_REQUEST:
                raise
            return error.read().decode()
        msg = "the job was started"
        raise AssertionError(msg)

    def finished(self, dataset: str) -> str:
        """Wait until a dataset is ready; anything but success is an error."""

        def ready() -> bool:
            state = self._call("GET", f"/api/datasets/{dataset}")
            if state["state"] in DONE:
                assert state["state"] == "ok", f"{state['name']}: {state['state']}: {state.get('misc_info')}"
            return state["state"] in DONE

        self._wait(ready, dataset)
        return dataset

    def _wait(self, ready: Callable[[], bool], what: str, seconds: float = 600) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if ready():
                return
            time.sleep(0.5)
        msg = f"{what} was not ready in {seconds} s"
        raise TimeoutError(msg)


def _element(path: Path, ext: str, name: str = "") -> dict[str, str]:
    return {"src": "path", "path": str(path), "ext": ext, "name": name or path.name}
