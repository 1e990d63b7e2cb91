"""What every face stands on: routing with access, security headers and CSRF, templates, forms, static files."""
