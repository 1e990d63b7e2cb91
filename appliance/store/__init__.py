"""What is kept: one SQLite database in the data folder.

database.py     Store: one writer, readers beside it, backup, the folder's lock
errors.py       StoreError: what went wrong, as a message id
migrate.py      brings a database to this release's schema: migrations/mNNNN_name.py in the order of their numbers
settings.py     the site's settings, typed
audit.py        who did what: a hash chain with a signed head
*.py            one module an aggregate: functions that take `db` and run inside Store.read or Store.write
"""

from __future__ import annotations

from appliance.store.audit import Audit, AuditCheck, AuditEvent, AuditRow
from appliance.store.database import Store
from appliance.store.errors import StoreError
from appliance.store.settings import Settings, SettingsError, SiteSettings

__all__ = [
    "Audit",
    "AuditCheck",
    "AuditEvent",
    "AuditRow",
    "Settings",
    "SettingsError",
    "SiteSettings",
    "Store",
    "StoreError",
]
