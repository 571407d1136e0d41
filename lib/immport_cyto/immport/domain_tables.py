"""The SDTM-named domains, column by column: data, no logic."""

from immport_cyto.tables import Column, Table


def _domain(name: str, description: str, *columns: Column, key: tuple[str, ...]) -> Table:
    shared = (
        Column("STUDYID", "text", "ImmPort study, SDYn"),
        Column("DOMAIN", "text", f"always {name}"),
    )
    return Table(f"{name.lower()}.tsv", description, (*shared, *columns), ("STUDYID", *key))


def _text(name: str, description: str) -> Column:
    return Column(name, "text", description, False)


def _float(name: str, description: str) -> Column:
    return Column(name, "float", description, False)


def _seq(name: str) -> Column:
    return Column(f"{name}SEQ", "int", "number of the row within the subject")


_SUBJECT = Column("USUBJID", "text", "SUBn; the same person in all studies")
_AGE = (
    _float("AGE", "years; empty where unknown, or where the arms of the subject differ"),
    _text("AGEU", "YEARS"),
    _text("AGETOPFL", "Y where 90 stands for 90 and more; not of SDTM"),
    _text("AGEEVT", "event at which the age was; not of SDTM"),
)
_VISIT = (
    _float("VISITNUM", "order of the planned visit"),
    _text("VISIT", "name of the planned visit"),
)
_VISIT_ID = _text("VISITID", "PVn; not of SDTM")

DOMAINS: dict[str, Table] = {
    "DM": _domain(
        "DM", "Demographics: one row per subject and study",
        _SUBJECT, *_AGE,
        _text("SEX", "F, M, UNDIFFERENTIATED, or U where unknown"),
        _text("RACE", "as ImmPort gives it"),
        _text("ETHNIC", "as ImmPort gives it"),
        _text("SPECIES", "such as Homo sapiens"),
        _text("STRAIN", "strain of an animal"),
        _text("ARMCD", "ARMn; several are joined by ';'"),
        _text("ARM", "arm or cohort; several are joined by ';'"),
        _text("PHENO", "phenotype of the subject; not of SDTM"),
        key=("USUBJID",),
    ),
    "TA": _domain(
        "TA", "Trial Arms: one row per arm or cohort",
        Column("TASEQ", "int", "number of the row within the study"),
        _text("ARMCD", "ARMn; empty where the source gives names only"),
        _text("ARM", "arm or cohort"),
        _text("ARMDESC", "description; not of SDTM"),
        _text("ARMTYPE", "type, such as Experimental; not of SDTM"),
        Column("NSUBJ", "int", "subjects in it; not of SDTM"),
        key=("TASEQ",),
    ),
    "SE": _domain(
        "SE", "Subject Elements: one row per subject and arm, as a subject may be in several arms of a study",
        _SUBJECT, _seq("SE"),
        _text("ETCD", "ARMn"),
        _text("ELEMENT", "arm or cohort"),
        *_AGE,
        _text("PHENO", "phenotype of the subject in this arm; not of SDTM"),
        key=("USUBJID", "SESEQ"),
    ),
    "TV": _domain(
        "TV", "Trial Visits: one row per planned visit",
        Column("TVSEQ", "int", "number of the row within the study"),
        *_VISIT, _VISIT_ID,
        _float("VISITDY", "planned day, the first"),
        _float("VISITDYX", "planned day, the last; not of SDTM"),
        key=("TVSEQ",),
    ),
    "SV": _domain(
        "SV", "Subject Visits: one row per subject and visit at which a sample was taken",
        _SUBJECT, _seq("SV"), *_VISIT, _VISIT_ID,
        _float("VISITDY", "planned day"),
        _float("SVSTDY", "first sample, in days after the study's time zero"),
        _float("SVENDY", "last sample, in days after the study's time zero"),
        Column("NSAMP", "int", "biosamples; not of SDTM"),
        key=("USUBJID", "SVSEQ"),
    ),
    "BE": _domain(
        "BE", "Biospecimen Events: one row per biosample",
        _SUBJECT, _seq("BE"),
        _text("BEREFID", "BSn"),
        _text("BETERM", "always Collecting"),
        _text("BESPEC", "type of the biosample, such as PBMC; not of SDTM"),
        _text("BESPECSB", "subtype; not of SDTM"),
        *_VISIT, _VISIT_ID,
        _float("BEDY", "days after the study's time zero"),
        _text("BEELTM", "the same in the unit that was reported, as ISO 8601 duration"),
        _text("BETPTREF", "the study's time zero"),
        key=("USUBJID", "BESEQ"),
    ),
    "ZT": _domain(
        "ZT", "Treatments of samples (not of SDTM): one row per treated biosample or expsample",
        _SUBJECT, _seq("ZT"),
        _text("ZTREFID", "ESn, or BSn where the biosample was treated"),
        _text("ZTSPID", "TRTn"),
        _text("ZTTRT", "treatment"),
        _text("ZTDOSE", "amount, as reported"),
        _text("ZTDOSU", "its unit"),
        _text("ZTDUR", "duration, ISO 8601"),
        _text("ZTTEMP", "temperature, as reported"),
        _text("ZTTEMPU", "its unit"),
        key=("USUBJID", "ZTSEQ"),
    ),
    "ZB": _domain(
        "ZB", "Cellular Quantification (RImmPort's name): one row per reported number of a population in a sample",
        _SUBJECT, _seq("ZB"),
        _text("ZBTEST", "population, its name unique within the study"),
        _text("ZBCAT", "always Cellular Quantification"),
        _text("ZBMETHOD", "Flow cytometry or CyTOF"),
        _text("ZBPOPDEF", "its gates; the definition as reported where it cannot be read as gates"),
        _text("ZBPOPNAM", "name as reported"),
        _text("ZBCLID", "Cell Ontology class, where known"),
        _text("ZBBASPOP", "parent population"),
        _text("ZBORRES", "number as reported"),
        _text("ZBORRESU", "its unit as reported"),
        _float("ZBSTRESN", "the number in the standard unit"),
        _text("ZBSTRESU", "%, events, cells/uL, or the unit as reported"),
        _text("ZBSTAT", "NOT DONE where there is no number"),
        _text("ZBREASND", "why: the comment"),
        _text("ZBSPEC", "type of the biosample"),
        _text("ZBREFID", "ESn"),
        _text("ZBBIOSID", "BSn"),
        _text("ZBSCHEME", "gating scheme, the panel_id of 'immport results'"),
        *_VISIT,
        _float("ZBDY", "days after the study's time zero"),
        _text("ZBELTM", "the same in the unit that was reported, as ISO 8601 duration"),
        _text("ZBTPTREF", "the study's time zero"),
        _text("ZBXFN", "FCS files, joined by ';'"),
        key=("USUBJID", "ZBSEQ"),
    ),
}  # fmt: skip
"""Domain to its table; ``write`` refuses two rows of one key."""
