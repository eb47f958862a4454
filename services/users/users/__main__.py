"""`python -m users` serves; `migrate` brings the database to head; `openapi` prints the OpenAPI document."""

from chassis.main import run

from users.bootstrap import UsersSettings, service

if __name__ == "__main__":
    run(service, UsersSettings)
