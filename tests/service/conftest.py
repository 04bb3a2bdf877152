from service_fixtures import serve, server  # noqa: F401
