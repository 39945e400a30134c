"""The names of the formats of `clout agent replay`: what its option takes, without what reads them."""

from typing import Literal

FormatName = Literal[
    "csv",
    "facebook",
    "gharchive",
    "googleplus",
    "higgs",
    "instagram",
    "jetstream",
    "klout",
    "ndjson",
    "parquet",
    "twitter",
]
