"""What a run knows while it works."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from immport_cyto.study.config import StudyConfig
from immport_cyto.study.steps import Steps

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class RunResult:
    """What a run gave."""

    report: Path
    counts: dict[str, int]
    warnings: list[str]
    failures: "pd.DataFrame"


@dataclass
class RunState:
    """Configuration, places, and what has been met so far."""

    config: StudyConfig
    out: Path
    jobs: int
    quiet: bool
    say: Callable[[str], None]
    steps: Steps
    warnings: list[str] = field(default_factory=list)
    failures: list[dict[str, str]] = field(default_factory=list)
    checksums: dict[str, str] = field(default_factory=dict)
    paths: dict[str, Path] = field(default_factory=dict)
    reagents: list["pd.DataFrame"] = field(default_factory=list)
    markers: tuple[str, ...] = ()
    memory_mb: int | None = None

    def warn(self, text: str) -> None:
        """Note an oddity or a guess, once."""
        if text not in self.warnings:
            self.warnings.append(text)
            self.say(f"warning: {text}")

    def fail(self, file_name: str, study: str, stage: str, message: str) -> None:
        """Note a file that could not be used."""
        message = message.replace(str(self.paths.get(file_name, file_name)), file_name)
        self.failures.append({"file_name": file_name, "study_accession": study, "stage": stage, "message": message})
        self.say(f"failed: {file_name} ({stage}): {message}")
