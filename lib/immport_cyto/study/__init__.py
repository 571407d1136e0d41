"""The whole way in one call, from ImmPort studies to the report, resumable."""

from immport_cyto.study.config import EXAMPLE, StudyConfig, read
from immport_cyto.study.demo import demo
from immport_cyto.study.run import run
from immport_cyto.study.state import RunResult

__all__ = ["EXAMPLE", "RunResult", "StudyConfig", "demo", "read", "run"]
