"""What runs at the far ends: the customer's client, the desktop it shares, and the platforms it runs on.

Clients import only `appliance.wire`, `appliance.domain` and `appliance.words`.
"""
