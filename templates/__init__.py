"""Show: Jinja2 templates of the report, loaded with `PackageLoader("groundwire.templates", "")`."""
