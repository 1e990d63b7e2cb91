"""`/login`: signing in, one's own account, and the site's administration."""
