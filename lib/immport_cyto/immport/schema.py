"""The store's format, its SQL (in ``sql/``, one file per step), and what is compared between releases."""

from functools import cache
from importlib.resources import files

APPLICATION_ID = 0x49435954  # "ICYT"
VERSION = 3


@cache
def statements(step: str) -> tuple[str, ...]:
    """The SQL statements of a step, in order; in its file each ends with ``;`` at the end of a line."""
    text = files(__package__).joinpath("sql", f"{step}.sql").read_text(encoding="utf-8")
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
    return tuple(statement.strip() for statement in code.split(";\n") if statement.strip(" \n;"))


# what is compared when a release replaces an older one: table -> (key, values)
COMPARED: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "arm": (("arm_accession",), ("name", "type")),
    "arm_subject": (("arm_accession", "subject_accession"), ("age_years", "age_is_topcoded", "age_event")),
    "visit": (("visit_accession",), ("name",)),
    "biosample": (
        ("biosample_accession",),
        ("subject_accession", "visit_accession", "type", "subtype", "time_days", "t0_event"),
    ),
    "experiment": (("experiment_accession",), ("technique",)),
    "file": (("file_info_id",), ("name", "original_name", "role", "size_bytes")),
}
