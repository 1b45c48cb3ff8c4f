from tests.net.harness import fake

__all__ = ["fake"]
