"""An empty task, in a Celery worker with the options of the service; it ignores the content of messages."""

import os

from shared.queue import QUEUE, make_celery

TASK = "nothing"

app = make_celery(os.environ["REDIS_URL"].rsplit("/", 1)[0] + "/7", consumes=True)
app.conf.worker_concurrency = 2


@app.task(name=TASK)
def nothing(number: str) -> None:
    """Do nothing."""


if __name__ == "__main__":
    app.worker_main(
        [
            "worker",
            f"--queues={QUEUE}",
            "--pool=prefork",
            "-Ofair",
            "--task-events",
            "--without-gossip",
            "--without-mingle",
            "--loglevel=INFO",
            "--hostname=nothing@localhost",
        ]
    )
