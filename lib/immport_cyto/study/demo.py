"""The demonstration: simulated studies with known truth, the whole way, and the answer beside the truth."""

from pathlib import Path

from immport_cyto.exceptions import OutputExistsError
from immport_cyto.study.config import read
from immport_cyto.study.run import run
from immport_cyto.study.state import RunResult


def demo(
    out: Path | str, *, seed: int = 42, jobs: int | None = None, resume: bool = False, quiet: bool = False
) -> RunResult:
    """Simulate three studies into ``out/studies`` and run the whole way into ``out/results``.

    Raises
    ------
    OutputExistsError
        `out` holds something and `resume` is not set.
    """
    from immport_cyto import simulate

    out = Path(out)
    studies, results = out / "studies", out / "results"
    if out.exists() and any(out.iterdir()) and not resume:
        msg = f"{out}: the output folder is not empty; add --resume to go on with it, or choose another folder"
        raise OutputExistsError(msg)
    if not (studies / "study.yaml").is_file():
        simulate.studies(studies, preset="demo", seed=seed)
    return run(read(studies / "study.yaml"), results, jobs=jobs, resume=resume and results.is_dir(), quiet=quiet)
