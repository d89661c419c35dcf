"""`digits serve`: the HTTP API and the page, as thin as the command line (extra `web`)."""
