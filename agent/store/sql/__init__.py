"""The ledger's database: tables, migrations, SQLite and PostgreSQL opened alike."""
