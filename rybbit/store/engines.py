"""Which store an instance has, by its settings: the lake in its folder, or ClickHouse."""

import json

from rybbit.config import Config
from rybbit.store.base import EventStore
from rybbit.store.clickhouse import ClickHouseOptions, ClickHouseStore
from rybbit.store.lake import LakeOptions, LakeStore

EngineOptions = LakeOptions | ClickHouseOptions

_KINDS: dict[str, type[EngineOptions]] = {"lake": LakeOptions, "clickhouse": ClickHouseOptions}


def store_options(config: Config) -> EngineOptions:
    """What the store of an instance needs to know of the settings."""
    return clickhouse_options(config) if config.events_url else lake_options(config)


def lake_options(config: Config) -> LakeOptions:
    """What the lake needs to know of the settings."""
    return LakeOptions(
        folder=config.instance_path / "events",
        journal=config.instance_path / "journal",
        tombstones=config.instance_path / "tombstones",
        memory=config.query_memory,
        threads=config.query_threads,
        compact_files=config.compact_files,
        erase_hours=config.erase_hours,
    )


def clickhouse_options(config: Config) -> ClickHouseOptions:
    """What ClickHouse's store needs to know of the settings."""
    return ClickHouseOptions(
        url=config.events_url,
        folder=config.instance_path / "clickhouse",
        journal=config.instance_path / "journal",
        tombstones=config.instance_path / "tombstones",
        memory=config.query_memory,
    )


def open_store(options: EngineOptions) -> EventStore:
    """The store; it opens files and connections when they are needed."""
    return LakeStore(options) if isinstance(options, LakeOptions) else ClickHouseStore(options)


def write_options(options: EngineOptions) -> str:
    """The options as text, for a process of their own; it may hold a password."""
    kind = next(name for name, kind in _KINDS.items() if isinstance(options, kind))
    return json.dumps({"kind": kind, "options": options.to_json()})


def read_options(text: str) -> EngineOptions:
    """The options that `write_options` wrote."""
    fields = json.loads(text)
    return _KINDS[fields["kind"]].from_json(fields["options"])
