# The supervisor for programs without asyncio.

from atport.blocking import Blocking

from .supervisor import Supervisor


def supervise(lexi, **options):
    """A Supervisor of a lexi.blocking.Lexi: the application calls lexi.poll() and step() by turns.

    options: those of supervisor.Supervisor. step() blocks until what is due is done.
    """
    return Blocking(Supervisor(lexi._target, **options), lexi.run)
