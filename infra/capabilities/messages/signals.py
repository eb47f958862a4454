"""What waits for a service that subscribes, and what it gave up."""

from pulumi import Input

from infra.signals import Alarm, Chart, Series

MAXIMUM_AGE_SECONDS = 300


def charts(name: Input[str], dead_letters: Input[str]) -> list[Chart]:
    """Both are names of queues."""

    def of(which: Input[str], metric: str, label: str) -> Series:
        return Series("AWS/SQS", metric, {"QueueName": which}, "Maximum", label)

    return [
        Chart(
            "Messages",
            [
                of(name, "ApproximateNumberOfMessagesVisible", "waiting"),
                of(name, "ApproximateNumberOfMessagesNotVisible", "in hand"),
            ],
        ),
        Chart("Age of the oldest message in seconds", [of(name, "ApproximateAgeOfOldestMessage", "age")]),
        Chart("Dead letters", [of(dead_letters, "ApproximateNumberOfMessagesVisible", "dead letters")]),
    ]


def alarms(name: Input[str], dead_letters: Input[str]) -> list[Alarm]:
    """Both are names of queues."""

    def of(which: Input[str], metric: str) -> Series:
        return Series("AWS/SQS", metric, {"QueueName": which}, "Maximum", metric)

    return [
        Alarm(
            key="dead-letters",
            says="A message was given up: find out why in the log, then move it back (SQS: start DLQ redrive).",
            series={"letters": of(dead_letters, "ApproximateNumberOfMessagesVisible")},
            threshold=0,
            minutes=1,
            bad_minutes=1,
            gap="ignore",  # SQS falls silent about a queue that nobody touches; what lies there still lies there
        ),
        Alarm(
            key="oldest-message",
            says=f"A message waits for more than {MAXIMUM_AGE_SECONDS} s: the service falls behind, or is stuck.",
            series={"age": of(name, "ApproximateAgeOfOldestMessage")},
            threshold=MAXIMUM_AGE_SECONDS,
            minutes=1,
            bad_minutes=1,
            gap="notBreaching",  # an empty queue has no oldest message
        ),
    ]
