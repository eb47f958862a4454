"""`python -m notifications` serves; `openapi` prints the OpenAPI document. There is nothing to migrate."""

from chassis.main import run

from notifications.bootstrap import NotificationsSettings, service

if __name__ == "__main__":
    run(service, NotificationsSettings)
