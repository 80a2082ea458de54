"""What can be wrong with recorded data: a name for each, how bad it is, what to do about it."""

from typing import Literal, NamedTuple

Severity = Literal["critical", "warning", "notice"]
BY_FIX = "--fix removes them; the original is kept"
BY_MOVE = "--fix moves those whose price fits there and removes others; the original is kept"


class Kind(NamedTuple):
    """`fixable` says that --fix deals with it wherever it can prove what is right."""

    severity: Severity
    title: str
    remedy: str
    fixable: bool = True


KINDS: dict[str, Kind] = {
    # lines that are no rows
    "torn_row": Kind("critical", "torn lines", BY_FIX),
    "repeated_header": Kind("warning", "headers among the rows", BY_FIX),
    "zero_bytes": Kind("critical", "zero bytes", "a power cut or a bad disk: look at the disk; " + BY_FIX),
    "not_utf8": Kind("critical", "bytes that are no text", "look at the disk; " + BY_FIX),
    "wrong_fields": Kind("critical", "rows with too many fields (decimal commas?)", BY_FIX),
    "no_number": Kind("critical", "fields that are no number or word of ours", BY_FIX),
    "joined_rows": Kind("critical", "two rows in one line", "--fix keeps the row that is whole"),
    "carriage_return": Kind("critical", "Windows line ends", "--fix writes ours"),
    "byte_order_mark": Kind("critical", "byte order marks", "--fix takes them out"),
    "time_unit": Kind("critical", "times in seconds, micro- or nanoseconds", "mend the writer; " + BY_FIX),
    "future_time": Kind("critical", "times in the future", "set the clock right (NTP); " + BY_FIX),
    "wrong_day": Kind("critical", "rows of another day", BY_MOVE),
    "wrong_coin": Kind("critical", "rows of another coin", BY_MOVE),
    # rows that cannot be true
    "not_positive": Kind("critical", "prices or sizes that are not above zero", BY_FIX),
    "crossed": Kind("critical", "crossed or locked books (bid >= ask)", BY_FIX),
    "contradiction": Kind("critical", "mid or spread do not follow from bid and ask", BY_FIX),
    "unordered_levels": Kind("critical", "levels out of order or with holes", BY_FIX),
    "swapped_columns": Kind("critical", "columns exchanged", "mend the writer; " + BY_FIX),
    "duplicate_row": Kind("critical", "rows that are there twice", BY_FIX),
    "duplicate_block": Kind("critical", "blocks of rows that are there twice", BY_FIX),
    "conflicting_rows": Kind(
        "critical", "rows with one key and different values", "compare them by hand; both are kept", False
    ),
    "time_back": Kind("critical", "time going back", "--fix sorts the file"),
    "price_outlier": Kind("warning", "prices ten times away from the touch", "look at them; they are kept", False),
    # files
    "bad_header": Kind("critical", "files whose first line is damaged or missing", "--fix writes the header anew"),
    "unknown_header": Kind("critical", "files with columns not ours", "move them out of the folder", False),
    "no_rows": Kind("warning", "files without a row", "--fix removes what has no header either"),
    "unreadable": Kind("critical", "files that cannot be read", "chmod, or look at the disk", False),
    "not_a_file": Kind("critical", "folders, links or devices in place of a file", "move them away", False),
    "foreign_file": Kind("warning", "files that are not ours", "move them out of the folder", False),
    "leftover": Kind("warning", "temporary files of a run that was killed", "--fix moves them to the originals"),
    "future_file": Kind("critical", "files of a day to come", "set the clock right; move them away", False),
    "parquet_unreadable": Kind("critical", "Parquet files that cannot be read", "--fix converts the CSV again"),
    "parquet_damaged": Kind("critical", "Parquet files that differ from their manifest", "--fix converts again"),
    "parquet_unproven": Kind(
        "warning", "Parquet files not made by the converter", "nothing proves that they are whole", False
    ),
    "parquet_differs": Kind("critical", "Parquet and CSV of one day differ", "--fix keeps what holds everything"),
    "bad_incidents": Kind("warning", "state/incidents.jsonl cannot be read", "move the file away", False),
    # what is not there
    "missing_day": Kind("critical", "days without ticks of a coin", "nothing brings them back", False),
    "missing_family": Kind("warning", "days with ticks, no depth or trades", "see the harvester's log", False),
    "ended": Kind(
        "notice", "coins that end before the others", "did they leave the universe? see the ingestor's log", False
    ),
}  # fmt: skip


class Finding(NamedTuple):
    """One kind of thing in one place. `line` is the first line concerned (1 is the header), 0 without one."""

    kind: str
    place: str
    """File or folder, relative to the data folder."""
    coin: str = ""
    n: int = 1
    line: int = 0
    text: str = ""

    @property
    def severity(self) -> Severity:
        return KINDS[self.kind].severity
