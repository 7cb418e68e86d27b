"""The few expressions that differ between the engines.

Queries are written once: in the common subset of DuckDB and ClickHouse, in DuckDB's words where the two
differ, with the functions below that DuckDB gets as macros. For ClickHouse calls are replaced by name.
"""

import re
from collections.abc import Iterator

# json_text: what stands under a key of a JSON object, as text, "" if there is nothing; keys may hold any
# character. hex_id: a signed 64-bit number as 16 hex digits. leading_number: "126.0.1" is 126.0, null without
# one. number: a text that is a number, else null. moment: what events are ordered by, ties by receipt.
# steps_taken: of the numbers of a group, how far one comes who takes a step, from 0, at each number that has
# the bit of the next one; at most 20. In DuckDB a number is sorted as the end of its moment, which has room
# for that until the year 2500; to sort by two columns takes a third longer.
DUCKDB_MACROS = (
    """
    create macro json_text(object, name) as case when json_valid(object) then coalesce(
      json_extract_string(object, '/' || replace(replace(name, '~', '~0'), '/', '~1')), '') else '' end
    """,
    "create macro hex_id(number) as lpad(lower(to_hex(number)), 16, '0')",
    """
    create macro leading_number(value) as
      try_cast(nullif(regexp_extract(value, '^-?[0-9]{1,15}([.][0-9]{1,15})?'), '') as double)
    """,
    """
    create macro number(value) as case when
      regexp_full_match(value, '-?[0-9]{1,15}([.][0-9]{1,15})?([eE][-+]?[0-9]{1,2})?')
      then cast(value as double) end
    """,
    "create macro moment(time, id) as cast(epoch_ms(time) as hugeint) * 9223372036854775808 + id",
    """
    create macro steps_taken(number, moment) as list_reduce(
      list_prepend(cast(0 as hugeint), list_sort(list(moment * 1048576 + number))),
      lambda taken, each: taken + (((each & 1048575) >> taken) & 1)
    )
    """,
)

_JSON = "ifNull({0}, '{{}}')"
# There a number that no Float64 can hold makes the whole text no JSON. In quotation marks it is a text; what
# is in some already is passed over, to the end, behind which empty pairs of them come.
_HUGE_QUOTED = (
    f"trim(trailing '\"' from replaceRegexpAll({_JSON},"
    r""" '((?:"(?:[^"\\\\]|\\\\.)*"|[^"])*?)(-?[0-9.]+[eE][+]?[0-9]{{3,}}|$)', '\\1"\\2"'))"""
)
_CLICKHOUSE = {
    "epoch_us": "toUnixTimestamp64Micro(toDateTime64({0}, 6, 'UTC'))",
    "epoch_ms": "toUnixTimestamp64Milli({0})",
    "make_timestamp_ms": "fromUnixTimestamp64Milli(toInt64({0}), 'UTC')",
    "divide": "intDiv({0}, {1})",
    "min_by": "argMin({0}, {1})",
    "max_by": "argMax({0}, {1})",
    "contains": "(position({0}, {1}) > 0)",
    "any_value": "any({0})",
    "unnest": "arrayJoin({0})",
    # There a point is any character unless told otherwise.
    "regexp_matches": "match({0}, concat('(?-s)', {1}))",
    # Theirs give zero or "" where there is no row, unless a value can be null.
    "lag": "lag(toNullable({0}))",
    "lead": "lead(toNullable({0}))",
    "lower": "lowerUTF8({0})",
    "quantile_cont": "quantileExactInclusive({1})({0})",
    # It writes 1.0 as 1.
    "json_text": (
        f"if(isValidJSON({_JSON}), if(JSONType({_JSON}, {{1}}) = 'Double',"
        f" replaceRegexpOne(JSONExtractString({_JSON}, {{1}}), '^-?[0-9]+$', '\\\\0.0'),"
        f" JSONExtractString({_JSON}, {{1}})), JSONExtractString({_HUGE_QUOTED}, {{1}}))"
    ),
    "hex_id": "lower(leftPad(hex(reinterpretAsUInt64({0})), 16, '0'))",
    "leading_number": "toFloat64OrNull(regexpExtract({0}, '^-?[0-9]{{1,15}}([.][0-9]{{1,15}})?', 0))",
    "number": (
        "if(match({0}, '^-?[0-9]{{1,15}}([.][0-9]{{1,15}})?([eE][-+]?[0-9]{{1,2}})?$'),"
        " toFloat64OrNull({0}), null)"
    ),
    "moment": "({0}, {1})",
    "steps_taken": (
        "arrayFold((taken, each) -> taken + bitAnd(bitShiftRight(each.2, taken), 1),"
        " arraySort(groupArray(({1}, {0}))), toInt64(0))"
    ),
}
_CALL = re.compile(rf"\b({'|'.join(_CLICKHOUSE)})\(")


VALUE_NAME = re.compile(r"\$(\w+)")
"""How a query names a value that is bound to it."""


def with_relation(sql: str, name: str, select: str) -> str:
    """A query with one more relation in front of it; `select` may say first how it is to be taken."""
    sql = sql.strip()
    relation = f"{name} as {select}"
    return f"with {relation}, {sql[5:]}" if sql.startswith("with ") else f"with {relation} {sql}"


def to_clickhouse(sql: str) -> str:
    """The same query in ClickHouse's words; it may hold no text literal with a parenthesis of its own."""
    sql = sql.replace(" as varchar)", " as String)").replace(" as double)", " as Float64)")
    return _translated(sql)


def _translated(sql: str) -> str:
    parts = []
    at = 0
    while call := _CALL.search(sql, at):
        end = _closing(sql, call.end())
        arguments = [_translated(each.strip()) for each in _arguments(sql[call.end() : end])]
        parts += [sql[at : call.start()], _CLICKHOUSE[call[1]].format(*arguments)]
        at = end + 1
    return "".join([*parts, sql[at:]])


def _closing(sql: str, start: int) -> int:
    """The place of the parenthesis that closes the one before `start`."""
    depth = 1
    for place in range(start, len(sql)):
        depth += {"(": 1, ")": -1}.get(sql[place], 0)
        if not depth:
            return place
    raise ValueError(f"A parenthesis is not closed: {sql[start - 20 : start + 20]}")


def _arguments(text: str) -> Iterator[str]:
    """The arguments of a call, at the commas that are in no inner parenthesis."""
    depth = start = 0
    for place, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and not depth:
            yield text[start:place]
            start = place + 1
    yield text[start:]
