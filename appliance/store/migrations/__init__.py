"""The schema's steps: `mNNNN_name.py`, each with `apply(db)`. Never changed once released; see `store/migrate.py`."""
