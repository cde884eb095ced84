[
    // One row of a table of at most 340.
    ("territory/municipality.rs", "{COLUMNS}"),
    // A sealed table is read whole when it is written to.
    ("db/table_seal.rs", "SELECT {of} FROM"),
]
