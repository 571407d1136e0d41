"""The errors that a user can cause.

Every message is one sentence that names the file and the field and says what to do; the command
line prints it on stderr and exits with 1. Anything else that escapes is a bug and keeps its traceback.

::

    ImmportCytoError
    ├── InputError               a file or folder is missing or cannot be read
    │   ├── FCSError             not an FCS file, or one that contradicts itself
    │   │   └── FCSTruncatedError    fewer events in the file than it declares
    │   ├── TableError           a table lacks a column or holds a value of the wrong kind
    │   ├── PackageError         an ImmPort package that cannot be loaded
    │   ├── NetworkError         ImmPort's server cannot be reached, refuses, or sends what is damaged
    │   └── ModelError           a saved model that cannot be used
    ├── OptionError              an option (or a key of study.yaml) with a value that makes no sense
    │   ├── DefinitionError      a population definition that cannot be read
    │   └── FormulaError         a model formula with an unknown or unusable term
    ├── LinkError                files and metadata do not fit together
    ├── PanelError               channels and markers do not fit together
    ├── CompensationError        a spillover matrix that does not fit the file
    ├── AnalysisError            data on which the asked computation is not possible
    ├── OutputExistsError        the output is already there
    └── MissingExtraError        an optional dependency is not installed
"""


class ImmportCytoError(Exception):
    """Base class of the errors that a user can cause."""


class InputError(ImmportCytoError):
    """A file or folder is missing or cannot be read."""


class FCSError(InputError):
    """Not an FCS file, or one that contradicts itself."""


class FCSTruncatedError(FCSError):
    """The file ends before the events that it declares."""


class TableError(InputError):
    """A table lacks a column or holds a value of the wrong kind."""


class PackageError(InputError):
    """An ImmPort package that cannot be loaded."""


class NetworkError(InputError):
    """ImmPort's server cannot be reached, refuses, or sends what is damaged."""


class ModelError(InputError):
    """A saved model that cannot be used."""


class OptionError(ImmportCytoError):
    """An option, or a key of ``study.yaml``, has a value that makes no sense."""


class DefinitionError(OptionError):
    """A population definition that cannot be read."""


class FormulaError(OptionError):
    """A model formula with an unknown or unusable term."""


class LinkError(ImmportCytoError):
    """Files and metadata do not fit together."""


class PanelError(ImmportCytoError):
    """Channels and markers do not fit together."""


class CompensationError(ImmportCytoError):
    """A spillover matrix that does not fit the file."""


class AnalysisError(ImmportCytoError):
    """Data on which the asked computation is not possible."""


class OutputExistsError(ImmportCytoError):
    """The output is already there and must not be overwritten."""


class MissingExtraError(ImmportCytoError):
    """An optional dependency is not installed; the message names the extra."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed: run  pip install 'immport-cyto[{extra}]'")
