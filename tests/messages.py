"""Messages between a process of the API and its children, without the processes."""

from multiprocessing import Pipe
from threading import Thread
from typing import Any

from api.computing import pickling


def passed(message: pickling.Message) -> Any:
    """The item of a message that went to another process."""
    ours, theirs = Pipe()
    with ours, theirs:
        sending = Thread(target=message.send, args=(ours,))
        sending.start()
        item = pickling.receive(theirs)
        sending.join()
    return item
