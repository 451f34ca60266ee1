"""Migrations that follow the last real ones, for tests: a column, values, an index, a table that is rebuilt."""

from typing import Final

from tnc.store.database import CONTROL
from tnc.store.days.schema import DAY
from tnc.store.migrations import Migration, Schema

FURTHER_CONTROL: Final = Schema(
    CONTROL.store,
    (
        *CONTROL.migrations,
        Migration(
            number=CONTROL.version + 1,
            name="users have a language",
            statements=(
                "alter table users add column language text",
                "update users set language = 'en'",
                "create index users_language on users (language)",
            ),
        ),
        Migration(
            number=CONTROL.version + 2,
            name="alerts are of one workspace",
            statements=(
                """
                create table checked (
                  workspace text not null check (workspace <> ''),
                  subject   text not null,
                  at_ms     integer not null,
                  sent      integer not null,
                  over      integer not null,
                  problem   text,
                  primary key (workspace, subject)
                ) strict, without rowid
                """,
                "insert into checked select * from alerts",
                "drop table alerts",
                "alter table checked rename to alerts",
            ),
        ),
    ),
)

FURTHER_DAY: Final = Schema(
    DAY.store,
    (
        *DAY.migrations,
        Migration(
            number=DAY.version + 1,
            name="clicks have a lane",
            statements=("alter table clicks add column lane integer",),
            shown={"clicks": "select *, null as lane from {table}"},
        ),
        Migration(
            number=DAY.version + 2,
            name="clicks have a depth",
            statements=("alter table clicks add column depth integer",),
            shown={"clicks": "select *, null as depth from {table}"},
        ),
    ),
)
