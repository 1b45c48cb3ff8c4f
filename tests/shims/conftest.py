from tests.net.rig import fake

__all__ = ["fake"]
