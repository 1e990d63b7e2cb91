"""The set-up page of a new site: the only thing that answers before set-up, and gone after it."""
