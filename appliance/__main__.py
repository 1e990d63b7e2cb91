"""`python -m appliance`: the `beistand` command."""

from appliance.cli import main

main()
