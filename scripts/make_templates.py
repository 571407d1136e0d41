"""Write the definitions of ImmPort's upload templates in the project's own form: python scripts/make_templates.py

Reads the originals below ``$IMMPORT_CYTO_SHARED/data/immport`` (``templates.json`` and ``lookups.json`` of schema
3.20, ``template_rules/*.md`` of schema 3.33) and writes four tables to ``lib/immport_cyto/immport/templates/data``.
Only facts go in: names, kinds, lengths, requirements, vocabularies, keys and rules; none of the descriptions.
"""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "lib" / "immport_cyto" / "immport" / "templates" / "data"
OLD, NEW = "3.20", "3.33"
FILE_NAME_LENGTH, STUDY_FILE_NAME_LENGTH, ID_LENGTH = 240, 250, 100

# What the originals do not say, or say wrongly: the ID columns of the subject templates stand crosswise in 3.20.
ENTITY_OF_ID = {
    "Subject ID": "subject",
    "Arm Or Cohort ID": "arm_or_cohort",
    "Expsample ID": "expsample",
    "Biosample ID": "biosample",
    "Experiment ID": "experiment",
    "Control Sample ID": "control_sample",
    "Standard Curve ID": "standard_curve",
    "Assessment Panel ID": "assessment_panel",
    "Lab Test Panel ID": "lab_test_panel",
}
PRIMARY = ("expsample", "control_sample", "standard_curve", "subject")
# 3.33 splits what 3.20 has as one template
PLACE_IN_ORDER = {"experimentsamples.mass_spectrometry": "experimentsamples.mass_spectrometry_metabolomics"}
# results of an assay belong to samples of the template of that assay
SAMPLES_OF_RESULTS = {
    "cytof_derived_data": "cytof", "fcm_derived_data": "flow_cytometry", "elisa_results": "elisa",
    "elispot_results": "elispot", "hai_results": "hai", "hla_typing": "hla", "kir_typing": "kir",
    "mbaa_results": "mbaa", "pcr_results": "qrt-pcr", "rna_seq_results": "rna_sequencing",
    "virus_neutralization_results": "virus_neutralization|neutralizing_antibody_titer",
}  # fmt: skip
# no rule of ImmPort: a share outside of 0 to 100 or a negative count is a mistake
STATISTIC, STATISTIC_UNIT = "Population Statistic (count, percentile, etc)", "Population Stat Unit Reported"
FCS_ONLY = {"flow_cytometry": ".Fcs Result File"}


@dataclass
class Block:
    """A template, or one block of a compound template, of one schema version."""

    schema: str
    template: str
    name: str
    kind: str
    file: str
    json_name: str
    format: str = "horizontal"
    required: bool = True
    multiple: bool = True
    key: list[str] = field(default_factory=list)
    columns: list[dict[str, str]] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        return [column["column"] for column in self.columns]


def main() -> None:
    shared = Path(os.environ.get("IMMPORT_CYTO_SHARED", ROOT.parent / "shared")) / "data" / "immport"
    originals = json.loads((shared / "templates.json").read_text(encoding="utf-8"))
    pages = {path.stem.lower(): Page(path) for path in sorted((shared / "template_rules").glob("*.md"))}
    order = pages.pop("index").loading_order()
    old = [block for original in originals for block in blocks_of(original)]
    conditions = known_conditions(pages)
    for block in old:
        for column in block.columns:
            column["when"] = "" if column["required"] else condition(block, column, conditions)
    new = [block for base in old if (page := page_of(base, pages)) for block in [renewed(base, page)]]
    for block in old:
        twin = next((b for b in new if (b.template, b.name) == (block.template, block.name)), None)
        block.key = twin.key if twin else key_of(block)
        if twin:
            block.format, block.multiple = twin.format, twin.multiple
        elif block.name and (like := next((b for b in new if b.name == block.name), None)):
            block.format, block.multiple = like.format, like.multiple
    TARGET.mkdir(parents=True, exist_ok=True)
    write_blocks(old + new, order)
    write_columns(old + new)
    write_rules(old, pages)
    write_terms(json.loads((shared / "lookups.json").read_text(encoding="utf-8")))


# templates.json -------------------------------------------------------------------------------------------------------


def blocks_of(original: dict) -> Iterator[Block]:
    parts = original.get("templates") or [original]
    for part in parts:
        is_block = part is not original
        name = part["name"] if is_block else ""
        json_name = part["jsonCompoundAttribute"] if is_block else original["jsonFileName"]
        block = Block(OLD, original["name"], name, original["templateType"], original["fileName"], json_name)
        if is_block:
            block.required = part["templateRequired"] == "yes"
        block.columns = [column_of(original["name"], column) for column in part["columns"]]
        set_ids(block, part["columns"])
        yield block


def column_of(template: str, column: dict) -> dict[str, str]:
    name = column["templateColumn"]
    stored = column["columnType"] or ""
    kind = {"number": "number", "positive": "positive", "date": "date"}.get(column["jsonDataType"], "text")
    if kind == "number" and stored.startswith("varchar") and not name.startswith("Population Statistic"):
        kind = "amount"  # shared packages hold words in such columns; the statistic is converted to a number (3.33)
    if name == "Result Separator Column":
        kind = "separator"
    elif is_file(name):
        kind = "file"
    length = re.fullmatch(r"varchar\((\d+)\)", stored)
    length_of_text = length[1] if length and kind in ("text", "amount") else ""
    if kind == "file":
        length_of_text = str(STUDY_FILE_NAME_LENGTH if column["tableName"] == "study_file" else FILE_NAME_LENGTH)
    return {
        "column": name,
        "json": column["jsonAttribute"],
        "kind": kind,
        "list": "yes" if column["jsonDataType"] == "array" else "",
        "length": length_of_text,
        "required": "yes" if column["required"] and not column["conditionalRequired"] else "",
        "when": "",
        "vocabulary": column["cvTableName"] or "",
        "preferred": column["pvTableName"] or "",
        "defines": "",
        "references": column["foreignKeyTableName"] or "",
        "part": {"metaData": "meta", "resultData": "result"}.get(column["metaResultDataType"], ""),
        "table": column["tableName"] or "",
        "conditional": "yes" if column["conditionalRequired"] else "",
    }  # fmt: skip


def is_file(name: str) -> bool:
    return name in (".Fcs Result File", "Workspace File") or bool(re.search(r"\bFile Names?(\(s\))?$", name))


def set_ids(block: Block, originals: list[dict]) -> None:
    """Which columns give an ID of the user's to something new, and which name something that is there."""
    for column, original in zip(block.columns, originals, strict=True):
        name = column["column"]
        if original["combinedColumn"]:
            entity = ENTITY_OF_ID[name]
            has_more = any(entity in o["tableName"].split(" And ") and not o["combinedColumn"]
                           for o in originals if o["tableName"])  # fmt: skip
            own = has_more or (entity in PRIMARY and block.template != "assessments")
            if entity == "arm_or_cohort":
                own = False
            column["defines" if own else "references"] = entity
            column["required"] = "yes"
            column["length"] = str(ID_LENGTH)
        elif original["tableColumn"] == "user_defined_id":
            column["defines"] = original["tableName"]
        if column["references"]:
            column["length"] = str(ID_LENGTH)


def key_of(block: Block) -> list[str]:
    defining = [c for c in block.columns if c["defines"]]
    if block.name and block.template == "study_design_edit":
        return []
    primary = [c["column"] for c in defining if c["column"] == "User Defined ID" or c["defines"] in PRIMARY]
    return primary[:1]


# template_rules/*.md --------------------------------------------------------------------------------------------------


class Page:
    """One page of the rules, cut into the template and its blocks."""

    def __init__(self, path: Path) -> None:
        self.text = path.read_text(encoding="utf-8")
        self.parts: dict[str, str] = {}
        for part in re.split(r"^\*\*\*$", self.text, flags=re.MULTILINE):
            name = re.search(r"(Compound|Combined Result)? ?Template: \*\*(.+?)\*\*", part)
            if name:
                self.parts["" if name[1] is None else name[2] if name[1] == "Compound" else "result"] = part

    def loading_order(self) -> list[str]:
        listed = self.text.split("## Template Loading Order")[1].split("## ")[0]
        return re.findall(r"^- (\S+)\.txt", listed, flags=re.MULTILINE)

    def rows(self, block: str, title: str) -> list[list[str]]:
        """Rows of a Markdown table below a heading."""
        part = self.parts.get(block, "")
        found = re.search(rf"### {re.escape(title)}.*?\n(.*?)(?=\n### |\Z)", part, flags=re.DOTALL)
        lines = [line for line in (found[1] if found else "").splitlines() if line.startswith("|")]
        rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
        return [row for row in rows[1:] if not set(row[0]) <= set("- ")]

    def value(self, block: str, name: str) -> str:
        found = re.search(rf"^\| {name} \| (.*?) \|$", self.parts[block], flags=re.MULTILINE)
        return found[1] if found else ""

    def columns(self, block: str) -> dict[str, str]:
        """Data row name to template column."""
        found = {}
        for row in self.rows(block, "Template Columns"):
            if len(row) > 1:
                found[row[1]] = row[0]
        return found


def page_of(block: Block, pages: dict[str, Page]) -> Page | None:
    return pages.get(block.file.lower().removesuffix(".txt"))


def renewed(base: Block, page: Page) -> Block:
    """The block of the older schema, with what the newer one says about it."""
    parts = [base.name] if base.name else ["", "result"]
    names = {data: column for part in parts for data, column in page.columns(part).items()}
    info = {names[row[0]]: row for part in parts for row in page.rows(part, "Data Row Column Information")
            if row[0] in names}  # fmt: skip
    columns = []
    for column in base.columns:
        if column["column"] not in names.values():
            continue
        row = info.get(column["column"])
        new = dict(column)
        if row and not column["list"]:
            new["required"] = "yes" if row[1] == "yes" else ""
            new["when"] = "" if new["required"] else new["when"]
            new["vocabulary"] = row[3] if row[3] != "-" else ""
        columns.append(new)
    block = Block(NEW, base.template, base.name, base.kind, base.file, base.json_name, base.format, base.required,
                  base.multiple, [], columns)  # fmt: skip
    if base.name:
        block.format = page.value(base.name, "Format")
        block.required = page.value(base.name, "Required") == "yes"
        block.multiple = page.value(base.name, "Multiple") == "yes"
    for row in page.rows(base.name, "Template Key Information"):
        block.key = [key_column(name, names) for name in row[0].strip("[]").split(", ")]
    block.key = [name for name in block.key if name]
    return block


def key_column(name: str, names: dict[str, str]) -> str:
    if name in names:
        return names[name]
    return names.get(name.replace("_user_defined_id", "_id"), "")


def known_conditions(pages: dict[str, Page]) -> dict[str, dict[str, str]]:
    """Per page, when each column is required: alternatives of conditions that hold together."""
    found: dict[str, dict[str, str]] = {}
    for stem, page in pages.items():
        for part in page.parts:
            names = page.columns(part) | ({} if part == "" else page.columns(""))
            groups: list[tuple[str, list[str]]] = []
            for column, name, of, value in (row[:4] for row in page.rows(part, "Conditional Required Columns")):
                if column not in names:
                    continue
                if not groups or groups[-1][0] != column:
                    groups.append((column, []))
                groups[-1][1].append(one_condition(name, of, value, names))
            when = found.setdefault(stem, {})
            for column, terms in groups:
                text = " & ".join(terms)
                when[names[column]] = f"{when[names[column]]} || {text}" if names[column] in when else text
    return found


def one_condition(name: str, of: str, value: str, names: dict[str, str]) -> str:
    value = value.strip().strip("'")
    words = [word.strip() for word in value.split(" ; ")]
    subject = token(of, names)
    if of == "validation_level":
        return "level is HIPC"
    if subject.startswith("new:") and name == "case-insensitive-equals":
        return subject if words[0].lower() == "yes" else f"old:{subject[4:]}"
    if name == "case-insensitive-equals":
        return f"{subject} is {'|'.join(words)}"
    if name == "not-empty-value":
        return f"{subject} is given"
    if name == "empty-value":
        return f"{subject} is empty"
    if name == "greater-than":
        return f"{subject} is above {value}"
    if name == "not-preferred-value":
        return f"{subject} is not in {value}"
    raise ValueError(name)


def token(name: str, names: dict[str, str]) -> str:
    """What a rule looks at: a column, whether a thing is new (new:biosample), or its study (study:experiment)."""
    name = name.strip().strip("'")
    if name in names:
        return names[name]
    if name.endswith("_required"):
        return f"new:{name.removesuffix('_required')}"
    if name == "final.resultfile_name":
        return names.get("global.result_file_name", name)
    found = re.fullmatch(r"(biosample|experiment|planned_visit)_study_accession", name)
    if found:
        return f"study:{found[1]}"
    return {"study_accession": "study", "subject_accession": "subject"}.get(name, f"?{name}")


def condition(block: Block, column: dict[str, str], known: dict[str, dict[str, str]]) -> str:
    """When a column is required; the cytometry templates tell it for all templates of samples of experiments."""
    name = column["column"]
    stem = block.file.lower().removesuffix(".txt")
    same = known.get(stem, {})
    if name in same:
        return same[name]
    if block.name:
        return ""
    samples = known["experimentsamples.flow_cytometry"]
    if stem == "immuneexposure":
        return known["subjecthumans"].get(name, "")
    created = {c["defines"] for c in block.columns if c["defines"]}
    if column["part"] != "result" and name in samples and fits(samples[name], created):
        return samples[name]
    if not column["conditional"]:
        return ""
    tables = [table.split("_2_")[0] for table in column["table"].split(" And ")]
    entities = [e for e in tables if e in created] or [e for e in PRIMARY if e in created] or sorted(created)
    return " & ".join(f"new:{entity}" for entity in entities[: len(tables)])


def fits(when: str, created: set[str]) -> bool:
    return all(entity in created for entity in re.findall(r"new:(\w+)", when))


def rules_of(page: Page, part: str) -> Iterator[tuple[str, str, list[str], str]]:
    """Stage, kind, what it looks at, and when."""
    names = page.columns("") | page.columns(part)
    constants = {row[0]: row[10] for row in page.rows(part, "Data Row Column Information") if len(row) > 10}
    for stage in ("PreRules", "PostRules"):
        found = re.search(rf"### {stage} .*?\n(.*?)(?=\n### |\Z)", page.parts[part], flags=re.DOTALL)
        if not found:
            continue
        for chunk in re.split(r"(?=^\| RULE TYPE)", found[1], flags=re.MULTILINE):
            row = re.search(r"^\| (?:simple|list) type \| (\S+) \| .*? \| \[(.*?)\] \|(.*)$", chunk, flags=re.MULTILINE)
            if not row:
                continue
            given = [name.strip() for name in re.findall(r"'([^']*)'", row[2])]
            if row[1].startswith("values-"):
                given.pop(0)  # the message
            tokens = [constants[g] if g.endswith("_required_value") else token(g, names) for g in given]
            lines = re.findall(
                r"^\t\t(case-\S+|not-\S+|empty-\S+|greater-\S+|file-\S+)\t(\S+)\t(.*)$", chunk, re.MULTILINE
            )
            when = " & ".join(one_condition(n, of, v, names) for n, of, v in lines if not of.startswith("global."))
            yield ("pre" if stage == "PreRules" else "post"), row[1], tokens, when


# what is written ------------------------------------------------------------------------------------------------------


def write(name: str, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    lines = ["\t".join(header), *("\t".join(row) for row in rows)]
    if any("\n" in cell or len(row) != len(header) for row in rows for cell in row):
        raise ValueError(name)
    (TARGET / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_blocks(blocks: list[Block], order: list[str]) -> None:
    rows = []
    for block in sorted(blocks, key=lambda b: b.schema):
        stem = block.file.lower().removesuffix(".txt")
        place = order.index(PLACE_IN_ORDER.get(stem, stem))
        rows.append((block.schema, block.template, block.name, block.kind, block.file, block.json_name, str(place + 1),
                     block.format, "yes" if block.required else "", "yes" if block.multiple else "",
                     ";".join(block.key)))  # fmt: skip
    write(
        "templates.tsv",
        ("schema", "template", "block", "kind", "file", "json", "order", "format", "required", "multiple", "key"),
        rows,
    )


COLUMN_FIELDS = ("column", "json", "kind", "list", "length", "required", "when", "vocabulary", "preferred", "defines",
                 "references", "part")  # fmt: skip


def write_columns(blocks: list[Block]) -> None:
    rows = [
        (block.schema, block.template, block.name, *(column[name] for name in COLUMN_FIELDS))
        for block in sorted(blocks, key=lambda b: b.schema)
        for column in block.columns
    ]
    write("columns.tsv", ("schema", "template", "block", *COLUMN_FIELDS), rows)


def write_rules(blocks: list[Block], pages: dict[str, Page]) -> None:
    rows: dict[tuple[str, ...], None] = {}
    samples = pages["experimentsamples.flow_cytometry"]
    for block in blocks:
        page = page_of(block, pages)
        is_samples = block.file.startswith("experimentSamples.")
        if not page and is_samples:
            page = samples
        own = {f"new:{c['defines']}" for c in block.columns if c["defines"]}
        for stage, kind, tokens, when in rules_of(page, block.name) if page else ():
            kept = usable(block, kind, tokens, own)
            if kept:
                rows[block.template, block.name, stage, kind, ";".join(kept), when] = None
        if block.template in SAMPLES_OF_RESULTS:
            tokens = f"Expsample ID;{SAMPLES_OF_RESULTS[block.template]}"
            rows[block.template, "", "post", "check-result-schema-for-accession", tokens, ""] = None
        if STATISTIC in block.names:
            rows[block.template, "", "post", "check-statistic", f"{STATISTIC};{STATISTIC_UNIT}", ""] = None
        if "ImmPort Template?" in block.names and "Result File Name" in block.names:
            rows[
                block.template, "", "pre", "check-immport-template", "Result File Name", "ImmPort Template? is Yes"
            ] = None
        if block.template in FCS_ONLY:
            tokens = f"{FCS_ONLY[block.template]};.fcs"
            rows[block.template, "", "post", "check-result-schema-for-result-file", tokens, "new:expsample"] = None
    write("rules.tsv", ("template", "block", "stage", "rule", "columns", "when"), list(rows))


def usable(block: Block, kind: str, tokens: list[str], own: set[str]) -> list[str]:
    """What a rule looks at, where it makes sense without the database of ImmPort."""
    if kind in ("check-result-schema-for-accession", "check-result-schema-for-result-file", "check-immport-template"):
        return []  # written from tables of this script
    if kind == "check-date-format":
        return []  # a kind of column
    if kind == "check-population-markers":
        return ["Gating Definition Reported"]
    if kind == "not-equal-to-value":
        return ["Reagent ID(s)"]
    if kind == "check-value-in-entity":
        return ["Age Unit", "study"] if "Age Unit" in tokens else ["subject", "study"]
    named = [t for t in tokens if ":" not in t and t not in ("study", "subject", "yes", "no")]
    if any(t.startswith("?") or t not in block.names for t in named):
        return []
    if any(t.startswith("new:") and t not in own for t in tokens):
        return []
    return tokens


def write_terms(lookups: list[dict]) -> None:
    rows = []
    for lookup in sorted(lookups, key=lambda one: one["name"]):
        for row in lookup["rows"]:
            if row["name"].split(" ;")[0].endswith(("_preferred", "_symbol")):
                continue  # names of columns
            identifier = (row["id"] or "").strip("- ")
            rows.append((lookup["name"], " ".join(row["name"].split()), identifier))
    write("vocabularies.tsv", ("vocabulary", "term", "id"), rows)


if __name__ == "__main__":
    main()
